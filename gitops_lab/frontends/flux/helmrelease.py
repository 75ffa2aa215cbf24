"""helm-controller's HelmRelease, as far as it goes without a network.

A chart in a Git repository is rendered, if Helm is on this machine, and applied. Charts that must
be fetched never get an artifact, and the release waits for them, as it does behind a broken proxy.
Not simulated: hooks and tests, rollbacks, drift detection.

Source: helm-controller 1.6, internal/controller/helmrelease_controller.go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import yaml

from gitops_lab.engine.collect import collect
from gitops_lab.engine.documents import read
from gitops_lab.frontends.conditions import Status, is_true
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api
from gitops_lab.frontends.flux.apply import ApplyFailed, Entry, apply_stages
from gitops_lab.frontends.flux.definitions import api_version, group_resource
from gitops_lab.frontends.flux.durations import seconds
from gitops_lab.frontends.flux.records import dump, load
from gitops_lab.frontends.flux.storage import Storage, StorageError
from gitops_lab.journal import ActorJournal
from gitops_lab.model import Artifact, Object, ObjectKey, named, split_api_version
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp

COMPONENT = "helm-controller"
MANAGER = "gotk-helm-controller"
GROUP, _ = split_api_version(api_version("HelmRelease"))

NOT_SIMULATED = ("postRenderers", "kubeConfig", "valuesFrom")
MAX_HISTORY = 5


class Failed(Exception):
    """A run cannot go on.

    Args:
        reason: of the Ready condition.
        message: of the Ready condition.
        retry: seconds until the next run; None if only a change of the spec can help.
        step: what the Reconciling condition says.
        type: of the Event.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retry: float | None = api.DEPENDENCY_RETRY,
        step: str = "Fulfilling prerequisites",
        type: str = "Warning",
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry = reason, message, retry
        self.step, self.type = step, type


