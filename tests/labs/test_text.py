"""How labs look: at most 80 columns, commands that can be copied, signs besides colours."""

from __future__ import annotations

import io

from rich.console import RenderableType

from gitops_lab.labs import text
from gitops_lab.labs.checks import Result
from gitops_lab.labs.format import Lab, find, folders, load
from gitops_lab.labs.progress import StepRecord


def shown(what: RenderableType) -> str:
    file = io.StringIO()
    text.show(text.console(file), what)
    return file.getvalue()


def test_a_command_stands_in_one_line_as_it_is_typed() -> None:
    lab = load(find("drift"), 3)
    for step in lab.steps:
        page = shown(text.step_text(lab, step, StepRecord()))
        lines = [line.strip() for line in page.splitlines()]
        for block in step.commands:
            for line in block.text.splitlines():
                assert line.strip() in lines


def test_no_page_of_any_lab_is_wider_than_80_columns() -> None:
    for folder in folders():
        lab = load(folder, 1)
        for step in lab.steps:
            page = shown(text.step_text(lab, step, StepRecord()))
            assert max(map(len, page.splitlines())) <= 80, (lab.id, step.id)


def test_without_colours_signs_and_words_tell_how_a_check_went() -> None:
    results = [
        Result(True, "pushed", "1", "1"),
        Result(False, "in sync", "equal", "different \x1b[31m", "gitops-lab status"),
        Result(False, "healthy", "", "", waiting=True),
    ]
    page = shown(text.checks(results))
    assert "\x1b" not in page, "what clusters say cannot steer a terminal"
    passed, failed, *details, waiting = page.splitlines()
    assert passed[0] != failed[0] != waiting[0] and passed[2:] == "pushed"
    assert [line.split()[0] for line in details] == ["expected", "observed", "look"]


def test_commands_name_the_sandbox_unless_it_is_the_usual_one(lab: Lab) -> None:
    words = "run `gitops-lab status`, then gitops-lab lab check"
    assert text.for_sandbox(words, "default") == words
    named = text.for_sandbox(words, "two")
    assert named == "run `gitops-lab status --name two`, then gitops-lab lab check"


def test_a_hint_that_gives_commands_shows_one_in_each_line() -> None:
    given = shown(text.hint("`git add . && git commit -m 'x'`, then `git push origin HEAD:main`"))
    assert [line.strip() for line in given.splitlines()] == [
        "git add .", "git commit -m 'x'", "git push origin HEAD:main",
    ]  # fmt: skip
    long = f"`kubectl patch deployment shop -p '{'x' * 100}'`"
    (line,) = shown(text.hint(long)).splitlines()
    assert line.strip() == long.strip("`"), "it is neither cut off nor folded"
    assert "`" not in shown(text.hint("Look for the word `replicas` in the file."))
