"""The values of a Helm source: those of the chart, of files, of the Application, and parameters.

Argo CD gives them to `helm template` as options; here they are merged into the chart's own
values, which comes to the same. Source: Argo CD 3.5, `util/helm/cmd.go`; Helm 3 `pkg/strvals`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.errors import RenderError
from gitops_lab.frontends.argocd.applicationsets.templates import merged
from gitops_lab.model import Artifact

_STEP = re.compile(r"((?:\\.|[^.\[\\])+)|\[(\d+)\]|\.")
LONGEST_LIST = 1_000
"""Items of a list that a parameter may reach."""


def values(options: Mapping[str, Any], artifact: Artifact, path: str) -> bytes:
    """What the chart's values.yaml must hold.

    Args:
        options: the source's `helm`.
        artifact: the files of the repository.
        path: the chart's folder.

    Raises:
        RenderError: a file is not there or cannot be read.
    """
    result: Any = _of_file(artifact, posixpath.join(path, "values.yaml"), optional=True)
    for name in options.get("valueFiles") or ():
        if name.startswith("$"):
            raise RenderError(f"not simulated: values of another source ({name})")
        place = posixpath.normpath(
            name.lstrip("/") if name.startswith("/") else posixpath.join(path, name)
        )
        optional = bool(options.get("ignoreMissingValueFiles"))
        result = merged(result, _of_file(artifact, place, optional=optional))
    if options.get("valuesObject"):
        result = merged(result, options["valuesObject"])
    elif options.get("values"):
        documents = read(str(options["values"]).encode(), "values")
        result = merged(result, documents[0].value if documents else {})
    for each in options.get("parameters") or ():
        result = merged_parameter(result, each["name"], _typed(each))
    return json.dumps(result).encode()


def _of_file(artifact: Artifact, place: str, *, optional: bool) -> Any:
    if place not in artifact.files:
        if optional:
            return {}
        raise RenderError(f"open {place}: no such file or directory")
    documents = read(artifact.files[place], place)
    return documents[0].value if documents else {}


def _typed(parameter: Mapping[str, Any]) -> Any:
    """A parameter's value as `--set` reads it, or as a text."""
    text = str(parameter.get("value", ""))
    if parameter.get("forceString"):
        return text
    words: dict[str, Any] = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    return int(text) if re.fullmatch(r"0|-?[1-9]\d{0,17}", text) else text


def merged_parameter(below: Any, name: str, value: Any) -> Any:
    """Values with one more, at a path such as `a.b[0].c`; a dot after a backslash is a character.

    Raises:
        RenderError: the path reaches too far.
    """
    steps: list[str | int] = []
    for match in _STEP.finditer(name):
        if match[1] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", match[1]))
        elif match[2] is not None:
            steps.append(int(match[2]))
    return _put(below, steps, value)


def _put(below: Any, steps: Sequence[str | int], value: Any) -> Any:
    if not steps:
        return value
    first, rest = steps[0], steps[1:]
    if isinstance(first, int):
        if first >= LONGEST_LIST:
            raise RenderError(f"index {first} is greater than maximum supported index")
        items = list(below) if isinstance(below, list) else []
        items += [None] * (first + 1 - len(items))
        items[first] = _put(items[first], rest, value)
        return items
    result = dict(below) if isinstance(below, Mapping) else {}
    result[first] = _put(result.get(first), rest, value)
    return result
