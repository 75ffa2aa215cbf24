"""Which objects a folder of an artifact holds.

- A folder with a kustomization holds what kustomize builds from it.
- A folder with a `Chart.yaml` holds what Helm renders.
- Any other folder holds what stands in its `.yaml` and `.yml` files and in those of the folders
  below it, as when Flux's kustomize-controller 1.9 makes up the missing kustomization.

The answer depends on the files and the path alone, and is remembered by the artifact's digest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from gitops_lab.engine.documents import Document, read
from gitops_lab.engine.ignoring import without_ignored
from gitops_lab.engine.references import References, check_file, follow, kustomization_of
from gitops_lab.engine.tree import Tree
from gitops_lab.errors import RenderError
from gitops_lab.model import Artifact, split_api_version
from gitops_lab.renderers import charts, kustomize, tools
from gitops_lab.renderers.process import ToolFailed

MAX_FILE = 3 * 2**20
"""Bytes in one manifest file; etcd takes no object above 1.5 MiB in any case."""

MAX_ARTIFACT = 16 * 2**20
"""Bytes in all manifest files of a revision that are read one by one."""

MAX_WORKSPACE = 64 * 2**20
"""Bytes in all files that a tool is given; media files and archives do not count among them."""

MAX_WORKSPACE_FILES = 20_000
"""Files that a tool is given."""

MAX_FOLDERS = 2_000
"""Folders that one render reads."""

MAX_DEPTH = 50
"""Levels of folders."""

REMEMBERED = 64
"""Revisions whose objects are kept in memory."""

SUFFIXES = (".yaml", ".yml")
CHART = "Chart.yaml"


@dataclass(frozen=True)
class Found:
    """A value that stands where a desired object should.

    Args:
        origin: the file, such as `deploy/web.yaml#2` with the document's number if it was read
            from there directly.
        where: the place, for errors.
        value: what is written there. Shared by all who render this revision: never change it.
    """

    origin: str
    where: str
    value: Any


@dataclass(frozen=True)
class Collected:
    """What a folder holds, and all faults on the way.

    Args:
        found: the objects.
        faults: what is wrong with the files.
        release: the name that a Helm chart was rendered under; empty if the name had no part in it.
    """

    found: tuple[Found, ...]
    faults: tuple[RenderError, ...]
    release: str = ""

    @cached_property
    def kinds(self) -> frozenset[tuple[str, str]]:
        """Group and kind of each object; what is no object has none."""
        return frozenset(
            (split_api_version(item.value["apiVersion"])[0], item.value["kind"])
            for item in self.found
            if isinstance(item.value, dict)
            and isinstance(item.value.get("apiVersion"), str)
            and isinstance(item.value.get("kind"), str)
        )


_remembered: dict[tuple[str, str, str], Collected] = {}


def collect(artifact: Artifact, path: str = "", *, release: str = "release") -> Collected:
    """The objects of a folder and of what belongs to it.

    Args:
        artifact: the files and links of a revision.
        path: the folder; the root if empty.
        release: the name under which a Helm chart is rendered.
    """
    place = artifact.digest, path
    known = _remembered.get((*place, "")) or _remembered.get((*place, release))
    if known is None or not artifact.digest:
        known = _Collector(without_ignored(artifact), release).all(path)
        if artifact.digest:
            _remembered[*place, known.release] = known
            for oldest in list(_remembered)[:-REMEMBERED]:
                _remembered.pop(oldest, None)
    return known


class _Collector:
    def __init__(self, artifact: Artifact, release: str) -> None:
        self.artifact, self.release = artifact, release
        self.tree = Tree(artifact)
        self.faults: list[RenderError] = []
        self._bytes = self._folders = 0
        self._used = ""  # the release, once a chart has been rendered under it

    def all(self, path: str) -> Collected:
        try:
            folder = self.tree.resolve(path)
            if not self.tree.is_folder(folder):
                raise RenderError("this is a file", where=path, fix="name the folder it is in")
            found = self.folder(folder)
        except RenderError as fault:
            return Collected((), (*self.faults, fault), self._used)
        return Collected(tuple(found), tuple(self.faults), self._used)

    def folder(self, path: str) -> list[Found]:
        self._folders += 1
        if self._folders > MAX_FOLDERS or path.count("/") > MAX_DEPTH:
            raise RenderError(
                f"the manifests lie in more than {MAX_FOLDERS:,} folders, or more than "
                f"{MAX_DEPTH} deep",
                where=path,
                fix="deploy smaller folders",
            )
        names = self.tree.names(path)
        if kustomization_of(self.tree, path):
            return self._rendered(self._kustomization, path)
        if CHART in names:
            return self._rendered(self._chart, path)
        return [
            found for name in names for found in self._entry(f"{path}/{name}" if path else name)
        ]

    # -- by a tool ------------------------------------------------------------------------------

    def _rendered(self, render: Callable[[str], list[Found]], path: str) -> list[Found]:
        try:
            return render(path)
        except RenderError as fault:
            self.faults.append(fault)
            return []

    def _kustomization(self, folder: str) -> list[Found]:
        name = kustomization_of(self.tree, folder)
        references = follow(self.tree, folder)
        program = None
        if references.charts:
            program = tools.helm()
            if program is None:
                raise _no_helm(name, "this kustomization has helmCharts")
        # What the outermost kustomization asks of `buildMetadata` must not be lost in a wrapper.
        origins = not references.folders[folder].get("buildMetadata")
        files, links = self._workspace(references)
        try:
            text = kustomize.build(files, links, folder, origins=origins, helm=program)
        except ToolFailed as error:
            raise self._refused(str(error).removeprefix("error: "), name) from None
        found = []
        for document in read(text, name):
            origin, value = _without_origin(document.value, name)
            found.append(Found(origin, origin, value))
        return found

    def _chart(self, folder: str) -> list[Found]:
        name = f"{folder}/{CHART}" if folder else CHART
        renderer = charts.renderer()
        if renderer is None:
            raise _no_helm(name, "this folder is a Helm chart")
        files, links = self._workspace()
        try:
            self._used = self.release
            text = renderer(files, links, folder, self.release)
        except ToolFailed as error:
            raise self._refused(str(error).removeprefix("Error: "), name) from None
        return [Found(name, name, document.value) for document in read(text, name)]

    def _workspace(
        self, references: References | None = None
    ) -> tuple[dict[str, bytes], dict[str, str]]:
        """The files and links that a tool may read."""
        files = dict(self.artifact.files)
        if references and references.complete and not (self.artifact.links or references.charts):
            # Kustomize reads no file that is outside the folders of its kustomizations.
            folders = tuple(f"{folder}/" for folder in references.folders)
            if "/" not in folders:
                files = {path: text for path, text in files.items() if path.startswith(folders)}
        size = sum(map(len, files.values()))
        if size > MAX_WORKSPACE or len(files) > MAX_WORKSPACE_FILES:
            raise RenderError(
                f"this folder holds {len(files):,} files of {_mebibytes(size)} together; a render "
                f"takes {MAX_WORKSPACE_FILES:,} of {_mebibytes(MAX_WORKSPACE)}",
                fix="name what is no manifest in a `.sourceignore`",
            )
        for path in (*files, *self.artifact.links):
            if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
                raise RenderError("no file can have this name", where=repr(path))
        return files, {link: t for link, t in self.artifact.links.items() if not self._fault(link)}

    def _fault(self, link: str) -> RenderError | None:
        try:
            self.tree.resolve(link)
        except RenderError as fault:
            return fault
        return None

    def _refused(self, words: str, where: str) -> RenderError:
        """A tool's refusal; if it fell over a link that leads nowhere, this is the reason."""
        for link in self.artifact.links:
            fault = self._fault(link)
            if fault and link.rpartition("/")[2] in words:
                return RenderError(f"cannot use {link!r}: {fault.what}", where=where, fix=fault.fix)
        return RenderError(words, where=where, fix="`gitops-lab render DIR` shows it, too")

    # -- file by file ---------------------------------------------------------------------------

    def _entry(self, path: str) -> list[Found]:
        """What a name in a folder without a kustomization stands for."""
        if self.tree.is_folder(path):
            return self.folder(path)
        real = path
        if self.tree.is_link(path):
            try:
                real = self.tree.resolve(path)
            except RenderError as fault:
                self.faults.append(fault)
                return []
        # A link to a folder adds nothing: the walk finds what is in there by its real path.
        is_manifest = path.endswith(SUFFIXES) and not self.tree.is_folder(real)
        return self._file(path, self.tree.content(real)) if is_manifest else []

    def _file(self, path: str, content: bytes) -> list[Found]:
        if len(content) > MAX_FILE:
            self.faults.append(
                RenderError(
                    f"this file has {_mebibytes(len(content))}; a manifest may have "
                    f"{_mebibytes(MAX_FILE)}",
                    where=path,
                    fix="split it, or keep what is no manifest in another folder",
                )
            )
            return []
        self._bytes += len(content)
        if self._bytes > MAX_ARTIFACT:
            raise RenderError(
                f"the manifests together have more than {_mebibytes(MAX_ARTIFACT)}",
                where=path,
                fix="deploy smaller folders",
            )
        try:
            check_file(content, path)
            documents = read(content, path)
        except RenderError as fault:
            self.faults.append(fault)
            return []
        return [
            found for document in documents for found in _expanded(_read_directly(path, document))
        ]


