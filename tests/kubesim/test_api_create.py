"""Create: what the server adds to an object, and what it refuses."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, copied
from kubesim.api import Api, Options, bootstrap
from tests.kubesim.world import World, config_map, deployment, namespace, pod, refused


@pytest.fixture
def world() -> World:
    return World()


def test_a_new_object_gets_what_only_the_server_gives(world: World) -> None:
    made = world.create(deployment(), field_manager="kubectl-create")
    metadata = made["metadata"]
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", metadata["uid"]
    )
    assert metadata["creationTimestamp"] == "2026-01-05T09:00:00Z"
    assert metadata["namespace"] == "default"
    assert metadata["generation"] == 1
    assert metadata["resourceVersion"] == str(world.api.store.revision)
    assert [entry["manager"] for entry in metadata["managedFields"]] == ["kubectl-create"]
    assert made["spec"]["replicas"] == 1
    assert made is world.get("Deployment", "web")


def test_a_body_is_not_changed_by_its_creation(world: World) -> None:
    body = deployment()
    before = copied(body)
    world.create(body)
    assert body == before


def test_metadata_that_only_the_server_writes_is_not_taken_from_a_body(world: World) -> None:
    body = config_map()
    body["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7,
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 5,
        "selfLink": "/here",
    }
    metadata = world.create(body)["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["creationTimestamp"] == "2026-01-05T09:00:00Z"
    assert not metadata.keys() & {"generation", "deletionTimestamp", "selfLink"}


def test_a_status_is_not_created_with_its_object(world: World) -> None:
    assert world.create({**deployment(), "status": {"replicas": 9}})["status"] == {}


def test_a_node_brings_its_status_along(world: World) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "status": {"capacity": {"cpu": 4}},
    }
    assert world.create(body)["status"]["capacity"] == {"cpu": "4"}


def test_generate_name_adds_five_characters_that_make_no_words(world: World) -> None:
    body = config_map()
    body["metadata"] = {"generateName": "x" * 70}
    name = world.create(body)["metadata"]["name"]
    assert re.fullmatch("x{58}[bcdfghjklmnpqrstvwxz2456789]{5}", name)


def test_generated_names_that_are_taken_are_drawn_again() -> None:
    class Stuck(Random):
        """Draws the same name twice."""

        def choices(self, population: Any, *args: Any, **kwargs: Any) -> list[Any]:
            self.draws = getattr(self, "draws", 0) + 1
            return list("bbbbb" if self.draws < 3 else "ccccc")

    api = Api(now=lambda: 0.0, rng=Stuck(1))
    bootstrap(api)
    body = {**config_map(), "metadata": {"generateName": "x-", "namespace": "default"}}
    maps = api.registry.by_kind("v1", "ConfigMap")
    assert [api.create(maps, body)["metadata"]["name"] for _ in "ab"] == ["x-bbbbb", "x-ccccc"]


def test_the_same_seed_gives_the_same_objects() -> None:
    def run(seed: int) -> list[Object]:
        world = World(seed)
        body = pod()
        body["metadata"] = {"generateName": "web-"}
        return [world.create(body), world.create(deployment())]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_a_namespace_is_taken_from_the_body_if_the_request_has_none(world: World) -> None:
    body = config_map()
    body["metadata"]["namespace"] = "default"
    made = world.api.create(world.resource("ConfigMap"), body)
    assert made["metadata"]["namespace"] == "default"


def test_a_cluster_scoped_object_loses_its_namespace(world: World) -> None:
    body = namespace("shop")
    body["metadata"]["namespace"] = "default"
    assert "namespace" not in world.create(body)["metadata"]


def test_kind_and_version_may_be_left_to_the_address(world: World) -> None:
    made = world.api.create(
        world.resource("ConfigMap"), {"metadata": {"name": "a"}}, namespace="default"
    )
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")


def test_a_name_is_unique_in_its_namespace(world: World) -> None:
    world.create(deployment())
    with pytest.raises(ApiError) as refusal:
        world.create(deployment())
    assert refused(refusal) == (409, "AlreadyExists", 'deployments.apps "web" already exists')
    assert refusal.value.details == {"name": "web", "group": "apps", "kind": "deployments"}
    world.create(namespace("shop"))
    world.api.create(world.resource("Deployment"), deployment(), namespace="shop")


HANDLED = 'Deployment in version "v1" cannot be handled as a Deployment: '


SCHEME = 'in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            deployment(replcas=2),
            HANDLED + 'strict decoding error: unknown field "spec.replcas"',
        ),
        (
            {**deployment(replcas=2), "sepc": {}},
            HANDLED + 'strict decoding error: unknown field "spec.replcas", unknown field "sepc"',
        ),
        (
            deployment(replicas="two"),
            HANDLED + "json: cannot unmarshal string into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            pod(),
            'Pod in version "v1" cannot be handled as a Deployment: '
            "converting (v1.Pod) to (apps.Deployment): unknown conversion",
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deploymnt"},
            'Deploymnt in version "v1" cannot be handled as a Deployment: '
            f'no kind "Deploymnt" is registered for version "apps/v1" {SCHEME}',
        ),
        (
            {**deployment(), "apiVersion": "apps/v2"},
            'Deployment in version "v2" cannot be handled as a Deployment: no kind "Deployment" '
            f'is registered for version "apps/v2" {SCHEME}',
        ),
        (
            {**deployment(), "metadata": {"name": "web", "namespace": "shop"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            ["no object"],
            "the object provided is unrecognized (must be of type Deployment): couldn't get "
            "version/kind; json parse error: json: cannot unmarshal array into Go value of type "
            "runtime.TypeMeta",
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_a_bad_request(world: World, body: Any, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        world.api.create(world.resource("Deployment"), body, namespace="default")
    assert refused(refusal) == (400, "BadRequest", message)


def test_a_namespaced_object_needs_a_namespace(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.api.create(world.resource("ConfigMap"), config_map())
    assert refused(refusal) == (
        400,
        "BadRequest",
        "an empty namespace may not be set during creation",
    )


def test_unknown_fields_go_with_a_warning_or_without(world: World) -> None:
    warnings: list[str] = []
    world.api.warn = warnings.append
    made = world.create(deployment("a", replcas=2), field_validation="Warn")
    assert "replcas" not in made["spec"]
    assert warnings == ['unknown field "spec.replcas"']
    assert "replcas" not in world.create(deployment("b", replcas=2), field_validation="Ignore")
    assert len(warnings) == 1


def test_an_invalid_object_is_refused_with_its_causes(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.create(deployment(replicas=-1))
    assert refused(refusal) == (
        422,
        "Invalid",
        'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0",
    )
    assert [cause["field"] for cause in refusal.value.causes] == ["spec.replicas"]


def test_without_a_name_there_is_no_object(world: World) -> None:
    with pytest.raises(ApiError, match="name or generateName is required") as refusal:
        world.create({**config_map(), "metadata": {}})
    assert refusal.value.code == 422


def test_a_resource_version_has_no_place_in_a_new_object(world: World) -> None:
    body = config_map()
    body["metadata"]["resourceVersion"] = "1"
    with pytest.raises(ApiError, match="resourceVersion should not be set on objects to be") as no:
        world.create(body)
    assert (no.value.code, no.value.reason) == (500, "")


def test_nothing_is_created_where_there_is_no_namespace(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.api.create(world.resource("Deployment"), deployment(), namespace="shop")
    assert refused(refusal) == (404, "NotFound", 'namespaces "shop" not found')


def test_nothing_is_created_where_a_namespace_is_going(world: World) -> None:
    world.create(namespace("shop"))
    world.delete("Namespace", "shop")
    with pytest.raises(ApiError) as refusal:
        world.api.create(world.resource("Deployment"), deployment(), namespace="shop")
    assert refused(refusal) == (
        403,
        "Forbidden",
        'deployments.apps "web" is forbidden: unable to create new content in namespace shop '
        "because it is being terminated",
    )
    assert refusal.value.causes == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace shop is being terminated",
            "field": "metadata.namespace",
        }
    ]


def test_a_dry_run_shows_the_object_and_leaves_no_trace(world: World) -> None:
    body = pod()
    body["metadata"] = {"generateName": "web-"}
    revision, drawn = world.api.store.revision, World().create(body)
    shown = world.create(body, dry_run=True)
    assert "resourceVersion" not in shown["metadata"]
    assert shown["spec"]["tolerations"]
    assert world.api.store.revision == revision
    assert world.create(body) == drawn  # not even the random source has moved


def test_a_dry_run_refuses_what_a_create_would_refuse(world: World) -> None:
    world.create(deployment())
    for body in (deployment(), deployment("b", replicas=-1)):
        with pytest.raises(ApiError) as dry:
            world.create(body, dry_run=True)
        with pytest.raises(ApiError) as wet:
            world.create(body)
        assert refused(dry) == refused(wet)


def test_reviews_cannot_be_kept(world: World) -> None:
    review = world.resource("SelfSubjectAccessReview")
    with pytest.raises(ApiError) as refusal:
        world.api.create(review, {"spec": {}}, options=Options())
    assert refused(refusal) == (
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )


def test_every_cluster_begins_with_the_same_things(world: World) -> None:
    assert world.names("Namespace") == [
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    ]
    assert world.get("Service", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"
    classes = world.api.list(world.resource("PriorityClass"))["items"]
    assert {each["metadata"]["name"]: each["value"] for each in classes} == {
        "system-cluster-critical": 2_000_000_000,
        "system-node-critical": 2_000_001_000,
    }
