"""Cells that tell chapters: twice is as once, and an error leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitops_lab import lesson
from gitops_lab.errors import LabError
from gitops_lab.sandbox import Sandbox

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '%s'}\n"


@pytest.fixture
def story() -> Iterator[lesson.Chapters]:
    story = lesson.Chapters("push-on-commit", seed=1)
    yield story
    story.close()


def commit(value: str) -> object:
    def happens(world: Sandbox) -> None:
        world.commit(f"set {value}", {"a.yaml": CONFIG % value})
        world.run(minutes=1)

    return happens


def tell(story: lesson.Chapters, title: str, value: str) -> list[str]:
    happens = commit(value)
    assert callable(happens)
    story.chapter(title)(happens)
    return [str(entry) for entry in story.world.journal]


def live(story: lesson.Chapters) -> str:
    found = story.world["push-on-commit"].get("ConfigMap/a")
    assert found is not None
    return str(found["data"]["x"])


def test_a_cell_that_runs_twice_tells_the_same(story: lesson.Chapters) -> None:
    first = tell(story, "one", "1")
    assert tell(story, "one", "1") == first
    assert tell(story, "two", "2") == tell(story, "two", "2")
    assert live(story) == "2"


def test_an_earlier_cell_goes_back_to_where_it_began(story: lesson.Chapters) -> None:
    tell(story, "one", "1")
    tell(story, "two", "2")
    tell(story, "one", "7")
    assert live(story) == "7"
    assert "two" not in {entry.why for entry in story.world.journal}


def test_an_error_in_a_chapter_undoes_what_it_did_in_part(story: lesson.Chapters) -> None:
    before = tell(story, "one", "1")

    def fails(world: Sandbox) -> None:
        world.commit("half", {"a.yaml": CONFIG % "half"})
        world.replace("wrong", "b.yaml", "x", "y")

    with pytest.raises(LabError, match=r"b\.yaml"):
        story.chapter("two")(fails)
    assert [str(entry) for entry in story.world.journal] == before
