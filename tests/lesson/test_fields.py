"""Who owns each field, and which edits each arm sees and undoes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.experiments.story import SHOP, read_folder
from gitops_lab.lesson import fields
from gitops_lab.sandbox import Sandbox

ARMS = ("push-on-commit", "pull", "pull+self-heal")


@pytest.fixture(scope="module")
def grid() -> fields.Grid:
    return fields.drift_grid(*ARMS)


@pytest.fixture
def world() -> Iterator[Sandbox]:
    with Sandbox("pull+self-heal", seed=1) as world:
        world.commit("Deploy the shop", read_folder(SHOP))
        world.run(minutes=4)
        yield world


def test_fields_are_declared_or_written_by_a_controller_or_extra(world: Sandbox) -> None:
    arm = world["pull+self-heal"]
    world.drift("Deployment/shop", {"metadata": {"labels": {"team": "night"}}})
    kinds = {row.path: row.kind for row in fields.owners(arm)}
    assert kinds[".spec.minReadySeconds"] == fields.DECLARED
    assert kinds[".spec.replicas"] == fields.CONTROLLER
    assert kinds[".metadata.labels.team"] == fields.EXTRA
    assert ".spec.template" not in kinds, "only fields that hold no others"


def test_the_map_of_owners_says_the_same_in_words(world: Sandbox) -> None:
    picture = fields.owner_picture(world["pull+self-heal"])
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert "0 extra" in repr(picture) and "Deployment/shop in pull+self-heal" in repr(picture)


def test_an_object_that_is_not_there_is_named(world: Sandbox) -> None:
    with pytest.raises(UsageError, match="has no Deployment/till"):
        fields.owners(world["pull+self-heal"], "Deployment/till")


def test_only_self_heal_undoes_declared_changes_and_extra_fields_are_in_sync(
    grid: fields.Grid,
) -> None:
    for edit in ("a declared field", "a deletion"):
        assert [grid.word(edit, arm) for arm in ARMS] == ["stays, drifted"] * 2 + ["undone"]
    for edit in ("a new label", "a second container"):
        assert {grid.word(edit, arm) for arm in ARMS} == {"stays, in sync"}


def test_guesses_are_marked(grid: fields.Grid) -> None:
    every = dict.fromkeys(fields.EDITS, ARMS)
    assert str(grid.compare(every)).endswith("2 of 12 guesses were right")
    right = {"a declared field": ["pull+self-heal"], "a deletion": ["pull+self-heal"]}
    assert str(grid.compare(right)).endswith("12 of 12 guesses were right")


@pytest.mark.parametrize("guesses", [{"a dclared field": []}, {"a deletion": ["pul"]}])
def test_a_guess_about_what_does_not_exist_is_refused(
    grid: fields.Grid, guesses: dict[str, list[str]]
) -> None:
    with pytest.raises(UsageError, match="there is no"):
        grid.compare(guesses)


def test_the_questions_count_cells(grid: fields.Grid) -> None:
    assert "Right: 2." in fields.HOW_MANY_UNDONE.check(grid, 2)
    assert "Right: 6." in fields.HOW_MANY_IN_SYNC.check(grid, "6")
