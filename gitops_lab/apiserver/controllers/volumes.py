"""PersistentVolumeClaims: each gets a volume of its own as soon as it asks for one.

Source: Kubernetes 1.37, pkg/controller/volume/persistentvolume, with a provisioner that provides
for every storage class, named or not. Left out: volumes made by hand, waiting for the first pod
that uses the claim, and protecting a claim that is in use from deletion.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitops_lab.apiserver.api import Api, Options
from gitops_lab.apiserver.controllers import events
from gitops_lab.apiserver.controllers.index import Indexes
from gitops_lab.apiserver.controllers.loop import MANAGER, Controller, Item
from gitops_lab.apiserver.controllers.ownership import is_being_deleted
from gitops_lab.apiserver.controllers.status import write_status
from gitops_lab.apiserver.store import Event
from gitops_lab.model import Object

PROVISIONER = "gitops-lab.example/provisioner"


class Volumes(Controller):
    """Makes and binds a volume for each claim, and removes it with its claim."""

    name = "persistentvolume-controller"
    watches = (("", "persistentvolumeclaims"),)

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._claims = api.registry.by_kind("v1", "PersistentVolumeClaim")
        self._volumes = api.registry.by_kind("v1", "PersistentVolume")
        self._by_claim = indexes.get("", "persistentvolumes", "claim", _claim)

    def keys(self, event: Event) -> Iterable[Item]:
        """The claim."""
        return (event.key[2:],)

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Bind the claim; remove volumes of claims of this name that are gone."""
        claim = self.api.store.get(("", "persistentvolumeclaims", namespace, name))
        uid = claim["metadata"]["uid"] if claim is not None else ""
        for volume in self._by_claim.get(f"{namespace}/{name}"):
            policy = volume["spec"].get("persistentVolumeReclaimPolicy")
            if volume["spec"]["claimRef"].get("uid") != uid and policy == "Delete":
                self.api.delete(self._volumes, volume["metadata"]["name"])
        if claim is None or is_being_deleted(claim) or _is_bound(claim):
            return
        if claim["spec"].get("storageClassName") == "":
            self._record(
                claim,
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set",
                now,
            )
            return
        self._bind(claim, self._provide(claim, now))

    def _provide(self, claim: Object, now: float) -> Object:
        """The volume made for a claim."""
        metadata, spec = claim["metadata"], claim["spec"]
        name = f"pvc-{metadata['uid']}"
        known = self.api.store.get(("", "persistentvolumes", "", name))
        if known is not None:
            return known
        options = Options(field_manager=MANAGER)
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": name,
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            },
            "spec": {
                "accessModes": spec["accessModes"],
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "name": metadata["name"],
                    "namespace": metadata["namespace"],
                    "uid": metadata["uid"],
                },
                "hostPath": {"path": f"/var/lib/volumes/{name}"},
                "persistentVolumeReclaimPolicy": "Delete",
                "volumeMode": spec.get("volumeMode", "Filesystem"),
                **_class(spec),
            },
        }
        volume = self.api.create(self._volumes, volume, options=options)
        text = f"Successfully provisioned volume {name}"
        self._record(claim, "ProvisioningSucceeded", text, now)
        return write_status(self.api, self._volumes, volume, {"phase": "Bound"})

    def _bind(self, claim: Object, volume: Object) -> None:
        metadata = claim["metadata"]
        notes = {
            **(metadata.get("annotations") or {}),
            "pv.kubernetes.io/bind-completed": "yes",
            "pv.kubernetes.io/bound-by-controller": "yes",
        }
        bound = {
            **claim,
            "metadata": {**metadata, "annotations": notes},
            "spec": {**claim["spec"], "volumeName": volume["metadata"]["name"]},
        }
        claim = self.api.update(
            self._claims,
            metadata["name"],
            bound,
            namespace=metadata["namespace"],
            options=Options(field_manager=MANAGER),
        )
        spec = volume["spec"]
        status = {
            "phase": "Bound",
            "accessModes": spec["accessModes"],
            "capacity": spec["capacity"],
        }
        write_status(self.api, self._claims, claim, status)

    def _record(self, claim: Object, reason: str, message: str, now: float) -> None:
        events.record(self.api, claim, reason=reason, message=message, component=self.name, now=now)


def _claim(volume: Object) -> Iterable[str]:
    reference = volume["spec"].get("claimRef")
    return (f"{reference['namespace']}/{reference['name']}",) if reference else ()


def _class(spec: dict[str, Any]) -> dict[str, str]:
    name = spec.get("storageClassName")
    return {"storageClassName": name} if name else {}


def _is_bound(claim: Object) -> bool:
    return (claim.get("status") or {}).get("phase") == "Bound"
