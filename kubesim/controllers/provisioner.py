"""The storage provisioner of a kind cluster: makes a directory on a node for each claim.

Source: rancher/local-path-provisioner as kind installs it, and the events of
sig-storage-lib-external-provisioner. What is simplified: it needs no time, and it also serves
storage classes of mode Immediate, which the real one refuses since it must know the node.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.api import Api, Options
from kubesim.api.bootstrap import PROVISIONER
from kubesim.controllers.claims import (
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    Storage,
    claimed,
    class_of,
    notes,
    phase,
)
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.ownership import is_being_deleted
from kubesim.controllers.recorder import Recorder
from kubesim.model import Object
from kubesim.store import Event

MANAGER = "local-path-provisioner"
"""The field manager under which the provisioner writes."""


class LocalPaths(Controller):
    """Makes volumes for claims that ask for it, and removes them when their claim is gone.

    An item with a namespace is a claim, one without is a volume.
    """

    name = PROVISIONER
    watches = (("", "persistentvolumeclaims"), ("", "persistentvolumes"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._volumes = api.registry.by_kind("v1", "PersistentVolume")
        self._storage = Storage(api.store, indexes)
        self._record = Recorder(api, self.name)

    def keys(self, event: Event) -> Iterable[Item]:
        """A claim that asks this provisioner; a volume of its own that is released."""
        if event.type == "DELETED":
            return ()
        asks = _asks if event.key.plural == "persistentvolumeclaims" else _is_over
        return (event.key[2:],) if asks(event.object) else ()

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Make a volume for the claim, or remove the volume."""
        if namespace:
            claim = self._storage.claim(namespace, name)
            if claim is not None and _asks(claim):
                self._provide(claim, now)
        else:
            volume = self._storage.volume(name)
            if volume is not None and _is_over(volume):
                self.api.delete(self._volumes, name, options=Options(field_manager=MANAGER))

    def _provide(self, claim: Object, now: float) -> None:
        name = f"pvc-{claim['metadata']['uid']}"
        storage_class = self._storage.storage_class(class_of(claim))
        if storage_class is None or self._storage.volume(name) is not None:
            return
        place = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
        text = f'External provisioner is provisioning volume for claim "{place}"'
        self._record(claim, now, "Provisioning", text)
        why = _refusal(claim)
        if why:
            kind = storage_class["metadata"]["name"]
            text = f'failed to provision volume with StorageClass "{kind}": {why}'
            self._record(claim, now, "ProvisioningFailed", text, "Warning")
            return
        volume = claimed(self._volume(name, claim, storage_class), claim)
        self.api.create(self._volumes, volume, options=Options(field_manager=MANAGER))
        text = f"Successfully provisioned volume {name}"
        self._record(claim, now, "ProvisioningSucceeded", text)

    def _volume(self, name: str, claim: Object, storage_class: Object) -> Object:
        """A directory on the node that was selected for the claim."""
        metadata, spec = claim["metadata"], claim["spec"]
        directory = f"{name}_{metadata['namespace']}_{metadata['name']}"
        volume: Object = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
            "spec": {
                "accessModes": spec["accessModes"],
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "claimRef": {"namespace": metadata["namespace"], "name": metadata["name"]},
                "hostPath": {
                    "path": f"/var/local-path-provisioner/{directory}",
                    "type": "DirectoryOrCreate",
                },
                "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
                "storageClassName": storage_class["metadata"]["name"],
                "volumeMode": "Filesystem",
            },
        }
        node = notes(claim).get(SELECTED_NODE)
        if node is not None:
            volume["metadata"]["annotations"]["local.path.provisioner/selected-node"] = node
            volume["spec"]["nodeAffinity"] = self._only(node)
        return volume

    def _only(self, name: str) -> Object:
        """The affinity to one node, by the label that names the host."""
        node = self.api.store.get(("", "nodes", "", name)) or {"metadata": {}}
        host = (node["metadata"].get("labels") or {}).get("kubernetes.io/hostname", name)
        term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
        return {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}


def _asks(claim: Object) -> bool:
    is_free = "volumeName" not in claim["spec"] and not is_being_deleted(claim)
    return is_free and notes(claim).get(STORAGE_PROVISIONER) == PROVISIONER


def _is_over(volume: Object) -> bool:
    return (
        phase(volume) == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and notes(volume).get(PROVISIONED_BY) == PROVISIONER
        and not is_being_deleted(volume)
    )


def _refusal(claim: Object) -> str:
    """Why a directory will not do for a claim."""
    spec = claim["spec"]
    if spec.get("volumeMode") == "Block":
        return f"{PROVISIONER} does not support block volume provisioning"
    if spec.get("selector"):
        return "claim.Spec.Selector is not supported"
    if not set(spec["accessModes"]) <= {"ReadWriteOnce", "ReadWriteOncePod"}:
        return "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes"
    return ""
