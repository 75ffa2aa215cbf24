"""Argo CD 3.5 over the lab's engine: its kinds, and its three programs as step functions."""
