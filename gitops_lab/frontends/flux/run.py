"""One run of a Kustomization, step by step in the order of the specification.

`Run.steps` is the whole of it; each step is a method below, in the same order.

Source: kustomize-controller 1.9, internal/controller/kustomization_controller.go.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gitops_lab.engine.inventory import Inventory
from gitops_lab.frontends.conditions import Status
from gitops_lab.frontends.flux import api, dependencies
from gitops_lab.frontends.flux.apply import (
    ApplyFailed,
    Entry,
    apply_stages,
    prune,
    subject,
)
from gitops_lab.frontends.flux.build import BuildFailed, PathNotFound, build, digest_of
from gitops_lab.frontends.flux.definitions import group_resource
from gitops_lab.frontends.flux.durations import duration, seconds
from gitops_lab.frontends.flux.health import POLL, Expressions, InvalidExpression
from gitops_lab.frontends.flux.records import add_history, dump, load
from gitops_lab.frontends.flux.storage import ArtifactGone, StorageError
from gitops_lab.model import Action, Artifact, Object, ObjectKey, split_api_version

if TYPE_CHECKING:
    from gitops_lab.frontends.flux.kustomization import Kustomizations

SHORTEST_TIMEOUT = 30.0
"""Any timeout is at least so many seconds."""

NOT_SIMULATED = ("kubeConfig", "decryption")


class Failed(Exception):
    """A step of the run failed.

    Args:
        reason: the reason of the Ready condition.
        message: its message.
        retry: seconds until the next run; None for the retry interval.
        terminal: nothing but a change of the spec can help.
        reported: whether an Event is recorded.
        text: what that Event says, if not the message.
        warning: whether that Event is a Warning.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retry: float | None = None,
        terminal: bool = False,
        reported: bool = True,
        text: str = "",
        warning: bool = True,
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry = reason, message, retry
        self.terminal, self.reported, self.text = terminal, reported, text or message
        self.type = "Warning" if warning else "Normal"


