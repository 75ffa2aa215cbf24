"""What a Kustomization's status remembers: the inventory, and the history of its runs.

Source: kustomize-controller 1.9, api/v1/{inventory,history}_types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_lab.engine.inventory import Inventory, object_id, parse_id
from gitops_lab.frontends.flux.durations import duration
from gitops_lab.model import Object
from kubesim.clock import timestamp

MAX_HISTORY = 5
"""Entries in a history."""


def dump(inventory: Inventory) -> dict[str, Any]:
    """An inventory as `status.inventory` holds it, sorted by the ids of its entries."""
    entries = [{"id": object_id(key), "v": version} for key, version in inventory.items()]
    return {"entries": sorted(entries, key=lambda entry: entry["id"])}


def load(stored: Mapping[str, Any] | None) -> Inventory:
    """The inventory that `status.inventory` holds; empty if there is none."""
    entries: Iterable[Mapping[str, str]] = (stored or {}).get("entries") or ()
    return {parse_id(entry["id"]): entry["v"] for entry in entries}


def add_history(
    history: Sequence[Object],
    digest: str,
    outcome: str,
    *,
    began: float,
    ended: float,
    metadata: Mapping[str, str],
) -> list[Object]:
    """The history with one more run: one entry for each build and outcome, the newest first.

    Args:
        history: so far.
        digest: of what was built.
        outcome: the reason of the Ready condition.
        began: when the run began, in seconds since the Unix epoch.
        ended: when it ended.
        metadata: the revisions.
    """
    same = next(
        (e for e in history if (e["digest"], e["lastReconciledStatus"]) == (digest, outcome)), None
    )
    others = [each for each in history if each is not same]
    entry = {
        "digest": digest,
        "firstReconciled": same["firstReconciled"] if same else timestamp(ended),
        "lastReconciled": timestamp(ended),
        "lastReconciledDuration": duration(ended - began),
        "lastReconciledStatus": outcome,
        "totalReconciliations": (same["totalReconciliations"] if same else 0) + 1,
        "metadata": dict(metadata),
    }
    return [entry, *others][:MAX_HISTORY]