def _read_directly(path: str, document: Document) -> Found:
    origin = f"{path}#{document.number}"
    return Found(origin, f"{origin}, line {document.line}", document.value)


def _without_origin(value: Any, default: str) -> tuple[str, Any]:
    """Where kustomize says that an object comes from, and the object without that annotation."""
    metadata = (value.get("metadata") if isinstance(value, dict) else None) or {}
    annotations = metadata.get("annotations") or {}
    if kustomize.ORIGIN not in annotations:
        return default, value
    others = {name: text for name, text in annotations.items() if name != kustomize.ORIGIN}
    rest = {name: field for name, field in metadata.items() if name != "annotations"}
    if others:
        rest["annotations"] = others
    documents = read(str(annotations[kustomize.ORIGIN]).encode(), "origin")
    fields = documents[0].value if documents else {}
    path = fields.get("path") or fields.get("configuredIn") or default
    return kustomize.origin_path(path), {**value, "metadata": rest}


def _expanded(found: Found) -> list[Found]:
    """The items of a list such as `kubectl get -o yaml` prints; anything else as it is."""
    value = found.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not kind.endswith("List") or "items" not in value:
        return [found]
    items = value["items"] or []
    if not isinstance(items, list):
        return [found]
    # The items of a typed list such as ConfigMapList may leave out what the list says already.
    inherited = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    return [
        expanded
        for number, item in enumerate(items, 1)
        for expanded in _expanded(
            replace(
                found,
                origin=f"{found.origin} item {number}",
                value={**inherited, **item}
                if inherited["kind"] and isinstance(item, dict)
                else item,
            )
        )
    ]


def _no_helm(where: str, what: str) -> RenderError:
    return RenderError(
        f"{what}, and there is no Helm to render it",
        where=where,
        fix="install `gitops-lab[helm]`, or put `helm` on PATH; or commit what "
        "`helm template` prints",
    )


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.3g} MiB"
