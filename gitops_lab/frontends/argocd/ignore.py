"""ignoreDifferences: fields that a comparison leaves out, and how a sync can respect them.

They change the comparison only: a sync still applies what Git says, unless the Application has the
sync option RespectIgnoreDifferences=true.

Source: Argo CD 3.5, `util/argo/{normalizers,managedfields}`. Of jq, paths are understood: fields,
`[]`, `[0]`, `["name"]` and `select(.a == "b")`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gitops_lab.frontends.argocd.globs import matches
from gitops_lab.model import Object, ObjectKey, copied

Step = tuple[str, Any]
Path = tuple[Step, ...]

_TOKEN = re.compile(
    r"""\s*(?:
      select\(\s*\.(?P<where>[\w.]+)\s*(?P<operator>==|!=)\s*(?P<value>"[^"]*"|[\w.-]+)\s*\)
    | \.\[\s*"(?P<dotted>[^"]*)"\s*\] | \[\s*"(?P<quoted>[^"]*)"\s*\]
    | \.?\[\s*(?P<index>\d+)\s*\] | (?P<each>\.?\[\s*\])
    | \."(?P<text>[^"]*)" | \.(?P<field>[A-Za-z_]\w*) | (?P<pipe>\|) | (?P<here>\.)(?=\s*(?:\||$))
    )\s*\??""",
    re.VERBOSE,
)


def pointer(text: str) -> Path:
    """The steps of a JSON pointer such as `/spec/replicas` (RFC 6901)."""
    names = [name.replace("~1", "/").replace("~0", "~") for name in text.split("/")[1:]]
    return tuple(("index", int(n)) if n.isdigit() else ("field", n) for n in names)


def jq_path(text: str) -> Path:
    """The steps of a jq path expression.

    Raises:
        ValueError: it is more than a path.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise ValueError(f"not simulated: jq expression {text!r}")
        position, found = match.end(), match.groupdict()
        name = next(
            (found[k] for k in ("dotted", "quoted", "text", "field") if found[k] is not None), None
        )
        if name is not None:
            steps.append(("field", name))
        elif found["index"] is not None:
            steps.append(("index", int(found["index"])))
        elif found["each"] is not None:
            steps.append(("each", None))
        elif found["where"] is not None:
            value = found["value"]
            literal = json.loads(value) if value[0] in '"-0123456789tfn' else value
            steps.append(("select", (found["where"], found["operator"], literal)))
    return tuple(steps)


def paths(entries: Sequence[Mapping[str, Any]], key: ObjectKey) -> list[Path]:
    """The paths that are to be left out for an object.

    Raises:
        ValueError: an expression is not understood.
    """
    found: list[Path] = []
    for entry in _fitting(entries, key):
        found += [pointer(text) for text in entry.get("jsonPointers") or ()]
        found += [jq_path(text) for text in entry.get("jqPathExpressions") or ()]
    return found


def managers(entries: Sequence[Mapping[str, Any]], key: ObjectKey) -> set[str]:
    """The field managers whose fields are to be left out for an object."""
    found = _fitting(entries, key)
    return {name for entry in found for name in entry.get("managedFieldsManagers") or ()}


def _fitting(entries: Sequence[Mapping[str, Any]], key: ObjectKey) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        if (
            matches(entry.get("group") or "", key.group)
            and matches(entry["kind"], key.kind)
            and entry.get("name", "") in ("", key.name)
            and entry.get("namespace", "") in ("", key.namespace)
        ):
            yield entry


def without(obj: Object, found: Sequence[Path]) -> Object:
    """The object without these paths."""
    if not found:
        return obj
    result: Object = copied(obj)
    for path in found:
        _visit(result, path, lambda parent, name: _remove(parent, name))
    return result


def respected(target: Object, live: Object, found: Sequence[Path]) -> Object:
    """The desired object with what is live at these paths, so that a sync leaves them alone."""
    result: Object = copied(target)
    for path in found:
        if values := _values(live, path):
            _set(result, path, values)
        else:
            _visit(result, path, _remove)
    return result


def owned(live: Object, names: set[str]) -> list[Path]:
    """The paths of the fields that these managers own on a live object."""
    entries = live["metadata"].get("managedFields") or ()
    trees = [entry.get("fieldsV1") or {} for entry in entries if entry.get("manager") in names]
    return [path for tree in trees for path in _leaves(tree, ())]


def _leaves(tree: Mapping[str, Any], above: Path) -> Iterator[Path]:
    for name, inner in tree.items():
        if name == "." or name.startswith("v:"):
            continue
        if name.startswith("f:"):
            here = (*above, ("field", name[2:]))
        else:
            keys = json.loads(name[2:])
            here = (*above, *(("select", (k, "==", v)) for k, v in keys.items()))
            here = (*above, ("each", None), *here[len(above) :])
        deeper = {k: v for k, v in inner.items() if k != "."}
        if deeper:
            yield from _leaves(deeper, here)
        elif here[-1][0] == "field":
            yield here


def _visit(value: Any, path: Path, act: Callable[[Any, Any], None]) -> None:
    """Call `act` with each parent and name that a path leads to."""
    if not path:
        return
    (kind, what), rest = path[0], path[1:]
    if kind == "select":
        return  # handled together with the step before it
    for name in list(_names(value, kind, what)):
        later, inner = rest, value[name]
        while later and later[0][0] == "select":
            if not _selected(inner, later[0][1]):
                break
            later = later[1:]
        else:
            if later:
                _visit(inner, later, act)
            else:
                act(value, name)


def _names(value: Any, kind: str, what: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        name = str(what) if kind == "index" else what
        if kind == "each":
            yield from value
        elif name in value:
            yield name
    elif isinstance(value, list):
        if kind == "each":
            yield from reversed(range(len(value)))  # so that removing one moves no other
        elif kind == "index" and what < len(value):
            yield what


def _selected(value: Any, condition: tuple[str, str, Any]) -> bool:
    path, operator, literal = condition
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return bool((value == literal) == (operator == "=="))


def _remove(parent: Any, name: Any) -> None:
    del parent[name]


def _values(obj: Object, path: Path) -> list[Any]:
    found: list[Any] = []
    _visit(obj, path, lambda parent, name: found.append(parent[name]))
    return found


def _set(target: Object, path: Path, values: list[Any]) -> None:
    places: list[tuple[Any, Any]] = []
    _visit(target, path, lambda parent, name: places.append((parent, name)))
    if len(places) == len(values):
        for (place, name), value in zip(places, values, strict=True):
            place[name] = value
        return
    parent: Any = target
    for kind, name in path[:-1]:
        if kind != "field" or not isinstance(parent, dict):
            return  # lists of another length cannot be paired
        parent = parent.setdefault(name, {})
    if path and path[-1][0] == "field" and isinstance(parent, dict):
        parent[path[-1][1]] = values[0]
