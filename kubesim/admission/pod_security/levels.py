"""Which standard holds in a namespace: three levels, in three modes, each of some version.

Source: k8s.io/pod-security-admission/api (Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubesim.model import Object

PREFIX = "pod-security.kubernetes.io/"
"""What the labels begin with that say so."""

STRICTNESS = ("privileged", "baseline", "restricted")
"""The levels, from the one that allows everything."""

LATEST = 999
"""The minor version that `latest` stands for: newer than any."""

CONTROLLERS = frozenset(
    {
        ("", "replicationcontrollers"),
        ("", "podtemplates"),
        ("apps", "daemonsets"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
        ("batch", "cronjobs"),
        ("batch", "jobs"),
    }
)
"""Resources that pods are made from. A client that writes one is warned about its pods."""

_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII)


class Level(NamedTuple):
    """A level of the standards, as of a version of Kubernetes.

    Args:
        name: `privileged`, `baseline` or `restricted`.
        minor: the minor version; `LATEST` for the newest there is.
    """

    name: str = "privileged"
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.name}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def is_free(self) -> bool:
        """Whether it forbids nothing."""
        return self.name == "privileged"


FREE = Level()
"""The level that forbids nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds in a namespace.

    Args:
        enforce: pods that violate it are refused.
        warn: the client that writes a pod, or an object that makes pods, is warned.
        faults: label, value, and what is wrong with it. A level that cannot be read counts as
            restricted if it is to be enforced, else as privileged.
    """

    enforce: Level = FREE
    warn: Level = FREE
    faults: tuple[tuple[str, str, str], ...] = ()


NOTHING = Policy()


def policy_of(namespace: Object) -> Policy:
    """The policy that a namespace's labels ask for.

    What `audit` asks for would be written to the audit log, which is not kept here; its labels
    are checked nevertheless.
    """
    labels: Mapping[str, str] = namespace["metadata"].get("labels") or {}
    if not any(label.startswith(PREFIX) for label in labels):
        return NOTHING
    faults: list[tuple[str, str, str]] = []

    def level(mode: str) -> Level:
        name, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        found = name or "privileged"
        if name is not None and name not in STRICTNESS:
            faults.append((PREFIX + mode, name, f"must be one of {', '.join(STRICTNESS)}"))
            found = "restricted" if mode == "enforce" else "privileged"
        match = _VERSION.fullmatch(version or "")
        if version not in (None, "latest") and not match:
            fault = 'must be "latest" or "v1.x"'
            faults.append((f"{PREFIX}{mode}-version", str(version), fault))
        return Level(found, int(match[1]) if match else LATEST)

    enforce, _, warn = level("enforce"), level("audit"), level("warn")
    return Policy(enforce, warn, tuple(faults))


def template_of(obj: Object) -> Object | None:
    """The pod template in an object of one of the `CONTROLLERS`, if it has one."""
    spec = obj.get("spec") or {}
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"].get("spec") or {}
    found: Object | None = obj["template"] if "template" in obj else spec.get("template")
    return found
