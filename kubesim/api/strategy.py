"""What a write may touch: the parts of an object that its writer does not decide.

Source: the `PrepareForCreate` and `PrepareForUpdate` of the registry strategies
(pkg/registry/*/strategy.go) and `BeforeCreate`, `BeforeUpdate` of the generic registry.
"""

from __future__ import annotations

from random import Random

from kubesim.api.definitions import is_definition, with_stored_version
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.schema import fresh
from kubesim.store import Key

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters and digits of generated names: no vowels, so that no words come out
(apimachinery `util/rand`)."""

_MOST_OF_A_BASE = 58
"""A generated name is at most 63 characters long, five of which are drawn."""

_SERVERS_OWN = (
    "resourceVersion",
    "generation",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
"""Metadata that a new object cannot bring along."""

_ABSENT_IF_EMPTY = ("annotations", "finalizers", "labels", "ownerReferences")
"""Metadata that an object has either with something in it or not at all."""

_KEPT_ON_CREATE = frozenset({("", "nodes")})
"""Resources with a status subresource whose create takes the status nevertheless."""

_CREATE_ON_UPDATE = frozenset(
    {
        ("", "endpoints"),
        ("", "events"),
        ("", "limitranges"),
        ("coordination.k8s.io", "leases"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "rolebindings"),
        ("rbac.authorization.k8s.io", "roles"),
    }
)

_CONDITIONAL_ONLY = frozenset(
    {
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
        ("coordination.k8s.io", "leases"),
        ("flowcontrol.apiserver.k8s.io", "flowschemas"),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
        ("node.k8s.io", "runtimeclasses"),
        ("policy", "poddisruptionbudgets"),
    }
)


def creates_on_update(resource: Resource) -> bool:
    """Whether an update of an object that does not exist creates it."""
    return (resource.group, resource.plural) in _CREATE_ON_UPDATE


def updates_unconditionally(resource: Resource) -> bool:
    """Whether an update may leave out the resourceVersion, and so overwrite the newest state."""
    return not resource.is_custom and (resource.group, resource.plural) not in _CONDITIONAL_ONLY


def has_status(resource: Resource) -> bool:
    """Whether the status is written through a subresource of its own."""
    return "status" in resource.subresources


def new_uid(rng: Random) -> str:
    """A random (version 4) UUID."""
    digits = f"{rng.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    tail = digits[17:20]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{tail}-{digits[20:]}"


def generated(base: str, rng: Random) -> str:
    """A name made of `metadata.generateName` and five random characters."""
    return base[:_MOST_OF_A_BASE] + suffix(rng)


def suffix(rng: Random) -> str:
    """The random characters at the end of a generated name."""
    return "".join(rng.choices(_ALPHABET, k=5))


def before_create(obj: Object, resource: Resource, key: Key, *, now: str, uid: str) -> Object:
    """A new object with what only the server gives, without what is not given with a create.

    Args:
        obj: the object as decoded.
        resource: what is created.
        key: where it will be stored.
        now: the time of creation, as Kubernetes writes it.
        uid: its uid.
    """
    given = obj.get("metadata", {})
    metadata = {key: value for key, value in given.items() if key not in _SERVERS_OWN}
    metadata.pop("namespace", None)
    metadata["name"] = key.name
    if key.namespace:
        metadata["namespace"] = key.namespace
    metadata["uid"], metadata["creationTimestamp"] = uid, now
    if resource.generation:
        metadata["generation"] = 1
    _drop_empty(metadata)
    obj = {**obj, "metadata": metadata}
    if has_status(resource) and (resource.group, resource.plural) not in _KEPT_ON_CREATE:
        obj.pop("status", None)
        if "status" in resource.node.zeros.written:
            obj["status"] = fresh(resource.node.zeros.written["status"])
    if is_definition(key):
        return with_stored_version(obj)
    match key[:2]:
        case ("apps", "daemonsets"):
            return _with_template_generation(obj, 1)
        case ("", "persistentvolumes"):
            return {**obj, "status": {**obj["status"], "lastPhaseTransitionTime": now}}
    return obj


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""The annotation in which a DaemonSet counts the changes of its template."""


