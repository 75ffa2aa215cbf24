"""Simulated nodes: what a machine says of itself when it joins the cluster.

Source: Kubernetes 1.37, pkg/kubelet/nodestatus. That it still lives is told by `heartbeat`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from uuid import UUID

from kubesim.clock import timestamp
from kubesim.controllers.status import condition
from kubesim.model import Object

VERSION = "v1.37.0"

CAPACITY = {
    "cpu": "8",
    "memory": "16Gi",
    "pods": "110",
    "ephemeral-storage": "100Gi",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
}
"""What every simulated machine has, and all of it can be allocated."""

_HEALTH = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "sufficient PID available"),
    ("Ready", "True", "KubeletReady", ""),
)


_OWN_ADDRESS = re.compile(r"172\.18\.([0-9]{1,3})\.([0-9]{1,3})")


def new_node(number: int) -> Object:
    """The Node object that a machine registers itself with, counted from 1."""
    name = f"node-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {"podCIDR": f"10.244.{number - 1}.0/24", "podCIDRs": [f"10.244.{number - 1}.0/24"]},
    }


def node_status(node: Object, number: int, now: float) -> dict[str, Any]:
    """The status of a machine that works.

    Args:
        node: the live object.
        number: the machine's number, which gives its address.
        now: the present instant, in seconds since the Unix epoch.
    """
    old: dict[str, Any] = node.get("status") or {}
    conditions = []
    for type, status, reason, text in _HEALTH:
        message = f"kubelet has {text}" if text else "kubelet is posting ready status"
        known = condition(old, type)
        conditions.append(
            known
            if known is not None and known.get("status") == status
            else {
                "type": type,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": timestamp(now),
                "lastTransitionTime": timestamp(now),
            }
        )
    name = node["metadata"]["name"]
    return {
        **old,
        "addresses": [
            {"type": "InternalIP", "address": host_ip(number)},
            {"type": "Hostname", "address": name},
        ],
        "allocatable": CAPACITY,
        "capacity": CAPACITY,
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": str(_own_id(node, "boot")),
            "containerRuntimeVersion": "containerd://2.2.0",
            "kernelVersion": "simulated",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": _own_id(node, "machine").hex,
            "operatingSystem": "linux",
            "osImage": "simulated by gitops-lab",
            "systemUUID": str(_own_id(node, "system")),
        },
    }


def _own_id(node: Object, of: str) -> UUID:
    """What a machine is known by beside its name: made of its Node's uid, so that it stays."""
    told = f"{of} of {node['metadata']['uid']}"
    return UUID(bytes=hashlib.blake2b(told.encode(), digest_size=16).digest())


def host_ip(number: int) -> str:
    """The address of a machine."""
    return f"172.18.{number // 250}.{number % 250 + 1}"


def number_of(node: Object) -> int | None:
    """The number of a machine, by the address that it reported; None if it has not yet."""
    for each in (node.get("status") or {}).get("addresses") or ():
        found = _OWN_ADDRESS.fullmatch(each.get("address", ""))
        if each.get("type") == "InternalIP" and found:
            return int(found[1]) * 250 + int(found[2]) - 1
    return None
