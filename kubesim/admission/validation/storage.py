"""What must hold for claims, volumes and storage classes.

Source: pkg/apis/core/validation and pkg/apis/storage/validation (Kubernetes 1.37).
"""

from __future__ import annotations

from kubesim.admission.validation import names
from kubesim.admission.validation.amounts import check_quantity
from kubesim.admission.validation.field import (
    Errors,
    difference,
    forbidden,
    immutable,
    invalid,
    invalids,
    not_supported,
    one_of,
    required,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.admission.validation.scheduling import check_node_selector
from kubesim.model import Object
from kubesim.quantity import canonical, parse

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")
_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_NOT_SOURCES = frozenset(
    (
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    )
)


def claim(obj: Object, old: Object | None) -> Errors:
    """A PersistentVolumeClaim; once it exists, a bound one may grow, and no more."""
    spec = obj.get("spec", {})
    yield from check_claim_spec(spec, "spec")
    if old is not None:
        yield from _claim_change(obj, old)


def check_claim_spec(spec: Object, path: str) -> Errors:
    """What a claim asks of storage."""
    modes = spec.get("accessModes", [])
    if not modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from check_selector(spec.get("selector"), f"{path}.selector")
    yield from _modes(modes, path)
    asked = spec.get("resources", {}).get("requests", {}).get("storage")
    at = f"{path}.resources[storage]"
    if asked is None:
        yield required(at)
    elif parse(asked) <= 0:
        yield invalid(at, canonical(asked), "must be greater than zero")
    else:
        yield from check_quantity("storage", asked, at)
    yield from _class_and_mode(spec, path)
    for field in ("dataSource", "dataSourceRef"):
        if field in spec:
            yield from _data_source(spec[field], f"{path}.{field}")


def _modes(modes: list[str], path: str) -> Errors:
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield not_supported(f"{path}.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        yield forbidden(f"{path}.accessModes", detail)


def _class_and_mode(spec: Object, path: str) -> Errors:
    name = spec.get("storageClassName", "")
    if name:
        yield from invalids(f"{path}.storageClassName", name, names.dns_subdomain(name))
    if spec.get("volumeMode", "Block") not in _VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec["volumeMode"], _VOLUME_MODES)


def _data_source(source: Object, path: str) -> Errors:
    for field in ("name", "kind"):
        if not source.get(field):
            yield required(f"{path}.{field}")
    group, kind = (source.get("apiGroup") or ""), source.get("kind", "")
    if group:
        yield from invalids(f"{path}.apiGroup", group, names.dns_subdomain(group))
    elif kind != "PersistentVolumeClaim":
        detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        yield invalid(path, kind, detail)


def _claim_change(obj: Object, old: Object) -> Errors:
    spec, before = dict(obj.get("spec", {})), dict(old.get("spec", {}))
    size = spec.get("resources", {}).get("requests", {}).get("storage", "0")
    old_size = before.get("resources", {}).get("requests", {}).get("storage", "0")
    mode, old_mode = spec.get("volumeMode"), before.get("volumeMode")
    if not before.get("volumeName"):  # binding names the volume, once
        before["volumeName"] = spec.get("volumeName")
        before = {field: value for field, value in before.items() if value is not None}
    if "storageClassName" not in before:  # the default class may come later
        spec.pop("storageClassName", None)
    if obj.get("status", {}).get("phase") == "Bound":
        requests = {**spec.get("resources", {}).get("requests", {}), "storage": old_size}
        spec["resources"] = {**spec.get("resources", {}), "requests": requests}
        spec.pop("volumeAttributesClassName", None)
        before.pop("volumeAttributesClassName", None)
    if spec != before:
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims\n"
            + difference(before, spec, "api.core.v1.PersistentVolumeClaimSpec"),
        )
    if parse(size) < parse(old_size):
        capacity = old.get("status", {}).get("capacity", {}).get("storage", "0")
        if parse(size) <= parse(capacity):
            detail = "field can not be less than status.capacity"
            yield forbidden("spec.resources.requests.storage", detail)
    yield from immutable("volumeMode", mode, old_mode)


def volume(obj: Object, old: Object | None) -> Errors:
    """A PersistentVolume; where its data lies is fixed."""
    spec = obj.get("spec", {})
    sources = [field for field in spec if field not in _NOT_SOURCES]
    modes = spec.get("accessModes", [])
    if not modes:
        yield required("spec.accessModes")
    yield from _modes(modes, "spec")
    capacity = spec.get("capacity", {})
    if not capacity:
        yield required("spec.capacity")
    elif list(capacity) != ["storage"]:
        yield not_supported("spec.capacity", capacity, ("storage",))
    for name, amount in capacity.items():
        if parse(amount) <= 0:
            detail = "must be greater than zero"
            yield invalid(f"spec.capacity[{name}]", canonical(amount), detail)
    policy = spec.get("persistentVolumeReclaimPolicy", "Retain")
    if policy not in _RECLAIM_POLICIES:
        yield not_supported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
    if "required" in spec.get("nodeAffinity", {}):
        at = "spec.nodeAffinity.required"
        yield from check_node_selector(spec["nodeAffinity"]["required"], at)
    elif "nodeAffinity" in spec:
        yield required("spec.nodeAffinity.required", "must specify required node constraints")
    if not sources:
        yield required("spec", "must specify a volume type")
    path = spec.get("hostPath", {}).get("path", "")
    yield from invalids("spec.hostPath.path", path, names.no_backsteps(path))
    for kind in sources[1:]:
        yield forbidden(f"spec.{kind}", "may not specify more than 1 volume type")
    if "local" in spec and "nodeAffinity" not in spec:
        yield required("spec.nodeAffinity", "Local volume requires node affinity")
    yield from _class_and_mode(spec, "spec")
    if old is None:
        return
    before = old.get("spec", {})
    if {field: spec[field] for field in sources} != {
        field: value for field, value in before.items() if field not in _NOT_SOURCES
    }:
        yield forbidden(
            "spec.persistentvolumesource",
            "spec.persistentvolumesource is immutable after creation\n"
            + difference(
                {field: before[field] for field in before if field not in _NOT_SOURCES},
                {field: spec[field] for field in sources},
                "api.core.v1.PersistentVolumeSpec",
            ),
        )
    yield from immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))


def storage_class(obj: Object, old: Object | None) -> Errors:
    """A StorageClass, which is fixed but for its metadata and whether volumes may grow."""
    provisioner = obj.get("provisioner", "")
    if provisioner:
        faults = names.label_key(provisioner.lower())
        yield from invalids("provisioner", provisioner.lower(), faults)
    else:
        yield required("provisioner")
    policy = obj.get("reclaimPolicy", "Delete")
    if policy not in ("Delete", "Retain"):
        yield not_supported("reclaimPolicy", policy, ("Delete", "Retain"))
    modes = ("Immediate", "WaitForFirstConsumer")
    yield from one_of("volumeBindingMode", obj.get("volumeBindingMode"), modes)
    if old is None:
        return
    yield from immutable("provisioner", provisioner, old.get("provisioner", ""))
    for field in ("parameters", "reclaimPolicy"):
        if obj.get(field) != old.get(field):
            yield forbidden(field, f"updates to {field} are forbidden.")
    mode = obj.get("volumeBindingMode")
    yield from immutable("volumeBindingMode", mode, old.get("volumeBindingMode"))
