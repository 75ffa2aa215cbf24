"""Server-side apply, as the documentation and structured-merge-diff have it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim import fieldsets, managedfields
from kubesim.admission import default
from kubesim.resources import Registry
from kubesim.schema import Node, Schemas, builtin, decode

APPS = Path(__file__).parents[3] / "shared" / "apps"
T0, T1, T2 = (f"2026-01-05T09:0{minute}:00Z" for minute in range(3))


def node(api_version: str, kind: str) -> Node:
    found = builtin().node(api_version, kind)
    assert found is not None
    return found


NODES = {
    "Deployment": node("apps/v1", "Deployment"),
    "ConfigMap": node("v1", "ConfigMap"),
    "Service": node("v1", "Service"),
}


def apply(
    live: Object | None, config: Object, manager: str = "flux", *, force: bool = False,
    now: str = T0, subresource: str = "",
) -> Object:  # fmt: skip
    return managedfields.apply(
        live, config, node=NODES[config["kind"]], manager=manager, force=force, now=now,
        subresource=subresource,
    )  # fmt: skip


def track(
    old: Object | None, new: Object, manager: str = "kubectl-edit", *, now: str = T0,
    subresource: str = "",
) -> Object:  # fmt: skip
    return managedfields.track(
        old, new, node=NODES[new["kind"]], manager=manager, now=now, subresource=subresource
    )


def config_map(**data: str) -> Object:
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    return {**body, "data": data} if data else body


def deployment(*containers: Object, **spec: Any) -> Object:
    if containers:
        spec["template"] = {"spec": {"containers": list(containers)}}
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def web(**fields: Any) -> Object:
    return {"name": "web", **fields}


def containers(obj: Object) -> Any:
    return obj["spec"]["template"]["spec"]["containers"]


def edited(obj: Object, **spec: Any) -> Object:
    return {**obj, "spec": {**obj["spec"], **spec}}


def entries(obj: Object) -> list[Any]:
    return list(obj["metadata"].get("managedFields", []))


def owned(obj: Object, manager: str, operation: str = "Apply", subresource: str = "") -> list[str]:
    """The fields that a manager owns, as paths."""
    return [
        path
        for entry in entries(obj)
        if entry["manager"] == manager
        and entry["operation"] == operation
        and entry.get("subresource", "") == subresource
        for path in fieldsets.paths(entry["fieldsV1"])
    ]


def content(obj: Object) -> Object:
    """An object without its managedFields."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def conflict(live: Object, config: Object, manager: str = "flux") -> ApiError:
    with pytest.raises(ApiError) as refused:
        apply(live, config, manager)
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    return refused.value


# -- What a configuration owns --------------------------------------------------------------------


def test_creating_by_apply_stores_the_configuration_and_who_applied_it() -> None:
    created = apply(None, config_map(color="blue"))
    assert content(created) == config_map(color="blue")
    assert entries(created) == [
        {
            "manager": "flux",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": T0,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:color": {}}},
        }
    ]


def test_the_owner_of_a_deployment_owns_leaves_items_and_atomic_wholes() -> None:
    config = deployment(
        web(image="web:1", args=["--verbose"], ports=[{"containerPort": 80}], resources={}),
        replicas=2,
        selector={"matchLabels": {"app": "web"}},
    )
    config["metadata"].update(labels={"app": "web"}, finalizers=["keep"])
    [entry] = entries(apply(None, config))
    port = 'k:{"containerPort":80,"protocol":"TCP"}'
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"keep"': {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"web"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:args": {},
                            "f:ports": {port: {".": {}, "f:containerPort": {}}},
                            "f:resources": {},
                        }
                    }
                }
            },
        },
    }


def test_nobody_owns_what_says_which_object_it_is_or_what_the_server_writes() -> None:
    live = apply(None, config_map(color="blue"))
    live["metadata"] |= {"uid": "1", "resourceVersion": "7", "creationTimestamp": T0}
    config = config_map(color="blue")
    config["metadata"] |= {"namespace": "shop", "uid": "1", "resourceVersion": "5"}
    merged = apply({**live, "metadata": {**live["metadata"], "namespace": "shop"}}, config)
    assert owned(merged, "flux") == [".data.color"]
    assert merged["metadata"]["resourceVersion"] == "7"


