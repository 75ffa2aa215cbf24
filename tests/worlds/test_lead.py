"""Time in a live world never goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.worlds.lead import Lead


def test_a_fast_sandbox_goes_on_where_it_was(tmp_path: Path) -> None:
    lead = Lead(tmp_path / "lead")
    assert lead.read(1000.0) == 0
    lead.write(50.0, 1050.0)
    assert lead.read(1000.0) == 50


def test_a_clock_on_the_wall_that_went_back_takes_nothing_back(tmp_path: Path) -> None:
    lead = Lead(tmp_path / "lead")
    lead.write(50.0, 1050.0)
    assert 400 + lead.read(400.0) == 1050
    lead.write(-3.0, 997.0)
    assert 2000 + lead.read(2000.0) == 2000


@pytest.mark.parametrize("text", ["", "x", "-1.0 5", "nan nan", "1.0 inf", "inf", "{}"])
def test_what_makes_no_sense_is_noted_and_no_lead(tmp_path: Path, text: str) -> None:
    notes: list[str] = []
    (tmp_path / "lead").write_text(text)
    assert Lead(tmp_path / "lead", note=notes.append).read(1000.0) == 0
    assert len(notes) == 1 and "damaged" in notes[0]


def test_the_lead_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "lead").write_text("12.5")
    assert Lead(tmp_path / "lead").read(1000.0) == 12.5
