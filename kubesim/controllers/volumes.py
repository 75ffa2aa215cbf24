"""PersistentVolumeClaims and PersistentVolumes: which belongs to which, and until when.

Source: Kubernetes 1.37, pkg/controller/volume/{persistentvolume, pvcprotection, pvprotection};
conditions, annotations and messages are theirs. Left out: growing a bound claim, recycling, and
the volumes that pods bring along themselves (`ephemeral`).
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.api import Api, Options
from kubesim.api.plugins import default_class
from kubesim.clock import timestamp
from kubesim.controllers.claims import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    NO_PROVISIONER,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    Storage,
    claim_of,
    claimed,
    claims_of,
    class_of,
    is_bound,
    is_claimed_by,
    mismatch,
    noted,
    notes,
    phase,
)
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import is_being_deleted
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import write_status
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Event

_OPTIONS = Options(field_manager=MANAGER)


class Volumes(Controller):
    """Binds claims and volumes to each other; sees to a volume whose claim is gone.

    An item with a namespace is a claim, one without is a volume.
    """

    name = "persistentvolume-controller"
    watches = (
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("storage.k8s.io", "storageclasses"),
    )

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._claims = api.registry.by_kind("v1", "PersistentVolumeClaim")
        self._volumes = api.registry.by_kind("v1", "PersistentVolume")
        self._storage = Storage(api.store, indexes)
        self._record = Recorder(api, self.name)

    def keys(self, event: Event) -> Iterable[Item]:
        """The claim or volume, and what it may come to be bound to or was bound to.

        A class concerns the claims that have no volume yet; so does a pod that uses them and
        finds no node.
        """
        obj, item = event.object, event.key[2:]
        match event.key.plural:
            case "pods":
                if event.type != "MODIFIED" or obj["spec"].get("nodeName"):
                    return ()
                return [(item[0], name) for name in claims_of(obj)]
            case "persistentvolumeclaims":
                if event.type != "DELETED":
                    return (item,)
                return [("", each["metadata"]["name"]) for each in self._storage.claimed(*item)]
            case "persistentvolumes":
                claim = claim_of(obj)
                if claim:
                    return item, claim
                return [item, *self._unbound(class_of(obj))]
            case _:
                return [*self._unbound(item[1]), *self._unbound("")]

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Bind the claim if there is a volume for it; say of the volume whether it is in use."""
        if namespace:
            claim = self._storage.claim(namespace, name)
            if claim is None:
                return
            if is_bound(claim):
                self._keep(claim, now)
            elif not is_being_deleted(claim):
                self._find(claim, now)
        else:
            volume = self._storage.volume(name)
            if volume is not None:
                self._see_to(volume, now)

    def _unbound(self, storage_class: str) -> list[Item]:
        claims = [each["metadata"] for each in self._storage.unbound(storage_class)]
        return [(each["namespace"], each["name"]) for each in claims]

    # Claims.

    def _find(self, claim: Object, now: float) -> None:
        """Bind a claim to the volume that it names, or to the best there is, or ask for one."""
        if "volumeName" in claim["spec"]:
            volume = self._named(claim, now)
        else:
            volume = self._storage.match(claim)
        if volume is not None:
            self._bind(claim, volume, now)
        elif "volumeName" not in claim["spec"]:
            self._ask(claim, now)

    def _named(self, claim: Object, now: float) -> Object | None:
        """The volume that a claim asks for by name, if it can have it."""
        volume = self._storage.volume(claim["spec"]["volumeName"])
        if volume is None:
            return None
        name = volume["metadata"]["name"]
        if "claimRef" not in volume["spec"]:
            why = mismatch(volume, claim)
            if not why and class_of(volume) != class_of(claim):
                why = "storageClassName does not match"
            if why:
                text = f'Cannot bind to requested volume "{name}": {why}'
                self._record(claim, now, "VolumeMismatch", text, "Warning")
                return None
        elif not is_claimed_by(volume, claim):
            text = f'volume "{name}" already bound to a different claim.'
            self._record(claim, now, "FailedBinding", text, "Warning")
            return None
        return volume

    def _ask(self, claim: Object, now: float) -> None:
        """Have a volume made for a claim, or say what it waits for."""
        if "storageClassName" not in claim["spec"]:
            usual = default_class(self.api.store)
            if usual is not None:  # it has become the default since the claim was made
                spec = {**claim["spec"], "storageClassName": usual}
                self._update(claim, {**claim, "spec": spec})
                return
        name = class_of(claim)
        if not name:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._record(claim, now, "FailedBinding", text)
            return
        if self._storage.waits(claim) and SELECTED_NODE not in notes(claim):
            self._record(claim, now, *self._patience(claim))
            return
        storage_class = self._storage.storage_class(name)
        if storage_class is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self._record(claim, now, "ProvisioningFailed", text, "Warning")
            return
        provisioner = storage_class["provisioner"]
        if provisioner == NO_PROVISIONER or notes(claim).get(STORAGE_PROVISIONER) == provisioner:
            return
        asked = {
            STORAGE_PROVISIONER: provisioner,
            "volume.beta.kubernetes.io/storage-provisioner": provisioner,
        }
        self._update(claim, noted(claim, asked))
        text = (
            f"Waiting for a volume to be created either by the external provisioner "
            f"'{provisioner}' or manually by the system administrator. If volume creation is "
            "delayed, please verify that the provisioner is running and correctly registered."
        )
        self._record(claim, now, "ExternalProvisioning", text)

    def _patience(self, claim: Object) -> tuple[str, str]:
        """Reason and message of a claim that waits for a pod to be given a node."""
        metadata = claim["metadata"]
        users = self._storage.users(metadata["namespace"], metadata["name"])
        pods = [pod["metadata"]["name"] for pod in users if not pod["spec"].get("nodeName")]
        if not pods:
            text = "waiting for first consumer to be created before binding"
            return "WaitForFirstConsumer", text
        noun = "pods" if len(pods) > 1 else "pod"
        return "WaitForPodScheduled", f"waiting for {noun} {','.join(pods)} to be scheduled"

    def _bind(self, claim: Object, volume: Object, now: float) -> None:
        """Have volume and claim name each other, the volume first, and say so in both statuses."""
        name = volume["metadata"]["name"]
        if volume["spec"].get("claimRef", {}).get("uid") != claim["metadata"]["uid"]:
            bound = claimed(volume, claim)
            volume = self.api.update(self._volumes, name, bound, options=_OPTIONS)
        volume = self._tell(volume, "Bound", now)
        if not is_bound(claim):
            more = {BIND_COMPLETED: "yes"}
            if claim["spec"].get("volumeName") != name:  # it did not ask for this one
                more[BOUND_BY_CONTROLLER] = "yes"
            bound = {**noted(claim, more), "spec": {**claim["spec"], "volumeName": name}}
            claim = self._update(claim, bound)
        if phase(claim) != "Bound":
            spec = volume["spec"]
            status = {
                "phase": "Bound",
                "accessModes": spec["accessModes"],
                "capacity": spec["capacity"],
            }
            write_status(self.api, self._claims, claim, status)

    def _keep(self, claim: Object, now: float) -> None:
        """See that a bound claim still has its volume; finish what was interrupted."""
        volume = self._storage.volume(claim["spec"]["volumeName"])
        if volume is None:
            reason = "ClaimLost"
            text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        elif "claimRef" in volume["spec"] and not is_claimed_by(volume, claim):
            reason = "ClaimMisbound"
            text = "Two claims are bound to the same volume, this one is bound incorrectly"
        else:
            self._bind(claim, volume, now)
            return
        if phase(claim) != "Lost":
            write_status(self.api, self._claims, claim, {"phase": "Lost"})
            self._record(claim, now, reason, text, "Warning")

    def _update(self, claim: Object, changed: Object) -> Object:
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        return self.api.update(self._claims, name, changed, namespace=namespace, options=_OPTIONS)

    # Volumes.

    def _see_to(self, volume: Object, now: float) -> None:
        reference, place = volume["spec"].get("claimRef") or {}, claim_of(volume)
        if (
            "uid" not in reference or place is None
        ):  # made by hand, perhaps for a claim that is yet to come
            self._tell(volume, "Available", now)
            return
        claim = self._storage.claim(*place)
        if claim is None or claim["metadata"]["uid"] != reference["uid"]:
            self._release(volume, now)
        elif claim["spec"].get("volumeName") == volume["metadata"]["name"]:
            self._tell(volume, "Bound", now)

    def _release(self, volume: Object, now: float) -> None:
        """The claim is gone; what becomes of the volume says its reclaim policy.

        One that was made by a provisioner is removed by it. Of those made by hand, Kubernetes
        can remove a directory below /tmp.
        """
        if phase(volume) == "Failed":
            return
        volume = self._tell(volume, "Released", now)
        policy = volume["spec"].get("persistentVolumeReclaimPolicy")
        if policy != "Delete" or PROVISIONED_BY in notes(volume) or is_being_deleted(volume):
            return
        name, path = volume["metadata"]["name"], volume["spec"].get("hostPath", {}).get("path")
        if path is not None and path.startswith("/tmp/"):
            self.api.delete(self._volumes, name)
            return
        text = (
            f'error getting deleter volume plugin for volume "{name}": '
            "no deletable volume plugin matched"
            if path is None
            else f"host_path deleter only supports /tmp/.+ but received provided {path}"
        )
        self._tell(volume, "Failed", now, message=text)
        self._record(volume, now, "VolumeFailedDelete", text, "Warning")

    def _tell(self, volume: Object, in_phase: str, now: float, **more: str) -> Object:
        if phase(volume) == in_phase:
            return volume
        status = {"phase": in_phase, "lastPhaseTransitionTime": timestamp(now), **more}
        return write_status(self.api, self._volumes, volume, status)


