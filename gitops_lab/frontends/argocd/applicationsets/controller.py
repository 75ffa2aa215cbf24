"""The ApplicationSet controller: keeps the Applications that a set generates as it generates them.

If parameters cannot be generated, nothing is created, changed or deleted.

Source: Argo CD 3.5, `applicationset/controllers/applicationset_controller.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_lab.errors import ApiError, LabError
from gitops_lab.frontends.argocd import ignore
from gitops_lab.frontends.argocd.applicationsets.generators import GeneratorError, Generators
from gitops_lab.frontends.argocd.applicationsets.go_template import TemplateError
from gitops_lab.frontends.argocd.applicationsets.templates import application, overridden
from gitops_lab.frontends.argocd.destinations import DestinationError, Destinations
from gitops_lab.frontends.argocd.names import (
    API_VERSION,
    APPLICATION_SET_CONTROLLER,
    APPLICATION_SET_REFRESH,
    GROUP,
    NAMESPACE,
    REFRESH,
    RESOURCES_FINALIZER,
    Settings,
)
from gitops_lab.frontends.argocd.queue import Queue
from gitops_lab.frontends.argocd.repo_server import RepoServer
from gitops_lab.frontends.argocd.writes import merge_patch
from gitops_lab.frontends.events import Recorder
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp

GOOD = "All applications have been generated successfully"
PRESERVED = ("notified.notifications.argoproj.io", REFRESH, "argocd.argoproj.io/hydrate")
"""Annotations of generated Applications that others set, and that stay."""


class SetError(Exception):
    """What keeps a set from being what it should: the reason and message of its condition."""

    def __init__(self, reason: str, message: str, *, generated: bool) -> None:
        super().__init__(message)
        self.reason, self.message, self.generated = reason, message, generated


class ApplicationSetController:
    """A step function over all ApplicationSets.

    Args:
        cluster: where they are, reached with the controller's credentials.
        repo: the repo server, for the git generators.
        destinations: the clusters, for the cluster generator.
        settings: how often a set looks at Git, and the policy for all sets.
    """

    def __init__(
        self, cluster: Cluster, repo: RepoServer, destinations: Destinations, settings: Settings
    ) -> None:
        self.cluster, self.repo, self.destinations = cluster, repo, destinations
        self.settings = settings
        self.record = Recorder(cluster, APPLICATION_SET_CONTROLLER, counts=False)
        self._queue = Queue()
        self._touched: set[ObjectKey] = set()
        self._known: set[ObjectKey] = set()
        self._owners: dict[ObjectKey, ObjectKey] = {}
        self._listed = False

    def changed(self, key: ObjectKey) -> bool:
        """An object changed; whether that is of interest."""
        own = key.group == GROUP and key.kind in ("ApplicationSet", "Application", "AppProject")
        secret = key.kind == "Secret" and key.namespace == NAMESPACE
        if own or secret:
            self._touched.add(key)
        return own or secret

    def step(self, now: float) -> float | None:
        """Do what is due; when to be called again."""
        self._notice(now)
        while (name := self._queue.pop(now)) is not None:
            namespace, _, own = name.partition("/")
            self._reconcile(ObjectKey(GROUP, "ApplicationSet", namespace, own), now)
        return self._queue.next

    def _notice(self, now: float) -> None:
        if not self._listed:
            self._listed = True
            for each in self.cluster.list(GROUP, "ApplicationSet"):
                self._touched.add(ObjectKey.of(each))
        while self._touched:
            key = self._touched.pop()
            if key.kind == "ApplicationSet":
                self._known.add(key)
                self._add(key, now)
            elif key.kind == "Application":
                owner = self._owners.get(key)
                if owner is not None:
                    self._add(owner, now)
            else:
                self.destinations.secret_changed(key)
                for known in self._known:
                    self._add(known, now)

    def _add(self, key: ObjectKey, at: float) -> None:
        self._queue.add(f"{key.namespace}/{key.name}", at)

    # -- one set --------------------------------------------------------------------------------

    def _reconcile(self, key: ObjectKey, now: float) -> None:
        appset = self.cluster.get(key)
        if appset is None or appset["metadata"].get("deletionTimestamp"):
            self._known.discard(key)
            return
        annotations = appset["metadata"].get("annotations") or {}
        if APPLICATION_SET_REFRESH in annotations:
            patch = {"metadata": {"annotations": {APPLICATION_SET_REFRESH: None}}}
            self.cluster.patch(key, patch, manager=APPLICATION_SET_CONTROLLER)
        try:
            wanted = self._generate(appset, fresh=APPLICATION_SET_REFRESH in annotations)
            self._check(appset, wanted)
            self._apply(appset, wanted, now)
        except SetError as error:
            self._write_status(appset, error, now)
        else:
            self._write_status(appset, None, now)
        self._add(key, now + self.settings.requeue)

    def _generate(self, appset: Object, *, fresh: bool) -> list[Object]:
        """The Applications that a set wants."""
        spec = appset["spec"]
        go, options = bool(spec.get("goTemplate")), spec.get("goTemplateOptions") or ()
        generators = Generators(
            lambda: self.destinations.registered,
            lambda url, revision: self._files(url, revision, fresh=fresh),
            go=go,
            options=options,
        )
        found = []
        for entry in spec["generators"]:
            try:
                sets = generators.generate(entry)
            except LabError as error:
                raise SetError(
                    "ApplicationParamsGenerationError"
                    if isinstance(error, GeneratorError)
                    else "ApplicationGenerationFromParamsError",
                    error.what,
                    generated=False,
                ) from None
            own = next((g.get("template") for g in entry.values() if isinstance(g, Mapping)), None)
            template = overridden(spec["template"], own)
            for params in sets:
                try:
                    body = application(
                        template, spec.get("templatePatch") or "", params, go=go, options=options
                    )
                except TemplateError as error:
                    raise SetError(
                        "RenderTemplateParamsError",
                        f"failed to execute go template: {error}",
                        generated=True,
                    ) from None
                found.append(self._owned(appset, body))
        return found

    def _files(self, url: str, revision: str, *, fresh: bool) -> Mapping[str, bytes]:
        source = {"repoURL": url}
        commit = self.repo.resolve(source, revision, fresh=fresh)
        return self.repo.files(source, commit, "").files

    def _owned(self, appset: Object, body: Object) -> Object:
        """A generated Application as it is created: in the set's namespace, owned by the set."""
        metadata, policy = body["metadata"], appset["spec"].get("syncPolicy") or {}
        finalizers = list(metadata.get("finalizers") or ())
        if not finalizers and not policy.get("preserveResourcesOnDeletion"):
            finalizers = [RESOURCES_FINALIZER]
        result: dict[str, Any] = {
            "name": metadata.get("name", ""),
            "namespace": appset["metadata"]["namespace"],
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ApplicationSet",
                    "name": appset["metadata"]["name"],
                    "uid": appset["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }
        for part in ("labels", "annotations"):
            if metadata.get(part):
                result[part] = dict(metadata[part])
        if finalizers:
            result["finalizers"] = finalizers
        return {**body, "metadata": result}

    def _check(self, appset: Object, wanted: list[Object]) -> None:
        """Refuse what is no set of Applications."""
        seen: set[str] = set()
        projects = {
            each["metadata"]["name"]
            for each in self.cluster.list(GROUP, "AppProject", namespace=NAMESPACE)
        }
        for body in wanted:
            name = body["metadata"]["name"]
            if name in seen:
                text = (
                    f"ApplicationSet {appset['metadata']['name']} contains applications with "
                    f"duplicate name: {name}"
                )
                raise SetError("ApplicationValidationError", text, generated=True)
            seen.add(name)
            project = body["spec"].get("project") or "default"
            if project not in projects:
                text = f"application references project {project} which does not exist"
                raise SetError("ApplicationValidationError", text, generated=True)
            try:
                self.destinations.find(body["spec"]["destination"])
            except DestinationError as error:
                text = f"application destination spec is invalid: {error.what}"
                raise SetError("ApplicationValidationError", text, generated=True) from None

    # -- writing --------------------------------------------------------------------------------

    def _apply(self, appset: Object, wanted: list[Object], now: float) -> None:
        own = appset["spec"].get("syncPolicy") or {}
        policy = self.settings.policy or own.get("applicationsSync") or "sync"
        set_key, uid = ObjectKey.of(appset), appset["metadata"]["uid"]
        owned = {
            ObjectKey.of(app): app
            for app in self.cluster.list(GROUP, "Application", namespace=set_key.namespace)
            if any(ref["uid"] == uid for ref in app["metadata"].get("ownerReferences") or ())
        }
        for body in wanted:
            key = ObjectKey.of(body)
            self._owners[key] = set_key
            try:
                self._create_or_update(appset, body, owned.pop(key, None), policy, now)
            except ApiError as error:
                reason = "CreateApplicationError"
                raise SetError(reason, error.message, generated=True) from None
        if policy in ("sync", "create-delete"):
            for key, app in sorted(owned.items()):
                if "deletionTimestamp" not in app["metadata"]:
                    self.cluster.delete(key, uid=app["metadata"]["uid"])
                    self._event(appset, now, "Deleted", f'Deleted Application "{key.name}"')

    def _create_or_update(
        self, appset: Object, body: Object, live: Object | None, policy: str, now: float
    ) -> None:
        name = body["metadata"]["name"]
        if live is None:
            live = self.cluster.get(ObjectKey.of(body))
        if live is None:
            self.cluster.create(body, manager=APPLICATION_SET_CONTROLLER)
            self._event(appset, now, "created", f'created Application "{name}"')
            return
        if policy not in ("sync", "create-update"):
            return
        after = self._kept(appset, body, live)
        patch = {}
        if spec := merge_patch(live["spec"], after["spec"]):
            patch["spec"] = spec
        parts = ("labels", "annotations", "finalizers", "ownerReferences")
        before = {part: live["metadata"][part] for part in parts if part in live["metadata"]}
        new = {part: after["metadata"][part] for part in parts if part in after["metadata"]}
        if metadata := merge_patch(before, new):
            patch["metadata"] = metadata
        if patch:
            self.cluster.patch(ObjectKey.of(live), patch, manager=APPLICATION_SET_CONTROLLER)
            self._event(appset, now, "updated", f'updated Application "{name}"')

    def _kept(self, appset: Object, body: Object, live: Object) -> Object:
        """The wanted Application with what others may set on the live one."""
        spec = appset["spec"]
        kept = spec.get("preservedFields") or {}
        metadata = dict(body["metadata"])
        for part, names in (
            ("annotations", [*PRESERVED, *(kept.get("annotations") or ())]),
            ("labels", kept.get("labels") or []),
        ):
            present = live["metadata"].get(part) or {}
            own = {name: present[name] for name in names if name in present}
            if own or metadata.get(part):
                metadata[part] = {**own, **(metadata.get(part) or {})}
        if hooks := [
            f for f in live["metadata"].get("finalizers") or () if "-delete-finalizer" in f
        ]:
            metadata["finalizers"] = [*(metadata.get("finalizers") or ()), *hooks]
        result = {**body, "metadata": metadata}
        for entry in spec.get("ignoreApplicationDifferences") or ():
            if entry.get("name") not in (None, "", metadata["name"]):
                continue
            paths = [ignore.pointer(text) for text in entry.get("jsonPointers") or ()]
            paths += [ignore.jq_path(text) for text in entry.get("jqPathExpressions") or ()]
            result = ignore.respected(result, live, paths)
        return result

    def _write_status(self, appset: Object, error: SetError | None, now: float) -> None:
        if error is None:
            found = [
                ("ErrorOccurred", "False", "ApplicationSetUpToDate", GOOD),
                ("ParametersGenerated", "True", "ParametersGenerated",
                 "Successfully generated parameters for all Applications"),
                ("ResourcesUpToDate", "True", "ApplicationSetUpToDate", GOOD),
            ]  # fmt: skip
        else:
            generated = (
                ("ParametersGenerated", "True", "ParametersGenerated",
                 "Successfully generated parameters for all Applications")
                if error.generated
                else ("ParametersGenerated", "False", "ErrorOccurred", error.message)
            )  # fmt: skip
            found = [
                ("ErrorOccurred", "True", error.reason, error.message),
                generated,
                ("ResourcesUpToDate", "False", error.reason, error.message),
            ]
        before = appset.get("status") or {}
        known = before.get("conditions") or []
        conditions = []
        for type_, status, reason, message in found:
            new = {"type": type_, "status": status, "reason": reason, "message": message}
            old = next((c for c in known if {k: c.get(k) for k in new} == new), None)
            conditions.append(old or {**new, "lastTransitionTime": timestamp(now)})
        if conditions != known:
            self.cluster.patch(
                ObjectKey.of(appset), {"status": {"conditions": conditions}},
                manager=APPLICATION_SET_CONTROLLER, subresource="status",
            )  # fmt: skip
            if error is not None:
                self._event(appset, now, error.reason, error.message, "Warning")

    def _event(
        self, appset: Object, now: float, reason: str, message: str, type_: str = "Normal"
    ) -> None:
        self.record(appset, now, reason, message, type_)
