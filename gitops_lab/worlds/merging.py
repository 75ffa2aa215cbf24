"""Kubeconfigs of several clusters as one."""

from __future__ import annotations

from collections.abc import Iterable

from gitops_lab.model import Object


def merged(configs: Iterable[Object]) -> Object:
    """One kubeconfig with the contexts of several; the first one's is the current one."""
    first, *others = configs
    lists = ("clusters", "users", "contexts")
    return {**first, **{part: [e for c in (first, *others) for e in c[part]] for part in lists}}
