"""The API over HTTP: representation, and nothing else."""
