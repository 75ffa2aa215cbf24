"""What is printed can be typed, and does nothing to the terminal."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.cli import main, printing
from gitops_lab.cli.escape import escaped


def test_a_command_on_path_is_printed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert printing.runnable("`gitops-lab up` starts it") == "`gitops-lab up` starts it"


def test_a_command_that_is_not_on_path_is_printed_by_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "a folder" / "gitops-lab"
    script.parent.mkdir()
    script.touch()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    text = "`gitops-lab up` starts gitops-lab's sandbox in ~/gitops-lab-demo; gitops-lab -h"
    assert printing.runnable(text) == (
        f"`'{script}' up` starts gitops-lab's sandbox in ~/gitops-lab-demo; '{script}' -h"
    )


@given(st.text())
def test_nothing_that_is_printed_moves_the_cursor(text: str) -> None:
    shown = escaped(text)
    assert not any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in shown)
    assert shown.count("\n") == text.count("\n")


def test_an_escape_sequence_is_shown_and_not_obeyed() -> None:
    assert escaped("a\x1b[2Jb\r\u202e") == r"a\x1b[2Jb\r\u202e"
    assert escaped("Grüße, 世界 → ✓\n") == "Grüße, 世界 → ✓\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["statsu"], "status`?"),
        (["lab", "strat"], "lab start`?"),
        (["nonsense-of-all-kinds"], "Choose from demo"),
    ],
)
def test_an_unknown_command_proposes_the_right_one(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("gitops-lab: there is no ") and text in said


def test_alone_it_says_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "lab start first-commit" in said and "demo" in said and "doctor" in said
