"""What a lab is read from, and how a folder that is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.labs import format
from gitops_lab.labs.format import Commands, find, folders, load

QUESTION = """\
---
question:
  text: How many?
  answer: how_many
  where: Count.
---
# Count

Count them all, please, one after the other.
"""


def test_a_lab_is_named_by_its_folder(folder: Path) -> None:
    lab = load(folder)
    assert (lab.id, lab.number, lab.title) == ("mine", 30, "Mine")
    assert [step.id for step in lab.steps] == ["change"]
    assert lab.steps[0].checks[0].name == "pushed"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("lab.yaml", "title: Mine\n", "`minutes` is missing"),
        ("lab.yaml", "title: [1]\nminutes: 3\narms: []\n", "`title` is"),
        ("lab.yaml", "- a\n", "no mapping"),
        ("lab.yaml", "a: &a [*a]\nb: {\n", "no YAML"),
        ("steps/10-change.md", "# Nothing to do\n\nRead.\n", "needs a check or a question"),
        ("steps/10-change.md", "---\nchecks: [pushed]\n---\nText.\n", "begin with a heading"),
        ("steps/10-change.md", "---\nchecks: [pushed]\n# Title\n", "`---`"),
        ("steps/10-change.md", "---\nchekcs: [pushed]\n---\n# Title\n", "'chekcs'"),
        ("steps/10-change.md", "---\nchecks: [[1]]\n---\n# Title\n", "is no check"),
        ("steps/10-change.md", "---\nchecks: [pushed]\n---\n# {{ who }}\n", "{{ who }}"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    folder: Path, path: str, text: str, said: str
) -> None:
    (folder / path).write_text(text)
    with pytest.raises(UsageError) as error:
        load(folder)
    assert said in str(error.value) and str(folder / path) in str(error.value)


def test_a_competency_that_does_not_exist_is_refused(folder: Path) -> None:
    text = (folder / "lab.yaml").read_text()
    (folder / "lab.yaml").write_text(text.replace("T4:", "T10:"))
    with pytest.raises(UsageError, match="T10"):
        load(folder)


def test_two_learners_draw_differently_and_one_always_alike(folder: Path) -> None:
    text = (folder / "lab.yaml").read_text()
    many = ", ".join(map(str, range(1000)))
    (folder / "lab.yaml").write_text(f"{text}vars:\n  count: [{many}]\n")
    (folder / "start" / "repository" / "a.txt").write_text("{{ count }}")
    drawn = {seed: load(folder, seed).files("repository")["a.txt"] for seed in range(5)}
    assert len(set(drawn.values())) > 1
    assert drawn[3] == load(folder, 3).files("repository")["a.txt"]


def test_comments_and_blocks_of_other_languages_are_no_commands(folder: Path) -> None:
    path = folder / "steps" / "10-change.md"
    path.write_text(
        "---\nchecks: [pushed]\n---\n# Do\n\n<!-- not\nseen -->\n"
        "```sh\nls\n```\n\n```yaml\na: 1\n```\n\n```sh fails\nfalse\n```\n"
    )
    (step,) = load(folder).steps
    assert step.commands == (Commands("ls\n"), Commands("false\n", fails=True))
    assert "seen" not in step.text


def test_a_lab_is_found_by_name_number_and_folder(folder: Path) -> None:
    root = folder.parent
    for name in ("mine", "30"):
        assert find(name, root) == folder
    assert find(str(folder)) == folder
    with pytest.raises(UsageError, match="Choose from mine"):
        find("other", root)
    with pytest.raises(UsageError, match=r"no lab.yaml"):
        find(str(root / "nowhere"))


def test_the_labs_that_come_with_the_program_can_be_read() -> None:
    labs = [load(folder) for folder in folders()]
    assert [lab.number for lab in labs] == sorted({lab.number for lab in labs})
    ids = {lab.id for lab in labs}
    assert "first-commit" in ids
    for lab in labs:
        assert set(lab.needs) <= ids, lab.id


def test_a_python_file_that_cannot_be_run_is_named(folder: Path) -> None:
    (folder / "checks.py").write_text("1 / 0\n")
    with pytest.raises(UsageError, match=r"ZeroDivisionError.*|checks\.py"):
        format.functions(folder / "checks.py")