def test_a_configuration_must_not_bring_managed_fields() -> None:
    config = config_map(color="blue")
    config["metadata"]["managedFields"] = []
    with pytest.raises(ApiError, match=r"metadata\.managedFields must be nil") as refused:
        apply(None, config)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            deployment(web(), web(image="x")),
            '.spec.template.spec.containers: duplicate entries for key [name="web"]',
        ),
        (deployment(replcas=2), ".spec.replcas: field not declared in schema"),
        (
            deployment(web(env=[{"name": "PORT", "value": 80}])),
            '.spec.template.spec.containers[name="web"].env[name="PORT"].value: '
            "expected string, got &value.valueUnstructured{Value:80}",
        ),
        (deployment(replicas="2"), ".spec.replicas: expected numeric (int or float), got string"),
        (deployment(template=["x"]), ".spec.template: expected map, got &{[x]}"),
        (deployment(template={"spec": {"containers": {}}}), "expected list, got &{map[]}"),
        (
            deployment({"image": "x"}),
            ".spec.template.spec.containers: element 0: associative list with keys has an element "
            'that omits all key fields ["name"] (and doesn\'t have default values for any key '
            "fields)",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_its_type_is_refused(config: Object, fault: str) -> None:
    with pytest.raises(ApiError) as refused:
        apply(None, config)
    assert refused.value.message.startswith(
        "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): "
    )
    assert refused.value.message.endswith(fault)


def test_several_faults_are_listed() -> None:
    with pytest.raises(
        ApiError, match=r"errors:\n  \.spec\.x: .*\n  \.spec\.y: field not declared"
    ):
        apply(None, deployment(x=1, y=2))


# -- Merging --------------------------------------------------------------------------------------


def test_applying_the_same_again_returns_the_live_object_itself() -> None:
    live = apply(None, deployment(web(image="web:1"), replicas=2))
    assert apply(live, deployment(web(image="web:1"), replicas=2), now=T1) is live


def test_another_value_moves_the_field_and_the_time() -> None:
    live = apply(None, config_map(color="blue", size="m"))
    merged = apply(live, config_map(color="red", size="m"), now=T1)
    assert merged["data"] == {"color": "red", "size": "m"}
    assert entries(merged)[0]["time"] == T1


def test_a_field_stated_beside_others_leaves_them_alone() -> None:
    live = track(None, deployment(web(image="web:1"), replicas=2))
    merged = apply(live, deployment(web(ports=[{"containerPort": 80}])))
    assert containers(merged) == [web(image="web:1", ports=[{"containerPort": 80}])]
    assert merged["spec"]["replicas"] == 2


def test_a_port_without_protocol_is_the_live_port_with_the_default_one() -> None:
    live = track(None, deployment(web(ports=[{"containerPort": 80, "protocol": "TCP"}])))
    merged = apply(live, deployment(web(ports=[{"containerPort": 80, "name": "http"}])))
    assert containers(merged)[0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP", "name": "http"}
    ]


def test_what_only_defaults_add_to_an_atomic_value_is_no_write_once_they_are_back() -> None:
    """The result of such an apply differs until it is defaulted; see `settle`."""
    bare = deployment(web(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]))
    full = deepcopy(bare)
    containers(full)[0]["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    live = {**full, "metadata": apply(None, bare)["metadata"]}
    merged = apply(live, bare, now=T1)
    defaulted = {**full, "metadata": merged["metadata"]}
    assert merged is not live
    assert managedfields.settle(live, defaulted) is live
    assert managedfields.settle(live, {**defaulted, "data": 1}) is not live
    other = apply(defaulted, bare, "other", force=True)
    assert managedfields.settle(live, other) is other


def test_null_states_nothing() -> None:
    live = track(None, deployment(replicas=5, paused=True))
    config = deployment(replicas=None, paused=True)
    merged = apply(live, config)
    assert merged["spec"] == {"replicas": 5, "paused": True}
    assert owned(merged, "flux") == [".spec.paused"]


@pytest.mark.skipif(not APPS.is_dir(), reason="the sample applications are not at hand")
def test_real_applications_applied_again_after_defaulting_are_no_write() -> None:
    registry = Registry.builtin()
    kinds = {(resource.api_version, resource.kind): resource for resource in registry.all()}
    count = 0
    for path in sorted(APPS.rglob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            resource = kinds.get((body.get("apiVersion"), body.get("kind"))) if body else None
            if resource is None:
                continue
            config, findings = decode(body, resource.node)
            assert not findings

            def applied(
                live: Object | None, config: Object = config, of: Node = resource.node
            ) -> Object:
                return managedfields.apply(
                    live,
                    config,
                    node=of,
                    manager="flux",
                    force=False,
                    now=T0 if live is None else T1,
                )

            live = default(applied(None), resource)
            if not entries(live):
                continue  # nothing but a name; see the next test
            assert managedfields.settle(live, default(applied(live), resource)) is live
            count += 1
    assert count > 10


def test_an_apply_that_states_nothing_but_a_name_leaves_no_record() -> None:
    """So what defaults add to such an object, a bare Namespace say, was there before the first
    apply that finds it, on a real server too."""
    live = apply(None, config_map())
    assert live == config_map()
    assert apply(live, config_map()) is live
    defaulted = {**live, "data": {"color": "blue"}}
    again = apply(defaulted, config_map())
    assert [entry["manager"] for entry in entries(again)] == ["before-first-apply"]
    assert apply(again, config_map(), now=T1) is again


# -- Conflicts ------------------------------------------------------------------------------------


def test_one_conflict_names_field_manager_and_version() -> None:
    live = track(None, deployment(replicas=5), "kubectl-edit")
    error = conflict(live, deployment(replicas=2))
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    )
    assert error.causes == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_several_conflicts_are_listed_by_manager() -> None:
    live = apply(None, deployment(web(image="web:1")), "argocd-controller")
    live = track(live, edited(live, replicas=5, paused=True), "kubectl-edit")
    error = conflict(live, deployment(web(image="web:2"), replicas=2, paused=False))
    assert error.message == (
        'Apply failed with 3 conflicts: conflicts with "argocd-controller":\n'
        '- .spec.template.spec.containers[name="web"].image\n'
        'conflicts with "kubectl-edit" using apps/v1:\n'
        "- .spec.paused\n"
        "- .spec.replicas"
    )
    assert [cause["field"] for cause in error.causes] == [
        '.spec.template.spec.containers[name="web"].image',
        ".spec.paused",
        ".spec.replicas",
    ]


def test_a_conflict_with_a_subresource_says_so() -> None:
    live = track(None, deployment(replicas=2), "kubectl-create")
    live = track(live, edited(live, replicas=5), "autoscaler", subresource="scale")
    assert '"autoscaler" with subresource "scale" using apps/v1: .spec.replicas' in (
        conflict(live, deployment(replicas=2)).message
    )


def test_the_same_value_is_shared_without_conflict() -> None:
    live = apply(None, config_map(color="blue"), "flux")
    merged = apply(live, config_map(color="blue"), "argocd", now=T1)
    assert owned(merged, "flux") == owned(merged, "argocd") == [".data.color"]
    assert content(merged) == content(live)


def test_force_takes_the_field_from_everyone_else() -> None:
    live = apply(None, config_map(color="blue", size="m"), "flux")
    live = apply(live, config_map(color="blue"), "argocd")
    merged = apply(live, config_map(color="red"), "me", force=True)
    assert merged["data"] == {"color": "red", "size": "m"}
    assert owned(merged, "me") == [".data.color"]
    assert owned(merged, "flux") == [".data.size"]
    assert [entry["manager"] for entry in entries(merged)] == ["flux", "me"]


def test_force_leaves_the_other_managers_times_as_they_were() -> None:
    live = apply(None, config_map(color="blue", size="m"), "flux", now=T0)
    merged = apply(live, config_map(color="red"), "me", force=True, now=T1)
    assert [entry["time"] for entry in entries(merged)] == [T0, T1]


def test_an_own_update_is_another_owner_than_an_own_apply() -> None:
    live = apply(None, config_map(color="blue"), "me")
    live = track(live, {**live, "data": {"color": "red"}}, "me")
    assert owned(live, "me", "Update") == [".data.color"]
    assert '"me" using v1: .data.color' in conflict(live, config_map(color="blue"), "me").message


def test_an_item_removed_by_hand_comes_back_without_conflict() -> None:
    live = apply(None, deployment(web(image="web:1"), {"name": "side", "image": "side:1"}))
    hand = track(live, deployment(web(image="web:1")) | {"metadata": live["metadata"]})
    assert not any("side" in path for path in owned(hand, "flux"))
    merged = apply(hand, deployment(web(image="web:1"), {"name": "side", "image": "side:1"}))
    assert [item["name"] for item in containers(merged)] == ["web", "side"]


# -- Dropping fields ------------------------------------------------------------------------------


def test_a_dropped_field_that_nobody_else_owns_goes() -> None:
    live = apply(None, config_map(color="blue", size="m"))
    merged = apply(live, config_map(color="blue"))
    assert merged["data"] == {"color": "blue"}


def test_a_dropped_field_that_another_applier_owns_stays() -> None:
    live = apply(None, config_map(color="blue", size="m"), "flux")
    live = apply(live, config_map(size="m"), "argocd")
    merged = apply(live, config_map(color="blue"), "flux")
    assert merged["data"] == {"color": "blue", "size": "m"}
    assert owned(merged, "flux") == [".data.color"]


def test_a_dropped_field_that_an_updater_owns_stays() -> None:
    live = apply(None, deployment(replicas=2, paused=True), "flux")
    live = track(live, edited(live, replicas=5), "autoscaler", subresource="scale")
    merged = apply(live, deployment(paused=True), "flux")
    assert merged["spec"] == {"replicas": 5, "paused": True}


def test_dropped_items_and_set_members_go_and_their_neighbours_stay() -> None:
    config = deployment(web(image="web:1"), {"name": "side", "image": "side:1"})
    config["metadata"]["finalizers"] = ["a", "b"]
    live = apply(None, config)
    config = deployment(web(image="web:1"))
    config["metadata"]["finalizers"] = ["b"]
    merged = apply(live, config)
    assert containers(merged) == [web(image="web:1")]
    assert merged["metadata"]["finalizers"] == ["b"]


def test_an_item_goes_with_all_that_others_wrote_into_it() -> None:
    live = apply(None, deployment(web(image="web:1"), {"name": "side", "image": "side:1"}))
    new = deepcopy(live)
    containers(new)[1]["image"] = "side:2"
    live = track(live, new, "kubectl-set")
    merged = apply(live, deployment(web(image="web:1")))
    assert containers(merged) == [web(image="web:1")]
    assert owned(merged, "kubectl-set", "Update") == []


def test_an_item_stays_if_another_owns_the_item_itself() -> None:
    side = {"name": "side", "image": "side:1"}
    live = apply(None, deployment(web(image="web:1"), side), "flux")
    live = apply(live, deployment({"name": "side"}), "mesh")
    merged = apply(live, deployment(web(image="web:1")), "flux")
    assert containers(merged) == [web(image="web:1"), {"name": "side"}]


def test_a_struct_goes_with_the_last_field_in_it_that_anybody_owned() -> None:
    update = {"rollingUpdate": {"maxSurge": 1}, "type": "RollingUpdate"}
    live = apply(None, deployment(replicas=2, strategy=update))
    defaulted = deepcopy(live)
    defaulted["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = "25%"
    merged = apply(defaulted, deployment(replicas=2, strategy={"type": "RollingUpdate"}))
    assert merged["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_dropping_the_last_label_leaves_the_metadata() -> None:
    config = config_map(color="blue")
    config["metadata"]["labels"] = {"app": "web"}
    live = apply(None, config)
    live["metadata"]["uid"] = "1"
    merged = apply(live, config_map(color="blue"))
    assert content(merged)["metadata"] == {"name": "settings", "uid": "1"}


def test_a_map_that_is_stated_empty_stays_when_its_last_entry_goes() -> None:
    full = deployment(volumes=[]) | {"spec": {"template": {"spec": {"volumes": [
        {"name": "v", "emptyDir": {"medium": "Memory"}}]}}}}  # fmt: skip
    bare = deepcopy(full)
    bare["spec"]["template"]["spec"]["volumes"][0]["emptyDir"] = {}
    merged = apply(apply(None, full), bare)
    assert content(merged) == bare


def test_a_manager_that_states_nothing_any_more_has_no_entry() -> None:
    live = apply(apply(None, config_map(color="blue"), "flux"), config_map(size="m"), "argocd")
    merged = apply(live, config_map(), "flux")
    assert merged["data"] == {"size": "m"}
    assert [entry["manager"] for entry in entries(merged)] == ["argocd"]


# -- Tracking updates -----------------------------------------------------------------------------


def test_a_created_object_belongs_to_its_creator_structs_included() -> None:
    config = deployment(web(image="web:1", resources={"limits": {"cpu": "1"}}), replicas=1)
    config["metadata"]["labels"] = {"app": "web"}
    config["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    [entry] = entries(track(None, {**config, "status": {"replicas": 0}}, "kubectl-create"))
    # As `kubectl create deployment` leaves it on a real cluster: pointers and lists with `.`,
    # structs that every Deployment has without.
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"web"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:resources": {".": {}, "f:limits": {".": {}, "f:cpu": {}}},
                        }
                    }
                }
            },
            "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
        },
    }


