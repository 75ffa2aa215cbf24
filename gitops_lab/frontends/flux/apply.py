"""Steps 8 to 10 of a Kustomization's run: apply in stages, keep the inventory, prune.

A stage is dry-run as a whole before its first write, so that one bad object stops its stage and
the stages after it, and nothing of the stage is written.

Source: fluxcd/pkg/ssa (manager_apply.go, manager_delete.go), as kustomize-controller 1.9 uses it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from gitops_lab.engine import fields
from gitops_lab.engine.apply import stage
from gitops_lab.engine.desired import normalised
from gitops_lab.engine.kstatus import kstatus
from gitops_lab.engine.plan import apply_order, differences
from gitops_lab.engine.takeover import take_over, to_take_over
from gitops_lab.errors import ApiError
from gitops_lab.frontends.flux.api import KUSTOMIZE
from gitops_lab.frontends.flux.build import owner_of
from gitops_lab.model import Action, Object, ObjectKey
from gitops_lab.ports import Cluster

MANAGER = "kustomize-controller"
"""The field manager of everything that is applied."""

STAGE_POLL, STAGE_TIMEOUT = 2.0, 60.0
"""Seconds between two looks at a stage that must be ready before the next, and at most."""


class ApplyFailed(Exception):
    """The API server refuses an object; the text is kustomize-controller's."""


@dataclass(frozen=True)
class Entry:
    """What became of one object.

    Args:
        key: which object.
        version: its API version, without the group.
        action: what was done.
        why: the first difference, for the journal.
    """

    key: ObjectKey
    version: str
    action: Action
    why: str = ""

    @property
    def subject(self) -> str:
        """The object as Flux names it: `Deployment/shop/web`."""
        return subject(self.key)


@dataclass(frozen=True)
class Planned:
    """One object after its dry run."""

    entry: Entry
    body: Object
    recreate: bool = False


def subject(key: ObjectKey) -> str:
    """An object as Flux names it: `Deployment/shop/web`."""
    return "/".join(part for part in (key.kind, key.namespace, key.name) if part)


def mark(obj: Mapping[str, Any] | None, name: str) -> str:
    """An annotation or label of Flux's group on an object, in lower case; empty if absent."""
    metadata = (obj or {}).get("metadata") or {}
    for part in ("annotations", "labels"):
        if value := (metadata.get(part) or {}).get(f"{KUSTOMIZE}/{name}"):
            return str(value).lower()
    return ""


def apply_stages(
    cluster: Cluster,
    bodies: Sequence[Object],
    *,
    force: bool,
    ignore: Sequence[Any],
    done: list[Entry],
) -> Generator[float, float, None]:
    """Apply objects in stages; `done` grows as it goes on.

    Args:
        cluster: as the user that the Kustomization applies as.
        bodies: the desired objects.
        force: recreate objects whose change the API server refuses.
        ignore: `spec.ignore` of the Kustomization.
        done: takes an entry for each object.

    Yields:
        Seconds to wait.

    Raises:
        ApplyFailed: an object is refused; its stage wrote nothing if the dry run found it.
    """
    ordered = sorted(map(normalised, bodies), key=lambda body: apply_order(ObjectKey.of(body)))
    for number in sorted({stage(body["kind"]) for body in ordered}):
        members = [body for body in ordered if stage(body["kind"]) == number]
        planned = [_plan(cluster, body, force=force, ignore=ignore) for body in members]
        for each in planned:
            yield 0
            yield from _carry_out(cluster, each)
            done.append(each.entry)
        if number < 2:
            yield from _until_ready(cluster, [each.entry for each in planned])


def _plan(cluster: Cluster, body: Object, *, force: bool, ignore: Sequence[Any]) -> Planned:
    """What would be done with one object: read it, and dry-run its apply."""
    key, version = ObjectKey.of(body), body["apiVersion"].rpartition("/")[2]
    name = subject(key)
    body = without_ignored(body, ignore)
    try:
        if not key.namespace and cluster.is_namespaced(key.group, key.kind):
            raise ApplyFailed(
                f"{name} namespace not specified: the server could not find the requested resource"
            )
        live = cluster.get(key, version=version)
        if _is_skipped(body, live):
            return Planned(Entry(key, version, Action.SKIPPED), body)
        merged = cluster.apply(body, manager=MANAGER, dry_run=True)
    except ApiError as error:
        forced = force or mark(body, "force") == "enabled"
        if forced and (error.code in (409, 422) or "immutable" in error.message):
            return Planned(Entry(key, version, Action.CREATED, error.message), body, recreate=True)
        raise ApplyFailed(_refusal(name, error)) from error
    if live is None:
        return Planned(Entry(key, version, Action.CREATED, "does not exist"), body)
    shown = without_ignored(live, ignore), without_ignored(merged, ignore)
    found = next((str(difference) for difference in differences(*shown)), "")
    taken = to_take_over(live, MANAGER)
    if taken and "merge" not in (mark(body, "ssa"), mark(live, "ssa")):
        found = found or f"fields of {taken} are taken over"
    action = Action.CONFIGURED if found else Action.UNCHANGED
    return Planned(Entry(key, version, action, found), body)


