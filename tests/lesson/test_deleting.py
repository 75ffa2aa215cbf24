"""The three sets behind every deletion, and experiments as a notebook shows them."""

from __future__ import annotations

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.lesson import deleting
from gitops_lab.sandbox import Sandbox

ARM = "pull+self-heal"


def test_what_the_sets_say_is_what_the_agent_then_does() -> None:
    with Sandbox(ARM, seed=1) as world:
        world.commit("three", {f"{name}.yaml": deleting.manifest(name) for name in "abc"})
        world.run(minutes=3)
        world.stop()
        world.commit("change", {"a.yaml": None, "d.yaml": deleting.manifest("d")})
        deleting.create_by_hand(world, "by-hand")
        said = {line.split()[0]: line for line in str(deleting.sets(world, ARM)).splitlines()}
        assert "prune it" in said["a"] and "create it" in said["d"]
        assert "leave it alone" in said["by-hand"] and "compare it" in said["b"]
        world.start()
        world.run(minutes=3)
        live = {
            name for name in ("a", "b", "c", "d", "by-hand") if deleting.is_live(world, ARM, name)
        }
        assert live == {"b", "c", "d", "by-hand"}


def test_an_experiment_shows_its_table_and_its_verdict() -> None:
    shown = deleting.experiment("deletion", "push-on-commit", "pull")
    text = repr(shown)
    assert text.splitlines()[0].split() == ["push-on-commit", "pull"]
    assert text.splitlines()[-1] == f"Verdict: {shown.result.verdict}"
    assert shown.value("push-on-commit", "orphans") == 4
    with pytest.raises(UsageError, match="no 'pul'"):
        shown.value("pul", "orphans")


def test_the_questions_are_answered_from_the_tables() -> None:
    shown = deleting.experiment("deletion", "pull", "flux")
    assert "Right: flux." in deleting.WHO_DELETES_EVERYTHING.check(shown, "flux")
    partial = deleting.experiment("partial-failure", "push:waves")
    assert "Right: 2." in deleting.HOW_MANY_ARE_LIVE.check(partial, 2)
