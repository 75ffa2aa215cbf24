"""Which container of a pod a request is about."""

from __future__ import annotations

from typing import Any

from kubesim import refusals
from kubesim.model import Object

_DEFAULT = "kubectl.kubernetes.io/default-container"


def chosen(pod: Object, asked: str) -> str:
    """The container that is asked for, or the one that is meant if none is.

    Source: Kubernetes 1.37, pkg/registry/core/pod (`validateContainer`).

    Raises:
        ApiError: 400 BadRequest: there is no such container, or several could be meant.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    main = [each["name"] for each in spec["containers"]]
    others = [
        each["name"]
        for field in ("initContainers", "ephemeralContainers")
        for each in spec.get(field) or ()
    ]
    pod_name = metadata["name"]
    if not asked:
        asked = (metadata.get("annotations") or {}).get(_DEFAULT, "")
    if not asked and len(main) == 1:
        return str(main[0])
    if not asked:
        raise refusals.bad_request(
            f"a container name must be specified for pod {pod_name}, choose one of: "
            f"[{' '.join(main)}]"
            + (f" or one of the init containers: [{' '.join(others)}]" if others else "")
        )
    if asked not in (*main, *others):
        raise refusals.bad_request(f"container {asked} is not valid for pod {pod_name}")
    return asked


def status(pod: Object, container: str) -> Any:
    """A container's entry in its pod's status; an empty one if there is none yet."""
    found = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for each in found.get(field) or ():
            if each["name"] == container:
                return each
    return {}
