"""Desired objects in the form in which they are sent to the API server."""

from __future__ import annotations

from base64 import b64encode

from gitops_lab.model import Object

OWNER_LABEL = "gitops-lab/owner"
"""Label on every applied object: the deployer that applied it. Only its owner may prune it."""


def stamped(body: Object, owner: str) -> Object:
    """A desired object, normalised, with its owner's label."""
    body = normalised(body)
    metadata = body["metadata"]
    labels = {**(metadata.get("labels") or {}), OWNER_LABEL: owner}
    return {**body, "metadata": {**metadata, "labels": labels}}


def owner_of(live: Object) -> str:
    """The deployer whose label a live object bears; empty if it bears none."""
    return str((live["metadata"].get("labels") or {}).get(OWNER_LABEL, ""))


def normalised(body: Object) -> Object:
    """A desired object in the form in which drift can be seen: no status, no stringData.

    The API server keeps what `stringData` once wrote in `data`. So a key that Git drops would stay
    for ever (source: fluxcd/pkg/ssa, `normalize`).
    """
    result = {name: value for name, value in body.items() if name != "status"}
    if "creationTimestamp" in body["metadata"]:
        metadata = body["metadata"].items()
        result["metadata"] = {k: v for k, v in metadata if k != "creationTimestamp"}
    if body["kind"] == "Secret" and isinstance(body.get("stringData"), dict):
        encoded = {
            name: b64encode(str(value).encode()).decode()
            for name, value in result.pop("stringData").items()
        }
        result["data"] = {**(body.get("data") or {}), **encoded}
    return result
