"""Claims of pods and volumes for claims: who uses what, and what fits whom.

Source: Kubernetes 1.37, k8s.io/component-helpers/storage/volume, which the real scheduler and
controllers share too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from kubesim.controllers.index import Indexes
from kubesim.controllers.ownership import is_being_deleted
from kubesim.controllers.placement import selects_node
from kubesim.model import Object
from kubesim.quantity import parse
from kubesim.selectors import label_selector
from kubesim.store import Store

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
"""Annotation of a claim that has its volume for good."""

BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
"""Annotation of what found its other half by the controller, not by who wrote it."""

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
"""Annotation of a volume that was made for its claim: who made it, and can remove it."""

SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Annotation of a claim: the node on which the first pod that uses it will run."""

STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
"""Annotation of a claim: who is asked to make a volume for it."""

NO_PROVISIONER = "kubernetes.io/no-provisioner"
"""The provisioner of classes whose volumes are made by hand."""


def claims_of(pod: Object) -> list[str]:
    """The names of the claims that a pod mounts, each once, in the order of its volumes."""
    names = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"].get("volumes") or ()
        if "persistentVolumeClaim" in volume
    ]
    return list(dict.fromkeys(names))


def is_bound(claim: Object) -> bool:
    """Whether a claim has its volume for good; its status may yet have to say so."""
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in notes(claim)


def notes(obj: Object) -> dict[str, str]:
    """The annotations of an object."""
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    return found


def phase(obj: Object) -> str:
    """The phase in which a claim or a volume is."""
    found: str = (obj.get("status") or {}).get("phase", "Pending")
    return found


def class_of(obj: Object) -> str:
    """The storage class that a claim asks for or a volume belongs to; empty for none."""
    found: str = obj["spec"].get("storageClassName") or ""
    return found


def is_claimed_by(volume: Object, claim: Object) -> bool:
    """Whether a volume is meant for a claim, be it by name only."""
    reference, metadata = volume["spec"].get("claimRef"), claim["metadata"]
    return (
        reference is not None
        and claim_of(volume) == (metadata["namespace"], metadata["name"])
        and reference.get("uid", metadata["uid"]) == metadata["uid"]
    )


def claim_of(volume: Object) -> tuple[str, str] | None:
    """Namespace and name of the claim that a volume is meant for; None if it is for any."""
    reference = volume["spec"].get("claimRef")
    return None if not reference else (reference.get("namespace", ""), reference.get("name", ""))


def claimed(volume: Object, claim: Object) -> Object:
    """A volume that is meant for a claim, and for no other of its name.

    One that had not named the claim itself is noted as bound by the controller.
    """
    metadata = claim["metadata"]
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "resourceVersion": metadata["resourceVersion"],
        "uid": metadata["uid"],
    }
    bound = {**volume, "spec": {**volume["spec"], "claimRef": reference}}
    return bound if is_claimed_by(volume, claim) else noted(bound, {BOUND_BY_CONTROLLER: "yes"})


def noted(obj: Object, more: dict[str, str]) -> Object:
    """An object with more annotations."""
    return {**obj, "metadata": {**obj["metadata"], "annotations": {**notes(obj), **more}}}


def mismatch(volume: Object, claim: Object) -> str:
    """Why a volume will not do for a claim, apart from their classes; empty if it will."""
    wants, has = claim["spec"], volume["spec"]
    if parse(wants["resources"]["requests"]["storage"]) > _size(volume):
        return "requested PV is too small"
    if has.get("volumeMode", "Filesystem") != wants.get("volumeMode", "Filesystem"):
        return "incompatible volumeMode"
    if not set(wants["accessModes"]) <= set(has["accessModes"]):
        return "incompatible accessMode"
    return ""


def reaches(volume: Object, node: Object) -> bool:
    """Whether a volume can be mounted on a node."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or selects_node(required, node)


class Storage:
    """Who uses which claim, and which volumes there are for it.

    Args:
        store: where claims, volumes and classes are.
        indexes: the cluster's indexes.
    """

    def __init__(self, store: Store, indexes: Indexes) -> None:
        self._store = store
        self._users = indexes.get("", "pods", "claim", _used)
        self._unbound = indexes.get("", "persistentvolumeclaims", "unbound by class", _wanted)
        self._available = indexes.get("", "persistentvolumes", "available by class", _offered)
        self._claimed = indexes.get("", "persistentvolumes", "claim", _claim)

    def users(self, namespace: str, claim: str) -> list[Object]:
        """The pods that mount a claim."""
        return self._users.get(f"{namespace}/{claim}")

    def unbound(self, storage_class: str) -> list[Object]:
        """The claims of a class that have no volume yet; empty for those without a class."""
        return self._unbound.get(storage_class)

    def claimed(self, namespace: str, claim: str) -> list[Object]:
        """The volumes that are meant for a claim of this name, or were for one that is gone."""
        return self._claimed.get(f"{namespace}/{claim}")

    def claim(self, namespace: str, name: str) -> Object | None:
        """The claim of that name."""
        return self._store.get(("", "persistentvolumeclaims", namespace, name))

    def volume(self, name: str) -> Object | None:
        """The volume of that name."""
        return self._store.get(("", "persistentvolumes", "", name))

    def storage_class(self, name: str) -> Object | None:
        """The storage class of that name."""
        return self._store.get(("storage.k8s.io", "storageclasses", "", name))

    def waits(self, claim: Object) -> bool:
        """Whether a claim is bound only once a pod that uses it has a node."""
        found = self.storage_class(class_of(claim))
        return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"

    def match(
        self, claim: Object, *, node: Object | None = None, taken: Collection[str] = ()
    ) -> Object | None:
        """The volume that suits a claim best: one made for it, else the smallest that will do.

        Args:
            claim: a claim without a volume.
            node: where it must be mounted; None while that is not known. A claim that waits for
                its first pod is then given no volume but one made for it.
            taken: names of volumes that are spoken for.
        """
        metadata = claim["metadata"]
        for volume in self.claimed(metadata["namespace"], metadata["name"]):
            if (
                is_claimed_by(volume, claim)
                and not is_being_deleted(volume)
                and not mismatch(volume, claim)
            ):
                return volume if node is None or reaches(volume, node) else None
        if node is None and self.waits(claim):
            return None
        selector = claim["spec"].get("selector")
        fits = label_selector(selector) if selector else lambda labels: True
        return min(
            (
                volume
                for volume in self._available.get(class_of(claim))
                if volume["metadata"]["name"] not in taken
                and not is_being_deleted(volume)
                and not mismatch(volume, claim)
                and fits(volume["metadata"].get("labels") or {})
                and (node is None or reaches(volume, node))
            ),
            key=lambda volume: (
                len(volume["spec"]["accessModes"]),
                _size(volume),
                volume["metadata"]["name"],
            ),
            default=None,
        )


def _size(volume: Object) -> Decimal:
    return parse(volume["spec"]["capacity"]["storage"])


def _used(pod: Object) -> Iterable[str]:
    names = claims_of(pod)
    return [f"{pod['metadata']['namespace']}/{name}" for name in names] if names else ()


def _wanted(claim: Object) -> Iterable[str]:
    return () if is_bound(claim) else (class_of(claim),)


def _offered(volume: Object) -> Iterable[str]:
    is_free = "claimRef" not in volume["spec"] and phase(volume) == "Available"
    return (class_of(volume),) if is_free else ()


def _claim(volume: Object) -> Iterable[str]:
    claim = claim_of(volume)
    return ("/".join(claim),) if claim else ()
