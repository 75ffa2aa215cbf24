"""What probes make of a behaviour, as a table of instants."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.controllers.images import Behaviour
from kubesim.controllers.timeline import Moment, Turn, timeline

EVERY_TEN = {"httpGet": {"port": 80}, "periodSeconds": 10}
EVERY_TWO = {"tcpSocket": {"port": 80}, "periodSeconds": 2, "failureThreshold": 3}


def life(container: dict[str, Any], *, is_task: bool = False, **fields: Any) -> list[Moment]:
    behaviour = Behaviour(jitter=0, **fields)
    return timeline(container, behaviour, 1000, Random(1), is_task=is_task)


def turns(container: dict[str, Any], **fields: Any) -> list[tuple[float, str]]:
    return [(each.at - 1000, each.turn.name) for each in life(container, **fields)]


@pytest.mark.parametrize(
    ("container", "fields", "expected"),
    [
        ({}, {}, [(0, "STARTED"), (3, "READY")]),
        ({}, {"ready": False}, [(0, "STARTED")]),
        ({}, {"fails_after": 20}, [(0, "STARTED"), (3, "READY"), (20, "UNREADY")]),
        ({}, {"crash_after": 1}, [(0, "STARTED"), (1, "EXITED")]),
        ({}, {"completes_after": 9}, [(0, "STARTED"), (3, "READY"), (9, "EXITED")]),
        ({}, {"is_task": True}, [(0, "STARTED"), (0, "READY"), (5, "EXITED")]),
        (
            {"readinessProbe": EVERY_TEN},
            {},
            [(0, "STARTED"), (0, "UNHEALTHY"), (10, "READY")],
        ),
        (
            {"readinessProbe": {**EVERY_TEN, "initialDelaySeconds": 4}},
            {},
            [(0, "STARTED"), (4, "READY")],
        ),
        (
            {"readinessProbe": {**EVERY_TWO, "successThreshold": 2, "initialDelaySeconds": 3}},
            {},
            [(0, "STARTED"), (5, "READY")],
        ),
        (
            {"readinessProbe": {**EVERY_TWO, "initialDelaySeconds": 4}},
            {"fails_after": 21},
            [(0, "STARTED"), (4, "READY"), (22, "UNHEALTHY"), (26, "UNREADY")],
        ),
        (
            {"livenessProbe": EVERY_TWO},
            {"ready": False},
            [(0, "STARTED"), (0, "UNHEALTHY"), (4, "KILLED")],
        ),
        (
            {"livenessProbe": {**EVERY_TWO, "initialDelaySeconds": 4}},
            {"fails_after": 20},
            [(0, "STARTED"), (3, "READY"), (20, "UNHEALTHY"), (20, "UNREADY"), (24, "KILLED")],
        ),
        (
            {"startupProbe": EVERY_TWO, "livenessProbe": EVERY_TWO},
            {},
            [(0, "UNHEALTHY"), (4, "STARTED"), (4, "READY")],
        ),
        (
            {"startupProbe": EVERY_TWO},
            {"ready_seconds": 30},
            [(0, "UNHEALTHY"), (4, "KILLED")],
        ),
        (
            {"startupProbe": {**EVERY_TWO, "failureThreshold": 30}, "livenessProbe": EVERY_TWO},
            {"ready_seconds": 30},
            [(0, "UNHEALTHY"), (30, "STARTED"), (30, "READY")],
        ),
    ],
)
def test_probes_and_behaviour_give_a_timeline(
    container: dict[str, Any], fields: dict[str, Any], expected: list[tuple[float, str]]
) -> None:
    assert turns(container, **fields) == expected


def test_a_failed_probe_is_told_in_the_kubelets_words() -> None:
    moments = life({"livenessProbe": EVERY_TEN, "readinessProbe": EVERY_TWO}, ready=False)
    told = {moment.message for moment in moments if moment.message}
    assert told == {
        "Liveness probe failed: HTTP probe failed with statuscode: 503",
        "Readiness probe failed: dial tcp: connect: connection refused",
        "failed liveness probe",
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"crash_after": 1, "exit_code": 3}, 3), ({"completes_after": 1}, 0)],
)
def test_a_crash_exits_with_its_code_and_a_completion_well(
    fields: dict[str, Any], code: int
) -> None:
    assert life({}, **fields)[-1].exit_code == code


seconds = st.integers(0, 100).map(float)
probes = st.builds(
    lambda delay, period, failures: {
        "exec": {"command": ["true"]},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "failureThreshold": failures,
    },
    st.integers(0, 30),
    st.integers(1, 20),
    st.integers(1, 5),
)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={f"{kind}Probe": probes for kind in ("readiness", "liveness", "startup")}
    ),
    st.builds(
        Behaviour,
        ready_seconds=seconds,
        ready=st.booleans(),
        fails_after=st.none() | seconds,
        crash_after=st.none() | seconds,
        completes_after=st.none() | seconds,
    ),
    st.booleans(),
)
def test_a_timeline_runs_forwards_ends_once_and_gets_ready_after_the_start(
    container: dict[str, Any], behaviour: Behaviour, is_task: bool
) -> None:
    moments = timeline(container, behaviour, 1000, Random(1), is_task=is_task)
    assert moments == sorted(moments)
    assert all(1000 <= moment.at < float("inf") for moment in moments)
    ends = [moment for moment in moments if moment.turn in (Turn.KILLED, Turn.EXITED)]
    assert len(ends) <= 1
    assert ends == moments[-1:] or not ends
    order = [moment.turn for moment in moments]
    if Turn.READY in order:
        assert order.index(Turn.STARTED) < order.index(Turn.READY)
    if Turn.UNREADY in order:
        assert order.index(Turn.READY) < order.index(Turn.UNREADY)