class HelmReleases(Controller):
    """Reconciles HelmRelease objects.

    Args:
        cluster: reached with helm-controller's credentials.
        connect: the same cluster as another user, for `spec.serviceAccountName`.
        storage: has the artifacts of charts.
        events: tells what happened.
        random: draws the jitter of intervals.
        journal: takes down what is applied, and why.
    """

    kind, api_version = "HelmRelease", api_version("HelmRelease")

    def __init__(
        self,
        cluster: Cluster,
        *,
        connect: Callable[[str], Cluster],
        storage: Storage,
        events: Recorder,
        random: Random,
        journal: ActorJournal,
    ) -> None:
        super().__init__(cluster)
        self.connect, self.storage, self.events = connect, storage, events
        self.random, self.journal = random, journal

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, and requests to reconcile at once."""
        return (*super().fingerprint(obj), api.requested_at(obj))

    def triggered_by(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """The releases of a chart."""
        if key.kind not in ("HelmChart", "OCIRepository", "ExternalArtifact"):
            return ()
        return [ObjectKey.of(obj) for obj in self.list() if _chart_key(obj) == key]

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """Ask for the chart, wait for it, render it and apply it."""
        obj = self.get(key)
        if obj is None:
            return None
        if api.is_deleting(obj):
            return (yield from self._uninstall(obj))
        if api.add_finalizer(self.cluster, obj, COMPONENT):
            return 0.0
        status = Status(self.cluster, obj, MANAGER)
        api.note_request(status, obj)
        if api.is_suspended(obj):
            status.save()
            return None
        try:
            yield from self._release(obj, status)
        except Failed as failure:
            return self._fail(obj, status, failure)
        self.failures.pop(key, None)
        return api.jittered(seconds(obj["spec"]["interval"]), self.random)

    def _release(self, obj: Object, status: Status) -> Reconcile:
        spec = obj["spec"]
        if message := api.not_simulated(spec, NOT_SIMULATED):
            raise Failed("NotSimulated", message, retry=None)
        self._check_dependencies(obj)
        status.set("Reconciling", "True", "Progressing", "Fulfilling prerequisites", self.now)
        if not status.find("Ready"):
            status.set("Ready", "Unknown", "Progressing", "Fulfilling prerequisites", self.now)
        status.save()
        yield 0
        record = self._chart(obj, status)
        artifact = self._fetch(record)
        name, namespace = release_name(obj), spec.get("targetNamespace") or status.key.namespace
        config = _digest(spec.get("values") or {})
        status.fields["lastAttemptedRevision"] = record["revision"]
        status.fields["lastAttemptedConfigDigest"] = config
        history = status.fields.get("history") or []
        chart = f"{_field(artifact, 'name')}@{record['revision']}"
        last = history[0] if history else {}
        unmoved = (last.get("chartVersion"), last.get("configDigest"), last.get("status")) == (
            record["revision"], config, "deployed",
        )  # fmt: skip
        if unmoved and status.fields.get("observedGeneration") == status.generation:
            status.remove("Reconciling")
            status.save()
            return None
        verb = "upgrade" if history else "install"
        bodies = self._rendered(artifact, spec.get("values") or {}, name, namespace, chart, verb)
        done: list[Entry] = []
        try:
            acting = self._acting(obj)
            yield from apply_stages(acting, bodies, force=False, ignore=(), done=done)
        except ApplyFailed as error:
            raise Failed(
                f"{verb.capitalize()}Failed",
                f"Helm {verb} failed for release {namespace}/{name} with chart {chart}: {error}",
                retry=None,
                step=f"Running '{verb}' action",
            ) from error
        self._prune(obj, status, done)
        self._succeed(obj, status, verb, name, namespace, chart, record, config)
        return None

    # -- the steps of a run ---------------------------------------------------------------------

    def _check_dependencies(self, obj: Object) -> None:
        for each in obj["spec"].get("dependsOn") or ():
            namespace = each.get("namespace") or obj["metadata"]["namespace"]
            other = self.get(api.key_of("HelmRelease", namespace, each["name"]))
            observed = ((other or {}).get("status") or {}).get("observedGeneration")
            if other is None:
                what = f'{group_resource("HelmRelease")} "{each["name"]}" not found'
                text = f"unable to get '{namespace}/{each['name']}' dependency: {what}"
            elif observed != other["metadata"]["generation"] or not is_true(other, "Ready"):
                text = f"dependency '{namespace}/{each['name']}' is not ready"
            else:
                continue
            raise Failed("DependencyNotReady", text, type="Normal")

    def _chart(self, obj: Object, status: Status) -> Mapping[str, Any]:
        """What the chart's source says of its artifact; a HelmChart is made if need be."""
        key = _chart_key(obj)
        template = (obj["spec"].get("chart") or {}).get("spec")
        if template:
            wanted = {
                "chart": template["chart"],
                "version": template.get("version", "*"),
                "interval": template.get("interval") or obj["spec"]["interval"],
                "reconcileStrategy": template.get("reconcileStrategy", "ChartVersion"),
                "sourceRef": {n: template["sourceRef"][n] for n in ("kind", "name")},
            }
            body = named(api_version("HelmChart"), "HelmChart", key.name, key.namespace,
                         spec=wanted)  # fmt: skip
            body["metadata"]["labels"] = {
                f"{GROUP}/name": obj["metadata"]["name"],
                f"{GROUP}/namespace": obj["metadata"]["namespace"],
            }
            self.cluster.apply(body, manager=COMPONENT)
            status.fields["helmChart"] = f"{key.namespace}/{key.name}"
        live = self.cluster.get(key)
        name = f"{key.kind} '{key.namespace}/{key.name}'"
        if live is None:
            raise Failed("SourceNotReady", f"{name} is not ready: not found")
        found = live.get("status") or {}
        record: Mapping[str, Any] | None = found.get("artifact")
        if record is None:
            raise Failed("SourceNotReady", f"{name} is not ready: does not have an artifact")
        if found.get("observedGeneration", -1) != live["metadata"].get("generation"):
            text = "latest generation of object has not been reconciled"
            raise Failed("SourceNotReady", f"{name} is not ready: {text}")
        return record

    def _fetch(self, record: Mapping[str, Any]) -> Artifact:
        try:
            return self.storage.fetch(record["path"])
        except StorageError as error:
            raise Failed("ArtifactFailed", f"Could not load chart: {error}") from error

    def _rendered(
        self, chart: Artifact, values: Mapping[str, Any], name: str, namespace: str,
        label: str, verb: str,
    ) -> list[Object]:  # fmt: skip
        """The objects of the chart with these values."""
        own = {}
        if "values.yaml" in chart.files and (documents := read(chart.files["values.yaml"], "v")):
            own = documents[0].value
        merged = yaml.safe_dump(_merged(own, values)).encode()
        digest = f"sha256:{hashlib.sha256(chart.digest.encode() + merged).hexdigest()}"
        edited = replace(chart, files={**chart.files, "values.yaml": merged}, digest=digest)
        collected = collect(edited, "", release=name)
        if collected.faults:
            fault = collected.faults[0]
            if "there is no Helm" in fault.what:
                raise Failed("NotSimulated", f"not simulated: Helm. {fault.fix}", retry=None)
            text = f"Helm {verb} failed for release {namespace}/{name} with chart {label}: {fault}"
            raise Failed(f"{verb.capitalize()}Failed", text, retry=None)
        return [_marked(item.value, name, namespace, self.cluster) for item in collected.found]

    def _prune(self, obj: Object, status: Status, done: Iterable[Entry]) -> None:
        inventory = {entry.key: entry.version for entry in done}
        for key in load(status.fields.get("inventory")):
            if key not in inventory:
                self._acting(obj).delete(key)
        status.fields["inventory"] = dump(inventory)
        for entry in done:
            if entry.action.writes:
                self.journal.record("applied", entry.key, entry.why, action=entry.action)

    def _succeed(
        self, obj: Object, status: Status, verb: str, name: str, namespace: str, chart: str,
        record: Mapping[str, Any], config: str,
    ) -> None:  # fmt: skip
        history = status.fields.get("history") or []
        number = history[0]["version"] + 1 if history else 1
        text = f"Helm {verb} succeeded for release {namespace}/{name}.v{number} with chart {chart}"
        reason, at = f"{verb.capitalize()}Succeeded", timestamp(self.now)
        older = [{**each, "status": "superseded"} for each in history]
        entry = {
            "name": name, "namespace": namespace, "version": number, "status": "deployed",
            "chartName": chart.partition("@")[0], "chartVersion": record["revision"],
            "configDigest": config, "digest": record["digest"],
            "firstDeployed": history[-1]["firstDeployed"] if history else at, "lastDeployed": at,
        }  # fmt: skip
        status.fields |= {
            "history": [entry, *older][:MAX_HISTORY],
            "storageNamespace": obj["spec"].get("storageNamespace") or status.key.namespace,
            "observedGeneration": status.generation,
        }
        status.remove("Reconciling", "Stalled")
        status.set("Released", "True", reason, text, self.now)
        status.set("Ready", "True", reason, text, self.now)
        status.save()
        self.events(obj, self.now, reason, text)

    def _fail(self, obj: Object, status: Status, failure: Failed) -> float | None:
        status.set("Ready", "False", failure.reason, failure.message, self.now)
        if failure.retry is None:
            status.remove("Reconciling")
            status.set("Stalled", "True", failure.reason, failure.message, self.now)
            status.fields["observedGeneration"] = status.generation
        else:
            reason = "ProgressingWithRetry"
            status.set("Reconciling", "True", reason, failure.step, self.now)
        status.save()
        if failure.reason != "SourceNotReady":
            self.events(obj, self.now, failure.reason, failure.message, failure.type)
        return None if failure.retry is None else api.jittered(failure.retry, self.random)

    def _uninstall(self, obj: Object) -> Reconcile:
        """Delete what the release applied, and the HelmChart that was made for it."""
        for key in load((obj.get("status") or {}).get("inventory")):
            yield 0
            self._acting(obj).delete(key)
        if (obj["spec"].get("chart") or {}).get("spec"):
            self.cluster.delete(_chart_key(obj))
        api.drop_finalizer(self.cluster, obj, COMPONENT)
        return None

    def _acting(self, obj: Object) -> Cluster:
        account = obj["spec"].get("serviceAccountName")
        if not account:
            return self.cluster
        return self.connect(f"system:serviceaccount:{obj['metadata']['namespace']}:{account}")


