"""The API server: what the command line, a page and webhooks speak to.

It refuses what a person may not do just now, writes what they ask for on the Application, and
leaves the work to the controller.

Source: Argo CD 3.5, `server/application/application.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_lab.errors import ApiError, LabError
from gitops_lab.frontends.argocd import projects, windows
from gitops_lab.frontends.argocd.app import (
    Source,
    automated,
    has_many_sources,
    sources,
    target_revision,
)
from gitops_lab.frontends.argocd.app_state import State, compare_state
from gitops_lab.frontends.argocd.destinations import DestinationError, Destinations, Registered
from gitops_lab.frontends.argocd.names import (
    API_SERVER,
    BACKGROUND_FINALIZER,
    CASCADE_FINALIZERS,
    FOREGROUND_FINALIZER,
    GROUP,
    NAMESPACE,
    REFRESH,
    RESOURCES_FINALIZER,
)
from gitops_lab.frontends.argocd.repo_server import RepoServer
from gitops_lab.frontends.argocd.tree import resource_tree
from gitops_lab.frontends.events import Recorder
from gitops_lab.model import Object, ObjectKey, copied
from gitops_lab.ports import Cluster


class Refused(LabError):
    """The API server refuses; the message is its gRPC error."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {text}")
        self.code, self.text = code, text


@dataclass(frozen=True, kw_only=True)
class SyncRequest:
    """What a person asks of a sync.

    Args:
        revision: another revision than the Application follows.
        prune: delete what Git dropped.
        dry_run: write nothing.
        force: delete and create what cannot be changed.
        strategy: `hook` or `apply`; with apply no hooks run.
        resources: group, kind, namespace and name of the objects that it is about; all if empty.
        options: sync options beside the Application's own.
        retry_limit: how often to retry; None for what the Application says.
    """

    revision: str = ""
    prune: bool = False
    dry_run: bool = False
    force: bool = False
    strategy: str = "hook"
    resources: Sequence[Mapping[str, str]] = ()
    options: Sequence[str] = ()
    retry_limit: int | None = None