def test_a_custom_resource_has_no_struct_before_it_is_written() -> None:
    schema = {"x-kubernetes-preserve-unknown-fields": True, "type": "object"}
    body: Object = {"apiVersion": "lab/v1", "kind": "Note", "metadata": {"name": "n"}}
    created = managedfields.track(
        None, {**body, "spec": {"text": "hi"}}, node=Node(schema, Schemas({})), manager="me", now=T0
    )
    assert entries(created)[0]["fieldsV1"] == {"f:spec": {".": {}, "f:text": {}}}


def test_what_changes_hands_leaves_the_other_managers() -> None:
    live = apply(None, config_map(color="blue", size="m"))
    new = track(live, {**live, "data": {"color": "red", "size": "m"}}, now=T1)
    assert owned(new, "flux") == [".data.size"]
    assert owned(new, "kubectl-edit", "Update") == [".data.color"]
    assert [entry["time"] for entry in entries(new)] == [T0, T1]


def test_what_is_removed_is_nobodys() -> None:
    live = apply(None, config_map(color="blue", size="m"))
    new = track(live, {**live, "data": {"size": "m"}}, now=T1)
    assert [entry["manager"] for entry in entries(new)] == ["flux"]
    assert owned(new, "flux") == [".data.size"]


def test_a_write_of_the_same_changes_nothing() -> None:
    live = apply(None, deployment(web(image="web:1"), replicas=2))
    new = deepcopy(live)
    assert track(live, new, now=T1) is new
    new["metadata"]["resourceVersion"] = "8"
    assert track(live, new, now=T1) is new


