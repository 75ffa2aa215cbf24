"""Sources that need a network, in a world that has none: HelmRepository, OCIRepository, Bucket.

They end in the condition that the real controllers set when a name cannot be resolved, and are
retried with the same backoff.

Source: source-controller 1.9, internal/controller (helmrepository, ocirepository, bucket).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitops_lab.frontends.conditions import Status
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api
from gitops_lab.frontends.flux.definitions import api_version
from gitops_lab.frontends.flux.gitrepository import COMPONENT, MANAGER
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster


@dataclass(frozen=True)
class Failure:
    """How the controller of a kind says that it cannot reach upstream.

    Args:
        reason: of the conditions.
        message: of the conditions, for an object.
    """

    reason: str
    message: Callable[[Object], str]


def _lookup(address: str) -> str:
    host = urlsplit(address).hostname or address.partition(":")[0]
    return f"dial tcp: lookup {host}: no such host"


def _index(obj: Object) -> str:
    url = obj["spec"]["url"].rstrip("/")
    return (
        "failed to fetch Helm repository index: failed to cache index to temporary file: "
        f'Get "{url}/index.yaml": {_lookup(url)}'
    )


def _digest(obj: Object) -> str:
    host = urlsplit(obj["spec"]["url"]).hostname
    return (
        f'failed to determine artifact digest: Get "https://{host}/v2/": '
        f"{_lookup(obj['spec']['url'])}"
    )


def _bucket(obj: Object) -> str:
    endpoint, name = obj["spec"]["endpoint"], obj["spec"]["bucketName"]
    return (
        f"failed to confirm existence of '{name}' bucket: "
        f'Get "https://{endpoint}/{name}/?location=": {_lookup(endpoint)}'
    )


FAILURES = {
    "HelmRepository": Failure("Failed", _index),
    "OCIRepository": Failure("OCIArtifactPullFailed", _digest),
    "Bucket": Failure("BucketOperationFailed", _bucket),
}


class Unreachable(Controller):
    """Reconciles the objects of one of these kinds.

    Args:
        cluster: reached with source-controller's credentials.
        kind: which.
        events: tells what happened.
    """

    kind, api_version = "HelmRepository", api_version("HelmRepository")

    def __init__(self, cluster: Cluster, kind: str, *, events: Recorder) -> None:
        self.kind, self.api_version = kind, api_version(kind)  # type: ignore[misc]
        super().__init__(cluster)
        self.events = events

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, and requests to reconcile at once."""
        return (*super().fingerprint(obj), api.requested_at(obj))

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """Try, fail, and say why."""
        obj = self.get(key)
        if obj is None or obj["spec"].get("type") == "oci":
            return None  # a HelmRepository of type oci is only data
        if api.is_deleting(obj):
            api.drop_finalizer(self.cluster, obj, COMPONENT)
            return None
        if api.add_finalizer(self.cluster, obj, COMPONENT):
            return 0.0
        status = Status(self.cluster, obj, MANAGER)
        api.note_request(status, obj)
        if api.is_suspended(obj):
            status.save()
            return None
        failure = FAILURES[self.kind]
        text = failure.message(obj)
        status.set("Reconciling", "True", "ProgressingWithRetry", "building artifact", now)
        status.set("FetchFailed", "True", failure.reason, text, now)
        status.set("Ready", "False", failure.reason, text, now)
        status.save()
        self.events(obj, now, failure.reason, text, "Warning")
        yield 0
        return self.backoff(key)
