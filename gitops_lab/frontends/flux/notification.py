"""notification-controller's Alert and Provider: pass Events on to the outside.

Neither has a status. Messages of a `generic` Provider end in the world's journal, where
`gitops-lab logs` lists them; those of a Git host become commit statuses in the forge.

Source: notification-controller 1.9, internal/{server,notifier}.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import re2

from gitops_lab.errors import ApiError
from gitops_lab.frontends.events import EventRecord, Recorder
from gitops_lab.frontends.flux.api import KUSTOMIZE
from gitops_lab.frontends.flux.definitions import api_version
from gitops_lab.journal import ActorJournal
from gitops_lab.model import Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster, CommitState, Statuses
from kubesim.clock import timestamp

GROUP, _ = split_api_version(api_version("Alert"))

RATE_LIMIT = 300.0
"""An equal Event within so many seconds is dropped."""

SINKS = ("generic", "generic-hmac")
GIT_HOSTS = ("github", "gitlab", "gitea", "bitbucket", "bitbucketserver", "azuredevops")


class Notifier:
    """Takes Events, and passes on those that an Alert selects.

    Args:
        cluster: reached with notification-controller's credentials.
        journal: takes messages for generic Providers.
        statuses: takes messages for Git hosts.
    """

    def __init__(self, cluster: Cluster, *, journal: ActorJournal, statuses: Statuses) -> None:
        self.cluster, self.journal, self.statuses = cluster, journal, statuses
        self.events = Recorder(cluster, "notification-controller")
        self._queue: deque[EventRecord] = deque()
        self._sent: dict[tuple[str, ...], float] = {}

    def enqueue(self, record: EventRecord) -> None:
        """Take an Event in; it is passed on in the next step."""
        if not record.only_here:
            self._queue.append(record)

    def changed(self, key: ObjectKey) -> None:
        """Nothing is kept that a change could make wrong."""

    @property
    def is_at_work(self) -> bool:
        """Whether there are Events to pass on."""
        return bool(self._queue)

    def step(self, now: float) -> float | None:
        """Pass one Event on; now if there are more, else None."""
        if self._queue:
            self._dispatch(self._queue.popleft(), now)
        return now if self._queue else None

    def _dispatch(self, record: EventRecord, now: float) -> None:
        for alert in self._alerts(record):
            provider = self.cluster.get(
                ObjectKey(
                    GROUP, "Provider", alert["metadata"]["namespace"],
                    alert["spec"]["providerRef"]["name"],
                )
            )  # fmt: skip
            if provider is None:
                name = alert["spec"]["providerRef"]["name"]
                text = f'failed to read provider: providers.{GROUP} "{name}" not found'
                self.events(alert, now, "NotificationDispatchFailed", text, "Warning")
            elif not provider["spec"].get("suspend") and self._is_new(alert, record, now):
                self._send(alert, provider, payload(record, alert), now)

    def _alerts(self, record: EventRecord) -> list[Object]:
        try:
            found = self.cluster.list(GROUP, "Alert")
        except ApiError as error:
            if error.code != 404:
                raise
            return []
        return [alert for alert in found if selects(alert, record)]

    def _is_new(self, alert: Object, record: EventRecord, now: float) -> bool:
        """Whether an equal Event has not been passed on a short time ago."""
        about = record.about["metadata"]
        revision = record.annotations.get(f"{KUSTOMIZE}/revision", "")
        what = (alert["metadata"]["uid"], about["uid"], record.message, revision)
        self._sent = {key: at for key, at in self._sent.items() if now - at < RATE_LIMIT}
        if what in self._sent:
            return False
        self._sent[what] = now
        return True

    def _send(self, alert: Object, provider: Object, message: Object, now: float) -> None:
        kind, metadata = provider["spec"]["type"], message["metadata"]
        name = f"{provider['metadata']['namespace']}/{provider['metadata']['name']}"
        if kind in SINKS:
            self.journal.record("notified", f"Provider {name}", message["message"], payload=message)
        elif kind in GIT_HOSTS:
            self._set_status(provider, message, metadata.get("revision", ""))
        else:
            text = f"not simulated: Provider {name} spec.type {kind}"
            self.events(alert, now, "NotificationDispatchFailed", text, "Warning")

    def _set_status(self, provider: Object, message: Object, revision: str) -> None:
        """The status of a commit; only for Events that say so, and for errors."""
        commit = revision.rpartition("sha1:")[2]
        is_error = message["severity"] == "error"
        if not commit or not (is_error or message["metadata"].get("commit_status") == "update"):
            return
        about = message["involvedObject"]
        part = provider["metadata"]["uid"].partition("-")[0]
        context = f"{about['kind'].lower()}/{about['name']}/{part}"
        state: CommitState = "failure" if is_error else "success"
        self.statuses.set(commit, context, state, message["reason"])


def selects(alert: Object, record: EventRecord) -> bool:
    """Whether an Alert wants an Event passed on."""
    spec, about = alert["spec"], record.about["metadata"]
    if spec.get("suspend") or (spec.get("eventSeverity") == "error" and record.type == "Normal"):
        return False
    if not any(_is_of(source, alert, record, about) for source in spec["eventSources"]):
        return False
    if _matches(spec.get("exclusionList"), record.message):
        return False
    inclusion = spec.get("inclusionList")
    return not inclusion or _matches(inclusion, record.message)


def _is_of(
    source: Mapping[str, Any], alert: Object, record: EventRecord, about: Mapping[str, Any]
) -> bool:
    labels, own = source.get("matchLabels") or {}, about.get("labels") or {}
    return (
        source["kind"] == record.about["kind"]
        and source["name"] in ("*", about["name"])
        and (source.get("namespace") or alert["metadata"]["namespace"]) == about["namespace"]
        and all(own.get(name) == value for name, value in labels.items())
    )


def _matches(patterns: Any, message: str) -> bool:
    return any(re2.search(pattern, message) for pattern in patterns or ())


def payload(record: EventRecord, alert: Object) -> Object:
    """The JSON that a generic Provider gets."""
    about = record.about
    metadata = about["metadata"]
    fields = {name.rpartition("/")[2]: value for name, value in record.annotations.items()}
    return {
        "involvedObject": {
            "kind": about["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "severity": "info" if record.type == "Normal" else "error",
        "timestamp": timestamp(record.at),
        "message": record.message,
        "reason": record.reason,
        "metadata": {**(alert["spec"].get("eventMetadata") or {}), **fields},
        "reportingController": record.component,
        "reportingInstance": record.component,
    }