def test_a_managers_writes_add_up() -> None:
    live = track(None, config_map(color="blue"), "me")
    live = track(live, {**live, "data": {"color": "blue", "size": "m"}}, "me", now=T1)
    [entry] = entries(live)
    assert entry["time"] == T1
    assert list(fieldsets.paths(entry["fieldsV1"])) == [".data", ".data.color", ".data.size"]
    live = track(live, {**live, "data": {"size": "m", "shape": "round"}}, "me")
    assert owned(live, "me", "Update") == [".data", ".data.shape", ".data.size"]


def test_status_is_tracked_apart_and_not_on_the_object_itself() -> None:
    live = apply(None, deployment(replicas=2) | {"status": {"replicas": 9}})
    assert "status" not in live
    new = track(live, {**live, "status": {"replicas": 2}}, "kubelet")
    assert [entry["manager"] for entry in entries(new)] == ["flux"]
    new = track(live, {**live, "status": {"replicas": 2}}, "kubelet", subresource="status")
    assert owned(new, "kubelet", "Update", "status") == [".status.replicas"]
    new = track(new, {**new, "status": {}}, "kubelet", subresource="status")
    assert [entry["manager"] for entry in entries(new)] == ["flux"]


def test_a_status_apply_reaches_only_the_status() -> None:
    live = apply(None, deployment(replicas=2))
    config = deployment(replicas=9) | {"status": {"replicas": 2}}
    merged = apply(live, config, "controller", subresource="status")
    assert (merged["spec"], merged["status"]) == ({"replicas": 2}, {"replicas": 2})
    assert owned(merged, "controller", subresource="status") == [".status.replicas"]


