"""The background process of a live sandbox, its HTTP API, and how it is started and ended."""
