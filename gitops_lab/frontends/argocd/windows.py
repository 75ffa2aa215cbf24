"""Sync windows: when a project lets its Applications sync.

Source: Argo CD 3.5, `pkg/apis/application/v1alpha1/types.go` SyncWindows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gitops_lab.frontends.argocd.app import duration
from gitops_lab.frontends.argocd.globs import matches
from gitops_lab.model import Object

Window = Mapping[str, Any]


def assigned(windows: Sequence[Window], app: Object, server: str, cluster: str) -> list[Window]:
    """The windows that are about an Application.

    Args:
        windows: the project's.
        app: the Application.
        server: the address of the destination's cluster.
        cluster: its name.
    """
    namespace = app["spec"]["destination"].get("namespace") or ""
    found = []
    for window in windows:
        fits = [
            any(matches(pattern, text) for pattern in window[name] for text in texts)
            for name, texts in (
                ("applications", [app["metadata"]["name"]]),
                ("namespaces", [namespace]),
                ("clusters", [server, cluster]),
            )
            if window.get(name)
        ]
        if fits and (all(fits) if window.get("andOperator") else any(fits)):
            found.append(window)
    return found


def is_active(window: Window, now: float) -> bool:
    """Whether a window is open now; one that cannot be read never is."""
    try:
        return started_at(window, now) is not None
    except (ValueError, KeyError):
        return False


def started_at(window: Window, now: float) -> float | None:
    """When the window that is open now began; None if it is not.

    Raises:
        ValueError: in Argo CD's words, what is wrong with the window.
    """
    from cronsim import CronSim, CronSimError

    length = _length(window)
    zone = ZoneInfo(window.get("timeZone") or "UTC")
    instant = datetime.fromtimestamp(now, UTC).astimezone(zone)
    schedule = str(window.get("schedule", ""))
    try:
        begin = next(CronSim(schedule, instant - timedelta(seconds=length)))
    except (CronSimError, StopIteration):
        raise ValueError(f"cannot parse schedule '{schedule}'") from None
    return begin.timestamp() if begin <= instant else None


def _length(window: Window) -> float:
    text = str(window.get("duration", ""))
    try:
        return duration(text)
    except ValueError as error:
        raise ValueError(f"cannot parse duration '{text}': {error}") from None


def faults(window: Window, now: float) -> list[str]:
    """What is wrong with a window."""
    found = []
    if window.get("kind") not in ("allow", "deny"):
        found.append(f"kind '{window.get('kind', '')}' mismatch: can only be allow or deny")
    try:
        started_at(window, now)
    except (ValueError, KeyError) as error:
        found.append(str(error))
    return found


def can_sync(
    windows: Sequence[Window], now: float, *, manual: bool, began: float | None = None
) -> bool:
    """Whether these windows allow a sync.

    Args:
        windows: those that are about the Application.
        now: the present instant, in seconds since the Unix epoch.
        manual: whether a person asked for it.
        began: when the sync began, if it runs already: syncOverrun lets it end.
    """
    active = [window for window in windows if is_active(window, now)]
    denies = [window for window in active if window["kind"] == "deny"]
    if denies:
        if manual and all(window.get("manualSync") for window in denies):
            return True
        return _overruns(denies, windows, began)
    if any(window["kind"] == "allow" for window in active):
        return True
    allows = [window for window in windows if window["kind"] == "allow"]
    if not allows:
        return True
    if manual and any(window.get("manualSync") for window in allows):
        return True
    return _overruns(allows, windows, began)


def _overruns(stopping: Sequence[Window], windows: Sequence[Window], began: float | None) -> bool:
    if began is None or not all(window.get("syncOverrun") for window in stopping):
        return False
    return can_sync(windows, began, manual=False)
