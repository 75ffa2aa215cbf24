"""The columns of what nodes and pods use. Source: metrics-server v0.8, `pkg/api/table.go`."""

from __future__ import annotations

from kubesim.http.columns.column import NAME, Cell, Column, field
from kubesim.model import Object
from kubesim.quantity import Quantity


def _used(name: str) -> Cell:
    def cell(obj: Object, now: float) -> str:
        parts = obj.get("containers", [obj])
        return str(sum((Quantity.of(each["usage"][name]) for each in parts), Quantity()))

    return cell


METRICS = (
    NAME,
    Column("cpu", _used("cpu")),
    Column("memory", _used("memory")),
    field("Window", "window"),
)
