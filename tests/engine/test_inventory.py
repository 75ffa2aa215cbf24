"""The inventory survives being written, and remembers what could not be pruned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.engine.inventory import after, before, dump, load, object_id, parse_id, stale
from gitops_lab.errors import SyncError
from gitops_lab.model import Action, Change, Manifest, ObjectKey

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=8)
roles = st.text("ab_:.", min_size=1, max_size=6)
keys = st.builds(
    ObjectKey, st.sampled_from(["", "apps"]), st.just("Deployment"), names | st.just(""), names
) | st.builds(
    ObjectKey, st.just("rbac.authorization.k8s.io"), st.just("Role"), names | st.just(""), roles
)
inventories = st.dictionaries(keys, st.sampled_from(["v1", "v2"]), max_size=5)


def body(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "n"}}


def key(name: str) -> ObjectKey:
    return ObjectKey("", "Service", "n", name)


@given(inventories)
def test_an_inventory_survives_being_written(inventory: dict[ObjectKey, str]) -> None:
    assert load(dump(inventory)) == inventory


def test_entries_are_written_as_flux_writes_them() -> None:
    inventory = {ObjectKey("apps", "Deployment", "shop", "web"): "v1"}
    assert dump(inventory) == '[{"id": "shop_web_apps_Deployment", "v": "v1"}]'


def test_names_of_roles_may_have_underscores_and_colons_as_in_flux() -> None:
    role = ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "system:my_role")
    assert object_id(role) == "_system__my_role_rbac.authorization.k8s.io_ClusterRole"
    assert parse_id(object_id(role)) == role


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"id": "a_b", "v": "v1"}]', '[{"v": "v1"}]', "null"]
)
def test_an_unreadable_inventory_is_refused_not_guessed(text: str) -> None:
    with pytest.raises(SyncError, match="inventory cannot be read"):
        load(text)


def test_stale_is_what_was_applied_and_is_not_desired() -> None:
    inventory = {key("a"): "v1", key("b"): "v1"}
    assert stale(inventory, [Manifest(body("a"), "a.yaml#1")]) == [key("b")]


def test_before_a_sync_it_holds_what_was_applied_and_what_may_come_to_be() -> None:
    planned = [
        Change(key("new"), Action.CREATED, "", body("new")),
        Change(key("stale"), Action.DELETED, "", live=body("stale")),
    ]
    assert before({key("stale"): "v1"}, planned) == {key("stale"): "v1", key("new"): "v1"}


def test_after_a_sync_it_holds_what_is_live_and_what_could_not_be_pruned() -> None:
    inventory = {key(name): "v1" for name in ("kept", "pruned", "stuck", "gone")}
    done = [
        Change(key("kept"), Action.UNCHANGED, "", body("kept"), body("kept")),
        Change(key("new"), Action.CREATED, "", body("new"), body("new")),
        Change(key("refused"), Action.FAILED, "", body("refused")),
        Change(key("pruned"), Action.DELETED, "", live=body("pruned")),
        Change(key("stuck"), Action.FAILED, "", live=body("stuck")),
    ]
    assert set(after(inventory, done)) == {key("kept"), key("new"), key("stuck")}


def test_a_refused_change_of_an_applied_object_stays_ours() -> None:
    done = [Change(key("a"), Action.FAILED, "immutable", body("a"))]
    assert after({key("a"): "v1"}, done) == {key("a"): "v1"}
