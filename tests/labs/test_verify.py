"""`lab verify` finds what is wrong with a lab, and nothing in a lab that is fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.labs.skeleton import make
from gitops_lab.labs.verify import verify


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_lab_that_is_fit_has_no_faults(folder: Path) -> None:
    assert verify(folder) == []


def test_of_a_skeleton_it_is_said_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "31-bare"
    make(folder)
    faults = "\n".join(verify(folder))
    assert "design.md is missing" in faults and "bypass/" in faults
    with pytest.raises(UsageError, match="exists already"):
        make(folder)
    with pytest.raises(UsageError, match="no name of a lab"):
        make(tmp_path / "bare")


STEP = "steps/10-change.md"


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (STEP, "equals: green", "equals: red", "'change' does not solve it"),
        (STEP, "  - live: {object: ConfigMap/settings, path: data.colour, equals: green}\n", "",
         "empty files: step 'change' passes, and must not"),
        (STEP, "  - pushed\n", "", "bypass/by_hand.py: step 'change' passes, and must not"),
        (STEP, "  - pushed\n", "  - in_sync\n", "untouched, 'pull is in sync' passes already"),
        (STEP, "A pointer, which says where.", "Try `git push` now", "gives a command already"),
        (STEP, "A pointer, which says where.", "", "a hint is empty"),
        (STEP, "Here: make", f"```sh\necho {'x' * 90}\n```\n\nMake", "wider than"),
        (STEP, "  - pushed\n", "  - psuhed\n", "there is no check 'psuhed'"),
        ("lab.yaml", "introduces: []", "introduces: [drift]", "no **drift** stands in its text"),
        ("lab.yaml", "needs: []", "needs: [ghost]", "which is not there"),
        ("lab.yaml", "minutes: 10", "minutes: 90", "a lab takes 5 to 20"),
        ("lab.yaml", "push-on-commit, pull", "push-on-commit, pul", "no arm 'pul'"),
        ("after.md", "## On your own", "## Else", "lacks the heading"),
        ("solution.py", "def change", "def chnage", "no function 'change'"),
    ],
)  # fmt: skip
def test_each_fault_is_found(folder: Path, path: str, old: str, new: str, said: str) -> None:
    change(folder / path, old, new)
    assert said in "\n".join(verify(folder))


def test_an_alternative_that_fails_is_a_fault(folder: Path) -> None:
    (folder / "alternatives").mkdir()
    (folder / "alternatives" / "none.py").write_text("def change(attempt):\n    pass\n")
    assert any("alternatives/none.py" in fault for fault in verify(folder))


def test_a_term_must_not_be_used_before_it_is_introduced(folder: Path, tmp_path: Path) -> None:
    later = tmp_path / "40-later"
    make(later)
    change(later / "lab.yaml", "introduces: []", "introduces: [colour]")
    assert any("only the lab 'later' introduces" in fault for fault in verify(folder))
    change(folder / "lab.yaml", "needs: []", "needs: [later]")
    assert verify(folder) == []


def test_two_runs_that_differ_are_a_fault(folder: Path) -> None:
    (folder / "solution.py").write_text(
        "import itertools\n"
        "from gitops_lab.labs.world import replace\n"
        "count = itertools.count()\n"
        "def change(attempt):\n"
        "    attempt.wait(seconds=next(count))\n"
        "    replace(attempt.world, 'Green', 'settings.yaml', 'blue', 'green')\n"
    )
    assert "two runs with the same seed differ" in verify(folder)
