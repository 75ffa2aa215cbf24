"""source-controller's HelmChart: a chart out of a Git repository, as an artifact of its own.

Source: source-controller 1.9, internal/controller/helmchart_controller.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from posixpath import normpath
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.errors import RenderError
from gitops_lab.frontends.conditions import Status
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api
from gitops_lab.frontends.flux.definitions import api_version, group_resource
from gitops_lab.frontends.flux.durations import seconds
from gitops_lab.frontends.flux.gitrepository import COMPONENT, MANAGER
from gitops_lab.frontends.flux.storage import Storage, StorageError
from gitops_lab.model import Artifact, Object, ObjectKey
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp


class Failed(Exception):
    """The chart cannot be had.

    Args:
        reason: of the conditions.
        message: of the conditions.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class HelmCharts(Controller):
    """Reconciles HelmChart objects.

    Args:
        cluster: reached with source-controller's credentials.
        storage: has the artifacts of sources, and takes the chart.
        events: tells what happened.
    """

    kind, api_version = "HelmChart", api_version("HelmChart")

    def __init__(self, cluster: Cluster, *, storage: Storage, events: Recorder) -> None:
        super().__init__(cluster)
        self.storage, self.events = storage, events

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, and requests to reconcile at once."""
        return (*super().fingerprint(obj), api.requested_at(obj))

    def triggered_by(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """The charts out of a source."""
        if key.kind not in ("GitRepository", "HelmRepository", "Bucket"):
            return ()
        return [ObjectKey.of(obj) for obj in self.list() if _source_key(obj) == key]

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """Find the chart in its source, and store it."""
        obj = self.get(key)
        if obj is None:
            return None
        if api.is_deleting(obj):
            self.storage.remove(f"helmchart/{key.namespace}/{key.name}")
            api.drop_finalizer(self.cluster, obj, COMPONENT)
            return None
        if api.add_finalizer(self.cluster, obj, COMPONENT):
            return 0.0
        status = Status(self.cluster, obj, MANAGER)
        api.note_request(status, obj)
        if api.is_suspended(obj):
            status.save()
            return None
        yield 0
        try:
            text = self._package(obj, status, now)
        except Failed as failure:
            status.set("Reconciling", "True", "ProgressingWithRetry", "building artifact", now)
            status.set("FetchFailed", "True", failure.reason, failure.message, now)
            status.set("Ready", "False", failure.reason, failure.message, now)
            status.save()
            self.events(obj, now, failure.reason, failure.message, "Warning")
            return self.backoff(key)
        self.failures.pop(key, None)
        status.remove("Reconciling", "FetchFailed")
        status.fields["observedGeneration"] = status.generation
        known = status.find("Ready")
        status.set("ArtifactInStorage", "True", "ChartPackageSucceeded", text, now)
        status.set("Ready", "True", "ChartPackageSucceeded", text, now)
        status.save()
        if known is None or known["message"] != text:
            self.events(obj, now, "ChartPackageSucceeded", text)
        return seconds(obj["spec"]["interval"])

    def _package(self, obj: Object, status: Status, now: float) -> str:
        spec, key = obj["spec"], _source_key(obj)
        source = self.cluster.get(key)
        if source is None:
            text = f'failed to get source: {group_resource(key.kind)} "{key.name}" not found'
            raise Failed("SourceUnavailable", text)
        record = (source.get("status") or {}).get("artifact")
        if record is None:
            text = f"no artifact available for {key.kind} source '{key.name}'"
            raise Failed("NoSourceArtifact", text)
        try:
            artifact = self.storage.fetch(record["path"])
        except StorageError as error:
            raise Failed("SourceUnavailable", str(error)) from error
        chart = _chart(artifact, spec["chart"])
        name, version = _name_and_version(chart, spec["chart"])
        own = ObjectKey.of(obj)
        path = f"helmchart/{own.namespace}/{own.name}/{name}-{version}.tgz"
        self.storage.put(path, chart)
        status.fields |= {
            "observedChartName": name,
            "observedSourceArtifactRevision": record["revision"],
            "artifact": {
                "path": path,
                "url": self.storage.url(path),
                "revision": version,
                "digest": chart.digest,
                "lastUpdateTime": timestamp(now),
            },
        }
        return f"packaged '{name}' chart with version '{version}'"


def _source_key(obj: Object) -> ObjectKey:
    ref: Mapping[str, Any] = obj["spec"]["sourceRef"]
    return api.key_of(ref["kind"], obj["metadata"]["namespace"], ref["name"])


def _chart(artifact: Artifact, folder: str) -> Artifact:
    """The files of a chart, as an artifact of its own."""
    prefix = normpath("/" + folder).lstrip("/") + "/"
    files = {p[len(prefix) :]: t for p, t in artifact.files.items() if p.startswith(prefix)}
    if "Chart.yaml" not in files:
        raise Failed("InvalidChartReference", f"no chart found at {folder!r}: no Chart.yaml file")
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(path.encode() + b"\0" + files[path])
    return replace(artifact, files=files, links={}, digest=f"sha256:{content.hexdigest()}")


def _name_and_version(chart: Artifact, folder: str) -> tuple[str, str]:
    try:
        fields = read(chart.files["Chart.yaml"], f"{folder}/Chart.yaml")[0].value
        return str(fields["name"]), str(fields["version"])
    except (RenderError, LookupError, TypeError) as error:
        text = f"cannot read {folder}/Chart.yaml: {error}"
        raise Failed("InvalidChartReference", text) from error
