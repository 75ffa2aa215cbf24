"""The ApplicationSet controller: generators make parameters, a template makes Applications."""
