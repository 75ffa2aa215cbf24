"""What a deletion makes of an object: nothing, or something that waits to go.

An object with finalizers stays until the last of them is removed; a pod that runs stays until
its kubelet reports that it has stopped; a namespace stays until it is empty.

Source: `BeforeDelete` and `updateForGracefulDeletionAndFinalizers` of the generic registry,
`CheckGracefulDelete` of the pods' strategy, the Delete of the namespaces' registry.
"""

from __future__ import annotations

from datetime import datetime

from kubesim import refusals
from kubesim.api.definitions import CLEANUP, is_definition
from kubesim.api.options import Options
from kubesim.clock import timestamp
from kubesim.model import Object
from kubesim.resources import Resource

ORPHAN = "orphan"
"""The finalizer that has the garbage collector release the dependents first."""

FOREGROUND = "foregroundDeletion"
"""The finalizer that has the garbage collector delete the dependents first."""

_ORPHANS_BY_DEFAULT = frozenset({("", "replicationcontrollers"), ("batch", "jobs")})

_PROTECTED = ("default", "kube-system", "kube-public")


def check(obj: Object, resource: Resource, options: Options) -> None:
    """Whether the deletion is for this very object, and allowed.

    Raises:
        ApiError: 409 Conflict, 403 Forbidden, 422 Invalid.
    """
    metadata = obj["metadata"]
    name = metadata["name"]
    if options.propagation not in ("", "Background", "Foreground", "Orphan"):
        raise refusals.invalid(
            "meta.k8s.io",
            "DeleteOptions",
            "",
            [
                (
                    "FieldValueNotSupported",
                    f'Unsupported value: "{options.propagation}": supported values: '
                    '"Foreground", "Background", "Orphan", "nil"',
                    "propagationPolicy",
                )
            ],
        )
    if options.uid and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata['uid']}). The object might have been deleted and then recreated"
        )
        raise refusals.conflict(resource.group, resource.kind, name, why)
    if options.resource_version and options.resource_version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match "
            f"the ResourceVersion in record ({metadata['resourceVersion']}). The object might "
            "have been modified"
        )
        raise refusals.conflict(resource.group, resource.kind, name, why)
    if resource.kind == "Namespace" and name in _PROTECTED:
        raise refusals.forbidden("", "namespaces", name, "this namespace may not be deleted")


def marked(obj: Object, resource: Resource, options: Options, now: float) -> Object | None:
    """The object as it waits to go; None if it goes at once.

    Args:
        obj: the object as stored.
        resource: what it is.
        options: how it is to be deleted.
        now: the instant of the request, in seconds since the Unix epoch.
    """
    if resource.kind == "Namespace" and not resource.group:
        return _namespace(obj, now)
    if is_definition((resource.group, resource.plural)) and _is_first_request(obj):
        return _definition(obj, now)
    finalizers, grace = _finalizers(obj, resource, options), _grace(obj, resource, options)
    if not finalizers and not grace:
        return None
    metadata = obj["metadata"]
    if (
        metadata.get("deletionTimestamp")
        and metadata.get("deletionGracePeriodSeconds", 0) == grace
        and metadata.get("finalizers", []) == finalizers
    ):
        return obj
    return _waiting(obj, finalizers, grace, now)


def is_over(obj: Object, resource: Resource) -> bool:
    """Whether nothing keeps an object any longer whose deletion has been asked for."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if resource.kind == "Namespace" and not resource.group:
        return not obj.get("spec", {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")


def _waiting(obj: Object, finalizers: list[str], grace: int, now: float) -> Object:
    before = obj["metadata"]
    metadata = {key: value for key, value in before.items() if key != "finalizers"}
    if finalizers:
        metadata["finalizers"] = finalizers
    if "deletionTimestamp" in before:
        # A shorter wait is counted from when the longer one began.
        waited = before.get("deletionGracePeriodSeconds", 0)
        now = datetime.fromisoformat(before["deletionTimestamp"]).timestamp() - waited
    elif before.get("generation", 0) > 0:
        metadata["generation"] = before["generation"] + 1
    metadata["deletionTimestamp"] = timestamp(now + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    return {**obj, "metadata": metadata}


def _namespace(namespace: Object, now: float) -> Object | None:
    if not namespace.get("spec", {}).get("finalizers"):
        if not namespace["metadata"].get("finalizers"):
            return None
    if "deletionTimestamp" in namespace["metadata"]:
        return namespace
    return {
        **namespace,
        "metadata": {**namespace["metadata"], "deletionTimestamp": timestamp(now)},
        "status": {**namespace.get("status", {}), "phase": "Terminating"},
    }


def _is_first_request(obj: Object) -> bool:
    return "deletionTimestamp" not in obj["metadata"]


def _definition(definition: Object, now: float) -> Object:
    """A CustomResourceDefinition that waits for its instances to be gone."""
    before, status = definition["metadata"], definition.get("status", {})
    finalizers = [each for each in before.get("finalizers") or () if each != CLEANUP]
    others = [each for each in status.get("conditions") or () if each.get("type") != "Terminating"]
    terminating = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": timestamp(now),
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will "
        "begin soon",
    }
    return {
        **definition,
        "metadata": {
            **before,
            "deletionTimestamp": timestamp(now),
            "finalizers": [*finalizers, CLEANUP],
        },
        "status": {**status, "conditions": [*others, terminating]},
    }


def _grace(obj: Object, resource: Resource, options: Options) -> int:
    """How many seconds a pod has to stop; anything but a pod has none."""
    if resource.kind != "Pod" or resource.group:
        return 0
    asked = options.grace_period
    if asked is not None and asked < 0:
        asked = 1
    metadata, spec = obj["metadata"], obj["spec"]
    if "deletionTimestamp" in metadata:
        # It waits already; only a shorter wait can be asked for.
        pending: int = metadata.get("deletionGracePeriodSeconds", 0)
        return pending if asked is None else min(asked, pending)
    if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0  # no kubelet will ever report that it has stopped
    grace = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
    return grace if grace >= 0 else 1


def _finalizers(obj: Object, resource: Resource, options: Options) -> list[str]:
    """The finalizers under which an object is deleted, its own and the garbage collector's."""
    given = obj["metadata"].get("finalizers") or []
    policy = options.propagation
    if not policy:
        if ORPHAN in given:
            policy = "Orphan"
        elif FOREGROUND in given:
            policy = "Foreground"
        elif (resource.group, resource.plural) in _ORPHANS_BY_DEFAULT:
            policy = "Orphan"
    own = [each for each in given if each not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan":
        return [*own, ORPHAN]
    return [*own, FOREGROUND] if policy == "Foreground" else own
