"""A machine that does not keep up."""

from __future__ import annotations

from gitops_lab.worlds.lateness import LATE, SHOWN, Lateness


def test_people_are_told_while_it_lasts_and_a_little_longer() -> None:
    lateness = Lateness()
    assert lateness.note(LATE, 100.0) == ""
    assert "things happen 7 s late" in lateness.note(7.0, 101.0)
    assert "7 s late" in lateness.note(0.0, 101.0 + SHOWN - 0.1)
    assert lateness.note(0.0, 101.0 + SHOWN) == ""
