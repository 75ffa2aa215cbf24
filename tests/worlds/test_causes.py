"""What a status line and a why-trace name as the cause, and what they say that is not so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gitops_lab.model import ObjectKey
from gitops_lab.sandbox import ARMS, Sandbox
from tests.conftest import config_map, deployment, dump

PUSH, PULL = "push-on-commit", "pull+self-heal"


@pytest.fixture
def world() -> Iterator[Sandbox]:
    with Sandbox(PUSH, PULL, seed=1) as found:
        yield found


def lines(world: Sandbox) -> dict[str, str]:
    return {line.partition(":")[0]: line for line in world.status().splitlines()}


def doing(world: Sandbox, arm: str) -> str:
    found: str = world[arm].state()["doing"]
    return found


def test_before_the_first_commit_nothing_is_in_sync(world: Sandbox) -> None:
    world.run(minutes=2)
    for arm in world.arms.values():
        assert arm.watcher.last is not None
        assert (arm.watcher.last.in_sync, arm.watcher.last.health) == (False, "Unknown")
    assert all("waits for the first commit" in line for line in lines(world).values())


def test_a_refusal_is_the_cause_and_not_that_something_is_missing() -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "r"}, "rules": [],
    }  # fmt: skip
    with Sandbox(PUSH, PULL, rights="application") as world:
        world.commit("a role", {"role.yaml": json.dumps(role)})
        world.run(minutes=3)
        for name, line in lines(world).items():
            assert 'cannot get resource "roles"' in line, name


def test_a_kind_that_the_cluster_lacks_is_the_cause(world: Sandbox) -> None:
    odd = "apiVersion: a.example/v1\nkind: X\nmetadata: {name: x}\n"
    world.commit("what is that", {"x.yaml": odd})
    world.run(minutes=7)
    for name, line in lines(world).items():
        assert "the cluster has no kind X" in line and "Healthy" not in line, name


def test_an_image_that_nobody_built_is_the_cause(world: Sandbox) -> None:
    world.commit("broken", {"web.yaml": dump(deployment(image="gitops-lab/shop:does-not-exist"))})
    world.run(minutes=2)
    for name, line in lines(world).items():
        assert "ImagePullBackOff: gitops-lab/shop:does-not-exist cannot be pulled" in line, name
    seen = [entry for entry in world.journal if "cannot be pulled" in entry.why]
    assert len(seen) <= 2 * len(world.arms)  # the back-off alone is no news
    assert doing(world, PUSH).startswith("waits for the rollout of ")
    assert "at the latest" in doing(world, PUSH)


def test_a_refused_prune_is_said_and_the_orphans_have_names(world: Sandbox) -> None:
    world.commit("two", {"a.yaml": dump(config_map("a")), "b.yaml": dump(config_map("b"))})
    world.run(minutes=3)
    world.commit("none", {"a.yaml": None, "b.yaml": None, "README.md": "empty\n"})
    world.run(minutes=3)
    line = lines(world)[PULL]
    assert "refusing to prune all 2" in line and "2 orphans" in line
    last = world[PULL].watcher.last
    assert last is not None and last.orphans == ("ConfigMap default/a", "ConfigMap default/b")


def test_status_says_what_a_deployer_does_and_when_it_looks(world: Sandbox) -> None:
    world.commit("one", {"a.yaml": dump(config_map("a"))})
    assert "fetch" in doing(world, PUSH) or "waits for the next push" in doing(world, PUSH)
    world.run(minutes=3)
    assert doing(world, PUSH) == "waits for the next push"
    assert doing(world, PULL).startswith("looks at Git at ")
    world.pause(PULL)
    world.stop(PUSH)
    assert (doing(world, PULL), doing(world, PUSH)) == ("paused", "down")
    assert world[PULL].state()["commit"].endswith(" one")


def test_the_values_of_a_secret_are_nowhere_in_the_journal(world: Sandbox) -> None:
    secret: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "correct-horse"},
    }  # fmt: skip
    world.commit("a secret", {"s.yaml": dump(secret)})
    world.run(minutes=3)
    world.drift("Secret/s", {"data": {"password": "YmF0dGVyeS1zdGFwbGU="}})
    world.run(minutes=3)
    text = "\n".join(entry.to_json() for entry in world.journal) + str(world.status())
    assert "Secret default/s" in text
    for value in ("correct-horse", "Y29ycmVjdC1ob3JzZQ", "YmF0dGVyeS1zdGFwbGU"):
        assert value not in text


def test_a_hand_edit_is_the_learners_and_not_the_deployers(world: Sandbox) -> None:
    world.commit("one", {"a.yaml": dump(config_map("a"))})
    world.run(minutes=3)
    world.drift("ConfigMap/a", {"data": {"k": "v"}}, PULL)
    (edit,) = [entry for entry in world.journal if entry.event == "edited"]
    assert (edit.actor, edit.arm) == ("learner", PULL)
    assert f"learner edited ConfigMap default/a in {PULL}" in str(edit)
    assert "edited by hand" in world.why(PULL, "ConfigMap/a")


def test_a_push_to_a_branch_that_no_arm_follows_is_named_as_such(world: Sandbox) -> None:
    world.repository.commit("elsewhere", {"a.yaml": dump(config_map("a"))}, branch="feature")
    world.deliver()
    (pushed,) = [entry for entry in world.journal if entry.event == "pushed"]
    assert pushed.data["branch"] == "feature" and pushed.why == "no arm follows this branch"


def test_arms_may_follow_a_branch_and_a_folder_and_share_a_cluster() -> None:
    shop = replace(ARMS["pull"], name="shop", path="shop")
    blog = replace(ARMS["pull"], name="blog", path="blog", cluster="shop")
    next_one = replace(ARMS["pull"], name="next", path="shop", branch="next")
    with Sandbox(shop, blog, next_one) as world:
        files = {f"{each}/a.yaml": dump(config_map(each)) for each in ("shop", "blog")}
        world.commit("both", files)
        world.repository.commit("next", {"shop/b.yaml": dump(config_map("b"))}, branch="next")
        world.run(minutes=3)
        assert all(": in sync, Healthy" in line for line in world.status().splitlines())
        assert world["shop"].cluster is world["blog"].cluster
        assert world["next"].cluster is not world["shop"].cluster
        for key, arm in (("shop", "blog"), ("blog", "shop"), ("b", "next")):
            live = world[arm].get(ObjectKey("", "ConfigMap", "default", key))
            assert live is not None, key
            owner = {"shop": "shop", "blog": "blog", "b": "next"}[key]
            assert live["metadata"]["labels"]["gitops-lab/owner"] == owner


def test_a_deployer_may_serve_the_clusters_of_others() -> None:
    hub = replace(ARMS["pull"], name="hub", serves=("spoke",))
    with Sandbox(replace(ARMS[PUSH], name="spoke"), hub) as world:
        clusters = world["hub"].deployer.context.clusters
        assert set(clusters) == {"spoke"}
        clusters["spoke"].apply(config_map("hello", "default"), manager="hub")
        assert world["spoke"].get("ConfigMap/hello") is not None
        world.disconnect("spoke")
        with pytest.raises(Exception, match="does not answer"):
            clusters["spoke"].get(ObjectKey("", "ConfigMap", "default", "hello"))


def test_what_became_of_a_commit_is_kept_by_the_forge(world: Sandbox) -> None:
    good = world.commit("one", {"a.yaml": dump(config_map("a"))})
    world.run(minutes=3)
    bad = world.commit("two", {"b.yaml": "kind: [\n"})
    world.run(minutes=3)
    found = {
        revision: {
            each.context: each.state for each in world.repository.statuses.of(revision.commit)
        }
        for revision in (good, bad)
    }
    arms = ("deploy/push-on-commit", "deploy/pull-self-heal")
    assert found == {good: dict.fromkeys(arms, "success"), bad: dict.fromkeys(arms, "failure")}