class ApiServer:
    """Reads and writes Applications for people.

    Args:
        cluster: where the Applications are.
        repo: renders for it.
        destinations: the clusters.
        now: the time, in seconds since the Unix epoch.
        user: who asks.
        is_notified: whether the caches are notified of changes; if not, they are read again
            for each answer.
    """

    def __init__(
        self,
        cluster: Cluster,
        repo: RepoServer,
        destinations: Destinations,
        now: Callable[[], float],
        user: str = "admin",
        *,
        is_notified: bool = True,
    ) -> None:
        self.cluster, self.repo, self.destinations = cluster, repo, destinations
        self.now, self.user, self.is_notified = now, user, is_notified
        self.record = Recorder(cluster, API_SERVER, counts=False)

    # -- reading --------------------------------------------------------------------------------

    def applications(self, project: str = "") -> list[Object]:
        """The Applications, of one project or all."""
        found = self.cluster.list(GROUP, "Application")
        return [
            a for a in found if not project or (a["spec"].get("project") or "default") == project
        ]

    def get(self, name: str) -> Object:
        """An Application, by its name or `namespace/name`.

        Raises:
            Refused: there is none.
        """
        namespace, _, own = name.rpartition("/")
        app = self.cluster.get(ObjectKey(GROUP, "Application", namespace or NAMESPACE, own))
        if app is None:
            raise Refused(
                "NotFound", f'error getting application: applications.argoproj.io "{own}" not found'
            )
        return app

    def project(self, name: str) -> Object:
        """An AppProject.

        Raises:
            Refused: there is none.
        """
        found = self.cluster.get(ObjectKey(GROUP, "AppProject", NAMESPACE, name))
        if found is None:
            raise Refused("NotFound", f'appprojects.argoproj.io "{name}" not found')
        return found

    def windows(self, app: Object) -> list[Mapping[str, Any]]:
        """The sync windows that are about an Application."""
        found = self.project(app["spec"].get("project") or "default")["spec"].get("syncWindows")
        if not found:
            return []
        try:
            target = self.destinations.find(app["spec"]["destination"])
        except DestinationError:
            return []
        return windows.assigned(found, app, target.server, target.name)

    def state(self, app: Object, revision: str = "") -> State:
        """What comparing an Application finds now, at the revision of its status or another one.

        Raises:
            Refused: its destination is not known.
        """
        sync = (app.get("status") or {}).get("sync") or {}
        own = sources(app["spec"])
        known = sync.get("revisions") or [sync.get("revision") or ""]
        revisions = [revision] * len(own) if revision else list(known)
        if len(revisions) != len(own) or not all(revisions):
            revisions = [target_revision(source) for source in own]
        for cache in self.destinations.caches.values():
            if self.is_notified:
                cache.refresh()
            else:
                cache.list_again()
        try:
            project = self.project(app["spec"].get("project") or "default")["spec"]
            return compare_state(
                self.repo, self.destinations, app, project,
                revisions=revisions, fresh_revision=bool(revision),
            )  # fmt: skip
        except DestinationError as error:
            raise Refused("InvalidArgument", error.what) from None

    def tree(self, app: Object) -> dict[str, Any]:
        """The resource tree of an Application, as JSON values."""
        cache = self.destinations.cache(self.destinations.find(app["spec"]["destination"]))
        return resource_tree(self.state(app).comparison.pairs, cache)

    def clusters(self) -> list[Registered]:
        """The clusters that Applications can go to."""
        return self.destinations.registered

    # -- writing --------------------------------------------------------------------------------

    def refresh(self, name: str, *, hard: bool = False) -> None:
        """Have an Application compared with what Git says now."""
        how = "hard" if hard else "normal"
        self._patch(self.get(name), {"metadata": {"annotations": {REFRESH: how}}})

    def create(self, body: Object, *, upsert: bool = False) -> str:
        """Create an Application; `created`, `updated` or `unchanged`.

        Raises:
            Refused: its spec is not valid, or another one of that name exists.
        """
        self._check(body)
        key = ObjectKey.of(body)
        live = self.cluster.get(key)
        if live is None:
            created = self.cluster.create(copied(body), manager=API_SERVER)
            self._event(created, "ResourceCreated", f"{self.user} created application")
            return "created"
        if live["spec"] == body["spec"]:
            return "unchanged"
        if not upsert:
            raise Refused(
                "InvalidArgument",
                "existing application spec is different, use upsert flag to force update",
            )
        self.update(live, body["spec"])
        return "updated"

    def update(self, app: Object, spec: Mapping[str, Any]) -> None:
        """Give an Application another spec.

        Raises:
            Refused: the spec is not valid.
        """
        self._check({**app, "spec": dict(spec)})
        gone = {name: None for name in app["spec"] if name not in spec}
        self._patch(app, {"spec": _replacing(app["spec"], spec) | gone})
        self._event(app, "ResourceUpdated", f"{self.user} updated application spec")

    def sync(self, name: str, request: SyncRequest) -> None:
        """Start a sync.

        Raises:
            Refused: it may not be started now.
        """
        app = self.get(name)
        self._check_idle(app)
        if not windows.can_sync(self.windows(app), self.now(), manual=True):
            raise Refused("PermissionDenied", "cannot sync: blocked by sync window")
        spec = app["spec"]
        revision = request.revision
        if automated(spec) is not None and revision and not request.dry_run:
            wanted = target_revision(sources(spec)[0])
            if revision != wanted:
                raise Refused(
                    "FailedPrecondition",
                    f"Cannot sync to {revision}: auto-sync currently set to {wanted}",
                )
        operation = self._operation(app, request)
        self._patch(app, {"operation": operation, "status": {"operationState": None}})
        shown = revision or target_revision(sources(spec)[0])
        commit = operation["sync"].get("revision", "")
        self._event(app, "OperationStarted", f"{self.user} initiated sync to {shown} ({commit})")

    def rollback(self, name: str, number: int, *, prune: bool = False) -> None:
        """Sync to what an entry of the history deployed, without hooks.

        Raises:
            Refused: automation is on, or there is no such entry.
        """
        app = self.get(name)
        self._check_idle(app)
        if automated(app["spec"]) is not None:
            raise Refused(
                "FailedPrecondition", "rollback cannot be initiated when auto-sync is enabled"
            )
        history = (app.get("status") or {}).get("history") or []
        entry = next((each for each in history if each["id"] == number), None)
        if entry is None:
            raise Refused(
                "InvalidArgument",
                f"application {app['metadata']['name']} does not have deployment with id {number}",
            )
        sync = {
            key: entry[key]
            for key in ("revision", "revisions", "source", "sources")
            if entry.get(key)
        }
        sync |= {"prune": prune, "syncStrategy": {"apply": {}}}
        if options := (app["spec"].get("syncPolicy") or {}).get("syncOptions"):
            sync["syncOptions"] = list(options)
        operation = {"sync": sync, "initiatedBy": {"username": self.user}}
        self._patch(app, {"operation": operation, "status": {"operationState": None}})
        self._event(app, "OperationStarted", f"{self.user} initiated rollback to {number}")

    def terminate(self, name: str) -> None:
        """End the operation that runs.

        Raises:
            Refused: none does.
        """
        app = self.get(name)
        state = (app.get("status") or {}).get("operationState")
        if not app.get("operation") or not state:
            raise Refused(
                "InvalidArgument", "Unable to terminate operation. No operation is in progress"
            )
        self._patch(app, {"status": {"operationState": {"phase": "Terminating"}}})
        self._event(app, "ResourceUpdated", f"{self.user} terminated running operation")

    def delete(self, name: str, *, cascade: bool = True, propagation: str = "foreground") -> None:
        """Delete an Application, and as a rule what it manages: this adds the finalizer.

        Raises:
            Refused: there is no such Application.
        """
        app = self.get(name)
        kept = [f for f in app["metadata"].get("finalizers") or () if f not in CASCADE_FINALIZERS]
        if cascade:
            kept.append(
                {"foreground": FOREGROUND_FINALIZER, "background": BACKGROUND_FINALIZER}.get(
                    propagation, RESOURCES_FINALIZER
                )
            )
        self._patch(app, {"metadata": {"finalizers": kept or None}})
        self.cluster.delete(ObjectKey.of(app))
        self._event(app, "ResourceDeleted", f"{self.user} deleted application")

    def webhook(self, url: str, branch: str) -> list[str]:
        """A Git server says that a branch moved: refresh the Applications that follow it.

        Returns:
            Their names.
        """
        found = []
        for app in self.cluster.list(GROUP, "Application"):
            if any(_follows(source, url, branch) for source in sources(app["spec"])):
                self._patch(app, {"metadata": {"annotations": {REFRESH: "normal"}}})
                found.append(app["metadata"]["name"])
        return found

    # -- how it is done -------------------------------------------------------------------------

    def _operation(self, app: Object, request: SyncRequest) -> dict[str, Any]:
        spec = app["spec"]
        sync: dict[str, Any] = {}
        own = sources(spec)
        commits = [
            self.repo.resolve(source, request.revision or target_revision(source), fresh=True)
            for source in own
        ]
        if has_many_sources(spec):
            sync |= {"revisions": commits, "sources": [dict(source) for source in own]}
        else:
            sync["revision"] = commits[0]
        options = [*((spec.get("syncPolicy") or {}).get("syncOptions") or ()), *request.options]
        sync |= {
            name: value
            for name, value in (
                ("prune", request.prune),
                ("dryRun", request.dry_run),
                ("resources", [dict(each) for each in request.resources]),
                ("syncOptions", options),
            )
            if value
        }
        sync["syncStrategy"] = {request.strategy: {"force": True} if request.force else {}}
        operation: dict[str, Any] = {"sync": sync, "initiatedBy": {"username": self.user}}
        retry = dict((spec.get("syncPolicy") or {}).get("retry") or {})
        if request.retry_limit is not None:
            retry["limit"] = request.retry_limit
        if retry:
            operation["retry"] = retry
        return operation

    def _check_idle(self, app: Object) -> None:
        if app["metadata"].get("deletionTimestamp"):
            raise Refused("FailedPrecondition", "application is deleting")
        if app.get("operation"):
            raise Refused("FailedPrecondition", "another operation is already in progress")

    def _check(self, app: Object) -> None:
        """Refuse a spec that the controller would only answer with InvalidSpecError."""
        name = app["spec"].get("project") or "default"
        found = self.cluster.get(ObjectKey(GROUP, "AppProject", NAMESPACE, name))
        faults = list(projects.spec_faults(app))
        server = cluster = ""
        try:
            target = self.destinations.find(app["spec"]["destination"])
            server, cluster = target.server, target.name
        except DestinationError as error:
            faults.append(error.what)
        spec = None if found is None else found["spec"]
        faults += projects.refusals(app, spec, server, cluster)
        if faults:
            text = ";".join(f"InvalidSpecError: {fault}" for fault in faults)
            raise Refused("InvalidArgument", f"application spec for {app['metadata']['name']} is "
                          f"invalid: {text}")  # fmt: skip

    def _patch(self, app: Object, patch: Mapping[str, Any]) -> None:
        try:
            self.cluster.patch(ObjectKey.of(app), patch, manager=API_SERVER)
        except ApiError as error:
            raise Refused("Unknown", error.message) from None

    def _event(self, app: Object, reason: str, message: str) -> None:
        self.record(app, self.now(), reason, message)


def _replacing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch that leaves nothing of the old values inside the new ones."""
    patch: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            gone = {key: None for key in old if key not in value}
            patch[name] = _replacing(old, value) | gone
        else:
            patch[name] = value
    return patch


def _follows(source: Source, url: str, branch: str) -> bool:
    """Whether a source is at this address and follows this branch; HEAD is the main one."""
    own = source.get("repoURL", "").removesuffix(".git")
    revision = target_revision(source).removeprefix("refs/heads/")
    return own == url.removesuffix(".git") and revision in (branch, "HEAD")
