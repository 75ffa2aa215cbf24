"""source-watcher's ArtifactGenerator: cut parts out of sources, each an ExternalArtifact.

The revision of a part is a digest of its files, so a commit that does not touch them does not
concern the Kustomization that uses it.

Source: source-watcher 2.2, internal/controller and internal/builder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gitops_lab.errors import ApiError
from gitops_lab.frontends.conditions import Status
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api
from gitops_lab.frontends.flux.definitions import api_version
from gitops_lab.frontends.flux.storage import Storage, StorageError
from gitops_lab.model import Artifact, Object, ObjectKey, named
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp

COMPONENT = "source-watcher"
FINALIZER = "source.extensions.fluxcd.io/finalizer"
GENERATOR = "source.extensions.fluxcd.io/generator"
PAUSE = "source.extensions.fluxcd.io/reconcile"
ORIGIN = "org.opencontainers.image.revision"

INTERVAL, RETRY = 3600.0, 5.0
"""Seconds between two runs, and until a source that is not ready is looked at again."""


class Failed(Exception):
    """A run cannot go on.

    Args:
        reason: of the Ready condition.
        message: of the Ready condition.
        terminal: nothing but a change of the spec can help.
    """

    def __init__(self, reason: str, message: str, *, terminal: bool = False) -> None:
        super().__init__(message)
        self.reason, self.message, self.terminal = reason, message, terminal


@dataclass(frozen=True)
class Fetched:
    """A source: its artifact, and what its status says of it."""

    artifact: Artifact
    record: Mapping[str, Any]


class ArtifactGenerators(Controller):
    """Reconciles ArtifactGenerator objects.

    Args:
        cluster: reached with source-watcher's credentials.
        storage: has the artifacts of sources, and takes the new ones.
        events: tells what happened.
    """

    kind, api_version = "ArtifactGenerator", api_version("ArtifactGenerator")

    def __init__(self, cluster: Cluster, *, storage: Storage, events: Recorder) -> None:
        super().__init__(cluster)
        self.storage, self.events = storage, events

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, requests to reconcile at once, and whether it is paused."""
        annotations = obj["metadata"].get("annotations") or {}
        return (*super().fingerprint(obj), api.requested_at(obj), annotations.get(PAUSE))

    def triggered_by(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """The generators that use a source."""
        if key.kind not in (*api.SOURCE_KINDS, "HelmChart"):
            return ()
        return [
            ObjectKey.of(obj)
            for obj in self.list()
            if any(_source_key(each, obj) == key for each in obj["spec"]["sources"])
        ]

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """Fetch the sources, and build and publish each artifact."""
        obj = self.get(key)
        if obj is None:
            return None
        if api.is_deleting(obj):
            self._remove(obj, set())
            api.drop_finalizer(self.cluster, obj, COMPONENT, FINALIZER)
            return None
        if (obj["metadata"].get("annotations") or {}).get(PAUSE) == "disabled":
            return None
        if api.add_finalizer(self.cluster, obj, COMPONENT, FINALIZER):
            return 0.0
        status = Status(self.cluster, obj, f"gotk-{COMPONENT}")
        try:
            return (yield from self._run(obj, status))
        except Failed as failure:
            status.set("Ready", "False", failure.reason, failure.message, self.now)
            if failure.terminal:
                status.set("Stalled", "True", failure.reason, failure.message, self.now)
            api.note_request(status, obj)
            status.save()
            self.events(obj, self.now, failure.reason, failure.message, "Warning")
            if failure.terminal:
                return None
            return RETRY if failure.reason == "SourceFetchFailed" else self.backoff(key)

    def _run(self, obj: Object, status: Status) -> Reconcile:
        spec = obj["spec"]
        _check(spec)
        sources = {each["alias"]: self._fetch(obj, each) for each in spec["sources"]}
        built, changed = [], []
        for wanted in spec["artifacts"]:
            artifact = _built(wanted, sources)
            yield 0
            name, revision = wanted["name"], _revision(wanted, artifact, sources)
            if self._publish(obj, wanted, artifact, revision, sources):
                digest = artifact.digest
                changed.append(f"{obj['metadata']['namespace']}/{name} ({digest})")
            built.append((name, artifact.digest))
        self._remove(obj, {name for name, _ in built})
        namespace = obj["metadata"]["namespace"]
        status.fields["inventory"] = [
            {"name": name, "namespace": namespace, "digest": digest,
             "filename": f"{digest.removeprefix('sha256:')}.tar.gz"}
            for name, digest in built
        ]  # fmt: skip
        text = f"reconciliation succeeded, generated {len(built)} artifact(s)"
        status.remove("Stalled", "Reconciling")
        status.set("Ready", "True", "Succeeded", text, self.now)
        api.note_request(status, obj)
        status.save()
        self.failures.pop(ObjectKey.of(obj), None)
        if changed:
            text = f"external artifacts reconciled: {', '.join(changed)}"
            self.events(obj, self.now, "Succeeded", text)
        return INTERVAL

    def _fetch(self, obj: Object, source: Mapping[str, Any]) -> Fetched:
        key = _source_key(source, obj)
        found = self.cluster.get(key)
        record = ((found or {}).get("status") or {}).get("artifact")
        name = f"{key.kind}/{key.namespace}/{key.name}"
        if record is None:
            raise Failed("SourceFetchFailed", f"get sources failed: source '{name}' is not ready")
        try:
            return Fetched(self.storage.fetch(record["path"]), record)
        except StorageError as error:
            raise Failed("SourceFetchFailed", f"get sources failed: {error}") from error

    def _publish(
        self,
        obj: Object,
        wanted: Mapping[str, Any],
        artifact: Artifact,
        revision: str,
        sources: Mapping[str, Fetched],
    ) -> bool:
        """Store an artifact and say so in its ExternalArtifact; whether it is a new one."""
        metadata = obj["metadata"]
        key = api.key_of("ExternalArtifact", metadata["namespace"], wanted["name"])
        folder = f"externalartifact/{key.namespace}/{key.name}"
        path = f"{folder}/{artifact.digest.removeprefix('sha256:')}.tar.gz"
        live = self.cluster.get(key)
        old = ((live or {}).get("status") or {}).get("artifact") or {}
        origin = _origin(wanted, sources)
        same = (old.get("revision"), old.get("path")) == (revision, path)
        if same and self.storage.has(path):
            return False
        self.storage.put(path, artifact)
        self.storage.remove(folder, keep=2)
        common = obj["spec"].get("commonMetadata") or {}
        reference = {"apiVersion": self.api_version, "kind": self.kind,
                     "name": metadata["name"], "namespace": metadata["namespace"]}  # fmt: skip
        body = named(
            api_version("ExternalArtifact"), "ExternalArtifact", key.name, key.namespace,
            spec={"sourceRef": reference},
        )  # fmt: skip
        body["metadata"]["labels"] = {
            **(common.get("labels") or {}),
            "app.kubernetes.io/managed-by": COMPONENT,
            GENERATOR: metadata["uid"],
        }
        if common.get("annotations"):
            body["metadata"]["annotations"] = dict(common["annotations"])
        live = self.cluster.apply(body, manager=COMPONENT)
        status = Status(self.cluster, live, f"gotk-{COMPONENT}")
        status.fields["artifact"] = {
            "path": path,
            "url": self.storage.url(path),
            "revision": revision,
            "digest": artifact.digest,
            "size": sum(map(len, artifact.files.values())),
            "lastUpdateTime": timestamp(self.now),
            **({"metadata": {ORIGIN: origin}} if origin else {}),
        }
        status.set("Ready", "True", "Succeeded", "Artifact is ready", self.now)
        status.save()
        return True

    def _remove(self, obj: Object, kept: set[str]) -> None:
        """Delete ExternalArtifacts that this generator made and no longer makes."""
        metadata, (group, kind) = obj["metadata"], (api.SOURCE, "ExternalArtifact")
        labels = {GENERATOR: metadata["uid"]}
        try:
            found = self.cluster.list(group, kind, namespace=metadata["namespace"], labels=labels)
        except ApiError as error:
            if error.code != 404:
                raise
            return
        for each in found:
            name = each["metadata"]["name"]
            if name not in kept:
                self.storage.remove(f"externalartifact/{metadata['namespace']}/{name}")
                self.cluster.delete(ObjectKey.of(each))


def _source_key(source: Mapping[str, Any], obj: Object) -> ObjectKey:
    namespace = source.get("namespace") or obj["metadata"]["namespace"]
    return api.key_of(source["kind"], namespace, source["name"])


def _check(spec: Mapping[str, Any]) -> None:
    """Refuse a spec that no content of the sources could make right."""
    if spec.get("pathPattern"):
        raise Failed("NotSimulated", "not simulated: spec.pathPattern", terminal=True)
    aliases = [each["alias"] for each in spec["sources"]]
    names = [each["name"] for each in spec["artifacts"]]
    for what, found in (("source alias", aliases), ("artifact name", names)):
        for name in found:
            if found.count(name) > 1:
                raise Failed("ValidationFailed", f"duplicate {what} '{name}' found", terminal=True)
    for each in spec["artifacts"]:
        for text in (each.get("revision"), each.get("originRevision"),
                     *(copy["from"].partition("/")[0] for copy in each["copy"])):  # fmt: skip
            if text and text.removeprefix("@") not in aliases:
                message = f"artifact '{each['name']}' references unknown source alias '{text[1:]}'"
                raise Failed("ValidationFailed", message, terminal=True)


def _built(wanted: Mapping[str, Any], sources: Mapping[str, Fetched]) -> Artifact:
    """The files of one artifact, copied from its sources in order; later copies win."""
    files: dict[str, bytes] = {}
    first = next(iter(sources.values())).artifact
    for step in wanted["copy"]:
        if step.get("strategy") in ("Merge", "Extract"):
            raise Failed("NotSimulated", f"not simulated: copy.strategy {step['strategy']}",
                         terminal=True)  # fmt: skip
        alias, _, pattern = step["from"].removeprefix("@").partition("/")
        target = step["to"].removeprefix("@artifact/")
        copied = copy_files(
            sources[alias].artifact.files, pattern, target, step.get("exclude") or ()
        )
        if not copied:
            message = f"no files match pattern '{pattern}' in source '{alias}'"
            raise Failed("BuildFailed", message)
        files |= copied
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(b"%d %d\n" % (len(path.encode()), len(files[path])))
        content.update(path.encode() + files[path])
    return replace(
        first, files=files, links={}, submodules=(), digest=f"sha256:{content.hexdigest()}"
    )


def copy_files(
    files: Mapping[str, bytes], pattern: str, target: str, exclude: Iterable[str]
) -> dict[str, bytes]:
    """The files that one copy step takes, by their new paths.

    `dir/**` takes what is in the folder, without the folder's name. Any other pattern is for one
    level and keeps the path that it matched; a plain folder becomes one below the target, and a
    plain file goes to the target, or into it if that ends with a slash.

    Args:
        files: of the source.
        pattern: what to take.
        target: where to put it.
        exclude: patterns of files to leave out.
    """
    left = {
        path: text
        for path, text in files.items()
        if not any(_glob(each).fullmatch(path) for each in exclude)
    }
    place = target.rstrip("/")

    def at(path: str) -> str:
        return f"{place}/{path}".lstrip("/")

    if pattern == "**" or pattern.endswith("/**"):
        prefix = pattern.removesuffix("**")
        return {at(path[len(prefix) :]): t for path, t in left.items() if path.startswith(prefix)}
    if pattern in left:
        name = pattern.rpartition("/")[2]
        return {at(name) if target.endswith("/") or not place else place: left[pattern]}
    folder = pattern.rstrip("/")
    name = folder.rpartition("/")[2]
    if inside := {p: t for p, t in left.items() if p.startswith(f"{folder}/")}:
        return {at(f"{name}{path[len(folder) :]}"): text for path, text in inside.items()}
    glob = _glob(pattern)
    found = {}
    for path, text in left.items():
        steps = path.split("/")
        above = ["/".join(steps[: i + 1]) for i in range(len(steps))]
        if any(glob.fullmatch(each) for each in above):
            found[at(path)] = text
    return found


def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern in which `*` stops at a slash and `**` does not."""
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(signs.get(part, re.escape(part)) for part in parts))


def _revision(wanted: Mapping[str, Any], artifact: Artifact, sources: Mapping[str, Fetched]) -> str:
    if alias := wanted.get("revision"):
        return str(sources[alias.removeprefix("@")].record["revision"])
    return f"latest@{artifact.digest}"


def _origin(wanted: Mapping[str, Any], sources: Mapping[str, Fetched]) -> str:
    alias = wanted.get("originRevision")
    if not alias:
        return ""
    record = sources[alias.removeprefix("@")].record
    return str((record.get("metadata") or {}).get(ORIGIN) or record["revision"])
