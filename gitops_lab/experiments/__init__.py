"""Experiments: the same events for every arm, and a number or a picture under each claim."""
