"""Which Application an object belongs to: an annotation on the object says so.

Source: Argo CD 3.5, `util/argo/resource_tracking.go`; the method `annotation`, default since 3.0.
"""

from __future__ import annotations

from gitops_lab.frontends.argocd.app import annotations_of
from gitops_lab.frontends.argocd.names import TRACKING_ID
from gitops_lab.model import Object, ObjectKey

UNTRACKED_KINDS = frozenset({"CustomResourceDefinition"})
"""Kinds that bear no annotation, since several Applications may bring the same one."""


def tracking_id(instance: str, obj: Object, namespace: str) -> str:
    """What the annotation says on an object.

    Args:
        instance: the Application's tracking name.
        obj: the object.
        namespace: the destination's, for an object without one.
    """
    key = ObjectKey.of(obj)
    return f"{instance}:{key.group}/{key.kind}:{key.namespace or namespace}/{key.name}"


def tracked(obj: Object, instance: str, namespace: str) -> Object:
    """The object with its annotation."""
    if obj["kind"] in UNTRACKED_KINDS or "name" not in obj["metadata"]:
        return obj
    metadata = obj["metadata"]
    written = {
        **(metadata.get("annotations") or {}),
        TRACKING_ID: tracking_id(instance, obj, namespace),
    }
    return {**obj, "metadata": {**metadata, "annotations": written}}


def owner(obj: Object) -> str:
    """The tracking name of the Application that an object says it belongs to; empty if none."""
    return annotations_of(obj).get(TRACKING_ID, "").partition(":")[0]


def names_itself(obj: Object) -> bool:
    """Whether the annotation is about this very object, not copied from another one."""
    text = annotations_of(obj).get(TRACKING_ID)
    if text is None:
        return True
    _, _, rest = text.partition(":")
    kind, _, place = rest.partition(":")
    namespace, _, name = place.partition("/")
    key = ObjectKey.of(obj)
    return (
        kind == f"{key.group}/{key.kind}"
        and name == key.name
        and (not key.namespace or namespace == key.namespace)
    )
