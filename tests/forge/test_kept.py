"""The cache that counts bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.forge.kept import Kept


def test_what_was_used_last_stays() -> None:
    made: list[str] = []

    def make(key: str) -> bytes:
        made.append(key)
        return b"x" * 4

    kept: Kept[str, bytes] = Kept(8, len)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(key, make) == b"xxxx"
    assert made == ["a", "b", "c", "b"]


def test_what_is_too_large_is_given_and_not_kept() -> None:
    kept: Kept[str, bytes] = Kept(8, len)
    assert len(kept.get("a", lambda _: b"x" * 9)) == 9
    assert kept.bytes == 0


@given(st.lists(st.integers(0, 12)))
def test_there_is_never_more_than_there_is_room_for(keys: list[int]) -> None:
    kept: Kept[int, int] = Kept(20, int)
    for key in keys:
        assert kept.get(key, lambda key: key) == key
        assert kept.bytes <= 20