def _carry_out(cluster: Cluster, planned: Planned) -> Generator[float, float, None]:
    key, body = planned.entry.key, planned.body
    if not planned.entry.action.writes:
        return
    try:
        if planned.recreate:
            cluster.delete(key)
            while cluster.get(key) is not None:
                yield STAGE_POLL
        elif planned.entry.action is Action.CONFIGURED:
            live = cluster.get(key)
            if live is not None and "merge" not in (mark(body, "ssa"), mark(live, "ssa")):
                take_over(cluster, live, MANAGER)
        cluster.apply(body, manager=MANAGER)
    except ApiError as error:
        raise ApplyFailed(
            f"{planned.entry.subject} apply failed ({error.reason}): {error.message}"
        ) from error


def _until_ready(cluster: Cluster, entries: Iterable[Entry]) -> Generator[float, float, None]:
    """Wait until what later stages need works."""
    wanted = [entry for entry in entries if entry.action.writes]
    waited = 0.0
    while True:
        states = {e.subject: kstatus(cluster.get(e.key, version=e.version)).status for e in wanted}
        late = {name: state for name, state in states.items() if state != "Current"}
        if not late:
            return
        if waited >= STAGE_TIMEOUT:
            listed = ", ".join(f"{name} status: '{state}'" for name, state in late.items())
            raise ApplyFailed(f"timeout waiting for: [{listed}]")
        yield STAGE_POLL
        waited += STAGE_POLL


def _is_skipped(body: Object, live: Object | None) -> bool:
    """Whether an object asks not to be applied."""
    if any(mark(each, "reconcile") == "disabled" for each in (body, live)):
        return True
    ways = mark(body, "ssa"), mark(live, "ssa")
    return "ignore" in ways or (live is not None and "ifnotpresent" in ways)


def _refusal(name: str, error: ApiError) -> str:
    if error.code == 404:
        return f"{name} not found: {error.message}"
    return f"{name} dry-run failed ({error.reason or 'Unknown'}): {error.message}"


# -- fields that are ignored ----------------------------------------------------------------------


def without_ignored(body: Object, ignore: Sequence[Any]) -> Object:
    """An object without the fields that `spec.ignore` names for it."""
    rules = [rule for rule in ignore if _targets(rule.get("target"), body)]
    found = [fields.Ignore(tuple(rule["paths"])) for rule in rules]
    return fields.without_ignored(body, ObjectKey.of(body), found)


def _targets(target: Mapping[str, Any] | None, body: Object) -> bool:
    if not target:
        return True
    key = ObjectKey.of(body)
    own = {
        "group": key.group,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
    }
    return all(fnmatchcase(own[f], target[f].replace(".*", "*")) for f in own if target.get(f))


# -- prune ----------------------------------------------------------------------------------------


def prune(
    cluster: Cluster, stale: Mapping[ObjectKey, str], owner: tuple[str, str], *, done: list[Entry]
) -> Generator[float, float, dict[ObjectKey, str]]:
    """Delete objects that Git dropped, in the reverse order of apply.

    Args:
        cluster: as the user that the Kustomization applies as.
        stale: version by key of what the old inventory has and the new one lacks.
        owner: namespace and name of the Kustomization; objects with other labels stay.
        done: takes an entry for each object.

    Returns:
        What could not be deleted, and why, by key.
    """
    refused: dict[ObjectKey, str] = {}
    for key in sorted(stale, key=apply_order, reverse=True):
        entry = Entry(key, stale[key], Action.DELETED, "not in Git any more")
        yield 0
        try:
            live = cluster.get(key, version=stale[key])
            if live is not None and not may_prune(live, owner):
                done.append(replace(entry, action=Action.SKIPPED))
                continue
            if live is not None:
                cluster.delete(key, uid=live["metadata"]["uid"])
        except ApiError as error:
            if error.code != 404:
                refused[key] = f"{entry.subject} delete failed: {error.message}"
                continue
        done.append(entry)
    return refused


def may_prune(live: Object, owner: tuple[str, str]) -> bool:
    """Whether a live object still is this Kustomization's, and does not ask to stay."""
    return (
        owner_of(live) == owner
        and mark(live, "prune") != "disabled"
        and mark(live, "reconcile") != "disabled"
        and mark(live, "ssa") != "ignore"
    )
