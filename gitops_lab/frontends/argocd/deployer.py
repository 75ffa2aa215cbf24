"""Argo CD as one more way of deploying: an Application that points at the arm's repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_lab.deployers.deployer import EVERYTHING, Context, Deployer, Needs, Site
from gitops_lab.deployers.policy import Policy
from gitops_lab.engine import hooks
from gitops_lab.errors import ClusterUnreachable, RenderError
from gitops_lab.frontends.argocd import install, tracking
from gitops_lab.frontends.argocd.app import seconds
from gitops_lab.frontends.argocd.application_controller import FORCE
from gitops_lab.frontends.argocd.control_plane import ControlPlane
from gitops_lab.frontends.argocd.destinations import Registered
from gitops_lab.frontends.argocd.install import APPLICATION
from gitops_lab.frontends.argocd.manifests import GenerationError, generate
from gitops_lab.frontends.argocd.names import (
    API_SERVER,
    CONTROLLER,
    FIELD_MANAGER,
    GROUP,
    NAMESPACE,
    Settings,
)
from gitops_lab.frontends.argocd.sync_run import NO_DIFFERENCE
from gitops_lab.model import Action, Artifact, Manifest, Object, ObjectKey, Revision
from gitops_lab.ports import Cluster, CommitState, Credentials

POLICY = Policy(interval=120, self_heal=True, prune=True)
"""Automated sync that prunes and heals itself, at Argo CD's own pace."""


