"""The engine: render, plan, apply, prune, health. `sync` is these calls in this order."""
