"""Objects as JSON spells them."""

from __future__ import annotations

import marshal
from typing import Any

Object = dict[str, Any]
"""An object as JSON spells it. Code that was handed one reads it; to change it, copy it first."""


def named(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Object:
    """An object with this name, and the fields that it has beside its metadata."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def copied(obj: Object) -> Object:
    """A deep copy of JSON values, by way of bytes: several times quicker than `copy.deepcopy`."""
    return marshal.loads(marshal.dumps(obj))  # type: ignore[no-any-return]


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group and version of an `apiVersion`; the core group is the empty string."""
    group, _, version = api_version.rpartition("/")
    return group, version


def join_api_version(group: str, version: str) -> str:
    """The `apiVersion` of a group and a version."""
    return f"{group}/{version}" if group else version
