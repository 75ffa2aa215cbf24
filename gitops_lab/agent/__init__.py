"""The pull deployer as a program of its own, and what it takes to run it inside a cluster."""
