"""Objects that the API accepts and that no one should write: the controllers live with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from kubesim.api import Options
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.validating import ValidatingAdmission
from tests.kubesim.controllers.world import World

POD = "{containers: [{name: c, image: 'web:1'}]}"
TASK = "{restartPolicy: Never, containers: [{name: c, image: 'web:1'}]}"
DAEMON_SET = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec:
  selector: {matchLabels: {a: X}}
  template:
    metadata: {labels: {a: X}}
    spec: {containers: [{name: c, image: 'web:1'}]}
"""
CRON_JOB = (
    "{apiVersion: batch/v1, kind: CronJob, metadata: {name: cron}, spec: "
    f"{{schedule: '* * * * *', jobTemplate: {{spec: {{template: {{spec: {TASK}}}}}}}}}}}"
)
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.x.io}
spec:
  group: x.io
  scope: Namespaced
  names: {plural: foos, kind: Foo}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""


def claims_to_work(world: World) -> None:
    """The cluster still does its work, and one that takes over its store does, too."""
    assert world.controllers.troubles == []
    for each in (world, World(store=world.api.store, start=world.now, seed=2)):
        name = f"probe-{each is world}".lower()
        each.create(
            f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {POD}}}",
        )
        each.run(60)
        assert each.get("Pod", name)["status"]["phase"] == "Running"
        assert each.controllers.troubles == []


@pytest.mark.parametrize(
    "text",
    [
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}}",
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: x}}",
    ],
)
def test_a_controller_lives_with(text: str) -> None:
    world = World()
    world.create(text)
    claims_to_work(world)


def test_a_daemon_set_rolls_on_though_its_revisions_have_lost_their_labels() -> None:
    world = World()
    world.create(DAEMON_SET)
    for each in world.all("ControllerRevision"):
        world.patch("ControllerRevision", each["metadata"]["name"], {"metadata": {"labels": None}})
    containers = [{"name": "c", "image": "web:2"}]
    world.patch("DaemonSet", "d", {"spec": {"template": {"spec": {"containers": containers}}}})
    world.run(120)
    assert world.get("DaemonSet", "d")["status"]["updatedNumberScheduled"] == 1
    claims_to_work(world)


def test_a_cron_job_goes_on_though_its_status_names_a_job_that_is_none() -> None:
    world = World()
    world.create(CRON_JOB)
    world.patch("CronJob", "cron", {"status": {"active": [{}]}}, subresource="status")
    world.run(130)
    assert len(world.all("Job")) == 2
    assert "MissingJob" in world.reasons("cron", kind="CronJob")
    claims_to_work(world)


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Ready"}]},
        {"conditions": [{}]},
        {"conditions": None, "addresses": [{"type": "InternalIP", "address": "172.18.x"}]},
    ],
)
def test_a_node_reports_again_though_its_status_makes_no_sense(status: Object) -> None:
    world = World()
    world.patch("Node", "node-1", {"status": status}, subresource="status")
    world.run(400)
    conditions = world.get("Node", "node-1")["status"]["conditions"]
    assert {"type": "Ready", "status": "True"}.items() <= conditions[-1].items()
    claims_to_work(world)


def test_a_policy_that_denies_updates_of_definitions_holds_the_end_of_one_up_and_no_more() -> None:
    world = World()
    world.api.reviews.append(ValidatingAdmission(world.api))
    world.create(DEFINITION)
    rules = (
        "{apiGroups: [apiextensions.k8s.io], apiVersions: ['*'], operations: [UPDATE], "
        "resources: ['*/*']}"
    )
    world.create(
        "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, "
        f"metadata: {{name: deny}}, spec: {{matchConstraints: {{resourceRules: [{rules}]}}, "
        "validations: [{expression: 'false'}]}}"
    )
    world.create(
        "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, "
        "metadata: {name: deny}, spec: {policyName: deny, validationActions: [Deny]}}"
    )
    world.run(5)
    world.delete("CustomResourceDefinition", "foos.x.io")
    world.run(60)
    assert "deletionTimestamp" in world.get("CustomResourceDefinition", "foos.x.io")["metadata"]
    claims_to_work(world)
    world.delete("ValidatingAdmissionPolicyBinding", "deny")
    world.run(1000)
    assert world.find("CustomResourceDefinition", "foos.x.io") is None


# -- All that the API lets pass ---------------------------------------------------------------

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 1.5, "", "a", "A b", "x" * 300, "5m", "-1", "2026-01-01T00:00:00Z",
    "2026-13-01", [], [None], [[]], [{}], {}, {"a": {}}, {"name": 5}, {"": None},
    [{"name": "a"}, {"name": "a"}],
)  # fmt: skip

