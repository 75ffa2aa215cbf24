"""Update, patch and apply: what a write may change, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, copied
from tests.kubesim.world import World, config_map, deployment, pod, refused

MODIFIED = (
    'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; '
    "please apply your changes to the latest version and try again"
)


@pytest.fixture
def world() -> World:
    world = World()
    world.create(deployment(), field_manager="creator")
    return world


def replicas(count: int) -> Object:
    return {"spec": {"replicas": count}}


def status(**fields: Any) -> Object:
    return {"status": fields}


# -- Preconditions ---------------------------------------------------------------------------------


def test_an_update_from_an_old_state_is_a_conflict(world: World) -> None:
    old = world.get("Deployment", "web")
    world.patch("Deployment", "web", replicas(3))
    with pytest.raises(ApiError) as refusal:
        world.update(old)
    assert refused(refusal) == (409, "Conflict", MODIFIED)
    assert refusal.value.details == {"name": "web", "group": "apps", "kind": "deployments"}


def test_an_update_without_a_resource_version_overwrites(world: World) -> None:
    world.patch("Deployment", "web", replicas(3))
    assert world.update(deployment(replicas=5))["spec"]["replicas"] == 5


def test_some_resources_insist_on_a_resource_version(world: World) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
        "spec": {"holderIdentity": "a"},
    }
    made = world.update(lease)  # an update that creates, as leases allow
    with pytest.raises(
        ApiError, match=r"metadata.resourceVersion.*must be specified for an update"
    ):
        world.update(lease)
    world.update({**made, "spec": {"holderIdentity": "b"}})


@pytest.mark.parametrize("type_", ["merge", "strategic", "apply"])
def test_a_resource_version_in_a_patch_is_a_precondition(world: World, type_: str) -> None:
    patch = deployment(replicas=3)
    patch["metadata"] = {"name": "web", "resourceVersion": "1"}
    options: dict[str, Any] = {
        "field_manager": "m",
        **({"force": True} if type_ == "apply" else {}),
    }
    with pytest.raises(ApiError) as refusal:
        world.patch("Deployment", "web", patch, type_, **options)
    assert refused(refusal) == (409, "Conflict", MODIFIED)
    patch["metadata"]["resourceVersion"] = str(world.api.store.revision)
    assert world.patch("Deployment", "web", patch, type_, **options)["spec"]["replicas"] == 3


def test_an_update_for_another_uid_is_a_conflict(world: World) -> None:
    body = deployment()
    body["metadata"]["uid"] = "another"
    with pytest.raises(ApiError, match="Precondition failed: UID in precondition: another") as no:
        world.update(body)
    assert no.value.code == 409


def test_a_patch_cannot_change_the_uid(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.patch("Deployment", "web", {"metadata": {"uid": "x"}})
    assert refused(refusal) == (
        422,
        "Invalid",
        'Deployment.apps "web" is invalid: metadata.uid: Invalid value: "x": field is immutable',
    )


def test_an_apply_for_a_uid_does_not_create_and_does_not_adopt(world: World) -> None:
    body = deployment("api")
    body["metadata"]["uid"] = "x"
    with pytest.raises(ApiError) as refusal:
        world.apply(body)
    assert refused(refusal) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on deployments.apps "api": uid mismatch: the provided '
        "object specified uid x, and no existing object was found",
    )
    body["metadata"]["name"] = "web"
    with pytest.raises(ApiError, match=r"metadata.uid.*immutable"):
        world.apply(body, force=True)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {"name": "api"},
            "the name of the object (api) does not match the name on the URL (web)",
        ),
        (
            {},
            "the name of the object (web based on URL) was undeterminable: name must be provided",
        ),
        (
            {"name": "web", "namespace": "shop"},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
def test_a_body_is_about_the_object_at_its_address(
    world: World, metadata: Object, message: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        world.api.update(
            world.resource("Deployment"),
            "web",
            {**deployment(), "metadata": metadata},
            namespace="default",
        )
    assert refused(refusal) == (400, "BadRequest", message)


def test_what_is_not_there_is_not_updated_or_patched(world: World) -> None:
    writes: tuple[Callable[[], Object], ...] = (
        lambda: world.update(deployment("api")),
        lambda: world.patch("Deployment", "api", replicas(2)),
        lambda: world.patch("Deployment", "api", status(), subresource="status"),
        lambda: world.apply({**deployment("api"), "status": {}}, "status"),
    )
    for write in writes:
        with pytest.raises(ApiError) as refusal:
            write()
        assert refused(refusal) == (404, "NotFound", 'deployments.apps "api" not found')


# -- What a write may touch ------------------------------------------------------------------------


def test_an_update_replaces_what_it_leaves_out(world: World) -> None:
    world.create(config_map(a="1", b="2"))
    assert world.update(config_map(a="3"))["data"] == {"a": "3"}


def test_metadata_of_the_server_survives_an_update_that_leaves_it_out(world: World) -> None:
    before = world.get("Deployment", "web")["metadata"]
    after = world.update(deployment(replicas=3))["metadata"]
    for name in ("uid", "creationTimestamp", "namespace"):
        assert after[name] == before[name]
    assert [entry["manager"] for entry in after["managedFields"]] == ["creator", "unknown"]


def test_an_update_of_the_object_leaves_the_status_as_it_is(world: World) -> None:
    world.patch("Deployment", "web", status(replicas=1), subresource="status")
    body = {**deployment(replicas=3), "status": {"replicas": 9}}
    assert world.update(body)["status"] == {"replicas": 1}
    world.patch("Deployment", "web", {**replicas(4), **status(replicas=9)})
    assert world.get("Deployment", "web")["status"] == {"replicas": 1}


def test_a_write_of_the_status_leaves_the_object_as_it_is(world: World) -> None:
    before = world.get("Deployment", "web")
    body = copied(before)
    body["spec"]["replicas"] = 9
    body["metadata"]["labels"] = {"app": "other"}
    body["status"] = {"replicas": 1}
    after = world.update(body, "status")
    assert after["spec"] is before["spec"]
    assert after["metadata"]["labels"] == {"app": "web"}
    assert after["status"] == {"replicas": 1}
    assert after["metadata"]["generation"] == 1


def test_a_controller_may_annotate_with_the_status(world: World) -> None:
    patch = {"metadata": {"annotations": {"revision": "1"}}, **status(replicas=1)}
    after = world.patch("Deployment", "web", patch, subresource="status")
    assert after["metadata"]["annotations"] == {"revision": "1"}
    assert after["metadata"]["generation"] == 1


def test_owners_are_no_part_of_a_pods_status(world: World) -> None:
    world.create(pod())
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}
    patch = {"metadata": {"ownerReferences": [owner]}, **status(phase="Running")}
    after = world.patch("Pod", "web-1", patch, subresource="status")
    assert "ownerReferences" not in after["metadata"]


@pytest.mark.parametrize(
    ("patch", "moves"),
    [
        (replicas(3), True),
        ({"metadata": {"annotations": {"a": "b"}}}, True),  # a Deployment's own quirk
        ({"metadata": {"labels": {"a": "b"}}}, False),
        ({"metadata": {"generation": 9}}, False),
        (replicas(1), False),
    ],
)
def test_generation_moves_with_what_is_asked_for(world: World, patch: Object, moves: bool) -> None:
    after = world.patch("Deployment", "web", patch)
    assert after["metadata"]["generation"] == (2 if moves else 1)


def test_annotations_move_no_other_generation(world: World) -> None:
    world.create({**deployment("db"), "kind": "ReplicaSet"})
    after = world.patch("ReplicaSet", "db", {"metadata": {"annotations": {"a": "b"}}})
    assert after["metadata"]["generation"] == 1


def test_an_immutable_field_is_not_changed(world: World) -> None:
    with pytest.raises(ApiError, match=r"spec.selector.*field is immutable") as refusal:
        world.patch("Deployment", "web", {"spec": {"selector": {"matchLabels": {"x": "y"}}}})
    assert refusal.value.code == 422


def test_new_finalizers_come_too_late_for_an_object_that_is_going(world: World) -> None:
    world.patch("Deployment", "web", {"metadata": {"finalizers": ["example.com/a"]}})
    world.delete("Deployment", "web")
    with pytest.raises(ApiError, match="no new finalizers can be added"):
        world.patch(
            "Deployment", "web", {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}
        )


def test_a_namespaces_own_finalizers_change_only_by_finalize(world: World) -> None:
    space = world.get("Namespace", "default")
    assert world.update({**space, "spec": {"finalizers": []}}) is space
    space = world.update({**space, "spec": {"finalizers": []}}, "finalize")
    assert not space["spec"].get("finalizers")


# -- Writes that change nothing --------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda world: world.update(world.get("Deployment", "web"), field_manager="other"),
        lambda world: world.update(deployment(), field_manager="other"),
        lambda world: world.patch("Deployment", "web", {}, field_manager="other"),
        lambda world: world.patch("Deployment", "web", replicas(1), "strategic"),
        lambda world: world.patch(
            "Deployment", "web", [{"op": "replace", "path": "/spec/replicas", "value": 1}], "json"
        ),
        lambda world: world.patch("Deployment", "web", status(), subresource="status"),
        lambda world: world.patch("Deployment", "web", replicas(1), subresource="scale"),
    ],
    ids=["update", "bare update", "merge", "strategic", "json", "status", "scale"],
)
def test_a_write_that_changes_nothing_is_no_write(
    world: World, write: Callable[[World], Object]
) -> None:
    before, revision = world.get("Deployment", "web"), world.api.store.revision
    world.now += 60
    write(world)
    assert world.api.store.revision == revision
    assert world.get("Deployment", "web") is before


def test_an_apply_is_repeated_without_a_write(world: World) -> None:
    first = world.apply(deployment("api"))
    revision = world.api.store.revision
    world.now += 60
    assert world.apply(deployment("api")) is first
    assert world.apply(deployment("api"), dry_run=True) is first
    assert world.api.store.revision == revision


def test_an_apply_of_an_atomic_value_without_its_defaults_is_repeated_without_a_write(
    world: World,
) -> None:
    config = deployment("api")
    reference = {"fieldRef": {"fieldPath": "metadata.name"}}  # atomic, and has a default
    (container,) = config["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "POD", "valueFrom": reference}]
    world.apply(config)
    before = world.patch("Deployment", "api", {"status": {"replicas": 1}}, subresource="status")
    world.now += 60
    assert world.apply(config) is before


def test_a_repeated_apply_undoes_what_others_did_in_between(world: World) -> None:
    world.apply(deployment("api", replicas=2))
    world.patch("Deployment", "api", replicas(5), field_manager="kubectl")
    assert world.apply(deployment("api", replicas=2), force=True)["spec"]["replicas"] == 2


def test_a_configuration_that_its_owner_changes_is_applied_again(world: World) -> None:
    config = deployment("api", replicas=2)
    world.apply(config)
    config["spec"]["replicas"] = 3
    assert world.apply(config)["spec"]["replicas"] == 3


def test_an_object_that_is_created_again_is_applied_again(world: World) -> None:
    first = world.apply(config_map())
    world.delete("ConfigMap", "settings")
    second = world.apply(config_map())
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


# -- Patches ---------------------------------------------------------------------------------------


def test_each_kind_of_patch_has_its_own_idea_of_a_list(world: World) -> None:
    sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "log", "image": "log:1"}]}}}}

    def names(after: Object) -> list[str]:
        return [each["name"] for each in after["spec"]["template"]["spec"]["containers"]]

    assert names(world.patch("Deployment", "web", sidecar, "strategic")) == ["log", "web"]
    assert names(world.patch("Deployment", "web", sidecar, "merge")) == ["log"]
    gone = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "x"}}]
    with pytest.raises(ApiError, match=r"spec.template.spec.containers\[1\].image: Required"):
        world.patch("Deployment", "web", gone, "json")


@pytest.mark.parametrize("type_", ["merge", "strategic"])
def test_a_patch_with_an_unknown_field_is_refused(world: World, type_: str) -> None:
    with pytest.raises(ApiError) as refusal:
        world.patch("Deployment", "web", {"spec": {"replcas": 3, "paused": True}}, type_)
    assert refused(refusal) == (
        422,
        "Invalid",
        ' "" is invalid: patch: Invalid value: "map[spec:map[paused:true replcas:3]]": '
        'strict decoding error: unknown field "spec.replcas"',
    )
    loose = {"field_validation": "Ignore"}
    after = world.patch("Deployment", "web", {"spec": {"replcas": 3}}, type_, **loose)
    assert "replcas" not in after["spec"]


def test_a_patch_with_a_value_of_the_wrong_type_is_refused(world: World) -> None:
    with pytest.raises(ApiError, match="cannot unmarshal string into Go struct field") as refusal:
        world.patch("Deployment", "web", {"spec": {"replicas": "3"}})
    assert refusal.value.code == 422


def test_only_an_apply_can_be_forced(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.patch("Deployment", "web", {}, force=True)
    assert refused(refusal) == (
        422,
        "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: '
        "may not be specified for non-apply patch",
    )


def test_a_patch_is_defaulted_as_a_whole(world: World) -> None:
    probe = {"readinessProbe": {"httpGet": {"port": 80}}}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", **probe}]}}}}
    after = world.patch("Deployment", "web", patch, "strategic")
    [container] = after["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["periodSeconds"] == 10


# -- Server-side apply -----------------------------------------------------------------------------


def test_an_apply_creates_what_is_not_there(world: World) -> None:
    made = world.apply(deployment("api"), field_manager="flux")
    assert made["spec"]["replicas"] == 1
    assert made["metadata"]["generation"] == 1
    [entry] = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("flux", "Apply")
    assert "f:replicas" not in entry["fieldsV1"]["f:spec"]


def test_an_apply_needs_a_field_manager(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.apply(deployment(), field_manager="")
    assert refused(refusal) == (
        422,
        "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
        "is required for apply patch",
    )


def test_an_apply_against_another_manager_is_a_conflict_unless_forced(world: World) -> None:
    world.patch("Deployment", "web", replicas(3), field_manager="kubectl")
    with pytest.raises(ApiError) as refusal:
        world.apply(deployment(replicas=2))
    assert refused(refusal) == (
        409,
        "Conflict",
        'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
    )
    assert world.apply(deployment(replicas=2), force=True)["spec"]["replicas"] == 2


def test_what_a_configuration_drops_goes_back_to_its_default(world: World) -> None:
    world.apply(deployment("api", replicas=4))
    assert world.apply(deployment("api"))["spec"]["replicas"] == 1


def test_an_apply_takes_quantities_as_they_are_stored(world: World) -> None:
    config = deployment("api")
    container = config["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": 0.5, "memory": "1024Mi"}}
    made = world.apply(config)
    [container] = made["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    world.api._applied.clear()
    assert world.apply(config) is made


def test_an_apply_with_an_unknown_field_is_refused(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.apply(deployment("api", replcas=2))
    assert refusal.value.message == (
        "failed to create typed patch object (/api; apps/v1, Kind=Deployment): "
        ".spec.replcas: field not declared in schema"
    )


def test_an_apply_with_what_is_no_quantity_is_refused(world: World) -> None:
    config = deployment("api")
    container = config["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "lots"}}
    with pytest.raises(ApiError, match="quantities must match the regular expression") as refusal:
        world.apply(config)
    assert refusal.value.code == 400


def test_an_apply_to_the_status_writes_the_status_alone(world: World) -> None:
    config = {**deployment(replicas=9), "status": {"replicas": 2}}
    after = world.apply(config, "status")
    assert (after["spec"]["replicas"], after["status"]["replicas"]) == (1, 2)
    assert world.apply(config, "status") is after


def test_an_apply_to_the_object_leaves_the_status(world: World) -> None:
    world.patch("Deployment", "web", status(replicas=1), subresource="status")
    config = {**deployment(replicas=2), "status": {"replicas": 7}}
    assert world.apply(config, force=True)["status"] == {"replicas": 1}


# -- Dry runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda world, **o: world.update(deployment(replicas=3), **o),
        lambda world, **o: world.patch("Deployment", "web", replicas(3), **o),
        lambda world, **o: world.patch("Deployment", "web", replicas(3), subresource="scale", **o),
        lambda world, **o: world.apply(deployment(replicas=3), force=True, **o),
    ],
    ids=["update", "patch", "scale", "apply"],
)
def test_a_dry_run_shows_what_a_write_would_store(
    world: World, write: Callable[..., Object]
) -> None:
    before, revision = world.get("Deployment", "web"), world.api.store.revision
    shown = write(world, dry_run=True)
    assert shown["spec"]["replicas"] == 3
    assert world.get("Deployment", "web") is before
    assert world.api.store.revision == revision
    assert shown["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    stored = write(world)
    shown["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
    assert shown == stored