def _template_generation(obj: Object) -> int:
    told = (obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    return int(told) if told.isdecimal() else 0


def _with_template_generation(obj: Object, generation: int) -> Object:
    metadata = obj["metadata"]
    annotations = {**(metadata.get("annotations") or {}), TEMPLATE_GENERATION: str(generation)}
    return {**obj, "metadata": {**metadata, "annotations": annotations}}


def before_update(obj: Object, old: Object, resource: Resource, subresource: str) -> Object:
    """A changed object with everything that this write cannot change as it was.

    Args:
        obj: the object as the writer wants it.
        old: the object as stored.
        resource: what is written.
        subresource: what is written: `status`, `scale`, `finalize`, `resize`,
            `ephemeralcontainers`, or empty.
    """
    metadata, before = obj.get("metadata", {}), old["metadata"]
    if metadata is not before:
        metadata = _metadata(metadata, before)
    if subresource == "status":
        if resource.kind == "Deployment":
            metadata = _as_before(metadata, before, "labels")
        elif resource.kind == "Pod":
            metadata = _as_before(metadata, before, "ownerReferences")
        elif resource.is_custom:
            metadata = _as_before(before, metadata, "managedFields")
        result = {**old, "metadata": metadata, "status": obj.get("status")}
        if result["status"] is None:
            del result["status"]
        return result
    if subresource in _PARTS_OF_PODS:
        metadata = _as_before(before, metadata, "managedFields")
        spec = _PARTS_OF_PODS[subresource](old["spec"], obj.get("spec") or {})
        return {**old, "metadata": metadata, "spec": spec}
    result = {**obj, "metadata": metadata}
    if has_status(resource):
        result = _as_before(result, old, "status")
    if is_definition((resource.group, resource.plural)):
        result = with_stored_version(result)
    if resource.kind == "Namespace" and not resource.group and subresource != "finalize":
        result["spec"] = _as_before(result.get("spec") or {}, old.get("spec") or {}, "finalizers")
    if (resource.group, resource.kind) == ("apps", "DaemonSet"):
        result = _with_template_generation(result, _template_generation(old))
    return result


def _resized(spec: Object, wanted: Object) -> Object:
    """A pod's spec with the amounts that are wanted for its containers.

    If they are not the same containers, validation has to say so.
    """
    return {
        **spec,
        **{
            kind: _with_amounts(spec.get(kind) or [], wanted.get(kind) or [])
            for kind in ("containers", "initContainers")
            if spec.get(kind) or wanted.get(kind)
        },
    }


def _with_amounts(containers: list[Object], wanted: list[Object]) -> list[Object]:
    if [each["name"] for each in containers] != [each.get("name") for each in wanted]:
        return wanted
    return [
        {
            **{key: value for key, value in container.items() if key not in _AMOUNTS},
            **{key: value for key, value in new.items() if key in _AMOUNTS},
        }
        for container, new in zip(containers, wanted, strict=True)
    ]


def _with_ephemeral_containers(spec: Object, wanted: Object) -> Object:
    return _as_before(spec, wanted, "ephemeralContainers")


_AMOUNTS = ("resources", "resizePolicy")

_PARTS_OF_PODS = {
    "resize": _resized,
    "ephemeralcontainers": _with_ephemeral_containers,
}
"""What a write of a pod's subresource makes of its spec; all else stays as it was."""


def _metadata(metadata: Object, before: Object) -> Object:
    """The metadata of an update, with what an update cannot change as it was."""
    metadata = {**metadata, "resourceVersion": before["resourceVersion"]}
    for key in ("name", "namespace", "uid"):
        if key in before and not metadata.get(key):
            metadata[key] = before[key]
    if "managedFields" in before:  # an empty list is a wish to be rid of them
        metadata.setdefault("managedFields", before["managedFields"])
    metadata["creationTimestamp"] = before["creationTimestamp"]
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if key in before:
            metadata[key] = before[key]
    _drop_empty(metadata)
    return _as_before(metadata, before, "generation")


def _drop_empty(metadata: Object) -> None:
    for key in _ABSENT_IF_EMPTY:
        if key in metadata and not metadata[key]:
            del metadata[key]


def _as_before(obj: Object, before: Object, key: str) -> Object:
    """The object with one field as it was."""
    obj = {name: value for name, value in obj.items() if name != key}
    if key in before:
        obj[key] = before[key]
    return obj


def next_generation(obj: Object, old: Object, resource: Resource) -> Object:
    """The object with its generation moved if what it asks for has changed.

    A Deployment's moves with its annotations too: its strategy has always done so.
    """
    if not resource.generation or not _asks_for_more(obj, old, resource):
        return obj
    generation = old["metadata"].get("generation", 0) + 1
    if (resource.group, resource.kind) == ("apps", "DaemonSet"):
        if obj["spec"].get("template") != old["spec"].get("template"):
            obj = _with_template_generation(obj, _template_generation(old) + 1)
    return {**obj, "metadata": {**obj["metadata"], "generation": generation}}


_HEADER = frozenset({"apiVersion", "kind", "metadata"})


def _asks_for_more(obj: Object, old: Object, resource: Resource) -> bool:
    if resource.kind == "Deployment":
        annotations = obj["metadata"].get("annotations") or {}
        if annotations != (old["metadata"].get("annotations") or {}):
            return True
    not_asked_for = _HEADER | ({"status"} if _tells_status(resource) else frozenset())
    return any(obj.get(key) != old.get(key) for key in (obj.keys() | old.keys()) - not_asked_for)


def _tells_status(resource: Resource) -> bool:
    """Whether `status` is what is told of an object: a custom kind has to say so."""
    return has_status(resource) or not resource.is_custom
