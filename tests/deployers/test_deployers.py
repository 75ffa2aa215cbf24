"""Push and pull, step by step, and the laws that hold for both."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.engine.inventory import load
from gitops_lab.journal import Entry, replay
from gitops_lab.model import Object
from gitops_lab.sandbox import ARMS, Arm, ArmDescription, Sandbox

BOOK = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  page: '{page}'\n"


def book(name: str = "book", page: int = 1) -> str:
    return BOOK.format(name=name, page=page)


def told(world: Sandbox, arm: str, *events: str) -> list[Entry]:
    return [entry for entry in world.journal if entry.actor == arm and entry.event in events]


def page(arm: Arm, name: str = "book") -> str | None:
    live = arm.get(f"ConfigMap/{name}")
    return None if live is None else str(live["data"]["page"])


def live_books(arm: Arm) -> dict[str, Object]:
    found = arm.kubectl.list("", "ConfigMap", namespace="default")
    return {o["metadata"]["name"]: o["data"] for o in found if "page" in o.get("data", {})}


# -- push ---------------------------------------------------------------------------------------


def test_push_deploys_what_was_merged_and_reports_the_exit_code() -> None:
    with Sandbox("push-on-commit") as world:
        revision = world.commit("one", {"book.yaml": book()})
        world.run(minutes=2)
        assert page(world["push-on-commit"]) == "1"
        (report,) = told(world, "push-on-commit", "reported")
        assert (report.subject, report.data) == (
            str(revision),
            {"state": "success", "exit_code": 0},
        )


def test_push_runs_one_pipeline_for_each_merge_in_order() -> None:
    with Sandbox("push-on-commit") as world:
        revisions = [str(world.commit(f"{n}", {"book.yaml": book(page=n)})) for n in (1, 2, 3)]
        world.run(minutes=5)
        reports = told(world, "push-on-commit", "reported")
        assert [entry.subject for entry in reports] == revisions
        assert page(world["push-on-commit"]) == "3"


def test_push_does_not_see_drift() -> None:
    with Sandbox("push-on-commit") as world:
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=2)
        world.drift("ConfigMap/book", {"data": {"page": "9"}})
        world.run(hours=2)
        assert page(world["push-on-commit"]) == "9"
        world.commit("unrelated", {"other.yaml": book("other")})
        world.run(minutes=2)
        assert page(world["push-on-commit"]) == "1"  # by accident: the next deploy applies it all


def test_push_leaves_orphans_unless_ci_keeps_an_inventory() -> None:
    keeps = replace(ARMS["push-on-commit"].policy, prune=True)
    tidy = ArmDescription("push-with-inventory", PushDeployer, keeps)
    with Sandbox("push-on-commit", tidy) as world:
        world.commit("two", {"a.yaml": book("a"), "b.yaml": book("b")})
        world.run(minutes=2)
        world.commit("one", {"b.yaml": None})
        world.run(minutes=2)
        assert set(live_books(world["push-on-commit"])) == {"a", "b"}
        assert set(live_books(world["push-with-inventory"])) == {"a"}


def test_push_fails_the_pipeline_when_an_object_is_refused() -> None:
    with Sandbox("push-on-commit") as world:
        world.commit(
            "bad",
            {"a.yaml": book("a"), "b.yaml": book("b").replace("\ndata:", "\nimmutable: 3\ndata:")},
        )
        world.run(minutes=2)
        (report,) = told(world, "push-on-commit", "reported")
        assert report.data == {"state": "failure", "exit_code": 1}
        assert "ConfigMap default/b was refused" in report.why
        assert page(world["push-on-commit"], "a") == "1"


def test_push_cannot_deploy_to_a_cluster_that_it_cannot_reach_but_pull_can() -> None:
    with Sandbox("push-on-commit", "pull") as world:
        world.disconnect()
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=5)
        world.reconnect()
        assert page(world["pull"]) == "1"
        assert page(world["push-on-commit"]) is None
        assert "does not answer" in told(world, "push-on-commit", "reported")[0].why


def test_an_event_that_is_delivered_twice_writes_once() -> None:
    with Sandbox("push-on-commit") as world:
        revision = world.commit("one", {"book.yaml": book()})
        world["push-on-commit"].host.notify(revision)
        world.run(minutes=3)
        assert len(told(world, "push-on-commit", "applied")) == 1


def test_a_missed_event_is_missed_for_ever() -> None:
    with Sandbox("push-on-commit", "push-on-schedule", "pull") as world:
        world.stop()
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=1)
        world.start()
        world.run(hours=3)
        pages = {name: page(arm) for name, arm in world.arms.items()}
        assert pages == {"push-on-commit": None, "push-on-schedule": "1", "pull": "1"}
        assert [e.event for e in told(world, "push-on-commit", "missed")] == ["missed"]


def test_a_failed_pipeline_is_run_again_if_the_policy_retries() -> None:
    stubborn = replace(ARMS["push-on-commit"].policy, retry=60)
    with Sandbox(ArmDescription("push", PushDeployer, stubborn)) as world:
        world.disconnect("push")
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=3)
        world.reconnect("push")
        world.run(minutes=3)
        assert page(world["push"]) == "1"


# -- pull ---------------------------------------------------------------------------------------


def test_pull_deploys_within_an_interval_unasked() -> None:
    with Sandbox("pull") as world:
        world.run(minutes=10)
        world.commit("one", {"book.yaml": book()})
        world.run(seconds=70)
        assert page(world["pull"]) == "1"


def test_a_webhook_only_makes_pull_look_earlier() -> None:
    slow = replace(ARMS["pull+webhook"].policy, interval=3600)
    with Sandbox(ArmDescription("pull", PullDeployer, slow)) as world:
        world.run(minutes=10)
        world.commit("one", {"book.yaml": book()})
        world.run(seconds=10)
        assert page(world["pull"]) == "1"


def test_pull_reports_drift_and_repairs_it_only_if_it_self_heals() -> None:
    with Sandbox("pull", "pull+self-heal") as world:
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=3)
        world.drift("ConfigMap/book", {"data": {"page": "9"}})
        world.run(minutes=3)
        assert (page(world["pull"]), page(world["pull+self-heal"])) == ("9", "1")
        assert "out of sync" in told(world, "pull", "reported")[-1].why
        assert told(world, "pull", "decided")[-1].why == "data.page is 9, Git wants 1"


def test_pull_steps_by_hand_tell_what_they_do() -> None:
    with Sandbox("pull+self-heal") as world:
        world.commit("one", {"book.yaml": book()})
        agent = world["pull+self-heal"]
        assert "triggered" in agent.step()
        assert "fetched" in agent.step()
        assert "applied created ConfigMap default/book" in agent.step()
        assert page(agent) == "1"


def test_pull_keeps_its_inventory_in_the_cluster() -> None:
    with Sandbox("pull") as world:
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=2)
        stored = world["pull"].get("ConfigMap/gitops-lab/pull-inventory")
        assert stored is not None
        assert [key.name for key in load(stored["data"]["inventory"])] == ["book"]


@pytest.mark.parametrize("data", [None, {"inventory": None}, {"inventory": "{"}])
def test_a_damaged_inventory_is_reported_and_nothing_is_pruned(
    data: dict[str, str | None] | None,
) -> None:
    with Sandbox("pull+self-heal", seed=1) as world:
        world.commit("two", {"a.yaml": book("a"), "b.yaml": book("b")})
        world.run(minutes=3)
        world.drift("ConfigMap/gitops-lab/pull-self-heal-inventory", {"data": data})
        world.commit("one", {"b.yaml": None})
        world.run(minutes=3)
        (report,) = told(world, "pull+self-heal", "reported")[-1:]
        assert report.data["state"] == "failure" and "inventory cannot be read" in report.why
        assert set(live_books(world["pull+self-heal"])) == {"a", "b"}
        world.drift("ConfigMap/gitops-lab/pull-self-heal-inventory", None)
        world.run(minutes=3)
        assert told(world, "pull+self-heal", "reported")[-1].data["state"] == "success"


def test_an_agent_that_was_killed_and_replaced_still_prunes() -> None:
    with Sandbox("pull") as world:
        world.commit("two", {"a.yaml": book("a"), "b.yaml": book("b")})
        world.run(minutes=2)
        arm, old = world["pull"], world["pull"].deployer
        arm.deployer = PullDeployer(old.context)
        world.commit("one", {"b.yaml": None})
        world.run(minutes=2)
        assert set(live_books(arm)) == {"a"}


def test_pull_says_ready_or_why_not_in_the_cluster() -> None:
    with Sandbox("pull") as world:
        world.commit("bad", {"book.yaml": "kind: [\n"})
        world.run(minutes=2)
        status = world["pull"].get("ConfigMap/gitops-lab/pull-status")
        assert status is not None and status["data"]["ready"] == "False"
        assert "book.yaml" in status["data"]["message"]
        world.commit("good", {"book.yaml": book()})
        world.run(minutes=2)
        status = world["pull"].get("ConfigMap/gitops-lab/pull-status")
        assert status is not None and status["data"]["ready"] == "True"


def test_pull_looks_again_before_its_interval_if_the_policy_retries() -> None:
    patient = Policy(interval=3600, retry=60)
    with Sandbox(ArmDescription("pull", PullDeployer, patient)) as world:
        world.commit("one", {"book.yaml": book()})
        world.repository.reachable = False
        world.run(minutes=5)
        assert told(world, "pull", "reported")[-1].data["state"] == "failure"
        world.repository.reachable = True
        world.run(minutes=3)
        assert page(world["pull"]) == "1"


def test_pull_catches_up_when_git_comes_back() -> None:
    with Sandbox("pull") as world:
        world.repository.reachable = False
        world.run(minutes=5)
        assert told(world, "pull", "reported")[-1].data["state"] == "failure"
        world.repository.reachable = True
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=2)
        assert page(world["pull"]) == "1"


@pytest.mark.parametrize("arm", ["pull+self-heal", "push-on-schedule"])
def test_what_looks_again_and_again_goes_on_after_a_refusal(arm: str) -> None:
    with Sandbox(arm) as world:
        world.commit("bad", {"b.yaml": book("b").replace("\ndata:", "\nimmutable: 3\ndata:")})
        world.run(minutes=10)
        assert told(world, arm, "reported")[-1].data["state"] == "failure"
        world.commit("good", {"b.yaml": book("b")})
        world.run(minutes=10)
        assert told(world, arm, "reported")[-1].data["state"] == "success"


# -- laws ---------------------------------------------------------------------------------------

revisions = st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), min_size=1, max_size=3)
histories = st.lists(revisions, min_size=1, max_size=4)
slow = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play(world: Sandbox, history: list[dict[str, int]]) -> None:
    before: dict[str, int] = {}
    for wanted in history:
        if wanted != before:
            changes: dict[str, str | None] = {f"{n}.yaml": None for n in sorted(before)}
            changes |= {f"{name}.yaml": book(name, page) for name, page in wanted.items()}
            world.commit("change", changes)
        before = wanted
        world.run(minutes=3)


@slow
@given(histories)
def test_under_the_same_policy_push_and_pull_converge_to_the_same_live_state(
    history: list[dict[str, int]],
) -> None:
    policy = Policy(on_event=True, interval=60, self_heal=True, prune=True)
    push = ArmDescription("push", PushDeployer, policy)
    pull = ArmDescription("pull", PullDeployer, policy)
    with Sandbox(push, pull, observe=False) as world:
        play(world, history)
        expected = {name: {"page": str(number)} for name, number in history[-1].items()}
        assert live_books(world["push"]) == live_books(world["pull"]) == expected


@slow
@given(histories, st.integers(0, 3))
def test_the_same_seed_gives_the_same_journal(history: list[dict[str, int]], seed: int) -> None:
    def journal() -> list[str]:
        with Sandbox("push-on-commit", "pull+self-heal", seed=seed) as world:
            play(world, history)
            world.drift("ConfigMap/kube-root-ca.crt", {"data": {"x": "y"}})
            return [entry.to_json() for entry in world.journal]

    assert journal() == journal()


@slow
@given(histories)
def test_replaying_the_journal_gives_the_state_that_the_agent_stored(
    history: list[dict[str, int]],
) -> None:
    with Sandbox("pull+self-heal") as world:
        play(world, history)
        stored = world["pull+self-heal"].get("ConfigMap/gitops-lab/pull-self-heal-inventory")
        state = replay(world.journal)["pull+self-heal"]
        assert stored is not None
        assert state.objects == {str(key) for key in load(stored["data"]["inventory"])}
        assert state.revision == stored["data"]["revision"]
        assert (state.sync, state.health) == ("Synced", "Healthy")


def test_an_agent_waits_for_the_first_commit_and_calls_that_no_failure() -> None:
    with Sandbox("pull") as world:
        world.run(minutes=3)
        (report,) = told(world, "pull", "reported")
        assert report.data["state"] == "waiting"
        world.commit("one", {"book.yaml": book()})
        world.run(minutes=3)
        assert told(world, "pull", "reported")[-1].data["state"] == "success"
