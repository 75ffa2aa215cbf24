"""What must hold for the metadata of every object.

Source: apimachinery `api/validation/objectmeta.go`, `pkg/apis/core/validation` (Kubernetes 1.37).
"""

from __future__ import annotations

from typing import Any

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    at_least,
    forbidden,
    immutable,
    in_go,
    invalid,
    invalids,
    required,
)
from kubesim.admission.validation.labels import check_annotations, check_labels
from kubesim.model import Object, split_api_version

_SERVERS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Fields that the server writes; a client that leaves them out does not mean to change them."""

_UNQUALIFIED_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def check_content(meta: Object, *, extension: bool = False) -> Errors:
    """Labels, annotations, owners and finalizers.

    Args:
        meta: the object's `metadata`.
        extension: whether the kind belongs to the extensions server (definitions and custom kinds),
            which lets finalizers be without a domain.
    """
    if "labels" in meta:
        yield from check_labels(meta["labels"], "metadata.labels")
    if "annotations" in meta:
        yield from check_annotations(meta["annotations"], "metadata.annotations")
    if "ownerReferences" in meta:
        yield from _owners(meta["ownerReferences"])
    if "finalizers" in meta:
        yield from _finalizers(meta["finalizers"])
        for index, finalizer in enumerate(() if extension else meta["finalizers"]):
            yield from check_finalizer_domain(finalizer, f"metadata.finalizers[{index}]")


def check_names(meta: Object, *, namespaced: bool, name_format: names.Format) -> Errors:
    """The names of a new object.

    Args:
        meta: its `metadata`.
        namespaced: whether objects of the kind live in namespaces.
        name_format: what the name of such an object must look like.
    """
    prefix, name = meta.get("generateName", ""), meta.get("name", "")
    if prefix:
        # A random suffix follows, so a trailing dash is no fault.
        masked = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
        yield from invalids("metadata.generateName", prefix, name_format(masked))
    if name:
        yield from invalids("metadata.name", name, name_format(name))
    else:
        yield required("metadata.name", "name or generateName is required")
    namespace = meta.get("namespace", "")
    if not namespaced:
        if namespace:
            yield forbidden("metadata.namespace", "not allowed on this type")
    elif namespace:
        yield from invalids("metadata.namespace", namespace, names.dns_label(namespace))
    else:
        yield required("metadata.namespace")
    yield from at_least("metadata.generation", meta.get("generation"))


def check_changes(meta: Object, old: Object) -> Errors:
    """The metadata of an object that takes the place of an old one."""
    if "deletionTimestamp" in old:
        before = old.get("finalizers", ())
        added = sorted({each for each in meta.get("finalizers", ()) if each not in before})
        if added:
            listed = ", ".join(f'"{each}"' for each in added)
            yield forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new "
                f"finalizers []string{{{listed}}}",
            )
    if meta.get("generation", 0) < old.get("generation", 0):
        yield invalid("metadata.generation", meta.get("generation", 0), "must not be decremented")
    for field in ("name", "namespace"):
        yield from immutable(f"metadata.{field}", meta.get(field, ""), old.get(field, ""))
    for field in _SERVERS:
        if field in meta:
            yield from immutable(f"metadata.{field}", meta[field], old.get(field))


def _owners(owners: list[Any]) -> Errors:
    controller = ""
    for owner in owners:
        path = "metadata.ownerReferences"
        api_version = owner.get("apiVersion", "")
        if not split_api_version(api_version)[1]:
            yield invalid(f"{path}.apiVersion", api_version, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield invalid(f"{path}.{field}", "", "must not be empty")
        if (api_version, owner.get("kind")) == ("v1", "Event"):
            yield invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            one = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                yield invalid(
                    path,
                    in_go(owners, "apimachinery.pkg.apis.meta.v1.OwnerReference"),
                    'Only one reference can have Controller set to true. Found "true" in '
                    f"references for {controller} and {one}",
                )
            controller = controller or one


def _finalizers(finalizers: list[str]) -> Errors:
    path = "metadata.finalizers"
    for finalizer in finalizers:
        yield from check_finalizer(finalizer, path)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        yield invalid(
            path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"
        )


def check_finalizer(finalizer: str, path: str) -> Errors:
    """A finalizer is named like a label."""
    yield from invalids(path, finalizer, names.label_key(finalizer))


def check_finalizer_domain(finalizer: str, path: str) -> Errors:
    """Finalizers without a domain are Kubernetes' own."""
    if "/" not in finalizer and finalizer not in _UNQUALIFIED_FINALIZERS:
        yield invalid(
            path,
            finalizer,
            "name is neither a standard finalizer name nor is it fully qualified",
        )
