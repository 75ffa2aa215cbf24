"""How quick the lab is: `make bench` measures it and writes docs/benchmarks.md."""
