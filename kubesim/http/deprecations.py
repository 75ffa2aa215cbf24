"""Resources that are still served, though no program should begin to use them.

Every answer about one carries a warning, which `kubectl` prints.

Source: the `APILifecycleDeprecated` methods of k8s.io/api (Kubernetes 1.37), and the wording of
apiserver `pkg/endpoints/deprecation`.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubesim.resources import Resource

_WARNINGS: Mapping[tuple[str, str], str] = {
    ("v1", "ComponentStatus"): "v1 ComponentStatus is deprecated in v1.19+",
    ("v1", "Endpoints"): (
        "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    ),
}


def deprecation(resource: Resource) -> list[str]:
    """What is said of a resource with every answer; nothing, unless it is deprecated."""
    warning = resource.deprecation or _WARNINGS.get((resource.api_version, resource.kind))
    return [warning] if warning else []
