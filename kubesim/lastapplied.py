"""From client-side apply to server-side apply: the annotation that kubectl leaves behind.

A client-side `kubectl apply` writes what it applied into an annotation, and compares with it the
next time. Who then lets the server apply, as the field manager `kubectl`, does not come into
conflict with the manager of those days over what the annotation says, as long as it still is so.
And the server keeps the annotation right, so that one can go back.

Source: apimachinery `pkg/util/managedfields/internal`, lastappliedmanager.go and
lastappliedupdater.go (Kubernetes 1.37).
"""

from __future__ import annotations

import json

from kubesim import fieldsets
from kubesim.fieldsets import Fields
from kubesim.model import Object
from kubesim.schema import Node

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
"""Where a client-side apply keeps the configuration, as JSON."""

MANAGER = "kubectl"
"""The field manager of `kubectl apply --server-side`, unless it is given another one."""

MOST_BYTES = 256 * 1024
"""How much all annotations of an object may say together."""


def yielded(live: Object | None, manager: str, node: Node) -> Fields:
    """The fields over which a server-side apply does not come into conflict with anybody.

    They are those that the annotation states and that still are as it states them.
    """
    text = _annotations(live).get(ANNOTATION)
    if live is None or text is None or manager != MANAGER:
        return {}
    faults: list[str] = []
    try:
        applied = json.loads(text)
        stated = fieldsets.fields_of(applied, node, faults)
        written, removed = fieldsets.changes(applied, live, node)
    except (ValueError, TypeError, AttributeError):  # what another client wrote there
        return {}
    return {} if faults else fieldsets.difference(stated, fieldsets.union(written, removed))


def updated(merged: Object, config: Object, manager: str) -> Object:
    """The object with the annotation telling what was applied now; itself, if it has none."""
    annotations = _annotations(merged)
    if manager != MANAGER or ANNOTATION not in annotations:
        return merged
    metadata = dict(config.get("metadata") or {})
    others = {name: text for name, text in annotations.items() if name != ANNOTATION}
    if "annotations" in metadata:
        stated = metadata["annotations"] or {}
        metadata["annotations"] = {key: stated[key] for key in stated if key != ANNOTATION}
    applied = {**config, "metadata": metadata}
    text = json.dumps(applied, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    if annotations[ANNOTATION] == text:
        return merged
    size = sum(len(key.encode()) + len(value.encode()) for key, value in others.items())
    if size + len(ANNOTATION) + len(text.encode()) <= MOST_BYTES:
        others[ANNOTATION] = text
    return {**merged, "metadata": {**merged["metadata"], "annotations": others}}


def _annotations(obj: Object | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("annotations") or {}
