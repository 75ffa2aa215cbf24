"""What a check of the standards is, and what all of them need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kubesim.model import Object


class Violation(NamedTuple):
    """Something that is not allowed.

    Args:
        reason: what, as a heading.
        detail: where, and what would be right.
    """

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """One control of the standards.

    Args:
        name: its name; checks of a level run in the order of their names.
        run: finds the violation in a pod, by the rules of a minor version.
        since: the minor version from which it is there.
        replaces: the baseline check that need not run beside it.
    """

    name: str
    run: Callable[[Object, int], Violation | None]
    since: int = 0
    replaces: str = ""


def containers(pod: Object) -> Iterator[Object]:
    """All containers of a pod or a pod template, in the order in which they are told of."""
    spec = spec_of(pod)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()


def spec_of(pod: Object) -> Object:
    """The spec of a pod or a pod template."""
    return pod.get("spec") or {}


def context(of: Mapping[str, Any], name: str) -> Any:
    """A field of the security context of a container or a pod's spec; None if it is not said."""
    return (of.get("securityContext") or {}).get(name)


def has_own_users(pod: Object, minor: int) -> bool:
    """Whether root in the pod has no rights on the node, so that rules about users matter less."""
    return minor >= 35 and spec_of(pod).get("hostUsers") is False


def is_windows(pod: Object, minor: int) -> bool:
    """Whether the pod says that it is for Windows, where some controls mean nothing."""
    return minor >= 25 and (spec_of(pod).get("os") or {}).get("name") == "windows"


def some(what: str, names: Sequence[str]) -> str:
    """A noun, in the plural if need be, and the names it stands for: `containers "a", "b"`."""
    return f"{plural(what, names)} {quoted(names)}"


def plural(what: str, names: Sequence[str]) -> str:
    """A noun in the number of what it stands for."""
    return what if len(names) == 1 else f"{what}s"


def uses(names: Sequence[str]) -> str:
    """What one does, or several do."""
    return "uses" if len(names) == 1 else "use"


def quoted(names: Iterable[str]) -> str:
    """Names in quotes."""
    return ", ".join(f'"{name}"' for name in names)


def setters(on_pod: bool, bad: Sequence[str]) -> str:
    """Who says something that is not allowed: `pod and container "a"`; empty if none does."""
    return " and ".join((["pod"] if on_pod else []) + ([some("container", bad)] if bad else []))