FIRST = [
    f"{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {POD}}}",
    DAEMON_SET.replace("X", "d"),
    DAEMON_SET.replace("DaemonSet", "StatefulSet")
    + "  serviceName: s\n  volumeClaimTemplates: [{metadata: {name: v}, spec: "
    "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n",
    DAEMON_SET.replace("DaemonSet", "Deployment").replace("X", "e"),
    CRON_JOB,
    "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {completions: 3, "
    f"completionMode: Indexed, template: {{spec: {TASK}}}}}}}",
    "{apiVersion: v1, kind: Service, metadata: {name: s}, "
    "spec: {selector: {a: e}, ports: [{port: 80}]}}",
    "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, "
    "spec: {minAvailable: 1, selector: {matchLabels: {a: e}}}}",
    "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, "
    "spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d, apiVersion: apps/v1}}}",
    "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 50}}}",
    DEFINITION,
]


@pytest.mark.allows_errors  # a status that contradicts itself may be reported; nothing may end
@pytest.mark.parametrize("seed", range(6))
def test_no_patch_that_is_accepted_ends_a_cluster_or_the_one_that_takes_over(seed: int) -> None:
    patch_at_random(seed)


def patch_at_random(seed: int) -> None:
    """Patch the objects of a cluster at random; then another cluster takes over its store.

    `python -m tests.fuzz` does so for minutes.
    """
    rng, world = Random(seed), World(seed=seed)
    for text in FIRST:
        world.create(text)
    world.run(70)
    for _ in range(80):
        _patch_something(world, rng)
        world.run(rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 30, 400)))
    restarted = World(store=world.api.store, start=world.now, seed=1000 + seed)
    restarted.create("{apiVersion: v1, kind: Namespace, metadata: {name: fresh}}")
    restarted.run(1)
    assert restarted.find("ServiceAccount", "default", namespace="fresh") is not None


def _patch_something(world: World, rng: Random) -> None:
    obj = rng.choice([each for _, each in world.api.store.items()])
    resource = world.api.registry.by_kind(obj["apiVersion"], obj["kind"])
    part = rng.choice([each for each in ("status", "spec", "metadata") if obj.get(each)])
    spoilt = deepcopy(obj[part])
    for _ in range(rng.randrange(1, 3)):
        parent, key = rng.choice(list(_places(spoilt)) or [({}, "x")])
        parent[key] = None if rng.random() < 0.4 else deepcopy(rng.choice(ODD))
    if part == "metadata":
        spoilt.pop("resourceVersion", None)

    type_: Any = rng.choice(("merge", "strategic"))
    if resource.is_custom:
        type_ = "merge"
    with contextlib.suppress(ApiError):
        world.api.patch(
            resource,
            obj["metadata"]["name"],
            {part: spoilt},
            type=type_,
            namespace=obj["metadata"].get("namespace", ""),
            subresource="status" if part == "status" and "status" in resource.subresources else "",
            options=Options(field_validation="Ignore"),
        )


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


# -- A patch changes an object, not what it is ------------------------------------------------


@pytest.mark.parametrize("type_", ["merge", "strategic"])
def test_a_patch_may_drop_apiversion_and_kind_and_they_stay(type_: Any) -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}")
    patch = {"apiVersion": None, "kind": None, "data": {"a": "b"}}
    patched = world.patch("ConfigMap", "m", patch, type=type_)
    assert (patched["apiVersion"], patched["kind"], patched["data"]) == (
        "v1",
        "ConfigMap",
        {"a": "b"},
    )


@pytest.mark.parametrize("type_", ["merge", "strategic"])
@pytest.mark.parametrize("patch", [{"kind": "Foo"}, {"apiVersion": "v2"}, {"kind": "Pod"}])
def test_a_patch_of_apiversion_or_kind_is_refused(type_: Any, patch: Object) -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}")
    with pytest.raises(ApiError, match=r"is registered for version|unknown conversion") as refused:
        world.patch("ConfigMap", "m", patch, type=type_)
    assert refused.value.code == 422
    assert world.get("ConfigMap", "m")["kind"] == "ConfigMap"


def test_a_patch_that_drops_the_kind_of_a_custom_object_is_refused() -> None:
    world = World()
    world.create(DEFINITION)
    world.create("{apiVersion: x.io/v1, kind: Foo, metadata: {name: f}}")
    with pytest.raises(ApiError, match="Object 'Kind' is missing") as refused:
        world.patch("Foo", "f", {"kind": None})
    assert refused.value.code == 422


def test_a_copy_from_nowhere_is_refused() -> None:
    world = World()
    world.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}")
    resource = world.resource("ConfigMap")
    with pytest.raises(ApiError) as refused:
        patch = [{"op": "copy", "path": "/data/z"}]
        world.api.patch(resource, "m", patch, type="json", namespace="default")
    assert refused.value.code == 422
