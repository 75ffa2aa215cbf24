"""How the journal is shown to people: all of it, and in columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.cli import main
from gitops_lab.cli.logs import entries, laid_out
from gitops_lab.journal import Entry
from gitops_lab.state import StateFolder

ENTRY = Entry(
    0.0,
    "pull",
    "applied",
    "Deployment default/web",
    "in Git, not in the cluster",
    {"action": "created"},
)


def test_where_no_terminal_is_an_entry_is_one_line() -> None:
    assert laid_out(ENTRY, 14, None) == str(ENTRY)


def test_in_a_terminal_actors_stand_in_a_column_and_long_lines_are_folded_beside_it() -> None:
    assert laid_out(ENTRY, 14, 80).split("\n") == [
        "00:00:00 pull           applied created Deployment default/web: in Git, not in",
        "                        the cluster",
    ]


@given(st.integers(1, 200), st.integers(1, 20))
def test_folding_loses_no_word(width: int, actors: int) -> None:
    assert laid_out(ENTRY, actors, width).split() == str(ENTRY).split()


def test_what_was_written_just_before_the_process_ended_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StateFolder("shop", tmp_path)
    folder.path.mkdir()
    folder.journal.write_text("")

    def ends(self: StateFolder) -> bool:
        folder.journal.write_text(ENTRY.to_json() + "\n")
        return False

    monkeypatch.setattr(StateFolder, "is_alive", property(ends))
    assert list(entries(folder, follow=True)) == [ENTRY]


def test_a_damaged_line_is_told_and_hides_no_other(tmp_path: Path) -> None:
    folder = StateFolder("shop", tmp_path)
    folder.path.mkdir()
    folder.journal.write_bytes(b"\xff\n[]\n{\n" + ENTRY.to_json().encode() + b"\n")
    *damaged, whole = entries(folder, follow=False)
    assert len(damaged) == 3 and whole == ENTRY
    assert all("is damaged" in laid_out(each, 4, 80) for each in damaged)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateFolder:
    """The journal of a sandbox that has ended: two arms, an entry a minute."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = StateFolder("default")
    folder.make()
    folder.keep({"setup": {"arms": ["push", "pull"]}})
    actors = ("forge", "push", "pull", "push")
    entries = [Entry(60.0 * n, actor, "event", str(n)) for n, actor in enumerate(actors)]
    folder.journal.write_text("".join(entry.to_json() + "\n" for entry in entries))
    return folder


@pytest.mark.parametrize(
    ("options", "subjects"),
    [
        ([], ["0", "1", "2", "3"]),
        (["--arm", "push"], ["1", "3"]),
        (["--arm", "forge"], ["0"]),
        (["--since", "1m"], ["2", "3"]),
        (["--tail", "1"], ["3"]),
        (["--tail", "0"], []),
        (["--arm", "push", "--since", "90s", "--tail", "5"], ["3"]),
    ],
)
def test_logs_shows_what_was_asked_for(
    kept: StateFolder,
    options: list[str],
    subjects: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["logs", *options]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == subjects


@pytest.mark.parametrize("options", [["--arm", "pul"], ["--since", "soon"]])
def test_logs_of_what_does_not_exist_are_refused(
    kept: StateFolder, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", *options]) == 2
    assert options[1] in capsys.readouterr().err


def test_a_commits_subject_cannot_move_the_cursor(
    kept: StateFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.journal.write_text(Entry(0.0, "forge", "pushed", "\x1b[2J").to_json() + "\n")
    assert main(["logs"]) == 0
    assert r"\x1b[2J" in capsys.readouterr().out
