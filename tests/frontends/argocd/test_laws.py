"""Laws: they hold for all commits and all edits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.frontends.argocd import ignore, three_way
from gitops_lab.frontends.argocd.names import TRACKING_ID
from gitops_lab.frontends.argocd.writes import merge_patch
from gitops_lab.model import copied
from gitops_lab.sandbox import Sandbox
from kubesim.patch import merge_patch as apply_merge_patch
from tests.frontends.argocd.lab import Lab, config, deployment
from tests.frontends.argocd.shared import shared

NAMES = st.sampled_from("abc")
DATA = st.dictionaries(NAMES, st.sampled_from("xyz"), max_size=3)
JSON = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from("xyz")),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
MAPS = st.dictionaries(NAMES, JSON, max_size=3)


def config_map(data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


@given(DATA, DATA, DATA)
def test_a_second_merge_changes_nothing(last: Any, target: Any, extra: Any) -> None:
    live = three_way.with_last_applied(config_map({**extra, **last}))
    wanted = three_way.with_last_applied(config_map(target))
    once = three_way.merged(wanted, live)
    assert three_way.merged(wanted, once) is once
    assert target.items() <= once["data"].items(), "all that is desired is there"


@given(DATA, DATA, DATA)
def test_a_merge_removes_what_was_applied_and_leaves_what_was_not(
    last: Any, target: Any, extra: Any
) -> None:
    live = three_way.with_last_applied(config_map(last))
    live["data"] = {**last, **extra}
    after = three_way.merged(three_way.with_last_applied(config_map(target)), live)["data"]
    for name in live["data"]:
        if name not in target:
            assert (name in after) is (name not in last)


@given(MAPS, MAPS)
def test_a_merge_patch_leads_from_one_object_to_the_other(before: Any, after: Any) -> None:
    patched = apply_merge_patch(copied(before), merge_patch(before, after))
    assert patched == after
    assert (merge_patch(before, after) == {}) is (before == after)


@given(MAPS)
def test_removing_no_path_changes_nothing(obj: Any) -> None:
    assert ignore.without(obj, [ignore.pointer("/zzz/0/b"), ignore.jq_path(".zzz[].b")]) == obj


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(NAMES, DATA, DATA), min_size=1, max_size=4))
def test_live_state_comes_to_what_git_says_whatever_people_do(steps: Any) -> None:
    with Lab() as lab:
        lab.commit({"keep.yaml": config("keep")})
        lab.application(auto={"prune": True, "selfHeal": True})
        lab.run(5)
        wanted: dict[str, dict[str, str]] = {}
        for name, data, edit in steps:
            if wanted.get(name) != data:
                lab.commit({f"{name}.yaml": config(name, **data)})
                wanted[name] = data
            lab.refresh()
            lab.run(1)
            lab.edit(f"ConfigMap/{name}", {"data": edit})
        lab.refresh()
        lab.run(400)
        assert lab.words() == ("Synced", "Healthy")
        for name, data in wanted.items():
            live = lab.get(f"ConfigMap/{name}")
            assert live is not None
            assert data.items() <= (live.get("data") or {}).items()
        history = lab.status()["history"]
        assert [each["id"] for each in history] == sorted({each["id"] for each in history})


def test_a_sync_never_deletes_what_it_does_not_own() -> None:
    with Lab() as lab:
        lab.kubectl.create(
            {**json.loads(config("x")), "metadata": {"name": "foreign", "namespace": "default"}},
            manager="kubectl",
        )
        lab.commit({"a.yaml": config("a"), "b.yaml": config("b")})
        lab.application(auto={"prune": True})
        lab.run(5)
        copy = lab.get("ConfigMap/a")
        assert copy is not None
        body = {**copy, "metadata": {"name": "copy", "namespace": "default",
                                     "annotations": copy["metadata"]["annotations"]}}  # fmt: skip
        lab.kubectl.create(body, manager="controller")
        lab.commit({"b.yaml": None})
        lab.refresh()
        lab.run(30)
        assert lab.get("ConfigMap/b") is None
        assert lab.get("ConfigMap/foreign") is not None
        assert lab.get("ConfigMap/copy") is not None, "its annotation names another object"
        assert lab.words()[0] == "Synced"


def test_a_webhook_wakes_it_and_a_poll_takes_its_time() -> None:
    with Sandbox("argocd", "argocd+webhook", seed=3) as world:
        world.commit("first", {"cm.yaml": config("a", x="1")})
        world.run(minutes=10)
        world.commit("second", {"cm.yaml": config("a", x="2")})
        world.run(seconds=1)
        seen = {}
        for arm in ("argocd", "argocd+webhook"):
            live = world[arm].get("ConfigMap/a")
            assert live is not None
            seen[arm] = live["data"]["x"]
        assert seen["argocd+webhook"] == "2"
        world.run(minutes=6)
        live = world["argocd"].get("ConfigMap/a")
        assert live is not None and live["data"]["x"] == "2"


def journal(seed: int) -> list[str]:
    with Lab(seed) as lab:
        lab.commit({"web.yaml": deployment()})
        lab.application(auto={"selfHeal": True})
        lab.run(200)
        lab.commit({"web.yaml": deployment(replicas=3)})
        lab.run(600)
        return [str(entry) for entry in lab.world.journal]


def test_the_same_seed_gives_the_same_journal() -> None:
    assert journal(7) == journal(7)
    assert journal(7) != journal(8)


@pytest.mark.parametrize("program", ["argocd-application-controller", "argocd-repo-server"])
@pytest.mark.parametrize("after", [0.0, 0.2, 2.0, 4.5])
def test_a_sync_survives_the_death_of_a_program(program: str, after: float) -> None:
    wave = {"argocd.argoproj.io/sync-wave": "1"}
    with Lab() as lab:
        lab.commit({"web.yaml": deployment(), "cm.yaml": config("late", wave)})
        lab.application(auto={})
        lab.run(after)
        lab.plane.stop(program)
        lab.run(30)
        lab.plane.start(program)
        lab.arm.host.wake()
        lab.run(400)
        assert lab.words() == ("Synced", "Healthy")
        assert lab.get("ConfigMap/late") is not None
        owner = lab.get("Deployment/web")
        assert owner is not None and TRACKING_ID in owner["metadata"]["annotations"]


# -- the folders of Argo CD's own end-to-end tests ---------------------------------------------

E2E = (
    "config-map", "crd-creation", "guestbook", "hook", "hook-and-deployment", "kustomize",
    "kustomize-cm-gen", "one-deployment", "secrets", "sync-waves",
)  # fmt: skip


@pytest.mark.parametrize("folder", E2E)
def test_the_folders_of_the_end_to_end_tests_sync(folder: str) -> None:
    place = shared("argocd-fixtures/e2e") / folder
    with Lab() as lab:
        lab.commit(
            {f"{folder}/{p.relative_to(place)}": p.read_text() for p in sorted(place.rglob("*"))
             if p.is_file()}
        )  # fmt: skip
        lab.application(path=folder)
        lab.run(1)
        lab.sync(seconds=90)
        assert lab.state()["phase"] == "Succeeded", lab.state()["message"]
        assert lab.words()[0] == "Synced"


def test_the_folder_with_duplicates_warns() -> None:
    place = shared("argocd-fixtures/e2e") / "duplicated-resources"
    with Lab() as lab:
        lab.commit({f"d/{p.name}": p.read_text() for p in place.iterdir() if p.is_file()})
        lab.application(path="d")
        lab.run(1)
        assert "appeared 3 times among application resources." in (
            lab.condition("RepeatedResourceWarning")
        )
