"""The subresources of pods that change them: binding to a node, and eviction.

Source: pkg/registry/core/pod/storage (BindingREST, EvictionREST), Kubernetes 1.37.
"""

from __future__ import annotations

from kubesim import refusals
from kubesim.api.options import Options
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.selectors import label_selector
from kubesim.store import Store

_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_MOST_DISRUPTED = 2000


def bound(pod: Object, binding: Object, now: str) -> Object:
    """The pod on the node that a Binding names.

    No manager owns the field: the real server writes it without field managers, too.

    Args:
        pod: the pod as stored.
        binding: the Binding.
        now: the time, as Kubernetes writes it.

    Raises:
        ApiError: 409 if the pod is bound, gated or being deleted already; 500 without a node, and
            without a reason, as the real server has it.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    target = binding.get("target") or {}
    node, kind = target.get("name"), target.get("kind") or "Node"
    if kind != "Node":
        supported = 'supported values: "Node", "<empty>"'
        raise ApiError(500, "", f'target.kind: Unsupported value: "{kind}": {supported}')
    if not node:
        raise ApiError(500, "", "target.name: Required value")
    if "deletionTimestamp" in metadata:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise refusals.conflict("", "pods/binding", name, why)
    if spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
        raise refusals.conflict("", "pods/binding", name, why)
    if spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
        raise refusals.conflict("", "pods/binding", name, why)
    annotations = (binding.get("metadata") or {}).get("annotations")
    if annotations:
        metadata = {**metadata, "annotations": {**metadata.get("annotations", {}), **annotations}}
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    status = pod.get("status") or {}
    others = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
    return {
        **pod,
        "metadata": metadata,
        "spec": {**spec, "nodeName": node},
        "status": {**status, "conditions": [*others, scheduled]},
    }


def budget_for(pod: Object, store: Store) -> Object | None:
    """The budget that an eviction must be charged to; None if the pod can go freely.

    Raises:
        ApiError: 500 if there are several; 429 if the budget is used up.
    """
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed", "Pending"):
        return None
    if "deletionTimestamp" in pod["metadata"]:
        return None
    labels = pod["metadata"].get("labels") or {}
    budgets = [
        budget
        for budget in store.list("policy", "poddisruptionbudgets", pod["metadata"]["namespace"])
        if label_selector(budget["spec"].get("selector"))(labels)
    ]
    if not budgets:
        return None
    if len(budgets) > 1:
        message = (
            "This pod has more than one PodDisruptionBudget, "
            "which the eviction subresource does not support."
        )
        raise ApiError(500, "InternalError", message)
    budget = budgets[0]
    if not _is_ready(pod) and _lets_go_of_broken(budget):
        return None
    _check(budget)
    return budget


def of_today(eviction: Object) -> Object:
    """An Eviction of policy/v1, though it says v1beta1: old clients send that, and the real server
    still takes it, alone of all that is served no longer."""
    if isinstance(eviction, dict) and eviction.get("apiVersion") == "policy/v1beta1":
        return {**eviction, "apiVersion": "policy/v1"}
    return eviction


def deletion_of(eviction: Object, options: Options) -> Options:
    """How a pod is deleted that is evicted."""
    asked = eviction.get("deleteOptions") or {}
    preconditions = asked.get("preconditions") or {}
    return Options(
        dry_run=options.dry_run or bool(asked.get("dryRun")),
        grace_period=asked.get("gracePeriodSeconds"),
        propagation=asked.get("propagationPolicy", ""),
        uid=preconditions.get("uid", ""),
        resource_version=preconditions.get("resourceVersion", ""),
        user=options.user,
        groups=options.groups,
    )


def charged(budget: Object, pod: str, now: str) -> Object:
    """A budget with one disruption fewer to spend, and the pod it was spent on."""
    status = budget["status"]
    return {
        **budget,
        "status": {
            **status,
            "disruptionsAllowed": status["disruptionsAllowed"] - 1,
            "disruptedPods": {**status.get("disruptedPods", {}), pod: now},
        },
    }


def _check(budget: Object) -> None:
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        why, wait = f"The disruption budget {name} is still being processed by the server.", 10
    elif len(status.get("disruptedPods") or ()) > _MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise refusals.forbidden("policy", "poddisruptionbudgets", name, why)
    elif status.get("disruptionsAllowed", 0) <= 0:
        needed, there = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        why = f"The disruption budget {name} needs {needed} healthy pods and has {there} currently"
        wait = 0
    else:
        return
    cause = {"reason": "DisruptionBudget", "message": why}
    raise refusals.too_many_requests(_VIOLATES, [cause], wait=wait)


def _lets_go_of_broken(budget: Object) -> bool:
    """Whether a pod that is not ready may be evicted although the budget is used up."""
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