def test_a_kind_without_status_subresource_owns_its_status_as_any_field() -> None:
    created = managedfields.apply(
        None, deployment() | {"status": {"replicas": 1}}, node=NODES["Deployment"], manager="me",
        force=False, now=T0, status_apart=False,
    )  # fmt: skip
    assert owned(created, "me") == [".spec", ".status.replicas"]


def test_the_order_of_items_of_a_keyed_list_is_not_owned() -> None:
    live = apply(None, deployment(web(image="a"), {"name": "side", "image": "b"}))
    turned = deployment({"name": "side", "image": "b"}, web(image="a"))
    new = {**live, "spec": turned["spec"]}
    assert track(live, new) is new


def test_entries_are_ordered_applies_first_then_by_time_and_name() -> None:
    live = track(None, config_map(a="1"), "z-update", now=T0)
    live = apply(live, config_map(b="1"), "b-apply", now=T2)
    live = apply(live, config_map(c="1"), "a-apply", now=T2)
    live = track(live, {**live, "data": {**live["data"], "d": "1"}}, "a-update", now=T1)
    assert [(entry["operation"], entry["manager"]) for entry in entries(live)] == [
        ("Apply", "a-apply"),
        ("Apply", "b-apply"),
        ("Update", "z-update"),
        ("Update", "a-update"),
    ]


