"""Adapters of the Cluster port: what stands between the deployers and a Kubernetes API."""
