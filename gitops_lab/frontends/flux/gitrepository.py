"""source-controller's GitRepository: look at a repository at intervals, and store an artifact of
each new revision.

Source: source-controller 1.9, internal/controller/gitrepository_controller.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from gitops_lab.engine.ignoring import without_ignored
from gitops_lab.errors import SourceError
from gitops_lab.frontends.conditions import Status, find
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api
from gitops_lab.frontends.flux.definitions import api_version
from gitops_lab.frontends.flux.durations import seconds
from gitops_lab.frontends.flux.refs import RefNotFound, resolve
from gitops_lab.frontends.flux.storage import Storage
from gitops_lab.model import Artifact, Object, ObjectKey, Revision
from gitops_lab.ports import Cluster, Git
from kubesim.clock import timestamp

COMPONENT = "source-controller"
MANAGER = "gotk-source-controller"

NEGATIVE = ("FetchFailed", "IncludeUnavailable", "StorageOperationFailed")
"""The conditions that make Ready False, in the order in which the first one counts."""

NOT_SIMULATED = ("verify", "recurseSubmodules", "sparseCheckout", "proxySecretRef")
Included = list[tuple[dict[str, Any], Artifact]]
"""Artifacts of other GitRepositories, with what their status says of them."""

RECORDS = 2
"""`--artifact-retention-records`: how many artifacts of an object are kept."""


class Failed(Exception):
    """A step of the run failed.

    Args:
        kind: the condition that says so.
        reason: its reason.
        message: its message.
        retry: seconds until the next run; None for the exponential backoff.
        terminal: nothing but a change of the spec can help.
    """

    def __init__(
        self,
        kind: str,
        reason: str,
        message: str,
        *,
        retry: float | None = None,
        terminal: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind, self.reason, self.message = kind, reason, message
        self.retry, self.terminal = retry, terminal


class GitRepositories(Controller):
    """Reconciles GitRepository objects.

    Args:
        cluster: reached with source-controller's credentials.
        git: opens repositories by URL.
        storage: takes the artifacts.
        events: tells what happened.
        random: draws the jitter of intervals.
        fetch_time: how long a clone takes in this world, in seconds.
    """

    kind, api_version, workers = "GitRepository", api_version("GitRepository"), 2

    def __init__(
        self,
        cluster: Cluster,
        *,
        git: Git,
        storage: Storage,
        events: Recorder,
        random: Random,
        fetch_time: float = 1.0,
    ) -> None:
        super().__init__(cluster)
        self.git, self.storage, self.events = git, storage, events
        self.random, self.fetch_time = random, fetch_time

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, and requests to reconcile at once."""
        return (*super().fingerprint(obj), api.requested_at(obj))

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """One run, in the order of the specification."""
        obj = self.get(key)
        if obj is None:
            return None
        if api.is_deleting(obj):
            self.storage.remove(self._folder(key))
            api.drop_finalizer(self.cluster, obj, COMPONENT)
            return None
        if api.add_finalizer(self.cluster, obj, COMPONENT):
            return 0.0
        status = Status(self.cluster, obj, MANAGER)
        if api.is_suspended(obj):
            status.fields["observedGeneration"] = status.generation
            api.note_request(status, obj)
            status.save()
            return None

        had_failed = any(status.is_true(kind) for kind in NEGATIVE)
        generation, seen = status.generation, status.fields.get("observedGeneration", -1)
        text = "reconciliation in progress"
        if seen not in (-1, generation):
            text = f"processing object: new generation {seen} -> {generation}"
        _progress(status, text, now, unready=not find(obj, "Ready"))
        self._check_storage(status, now)
        status.save()
        try:
            now, stored = yield from self._fetch(obj, status, now)
        except Failed as failure:
            return self._fail(obj, status, failure, now)
        self.failures.pop(key, None)
        status.remove(*NEGATIVE, "Reconciling", "Stalled", "ArtifactOutdated")
        artifact = status.fields["artifact"]
        text = f"stored artifact for revision '{artifact['revision']}'"
        for kind in ("ArtifactInStorage", "Ready"):
            status.set(kind, "True", "Succeeded", text, now)
        status.fields["observedGeneration"] = generation
        api.note_request(status, obj)
        status.save()
        self._report(obj, status, stored, now, recovered=had_failed)
        return api.jittered(seconds(obj["spec"]["interval"]), self.random)

    # -- the steps of a run ---------------------------------------------------------------------

    def _check_storage(self, status: Status, now: float) -> None:
        """Whether the artifact that the status names is still there."""
        artifact = status.fields.get("artifact")
        if artifact is not None and self.storage.has(artifact["path"]):
            return
        text = "building artifact"
        if artifact is not None:
            status.fields["artifact"] = None
            text += ": disappeared from storage"
        status.remove("ArtifactInStorage")
        _progress(status, text, now, unready=True)

    def _fetch(
        self, obj: Object, status: Status, now: float
    ) -> Generator[float, float, tuple[float, Artifact | None]]:
        """The time after it, and the artifact if a new one was stored."""
        spec, url = obj["spec"], obj["spec"]["url"]
        if message := api.not_simulated(spec, NOT_SIMULATED):
            raise Failed("FetchFailed", "NotSimulated", message, terminal=True)
        self._read_secret(obj)
        revision, commit = self._look(spec, url)
        included = self._included(obj)
        artifact = status.fields.get("artifact")
        if (
            artifact is not None
            and status.is_true("ArtifactInStorage")
            and artifact["revision"] == revision
            and status.fields.get("observedIgnore") == spec.get("ignore")
            and status.fields.get("observedInclude") == spec.get("include")
            and not self._include_moved(status, included)
        ):
            return now, None

        text = f"new upstream revision '{revision}'"
        if artifact is not None and artifact["revision"] != revision:
            status.set("ArtifactOutdated", "True", "NewRevision", text, now)
        _progress(status, f"building artifact: {text}", now, unready=True)
        status.save()
        now = yield self.fetch_time
        source = self.git.open(url, commit=commit, branch=(spec.get("ref") or {}).get("branch", ""))
        try:
            fetched = source.fetch(Revision((spec.get("ref") or {}).get("branch", ""), commit))
        except SourceError as error:
            raise _git_failed(f"unable to clone '{url}': {error.what}") from error
        fetched = _trimmed(_with_included(fetched, spec, included), spec.get("ignore"))
        self._store(status, fetched, revision, commit, now)
        status.fields["observedIgnore"] = spec.get("ignore")
        status.fields["observedInclude"] = spec.get("include")
        status.fields["includedArtifacts"] = [record for record, _ in included] or None
        return now, fetched

    def _read_secret(self, obj: Object) -> None:
        name = (obj["spec"].get("secretRef") or {}).get("name")
        namespace = obj["metadata"]["namespace"]
        if name and self.cluster.get(ObjectKey("", "Secret", namespace, name)) is None:
            text = f"failed to get secret '{namespace}/{name}': secrets \"{name}\" not found"
            raise Failed("FetchFailed", "AuthenticationFailed", text)

    def _look(self, spec: Mapping[str, Any], url: str) -> tuple[str, str]:
        """The revision that upstream is at, by `git ls-remote`."""
        try:
            refs = self.git.refs(url)
        except SourceError as error:
            raise _git_failed(f"unable to list remote for '{url}': {error.what}") from error
        if not refs:
            raise Failed("FetchFailed", "EmptyGitRepository", "git repository is empty")
        try:
            return resolve(spec.get("ref") or {}, refs)
        except RefNotFound as error:
            raise _git_failed(f"unable to clone '{url}': {error}") from error

    def _included(self, obj: Object) -> Included:
        """The artifacts that are to be copied into this one, with what their owners say of them."""
        found = []
        for each in obj["spec"].get("include") or ():
            name = each["repository"]["name"]
            other = self.get(api.key_of("GitRepository", obj["metadata"]["namespace"], name))
            record = ((other or {}).get("status") or {}).get("artifact")
            if record is None or not self.storage.has(record["path"]):
                text = f"no artifact available for include '{name}'"
                if other is None:
                    text = (
                        f"could not get resource for include '{name}': "
                        f'gitrepositories.{api.SOURCE} "{name}" not found'
                    )
                raise Failed(
                    "IncludeUnavailable", "IncludeUnavailable", text, retry=api.DEPENDENCY_RETRY
                )
            found.append((record, self.storage.fetch(record["path"])))
        return found

    def _include_moved(self, status: Status, included: Included) -> bool:
        before = [each["digest"] for each in status.fields.get("includedArtifacts") or ()]
        return before != [record["digest"] for record, _ in included]

    def _store(
        self, status: Status, artifact: Artifact, revision: str, commit: str, now: float
    ) -> None:
        path = f"{self._folder(status.key)}/{commit}.tar.gz"
        self.storage.put(path, artifact)
        self.storage.remove(self._folder(status.key), keep=RECORDS)
        status.fields["artifact"] = {
            "path": path,
            "url": self.storage.url(path),
            "revision": revision,
            "digest": artifact.digest,
            "size": sum(len(content) for content in artifact.files.values()),
            "lastUpdateTime": timestamp(now),
        }

    # -- how a run ends -------------------------------------------------------------------------

    def _fail(self, obj: Object, status: Status, failure: Failed, now: float) -> float | None:
        status.set(failure.kind, "True", failure.reason, failure.message, now)
        status.set("Ready", "False", failure.reason, failure.message, now)
        api.note_request(status, obj)
        if failure.terminal:
            status.remove("Reconciling")
            status.set("Stalled", "True", failure.reason, failure.message, now)
            status.fields["observedGeneration"] = status.generation
        elif reconciling := status.find("Reconciling"):
            text = reconciling["message"]
            status.set("Reconciling", "True", "ProgressingWithRetry", text, now)
        status.save()
        self.events(obj, now, failure.reason, failure.message, "Warning")
        if failure.terminal:
            return None
        return self.backoff(status.key) if failure.retry is None else failure.retry

    def _report(
        self, obj: Object, status: Status, stored: Artifact | None, now: float, *, recovered: bool
    ) -> None:
        record = status.fields["artifact"]
        notes = api.event_annotations(
            obj, api.SOURCE, revision=record["revision"], digest=record["digest"]
        )
        if stored is None:
            if recovered:
                text = f"stored artifact for revision '{record['revision']}'"
                self.events(obj, now, "Succeeded", text, annotations=notes)
                return
            text = f"no changes since last reconciliation: observed revision '{record['revision']}'"
            self.events(obj, now, "GitOperationSucceeded", text, only_here=True)
            return
        text = f"stored artifact for commit '{_headline(stored.message)}'"
        reason = "Succeeded" if recovered else "NewArtifact"
        self.events(obj, now, reason, text, annotations=notes)

    def _folder(self, key: ObjectKey) -> str:
        return f"gitrepository/{key.namespace}/{key.name}"


