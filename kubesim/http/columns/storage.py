"""The columns of volumes and of what provides them.

Source: pkg/printers/internalversion (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.http.columns.column import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    at,
    boolean,
    field,
)
from kubesim.model import Object

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_OLDER_CLASS = "volume.beta.kubernetes.io/storage-class"


def _modes(found: Iterable[str] | None) -> str:
    present = set(found or ())
    return ",".join(short for mode, short in _MODES.items() if mode in present)


def _phase(obj: Object, now: float) -> str:
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    return at(obj, "status.phase") or ""


def _class(obj: Object, now: float) -> str:
    older = (obj["metadata"].get("annotations") or {}).get(_OLDER_CLASS)
    return older if older is not None else at(obj, "spec.storageClassName") or ""


def _claim(obj: Object, now: float) -> str:
    found = at(obj, "spec.claimRef")
    return f"{found.get('namespace', '')}/{found.get('name', '')}" if found else ""


def _bound(cell: Cell) -> Cell:
    """Of a claim's status, what is shown once there is a volume for it."""
    return lambda obj, now: cell(obj, now) if at(obj, "spec.volumeName") else ""


PERSISTENT_VOLUMES = (
    NAME,
    field("Capacity", "spec.capacity.storage", "0"),
    Column("Access Modes", lambda obj, now: _modes(at(obj, "spec.accessModes"))),
    field("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
    Column("Status", _phase),
    Column("Claim", _claim),
    Column("StorageClass", _class),
    field("VolumeAttributesClass", "spec.volumeAttributesClassName", UNSET),
    field("Reason", "status.reason"),
    AGE,
    field("VolumeMode", "spec.volumeMode", UNSET, wide=True),
)

PERSISTENT_VOLUME_CLAIMS = (
    NAME,
    Column("Status", _phase),
    field("Volume", "spec.volumeName"),
    Column("Capacity", _bound(lambda obj, now: at(obj, "status.capacity.storage") or "0")),
    Column("Access Modes", _bound(lambda obj, now: _modes(at(obj, "status.accessModes")))),
    Column("StorageClass", _class),
    field("VolumeAttributesClass", "spec.volumeAttributesClassName", UNSET),
    AGE,
    field("VolumeMode", "spec.volumeMode", UNSET, wide=True),
)


def _with_default(annotation: str) -> Column:
    """The name of a class, and whether it is the one for those who name none."""

    def cell(obj: Object, now: float) -> str:
        annotations = obj["metadata"].get("annotations") or {}
        default = " (default)" if annotations.get(annotation) == "true" else ""
        return f"{obj['metadata']['name']}{default}"

    return Column("Name", cell, format="name", description=NAME.description)


STORAGE_CLASSES = (
    _with_default("storageclass.kubernetes.io/is-default-class"),
    field("Provisioner", "provisioner"),
    field("ReclaimPolicy", "reclaimPolicy", "Delete"),
    field("VolumeBindingMode", "volumeBindingMode", "Immediate"),
    field("AllowVolumeExpansion", "allowVolumeExpansion", False),
    AGE,
)

VOLUME_ATTRIBUTES_CLASSES = (
    _with_default("storage.alpha.kubernetes.io/is-default-vac-class"),
    field("DriverName", "driverName"),
    AGE,
)

VOLUME_ATTACHMENTS = (
    NAME,
    field("Attacher", "spec.attacher"),
    field("PV", "spec.source.persistentVolumeName"),
    field("Node", "spec.nodeName"),
    boolean("Attached", "status.attached"),
    AGE,
)

CSI_NODES = (
    NAME,
    Column("Drivers", lambda obj, now: len(at(obj, "spec.drivers") or ()), type="integer"),
    AGE,
)


def _audiences(obj: Object, now: float) -> str:
    requests = at(obj, "spec.tokenRequests")
    return UNSET if requests is None else ",".join(each.get("audience", "") for each in requests)


CSI_DRIVERS = (
    NAME,
    boolean("AttachRequired", "spec.attachRequired", absent=True),
    boolean("PodInfoOnMount", "spec.podInfoOnMount"),
    boolean("StorageCapacity", "spec.storageCapacity"),
    Column("TokenRequests", _audiences),
    boolean("RequiresRepublish", "spec.requiresRepublish"),
    Column("Modes", lambda obj, now: ",".join(at(obj, "spec.volumeLifecycleModes") or ()) or NONE),
    AGE,
)

CSI_STORAGE_CAPACITIES = (
    NAME,
    field("StorageClassName", "storageClassName"),
    field("Capacity", "capacity", UNSET),
)
