"""The arithmetic of rolling updates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.controllers.rollout import (
    Bounds,
    Size,
    bounds,
    grown,
    portion,
    proportional,
)


def spec(replicas: int, surge: int | str, unavailable: int | str) -> dict[str, Any]:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}


@pytest.mark.parametrize(
    ("value", "whole", "up", "down"),
    [("25%", 3, 1, 0), ("25%", 4, 1, 1), ("50%", 5, 3, 2), ("0%", 9, 0, 0), (2, 9, 2, 2)],
)
def test_a_percentage_is_rounded_as_told(value: int | str, whole: int, up: int, down: int) -> None:
    assert portion(value, whole, up=True) == up
    assert portion(value, whole, up=False) == down


def test_surge_is_rounded_up_and_unavailability_down() -> None:
    assert bounds(spec(3, "25%", "25%")) == Bounds(surge=1, unavailable=0)


def test_bounds_that_are_both_zero_let_one_pod_be_unavailable() -> None:
    assert bounds(spec(3, 0, "20%")) == Bounds(surge=0, unavailable=1)


def test_recreate_has_no_bounds() -> None:
    assert bounds({"replicas": 3, "strategy": {"type": "Recreate"}}) == Bounds(0, 0)


def test_no_more_pods_are_unavailable_than_there_are() -> None:
    assert bounds(spec(2, 0, 5)) == Bounds(0, 2)


def test_the_new_replica_set_grows_into_the_surge_only() -> None:
    assert grown(0, everything=3, wanted=3, surge=1) == 1
    assert grown(1, everything=4, wanted=3, surge=1) == 1
    assert grown(0, everything=0, wanted=3, surge=1) == 3


def test_the_documentations_example_of_proportional_scaling() -> None:
    # kubernetes.io, Deployments, "Proportional scaling": 10 → 15 replicas, maxSurge 3
    newest_first = [Size("new", 5, 13), Size("old", 8, 13)]
    assert proportional(newest_first, 15, 3, 13) == {"new": 7, "old": 11}


def test_a_deployment_scaled_to_zero_keeps_no_pod_of_any_revision() -> None:
    assert proportional([Size("new", 2, 5), Size("old", 3, 5)], 0, 1, 5) == {"new": 0, "old": 0}


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    wanted=st.integers(0, 80),
    surge=st.integers(0, 10),
)
def test_proportional_sizes_add_up_to_what_is_allowed(
    sizes: list[int], wanted: int, surge: int
) -> None:
    before = [Size(str(place), size, sum(sizes)) for place, size in enumerate(sizes)]
    after = proportional(before, wanted, surge, sum(sizes))
    assert sum(after.values()) == (wanted + surge if wanted else 0)
    assert all(size >= 0 for size in after.values())
