"""Edits of files in a repository by their structure: a scalar, an entry of a kustomization.

Nothing is found by a text pattern, so that flow style, JSON, quotes, anchors and block scalars are
all edited alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import dirname, join, normpath
from typing import Any

import yaml

from gitops_lab.engine.documents import dump, read
from gitops_lab.engine.references import FOLDERS, KUSTOMIZATIONS
from gitops_lab.errors import RenderError

Files = Mapping[str, bytes]
Step = str | int

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
"""The anchor and the tag in front of a scalar."""


def with_scalar(text: str, document: int, path: Sequence[Step], value: str) -> str | None:
    """A YAML or JSON text with another scalar in one place; None if that place has none.

    Args:
        text: the file.
        document: the number of the document in it, counted from 1.
        path: keys and positions that lead to the scalar.
        value: the new text of the scalar.
    """
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return None
    node: Any = nodes[document - 1] if document <= len(nodes) else None
    for step in path:
        node = _child(node, step)
    if not isinstance(node, yaml.ScalarNode):
        return None
    start, end = node.start_mark.index, node.end_mark.index
    old = text[start:end]
    properties = _PROPERTIES.match(old)
    kept = properties.group() if properties else ""
    ending = "\n" if old.endswith("\n") else ""
    return f"{text[:start]}{kept}{_scalar(value, old[len(kept) :])}{ending}{text[end:]}"


def _child(node: Any, step: Step) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None


def _scalar(value: str, old: str) -> str:
    """A scalar in the style of the one that it replaces; quoted wherever that is safer."""
    if old.startswith("'"):
        return "'" + value.replace("'", "''") + "'"
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9./@_-]*(:[A-Za-z0-9._-]+)?(@\S+)?", value)
    return value if is_plain and not old.startswith('"') else json.dumps(value)


def documents_of(files: Files, path: str) -> list[Any]:
    """The values in a file, by position; None for an empty document, nothing if it is no YAML."""
    try:
        found = {document.number: document.value for document in read(files[path], path)}
    except RenderError:
        return []
    return [found.get(number) for number in range(1, max(found, default=0) + 1)]


def kustomizations(files: Files) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each kustomization with its path, the outermost first."""
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        if path.rpartition("/")[2] in KUSTOMIZATIONS:
            values = documents_of(files, path)
            if len(values) == 1 and isinstance(values[0], dict):
                yield path, values[0]


def without_file(files: Files, path: str) -> dict[str, bytes | None]:
    """The changes that delete a file, and its entry in each kustomization that lists it."""
    changes: dict[str, bytes | None] = {path: None}
    for place, fields in kustomizations(files):
        left = dict(fields)
        for name in FOLDERS:
            entries = fields.get(name)
            if isinstance(entries, list):
                left[name] = [e for e in entries if not _leads_to(place, e, path)]
        if left != fields:
            changes[place] = dump(left).encode()
    return changes


def _leads_to(place: str, entry: Any, path: str) -> bool:
    return isinstance(entry, str) and normpath(join(dirname(place), entry)) == path


def with_image(files: Files, place: str, name: str, image: str) -> dict[str, bytes | None]:
    """The changes that have a kustomization replace an image.

    Args:
        files: the repository.
        place: the path of the kustomization.
        name: the image as the files below name it, without its tag.
        image: the new image, with its tag.
    """
    fields = dict(kustomizations({place: files[place]}))[place]
    others = [e for e in fields.get("images") or () if not _names(e, name)]
    new_name, _, tag = image.rpartition(":")
    entry = {"name": name, "newName": new_name, "newTag": tag}
    return {place: dump({**fields, "images": [*others, entry]}).encode()}


def _names(entry: Any, name: str) -> bool:
    return isinstance(entry, dict) and name in (entry.get("name"), entry.get("newName"))
