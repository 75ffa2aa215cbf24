"""`flux tree` and `flux trace`: what belongs to what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gitops_lab.errors import ApiError
from gitops_lab.frontends.conditions import find
from gitops_lab.frontends.flux.build import owner_of
from gitops_lab.frontends.flux.client.kinds import BY_KIND
from gitops_lab.frontends.flux.client.session import CommandFailed, Session, key_name
from gitops_lab.frontends.flux.records import load
from gitops_lab.model import Object, ObjectKey

WIDTH = 16
"""Characters before the values of `trace`."""


def tree(session: Session, name: str, *, compact: bool = False) -> int:
    """`flux tree kustomization`: the inventory, and those of Kustomizations in it.

    Args:
        session: the session.
        name: of the Kustomization.
        compact: only objects of Flux.
    """
    kind = BY_KIND["Kustomization"]
    obj = session.get(kind, name)
    lines = [key_name(kind.key(session.namespace, name)), *_below(session, obj, "", compact, ())]
    session.out("\n".join(lines) + "\n\n")
    return 0


def _below(
    session: Session, obj: Object, indent: str, compact: bool, above: tuple[ObjectKey, ...]
) -> Iterator[str]:
    own = ObjectKey.of(obj)
    entries = [
        key
        for key in load((obj.get("status") or {}).get("inventory"))
        if not compact or "fluxcd.io" in key.group
    ]
    for position, key in enumerate(entries):
        last = position == len(entries) - 1
        yield f"{indent}{'└── ' if last else '├── '}{key_name(key)}"
        if key.kind == "Kustomization" and key not in (own, *above):
            child = session.cluster.get(key)
            if child is not None:
                deeper = indent + ("    " if last else "│   ")
                yield from _below(session, child, deeper, compact, (*above, own))


def trace(session: Session, kind: str, name: str, *, namespace: str) -> int:
    """`flux trace`: from an object to the Kustomization and the source that it comes from.

    Args:
        session: the session.
        kind: of the object, such as `deployment`.
        name: its name.
        namespace: where it is; ignored for what is in no namespace.
    """
    key = _find(session, kind, name, namespace)
    live = session.cluster.get(key)
    if live is None:
        raise CommandFailed(f"failed to find object: {key.kind.lower()} {name!r} not found")
    owner = owner_of(live)
    if owner is None:
        session.out("object not managed by Flux\n")
        return 0
    parts = [[("Object", f"{key.kind}/{name}"), ("Namespace", key.namespace),
              ("Status", "Managed by Flux")]]  # fmt: skip
    kustomization = session.cluster.get(BY_KIND["Kustomization"].key(*owner))
    if kustomization is None:
        raise CommandFailed(f"failed to find kustomization: {owner[0]}/{owner[1]} not found")
    parts.append(_kustomization(kustomization))
    source = _source(session, kustomization)
    if source is not None:
        parts.append(_repository(source))
    blocks = ("".join(f"{f'{a}:':{WIDTH}}{b}\n" for a, b in part if b) for part in parts)
    session.out("---\n".join(blocks))
    return 0


def _find(session: Session, kind: str, name: str, namespace: str) -> ObjectKey:
    """The key of an object; upper and lower case of its kind do not matter."""
    found = next((pair for pair in session.kinds() if pair[1].lower() == kind.lower()), None)
    if found is None:
        raise CommandFailed(f'no matches for kind "{kind}"', fix="name it like `deployment`")
    group, proper = found
    try:
        namespaced = session.cluster.is_namespaced(group, proper)
    except ApiError as error:
        raise CommandFailed(error.message) from error
    return ObjectKey(group, proper, namespace if namespaced else "", name)


def _kustomization(obj: Object) -> list[tuple[str, str]]:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    return [
        ("Kustomization", metadata["name"]),
        ("Namespace", metadata["namespace"]),
        ("Target", spec.get("targetNamespace", "")),
        ("Path", spec.get("path", "")),
        ("Revision", status.get("lastAppliedRevision", "")),
        *_ready(obj),
    ]


def _repository(obj: Object) -> list[tuple[str, str]]:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    ref = spec.get("ref") or {}
    return [
        (obj["kind"], metadata["name"]),
        ("Namespace", metadata["namespace"]),
        ("URL", spec.get("url", "")),
        *((name.capitalize(), ref[name]) for name in ("tag", "branch") if ref.get(name)),
        ("Revision", (status.get("artifact") or {}).get("revision", "")),
        *_ready(obj),
    ]


def _source(session: Session, kustomization: Object) -> Object | None:
    ref = kustomization["spec"]["sourceRef"]
    namespace = ref.get("namespace") or kustomization["metadata"]["namespace"]
    kind = BY_KIND.get(ref["kind"])
    return session.cluster.get(kind.key(namespace, ref["name"])) if kind else None


def _ready(obj: Object) -> list[tuple[str, str]]:
    condition = find(obj, "Ready")
    if condition is None:
        return [("Status", "Unknown")]
    at = datetime.fromisoformat(condition["lastTransitionTime"])
    what = "reconciliation failed" if condition["status"] == "False" else "reconciled"
    stamp = at.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
    return [("Status", f"Last {what} at {stamp}"), ("Message", condition["message"])]
