"""Which files of an artifact hold desired objects, and what a kustomization.yaml says about them.

Without a kustomization, a folder's YAML and JSON files count and so do its subfolders, as when
Flux's kustomize-controller 1.9 makes up the missing kustomization. With one, what it lists counts.
Of kustomize 5, `resources` and `namespace` are understood, and everything else is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.engine.tree import Tree
from gitops_lab.errors import RenderError
from gitops_lab.model import Artifact, Object

MAX_FILE = 3 * 2**20
"""Bytes in one manifest file; etcd takes no object above 1.5 MiB in any case."""

MAX_ARTIFACT = 16 * 2**20
"""Bytes in all manifest files of a revision."""

MAX_FOLDERS = 2_000
"""Folders that one render reads; one that several kustomizations list counts each time."""

MAX_DEPTH = 50
"""Levels of folders, and of kustomizations that list each other."""

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SUFFIXES = (".yaml", ".yml", ".json")
FIELDS = ("apiVersion", "kind", "metadata", "resources", "namespace")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")


@dataclass(frozen=True)
class Found:
    """A value that stands where a desired object should.

    Args:
        origin: the file and the document's number in it, such as `deploy/web.yaml#2`.
        line: where in the file the document begins, counted from 1.
        value: what is written there.
        namespace: where a kustomization puts it; empty if none does.
    """

    origin: str
    line: int
    value: Any
    namespace: str = ""

    @property
    def where(self) -> str:
        """The place, for errors."""
        return f"{self.origin}, line {self.line}"


class Collector:
    """Walks an artifact once and collects what it finds, and all the faults it meets.

    Args:
        artifact: the files and links of a revision.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.tree = Tree(artifact)
        self.faults: list[RenderError] = []
        self._bytes = self._folders = 0

    def folder(self, path: str = "", parents: tuple[str, ...] = ()) -> list[Found]:
        """The objects of a folder and of what belongs to it.

        Raises:
            RenderError: the artifact is too large to be looked at to its end.
        """
        self._folders += 1
        if self._folders > MAX_FOLDERS or max(path.count("/"), len(parents)) > MAX_DEPTH:
            raise RenderError(
                f"the manifests lie in more than {MAX_FOLDERS:,} folders, or more than "
                f"{MAX_DEPTH} deep",
                where=path,
                fix="deploy smaller folders",
            )
        names = [name for name in KUSTOMIZATIONS if name in self.tree.names(path)]
        if len(names) > 1:
            self._fault(
                f"this folder has {len(names)} kustomizations: {', '.join(names)}",
                where=path or ".",
                fix="keep one of them",
            )
        elif names:
            return self._kustomization(path, names[0], (*parents, path))
        else:
            return [
                found
                for name in self.tree.names(path)
                if not name.startswith(".")
                for found in self._entry(f"{path}/{name}" if path else name)
            ]
        return []

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
            self._fault(
                f"this file has {_mebibytes(len(content))}; a manifest may have "
                f"{_mebibytes(MAX_FILE)}",
                where=path,
                fix="split it, or keep what is no manifest in another folder",
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
            documents = read(content, path)
        except RenderError as fault:
            self.faults.append(fault)
            return []
        return [
            found
            for document in documents
            for found in _expanded(
                Found(f"{path}#{document.number}", document.line, document.value)
            )
        ]

    def _kustomization(self, folder: str, name: str, parents: tuple[str, ...]) -> list[Found]:
        path = f"{folder}/{name}" if folder else name
        try:
            resources, namespace = _fields(self._content(folder, name), path)
        except RenderError as fault:
            self.faults.append(fault)
            return []
        found = []
        for resource in resources:
            try:
                real = self.tree.resolve(resource, base=folder)
                if real in parents:
                    raise RenderError("this folder lists itself", fix="take it out")
            except RenderError as fault:
                self._fault(
                    f"cannot use the resource {resource!r}: {fault.what}",
                    where=path,
                    fix="list files and folders of this repository"
                    if "://" in resource
                    else fault.fix,
                )
                continue
            if self.tree.is_folder(real):
                found += self.folder(real, parents)
            else:
                found += self._file(real, self.tree.content(real))
        return _moved(found, namespace) if namespace else found

    def _content(self, folder: str, name: str) -> bytes:
        return self.tree.content(self.tree.resolve(name, base=folder))

    def _fault(self, what: str, *, where: str, fix: str) -> None:
        self.faults.append(RenderError(what, where=where, fix=fix))


def _fields(content: bytes, path: str) -> tuple[list[str], str]:
    """The resources and the namespace that a kustomization names."""
    documents = read(content, path)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise RenderError(
            "a kustomization is one mapping", where=path, fix="list files under `resources`"
        )
    fields: Object = documents[0].value
    group = str(fields.get("apiVersion") or "kustomize.config.k8s.io/").partition("/")[0]
    kind = fields.get("kind") or "Kustomization"
    if (group, kind) != ("kustomize.config.k8s.io", "Kustomization"):
        raise RenderError(
            f"this is a {kind} of {group}, not a Kustomization of kustomize.config.k8s.io",
            where=path,
            fix="rename the file if it is a manifest",
        )
    unknown = [name for name, value in fields.items() if name not in FIELDS and value]
    if unknown:
        raise RenderError(
            f"the kustomization's {_quoted(unknown)} is not supported here yet",
            where=path,
            fix="render it with `kustomize build` and commit the result",
        )
    resources, namespace = fields.get("resources") or [], fields.get("namespace") or ""
    if not isinstance(resources, list) or not all(isinstance(r, str) for r in resources):
        raise RenderError("`resources` is not a list of paths", where=path, fix="list the files")
    if not isinstance(namespace, str):
        raise RenderError("`namespace` is not a string", where=path, fix="put it in quotes")
    return resources, namespace


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


def _moved(found: Sequence[Found], namespace: str) -> list[Found]:
    """The objects in a kustomization's namespace, and the bindings of its accounts with them."""
    accounts = {"default"} | {
        item.value["metadata"].get("name")
        for item in found
        if isinstance(item.value, dict)
        and item.value.get("kind") == "ServiceAccount"
        and isinstance(item.value.get("metadata"), dict)
    }

    def subject(old: Any) -> Any:
        ours = isinstance(old, dict) and old.get("kind") == "ServiceAccount"
        return {**old, "namespace": namespace} if ours and old.get("name") in accounts else old

    def body(value: Any) -> Any:
        binds = isinstance(value, dict) and value.get("kind") in BINDINGS
        if binds and isinstance(value.get("subjects"), list):
            return {**value, "subjects": [subject(old) for old in value["subjects"]]}
        return value

    return [replace(item, value=body(item.value), namespace=namespace) for item in found]


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.3g} MiB"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
