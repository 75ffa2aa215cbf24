"""Why a command of kind or of a container engine failed, as far as its output tells.

Source: what these commands write (Docker Engine 20.10 to 29, Podman 4 and 5, kind 0.24 and later),
and kind's own list of known issues (https://kind.sigs.k8s.io/docs/user/known-issues/).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """A likely cause of a failure.

    Args:
        what: the fault, in a few words.
        cure: what to do about it.
        traces: the texts by which it is recognised; any of them will do.
    """

    what: str
    cure: str
    traces: tuple[str, ...]


INOTIFY = Cause(
    "too many open files: the kernel's limits for inotify are used up",
    "raise them: sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
    ("too many open files", "inotify"),
)
DISK = Cause(
    "the disk is full",
    "make room: `docker system df` shows what takes it, `docker system prune` frees what is unused",
    ("no space left on device", "disk quota exceeded"),
)
FORBIDDEN = Cause(
    "you may not use the container engine",
    "join its group (sudo usermod -aG docker $USER, then log in again), or use a rootless engine",
    (r"permission denied while trying to connect", r"dial unix.*: permission denied"),
)
NOT_RUNNING = Cause(
    "the container engine does not run",
    "start it (sudo systemctl start docker, Docker Desktop, podman machine start) and try again",
    (
        "cannot connect to the docker daemon",
        "failed to connect to the docker api",
        "unable to connect to podman",
        "cannot connect to podman",
        "cannot access containerd socket",
    ),
)
PORT = Cause(
    "a port of this machine is in use already",
    "map another port, or end what listens there (`docker ps` shows containers with ports)",
    ("port is already allocated", "address already in use", "ports are not available"),
)
TAKEN = Cause(
    "a cluster of this name exists already",
    "delete it first, unless it is needed",
    (r"node\(s\) already exist for a cluster", r"container name .* is already in use"),
)
CGROUPS = Cause(
    "the container engine's control groups do not suffice",
    "use cgroup v2, and for a rootless engine delegate it: "
    "https://kind.sigs.k8s.io/docs/user/rootless/",
    ("requires cgroup v2", "delegate=yes", "find a log line that matches .*cgroup v1"),
)
NO_PULL = Cause(
    "an image cannot be pulled",
    "see that its name is right and that the registry can be reached (`docker pull` says more); "
    "without a network, load it beforehand: https://kind.sigs.k8s.io/docs/user/working-offline/",
    ("failed to pull image", "pull access denied", "manifest unknown", "toomanyrequests"),
)
NOT_LOCAL = Cause(
    "an image that should be loaded is not on this machine",
    "build or pull it first",
    ("not present locally", "no such image", "image not known"),
)
NO_START = Cause(
    "Kubernetes did not start in the node",
    "give the container engine more memory and disk; the exported logs of the kubelet say more",
    ("failed to init node with kubeadm", "failed to join node with kubeadm"),
)

CAUSES = (
    # What fills a disk also breaks a pull, and so on: the more telling trace comes first.
    INOTIFY,
    DISK,
    FORBIDDEN,
    NOT_RUNNING,
    PORT,
    TAKEN,
    CGROUPS,
    NO_PULL,
    NOT_LOCAL,
    NO_START,
)


def likely(output: str) -> Cause | None:
    """The likely cause of a failure; None if the output does not tell.

    Args:
        output: what the command wrote, to standard output and standard error.
    """
    for cause in CAUSES:
        if any(re.search(trace, output, re.IGNORECASE) for trace in cause.traces):
            return cause
    return None
