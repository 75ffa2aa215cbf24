"""Claims get volumes, keep them as long as they are needed, and let go of them."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from tests.kubesim.controllers.world import World, condition

CLAIM = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}}"
VOLUME = "{apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}}"
CLASS = "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast}}"
POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}}"
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
LOCAL = "rancher.io/local-path"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
PREEMPTION = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 Preemption is not helpful for scheduling."
)


@pytest.fixture
def world() -> World:
    return World()


def claim_it(world: World, name: str = "data", **spec: Any) -> None:
    world.create(CLAIM, metadata={"name": name}, spec={**SPEC, **spec})


def use(world: World, *claims: str, name: str = "web", **spec: Any) -> None:
    volumes = [
        {"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims or ("data",)
    ]
    containers = [{"name": "web", "image": "web:1"}]
    pod = {"containers": containers, "volumes": volumes, **spec}
    world.create(POD, metadata={"name": name}, spec=pod)


def disk(world: World, name: str = "disk", size: str = "1Gi", **spec: Any) -> None:
    labels = spec.pop("labels", {})
    body = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size},
        "hostPath": {"path": f"/tmp/{name}"},
        **spec,
    }
    world.create(VOLUME, metadata={"name": name, "labels": labels}, spec=body)


def fast(world: World, mode: str = "Immediate", provisioner: str = LOCAL, **more: Any) -> None:
    world.create(CLASS, provisioner=provisioner, volumeBindingMode=mode, **more)


def claim(world: World, name: str = "data") -> Object:
    return world.get("PersistentVolumeClaim", name)


def phase(world: World, name: str = "data") -> str:
    found: str = claim(world, name)["status"]["phase"]
    return found


def volume_of(world: World, name: str = "data") -> str:
    found: str = claim(world, name)["spec"].get("volumeName", "")
    return found


def told(world: World, name: str = "data") -> list[str]:
    return world.told(name, kind="PersistentVolumeClaim")


def why(world: World, name: str = "web") -> str:
    scheduled = condition(world.pod(name), "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    assert world.pod(name)["status"]["phase"] == "Pending"
    message: str = scheduled["message"]
    assert message.startswith("0/1 nodes are available: ")
    assert message.endswith(PREEMPTION)
    return message.removeprefix("0/1 nodes are available: ").removesuffix(f". {PREEMPTION}")


# The default class.


def test_a_claim_that_names_no_class_gets_the_default_one(world: World) -> None:
    claim_it(world)
    assert claim(world)["spec"]["storageClassName"] == "standard"
    assert claim(world)["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


def test_of_several_default_classes_the_newest_counts(world: World) -> None:
    world.run(10)
    notes = {"name": "fast", "annotations": {DEFAULT: "true"}}
    world.create(CLASS, metadata=notes, provisioner=LOCAL)
    claim_it(world)
    assert claim(world)["spec"]["storageClassName"] == "fast"


def test_a_claim_that_wants_no_class_is_given_none(world: World) -> None:
    claim_it(world, storageClassName="")
    world.run(100)
    assert claim(world)["spec"]["storageClassName"] == ""
    assert phase(world) == "Pending"
    assert told(world) == [
        "FailedBinding: no persistent volumes available for this claim and no storage class is set"
    ]


def test_a_claim_without_a_class_gets_the_one_that_becomes_the_default(world: World) -> None:
    world.delete("StorageClass", "standard")
    claim_it(world)
    assert "storageClassName" not in claim(world)["spec"]
    fast(world, metadata={"name": "fast", "annotations": {DEFAULT: "true"}})
    assert claim(world)["spec"]["storageClassName"] == "fast"
    assert phase(world) == "Bound"


# Waiting for the first pod.


def test_a_claim_waits_for_the_first_pod_that_uses_it(world: World) -> None:
    claim_it(world)
    world.run(100)
    assert phase(world) == "Pending"
    assert told(world) == [
        "WaitForFirstConsumer: waiting for first consumer to be created before binding"
    ]
    assert world.all("PersistentVolume") == []


def test_the_first_pod_gets_a_volume_made_on_its_node(world: World) -> None:
    claim_it(world)
    use(world)
    bound = claim(world)
    name = f"pvc-{bound['metadata']['uid']}"
    volume = world.get("PersistentVolume", name)
    assert bound["spec"]["volumeName"] == name
    assert bound["status"] == {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
    }
    assert bound["metadata"]["annotations"] == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
        "volume.beta.kubernetes.io/storage-provisioner": LOCAL,
        "volume.kubernetes.io/selected-node": "node-1",
        "volume.kubernetes.io/storage-provisioner": LOCAL,
    }
    assert volume["metadata"]["annotations"] == {
        "local.path.provisioner/selected-node": "node-1",
        "pv.kubernetes.io/provisioned-by": LOCAL,
    }
    assert volume["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    spec = dict(volume["spec"])
    reference = dict(spec.pop("claimRef"))
    assert reference.pop("resourceVersion")
    assert reference == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": "data",
        "namespace": "default",
        "uid": bound["metadata"]["uid"],
    }
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}
    path = f"/var/local-path-provisioner/{name}_default_data"
    assert spec == {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": "standard",
        "volumeMode": "Filesystem",
    }
    assert volume["status"]["phase"] == "Bound"
    assert world.reasons("data", kind="PersistentVolumeClaim") == [
        "WaitForFirstConsumer",
        "ExternalProvisioning",
        "Provisioning",
        "ProvisioningSucceeded",
    ]
    world.run(60)
    assert world.state() == "running"


def test_a_pod_may_come_before_its_claim(world: World) -> None:
    use(world)
    assert why(world) == 'persistentvolumeclaim "data" not found'
    world.run(60)
    assert world.reasons("web") == ["FailedScheduling"]
    claim_it(world)
    world.run(60)
    assert world.state() == "running"


def test_a_claim_waits_for_a_pod_that_finds_no_node(world: World) -> None:
    claim_it(world)
    use(world, nodeSelector={"disk": "ssd"})
    assert why(world) == "1 node(s) didn't match Pod's node affinity/selector"
    assert told(world)[1:] == ["WaitForPodScheduled: waiting for pod web to be scheduled"]
    world.patch("Node", "node-1", {"metadata": {"labels": {"disk": "ssd"}}})
    assert phase(world) == "Bound"


def test_a_pod_mounts_one_claim_twice(world: World) -> None:
    claim_it(world)
    source = {"persistentVolumeClaim": {"claimName": "data"}}
    use(world, volumes=[{"name": "one", **source}, {"name": "two", **source}])
    world.run(60)
    assert world.state() == "running"
    world.delete("Pod", "web")


def test_later_pods_go_to_the_node_where_the_data_is() -> None:
    world = World(nodes=2)
    claim_it(world)
    use(world)
    home = world.pod()["spec"]["nodeName"]
    use(world, name="second")
    assert world.pod("second")["spec"]["nodeName"] == home
    use(world, name="third", nodeSelector={"kubernetes.io/hostname": "node-2"})
    message = condition(world.pod("third"), "PodScheduled")["message"]
    assert message.startswith(
        "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, "
        "1 node(s) didn't match Pod's node affinity/selector. "
    )


def test_a_kubelet_does_not_start_a_pod_whose_claim_is_not_bound(world: World) -> None:
    claim_it(world)
    use(world, nodeName="node-1")  # past the scheduler, which would have selected the node
    world.run(60)
    assert phase(world) == "Pending"
    assert world.state() == "ContainerCreating"
    assert world.told("web") == [
        "FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], unattached "
        "volumes=[], failed to process volumes=[data]: error processing PVC default/data: PVC is "
        "not bound"
    ]
    use(world, name="second")
    world.run(60)
    assert world.state() == "running"


def test_a_directory_cannot_be_shared_between_nodes(world: World) -> None:
    claim_it(world, accessModes=["ReadWriteMany"])
    use(world)
    world.run(60)
    assert phase(world) == "Pending"
    assert told(world)[-1] == (
        'ProvisioningFailed: failed to provision volume with StorageClass "standard": NodePath '
        "only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes"
    )
    assert world.pod()["status"]["phase"] == "Pending"


# Immediate binding.


def test_a_claim_of_an_immediate_class_is_bound_at_once(world: World) -> None:
    fast(world)
    claim_it(world, storageClassName="fast")
    assert phase(world) == "Bound"
    volume = world.get("PersistentVolume", volume_of(world))
    assert volume["spec"]["storageClassName"] == "fast"
    assert "nodeAffinity" not in volume["spec"]


def test_a_claim_of_a_missing_class_waits_for_it(world: World) -> None:
    claim_it(world, storageClassName="fast")
    use(world)
    assert told(world)[0] == 'ProvisioningFailed: storageclass.storage.k8s.io "fast" not found'
    assert why(world) == "pod has unbound immediate PersistentVolumeClaims"
    fast(world)
    world.run(60)
    assert phase(world) == "Bound"
    assert world.state() == "running"


def test_a_claim_waits_for_a_provisioner_that_is_not_installed(world: World) -> None:
    fast(world, provisioner="ebs.csi.aws.com")
    claim_it(world, storageClassName="fast")
    world.run(100)
    assert phase(world) == "Pending"
    assert told(world) == [
        "ExternalProvisioning: Waiting for a volume to be created either by the external "
        "provisioner 'ebs.csi.aws.com' or manually by the system administrator. If volume creation "
        "is delayed, please verify that the provisioner is running and correctly registered."
    ]


# Volumes made by hand.


def test_a_volume_made_by_hand_is_available_until_a_claim_comes(world: World) -> None:
    disk(world)
    assert world.get("PersistentVolume", "disk")["status"]["phase"] == "Available"
    claim_it(world, storageClassName="")
    volume = world.get("PersistentVolume", "disk")
    assert volume["status"]["phase"] == "Bound"
    assert volume["metadata"]["annotations"] == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert volume["spec"]["claimRef"]["uid"] == claim(world)["metadata"]["uid"]
    assert (phase(world), volume_of(world)) == ("Bound", "disk")


def test_a_claim_is_bound_when_a_volume_for_it_appears(world: World) -> None:
    claim_it(world, storageClassName="")
    disk(world)
    assert volume_of(world) == "disk"


def test_the_smallest_volume_that_suffices_is_taken_before_one_is_made(world: World) -> None:
    fast(world)
    disk(world, "a", "5Gi", storageClassName="fast")
    disk(world, "b", "2Gi", storageClassName="fast")
    disk(world, "c", "1Mi", storageClassName="fast")
    claim_it(world, storageClassName="fast")
    assert volume_of(world) == "b"
    assert claim(world)["status"]["capacity"] == {"storage": "2Gi"}


@pytest.mark.parametrize(
    "other",
    [
        {"size": "1Mi"},
        {"storageClassName": "fast"},
        {"accessModes": ["ReadOnlyMany"]},
        {"volumeMode": "Block"},
        {"labels": {"tier": "slow"}},
    ],
    ids=["size", "class", "access modes", "volume mode", "selector"],
)
def test_a_volume_must_suit_the_claim(world: World, other: Object) -> None:
    disk(world, **{"labels": {"tier": "quick"}, **other})
    claim_it(world, storageClassName="", selector={"matchLabels": {"tier": "quick"}})
    assert phase(world) == "Pending"
    disk(world, "good", labels={"tier": "quick"})
    assert volume_of(world) == "good"


def test_a_volume_that_names_a_claim_is_for_no_other(world: World) -> None:
    disk(world, claimRef={"namespace": "default", "name": "data"})
    claim_it(world, "other", storageClassName="")
    assert phase(world, "other") == "Pending"
    claim_it(world, storageClassName="")
    assert volume_of(world) == "disk"
    assert "annotations" not in world.get("PersistentVolume", "disk")["metadata"]


def test_a_claim_gets_the_volume_that_it_names(world: World) -> None:
    disk(world, "a", storageClassName="standard")
    claim_it(world, volumeName="b")
    use(world)
    assert phase(world) == "Pending"
    assert why(world) == "pod has unbound immediate PersistentVolumeClaims"
    disk(world, "b", storageClassName="standard")
    assert (phase(world), volume_of(world)) == ("Bound", "b")
    assert claim(world)["metadata"]["annotations"] == {"pv.kubernetes.io/bind-completed": "yes"}


def test_a_claim_does_not_get_a_volume_that_is_unfit_or_taken(world: World) -> None:
    disk(world, storageClassName="standard")
    size = {"requests": {"storage": "2Gi"}}
    claim_it(world, volumeName="disk", resources=size)
    assert told(world) == [
        'VolumeMismatch: Cannot bind to requested volume "disk": requested PV is too small'
    ]
    claim_it(world, "first", volumeName="disk")
    claim_it(world, "second", volumeName="disk")
    assert phase(world, "first") == "Bound"
    assert phase(world, "second") == "Pending"
    assert told(world, "second") == [
        'FailedBinding: volume "disk" already bound to a different claim.'
    ]


def test_the_scheduler_finds_hand_made_volumes_by_node() -> None:
    world = World(nodes=2)
    fast(world, "WaitForFirstConsumer", "kubernetes.io/no-provisioner")
    claim_it(world, storageClassName="fast")
    use(world)
    message = condition(world.pod(), "PodScheduled")["message"]
    assert message.startswith(
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. "
    )
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-2"]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}}
    disk(world, storageClassName="fast", nodeAffinity=affinity)
    world.run(60)
    assert volume_of(world) == "disk"
    assert world.pod()["spec"]["nodeName"] == "node-2"
    assert world.state() == "running"


def test_a_pods_claims_do_not_share_a_volume(world: World) -> None:
    fast(world, "WaitForFirstConsumer", "kubernetes.io/no-provisioner")
    for name in ("a", "b"):
        claim_it(world, name, storageClassName="fast")
    disk(world, "one", storageClassName="fast")
    use(world, "a", "b")
    assert why(world) == "1 node(s) didn't find available persistent volumes to bind"
    disk(world, "two", storageClassName="fast")
    assert {volume_of(world, "a"), volume_of(world, "b")} == {"one", "two"}


# The end.


def test_a_made_volume_goes_with_its_claim(world: World) -> None:
    fast(world)
    claim_it(world, storageClassName="fast")
    world.delete("PersistentVolumeClaim", "data")
    assert world.all("PersistentVolumeClaim") == []
    assert world.all("PersistentVolume") == []


def test_a_volume_to_retain_is_released_and_not_given_to_a_claim_of_the_same_name(
    world: World,
) -> None:
    fast(world, reclaimPolicy="Retain")
    claim_it(world, storageClassName="fast")
    before = volume_of(world)
    world.delete("PersistentVolumeClaim", "data")
    assert world.get("PersistentVolume", before)["status"]["phase"] == "Released"
    claim_it(world, storageClassName="fast")
    assert phase(world) == "Bound"
    assert volume_of(world) != before
    assert world.get("PersistentVolume", before)["status"]["phase"] == "Released"


def test_hand_made_volumes_are_removed_if_they_can_be(world: World) -> None:
    policy = {"persistentVolumeReclaimPolicy": "Delete"}
    disk(world, **policy)
    claim_it(world, storageClassName="")
    world.delete("PersistentVolumeClaim", "data")
    assert world.find("PersistentVolume", "disk") is None
    disk(world, "kept", hostPath={"path": "/srv"}, **policy)
    claim_it(world, storageClassName="")
    world.delete("PersistentVolumeClaim", "data")
    status = world.get("PersistentVolume", "kept")["status"]
    why = "host_path deleter only supports /tmp/.+ but received provided /srv"
    assert (status["phase"], status["message"]) == ("Failed", why)
    assert world.told("kept", kind="PersistentVolume") == [f"VolumeFailedDelete: {why}"]


def test_a_claim_that_a_pod_uses_stays_until_the_pod_is_gone(world: World) -> None:
    claim_it(world)
    use(world)
    world.run(60)
    world.delete("PersistentVolumeClaim", "data")
    world.run(60)
    assert "deletionTimestamp" in claim(world)["metadata"]
    assert phase(world) == "Bound"
    use(world, name="late")
    assert why(world, "late") == 'persistentvolumeclaim "data" is being deleted'
    world.delete("Pod", "web")
    world.run(60)
    assert world.find("PersistentVolumeClaim", "data") is None
    assert world.all("PersistentVolume") == []


def test_a_volume_that_is_bound_stays_until_its_claim_is_gone(world: World) -> None:
    fast(world, reclaimPolicy="Retain")
    claim_it(world, storageClassName="fast")
    name = volume_of(world)
    world.delete("PersistentVolume", name)
    assert "deletionTimestamp" in world.get("PersistentVolume", name)["metadata"]
    world.delete("PersistentVolumeClaim", "data")
    assert world.find("PersistentVolume", name) is None


def test_a_claim_whose_volume_is_gone_is_lost(world: World) -> None:
    fast(world)
    claim_it(world, storageClassName="fast")
    name = volume_of(world)
    world.delete("PersistentVolume", name)
    world.patch("PersistentVolume", name, {"metadata": {"finalizers": None}})  # by force
    assert claim(world)["status"] == {"phase": "Lost"}
    assert told(world)[-1] == (
        "ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    )
    use(world)
    assert why(world) == (
        f'persistentvolumeclaim "data" bound to non-existent persistentvolume "{name}"'
    )


def test_bound_claims_ask_for_no_more_work(world: World) -> None:
    claim_it(world)
    use(world)
    world.run(60)
    revision = world.api.store.revision
    world.run(600)
    assert world.api.store.revision == revision


def test_a_stateful_sets_claims_are_bound(world: World) -> None:
    labels = {"app": "db"}
    mounts = [{"name": "data", "mountPath": "/data"}]
    container = {"name": "db", "image": "db:1", "volumeMounts": mounts}
    world.create(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}}",
        spec={
            "serviceName": "db",
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": SPEC}],
        },
    )
    world.run(60)
    assert world.get("StatefulSet", "db")["status"]["readyReplicas"] == 2
    phases = [each["status"]["phase"] for each in world.all("PersistentVolumeClaim")]
    assert phases == ["Bound", "Bound"]
    kept = [volume_of(world, name) for name in ("data-db-0", "data-db-1")]
    world.delete("Pod", "db-0")
    world.run(60)
    assert [volume_of(world, name) for name in ("data-db-0", "data-db-1")] == kept
