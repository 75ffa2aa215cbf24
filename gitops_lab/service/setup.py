"""What a sandbox is to be made of: what a person wants, and what it was made of before."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gitops_lab.errors import UsageError
from gitops_lab.state import Setup, StateFolder

ARMS = ("push-on-commit", "pull+self-heal")
"""What a sandbox is made of unless a person says otherwise."""

PARTS_OF = {"node_image": "kind", "context": "context", "namespace": "context"}
"""Parts of a setup that only one backend uses."""


def chosen(
    folder: StateFolder,
    kept: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    is_running: bool = False,
) -> Setup:
    """What a sandbox is to be made of.

    Args:
        folder: the sandbox's.
        kept: what it is made of so far, if anything.
        wanted: what a person wants it to be made of.
        is_running: it is too late for another speed.

    Raises:
        UsageError: it is made of something else already.
    """
    if wanted.get("arms") == ["all"]:
        from gitops_lab import sandbox  # slow to load, and only needed for `all`

        wanted = {**wanted, "arms": list(sandbox.ARMS)}
    if kept:
        before = {**asdict(Setup(ARMS)), **kept}
        free = ("confirmed",) if is_running else ("confirmed", "speed")
        for part, value in wanted.items():
            if part not in free and before[part] != _plain(value):
                has = f"{part.replace('_', ' ')} {_said(before[part])}"
                raise UsageError(
                    f"the sandbox {folder.name!r} has {has}",
                    fix="go on with it by leaving that out, remove it with `gitops-lab down`, or "
                    "make another with --name",
                )
    # Others may have a sandbox of the same name in the same cluster.
    identity = f"{folder.name}-{secrets.token_hex(3)}"
    parts = {"arms": ARMS, "identity": identity, **kept, **wanted}
    return _fitting(Setup.of(parts))


def _fitting(setup: Setup) -> Setup:
    """A setup none of whose parts would be passed over in silence.

    Raises:
        UsageError: there is such a part.
    """
    for part, backend in PARTS_OF.items():
        if getattr(setup, part) and setup.backend != backend:
            raise UsageError(
                f"--{part.replace('_', '-')} means nothing for {setup.backend} clusters",
                fix=f"add --backend {backend}, or leave it out",
            )
    return setup


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else repr(value)
