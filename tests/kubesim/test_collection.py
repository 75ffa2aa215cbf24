"""Full garbage collections that take too long are not repeated over the same objects."""

from __future__ import annotations

import gc
import itertools

from kubesim.collection import LONGEST, brief_collections


def test_what_a_long_collection_leaves_is_not_looked_at_again() -> None:
    ticks = itertools.count(0, 2 * LONGEST)  # each collection takes too long
    kept: list[dict[str, list[int]]] = [{"list": []} for _ in range(1000)]
    before = gc.get_freeze_count()
    with brief_collections(lambda: next(ticks)):
        gc.collect(1)
        assert gc.get_freeze_count() == before
        gc.collect()
        assert gc.get_freeze_count() >= before + len(kept)
    assert gc.get_freeze_count() == 0


def test_brief_collections_stay_as_they_are() -> None:
    before = gc.get_freeze_count()
    with brief_collections(lambda: 0.0):
        gc.collect()
        assert gc.get_freeze_count() == before
