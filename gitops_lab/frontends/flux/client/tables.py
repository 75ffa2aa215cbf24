"""`flux get`, `flux events`, `flux stats`, `flux export`: what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

from gitops_lab.frontends.conditions import find
from gitops_lab.frontends.flux.api import is_suspended
from gitops_lab.frontends.flux.client.kinds import KINDS, Kind
from gitops_lab.frontends.flux.client.session import FAILURE, Session, shortened, table
from gitops_lab.model import Object


def get(
    session: Session,
    kinds: Sequence[Kind],
    names: Sequence[str] = (),
    *,
    labels: Mapping[str, str] | None = None,
    status: tuple[str, str] | None = None,
    show_source: bool = False,
    with_kind: bool = False,
) -> int:
    """`flux get`: one table a kind.

    Args:
        session: the session.
        kinds: which.
        names: only these; all if empty.
        labels: only objects with these labels.
        status: only objects whose condition of this type has this status; with `!` behind the
            type, another (`--status-selector`).
        show_source: one more column for the source of Kustomizations.
        with_kind: put the kind in front of each name, as `get all` does.
    """
    shown = 0
    for kind in kinds:
        found = [
            obj
            for obj in session.list(kind)
            if (not names or obj["metadata"]["name"] in names)
            and _has(obj, labels or {})
            and (status is None or _selected(obj, kind, *status))
        ]
        if not found:
            if len(kinds) == 1:
                return _none(session, kind, names)
            continue
        if shown:
            session.out("\n")
        shown += 1
        rows = [_row(session, kind, obj, show_source, with_kind) for obj in found]
        session.out(table(_header(session, kind, show_source), rows))
    if not shown and len(kinds) > 1:
        where = f' in "{session.namespace}" namespace' if session.namespace else ""
        session.err(f"{FAILURE} no Flux objects found{where}")
        return 1
    return 0


def _selected(obj: Object, kind: Kind, name: str, wanted: str) -> bool:
    """Whether a condition has a status, or with `!` behind its type has another."""
    proper = name.rstrip("!").lower()
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found = next((c["status"] for c in conditions if c["type"].lower() == proper), "")
    if proper == "ready" and not found:
        found = _row_status(obj, kind)[0]
    return (found.lower() == wanted.lower()) is not name.endswith("!")


def _none(session: Session, kind: Kind, names: Sequence[str]) -> int:
    where = f' in "{session.namespace}" namespace' if session.namespace else ""
    if names:
        session.err(f"{FAILURE} {kind.kind} object '{names[0]}' not found{where}")
    else:
        session.err(f"{FAILURE} no {kind.kind} objects found{where}")
    return 1


def _header(session: Session, kind: Kind, show_source: bool) -> list[str]:
    place = [] if session.namespace else ["NAMESPACE"]
    revision = ["REVISION"] if _has_revision(kind) else []
    source = ["SOURCE"] if show_source else []
    suspended = [] if kind.kind == "Provider" else ["SUSPENDED"]
    return [*place, "NAME", *revision, *source, *suspended, "READY", "MESSAGE"]


def _row(
    session: Session, kind: Kind, obj: Object, show_source: bool, with_kind: bool
) -> list[str]:
    metadata, status = obj["metadata"], obj.get("status") or {}
    name = f"{kind.kind.lower()}/{metadata['name']}" if with_kind else metadata["name"]
    ready, message = _row_status(obj, kind)
    return [
        *([] if session.namespace else [metadata["namespace"]]),
        name,
        *([shortened(kind.revision(status))] if _has_revision(kind) else []),
        *([_source(obj)] if show_source else []),
        *([] if kind.kind == "Provider" else [str(is_suspended(obj))]),
        ready,
        shortened(message),
    ]


def _has_revision(kind: Kind) -> bool:
    return kind.source or kind.kind in ("Kustomization", "HelmRelease")


def _row_status(obj: Object, kind: Kind) -> tuple[str, str]:
    """READY and MESSAGE of a row."""
    if kind.static:
        return "True", kind.static
    if kind.kind == "HelmRepository" and obj["spec"].get("type") == "oci":
        return "True", "Helm repository is Ready"
    condition = find(obj, "Ready")
    if condition is None:
        return "False", "waiting to be reconciled"
    return condition["status"], condition["message"]


def _source(obj: Object) -> str:
    ref = obj["spec"].get("sourceRef") or {}
    namespace = ref.get("namespace")
    return f"{ref.get('kind')}/{f'{namespace}/' if namespace else ''}{ref.get('name')}"


def _has(obj: Object, labels: Mapping[str, str]) -> bool:
    own = obj["metadata"].get("labels") or {}
    return all(own.get(name) == value for name, value in labels.items())


# -- events ----------------------------------------------------------------------------------------


def events(session: Session, about: str = "") -> int:
    """`flux events`: what the controllers said, the oldest first.

    Args:
        session: the session.
        about: only of this object, written `Kind/name`, and of its source.
    """
    wanted = _with_source(session, about)
    found = [
        event
        for event in session.cluster.list("", "Event", namespace=session.namespace)
        if ".toolkit.fluxcd.io/" in event["involvedObject"].get("apiVersion", "")
        and (not wanted or _involved(event) in wanted)
    ]
    if not found:
        session.err(f"{FAILURE} No events found in {session.namespace} namespace.")
        return 1
    found.sort(key=lambda e: (e["lastTimestamp"], int(e["metadata"]["resourceVersion"])))
    rows = [
        [
            _age(session.now() - datetime.fromisoformat(event["lastTimestamp"]).timestamp()),
            event["type"],
            event["reason"],
            _involved(event),
            shortened(event["message"]).replace("\n", " "),
        ]
        for event in found
    ]
    session.out(table(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], rows))
    return 0


def _involved(event: Object) -> str:
    about = event["involvedObject"]
    return f"{about['kind']}/{about['name']}"


def _with_source(session: Session, about: str) -> set[str]:
    if not about:
        return set()
    wanted = {about}
    kind, _, name = about.partition("/")
    found = next((each for each in KINDS if each.kind == kind), None)
    obj = session.cluster.get(found.key(session.namespace, name)) if found else None
    if obj is not None and (ref := obj["spec"].get("sourceRef")):
        wanted.add(f"{ref['kind']}/{ref['name']}")
    return wanted


def _age(seconds: float) -> str:
    """A span as tables of Kubernetes show it: `45s`, `3m`, `2h`, `5d`."""
    seconds = max(int(seconds), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


# -- stats and export ------------------------------------------------------------------------------


def stats(session: Session) -> int:
    """`flux stats`: how many objects of each kind run, fail and are suspended."""
    rows = []
    for kind in KINDS:
        found = session.list(kind)
        failing = [obj for obj in found if _row_status(obj, kind)[0] == "False"]
        suspended = [obj for obj in found if is_suspended(obj)]
        size = sum(((o.get("status") or {}).get("artifact") or {}).get("size", 0) for o in found)
        storage = f"{size / 1024:.1f} KiB" if size else "-"
        counts = (len(found) - len(suspended), len(failing), len(suspended))
        rows.append([kind.kind, *map(str, counts), storage])
    session.out(table(["RECONCILERS", "RUNNING", "FAILING", "SUSPENDED", "STORAGE"], rows))
    return 0


def export(session: Session, kind: Kind, names: Sequence[str]) -> int:
    """`flux export`: objects as they would stand in Git."""
    found = session.list(kind) if not names else [session.get(kind, name) for name in names]
    for obj in found:
        session.out(f"---\n{written(obj)}")
    return 0


def written(obj: Object) -> str:
    """The YAML of an object without what the cluster added."""
    metadata: dict[str, Any] = {
        name: obj["metadata"][name]
        for name in ("annotations", "labels", "name", "namespace")
        if obj["metadata"].get(name)
    }
    metadata.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    body = {
        **{n: obj[n] for n in ("apiVersion", "kind")},
        "metadata": metadata,
        "spec": obj["spec"],
    }
    return yaml.safe_dump(body, allow_unicode=True)
