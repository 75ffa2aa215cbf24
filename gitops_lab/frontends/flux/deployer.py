"""The arm `flux`: Flux's controllers as one deployer, each with its own account and its own pod."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gitops_lab.deployers.deployer import Context, Deployer, Needs, Site
from gitops_lab.engine.desired import normalised
from gitops_lab.errors import ApiError, ClusterUnreachable, LabError, RenderError, SourceError
from gitops_lab.frontends.controller import Controller
from gitops_lab.frontends.events import EventRecord, Recorder
from gitops_lab.frontends.flux import api, apply, install
from gitops_lab.frontends.flux.build import BuildFailed, PathNotFound, build, owner_of
from gitops_lab.frontends.flux.generator import ArtifactGenerators
from gitops_lab.frontends.flux.gitrepository import GitRepositories
from gitops_lab.frontends.flux.helmchart import HelmCharts
from gitops_lab.frontends.flux.helmrelease import HelmReleases
from gitops_lab.frontends.flux.kustomization import Kustomizations
from gitops_lab.frontends.flux.notification import Notifier
from gitops_lab.frontends.flux.receiver import Receivers, push_payload
from gitops_lab.frontends.flux.storage import Storage
from gitops_lab.frontends.flux.unreachable import FAILURES, Unreachable
from gitops_lab.model import Artifact, Manifest, Object, ObjectKey, Revision
from gitops_lab.ports import Cluster, Credentials

T = TypeVar("T")

RETRY = 5.0
"""Seconds until a controller that the API server refused is stepped again."""

INSTALLER = "flux"
"""The field manager of what `flux bootstrap` applies."""

NAME = "app"
"""The GitRepository and the Kustomization that every arm begins with."""

WATCHED = frozenset(
    {
        *((api.SOURCE, kind) for kind in (*api.SOURCE_KINDS, "HelmRepository", "HelmChart")),
        (api.KUSTOMIZE, "Kustomization"),
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("source.extensions.fluxcd.io", "ArtifactGenerator"),
        *(("notification.toolkit.fluxcd.io", kind) for kind in ("Receiver", "Alert", "Provider")),
        ("", "ConfigMap"),
        ("", "Secret"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    }
)
"""Group and kind of what the controllers watch."""


class FluxDeployer(Deployer):
    """Steps each controller of Flux that has a pod.

    Args:
        context: everything that it may touch.
    """

    credentials = Credentials(install.account("kustomize-controller"), inside=True)
    only_simulated = (
        "install the real Flux there: flux install --components-extra=source-watcher; "
        "gitops-lab flux --kubeconfig FILE works with it"
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.storage = Storage(alive=lambda: bool(context.pod("source-controller")))
        self.connections: dict[str, Cluster] = {}
        self.controllers: dict[str, list[Controller | Notifier]] = {}
        self._pods: dict[str, str] = {}
        self._pushes: deque[Revision] = deque()
        self._is_installed = False
        self._begin_at: float | None = None
        self._kustomization: Object = {}
        self._attempted, self._is_old = "", True

    @classmethod
    def needs(cls, site: Site) -> Needs:
        """What `flux install` applies."""
        return Needs(
            objects=install.set_up(site),
            workload=install.workload(),
            controllers=tuple(install.CONTROLLERS),
            home=api.NAMESPACE,
            watches=WATCHED,
        )

    def step(self, now: float) -> float | None:
        """Step each controller once; the earliest instant at which one has more to do."""
        if not self._is_installed:
            self._is_installed = now >= self._begins(now) and bool(self._try(self.install))
            if not self._is_installed:
                return max(self._begins(now), now + 1)
        if self._is_old:
            self._try(self._look)
        up = [name for name in install.CONTROLLERS if self._is_up(name)]
        while self._pushes:
            self._try(partial(self._post, self._pushes.popleft(), now))
        times = [self._stepped(each, now) for name in up for each in self.controllers[name]]
        return min((at for at in times if at is not None), default=None)

    def _stepped(self, controller: Controller | Notifier, now: float) -> float | None:
        """Step one controller; if the API server does not let it, it is tried again later."""
        try:
            return controller.step(now)
        except (ApiError, ClusterUnreachable) as error:
            self._failed(self._own, error)
            return now + RETRY

    def _try(self, work: Callable[[], T]) -> T | None:
        """Do something, unless the API server does not let it."""
        try:
            return work()
        except (ApiError, ClusterUnreachable) as error:
            self._failed(self._own, error)
            return None

    def notify(self, revision: Revision) -> bool:
        """A push: the forge posts it to each Receiver in the next step."""
        self._pushes.append(revision)
        return True

    def changed(self, key: ObjectKey) -> bool:
        """Pass a change to every controller."""
        self._is_old |= key == self._own
        for controllers in self.controllers.values():
            for controller in controllers:
                controller.changed(key)
        return True

    @property
    def is_at_work(self) -> bool:  # type: ignore[override]
        """Whether a controller is in the middle of a run."""
        return any(each.is_at_work for parts in self.controllers.values() for each in parts)

    def restart(self, *names: str) -> None:
        """Have controllers, or all, forget what is not in the cluster, as a new pod does."""
        for name in names or install.CONTROLLERS:
            self._pods.pop(name, None)

    # -- What the watcher asks -------------------------------------------------------------------

    @property
    def _own(self) -> ObjectKey:
        return api.key_of("Kustomization", api.NAMESPACE, NAME)

    @property
    def settled(self) -> bool:
        """Whether the revision that it applied last is the last one that it tried."""
        return bool(self.applied) and self.applied == self._attempted

    def _look(self) -> None:
        """Read the arm's Kustomization; the watcher asks from elsewhere and must not wait."""
        self._is_old = False
        self._kustomization = self.cluster.get(self._own) or {}
        status = self._kustomization.get("status") or {}
        self.applied = str(status.get("lastAppliedRevision", ""))
        self._attempted = str(status.get("lastAttemptedRevision", ""))

    @property
    def field_manager(self) -> str:
        """The field manager of what Flux applies."""
        return apply.MANAGER

    def desired(self, artifact: Artifact, cluster: Cluster) -> tuple[Manifest, ...]:
        """What the arm's Kustomization makes of a revision.

        Raises:
            RenderError: it cannot be built.
        """
        spec = {**self._kustomization.get("spec", {"targetNamespace": "default"}), "path": ""}
        owner = {"name": NAME, "namespace": api.NAMESPACE}
        try:
            bodies = build(artifact, {"metadata": owner, "spec": spec}, cluster)
        except (BuildFailed, PathNotFound) as error:
            raise RenderError(str(error)) from error
        return tuple(
            Manifest(body, f"{body['kind']}/{body['metadata']['name']}") for body in bodies
        )

    def expected(self, body: Object) -> Object:
        """A desired object with the labels of the arm's Kustomization."""
        body = normalised(body)
        labels = {
            **(body["metadata"].get("labels") or {}),
            f"{api.KUSTOMIZE}/name": NAME,
            f"{api.KUSTOMIZE}/namespace": api.NAMESPACE,
        }
        return {**body, "metadata": {**body["metadata"], "labels": labels}}

    def owns(self, live: Object) -> bool:
        """Whether a live object bears the labels of the arm's Kustomization."""
        return owner_of(live) == (api.NAMESPACE, NAME)

    # -- how it is done -------------------------------------------------------------------------

    def _begins(self, now: float) -> float:
        """When to install: at any time within an interval of the first commit, so that the looks
        of this arm are no closer to commits than those of other arms."""
        if self._begin_at is None:
            try:
                self.source.head()
            except SourceError:
                return float("inf")
            wait = 0.0 if self.policy.on_event else self.policy.interval or 0.0
            self._begin_at = now + self.random.uniform(0, wait)
        return self._begin_at

    def install(self) -> bool:
        """Apply the arm's GitRepository and Kustomization, as soon as there is something in Git.

        `flux bootstrap` commits before it creates them. A GitRepository of an empty repository
        would look again later and later.
        """
        context, source = self.context, self.source
        try:
            objects = install.sync_objects(
                NAME,
                context.git.url,
                branch=getattr(source, "branch", "main"),
                path=getattr(source, "path", ""),
                interval=self.policy.interval or 60.0,
            )
            if self.policy.on_event:
                objects += install.webhook(NAME, token=f"{self.random.getrandbits(128):032x}")
            for body in objects:
                if self.cluster.get(ObjectKey.of(body)) is None:
                    self.cluster.apply(body, manager=INSTALLER)
        except ApiError as error:
            if error.code != 404:  # the kinds are not served yet
                raise
            return False
        return True

    def _post(self, revision: Revision, now: float) -> None:
        """Send a push to the webhook of each Receiver, as a forge with these webhooks does."""
        body = push_payload(str(revision))
        for receivers in self.controllers.get("notification-controller", ()):
            if not isinstance(receivers, Receivers):
                continue
            if not self._is_up("notification-controller"):
                self.journal.record("missed", revision, "notification-controller does not answer")
                continue
            for path, headers in receivers.addressed(body):
                receivers.post(path, headers, body, now)

    def _is_up(self, name: str) -> bool:
        """Whether a controller has a pod; in a new one, it is a new one."""
        pod = self.context.pod(name)
        if pod and self._pods.get(name) != pod:
            self.controllers[name] = self._start(name)
            for controller in self.controllers[name]:
                if isinstance(controller, Controller):
                    controller.on_error = self._failed
        self._pods[name] = pod
        return bool(pod)

    def _start(self, name: str) -> list[Controller | Notifier]:
        context = self.context
        cluster = context.cluster
        if install.account(name) != self.credentials.user:
            cluster = context.connect(install.account(name))
        events = Recorder(cluster, name, self._on_event)
        if name == "source-controller":
            self.storage.clear()
            return [
                GitRepositories(
                    cluster,
                    git=context.git,
                    storage=self.storage,
                    events=events,
                    random=self.random,
                    fetch_time=self.policy.fetch,
                ),
                HelmCharts(cluster, storage=self.storage, events=events),
                *(Unreachable(cluster, kind, events=events) for kind in FAILURES),
            ]
        if name == "kustomize-controller":
            return [
                Kustomizations(
                    cluster,
                    connect=context.connect,
                    storage=self.storage,
                    events=events,
                    random=self.random,
                    journal=self.journal,
                    external_artifacts=True,
                )
            ]
        if name == "notification-controller":
            self._notifier = Notifier(cluster, journal=self.journal, statuses=self.context.statuses)
            receivers = Receivers(cluster, events=events, random=self.random)
            return [receivers, self._notifier]
        if name == "helm-controller":
            return [
                HelmReleases(
                    cluster,
                    connect=context.connect,
                    storage=self.storage,
                    events=events,
                    random=self.random,
                    journal=self.journal,
                )
            ]
        if name == "source-watcher":
            return [ArtifactGenerators(cluster, storage=self.storage, events=events)]
        return []

    _notifier: Notifier | None = None

    _last_error = ""

    def _failed(self, key: ObjectKey, error: LabError) -> None:
        """What the API server refused, or that it does not answer: into the journal, once."""
        if str(error) != self._last_error:
            self._last_error = str(error)
            self.journal.record("reported", key, str(error), state="error")

    def _on_event(self, record: EventRecord) -> None:
        """Every Event of a controller: into the world's journal."""
        if not record.only_here:
            key = ObjectKey.of(record.about)
            self.journal.record("reported", key, record.message, state=record.reason)
        if self._notifier is not None and self._pods.get("notification-controller"):
            self._notifier.enqueue(record)
