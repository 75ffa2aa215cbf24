"""Progress: one file, whole at any moment, the same after a round trip."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.errors import LabError
from gitops_lab.labs.progress import (
    STATES,
    Book,
    LabRecord,
    Progress,
    StepRecord,
    as_csv,
    dump,
    load,
    rows,
)

words = st.text(max_size=20)
steps = st.builds(
    StepRecord,
    state=st.sampled_from(STATES),
    tries=st.integers(0, 99),
    hints=st.integers(0, 9),
    prediction=words,
    answer=words,
    right=st.booleans(),
    seconds=st.floats(0, 1e6),
    memory=st.dictionaries(words, st.booleans(), max_size=3),
)
books = st.builds(
    Book,
    st.integers(1, 9999),
    st.dictionaries(words, st.builds(LabRecord, steps=st.dictionaries(words, steps, max_size=3))),
    words,
)


@given(books)
def test_a_book_is_read_as_it_was_written(book: Book) -> None:
    assert load(json.loads(dump(book))) == book


def test_what_is_drawn_once_stays(tmp_path: Path) -> None:
    path = tmp_path / "there" / "progress.json"
    assert Progress(path).read().seed == Progress(path).read().seed
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_if_a_change_fails(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json")
    with pytest.raises(RuntimeError), progress.change() as book:
        book.lab("drift").step("edit").tries = 5
        raise RuntimeError
    assert "drift" not in progress.read().labs


def test_two_that_change_at_once_lose_nothing(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json")

    def try_often() -> None:
        for _ in range(20):
            with progress.change() as book:
                book.lab("drift").step("edit").tries += 1

    threads = [threading.Thread(target=try_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.read().lab("drift").step("edit").tries == 80


WRITER = """
import sys
from pathlib import Path
from gitops_lab.labs.progress import Progress
progress = Progress(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    with progress.change() as book:
        book.lab("drift").step("edit").tries += 1
        book.lab("drift").step("edit").answer = "x" * 100_000
"""


@pytest.mark.parametrize("count", range(3))
def test_killed_at_any_moment_it_is_whole(tmp_path: Path, count: int) -> None:
    path = tmp_path / "progress.json"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    process.stdout.readline()
    while not path.exists() or Progress(path).read().lab("drift").step("edit").tries < 20 + count:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    step = Progress(path).read().lab("drift").step("edit")
    assert step.tries >= 20 + count and len(step.answer) == 100_000


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": "x"}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(text)
    with pytest.raises(LabError, match="cannot be read"):
        Progress(path).read()


def test_a_later_version_s_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_text('{"schema": 2, "everything": "else"}')
    with pytest.raises(LabError, match="later gitops-lab"), Progress(path).change():
        pass
    assert "everything" in path.read_text()


def test_an_export_has_a_row_a_step_and_no_path_and_no_name() -> None:
    book = Book(7, {"drift": LabRecord("/home/lena/labs", "default", "/home/lena/drift")})
    step = book.lab("drift").step("edit")
    step.answer, step.hints = "=1+1", 2
    assert "lena" not in as_csv(rows(book)) and "learner" not in as_csv(rows(book))
    (row,) = csv.DictReader(io.StringIO(as_csv(rows(book, "Lena"))))
    assert (row["learner"], row["hints"], row["lab"], row["step"]) == ("Lena", "2", "drift", "edit")
    assert row["answer"] == "'=1+1", "no spreadsheet may compute it"
    assert as_csv([]) == ""