@pytest.mark.parametrize("cleared", [[], [{}]])
def test_a_client_may_clear_managed_fields_and_they_stay_clear_until_an_apply(
    cleared: list[Any],
) -> None:
    live = apply(None, config_map(color="blue"))
    live = track(live, {**live, "metadata": {**live["metadata"], "managedFields": cleared}})
    assert "managedFields" not in live["metadata"]
    live = track(live, {**live, "data": {"color": "red"}})
    assert "managedFields" not in live["metadata"]
    merged = apply(live, config_map(size="m"))
    assert [entry["manager"] for entry in entries(merged)] == ["flux", "before-first-apply"]
    assert owned(merged, "before-first-apply", "Update") == [".data", ".data.color"]


def test_what_was_there_before_the_first_apply_can_conflict() -> None:
    message = conflict(config_map(color="blue"), config_map(color="red")).message
    assert 'conflict with "before-first-apply" using v1: .data.color' in message


def test_a_client_that_leaves_managed_fields_out_does_not_lose_them() -> None:
    live = apply(None, config_map(color="blue"))
    new = track(live, config_map(color="red"), "me")
    assert owned(new, "me", "Update") == [".data.color"]


@pytest.mark.parametrize(
    "flaw",
    [{"operation": "Seize"}, {"apiVersion": ""}, {"fieldsType": "V0"}, {"fieldsV1": None}],
)
def test_managed_fields_that_cannot_be_read_do_not_replace_the_live_ones(flaw: Object) -> None:
    live = apply(None, config_map(color="blue"))
    body = config_map(color="blue")
    body["metadata"]["managedFields"] = [{**entries(live)[0], "manager": "thief", **flaw}]
    assert entries(track(live, body, "me")) == entries(live)


