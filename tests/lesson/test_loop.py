"""The ten histories that judge a learner's loop: each can be passed, and each can be failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitops_lab.lesson import loop


def verdicts(step: loop.Step, make: Callable[[], loop.Step] | None = None) -> list[bool]:
    *lines, _ = str(loop.judge(make or (lambda: step))).splitlines()
    return [line[0] == "✓" for line in lines if line[0] in "✓✗"]


def test_the_reconciler_passes_every_history() -> None:
    assert verdicts(loop.reconciler) == [True] * len(loop.HISTORIES)


def test_an_empty_loop_passes_none_but_the_text_says_where_to_look() -> None:
    told = str(loop.judge(lambda: lambda lab: None))
    assert told.endswith("0 of 10 histories passed")
    assert told.count("look: ") == told.count("expected ") == len(loop.HISTORIES)


def test_a_pipeline_fails_what_no_event_announces_and_a_thermostat_passes_it() -> None:
    pipeline, thermostat = verdicts(loop.on_event), verdicts(loop.thermostat)
    titles = [history.title for history in loop.HISTORIES]
    edit = titles.index("a hand edit")
    assert not pipeline[edit] and thermostat[edit]
    assert not any(p and not t for p, t in zip(pipeline, thermostat, strict=True))


def test_a_list_in_a_variable_is_lost_in_the_restart() -> None:
    def make() -> loop.Step:
        known: set[str] = set()

        def step(lab: loop.Lab) -> None:
            lab.memory["inventory"] = " ".join(known)
            loop.reconciler(lab)
            known.update(lab.memory["inventory"].split())

        return step

    failed = [
        history.title
        for history, passed in zip(loop.HISTORIES, verdicts(loop.reconciler, make), strict=True)
        if not passed
    ]
    assert failed == ["the loop restarts, and meanwhile a file was deleted"]


def test_who_deletes_all_that_git_does_not_have_deletes_another_teams_object() -> None:
    def greedy(lab: loop.Lab) -> None:
        loop.thermostat(lab)
        for name in set(lab.names()) - set(lab.wanted()):
            lab.delete(name)

    titles = [history.title for history in loop.HISTORIES]
    assert not verdicts(greedy)[titles.index("an object that another team created")]


def test_who_writes_each_time_fails_the_quiet_hour() -> None:
    def eager(lab: loop.Lab) -> None:
        for name, data in lab.wanted().items():
            lab.apply(name, data)

    assert "expected 1 write, observed 60" in str(loop.judge(lambda: eager))


def test_an_error_in_the_learners_code_is_one_line() -> None:
    def broken(lab: loop.Lab) -> None:
        raise KeyError("x")

    told = str(loop.judge(lambda: broken))
    assert "your loop raised KeyError: 'x'" in told and "Traceback" not in told


@pytest.mark.parametrize(("answer", "word"), [(3, "Right"), (1, "Not 1"), (None, "No answer yet")])
def test_how_often_a_refused_object_is_tried_is_measured(answer: object, word: str) -> None:
    assert word in loop.HOW_MANY_ATTEMPTS.check(loop.reconciler, answer)


def test_what_the_thermostat_adds_is_measured() -> None:
    truth = sum(verdicts(loop.thermostat)) - sum(verdicts(loop.on_event))
    told = loop.HOW_MANY_MORE.check((loop.on_event, loop.thermostat), truth)
    assert f"Right: {truth}." in told