def _progress(status: Status, text: str, now: float, *, unready: bool) -> None:
    """Say that a run is under way, and what it does."""
    status.set("Reconciling", "True", "Progressing", text, now)
    if unready:
        status.set("Ready", "Unknown", "Progressing", text, now)


def _git_failed(cause: str) -> Failed:
    text = f"failed to checkout and determine revision: {cause}"
    return Failed("FetchFailed", "GitOperationFailed", text)


def _headline(message: str) -> str:
    """The first line of a commit's message, at most 50 characters of it."""
    line = message.partition("\n")[0]
    return line if len(line) <= 50 else f"{line[:50]}..."


def _trimmed(artifact: Artifact, ignore: str | None) -> Artifact:
    """The artifact without ignored files; with patterns of one's own, it is another artifact."""
    trimmed = without_ignored(artifact, ignore)
    if ignore is None:
        return trimmed
    digest = hashlib.sha256(f"{artifact.digest} {ignore}".encode()).hexdigest()
    return replace(trimmed, digest=f"sha256:{digest}")


def _with_included(artifact: Artifact, spec: Mapping[str, Any], included: Included) -> Artifact:
    """The artifact with those of other repositories copied in, each below its own path."""
    files = dict(artifact.files)
    for each, (_, other) in zip(spec.get("include") or (), included, strict=True):
        origin = each.get("fromPath", "").strip("/")
        place = (each.get("toPath") or each["repository"]["name"]).strip("/")
        for path, content in other.files.items():
            if not origin or path.startswith(f"{origin}/"):
                files[f"{place}/{path[len(origin) :].lstrip('/')}"] = content
    if not included:
        return artifact
    parts = [artifact.digest, *(record["digest"] for record, _ in included)]
    digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()
    return replace(artifact, files=files, digest=f"sha256:{digest}")
