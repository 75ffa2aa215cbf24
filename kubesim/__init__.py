"""kubesim: a simulated Kubernetes cluster, in a Python process.

The names below are its public face; everything else is private. They are imported when they are
first used. See README.md beside this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubesim.cluster import Cluster
    from kubesim.controllers.images import Behaviour, Catalogue
    from kubesim.errors import ApiError, LabError, UsageError
    from kubesim.serving import Served, serve

_HOMES = {
    "ApiError": "kubesim.errors",
    "Behaviour": "kubesim.controllers.images",
    "Catalogue": "kubesim.controllers.images",
    "Cluster": "kubesim.cluster",
    "LabError": "kubesim.errors",
    "Served": "kubesim.serving",
    "UsageError": "kubesim.errors",
    "serve": "kubesim.serving",
}

__all__ = [
    "ApiError",
    "Behaviour",
    "Catalogue",
    "Cluster",
    "LabError",
    "Served",
    "UsageError",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