def release_name(obj: Object) -> str:
    """The name of the release in Helm."""
    spec, name = obj["spec"], obj["metadata"]["name"]
    target = spec.get("targetNamespace")
    return str(spec.get("releaseName") or (f"{target}-{name}" if target else name))


def _chart_key(obj: Object) -> ObjectKey:
    """The key of the object that has the chart."""
    spec, metadata = obj["spec"], obj["metadata"]
    if ref := spec.get("chartRef"):
        namespace = ref.get("namespace") or metadata["namespace"]
        return api.key_of(ref["kind"], namespace, ref["name"])
    source = spec["chart"]["spec"]["sourceRef"]
    namespace = source.get("namespace") or metadata["namespace"]
    return api.key_of("HelmChart", namespace, f"{metadata['namespace']}-{metadata['name']}")


def _marked(body: Object, name: str, namespace: str, cluster: Cluster) -> Object:
    """An object with Helm's marks, in the release's namespace if it names none."""
    metadata = body["metadata"]
    group, _ = split_api_version(body["apiVersion"])
    place = metadata.get("namespace") or namespace
    marked = {
        **metadata,
        "labels": {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            **(metadata.get("annotations") or {}),
            "meta.helm.sh/release-name": name,
            "meta.helm.sh/release-namespace": namespace,
        },
    }
    if cluster.is_namespaced(group, body["kind"]):
        marked["namespace"] = place
    return {**body, "metadata": marked}


def _merged(own: Any, values: Any) -> Any:
    """A chart's own values with those of a release on top, as Helm merges them."""
    if not isinstance(own, dict) or not isinstance(values, Mapping):
        return values
    merged = dict(own)
    for name, value in values.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(own.get(name), value) if name in own else value
    return merged


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True).encode()
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _field(chart: Artifact, name: str) -> str:
    documents = read(chart.files["Chart.yaml"], "Chart.yaml")
    return str(documents[0].value.get(name, "")) if documents else ""
