"""`flux reconcile`, `suspend`, `resume`, `create` and `delete`: what changes objects of Flux."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gitops_lab.frontends.conditions import find
from gitops_lab.frontends.flux.api import REQUESTED_AT, is_suspended
from gitops_lab.frontends.flux.client.kinds import BY_KIND, Kind
from gitops_lab.frontends.flux.client.session import (
    ACTION,
    DONE,
    FAILURE,
    GENERATE,
    WAIT,
    CommandFailed,
    Session,
)
from gitops_lab.frontends.flux.client.tables import written
from gitops_lab.model import Object, ObjectKey

MANAGER = "flux"
"""The field manager of what the CLI writes."""


def reconcile(session: Session, kind: Kind, name: str, *, with_source: bool = False) -> int:
    """`flux reconcile`: ask for a run now, and wait for its end."""
    obj = session.get(kind, name)
    if is_suspended(obj):
        session.say(FAILURE, "resource is suspended")
        return 1
    if with_source:
        ref = obj["spec"]["sourceRef"]
        namespace = ref.get("namespace") or session.namespace
        within = replace(session, namespace=namespace)
        if code := reconcile(within, BY_KIND[ref["kind"]], ref["name"]):
            return code
        obj = session.get(kind, name)
    before = (obj.get("status") or {}).get("lastHandledReconcileAt")
    session.say(ACTION, f"annotating {kind.kind} {name} in {session.namespace} namespace")
    _request(session, obj)
    session.say(DONE, f"{kind.kind} annotated")
    session.say(WAIT, f"waiting for {kind.kind} reconciliation")
    session.until(lambda: _handled(session, kind, name, before))
    ready = find(session.get(kind, name), "Ready")
    if ready is None or ready["status"] != "True":
        message = ready["message"] if ready else "no status"
        quote = "" if with_source else "'"
        session.say(FAILURE, f"{kind.kind} reconciliation failed: {quote}{message}{quote}")
        return 1
    session.say(DONE, _revision(session, kind, name))
    return 0


def _request(session: Session, obj: Object) -> None:
    """Set the annotation; two requests at the same instant are two requests."""
    instant = datetime.fromtimestamp(session.now(), UTC).isoformat()
    old = (obj["metadata"].get("annotations") or {}).get(REQUESTED_AT, "")
    token = f"{instant}+" if old.startswith(instant) else instant
    patch = {"metadata": {"annotations": {REQUESTED_AT: token}}}
    session.cluster.patch(ObjectKey.of(obj), patch, manager=MANAGER)


def _handled(session: Session, kind: Kind, name: str, before: str | None) -> bool:
    """Whether a run since the request has ended."""
    obj = session.get(kind, name)
    token = (obj.get("status") or {}).get("lastHandledReconcileAt")
    if token == before:
        return False
    ready = find(obj, "Ready")
    return ready is not None and ready["status"] != "Unknown"


def _revision(session: Session, kind: Kind, name: str) -> str:
    status = session.get(kind, name).get("status") or {}
    verb = "applied" if kind.kind in ("Kustomization", "HelmRelease") else "fetched"
    return f"{verb} revision {kind.revision(status)}"


def suspend(session: Session, kind: Kind, names: Sequence[str]) -> int:
    """`flux suspend`: have the controller leave objects alone."""
    for name in names:
        obj = session.cluster.get(kind.key(session.namespace, name))
        if obj is None:
            session.say(FAILURE, f"{kind.kind} {name} not found in {session.namespace} namespace")
            continue
        session.say(ACTION, f"suspending {kind.human} {name} in {session.namespace} namespace")
        _set_suspend(session, obj, True)
        session.say(DONE, f"{kind.human} suspended")
    return 0


def resume(session: Session, kind: Kind, names: Sequence[str], *, wait: bool = False) -> int:
    """`flux resume`: have the controller go on; of one object, wait for the run."""
    waits = wait or len(names) == 1
    resumed = []
    for name in names:
        obj = session.cluster.get(kind.key(session.namespace, name))
        if obj is None:
            if waits:
                where = f"in {session.namespace} namespace"
                session.say(FAILURE, f"{kind.kind} object '{name}' not found {where}")
            continue
        session.say(ACTION, f"resuming {kind.human} {name} in {session.namespace} namespace")
        _set_suspend(session, obj, False)
        session.say(DONE, f"{kind.human} resumed")
        resumed.append(name)
    if not waits:
        return 0
    for name in resumed:
        session.say(WAIT, f"waiting for {kind.kind} reconciliation")
        session.until(lambda name=name: _is_settled(session, kind, name))  # type: ignore[misc]
        ready = find(session.get(kind, name), "Ready")
        if ready is None or ready["status"] != "True":
            message = ready["message"] if ready else "no status"
            session.say(FAILURE, f"{kind.kind} {name} reconciliation failed: '{message}'")
            return 1
        session.say(DONE, f"{kind.kind} {name} reconciliation completed")
        session.say(DONE, _revision(session, kind, name))
    return 0 if resumed else 1


def _set_suspend(session: Session, obj: Object, value: bool) -> None:
    patch = {"spec": {"suspend": value}}
    session.cluster.patch(ObjectKey.of(obj), patch, manager=MANAGER)


def _is_settled(session: Session, kind: Kind, name: str) -> bool:
    """Whether the controller has dealt with the newest spec, well or badly."""
    obj = session.get(kind, name)
    ready = find(obj, "Ready")
    if ready is None or ready["status"] == "Unknown":
        return False
    seen = ready.get("observedGeneration") == obj["metadata"]["generation"]
    return seen and (ready["status"] == "False" or _observed(obj))


def _observed(obj: Object) -> bool:
    observed = (obj.get("status") or {}).get("observedGeneration")
    return bool(observed == obj["metadata"]["generation"])


def create(session: Session, kind: Kind, body: Object, *, export: bool = False) -> int:
    """`flux create`: make or change an object, and wait for its first run; or only print it."""
    name = body["metadata"]["name"]
    if export:
        session.out(f"---\n{written(body)}")
        return 0
    is_source = kind.source
    what = f"{kind.kind} source" if is_source else kind.kind
    session.say(GENERATE, f"generating {what}")
    session.say(ACTION, f"applying {what}")
    there = session.cluster.get(ObjectKey.of(body)) is not None
    session.cluster.apply(body, manager=MANAGER)
    session.say(DONE, f"{what} {'updated' if there else 'created'}")
    session.say(WAIT, f"waiting for {what} reconciliation")
    session.until(lambda: _is_settled(session, kind, name))
    ready = find(session.get(kind, name), "Ready")
    if ready is None or ready["status"] != "True":
        raise CommandFailed(ready["message"] if ready else "no status")
    status = session.get(kind, name).get("status") or {}
    if is_source:
        session.say(DONE, f"{what} reconciliation completed")
        session.say(DONE, f"fetched revision: {kind.revision(status)}")
    else:
        session.say(DONE, f"{kind.kind} {name} is ready")
        session.say(DONE, f"applied revision {kind.revision(status)}")
    return 0


def delete(session: Session, kind: Kind, name: str) -> int:
    """`flux delete`, after the user said yes."""
    obj = session.get(kind, name)
    session.say(ACTION, f"deleting {kind.human} {name} in {session.namespace} namespace")
    session.cluster.delete(ObjectKey.of(obj))
    session.say(DONE, f"{kind.human} deleted")
    return 0
