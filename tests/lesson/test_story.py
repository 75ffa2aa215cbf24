"""What a notebook calls: predictions and answers are held against what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gitops_lab import lesson
from gitops_lab.errors import UsageError
from gitops_lab.experiments.story import Story
from gitops_lab.sandbox import Sandbox


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox("push-on-commit", "pull+self-heal", seed=1) as world:
        for chapter in Story(world).run():
            world.run(minutes=chapter.minutes)
        yield world


def test_a_guess_stands_beside_what_was_measured(world: Sandbox) -> None:
    text = lesson.compare(world, "applied_after", {"push-on-commit": None, "pull+self-heal": 5})
    first, push, pull = text.splitlines()
    assert first.split() == ["arm", "you", "guessed", "measured"]
    assert push.split()[1:] == ["never", "never"]
    assert pull.split()[1:3] == ["5", "s"] and pull.split()[-1] == "s"


@pytest.mark.parametrize(
    ("measure", "guesses", "text"),
    [("speed", {}, "no measure"), ("applied_after", {"psuh": 1}, "no arm")],
)
def test_a_wrong_comparison_is_refused(
    world: Sandbox, measure: str, guesses: dict[str, float], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        lesson.compare(world, measure, guesses)


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (lesson.WHO_REPAIRED, "pull+self-heal", "push-on-commit"),
        (lesson.HOW_MANY_ORPHANS, 1, 0),
    ],
)
def test_answers_are_checked(
    world: Sandbox, question: lesson.Question[Sandbox], right: object, wrong: object
) -> None:
    for nothing in (None, ""):
        assert "No answer yet" in question.check(world, nothing)
    assert "Right" in question.check(world, right)
    told = question.check(world, wrong)
    assert f"Not {wrong}" in told and "picture" in told and str(right) not in told.splitlines()[-1]


def test_the_timeline_is_a_picture_with_words(world: Sandbox) -> None:
    picture = lesson.timeline(world)
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert "pull+self-heal: in sync" in repr(picture)


def test_the_sources_stand_side_by_side() -> None:
    sources = lesson.sources()
    shown = re.sub("<[^>]+>", "", sources._repr_html_())
    assert "PushDeployer" in shown and "PullDeployer" in shown
    assert "-class PushDeployer" in repr(sources) and "+class PullDeployer" in repr(sources)
