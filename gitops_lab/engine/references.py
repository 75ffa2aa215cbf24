"""What a kustomization refers to, read before kustomize does: nothing may come from elsewhere.

A remote base is refused, since the same commit would render to one thing today and to another
tomorrow. A Git LFS pointer or a file of a submodule is named for what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.engine.tree import Tree
from gitops_lab.errors import RenderError

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names of a kustomization file, as kustomize 5 looks for them."""

LFS = b"version https://git-lfs.github.com/spec/"
"""How the small text file begins that Git LFS leaves in place of a large one."""

FOLDERS = ("resources", "bases", "components")
"""Fields that list files or folders."""

FILES = ("crds", "configurations", "generators", "transformers", "validators",
         "patchesStrategicMerge")  # fmt: skip
"""Fields that list files, or hold YAML themselves."""

WITH_PATH = ("patches", "patchesJson6902", "replacements")
"""Fields that list mappings, each with a `path`."""

_REMOTE = re.compile(r"://|^git@|^git::|^(www\.)?(github|gitlab|bitbucket)\.(com|org)[/:]|[?&]ref=")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://")


@dataclass
class References:
    """What a kustomization and those below it use.

    Args:
        folders: each folder with a kustomization that was read, with its parsed content.
        charts: whether any of them asks for Helm charts.
        complete: whether all of them could be read; else more may be used than is known here.
    """

    folders: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    charts: bool = False
    complete: bool = True


def kustomization_of(tree: Tree, folder: str) -> str:
    """The path of a folder's kustomization; empty if it has none."""
    names = tree.names(folder)
    name = next((name for name in KUSTOMIZATIONS if name in names), "")
    return f"{folder}/{name}" if folder and name else name


def follow(tree: Tree, folder: str) -> References:
    """Read the kustomization of a folder and all that it leads to.

    Raises:
        RenderError: something in there cannot be used. What else is wrong, kustomize says.
    """
    found = References()
    todo = [folder]
    while todo:
        here = todo.pop()
        if here in found.folders:
            continue
        path = kustomization_of(tree, here)
        fields = _fields(tree, path)
        found.complete = found.complete and bool(fields)
        found.folders[here] = fields
        if fields.get("helmCharts") or fields.get("helmChartInflationGenerator"):
            found.charts = True
            _check_charts(fields, path)
        for entry in _entries(fields):
            place = _checked(tree, entry, here, path)
            if place is not None and tree.is_folder(place):
                todo.append(place)
    return found


def check_file(content: bytes, where: str) -> None:
    """Refuse what stands for a file and is none.

    Raises:
        RenderError: the content is a Git LFS pointer.
    """
    if content.startswith(LFS):
        raise RenderError(
            "this is a Git LFS pointer: the file itself is not in the repository",
            where=where,
            fix="manifests are small text; take the file out of Git LFS (`git lfs untrack`)",
        )


def _fields(tree: Tree, path: str) -> Mapping[str, Any]:
    """A kustomization's fields; none if it cannot be read, which kustomize will report."""
    if not path:
        return {}
    try:
        documents = read(tree.content(tree.resolve(path)), path)
    except (RenderError, KeyError):
        return {}
    value = documents[0].value if documents else None
    return value if isinstance(value, dict) else {}


def _entries(fields: Mapping[str, Any]) -> Iterator[str]:
    """Each path that a kustomization names."""
    for name in (*FOLDERS, *FILES):
        yield from (entry for entry in _list(fields.get(name)) if isinstance(entry, str))
    mappings = [entry for name in WITH_PATH for entry in _list(fields.get(name))]
    mappings.append(fields.get("openapi"))
    yield from (
        entry["path"]
        for entry in mappings
        if isinstance(entry, dict) and isinstance(entry.get("path"), str)
    )
    for name in ("configMapGenerator", "secretGenerator"):
        for generator in _list(fields.get(name)):
            if isinstance(generator, dict):
                files = [*_list(generator.get("files")), *_list(generator.get("envs"))]
                files.append(generator.get("env"))
                yield from (f.rpartition("=")[2] for f in files if isinstance(f, str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _checked(tree: Tree, entry: str, folder: str, path: str) -> str | None:
    """Where an entry leads to; None if that is for kustomize to say."""
    if "\n" in entry or not entry:
        return None  # YAML in place of a path
    if _URL.match(entry):
        raise _remote(entry, path)
    try:
        place = tree.resolve(entry, base=folder)
    except RenderError as error:
        if _REMOTE.search(entry):
            raise _remote(entry, path) from None
        module = tree.submodule(entry, base=folder)
        if module:
            raise RenderError(
                f"{entry!r} is in the submodule {module}, whose files are in another repository",
                where=path,
                fix="copy the files into this repository",
            ) from None
        if error.what.startswith("there is no "):
            return None
        raise RenderError(
            f"cannot use {entry!r}: {error.what}", where=path, fix=error.fix
        ) from None
    if not tree.is_folder(place):
        check_file(tree.content(place), place)
    return place


def _remote(entry: str, path: str) -> RenderError:
    return RenderError(
        f"{entry!r} is a remote base: what it holds may change while the commit stays the same",
        where=path,
        fix="copy it into the repository, at the version that you want",
    )


def _check_charts(fields: Mapping[str, Any], path: str) -> None:
    for chart in _list(fields.get("helmCharts")):
        if isinstance(chart, dict) and chart.get("repo"):
            raise RenderError(
                f"the chart {chart.get('name')!r} is in the remote repository {chart['repo']!r}; "
                "only charts in this repository are rendered",
                where=path,
                fix="copy the chart into the folder `charts`, and leave out `repo`",
            )
