"""Keys that a body names twice, as happens when people edit manifests.

A decoder takes the last of them and says nothing. Kubernetes warns, unless it is asked not to.
Looking for them must cost next to nothing where there are none: what orjson writes exactly as it
was read has none, for what was named twice is written once. That is the case of most clients; for
all others the body is read a second time.

Source of the words: sigs.k8s.io/json and sigs.k8s.io/yaml, apiserver `endpoints/handlers/patch.go`
(Kubernetes 1.37).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from kubesim import refusals
from kubesim.http.bodies import JSON, MOST_VALUES, PATCHES, YAML_FORMS, media_of
from kubesim.yaml import YamlFault, YamlReader, text_of

MOST = 100
"""How many findings one body has at most (sigs.k8s.io/json)."""

_OPERATION = ("op", "path", "from", "value")


def findings(content_type: str, data: bytes, validation: str) -> tuple[str, ...]:
    """What is to be said of a body's keys; the body can be read.

    Args:
        content_type: the header.
        data: the body.
        validation: what becomes of it (see `Options.field_validation`).

    Returns:
        What a strict decoder refuses, or each thing that is worth a warning.

    Raises:
        ApiError: 400 BadRequest: an apply configuration that is to be read strictly.
    """
    media = media_of(content_type)
    form = PATCHES.get(media, media)
    if validation == "Ignore" or form in (JSON, "merge", "strategic", "json"):
        return () if validation == "Ignore" else tuple(_of_json(data, form == "json"))
    if form not in (*YAML_FORMS, "apply") or _is_canonical(data):
        return ()
    lines = [f'line {line}: key "{key}" already set in map' for line, key in _of_yaml(data)]
    if not lines or validation == "Warn":
        return tuple(lines)
    found = "yaml: unmarshal errors:\n  " + "\n  ".join(lines)
    if form == "apply":
        raise refusals.bad_request(
            f"error strict decoding YAML: error converting YAML to JSON: {found}"
        )
    return (found,)


def _is_canonical(data: bytes) -> bool:
    """Whether the bytes are exactly what a value that they spell is written as."""
    try:
        return orjson.dumps(orjson.loads(data)) == data.rstrip(b"\n")
    except ValueError:
        return False


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, with every key as often as it is there."""


def _of_json(data: bytes, is_json_patch: bool) -> list[str]:
    if not is_json_patch and (_is_canonical(data) or not _has_repeated(data)):
        return []
    found = []
    for path, is_first in _paths(json.loads(data, object_pairs_hook=_Pairs), ""):
        if not is_first:
            found.append(f'duplicate field "{path}"')
        elif is_json_patch and path.partition(".")[2] not in _OPERATION and path.count(".") == 1:
            found.append(f'unknown field "{path}"')
    prefix = "json patch " if is_json_patch else ""
    return [prefix + each for each in dict.fromkeys(found)][:MOST]


def _has_repeated(data: bytes) -> bool:
    repeated = False

    def see(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        if not repeated and len(pairs) > 1:
            repeated = len({key for key, _ in pairs}) < len(pairs)

    json.loads(data, object_pairs_hook=see)
    return repeated


def _paths(value: Any, path: str) -> Iterator[tuple[str, bool]]:
    """Every field below a value, in the order of the text, and whether it is the first there."""
    if isinstance(value, _Pairs):
        seen = set()
        for key, inner in value:
            place = f"{path}.{key}" if path else key
            yield place, key not in seen
            seen.add(key)
            yield from _paths(inner, place)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, f"{path}[{index}]")


def _of_yaml(data: bytes) -> list[tuple[int, str]]:
    """Line and key of each key that its mapping has already."""
    try:
        reader = YamlReader(text_of(data), lenient=True, most=MOST_VALUES)
        next(reader.documents(), None)
    except (YamlFault, UnicodeDecodeError):  # JSON that is no YAML spells a letter in two halves
        return []
    return sorted({(each.line, each.key) for each in reader.duplicates})[:MOST]
