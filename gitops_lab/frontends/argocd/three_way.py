"""Three-way merge: what a client-side apply makes of a live object.

It looks at three states: what was applied last (an annotation on the live object says it), what is
live, and what is desired. A field that was applied and is no longer desired is removed. A field
that only the live object has stays; who set it does not matter. This is both how Argo CD applies
by default and how it compares, so an extra field is neither seen nor removed.

Source: Argo CD 3.5, gitops-engine `pkg/diff/diff.go` ThreeWayDiff; kubectl 1.37 `pkg/cmd/apply`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gitops_lab.model import Object, split_api_version
from kubesim.admission import default
from kubesim.errors import ApiError
from kubesim.resources import Registry, Resource
from kubesim.schema import Node, decode

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def last_applied(live: Object | None) -> Object:
    """The configuration that was applied last; empty if none was, or it cannot be read."""
    text = ((live or {}).get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def with_last_applied(target: Object) -> Object:
    """The desired object with itself in the annotation, as kubectl writes it."""
    metadata = target["metadata"]
    own = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    bare = {**target, "metadata": {**metadata, "annotations": own}}
    text = json.dumps(bare, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    return {**target, "metadata": {**metadata, "annotations": {**own, LAST_APPLIED: text}}}


def merged(target: Object, live: Object) -> Object:
    """The live object as applying the target would leave it; itself if nothing changes."""
    resource = compiled_in(target["apiVersion"], target["kind"])
    node = None if resource is None else resource.node
    result: Object = merge(last_applied(live), target, live, node)
    return result


@lru_cache(maxsize=512)
def compiled_in(api_version: str, kind: str) -> Resource | None:
    """What is compiled in about a kind; None for a custom one, whose lists are replaced whole."""
    try:
        return Registry.builtin().by_kind(api_version, kind)
    except ApiError:
        return None


def merge(last: Any, target: Any, live: Any, node: Node | None) -> Any:
    """The three-way merge of one place; the live value itself if nothing changes there."""
    if not isinstance(target, Mapping) or not isinstance(live, Mapping):
        return live if target == live else target
    last = last if isinstance(last, Mapping) else {}
    result = dict(live)
    for name, wanted in target.items():
        if wanted is None:
            result.pop(name, None)
            continue
        child = _child(node, name)
        if isinstance(wanted, list):
            result[name] = _merge_list(last.get(name), wanted, live.get(name), child)
        else:
            result[name] = merge(last.get(name), wanted, live.get(name), child)
        if child is not None and "retainKeys" in child.merge_strategy:
            result[name] = _retained(result[name], wanted)
    for name in last:
        if name not in target:
            result.pop(name, None)
    return live if result == live else result


def _child(node: Node | None, name: str) -> Node | None:
    if node is None:
        return None
    return node.item if node.kind == "map" else node.fields.get(name)


def _retained(value: Any, wanted: Any) -> Any:
    if not isinstance(value, Mapping) or not isinstance(wanted, Mapping):
        return value
    return {name: inner for name, inner in value.items() if name in wanted}


def _merge_list(last: Any, wanted: list[Any], live: Any, node: Node | None) -> list[Any]:
    if not isinstance(live, list) or node is None or "merge" not in node.merge_strategy:
        return live if isinstance(live, list) and live == wanted else wanted
    last = last if isinstance(last, list) else []
    key = node.merge_key
    if not key:  # a set of plain values, such as finalizers
        gone = [each for each in last if each not in wanted]
        kept = [each for each in live if each not in gone]
        return [*kept, *(each for each in wanted if each not in kept)]
    if not all(isinstance(each, Mapping) and key in each for each in (*wanted, *live)):
        return wanted
    was = {each[key]: each for each in last if isinstance(each, Mapping) and key in each}
    have = {each[key]: each for each in live}
    want = {
        each[key]: _merge_item(was.get(each[key]), each, have.get(each[key]), node)
        for each in wanted
    }
    queue, result = list(want), []
    for name in have:  # desired items in the desired order, the others where they were
        if name in want:
            result.append(want[queue.pop(0)])
        elif name not in was:
            result.append(have[name])
    return [*result, *(want[name] for name in queue)]


def _merge_item(last: Any, wanted: Any, live: Any, node: Node) -> Any:
    if live is None:
        return wanted
    result = merge(last, wanted, live, node.item)
    return _retained(result, wanted) if "retainKeys" in node.merge_strategy else result


def canonical(obj: Object) -> Object:
    """An object as two spellings of the same content compare equal, without status and bookkeeping.

    Defaults and quantities are filled in for the kinds that are compiled in, as Argo CD's own
    normalisation does; a custom kind's defaults are only known to its cluster.
    """
    resource = compiled_in(obj["apiVersion"], obj["kind"])
    if resource is not None:
        obj = decode(obj, resource.node)[0]
        if obj["kind"] == "Secret" and split_api_version(obj["apiVersion"])[0] == "":
            obj = _folded(obj)
        obj = default(obj, resource, old=obj)  # what only new objects get is not filled in
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _BOOKKEEPING}
    written = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    metadata["annotations"] = written
    if not metadata.get("labels"):
        metadata.pop("labels", None)
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata}


_BOOKKEEPING = frozenset(
    {
        "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
        "managedFields", "resourceVersion", "selfLink", "uid",
    }
)  # fmt: skip


def _folded(secret: Object) -> Object:
    """A Secret with stringData folded into data, as the API server does."""
    import base64

    plain = secret.get("stringData")
    if not plain:
        return secret
    data = {name: base64.b64encode(str(text).encode()).decode() for name, text in plain.items()}
    rest = {name: value for name, value in secret.items() if name != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **data}}