def test_a_client_may_rewrite_managed_fields_except_through_a_subresource() -> None:
    live = apply(apply(None, config_map(color="blue"), "flux"), config_map(color="blue"), "argocd")
    kept = [entry for entry in entries(live) if entry["manager"] == "flux"]
    body = {**live, "metadata": {**live["metadata"], "managedFields": kept}}
    assert entries(track(live, body, "me")) == kept
    assert entries(track(live, body, "me", subresource="status")) == entries(live)


def test_old_updates_melt_into_ancient_changes() -> None:
    live = track(None, config_map(a0="1"), "m0", now="2026-01-05T09:00:00Z")
    for index in range(1, 12):
        new = {**live, "data": {**live["data"], f"a{index}": "1"}}
        live = track(live, new, f"m{index}", now=f"2026-01-05T09:00:{index:02}Z")
    managers = [entry["manager"] for entry in entries(live)]
    assert managers == ["ancient-changes", *(f"m{index}" for index in range(3, 12))]
    assert owned(live, "ancient-changes", "Update") == [".data", ".data.a0", ".data.a1", ".data.a2"]
    assert entries(live)[0]["time"] == "2026-01-05T09:00:02Z"


def test_ancient_changes_survive_a_manager_as_old_and_earlier_by_name() -> None:
    live = track(None, config_map(a0="1"), "m00")
    for index in [*range(1, 11), 99]:
        name = f"m{index:02}" if index < 99 else "aaa"
        live = track(live, {**live, "data": {**live["data"], f"a{index}": "1"}}, name)
    assert len(entries(live)) == 10
    fields = {path for one in entries(live) for path in fieldsets.paths(one["fieldsV1"])}
    assert fields == {".data"} | {f".data.{name}" for name in live["data"]}


def test_a_write_of_items_without_keys_keeps_the_record() -> None:
    live = apply(None, deployment(web(image="web:1")))
    new = track(live, deployment({"image": "no-name"}) | {"metadata": live["metadata"]})
    assert entries(new) == entries(live)


# -- Laws -----------------------------------------------------------------------------------------

words = st.sampled_from(["a", "b", "c"])
texts = st.sampled_from(["1", "2"])


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries({}, optional=fields)


def items(key: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Object]]:
    item = st.builds(lambda name, rest: {key: name, **rest}, words, optional(**fields))
    return st.lists(item, min_size=1, max_size=3, unique_by=lambda one: one[key])


pod = st.fixed_dictionaries(
    {
        "containers": items(
            "name",
            image=texts,
            args=st.lists(words, min_size=1, max_size=2),
            env=items("name", value=texts),
            securityContext=optional(privileged=st.booleans(), runAsUser=st.integers(1, 2)),
        )
    }
)
specs = optional(
    replicas=st.integers(1, 2),
    paused=st.booleans(),
    selector=st.just({"matchLabels": {"app": "web"}}),
    strategy=optional(type=texts, rollingUpdate=optional(maxSurge=st.integers(1, 2))),
    template=st.fixed_dictionaries({"spec": pod}),
)


@st.composite
def configs(draw: st.DrawFn) -> Object:
    config = deployment(**draw(specs))
    config["metadata"] = {
        **config["metadata"],
        **draw(
            optional(
                labels=st.dictionaries(words, texts, min_size=1),
                finalizers=st.lists(words, min_size=1, unique=True),
            )
        ),
    }
    return config