class Run:
    """One run for one Kustomization.

    Args:
        controller: whose run it is.
        obj: the Kustomization, as it was read.
        status: its status.
        now: when the run began.
    """

    def __init__(self, controller: Kustomizations, obj: Object, status: Status, now: float) -> None:
        self.controller, self.obj, self.status, self.began = controller, obj, status, now
        self.spec: Mapping[str, Any] = obj["spec"]
        self.key = ObjectKey.of(obj)
        self.timeout = timeout_of(self.spec)
        self.revision = self.origin = self.digest = ""
        self.had: Inventory = load(status.fields.get("inventory"))

    @property
    def now(self) -> float:
        """The present instant."""
        return self.controller.now

    def steps(self) -> Generator[float, float, None]:
        """Steps 1 to 12.

        Raises:
            Failed: one of them failed.
        """
        expressions = self.compile()  # 1
        source = self.source()  # 2
        record = self.artifact_of(source)  # 3
        self.check_dependencies(source)  # 4
        self.revision = record["revision"]
        metadata = record.get("metadata") or {}
        self.origin = metadata.get("org.opencontainers.image.revision", "")
        self.unknown("Reconciliation in progress")  # 5
        self.progress(f"Fetching manifests for revision {self.revision}")
        yield 0
        artifact = self.fetch(record)  # 6
        self.status.fields["lastAttemptedRevision"] = self.revision
        self.progress(f"Building manifests for revision {self.revision}")  # 7
        yield 0
        bodies = self.build(artifact)
        self.progress(f"Detecting drift for revision {self.revision}")  # 8
        done = yield from self.apply(bodies)
        inventory = {entry.key: entry.version for entry in done}  # 9
        self.status.fields["inventory"] = dump(inventory)
        yield from self.prune(inventory)  # 10
        yield from self.check_health(done, expressions)  # 11
        self.succeed()  # 12

    # 1 ----------------------------------------------------------------------------------------

    def compile(self) -> Expressions:
        """Compile the expressions of `healthCheckExprs`."""
        if message := api.not_simulated(self.spec, NOT_SIMULATED):
            raise Failed("NotSimulated", message, terminal=True)
        try:
            return Expressions(self.spec.get("healthCheckExprs") or ())
        except InvalidExpression as error:
            text = f"Reconciliation failed terminally due to configuration error: {error}"
            raise Failed("InvalidCELExpression", text, terminal=True) from error

    # 2, 3 -------------------------------------------------------------------------------------

    def source(self) -> Object:
        """The source object."""
        key = source_key(self.obj)
        if key.namespace != self.key.namespace and not self.controller.cross_namespace:
            where = f"{key.kind}/{key.namespace}/{key.name}"
            text = f"can't access '{where}', cross-namespace references have been blocked"
            raise Failed("AccessDenied", text, terminal=True)
        if key.kind == "ExternalArtifact" and not self.controller.external_artifacts:
            where = f"{key.kind}/{key.namespace}/{key.name}"
            text = f"can't access '{where}', ExternalArtifact feature gate is disabled"
            raise Failed("AccessDenied", text, terminal=True)
        found = self.controller.cluster.get(key)
        if found is None:
            text = f'{group_resource(key.kind)} "{key.name}" not found'
            raise Failed("ArtifactFailed", text, reported=False)
        return found

    def artifact_of(self, source: Object) -> Mapping[str, Any]:
        """What the source says of its artifact."""
        record: Mapping[str, Any] | None = (source.get("status") or {}).get("artifact")
        if record is None:
            text = "Source artifact not found, retrying in 30s"
            raise Failed("ArtifactFailed", text, retry=api.DEPENDENCY_RETRY, reported=False)
        return record

    # 4 ----------------------------------------------------------------------------------------

    def check_dependencies(self, source: Object) -> None:
        """See that everything in `dependsOn` is ready, and at this revision."""
        try:
            dependencies.check(self.obj, source, self.controller.get)
        except dependencies.NotReady as error:
            text = "Dependencies do not meet ready condition, retrying in 30s"
            raise Failed(
                "DependencyNotReady",
                str(error),
                retry=api.DEPENDENCY_RETRY,
                text=text,
                warning=False,
            ) from error
        except dependencies.InvalidExpression as error:
            text = f"Reconciliation failed terminally due to configuration error: {error}"
            raise Failed("InvalidCELExpression", text, terminal=True) from error

    # 5 ----------------------------------------------------------------------------------------

    def unknown(self, text: str) -> None:
        """Say that nothing is known until the run ends."""
        self.status.set("Ready", "Unknown", "Progressing", text, self.now)

    def progress(self, text: str) -> None:
        """Say what the run does now, for those who watch."""
        text = f"{text} with a timeout of {duration(self.timeout)}"
        self.status.set("Reconciling", "True", "Progressing", text, self.now)
        self.status.save()

    # 6, 7 -------------------------------------------------------------------------------------

    def fetch(self, record: Mapping[str, Any]) -> Artifact:
        """Fetch the artifact from source-controller."""
        try:
            return self.controller.storage.fetch(record["path"])
        except ArtifactGone as error:
            text = "Source is not ready, artifact not found, retrying in 30s"
            raise Failed("ArtifactFailed", text, retry=api.DEPENDENCY_RETRY) from error
        except StorageError as error:
            raise Failed("ArtifactFailed", f"failed to download archive: {error}") from error

    def build(self, artifact: Artifact) -> list[Object]:
        """Build the folder."""
        try:
            bodies = build(artifact, self.obj, self.controller.cluster)
        except PathNotFound as error:
            raise Failed("ArtifactFailed", str(error)) from error
        except BuildFailed as error:
            raise Failed("BuildFailed", str(error)) from error
        self.digest = digest_of(bodies)
        return bodies

    # 8, 10 ------------------------------------------------------------------------------------

    def apply(self, bodies: list[Object]) -> Generator[float, float, list[Entry]]:
        """Apply the objects; what became of each."""
        done: list[Entry] = []
        try:
            yield from apply_stages(
                self.controller.acting(self.obj),
                bodies,
                force=bool(self.spec.get("force")),
                ignore=self.spec.get("ignore") or (),
                done=done,
            )
        except ApplyFailed as error:
            self.controller.note(done)
            changes = change_list(done)
            text = f"{error}\n{changes}" if changes else str(error)
            raise Failed("ReconciliationFailed", text) from error
        self.controller.note(done)
        if text := change_list(done):
            self.report("Progressing", text)
        return done

    def prune(self, inventory: Inventory) -> Generator[float, float, None]:
        """Delete what Git dropped."""
        stale = {key: version for key, version in self.had.items() if key not in inventory}
        if not stale or not self.spec["prune"]:
            return
        done: list[Entry] = []
        refused = yield from prune(
            self.controller.acting(self.obj), stale, (self.key.namespace, self.key.name), done=done
        )
        self.controller.note(done)
        if refused:
            left = {key: stale[key] for key in refused}
            self.status.fields["inventory"] = dump({**inventory, **left})
            raise Failed("PruneFailed", "; ".join(refused.values()))
        if text := change_list(done):
            self.report("Progressing", text)

    # 11 ---------------------------------------------------------------------------------------

    def check_health(
        self, done: Iterable[Entry], expressions: Expressions
    ) -> Generator[float, float, None]:
        """Wait until the objects work, or until the timeout."""
        wanted = self.health_checks(done)
        if not (self.spec.get("wait") or self.spec.get("healthChecks")):
            self.status.remove("Healthy")
            return
        began = self.now
        was_healthy = self.status.is_true("Healthy")
        text = f"Running health checks for revision {self.revision}"
        self.status.set(
            "Healthy", "Unknown", "Progressing",
            f"{text} with a timeout of {duration(self.timeout)}", self.now,
        )  # fmt: skip
        self.progress(text)
        acting = self.controller.acting(self.obj)
        while True:
            live = {key: acting.get(key, version=version) for key, version in wanted.items()}
            states = {key: expressions.status_of(obj) for key, obj in live.items()}
            if "Failed" in states.values():
                failed = {key: state for key, state in states.items() if state == "Failed"}
                self.unhealthy(f"failed early due to stalled resources: {_listed(failed)}", began)
            late = {key: state for key, state in states.items() if state != "Current"}
            if not late:
                break
            if self.now - began >= self.timeout:
                self.unhealthy(f"timeout waiting for: {_listed(late)}", began)
            yield min(POLL, began + self.timeout - self.now)
        text = f"Health check passed in {duration(self.now - began)}"
        self.status.set("Healthy", "True", "Succeeded", text, self.now)
        if not was_healthy or self.status.fields.get("lastAppliedRevision") != self.revision:
            self.report("Progressing", text)

    def health_checks(self, done: Iterable[Entry]) -> dict[ObjectKey, str]:
        """Version by key of the objects whose health counts."""
        if self.spec.get("wait"):
            return {e.key: e.version for e in done if e.action is not Action.SKIPPED}
        found = {}
        for each in self.spec.get("healthChecks") or ():
            group, version = split_api_version(each.get("apiVersion") or "v1")
            namespace = each.get("namespace") or self.key.namespace
            found[ObjectKey(group, each["kind"], namespace, each["name"])] = version
        return found

    def unhealthy(self, why: str, began: float) -> None:
        """End the run because objects do not work."""
        self.status.set("Healthy", "False", "HealthCheckFailed", why, self.now)
        spent = duration(self.now - began)
        raise Failed("HealthCheckFailed", f"health check failed after {spent}: {why}")

    # 12 ---------------------------------------------------------------------------------------

    def succeed(self) -> None:
        """Say that the revision is applied."""
        fields = self.status.fields
        fields["lastAppliedRevision"] = self.revision
        fields["lastAppliedOriginRevision"] = self.origin or None
        fields["observedGeneration"] = self.status.generation
        api.note_request(self.status, self.obj)
        self.status.remove("Reconciling", "Stalled")
        text = f"Applied revision: {self.revision}"
        self.status.set("Ready", "True", "ReconciliationSucceeded", text, self.now)
        self.remember("ReconciliationSucceeded")
        self.status.save()
        self.controller.failures.pop(self.key, None)
        spent, pause = duration(self.now - self.began), duration(seconds(self.spec["interval"]))
        text = f"Reconciliation finished in {spent}, next run in {pause}"
        self.report("ReconciliationSucceeded", text, commit_status="update")

    def fail(self, failure: Failed) -> float | None:
        """End the run after a failed step; seconds until the next one."""
        status = self.status
        status.set("Ready", "False", failure.reason, failure.message, self.now)
        api.note_request(status, self.obj)
        if failure.terminal:
            status.remove("Reconciling")
            status.set("Stalled", "True", failure.reason, failure.message, self.now)
            status.fields["observedGeneration"] = status.generation
        else:
            status.remove("Stalled")
            step = status.find("Reconciling")
            text = step["message"] if step else failure.message
            status.set("Reconciling", "True", "ProgressingWithRetry", text, self.now)
        if self.digest:
            self.remember(failure.reason)
        status.save()
        if failure.reported:
            self.report(failure.reason, failure.text, failure.type)
        if failure.terminal:
            return None
        if failure.retry is not None:
            return failure.retry
        return seconds(self.spec.get("retryInterval") or self.spec["interval"])

    def remember(self, outcome: str) -> None:
        """Add this run to the history."""
        revisions = {"revision": self.revision, "originRevision": self.origin}
        self.status.fields["history"] = add_history(
            self.status.fields.get("history") or [],
            self.digest,
            outcome,
            began=self.began,
            ended=self.now,
            metadata={name: value for name, value in revisions.items() if value},
        )

    def report(self, reason: str, text: str, type: str = "Normal", **more: str) -> None:
        """Record an Event about the Kustomization."""
        notes = api.event_annotations(
            self.obj, api.KUSTOMIZE, revision=self.revision, originRevision=self.origin, **more
        )
        self.controller.events(self.obj, self.now, reason, text, type, annotations=notes)


def source_key(obj: Object) -> ObjectKey:
    """The key of a Kustomization's source."""
    ref = obj["spec"]["sourceRef"]
    return api.key_of(
        ref["kind"], ref.get("namespace") or obj["metadata"]["namespace"], ref["name"]
    )


def timeout_of(spec: Mapping[str, Any]) -> float:
    """How long a run may wait for health, in seconds: never less than 30."""
    if "timeout" in spec:
        return max(seconds(spec["timeout"]), SHORTEST_TIMEOUT)
    return max(seconds(spec["interval"]) - 30, SHORTEST_TIMEOUT)


def change_list(done: Iterable[Entry]) -> str:
    """What was done, a line each; what stayed the same is left out."""
    return "\n".join(
        f"{entry.subject} {entry.action}" for entry in done if entry.action is not Action.UNCHANGED
    )


def _listed(states: Mapping[ObjectKey, str]) -> str:
    """Objects with their statuses, as messages list them."""
    return "[" + ", ".join(f"{subject(key)} status: '{s}'" for key, s in states.items()) + "]"
