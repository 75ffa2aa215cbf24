"""The simulated Kubernetes API server: a pure store, the verbs above it, controllers beside it."""
