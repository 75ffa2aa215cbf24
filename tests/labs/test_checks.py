"""Checks: what they expect, what they observe, and that they can fail."""

from __future__ import annotations

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.labs.checks import CHECKS, Attempt, Result, evaluate, level
from gitops_lab.labs.fields import ABSENT, managers, value
from gitops_lab.labs.format import CheckSpec, Lab, Step
from gitops_lab.labs.session import Session
from gitops_lab.labs.world import get, key, patch, replace


def run(session: Session, name: str, **arguments: object) -> list[Result]:
    attempt = session.attempt(session.lab.steps[0])
    found = CHECKS[name].run(attempt, **arguments)
    return [found] if isinstance(found, Result) else list(found)


def passed(session: Session, name: str, **arguments: object) -> list[bool]:
    return [result.passed for result in run(session, name, **arguments)]


def green(session: Session) -> None:
    replace(session.world, "Green", "settings.yaml", "blue", "green")


def test_a_push_counts_from_the_lab_s_beginning(session: Session) -> None:
    assert passed(session, "pushed") == [False]
    green(session)
    assert passed(session, "pushed") == [True]
    assert passed(session, "pushed", count=2) == [False]


def test_in_sync_says_what_differs(session: Session) -> None:
    assert passed(session, "in_sync") == [True, True]
    green(session)
    push, _ = run(session, "in_sync")
    assert not push.passed and "ConfigMap default/settings" in push.observed
    session.world.wait(120)
    assert passed(session, "in_sync") == [True, True]


def test_live_compares_with_git_or_with_a_value(session: Session) -> None:
    place = {"object": "ConfigMap/settings", "path": "data.colour"}
    assert passed(session, "live", **place) == [True, True]
    assert passed(session, "live", **place, equals="green") == [False, False]
    assert passed(session, "live", **place, differs="blue") == [False, False]
    patch(session.world.arms["pull"], "ConfigMap/settings", {"data": {"colour": "green"}})
    assert passed(session, "live", **place) == [True, False]
    assert passed(session, "live", **place, differs="blue", arms=["pull"]) == [True]
    (result,) = run(session, "live", **place, arms=["pull"])
    assert (result.expected, result.observed) == ("blue, as Git declares", "green")


def test_a_field_that_neither_git_nor_the_cluster_has_is_no_match(session: Session) -> None:
    assert passed(session, "live", object="ConfigMap/settings", path="data.size") == [False, False]


def test_files_that_cannot_be_read_are_named_and_end_no_check(session: Session) -> None:
    session.world.commit("Break it", {"settings.yaml": "a: [\n"})
    (result,) = run(session, "live", object="ConfigMap/settings", path="data.colour")
    assert not result.passed and "settings.yaml" in result.observed


def test_a_value_set_by_hand_does_not_count_as_the_deployer_s(session: Session) -> None:
    place = {"object": "ConfigMap/settings", "path": "data.colour"}
    assert passed(session, "manager_of", **place) == [True, True]
    patch(session.world.arms["pull"], "ConfigMap/settings", {"data": {"colour": "green"}})
    assert passed(session, "manager_of", **place) == [True, False]


def test_an_edit_by_hand_is_seen_as_drift(session: Session) -> None:
    assert passed(session, "edited", object="ConfigMap/settings", arms=["pull"]) == [False]
    patch(session.world.arms["pull"], "ConfigMap/settings", {"data": {"colour": "green"}})
    session.world.look()
    assert passed(session, "edited", object="ConfigMap/settings") == [False, True]


def test_what_was_never_there_is_not_absent(session: Session) -> None:
    session.world.wait(120)
    assert passed(session, "absent", object="ConfigMap/ghost") == [False, False]
    session.world.commit("Delete it", {"settings.yaml": None, "other.yaml": "# nothing\n"})
    arm = session.world.arms["pull"]
    arm.cluster.delete(key("ConfigMap/settings"))
    assert passed(session, "absent", object="ConfigMap/settings") == [False, True]
    assert passed(session, "present", object="ConfigMap/settings") == [True, False]


def test_orphans_are_counted_and_named(session: Session) -> None:
    more = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"
    session.world.commit("More", {"more.yaml": more})
    session.world.wait(120)
    session.world.commit("Less", {"more.yaml": None})
    session.world.wait(120)
    (result,) = run(session, "orphans", counts={"push-on-commit": 1})
    assert result.passed and "ConfigMap default/more" in result.observed
    assert passed(session, "orphans", counts={"pull": 1}) == [False]


def test_files_of_git_are_compared(session: Session) -> None:
    assert passed(session, "file", path="settings.yaml", contains="blue") == [True]
    assert passed(session, "file", path="settings.yaml", lacks="blue") == [False]
    assert passed(session, "file", path="nowhere.yaml") == [False]
    assert passed(session, "file", path="nowhere.yaml", exists=False) == [True]


def test_the_journal_is_searched(session: Session) -> None:
    looked = {"title": "applied", "actor": "pull", "event": "applied", "subject": "settings"}
    assert passed(session, "happened", **looked) == [False]
    green(session)
    session.world.wait(120)
    assert passed(session, "happened", **looked) == [True]
    assert passed(session, "happened", **looked, count=2) == [False]
    assert passed(session, "happened", **looked, data={"action": "deleted"}) == [False]


def test_levels_wait_for_edges(session: Session) -> None:
    session.world.wait(120)
    step = session.lab.steps[0]
    lone = Step(step.id, "", "", (CheckSpec("in_sync"),), (), None, None)
    both = Step(step.id, "", "", (CheckSpec("in_sync"), CheckSpec("pushed")), (), None, None)
    assert all(r.passed for r in evaluate(Attempt(session.lab, lone, session.world)))
    began = session.world.position()
    results = evaluate(Attempt(session.lab, both, session.world, began, began))
    assert [(r.passed, r.waiting) for r in results] == [
        (False, True), (False, True), (False, False),
    ]  # fmt: skip


def test_an_unknown_check_and_a_wrong_argument_are_named(session: Session, lab: Lab) -> None:
    for spec, said in (
        (CheckSpec("in_snyc"), "there is no check 'in_snyc'"),
        (CheckSpec("in_sync", {"clusters": ["pull"]}), "clusters"),
    ):
        step = Step("x", "", "", (spec,), (), None, None)
        with pytest.raises(UsageError, match=said):
            evaluate(Attempt(lab, step, session.world))


def test_marked_functions_of_a_lab_know_their_mode() -> None:
    @level
    def always(attempt: Attempt) -> Result:
        return Result(True, "", "", "")

    assert always.mode == "level"  # type: ignore[attr-defined]


def test_values_and_managers_are_found_in_lists(session: Session) -> None:
    pod = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}
    assert value(pod, "spec.containers[b].image") == "y"
    assert value(pod, "spec.containers[0].image") == "x"
    assert value(pod, "spec.containers[c].image") == ABSENT
    assert value(None, "spec") == ABSENT
    live = get(session.world.arms["pull"], "ConfigMap/settings")
    assert managers(live, "data.colour") == ["pull"]
    assert managers(live, "data.size") == []
    with pytest.raises(UsageError, match="no path"):
        value(pod, "spec..]")