def leaves(obj: Object) -> set[str]:
    """The fields of a configuration: leaves, items and entries, by a walk of its own."""
    found: set[str] = set()

    def walk(value: Any, at: str) -> None:
        if isinstance(value, dict) and value and not at.endswith(".selector"):
            for name, inner in value.items():
                walk(inner, f"{at}.{name}")
        elif isinstance(value, list) and not at.endswith(".args"):
            for inner in value:
                key = f'name="{inner["name"]}"' if isinstance(inner, dict) else f'="{inner}"'
                found.add(f"{at}[{key}]")
                if isinstance(inner, dict):
                    walk(inner, f"{at}[{key}]")
        else:
            found.add(at)

    walk({"metadata": {**obj["metadata"]}, "spec": obj["spec"]}, "")
    return found - {".metadata.name", ".metadata.namespace"}


few = settings(max_examples=60, deadline=None)


@few
@given(configs(), configs())
def test_applying_twice_is_applying_once(before: Object, config: Object) -> None:
    live = apply(track(None, before, "kubectl-create"), config, force=True)
    assert apply(live, deepcopy(config), now=T1) is live


@few
@given(configs())
def test_a_manager_owns_exactly_what_it_states(config: Object) -> None:
    assert set(owned(apply(None, config), "flux")) == leaves(config)


@few
@given(configs(), configs())
def test_managers_that_agree_never_conflict_and_managers_that_disagree_do(
    one: Object, two: Object
) -> None:
    live = apply(None, one, "one")
    agreed = fieldsets.merge(one, two, NODES["Deployment"])
    is_conflict = bool(
        fieldsets.intersection(
            fieldsets.fields_of(one, NODES["Deployment"], []),
            fieldsets.changes(one, agreed, NODES["Deployment"])[0],
        )
    )
    if is_conflict:
        conflict(live, two, "two")
    else:
        apply(live, two, "two")


@few
@given(
    st.dictionaries(st.sampled_from("abcd"), texts, min_size=1),
    st.dictionaries(st.sampled_from("wxyz"), texts, min_size=1),
)
def test_disjoint_managers_commute(one: dict[str, str], two: dict[str, str]) -> None:
    base = track(None, config_map(base="1"))
    first = apply(apply(base, config_map(**one), "one"), config_map(**two), "two")
    second = apply(apply(base, config_map(**two), "two"), config_map(**one), "one")
    assert first == second


@few
@given(configs(), configs(), configs())
def test_a_forced_apply_succeeds_owns_all_it_states_and_sets_it(
    one: Object, two: Object, three: Object
) -> None:
    live = apply(apply(None, one, "one"), two, "two", force=True)
    merged = apply(live, three, "three", force=True)
    assert set(owned(merged, "three")) == leaves(three)
    assert fieldsets.merge(merged, three, NODES["Deployment"]) is merged


@few
@given(configs(), configs())
def test_a_manager_that_sets_no_field_leaves_those_of_others(one: Object, two: Object) -> None:
    alone = apply(None, one, "one")
    both = apply(alone, two, "two", force=True)
    left = apply(both, deployment(), "two")
    assert set(owned(left, "two")) <= {".spec"}
    mine = set(owned(left, "one"))
    assert mine <= set(owned(both, "one"))
    assert {path for path in leaves(content(left)) if "." in path} <= mine | {".spec"}


@few
@given(configs(), configs(), configs())
def test_nothing_that_is_handed_in_changes(one: Object, two: Object, three: Object) -> None:
    live = apply(track(None, one), two, force=True)
    before = deepcopy((live, two, three))
    apply(live, three, "other", force=True)
    apply(live, three, force=True)
    track(live, {**three, "metadata": {**three["metadata"]}})
    assert (live, two, three) == before


@few
@given(configs(), configs())
def test_an_update_owns_its_changes_and_no_removed_field_has_an_owner(
    one: Object, two: Object
) -> None:
    live = apply(None, one)
    new = track(live, two, "me")
    fields = set(owned(new, "flux")) | set(owned(new, "me", "Update"))
    written, removed = fieldsets.changes(one, two, NODES["Deployment"])
    assert not fields & set(fieldsets.paths(removed))
    assert set(owned(new, "me", "Update")) == set(fieldsets.paths(written))
    assert not set(owned(new, "flux")) & set(fieldsets.paths(written))