class ArgoCD(Deployer):
    """Argo CD 3.5 in the arm's cluster, with one Application to begin with."""

    credentials = Credentials(f"system:serviceaccount:{NAMESPACE}:{CONTROLLER}", inside=True)

    @classmethod
    def needs(cls, site: Site) -> Needs:
        """Its namespace, its kinds, an account with rights, a pod for each of its programs."""
        return Needs(
            objects=install.set_up(site),
            workload=install.workload(),
            controllers=install.PROGRAMS,
            home=NAMESPACE,
            served=install.served(site),
            watches=EVERYTHING,
        )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._now = 0.0
        self._pods: dict[str, str] = {}
        self._registered = False
        interval = self.policy.interval or 120.0
        self.control_plane = ControlPlane(
            self.cluster,
            context.git,
            now=lambda: self._now,
            random=context.random,
            settings=Settings().faster(120.0 / interval),
            connect=self._connected,
            listener=self._record,
        )

    def _connected(self, cluster: Registered) -> Cluster:
        if cluster.name not in self.context.clusters:
            raise ClusterUnreachable(
                f"nothing answers at {cluster.server}", where=cluster.name,
                fix="register a cluster of this world",
            )  # fmt: skip
        return self.context.clusters[cluster.name]

    def step(self, now: float) -> float | None:
        """Let each of its programs do what is due."""
        self._now = now
        self._look_for_pods()
        self._register_clusters()
        return self.control_plane.step(now)

    def hurry(self, now: float) -> None:
        """A person wants it to go on: compare the arm's Application with Git now."""
        self.control_plane.controller.request(f"{NAMESPACE}/{APPLICATION}", FORCE, now)

    def _register_clusters(self) -> None:
        """Make the clusters of the arms that it serves known, each by a Secret."""
        if self._registered:
            return
        self._registered = True
        for name in self.context.clusters:
            secret = install.registration(name, f"https://{name}.clusters.gitops-lab.example")
            if self.cluster.get(ObjectKey.of(secret)) is None:
                self.cluster.create(secret, manager=API_SERVER)

    def _look_for_pods(self) -> None:
        """A program without a pod does nothing; one in a new pod has forgotten what it knew."""
        for name in install.PROGRAMS:
            pod = self.context.pod(name)
            if pod == self._pods.get(name):
                continue
            if not pod:
                self.control_plane.stop(name)
            else:
                self.control_plane.start(name)
            self._pods[name] = pod

    def notify(self, revision: Revision) -> bool:
        """A push: if the policy listens to events, the webhook asks for a refresh."""
        if not self.policy.on_event:
            return False
        self.control_plane.webhook(self.context.git.url, revision.branch)
        return True

    def changed(self, key: ObjectKey) -> bool:
        """A live object changed; a pod of its own programs may have come or gone."""
        own_pod = key.kind == "Pod" and key.namespace == NAMESPACE
        return self.control_plane.changed(key) or own_pod

    # -- What the watcher asks -------------------------------------------------------------------

    @property
    def field_manager(self) -> str:
        """The field manager of what a sync applies."""
        return FIELD_MANAGER

    def desired(self, artifact: Artifact, cluster: Cluster) -> tuple[Manifest, ...]:
        """The objects that a revision asks for; hooks are none."""
        source = self._source(cluster)
        folder = source.get("path", ".")

        def fetch(path: str) -> Artifact:
            if path in ("", folder.strip("/"), "."):
                return artifact
            return self.context.git.open(
                source["repoURL"], commit=artifact.revision.commit, path=path
            ).fetch(artifact.revision)

        try:
            found = generate({**source, "path": "." if folder == "." else folder}, fetch)
        except GenerationError as error:
            raise RenderError(error.what.partition("desc = ")[2] or error.what) from None
        result = {}
        for obj, origin in zip(found.objects, found.origins, strict=True):
            if hooks.is_hook(obj) or hooks.is_skipped(obj):
                continue
            key = ObjectKey.of(obj)
            namespace = ""
            if cluster.is_namespaced(key.group, key.kind):
                namespace = key.namespace or self.policy.namespace
            metadata = {k: v for k, v in obj["metadata"].items() if k != "namespace"}
            if namespace:
                metadata["namespace"] = namespace
            body = {**obj, "metadata": metadata}
            result[ObjectKey.of(body)] = Manifest(body, origin)
        return tuple(result[key] for key in sorted(result))

    def expected(self, body: Object) -> Object:
        """A desired object with the annotation that says whose it is."""
        return tracking.tracked(body, APPLICATION, self.policy.namespace)

    def owns(self, live: Object) -> bool:
        """Whether an object says that it belongs to the arm's Application."""
        return tracking.owner(live) == APPLICATION and tracking.names_itself(live)

    def _source(self, cluster: Cluster) -> Mapping[str, Any]:
        key = ObjectKey(GROUP, "Application", NAMESPACE, APPLICATION)
        app = self.control_plane.controller.apps.get(f"{NAMESPACE}/{APPLICATION}")
        app = app or cluster.get(key)
        source: Mapping[str, Any] = (app or {}).get("spec", {}).get("source") or {}
        return source

    # -- Journal ---------------------------------------------------------------------------------

    def _record(self, app: Object, event: str, why: str, data: Mapping[str, Any]) -> None:
        """Write down what happened to an Application, in the journal's words."""
        spec = app["spec"].get("source") or {}
        branch = spec.get("targetRevision") or "HEAD"
        if event == "started":
            sync = data.get("sync") or {}
            by = "automated" if (data.get("initiatedBy") or {}).get("automated") else "manual"
            self.journal.record(
                "triggered",
                _revision(branch, sync.get("revision", "")),
                f"{by} {'partial sync' if sync.get('resources') else 'sync'} of Application "
                f"{app['metadata']['name']}",
            )
        elif event == "applied":
            action = _ACTIONS.get(data["result"], Action.FAILED)
            if why.endswith(" created"):
                action = Action.CREATED
            elif why.endswith(" unchanged") or data["difference"] == NO_DIFFERENCE:
                return
            self.journal.record(
                "decided", data["key"], data["difference"], action=action, fields=[], act=True
            )
            self.journal.record("applied", data["key"], why, action=action)
        elif event == "completed":
            self._completed(app, branch, why, data)
        elif event == "sync":
            revision = _revision(branch, data.get("revision", ""))
            self.journal.record(
                "synced", revision, why, sync=data["status"], acted=False, applied=self.applied,
                written=0, failed=0,
            )  # fmt: skip
        elif event == "health":
            self.journal.record("health", "", why, status=data["status"])

    def _completed(self, app: Object, branch: str, why: str, state: Mapping[str, Any]) -> None:
        result = state.get("syncResult") or {}
        commit = result.get("revision", "")
        revision = _revision(branch, commit)
        succeeded = state["phase"] == "Succeeded"
        if succeeded and app["metadata"]["name"] == APPLICATION:
            self.applied = revision
        done = [each.get("status") for each in result.get("resources") or ()]
        self.journal.record(
            "reported", revision, why, state="success" if succeeded else "failure",
            seconds=self._now - seconds(state["startedAt"]), failed=done.count("SyncFailed"),
        )  # fmt: skip
        if commit and app["metadata"]["name"] == APPLICATION:  # others would need notifications
            context = f"argocd/{app['metadata']['name']}"
            status: CommitState = "success" if succeeded else "failure"
            self.context.statuses.set(commit, context, status, why)


_ACTIONS = {
    "Synced": Action.CONFIGURED,
    "SyncFailed": Action.FAILED,
    "Pruned": Action.DELETED,
    "PruneSkipped": Action.SKIPPED,
}


def _revision(branch: str, commit: str) -> str:
    return str(Revision(branch, commit)) if commit else branch


__all__ = ["APPLICATION", "POLICY", "ArgoCD"]
