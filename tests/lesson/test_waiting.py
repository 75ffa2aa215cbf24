"""How long it takes until a commit is applied: distributions that follow from the dials."""

from __future__ import annotations

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.lesson import waiting
from gitops_lab.lesson.waiting import variant


@pytest.fixture(scope="module")
def waits() -> waiting.Waits:
    deaf = variant("deaf", "push-on-commit", on_event=False)
    return waiting.until_live(["push-on-commit", "pull", "pull+webhook", deaf], commits=12)


def test_a_webhook_beats_the_interval_and_a_pipeline_without_events_never_runs(
    waits: waiting.Waits,
) -> None:
    p95 = {arm: waits.percentile(arm, 95) for arm in waits.seconds}
    assert p95["deaf"] is None and waits.seconds["deaf"] == (None,) * 12
    assert p95["pull+webhook"] and p95["pull"] and p95["pull+webhook"] < p95["pull"]


def test_an_agent_waits_for_anything_up_to_one_interval(waits: waiting.Waits) -> None:
    seconds = [wait for wait in waits.seconds["pull"] if wait is not None]
    assert len(seconds) == 12
    assert max(seconds) <= 60 * 1.05 + 3 and max(seconds) - min(seconds) > 15


def test_a_pipeline_takes_the_same_time_each_time(waits: waiting.Waits) -> None:
    assert waits.percentile("push-on-commit", 5) == waits.percentile("push-on-commit", 95)


def test_table_picture_and_guesses_name_every_arm(waits: waiting.Waits) -> None:
    picture = waiting.distribution(waits)
    assert picture._repr_png_().startswith(b"\x89PNG")
    told = str(waits.compare({"pull": "60", "deaf": None}))
    for arm in waits.seconds:
        assert arm in repr(picture)
    assert told.splitlines()[2].split()[1:] == ["never", "never"]


def test_the_questions_are_answered_from_the_table(waits: waiting.Waits) -> None:
    push, pull = waits.percentile("push-on-commit", 50), waits.percentile("pull", 50)
    assert push is not None and pull is not None
    told = waiting.PULL_IS_LONGER_BY.check(waits, round(pull) - round(push))
    assert "Right" in told
    assert "Right: 60." in waiting.LOOKS_PER_HOUR.check(waits, 60)


def test_the_same_seed_gives_the_same_waits() -> None:
    one, other = (waiting.until_live(["pull"], commits=3, seed=5) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda waits: variant("x", "pul"), "no arm 'pul'"),
        (lambda waits: variant("x", "pull", intervall=3), "no dial 'intervall'"),
        (lambda waits: waits.percentile("pul", 50), "no arm 'pul'"),
        (lambda waits: waits.compare({"pull": "soon"}), "'soon' is no number"),
    ],
)
def test_what_does_not_exist_is_refused(waits: waiting.Waits, call: object, text: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=text):
        call(waits)
