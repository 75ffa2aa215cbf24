"""The journal loses nothing on its way to a file and back, and tells the state again."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.journal import Entry, Journal, read, replay
from kubesim.clock import SimClock

entries = st.builds(
    Entry,
    at=st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000),
    actor=st.text(min_size=1, max_size=5),
    event=st.text(min_size=1, max_size=5),
    subject=st.text(max_size=5),
    why=st.text(max_size=5),
    data=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2),
)


@given(entries)
def test_an_entry_survives_its_line_of_json(entry: Entry) -> None:
    assert Entry.from_json(entry.to_json()) == entry


def test_a_journal_survives_its_file(tmp_path: Path) -> None:
    clock = SimClock()
    journal = Journal(clock)
    journal.record("pull", "fetched", "main@sha1:abc")
    clock.run(seconds=1.5)
    journal.record(
        "pull", "applied", "Service shop", "in Git, not in the cluster", action="created"
    )
    path = tmp_path / "journal.jsonl"
    journal.write(path)
    assert read(path) == list(journal)
    assert len(path.read_text().splitlines()) == 2


def test_replay_tells_what_a_deployer_answers_for() -> None:
    journal = Journal(SimClock())
    for subject, action in (
        ("a", "created"),
        ("b", "configured"),
        ("c", "failed"),
        ("a", "deleted"),
    ):
        journal.record("pull", "applied", subject, action=action)
    journal.record("pull", "synced", "r", sync="Synced", applied="r")
    journal.record("pull", "health", status="Healthy")
    state = replay(journal)["pull"]
    assert (state.objects, state.revision, state.sync, state.health) == (
        {"b"}, "r", "Synced", "Healthy",
    )  # fmt: skip


def test_an_entry_reads_as_a_sentence() -> None:
    entry = Entry(0.0, "pull", "applied", "Service shop", "drifted", {"action": "configured"})
    assert str(entry) == "00:00:00 pull applied configured Service shop: drifted"


def test_what_was_observed_is_told_in_words_with_or_without_a_reason() -> None:
    def told(data: dict[str, object], subject: str = "main@sha1:abc", why: str = "") -> str:
        return str(Entry(0.0, "pull", "observed", subject, why, data))

    well: dict[str, object] = {"in_sync": True, "drifted": False, "health": "Healthy"}
    assert told(well) == "00:00:00 pull observed in sync, Healthy main@sha1:abc"
    assert "observed drifted, Missing" in told(
        {"in_sync": False, "drifted": True, "health": "Missing"}
    )
    assert told({"in_sync": False, "health": "Missing"}, why="spec").endswith(": spec")
    assert told(well, "") == "00:00:00 pull observed no commits yet"


def test_positions_stay_when_entries_are_forgotten(journal: Journal) -> None:
    for number in range(5):
        journal.record("pull", "synced", number)
    journal.forget(3)
    journal.forget(2)  # they are gone already
    assert len(journal) == 5
    assert [entry.subject for entry in journal] == ["3", "4"]
    assert [entry.subject for entry in journal.since(4)] == ["4"]
    assert [entry.subject for entry in journal.since(0)] == ["3", "4"]
    journal.forget(9)
    journal.record("pull", "synced", 5)
    assert [entry.subject for entry in journal.since(5)] == ["5"]
