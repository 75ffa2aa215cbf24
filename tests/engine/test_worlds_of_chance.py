"""Laws that hold for every dial, every drift and every moment of being killed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_lab.cluster.simulated import SimulatedConnection
from gitops_lab.engine import hooks, waves
from gitops_lab.engine.inventory import Inventory
from gitops_lab.engine.plan import ORDERS, SyncPolicy
from gitops_lab.engine.sync import Outcome, sync
from gitops_lab.errors import ClusterUnreachable
from gitops_lab.journal import Journal
from gitops_lab.model import Action, Artifact, ObjectKey
from kubesim.clock import SimClock
from tests.conftest import INSIDE, artifact, config_map, namespace, new_cluster

FOREIGN = ObjectKey("", "ConfigMap", "default", "foreign")

policies = st.builds(
    SyncPolicy,
    owner=st.just("us"),
    order=st.sampled_from(ORDERS),
    take_over=st.booleans(),
    validate_first=st.booleans(),
)
names = st.sampled_from(["a", "b", "c", "foreign-too"])
values = st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["1", "2"]), max_size=2)
revisions = st.dictionaries(names, values, min_size=1, max_size=4)
drifts = st.lists(
    st.tuples(names, st.sampled_from(["edit", "add", "delete"]), st.sampled_from(["7", "8"])),
    max_size=3,
)


def key(name: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", "default", name)


def drift(cluster: SimulatedConnection, name: str, what: str, value: str) -> None:
    if cluster.get(key(name)) is None:
        return
    if what == "delete":
        cluster.delete(key(name))
    else:
        field = "p" if what == "edit" else "extra"
        cluster.patch(key(name), {"data": {field: value}}, manager="kubectl-edit")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies, st.lists(st.tuples(revisions, drifts), min_size=1, max_size=4))
def test_every_arm_converges_to_what_git_declares_and_deletes_nothing_of_others(
    policy: SyncPolicy, history: list[Any]
) -> None:
    clock = SimClock()
    cluster = new_cluster(clock).connect(INSIDE)
    cluster.apply(config_map("foreign", "default", keep="1"), manager="someone")
    inventory: Inventory = {}
    for wanted, by_hand in history:
        files = artifact({f"{n}.yaml": config_map(n, **data) for n, data in wanted.items()})
        for name, what, value in by_hand:
            drift(cluster, name, what, value)
        for _ in range(2):
            before = set(inventory)
            outcome = sync(files, cluster, inventory, policy, Journal(clock).by("us"))
            deleted = {c.key for c in outcome.done if c.action is Action.DELETED}
            assert deleted <= before
            inventory = outcome.inventory
        for name, data in wanted.items():
            live = cluster.get(key(name))
            assert live is not None
            declared = {k: (live.get("data") or {}).get(k) for k in data}
            assert declared == data
            if policy.take_over:
                assert set(live.get("data") or {}) == set(data)
        assert set(inventory) == {key(name) for name in wanted}
        assert cluster.get(FOREIGN) is not None


# -- killed between every pair of writes ----------------------------------------------------------


class Killed(Exception):
    """The agent's process ends here."""


