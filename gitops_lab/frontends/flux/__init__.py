"""Flux 2.9: its kinds, as controllers over the engine."""
