"""The nouns: keys ignore versions, copies are deep, plans know whether they are empty."""

from gitops_lab.model import (
    Action,
    Change,
    Manifest,
    ObjectKey,
    Plan,
    Revision,
    copied,
    join_api_version,
    split_api_version,
)


def obj(api_version: str) -> dict[str, object]:
    return {
        "apiVersion": api_version,
        "kind": "Scaler",
        "metadata": {"name": "a", "namespace": "n"},
    }


def test_a_key_never_holds_the_version() -> None:
    assert ObjectKey.of(obj("autoscaling/v1")) == ObjectKey.of(obj("autoscaling/v2"))
    assert ObjectKey.of(obj("v1")).group == ""


def test_keys_read_as_people_say_them() -> None:
    assert str(ObjectKey("apps", "Deployment", "shop", "web")) == "Deployment shop/web"
    assert str(ObjectKey("", "Namespace", "", "shop")) == "Namespace shop"


def test_api_versions_split_and_join() -> None:
    for text, parts in (("v1", ("", "v1")), ("apps/v1", ("apps", "v1"))):
        assert split_api_version(text) == parts
        assert join_api_version(*parts) == text


def test_a_copy_shares_nothing() -> None:
    original = {"a": [{"b": 1}], "c": None, "d": 1.5, "e": True}
    copy = copied(original)
    assert copy == original
    copy["a"][0]["b"] = 2
    assert original["a"] == [{"b": 1}]


def test_a_plan_is_synced_when_it_neither_writes_nor_fails() -> None:
    key = ObjectKey("", "Service", "n", "a")
    for action, synced in {
        Action.UNCHANGED: True,
        Action.SKIPPED: True,
        Action.CREATED: False,
        Action.CONFIGURED: False,
        Action.DELETED: False,
        Action.FAILED: False,
    }.items():
        assert Plan((Change(key, action, ""),)).is_synced is synced, action


def test_a_revision_is_written_as_flux_writes_it() -> None:
    revision = Revision("main", "0123456789abcdef")
    assert str(revision) == "main@sha1:0123456789abcdef"
    assert revision.short == "0123456"


def test_a_manifest_knows_its_key() -> None:
    assert Manifest(obj("apps/v1"), "a.yaml#1").key == ObjectKey("apps", "Scaler", "n", "a")
