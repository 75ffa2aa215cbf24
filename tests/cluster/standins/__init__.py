"""Stand-ins for the commands `kind`, `docker`, `podman` and `nerdctl`, for machines without them.

They take the options that the real commands take and no others, write what those write, to the
same output, and end with the same exit codes. A cluster of the stand-in for kind is a simulated one
behind HTTPS, in a process of its own.

They keep what they must remember in the folder `$STANDINS`, and fail as `$STANDINS_FAIL` says.

Source: `docker --help` of Docker 28; the commands and messages of kind 0.23 and later; podman(1).
"""
