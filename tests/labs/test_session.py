"""One learner in one lab: predict, do, be checked, answer, go back, catch up."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.labs.format import load
from gitops_lab.labs.progress import Unsaved
from gitops_lab.labs.session import LOOK, Session, _chosen
from gitops_lab.labs.world import VirtualWorld, replace

SECOND = """\
---
predict:
  text: How many seconds will it take?
  measured: seconds
question:
  text: Which colour is it now?
  answer: colour
  choices: [blue, green, red]
  where: Look at the ConfigMap.
  explain: It was Git that decided.
hints: [Think., "`kubectl get configmap settings`"]
---
# Look

Look at the ConfigMap in the cluster, and say what you see there.
"""

CHECKS = """\
from gitops_lab.labs.world import get


def seconds(attempt):
    return 3.4


def colour(attempt):
    return get(attempt.arm("pull"), "ConfigMap/settings")["data"]["colour"]
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "steps" / "20-look.md").write_text(SECOND)
    (folder / "checks.py").write_text(CHECKS)
    return folder


def test_a_step_is_done_when_its_checks_pass(session: Session) -> None:
    step = session.step()
    assert not session.check(step).passed
    replace(session.world, "Green", "settings.yaml", "blue", "green")
    assert not session.check(step).passed, "it is not applied yet"
    assert session.check(step, patience=300).passed
    record = session.record.step("change")
    assert (record.state, record.tries) == ("passed", 3) and record.seconds > 0
    assert session.current is session.lab.steps[1]


def test_waiting_is_in_vain_if_the_learner_did_nothing(session: Session) -> None:
    before = session.now()
    session.check(session.step(), patience=300)
    assert session.now() - before <= LOOK, "the journal may be a moment behind, and no longer"


def test_a_question_is_asked_when_the_checks_have_passed(session: Session) -> None:
    session.solve(session.step())
    look = session.step()
    report = session.check(look)
    assert report.holds and not report.passed and report.question is look.question
    assert report.measured == "3.4"
    wrong = session.answer(look, "a")
    assert not wrong.right and wrong.text == "Not blue. Look at the ConfigMap." and not wrong.truth
    assert session.answer(look, "GREEN").text == "Right: green. It was Git that decided."
    assert session.check(look).passed
    assert session.record.finished and session.current is None


def test_a_prediction_is_kept_beside_what_was_measured(session: Session) -> None:
    session.solve(session.step())
    look = session.step()
    session.predict(look, "ten")
    report = session.check(look)
    assert (report.predicted, report.measured) == ("ten", "3.4")
    with pytest.raises(UsageError, match="asks for no prediction"):
        session.predict(session.lab.steps[0], "ten")


@pytest.mark.parametrize("answer", ["", "yellow", "4"])
def test_an_answer_that_is_no_choice_is_refused(session: Session, answer: str) -> None:
    with pytest.raises(UsageError):
        session.answer(session.lab.steps[1], answer)


def test_hints_come_one_by_one_and_the_last_one_stays(session: Session) -> None:
    look = session.lab.steps[1]
    assert [session.hint(look)[0] for _ in range(3)] == [1, 2, 2]
    assert session.record.step("look").hints == 2


def test_reset_of_a_step_leads_to_where_it_begins(session: Session) -> None:
    for step in session.lab.steps:
        session.solve(step)
    session.reset(session.lab.steps[1])
    assert session.record.step("change").state == "solved"
    assert session.record.step("look").state == "open"
    assert b"green" in session.world.repository.read("settings.yaml")
    session.reset()
    assert session.record.step("change").state == "open"
    assert b"blue" in session.world.repository.read("settings.yaml")
    assert not session.check(session.step()).passed


def test_catching_up_marks_what_was_skipped_and_keeps_what_was_done(session: Session) -> None:
    session.catch_up(session.lab.steps[1])
    assert session.record.step("change").state == "skipped"
    assert session.current is session.lab.steps[1]
    session.solve(session.lab.steps[1])
    session.catch_up(session.lab.steps[1])
    assert session.record.step("change").state == "skipped"


def test_done_by_the_learner_stays_done_by_the_learner(session: Session) -> None:
    replace(session.world, "Green", "settings.yaml", "blue", "green")
    session.check(session.step(), patience=300)
    session.catch_up(session.lab.steps[1])
    assert session.record.step("change").state == "passed"


def test_the_context_has_the_task_and_never_the_solution(session: Session) -> None:
    text = session.context(session.step())
    assert "Change the colour" in text and "expected: 1 push" in text
    assert "observed: 0 so far" in text and "pushed" in text
    assert "git push origin HEAD:main" not in text, "the last hint"
    look = session.lab.steps[1]
    session.solve(session.step())
    session.answer(look, "blue")
    assert "green" not in session.context(look).split("## The journal")[0].split("## Question")[1]


def test_numbers_are_compared_with_tolerance_and_lists_in_any_order(folder: Path) -> None:
    text = SECOND.replace("choices: [blue, green, red]\n", "tolerance: 2\n")
    (folder / "steps" / "20-look.md").write_text(text)
    for code, right, wrong in (
        ("return 31", ["31", "33", "29 s"], ["34", "many"]),
        ("return {'b', 'a'}", ["a, b", "B a"], ["a", "a, b, c"]),
        ("return set()", ["none", "nothing"], ["a"]),
        ("return None", [], ["none"]),
    ):
        (folder / "checks.py").write_text(
            f"def seconds(attempt): pass\ndef colour(attempt): {code}\n"
        )
        lab = load(folder)
        world = VirtualWorld(lab.arms, 1)
        session = Session(lab, world, Unsaved(1), now=world.sandbox.clock.now)
        look = lab.steps[1]
        assert [session.answer(look, each).right for each in right] == [True] * len(right)
        assert [session.answer(look, each).right for each in wrong] == [False] * len(wrong)
        world.close()


def test_a_choice_is_meant_by_its_words_before_its_letter() -> None:
    choices = ("4", "1", "a", "none of them")
    assert [_chosen(text, choices) for text in ("1", "4", "a", "b", "d", "None")] == [
        "1", "4", "a", "1", "none of them", "none of them",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="Choose from: a 4"):
        _chosen("2", choices)
