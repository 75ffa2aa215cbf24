"""What the `flux` CLI does and prints, for those kinds that are simulated.

Each function takes a `Session`, which has the cluster and takes the lines. It answers with the exit
code. `gitops-lab flux` reads the command line and calls these.

Source: flux2 v2.9.4, cmd/flux.
"""