class Mortal:
    """A connection whose holder dies before its next write, after so many of them."""

    def __init__(self, cluster: SimulatedConnection, writes: int) -> None:
        self._cluster, self.left = cluster, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def _write(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1

    def apply(self, body: Any, *, dry_run: bool = False, **options: Any) -> Any:
        if not dry_run:
            self._write()
        return self._cluster.apply(body, dry_run=dry_run, **options)

    def delete(self, key: ObjectKey, **options: Any) -> None:
        self._write()
        self._cluster.delete(key, **options)

    def patch(self, key: ObjectKey, patch: Any, **options: Any) -> Any:
        self._write()
        return self._cluster.patch(key, patch, **options)


def marked(obj: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def hook(phase: str, name: str, policy: str) -> dict[str, Any]:
    obj = config_map(name, "team")
    return marked(obj, **{hooks.HOOK: phase, hooks.DELETE_POLICY: policy})


OLD = artifact({"a.yaml": [namespace("team"), *(config_map(f"old-{n}", "team") for n in range(3))]})
NEW = artifact({
    "a.yaml": [
        namespace("team"),
        *(marked(config_map(f"c{n:02}", "team", v="1"), **{waves.WAVE: str(n // 5)})
          for n in range(20)),
        hook("PreSync", "before", "BeforeHookCreation"),
        hook("PreSync", "gone-before", "HookSucceeded"),
        hook("PostSync", "after", "BeforeHookCreation"),
        hook("PostSync", "gone-after", "HookSucceeded"),
    ]
})  # fmt: skip
WAVES = SyncPolicy(owner="us", order="waves")


class Agent:
    """What survives a kill: the inventory that was intended before the first write."""

    def __init__(self) -> None:
        self.inventory: Inventory = {}
        self.clock = SimClock()
        self.cluster = new_cluster(self.clock).connect(INSIDE)

    def run(self, wanted: Artifact, connection: Any) -> Outcome:
        def intend(inventory: Inventory) -> None:
            self.inventory = inventory

        journal = Journal(self.clock).by("us")
        outcome = sync(wanted, connection, self.inventory, WAVES, journal, intend=intend)
        self.inventory = outcome.inventory
        return outcome

    def live(self) -> set[str]:
        found = self.cluster.list("", "ConfigMap", namespace="team")
        return {obj["metadata"]["name"] for obj in found} - {"kube-root-ca.crt"}


EXPECTED = {*(f"c{n:02}" for n in range(20)), "before", "after"}


def writes_needed() -> int:
    agent = Agent()
    agent.run(OLD, agent.cluster)
    counting = Mortal(agent.cluster, 10_000)
    assert agent.run(NEW, counting).succeeded
    assert agent.live() == EXPECTED
    return 10_000 - counting.left


def test_an_agent_that_is_killed_between_any_two_writes_leaves_the_next_one_to_finish() -> None:
    total = writes_needed()
    assert total >= 25
    for writes in range(total):
        agent = Agent()
        agent.run(OLD, agent.cluster)
        with pytest.raises(Killed):
            agent.run(NEW, Mortal(agent.cluster, writes))
        assert agent.run(NEW, agent.cluster).succeeded, writes
        assert agent.live() == EXPECTED, writes
        assert {k.name for k in agent.inventory} == {"team", *(f"c{n:02}" for n in range(20))}


def test_an_agent_that_is_killed_again_and_again_finishes_in_the_end() -> None:
    agent = Agent()
    agent.run(OLD, agent.cluster)
    for _ in range(100):
        try:
            if agent.run(NEW, Mortal(agent.cluster, 3)).succeeded:
                break
        except Killed:
            agent.clock.run(seconds=5)
    assert agent.live() == EXPECTED


def test_an_unreachable_cluster_is_no_reason_to_forget(journal: Journal) -> None:
    agent = Agent()
    agent.run(OLD, agent.cluster)
    before = dict(agent.inventory)
    broken: Any = Mortal(agent.cluster, 0)
    broken.get = lambda *_, **__: (_ for _ in ()).throw(ClusterUnreachable("no answer"))
    with pytest.raises(ClusterUnreachable):
        agent.run(NEW, broken)
    assert agent.inventory == before


def test_the_same_files_under_any_order_end_in_the_same_state() -> None:
    states = []
    for order in ORDERS:
        clock = SimClock()
        cluster = new_cluster(clock).connect(INSIDE)
        plain = artifact({"a.yaml": [config_map("one", v="1"), config_map("two", v="2")]})
        sync(plain, cluster, {}, replace(WAVES, order=order), Journal(clock).by("us"))
        states.append([(cluster.get(key(n)) or {}).get("data") for n in ("one", "two")])
    assert states == [[{"v": "1"}, {"v": "2"}]] * len(ORDERS)
