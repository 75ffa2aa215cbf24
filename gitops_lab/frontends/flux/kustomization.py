"""kustomize-controller's Kustomization: what triggers a run, and what a deletion does.

A run itself, step by step, is in `run`.

Source: kustomize-controller 1.9, internal/controller/kustomization_controller.go.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from random import Random

from gitops_lab.engine.inventory import Inventory
from gitops_lab.frontends.conditions import Status, is_true
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api, dependencies
from gitops_lab.frontends.flux.apply import (
    Entry,
    prune,
)
from gitops_lab.frontends.flux.definitions import api_version
from gitops_lab.frontends.flux.durations import seconds
from gitops_lab.frontends.flux.records import load
from gitops_lab.frontends.flux.run import Failed, Run, change_list, source_key, timeout_of
from gitops_lab.frontends.flux.storage import Storage
from gitops_lab.journal import ActorJournal
from gitops_lab.model import Action, Object, ObjectKey
from gitops_lab.ports import Cluster

COMPONENT = "kustomize-controller"
STATUS_MANAGER = "gotk-kustomize-controller"


class Kustomizations(Controller):
    """Reconciles Kustomization objects.

    Args:
        cluster: reached with kustomize-controller's credentials.
        connect: the same cluster as another user, for `spec.serviceAccountName`.
        storage: where source-controller keeps its artifacts.
        events: tells what happened.
        random: draws the jitter of intervals.
        journal: takes down what is applied, and why.
        cross_namespace: whether sources in other namespaces may be used
            (`--no-cross-namespace-refs` forbids it).
        external_artifacts: the feature gate ExternalArtifact.
    """

    kind, api_version = "Kustomization", api_version("Kustomization")

    def __init__(
        self,
        cluster: Cluster,
        *,
        connect: Callable[[str], Cluster],
        storage: Storage,
        events: Recorder,
        random: Random,
        journal: ActorJournal,
        cross_namespace: bool = True,
        external_artifacts: bool = False,
    ) -> None:
        super().__init__(cluster)
        self.connect, self.storage, self.events = connect, storage, events
        self.random, self.journal = random, journal
        self.cross_namespace, self.external_artifacts = cross_namespace, external_artifacts
        self._revisions: dict[ObjectKey, str] = {}
        """The revision of each source when it was seen last."""

    # -- what triggers a run --------------------------------------------------------------------

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, and requests to reconcile at once."""
        return (*super().fingerprint(obj), api.requested_at(obj))

    def triggered_by(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """The Kustomizations that a change of another object concerns."""
        if key.kind in api.SOURCE_KINDS:
            return self._of_source(key)
        if key.kind in ("ConfigMap", "Secret") and not key.group:
            return self._of_variables(key)
        return ()

    def _of_source(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """Those that have not seen the source's revision yet, dependencies first."""
        source = self.cluster.get(key)
        artifact = ((source or {}).get("status") or {}).get("artifact") or {}
        revision = artifact.get("revision", "")
        if not revision or self._revisions.get(key) == revision:
            return ()
        users = [
            obj
            for obj in self.list()
            if source_key(obj) == key
            and not (
                (is_true(obj, "Ready") or is_true(obj, "Reconciling"))
                and (obj.get("status") or {}).get("lastAttemptedRevision") == revision
            )
        ]
        self._revisions[key] = revision
        return dependencies.ordered(users)

    def _of_variables(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """Those that take variables from it, if it is labelled to be watched."""
        found = self.cluster.get(key)
        labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        if labels.get(api.WATCH_LABEL) != "Enabled":
            return ()
        return [
            ObjectKey.of(obj)
            for obj in self.list()
            if obj["metadata"]["namespace"] == key.namespace
            and any(
                (each["kind"], each["name"]) == (key.kind, key.name)
                for each in (obj["spec"].get("postBuild") or {}).get("substituteFrom") or ()
            )
        ]

    # -- one run --------------------------------------------------------------------------------

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """One run, in the order of the specification."""
        # 0. Deletion, finalizer, suspend.
        obj = self.get(key)
        if obj is None:
            return None
        if api.is_deleting(obj):
            return (yield from self._finalize(obj, now))
        if api.add_finalizer(self.cluster, obj, COMPONENT):
            return 0.0
        status = Status(self.cluster, obj, STATUS_MANAGER)
        if api.is_suspended(obj):
            api.note_request(status, obj)
            if status.is_true("Ready"):
                status.fields["observedGeneration"] = status.generation
            status.save()
            return None
        run = Run(self, obj, status, now)
        try:
            yield from run.steps()
        except Failed as failure:
            return run.fail(failure)
        return api.jittered(seconds(obj["spec"]["interval"]), self.random)

    # -- deletion -------------------------------------------------------------------------------

    def _finalize(self, obj: Object, now: float) -> Reconcile:
        """Delete what the Kustomization applied, if its policy says so, and let it go."""
        spec, key = obj["spec"], ObjectKey.of(obj)
        inventory = load((obj.get("status") or {}).get("inventory"))
        policy = spec.get("deletionPolicy") or "MirrorPrune"
        deletes = policy in ("Delete", "WaitForTermination") or (
            policy == "MirrorPrune" and spec["prune"]
        )
        if inventory and deletes and not api.is_suspended(obj):
            done: list[Entry] = []
            refused = yield from prune(
                self.acting(obj), inventory, (key.namespace, key.name), done=done
            )
            self.note(done)
            revision = (obj.get("status") or {}).get("lastAppliedRevision", "")
            notes = api.event_annotations(obj, api.KUSTOMIZE, revision=revision)
            if refused:
                text = "; ".join(refused.values())
                self.events(obj, self.now, "PruneFailed", text, "Warning", annotations=notes)
                return self.backoff(key)
            if text := change_list(done):
                reason = "ReconciliationSucceeded"
                self.events(obj, self.now, reason, text, annotations=notes)
            if policy == "WaitForTermination":
                yield from self._until_gone(obj, inventory)
        api.drop_finalizer(self.cluster, obj, COMPONENT)
        return None

    def _until_gone(self, obj: Object, inventory: Inventory) -> Generator[float, float, None]:
        until = self.now + timeout_of(obj["spec"])
        while any(self.cluster.get(k, version=v) is not None for k, v in inventory.items()):
            if self.now >= until:
                text = "failed to wait for resources termination: timeout"
                self.events(obj, self.now, "ReconciliationFailed", text, "Warning")
                return
            yield 2.0

    # -- what the steps share -------------------------------------------------------------------

    def acting(self, obj: Object) -> Cluster:
        """The cluster as the user that a Kustomization applies as."""
        if account := obj["spec"].get("serviceAccountName"):
            return self.connect(f"system:serviceaccount:{obj['metadata']['namespace']}:{account}")
        return self.cluster

    def note(self, done: Iterable[Entry]) -> None:
        """Write changes into the world's journal."""
        for entry in done:
            if entry.action is Action.UNCHANGED:
                continue
            self.journal.record(
                "decided", entry.key, entry.why, action=entry.action, fields=[], act=True
            )
            if entry.action.writes:
                self.journal.record("applied", entry.key, entry.why, action=entry.action)
