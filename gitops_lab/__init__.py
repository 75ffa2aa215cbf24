"""A teaching sandbox and simulator for GitOps: push and pull deployers, side by side."""

__version__ = "0.1.0"
