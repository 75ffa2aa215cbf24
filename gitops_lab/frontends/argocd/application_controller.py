"""The application controller: compares, syncs and assesses Applications.

Source: Argo CD 3.5, `controller/appcontroller.go`. It renders nothing: it asks the repo server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from gitops_lab.errors import ApiError, ClusterUnreachable
from gitops_lab.frontends.argocd import autosync, projects, windows
from gitops_lab.frontends.argocd.app import (
    annotations_of,
    automated,
    has_many_sources,
    images,
    instance,
    seconds,
)
from gitops_lab.frontends.argocd.app_state import State, compare_state, compared_to
from gitops_lab.frontends.argocd.deletion import Deletion, delete_hook_finalizers
from gitops_lab.frontends.argocd.destinations import DestinationError, Destinations
from gitops_lab.frontends.argocd.health import of_application
from gitops_lab.frontends.argocd.names import (
    CONTROLLER,
    GROUP,
    IN_CLUSTER,
    NAMESPACE,
    REFRESH,
    SKIP_RECONCILE,
    Settings,
)
from gitops_lab.frontends.argocd.operations import Operations, Passed
from gitops_lab.frontends.argocd.queue import Queue
from gitops_lab.frontends.argocd.repo_server import RepoServer
from gitops_lab.frontends.argocd.writes import merge_patch
from gitops_lab.frontends.events import Recorder
from gitops_lab.model import HealthStatus, Object, ObjectKey
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp

TREE, RECENT, LATEST, FORCE = range(4)
"""Levels of comparison: only the resource tree; at the revision that is known; at the revision
that the repo server says; at the revision that Git says."""

COMPARED = (
    "ComparisonError",
    "SharedResourceWarning",
    "RepeatedResourceWarning",
    "ExcludedResourceWarning",
    "UnknownError",
)
"""The types of conditions that a comparison replaces."""

Listener = Callable[[Object, str, str, Mapping[str, Any]], None]
"""Is called with an Application, what happened to it, the reason, and data."""


class ApplicationController:
    """A step function over all Applications.

    Args:
        cluster: where the Applications are, reached with the controller's credentials.
        repo: the repo server.
        destinations: the clusters that Applications go to.
        settings: how long things take.
        random: draws the jitter.
        listener: is called with what happened, for the journal.
    """

    def __init__(
        self,
        cluster: Cluster,
        repo: RepoServer,
        destinations: Destinations,
        settings: Settings,
        random: Random,
        listener: Listener = lambda app, event, why, data: None,
    ) -> None:
        self.cluster, self.repo, self.destinations = cluster, repo, destinations
        self.settings, self.random, self.listener = settings, random, listener
        self.operations = Operations(repo, destinations, settings.wave_delay)
        self.deletion = Deletion(destinations, self._hooks_of)
        self.record = Recorder(cluster, CONTROLLER, counts=False)
        self.apps: dict[str, Object] = {}
        """The Applications by `namespace/name`."""
        self.found: dict[str, State] = {}
        """What the last comparison of each found: for the resource tree and the API server."""
        self._names: dict[str, str] = {}
        """The Applications' names by the names that objects are tracked by."""
        self._projects: dict[str, Mapping[str, Any]] | None = None
        self._touched: set[ObjectKey] = set()
        self._levels: dict[str, int] = {}
        self._first_errors: dict[str, float] = {}
        self._held: dict[str, float] = {}
        self._refreshes, self._operations = Queue(), Queue()
        self._listed = False

    # -- what happens around it -----------------------------------------------------------------

    def changed(self, key: ObjectKey) -> bool:
        """An object of the controller's own cluster changed; whether that is of interest."""
        own = key.group == GROUP or (key.kind == "Secret" and key.namespace == NAMESPACE)
        if own:
            self._touched.add(key)
        cache = self.destinations.caches.get(IN_CLUSTER)  # an Application may be managed, too
        return (cache is not None and cache.changed(key)) or own

    def step(self, now: float) -> float | None:
        """Do what is due; when to be called again."""
        self._notice(now)
        while (name := self._refreshes.pop(now)) is not None:
            if name in self.apps:
                self._refresh(name, now)
        while (name := self._operations.pop(now)) is not None:
            if name in self.apps and self._held.get(name, now) <= now:
                self._operate(name, now)
            elif name in self.apps:
                self._operations.add(name, self._held[name])
        self._notice(now)
        return min(self._refreshes.next, self._operations.next)

    def request(self, name: str, level: int, at: float) -> None:
        """Have an Application compared at a level or a higher one, and its operation looked at."""
        self._levels[name] = max(level, self._levels.get(name, TREE))
        self._refreshes.add(name, at)
        self._operations.add(name, at)

    def project_of(self, app: Object) -> Mapping[str, Any] | None:
        """The spec of an Application's project; None if there is no such project."""
        if self._projects is None:
            found = self.cluster.list(GROUP, "AppProject", namespace=NAMESPACE)
            self._projects = {each["metadata"]["name"]: each["spec"] for each in found}
        return self._projects.get(app["spec"].get("project") or "default")

    def windows_of(self, app: Object) -> list[Mapping[str, Any]]:
        """The sync windows that are about an Application."""
        spec = self.project_of(app) or {}
        if not spec.get("syncWindows"):
            return []
        try:
            target = self.destinations.find(app["spec"]["destination"])
        except DestinationError:
            return []
        return windows.assigned(spec["syncWindows"], app, target.server, target.name)

    # -- watching -------------------------------------------------------------------------------

    def _notice(self, now: float) -> None:
        if not self._listed:
            self._listed = True
            for app in self.cluster.list(GROUP, "Application"):
                self._store(app, now)
            for app in self.apps.values():
                self._watch_known(app)
        while self._touched:
            key = self._touched.pop()
            if self.destinations.secret_changed(key):
                self._everything(now)
            elif key.kind == "AppProject":
                self._projects = None
                self._everything(now)
            elif key.kind == "Application":
                self._read(key, now)
        for cache in self.destinations.caches.values():
            try:
                concerned = cache.refresh()
            except (ApiError, ClusterUnreachable):
                continue
            for own in concerned:
                if own in self._names:
                    self.request(self._names[own], RECENT, now + self.settings.batch)

    def _hooks_of(self, app: Object) -> tuple[Object, ...]:
        metadata = app["metadata"]
        found = self.found.get(f"{metadata['namespace']}/{metadata['name']}")
        return found.comparison.hooks if found is not None else ()

    def _everything(self, now: float) -> None:
        for name in self.apps:
            self.request(name, RECENT, now)

    def _watch_known(self, app: Object) -> None:
        """Watch the kinds that an Application had when another controller looked at it last."""
        known = (app.get("status") or {}).get("resources") or ()
        try:
            cache = self.destinations.cache(self.destinations.find(app["spec"]["destination"]))
            cache.watch({(each.get("group", ""), each["kind"]) for each in known})
        except (ApiError, ClusterUnreachable, DestinationError):
            return

    def _read(self, key: ObjectKey, now: float) -> None:
        app = self.cluster.get(key)
        name = f"{key.namespace}/{key.name}"
        if app is None:
            self._forget(name)
            return
        before = self.apps.get(name)
        if (
            before is None
            or before["metadata"]["resourceVersion"] != (app["metadata"]["resourceVersion"])
        ):
            self._store(app, now)

    def _forget(self, name: str) -> None:
        app = self.apps.pop(name, None)
        if app is not None:
            self._names.pop(instance(app), None)
        self.found.pop(name, None)
        self._levels.pop(name, None)
        self._held.pop(name, None)

    def _store(self, app: Object, now: float) -> None:
        metadata = app["metadata"]
        name = f"{metadata['namespace']}/{metadata['name']}"
        before = self.apps.get(name)
        if (
            before is not None
            and automated(before["spec"]) is None
            and (automated(app["spec"]) is not None)
        ):
            self.request(name, LATEST, now)  # automation was switched on
        self.apps[name], self._names[instance(app)] = app, name
        self._refreshes.add(name, now)
        if app.get("operation") or metadata.get("deletionTimestamp"):
            self._operations.add(name, now)

    # -- refresh --------------------------------------------------------------------------------

    def _refresh(self, name: str, now: float) -> None:
        app = self.apps[name]
        if annotations_of(app).get(SKIP_RECONCILE) == "true":
            return
        if app.get("operation"):
            self._operations.add(name, now)  # it may wait for a sync window to open
        requested = self._levels.pop(name, None)
        status = app.get("status") or {}
        level, hard = self._level(app, requested, now)
        if level is None:
            self._next_poll(name, now)
            return
        project = self.project_of(app)
        after = {**status}
        faults = list(self._faults(app, project))
        if faults:
            set_conditions(after, [("InvalidSpecError", each) for each in faults],
                           ("InvalidSpecError",), now)  # fmt: skip
            after["sync"] = {"status": "Unknown", "comparedTo": compared_to(app)}
            self._write_status(name, app, after, HealthStatus.UNKNOWN, now, level)
            return
        assert project is not None
        set_conditions(after, [], ("InvalidSpecError",), now)
        found = compare_state(
            self.repo, self.destinations, app, project,
            revisions=self._known_revisions(app) if level <= RECENT else None,
            fresh_revision=level >= FORCE, fresh_manifests=hard,
        )  # fmt: skip
        if self._is_forgiven(name, found, level, now):
            self._next_poll(name, now)
            return
        self.found[name] = found
        set_conditions(after, list(found.conditions), COMPARED, now)
        after["sync"] = self._sync_status(app, found)
        after["resources"] = found.comparison.resources
        after |= self._types(app, found)
        after["summary"] = summary(found)
        after["controllerNamespace"] = NAMESPACE
        decision = self._decide(app, found, now)
        errors = [("SyncError", decision.error)] if decision.error else []
        set_conditions(after, errors, ("SyncError",), now)
        health = of_application(app, ((p.target, p.live) for p in found.comparison.pairs))
        if found.loaded.objects is None and not found.comparison.pairs:
            health = HealthStatus(status.get("health", {}).get("status", "Unknown"))
        self._write_status(name, app, after, health, now, level)
        delete_hook_finalizers(self.cluster, self.apps[name], found.comparison.hooks)
        if decision.wait is not None:
            self.request(name, LATEST, now + decision.wait)
        if decision.operation is not None:
            self._start(name, decision.operation, found, now)

    def _level(self, app: Object, requested: int | None, now: float) -> tuple[int | None, bool]:
        """The level of the comparison that is due, and whether to render everything again."""
        asked = annotations_of(app).get(REFRESH)
        if asked is not None:
            return FORCE, asked == "hard"
        status = app.get("status") or {}
        before = (status.get("sync") or {}).get("comparedTo") or {}
        wanted = compared_to(app)
        if any(before.get(part) != wanted.get(part) for part in ("source", "sources")):
            return FORCE, False
        at = status.get("reconciledAt")
        if at is None or now - seconds(at) >= self.settings.resync:
            return max(requested or LATEST, LATEST), False
        if any(
            before.get(part) != wanted.get(part) for part in ("destination", "ignoreDifferences")
        ):
            return LATEST, False
        return requested, False

    def _faults(self, app: Object, project: Mapping[str, Any] | None) -> list[str]:
        found = list(projects.spec_faults(app))
        server = name = ""
        try:
            target = self.destinations.find(app["spec"]["destination"])
            server, name = target.server, target.name
        except DestinationError as error:
            found.append(error.what)
        return found + list(projects.refusals(app, project, server, name))

    def _known_revisions(self, app: Object) -> list[str] | None:
        sync = (app.get("status") or {}).get("sync") or {}
        if has_many_sources(app["spec"]):
            known = list(sync.get("revisions") or ())
            return known if len(known) == len(app["spec"]["sources"]) and all(known) else None
        return [sync["revision"]] if sync.get("revision") else None

    def _is_forgiven(self, name: str, found: State, level: int, now: float) -> bool:
        """Whether a failure to load is too fresh to report; the status stays as it was."""
        if not found.loaded.error.startswith("Failed to load target state"):
            self._first_errors.pop(name, None)
            return False
        first = self._first_errors.setdefault(name, now)
        return level < FORCE and now - first < self.settings.error_grace

    def _sync_status(self, app: Object, found: State) -> dict[str, Any]:
        result: dict[str, Any] = {
            "status": found.comparison.status, "comparedTo": compared_to(app)
        }  # fmt: skip
        revisions = [r for r in found.loaded.revisions if r]
        if has_many_sources(app["spec"]):
            if revisions:
                result["revisions"] = revisions
        elif revisions:
            result["revision"] = revisions[0]
        return result

    def _types(self, app: Object, found: State) -> dict[str, Any]:
        types = list(found.loaded.types)
        if not types:
            return {}
        if has_many_sources(app["spec"]):
            return {"sourceTypes": types}
        return {"sourceType": types[0]}

    def _decide(self, app: Object, found: State, now: float) -> autosync.Decision:
        if automated(app["spec"]) is None or not windows.can_sync(
            self.windows_of(app), now, manual=False
        ):
            return autosync.NOTHING
        return autosync.decide(
            app, found.comparison.status, found.loaded.revisions, found.comparison.resources, now,
            self.settings,
        )  # fmt: skip

    def _write_status(
        self,
        name: str,
        app: Object,
        after: dict[str, Any],
        health: HealthStatus,
        now: float,
        level: int,
    ) -> None:
        before = app.get("status") or {}
        old_health = (before.get("health") or {}).get("status", "")
        if health != old_health:
            after["health"] = {"status": str(health), "lastTransitionTime": timestamp(now)}
        if level >= LATEST or "reconciledAt" not in before:
            after["reconciledAt"] = timestamp(now)
        patch: dict[str, Any] = {}
        if status := merge_patch(before, after):
            patch["status"] = status
        if REFRESH in annotations_of(app):
            patch["metadata"] = {"annotations": {REFRESH: None}}
        if patch:
            self._patch(name, patch, now)
        old_sync = (before.get("sync") or {}).get("status", "")
        if after["sync"]["status"] != old_sync:
            self._event(name, now, "ResourceUpdated",
                       f"Updated sync status: {old_sync} -> {after['sync']['status']}")  # fmt: skip
            self.listener(app, "sync", "", after["sync"])
        if health != old_health:
            self._event(name, now, "ResourceUpdated",
                       f"Updated health status: {old_health} -> {health}")  # fmt: skip
            self.listener(app, "health", "", {"status": str(health)})
        self._next_poll(name, now)

    def _next_poll(self, name: str, now: float) -> None:
        """The next comparison without any cause: when the period and some jitter are over."""
        jitter = self.random.uniform(0, self.settings.jitter)
        self._refreshes.add(name, now + self.settings.resync + jitter)
        if self._is_remote(name):
            self._levels[name] = max(RECENT, self._levels.get(name, TREE))
            self._refreshes.add(name, now + self.settings.remote)

    def _is_remote(self, name: str) -> bool:
        """Whether the destination is another cluster: these are looked at again and again."""
        destination = self.apps[name]["spec"]["destination"]
        try:
            return self.destinations.find(destination).server != IN_CLUSTER
        except DestinationError:
            return False

    def _patch(self, name: str, patch: Mapping[str, Any], now: float) -> None:
        namespace, _, own = name.partition("/")
        key = ObjectKey(GROUP, "Application", namespace, own)
        try:
            self.apps[name] = self.cluster.patch(key, patch, manager=CONTROLLER)
        except ApiError as error:
            if error.code != 404:
                raise
            self._touched.add(key)

    def _event(
        self, name: str, now: float, reason: str, message: str, type_: str = "Normal"
    ) -> None:
        self.record(self.apps[name], now, reason, message, type_)

    # -- operations -----------------------------------------------------------------------------

    def _start(self, name: str, operation: Mapping[str, Any], found: State, now: float) -> None:
        """Set the operation of an automated sync."""
        self._patch(name, {"operation": operation, "status": {"operationState": None}}, now)
        revisions = ",".join(found.loaded.revisions)
        what = "Initiated automated sync to"
        self._event(name, now, "OperationStarted", f"{what} '{revisions}'")
        self._operations.add(name, now)

    def _operate(self, name: str, now: float) -> None:
        app = self.apps[name]
        if app.get("operation"):
            self._continue(name, app, now)
        elif app["metadata"].get("deletionTimestamp"):
            wait = self.deletion.go_on(self.cluster, app, self.record, now)
            self._read(ObjectKey.of(app), now)
            if wait is not None:
                self._operations.add(name, now + max(wait, self.settings.batch))

    def _continue(self, name: str, app: Object, now: float) -> None:
        before = (app.get("status") or {}).get("operationState")
        if not before:
            self.listener(app, "started", "", app["operation"])
        assigned = self.windows_of(app)
        passed = self.operations.go_on(
            app,
            self.project_of(app),
            now,
            lambda key, result, message, why: self.listener(
                app, "applied", message, {"key": key, "result": result, "difference": why}
            ),
            lambda manual, began: windows.can_sync(assigned, now, manual=manual, began=began),
        )
        self._keep(name, app, before, passed, now)

    def _keep(self, name: str, app: Object, before: Any, passed: Passed, now: float) -> None:
        state = passed.state
        done = state["phase"] in ("Succeeded", "Failed", "Error")
        patch: dict[str, Any] = {}
        if state != before:
            changes = merge_patch(before or {}, state)
            patch["status"] = {"operationState": changes}
        if passed.history is not None:
            patch.setdefault("status", {})["history"] = passed.history
        if done:
            patch["operation"] = None
        if patch:
            self._patch(name, patch, now)
        if done:
            self._completed(name, app, state, now)
        elif passed.wait is not None:
            self._held[name] = now + passed.wait
            self._operations.add(name, now + passed.wait)
        elif state != before:
            self._operations.add(name, now + self.settings.batch)

    def _completed(self, name: str, app: Object, state: Mapping[str, Any], now: float) -> None:
        self._held.pop(name, None)
        sync = state["operation"].get("sync") or {}
        result = state.get("syncResult") or {}
        revision = ",".join(result.get("revisions") or [result.get("revision", "")])
        what = "Partial sync operation" if sync.get("resources") else "Sync operation"
        if state["phase"] == "Succeeded":
            self._event(name, now, "OperationCompleted", f"{what} to {revision} succeeded")
        else:
            text = f"{what} to {revision} failed: {state['message']}"
            self._event(name, now, "OperationCompleted", text, "Warning")
        self.listener(app, "completed", state["message"], state)
        if not sync.get("dryRun"):
            by_itself = state["operation"].get("initiatedBy", {}).get("automated")
            self.request(name, LATEST if by_itself else FORCE, now)


def set_conditions(
    status: dict[str, Any],
    found: list[tuple[str, str]],
    evaluated: tuple[str, ...],
    now: float,
) -> None:
    """Replace the conditions of the types that were looked at; one that stays keeps its time."""
    known = status.get("conditions") or []
    kept = [each for each in known if each["type"] not in evaluated]
    for type_, message in found:
        old = next((c for c in known if (c["type"], c["message"]) == (type_, message)), None)
        new = {"type": type_, "message": message, "lastTransitionTime": timestamp(now)}
        kept.append(dict(old) if old is not None else new)
    if kept:
        status["conditions"] = sorted(kept, key=lambda each: str(each["type"]))
    else:
        status.pop("conditions", None)


def summary(found: State) -> dict[str, Any]:
    """What `status.summary` says: the images that are live, and whether it holds Applications."""
    live = [pair.live for pair in found.comparison.pairs if pair.live is not None]
    result: dict[str, Any] = {}
    if all_images := sorted({image for obj in live for image in images(obj)}):
        result["images"] = all_images
    if any(obj["kind"] == "Application" for obj in live):
        result["isAppOfApps"] = True
    return result
