"""How what runs in kind's clusters reaches this machine: the other end of their network.

On Linux the network's gateway is an address of this machine. Where the engine runs in a virtual
machine it is not, and the engine has a name for this machine instead, which leads to its loopback.

Source: `docker network inspect`, `podman network inspect`; Docker Desktop, "Networking features".
"""

from __future__ import annotations

import json
import socket
from ipaddress import ip_address
from typing import Any

from gitops_lab.cluster.commands import run
from gitops_lab.errors import LabError

NETWORK = "kind"
"""What kind calls the network of its nodes."""

LOOPBACK = "127.0.0.1"

NAMES = {"podman": "host.containers.internal"}
"""What an engine in a virtual machine calls this machine, if not as Docker and nerdctl do."""

PATIENCE = 20.0
"""Seconds that an engine has to describe its network."""


async def way_back(engine: str) -> tuple[str, str]:
    """What nodes call this machine, and the address of it that they reach then.

    Raises:
        LabError: the engine does not tell.
    """
    told = await run(engine, "network", "inspect", NETWORK, timeout=PATIENCE)
    try:
        found = gateways(json.loads(told)[0])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LabError(
            f"{engine} tells of its network what we do not understand",
            where=f"`{engine} network inspect {NETWORK}`",
            fix="see that it is a recent version, or run the agents here: --agent outside",
        ) from error
    for gateway in found:
        if is_ours(gateway):
            return gateway, gateway
    return NAMES.get(engine, "host.docker.internal"), LOOPBACK


def gateways(network: dict[str, Any]) -> list[str]:
    """The IPv4 gateways of a network, as Docker and as Podman describe it."""
    parts = network.get("subnets") or (network.get("IPAM") or {}).get("Config") or ()
    told = (part.get("gateway") or part.get("Gateway") for part in parts)
    return [address for address in told if address and ip_address(address).version == 4]


def is_ours(address: str) -> bool:
    """Whether one can listen at an address on this machine."""
    try:
        with socket.create_server((address, 0)):
            return True
    except OSError:
        return False
