"""ValidatingAdmissionPolicies: their status says what is wrong in them.

Source: Kubernetes 1.37, pkg/controller/validatingadmissionpolicystatus.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.api import Options
from kubesim.controllers.loop import Controller, Item
from kubesim.model import named
from kubesim.store import Event
from kubesim.validating.typechecking import warnings

GROUP, PLURAL = "admissionregistration.k8s.io", "validatingadmissionpolicies"


class PolicyStatus(Controller):
    """Writes into each policy's status which generation of it was checked, and to what end."""

    name = "validatingadmissionpolicy-status-controller"
    watches = ((GROUP, PLURAL),)

    def keys(self, event: Event) -> Iterable[Item]:
        """The policy."""
        return [("", event.key.name)]

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Write the status of a policy that has changed."""
        policy = self.api.store.get((GROUP, PLURAL, "", name))
        if policy is None:
            return
        generation = policy["metadata"].get("generation", 0)
        if (policy.get("status") or {}).get("observedGeneration") == generation:
            return
        kind = "ValidatingAdmissionPolicy"
        resource = self.api.registry.by_kind(f"{GROUP}/v1", kind)
        found = warnings(policy, self.api.registry)
        checked = {"expressionWarnings": found} if found else {}
        status = {"observedGeneration": generation, "typeChecking": checked}
        self.api.apply(
            resource,
            name,
            named(resource.api_version, kind, name, status=status),
            subresource="status",
            options=Options(field_manager="ValidatingAdmissionPolicyStatus", force=True),
        )