class VolumeProtection(Controller):
    """Keeps a claim that a pod uses, and a volume that a claim is bound to, from going.

    Both have a finalizer from the start (admission plugin StorageObjectInUseProtection); once
    their deletion was asked for and they are no longer needed, it is taken away.
    """

    name = "pvc-protection-controller"
    watches = (("", "persistentvolumeclaims"), ("", "persistentvolumes"), ("", "pods"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._claims = api.registry.by_kind("v1", "PersistentVolumeClaim")
        self._volumes = api.registry.by_kind("v1", "PersistentVolume")
        self._storage = Storage(api.store, indexes)

    def keys(self, event: Event) -> Iterable[Item]:
        """What is to be deleted; the claims of a pod that is gone."""
        if event.key.plural == "pods":
            if event.type != "DELETED":
                return ()
            return [(event.key.namespace, name) for name in claims_of(event.object)]
        is_leaving = event.type != "DELETED" and is_being_deleted(event.object)
        return (event.key[2:],) if is_leaving else ()

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Let go of the claim or the volume if it is no longer needed."""
        if namespace:
            claim = self._storage.claim(namespace, name)
            # Only a pod on a node counts: a kubelet starts none whose claim is being deleted.
            users = self._storage.users(namespace, name)
            if claim is not None and not any(pod["spec"].get("nodeName") for pod in users):
                self._let_go(self._claims, claim, "kubernetes.io/pvc-protection")
        else:
            volume = self._storage.volume(name)
            if volume is not None and phase(volume) != "Bound":
                self._let_go(self._volumes, volume, "kubernetes.io/pv-protection")

    def _let_go(self, resource: Resource, obj: Object, finalizer: str) -> None:
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if not is_being_deleted(obj) or finalizer not in finalizers:
            return
        kept = [each for each in finalizers if each != finalizer]
        self.api.update(
            resource,
            metadata["name"],
            {**obj, "metadata": {**metadata, "finalizers": kept}},
            namespace=metadata.get("namespace", ""),
            options=_OPTIONS,
        )
