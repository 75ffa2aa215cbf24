"""Everything behind the API that makes objects come true: control loops and a simulated kubelet."""
