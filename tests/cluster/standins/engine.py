"""The stand-in for `docker`, `podman` and `nerdctl`, as far as we use them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.standins import memory
from tests.cluster.standins.options import Call, Command, Wrong, parse

DOCKER = {
    "info": Command({"format": True}, {"f": "format"}),
    "version": Command({"format": True}, {"f": "format"}),
    "build": Command(
        {
            "tag": True,
            "file": True,
            "quiet": False,
            "label": True,
            "build-arg": True,
            "pull": False,
        },
        {"t": "tag", "f": "file", "q": "quiet"},
        least=1,
        most=1,
    ),
    "save": Command({"output": True}, {"o": "output"}, least=1, most=None),
    "image inspect": Command({"format": True}, {"f": "format"}, least=1, most=None),
    "network inspect": Command(least=1, most=1),
}
PODMAN = {
    **DOCKER,
    "save": Command(
        {"output": True, "multi-image-archive": False},
        {"o": "output", "m": "multi-image-archive"},
        least=1,
        most=None,
    ),
}
COMMANDS = {"docker": DOCKER, "podman": PODMAN, "nerdctl": DOCKER}

MEMORY = 8 * 2**30

_REFERENCE = re.compile(r"[a-z0-9][a-z0-9./:_@-]*")


def main(engine: str, words: Sequence[str]) -> int:
    """Do what an engine is told; its exit code."""
    memory.record(engine, words)
    try:
        call = parse(COMMANDS[engine], words)
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 125 if "unknown flag" in str(wrong) or "shorthand" in str(wrong) else 1
    refusal = memory.refusal(engine)
    if refusal:
        print(refusal, file=sys.stderr)
        return 1
    return DOES[call.name](engine, call)


def info(engine: str, call: Call) -> int:
    if call["format"] != ("json" if engine == "podman" else "{{json .}}"):
        print("this stand-in only speaks JSON", file=sys.stderr)
        return 1
    rootless, cgroups = memory.fails("rootless"), 1 if memory.fails("cgroups") else 2
    print(json.dumps(podman_info(rootless, cgroups) if engine == "podman" else {
        "ServerVersion": "28.2.2",
        "MemTotal": MEMORY,
        "NCPU": 4,
        "CgroupVersion": str(cgroups),
        "DockerRootDir": "/var/lib/docker",
        "SecurityOptions": ["name=seccomp,profile=builtin", *["name=rootless"] * rootless],
    }))  # fmt: skip
    return 0


def podman_info(rootless: bool, cgroups: int) -> dict[str, object]:
    return {
        "host": {
            "cgroupVersion": f"v{cgroups}",
            "memTotal": MEMORY,
            "security": {"rootless": rootless},
        },
        "store": {"graphRoot": "/var/lib/containers/storage"},
        "version": {"Version": "5.4.2"},
    }


def version(engine: str, call: Call) -> int:
    print("28.2.2")
    return 0


def build(engine: str, call: Call) -> int:
    folder = Path(call.arguments[0])
    dockerfile = Path(call["file"]) if "file" in call else folder / "Dockerfile"
    if not dockerfile.is_file():
        print(
            f"ERROR: failed to build: failed to read dockerfile: open {dockerfile.name}: no such "
            "file or directory",
            file=sys.stderr,
        )
        return 1
    for name in call.options.get("tag", ()):
        if not _REFERENCE.fullmatch(name):
            print(f'ERROR: invalid tag "{name}": invalid reference format', file=sys.stderr)
            return 1
        print(f"#1 naming to docker.io/library/{name} done", file=sys.stderr)
        memory.add_image(name)
        if "quiet" in call:
            print(memory.image_id(name))
    return 0


def save(engine: str, call: Call) -> int:
    for name in call.arguments:
        if name not in memory.images():
            print(f"Error response from daemon: No such image: {name}", file=sys.stderr)
            return 1
    if engine == "podman" and len(call.arguments) > 1 and "multi-image-archive" not in call:
        print("Error: only one image may be saved without --multi-image-archive", file=sys.stderr)
        return 125
    Path(call["output"]).write_text("\n".join(call.arguments))
    return 0


def image_inspect(engine: str, call: Call) -> int:
    for name in call.arguments:
        if name not in memory.images():
            print(f"Error response from daemon: No such image: {name}", file=sys.stderr)
            return 1
        print(memory.image_id(name))
    return 0


def network_inspect(engine: str, call: Call) -> int:
    """The network of kind's nodes, which there is once there is a cluster."""
    (name,) = call.arguments
    if name != "kind" or not [*memory.HOME.glob("clusters/*/nodes")]:
        print(f"Error response from daemon: network {name} not found", file=sys.stderr)
        return 1
    subnet, gateway = ("subnet", "gateway") if engine == "podman" else ("Subnet", "Gateway")
    addresses = ("fc00:f853:ccd:e793::1", os.environ.get("STANDINS_GATEWAY", "172.18.0.1"))
    parts = [{subnet: f"{each}/16", gateway: each} for each in addresses]
    print(json.dumps([{"subnets": parts} if engine == "podman" else {"IPAM": {"Config": parts}}]))
    return 0


DOES = {
    "info": info,
    "version": version,
    "build": build,
    "save": save,
    "image inspect": image_inspect,
    "network inspect": network_inspect,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
