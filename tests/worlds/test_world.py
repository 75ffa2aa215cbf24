"""The same questions to a world on each backend: a program need not know which it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gitops_lab.errors import ClusterUnreachable, UsageError
from gitops_lab.sandbox import Sandbox
from gitops_lab.state import Setup
from gitops_lab.worlds.threaded import LiveSandbox

ARMS = ("push-on-commit", "pull+self-heal")
BOOK = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: book}}\ndata: {{page: '{page}'}}\n"
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "everything"},
    "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
}

World = Sandbox | LiveSandbox


def make(backend: str, *arms: str, rights: str = "cluster-admin") -> World:
    if backend == "virtual":
        return Sandbox(*arms, seed=1, rights=rights)
    return LiveSandbox(Setup(arms, speed=20, pace=10, agent="outside", rights=rights))


@pytest.fixture(scope="module", params=["virtual", "live"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with make(request.param, *ARMS) as found:
        yield found


def page(world: World, arm: str) -> str | None:
    live = world[arm].get("ConfigMap/book")
    return None if live is None else str(live["data"]["page"])


def wait_for(world: World, **pages: str | None) -> None:
    """Let time pass until each arm has its page, or too much has passed."""
    wanted = {ARMS[0]: pages["push"], ARMS[1]: pages["pull"]}
    for _ in range(200):
        if {arm: page(world, arm) for arm in ARMS} == wanted:
            return
        world.run(seconds=30)
    assert {arm: page(world, arm) for arm in ARMS} == wanted


def test_one_story_ends_alike(world: World) -> None:
    world.chapter("first deploy")
    world.commit("one", {"book.yaml": BOOK.format(page=1)})
    wait_for(world, push="1", pull="1")
    assert world.settle()
    assert [line.partition(": ")[2] for line in world.status().splitlines()] == [
        "in sync, Healthy"
    ] * 2

    world.chapter("edit by hand")
    world.drift("ConfigMap/book", {"data": {"page": "9"}})
    wait_for(world, push="9", pull="1")
    assert "drifted" in world.status().splitlines()[0]
    assert "edited by hand" in world.why(ARMS[0], "ConfigMap/book")

    world.chapter("cut off")
    world.disconnect()
    world.replace("two", "book.yaml", "'1'", "'2'")
    world.run(minutes=4)
    assert all("[cut off]" in line for line in world.status().splitlines())
    with pytest.raises(ClusterUnreachable):
        world[ARMS[0]].get("ConfigMap/book")
    world.reconnect()
    wait_for(world, push="9", pull="2")

    world.chapter("paused")
    world.pause()
    world.commit("three", {"book.yaml": BOOK.format(page=3)})
    world.run(minutes=3)
    assert (page(world, ARMS[0]), page(world, ARMS[1])) == ("9", "2")
    assert all("[paused]" in line for line in world.status().splitlines())
    world.resume()
    wait_for(world, push="3", pull="3")

    world.chapter("stopped")
    world.stop()
    world.revert()
    world.run(minutes=1)
    world.start()
    wait_for(world, push="3", pull="2")
    assert "missed" in world.why(ARMS[0])
    assert [m.body["data"]["page"] for m in world.desired()] == ["2"]
    with pytest.raises(UsageError, match="does not occur"):
        world.replace("x", "book.yaml", "no such text", "")


def test_wrong_names_are_refused_alike(world: World) -> None:
    for wrong in (
        lambda: world["psuh"],
        lambda: world.stop("psuh"),
        lambda: world.drift("Book", {}),
    ):
        with pytest.raises(UsageError):
            wrong()


@pytest.mark.parametrize("backend", ["virtual", "live"])
def test_rights_for_applications_refuse_a_role_in_the_same_words(backend: str) -> None:
    with make(backend, *ARMS, rights="application") as world:
        world.commit("everything", {"role.yaml": json.dumps(ROLE)})
        for _ in range(200):
            world.run(seconds=30)
            reports = [e for e in world.journal if e.event == "reported"]
            reported = {e.actor: e.why for e in reports if e.data["state"] == "failure"}
            if set(reported) == set(ARMS):
                break
    for arm, user in zip(ARMS, ("ci", "system:serviceaccount:gitops-lab:agent"), strict=True):
        assert f'User "{user}" cannot get resource "clusterroles"' in reported[arm]
