"""Tables: what `kubectl get` shows, made where the objects are. And objects without their content.

Source: meta/v1 Table and PartialObjectMetadata (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from kubesim.http.columns import columns
from kubesim.http.columns.pods import row_conditions
from kubesim.model import Object
from kubesim.resources import Resource

Include = Literal["None", "Metadata", "Object"]
"""What a row has of its object besides the cells."""

API_VERSION = "meta.k8s.io/v1"


def table(
    resource: Resource,
    objects: Iterable[Object],
    *,
    now: float,
    include: Include | str = "Metadata",
    metadata: Mapping[str, Any] | None = None,
) -> Object:
    """Objects as rows.

    Args:
        resource: what they are.
        objects: one for each row.
        now: the instant for which ages are told, in seconds since the Unix epoch.
        include: what goes along with each row.
        metadata: of the list that the objects are from.
    """
    shown = columns(resource)
    is_pods = (resource.group, resource.kind) == ("", "Pod")
    rows = []
    for obj in objects:
        row: Object = {
            "cells": [column.cell(obj, now) for column in shown],
            "object": _included(obj, include),
        }
        conditions = list(row_conditions(obj)) if is_pods else ()
        if conditions:
            row["conditions"] = conditions
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": API_VERSION,
        "metadata": dict(metadata or {}),
        "columnDefinitions": [column.definition for column in shown],
        "rows": rows,
    }


def partial_metadata(obj: Object) -> Object:
    """What an object is called and who has to do with it, without what it says."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": API_VERSION,
        "metadata": obj["metadata"],
    }


def _included(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    return obj if include == "Object" else partial_metadata(obj)
