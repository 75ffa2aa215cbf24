"""The health of an Application: the worst of the objects it manages.

Source: Argo CD 3.5, `controller/health.go`; the rules for kinds are the engine's.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitops_lab.engine import hooks
from gitops_lab.engine.argo_health import argo_health
from gitops_lab.engine.health import SEVERITY
from gitops_lab.frontends.argocd.app import annotations_of
from gitops_lab.frontends.argocd.names import GROUP, IGNORE_HEALTHCHECK
from gitops_lab.model import HealthStatus, Object, split_api_version


def of_application(
    app: Object, pairs: Iterable[tuple[Object | None, Object | None]]
) -> HealthStatus:
    """The worst health of what an Application manages.

    A missing object does not count, for sync status says that already; only if none of the
    objects is live, the Application is Missing.

    Args:
        app: the Application, which may manage itself.
        pairs: desired and live object of each thing that it manages.
    """
    worst, any_object, any_live = HealthStatus.HEALTHY, False, False
    for target, live in pairs:
        if target is not None and hooks.is_skipped(target):
            continue
        if live is not None and (
            hooks.is_hook(live) or annotations_of(live).get(IGNORE_HEALTHCHECK) == "true"
        ):
            continue
        any_object = True
        if live is None:
            continue
        any_live = True
        if live["metadata"]["uid"] == app["metadata"]["uid"]:
            continue
        found = argo_health(live)
        if found is None or (_is_application(live) and found.status in _OF_CHILD):
            continue
        worst = max(worst, found.status, key=SEVERITY.__getitem__)
    if any_object and not any_live:
        worst = max(worst, HealthStatus.MISSING, key=SEVERITY.__getitem__)
    return worst


_OF_CHILD = (HealthStatus.MISSING, HealthStatus.UNKNOWN)


def _is_application(obj: Object) -> bool:
    return obj["kind"] == "Application" and split_api_version(obj["apiVersion"])[0] == GROUP
