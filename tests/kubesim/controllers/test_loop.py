"""The framework of the control loops: queues, timers, backoff."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from random import Random

import pytest

from kubesim.api import Api, bootstrap
from kubesim.clock import EPOCH
from kubesim.controllers import loop as framework
from kubesim.controllers.index import Index, Indexes
from kubesim.controllers.loop import Controller, Item, Loop
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

Answer = Callable[[float], float | None]


class Recorder(Controller):
    """Notes when it is called to reconcile ConfigMaps, and answers as told."""

    name = "recorder"
    watches = (("", "configmaps"),)

    def __init__(self, api: Api, indexes: Indexes, answer: Answer = lambda _: None) -> None:
        super().__init__(api, indexes)
        self.calls: list[tuple[str, float]] = []
        self.answer = answer

    def keys(self, event: Event) -> Iterable[Item]:
        return [event.key[2:]] if event.key[2] == "default" else ()

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        self.calls.append((name, now - EPOCH))
        return self.answer(now)


@pytest.fixture
def api() -> Api:
    made = Api(now=lambda: EPOCH, rng=Random(1))
    bootstrap(made)
    return made


def note(api: Api, name: str, **data: str) -> Object:
    resource = api.registry.by_kind("v1", "ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    if api.store.get(("", "configmaps", "default", name)) is None:
        return api.create(resource, body, namespace="default")
    return api.update(resource, name, body, namespace="default")


def drive(loop: Loop, until: float) -> list[float]:
    """Step through every due instant; the instants."""
    instants = []
    now = EPOCH
    while now <= EPOCH + until:
        instants.append(now - EPOCH)
        due = loop.step(now)
        if due is None:
            break
        now = due
    return instants


def test_what_exists_already_is_reconciled_first(api: Api) -> None:
    note(api, "a")
    recorder = Recorder(api, Indexes(api.store))
    Loop(api, [recorder]).step(EPOCH)
    assert recorder.calls == [("a", 0)]


def test_several_events_of_one_object_make_one_reconcile(api: Api) -> None:
    recorder = Recorder(api, Indexes(api.store))
    loop = Loop(api, [recorder])
    note(api, "a", x="1")
    note(api, "a", x="2")
    loop.step(EPOCH)
    assert recorder.calls == [("a", 0)]


def test_without_events_and_timers_nothing_is_due(api: Api) -> None:
    loop = Loop(api, [Recorder(api, Indexes(api.store))])
    assert loop.step(EPOCH) is None


def test_a_timer_is_replaced_by_the_next_answer(api: Api) -> None:
    recorder = Recorder(api, Indexes(api.store))
    loop = Loop(api, [recorder])
    recorder.answer = lambda now: EPOCH + 10
    note(api, "a")
    assert loop.step(EPOCH) == EPOCH + 10
    recorder.answer = lambda now: EPOCH + 30
    note(api, "a", x="1")
    assert loop.step(EPOCH + 5) == EPOCH + 30
    recorder.answer = lambda now: None
    assert loop.step(EPOCH + 10) == EPOCH + 30
    assert loop.step(EPOCH + 30) is None
    assert recorder.calls == [("a", 0), ("a", 5), ("a", 30)]


def test_a_refusal_is_retried_with_doubling_delays(api: Api) -> None:
    def refuse(now: float) -> float | None:
        raise ApiError(500, "InternalError", "no")

    recorder = Recorder(api, Indexes(api.store), refuse)
    loop = Loop(api, [recorder])
    note(api, "a")
    instants = drive(loop, 4000)
    waits = [round(b - a, 3) for a, b in itertools.pairwise(instants)]
    assert waits[:5] == [0.005, 0.01, 0.02, 0.04, 0.08]
    assert max(waits) == 1000


def test_success_forgets_the_refusals(api: Api) -> None:
    answers: list[bool] = [False, False, True, False]

    def answer(now: float) -> float | None:
        if not answers.pop(0):
            raise ApiError(500, "InternalError", "no")
        return None

    recorder = Recorder(api, Indexes(api.store), answer)
    loop = Loop(api, [recorder])
    note(api, "a")
    drive(loop, 60)
    note(api, "a", x="1")
    assert loop.step(EPOCH + 60) == EPOCH + 60.005


def test_a_conflict_is_retried_at_once(api: Api) -> None:
    answers = [False, True]

    def answer(now: float) -> float | None:
        if not answers.pop(0):
            raise ApiError(409, "Conflict", "the object has been modified")
        return None

    recorder = Recorder(api, Indexes(api.store), answer)
    loop = Loop(api, [recorder])
    note(api, "a")
    assert loop.step(EPOCH) is None
    assert recorder.calls == [("a", 0), ("a", 0)]


@pytest.mark.allows_errors
def test_a_failure_is_reported_and_retried_and_keeps_no_other_object_waiting(api: Api) -> None:
    broken = {"a"}

    def answer(now: float) -> float | None:
        if recorder.calls[-1][0] in broken:
            raise KeyError("labels")
        return None

    recorder = Recorder(api, Indexes(api.store), answer)
    loop = Loop(api, [recorder])
    note(api, "a")
    note(api, "b")
    assert loop.step(EPOCH) == EPOCH + 0.005
    assert [name for name, _ in recorder.calls] == ["a", "b"]
    assert loop.troubles == ["the recorder fails at default/a: KeyError: 'labels'"]
    broken.clear()
    assert loop.step(EPOCH + 1) is None
    assert loop.troubles == []


@pytest.mark.allows_errors
def test_an_error_in_an_event_handler_undoes_no_write_and_stops_no_other_handler(api: Api) -> None:
    class Confused(Recorder):
        name = "confused"

        def keys(self, event: Event) -> Iterable[Item]:
            if event.object.get("data") == {"x": "1"}:
                raise ValueError("odd")
            return super().keys(event)

    recorder = Recorder(api, Indexes(api.store))
    loop = Loop(api, [Confused(api, Indexes(api.store)), recorder])
    assert note(api, "a", x="1")["data"] == {"x": "1"}
    loop.step(EPOCH)
    assert recorder.calls == [("a", 0)]
    assert loop.troubles == ["the confused fails at configmaps/default/a: ValueError: odd"]
    note(api, "a", x="2")
    assert loop.troubles == []


@pytest.mark.allows_errors
def test_an_object_that_never_gets_quiet_is_put_aside_for_longer_each_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framework, "MOST_RECONCILES", 20)
    restless = [True]
    recorder = Recorder(api, Indexes(api.store), lambda now: now if restless[0] else None)
    loop = Loop(api, [recorder])
    note(api, "a")
    assert drive(loop, 20) == [0, 1, 3, 7, 15]
    assert len(recorder.calls) == 5 * 20
    assert "default/a: never quiet: 20 reconciles in a row" in loop.troubles[0]
    restless.clear()
    restless.append(False)
    note(api, "a", x="1")  # it is put aside still
    assert loop.step(EPOCH + 20) == EPOCH + 31
    assert loop.step(EPOCH + 31) is None
    assert loop.troubles == []


def test_where_others_wait_a_step_ends_when_its_time_is_over(api: Api) -> None:
    seconds = itertools.count(0, framework.SLICE * 0.6)
    recorder = Recorder(api, Indexes(api.store))
    loop = Loop(api, [recorder], stopwatch=lambda: next(seconds))
    for name in "abcd":
        note(api, name)
    instants = [loop.step(EPOCH) for _ in range(3)]
    assert instants == [EPOCH, EPOCH, None]  # two each time; a third look finds all done
    assert [name for name, _ in recorder.calls] == ["a", "b", "c", "d"]


def test_an_index_follows_its_objects(api: Api) -> None:
    index: Index = Indexes(api.store).get("", "configmaps", "x", lambda o: [o["data"]["x"]])
    note(api, "a", x="red")
    note(api, "b", x="red")
    note(api, "a", x="blue")
    assert [o["metadata"]["name"] for o in index.get("red")] == ["b"]
    assert [o["metadata"]["name"] for o in index.get("blue")] == ["a"]
    api.delete(api.registry.by_kind("v1", "ConfigMap"), "b", namespace="default")
    assert index.get("red") == []
