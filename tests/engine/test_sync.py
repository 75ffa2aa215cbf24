"""One sync, end to end: what it writes, what it leaves alone, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_lab.cluster.simulated import SimulatedConnection
from gitops_lab.engine.desired import OWNER_LABEL
from gitops_lab.engine.inventory import Inventory
from gitops_lab.engine.plan import KEEP_ANNOTATION, SyncPolicy
from gitops_lab.engine.sync import Outcome, compare, compared, sync
from gitops_lab.errors import ClusterUnreachable, RenderError, SyncError
from gitops_lab.journal import Journal
from gitops_lab.model import Action, Artifact, HealthStatus, ObjectKey, SyncStatus
from kubesim.clock import SimClock
from tests.conftest import INSIDE, artifact, config_map, deployment, namespace, new_cluster

POLICY = SyncPolicy(owner="pull")
SETTINGS = ObjectKey("", "ConfigMap", "default", "settings")


@pytest.fixture
def run(cluster: SimulatedConnection, journal: Journal) -> Any:
    """Sync artifacts one after another, each with the inventory that the last one left."""
    inventory: dict[ObjectKey, str] = {}

    def run(wanted: Artifact, policy: SyncPolicy = POLICY, *, act: bool = True) -> Outcome:
        known = dict(inventory)
        if not act:
            return compared(wanted.revision, compare(wanted, cluster, known, policy), known)
        outcome = sync(wanted, cluster, known, policy, journal.by("pull"))
        inventory.clear()
        inventory.update(outcome.inventory)
        return outcome

    return run


def actions(outcome: Outcome) -> dict[str, str]:
    return {change.key.name: str(change.action) for change in outcome.done}


def test_the_first_sync_creates_and_the_second_finds_nothing_to_do(run: Any) -> None:
    wanted = artifact({"a.yaml": config_map(a="1"), "b.yaml": deployment()})
    assert actions(run(wanted)) == {"settings": "created", "web": "created"}
    second = run(wanted)
    assert second.plan.is_synced
    assert actions(second) == {"settings": "unchanged", "web": "unchanged"}


def test_comparing_without_acting_writes_nothing(run: Any, cluster: SimulatedConnection) -> None:
    outcome = run(artifact({"a.yaml": config_map(a="1")}), act=False)
    assert outcome.sync is SyncStatus.OUT_OF_SYNC
    assert cluster.get(SETTINGS) is None
    assert outcome.inventory == {}


def test_a_changed_field_is_configured_and_the_reason_names_it(run: Any, journal: Journal) -> None:
    run(artifact({"a.yaml": config_map(a="1")}))
    outcome = run(artifact({"a.yaml": config_map(a="2")}))
    assert actions(outcome) == {"settings": "configured"}
    assert outcome.plan.changes[0].why == "data.a is 1, Git wants 2"
    told = [(entry.event, entry.data.get("action"), entry.why) for entry in journal][-2:]
    assert told == [
        ("decided", "configured", "data.a is 1, Git wants 2"),
        ("applied", "configured", "data.a is 1, Git wants 2"),
    ]


def test_a_field_that_git_drops_is_removed(run: Any, cluster: SimulatedConnection) -> None:
    run(artifact({"a.yaml": config_map(a="1", b="2")}))
    outcome = run(artifact({"a.yaml": config_map(a="1")}))
    assert actions(outcome) == {"settings": "configured"}
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"a": "1"}


def test_a_hand_edit_is_drift_at_an_unchanged_revision_and_is_healed(
    run: Any, cluster: SimulatedConnection
) -> None:
    wanted = artifact({"a.yaml": config_map(a="1")})
    run(wanted)
    cluster.patch(SETTINGS, {"data": {"a": "9"}}, manager="kubectl-edit")
    assert not run(wanted, act=False).plan.is_synced
    assert actions(run(wanted)) == {"settings": "configured"}
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"a": "1"}


def test_a_field_that_git_does_not_mention_is_no_drift(
    run: Any, cluster: SimulatedConnection
) -> None:
    wanted = artifact({"a.yaml": config_map(a="1")})
    run(wanted)
    cluster.patch(SETTINGS, {"data": {"other": "9"}}, manager="kubectl-edit")
    assert run(wanted).plan.is_synced


def test_an_object_deleted_by_hand_is_created_again(run: Any, cluster: SimulatedConnection) -> None:
    wanted = artifact({"a.yaml": config_map(a="1")})
    run(wanted)
    cluster.delete(SETTINGS)
    assert actions(run(wanted)) == {"settings": "created"}


def test_without_force_a_hand_edit_is_a_conflict_that_names_its_manager(
    run: Any, cluster: SimulatedConnection
) -> None:
    polite = replace(POLICY, force=False)
    run(artifact({"a.yaml": config_map(a="1")}), polite)
    cluster.patch(SETTINGS, {"data": {"a": "9"}}, manager="kubectl-edit")
    outcome = run(artifact({"a.yaml": config_map(a="1")}), polite)
    assert actions(outcome) == {"settings": "failed"}
    assert 'conflict with "kubectl-edit"' in outcome.done.failures[0].why
    assert ".data.a" in outcome.done.failures[0].why


# -- pruning ------------------------------------------------------------------------------------

BOTH = {"a.yaml": config_map("settings", a="1"), "b.yaml": config_map("other", b="1")}
ONE = {"b.yaml": config_map("other", b="1")}


def test_what_git_drops_is_pruned_and_leaves_the_inventory(
    run: Any, cluster: SimulatedConnection
) -> None:
    run(artifact(BOTH))
    outcome = run(artifact(ONE))
    assert actions(outcome) == {"other": "unchanged", "settings": "deleted"}
    assert cluster.get(SETTINGS) is None
    assert SETTINGS not in outcome.inventory


def test_what_is_pruned_goes_in_the_opposite_order_of_apply(run: Any) -> None:
    web, kept = deployment(), config_map("other")
    assert list(actions(run(artifact({"a.yaml": [web, config_map(), kept]})))) == [
        "other", "settings", "web",
    ]  # fmt: skip
    assert list(actions(run(artifact({"a.yaml": kept})))) == ["other", "web", "settings"]


def test_what_is_being_deleted_already_is_not_pruned_again(
    run: Any, cluster: SimulatedConnection
) -> None:
    held = config_map("settings", a="1")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    run(artifact({**BOTH, "a.yaml": held}))
    cluster.delete(SETTINGS)
    assert actions(run(artifact(ONE))) == {"other": "unchanged"}


def test_without_pruning_it_stays_as_an_orphan_that_is_told(
    run: Any, cluster: SimulatedConnection
) -> None:
    keep = replace(POLICY, prune=False)
    run(artifact(BOTH), keep)
    outcome = run(artifact(ONE), keep)
    assert actions(outcome)["settings"] == "skipped"
    assert cluster.get(SETTINGS) is not None
    assert SETTINGS in outcome.inventory


def test_an_object_that_we_never_applied_is_never_pruned(
    run: Any, cluster: SimulatedConnection
) -> None:
    cluster.apply(config_map("settings", "default", a="1"), manager="someone")
    run(artifact(ONE))
    run(artifact({"c.yaml": config_map("third")}))
    assert cluster.get(SETTINGS) is not None


def test_an_object_that_lost_our_label_is_not_pruned(
    run: Any, cluster: SimulatedConnection
) -> None:
    run(artifact(BOTH))
    cluster.patch(SETTINGS, {"metadata": {"labels": {OWNER_LABEL: None}}}, manager="someone")
    outcome = run(artifact(ONE))
    assert actions(outcome)["settings"] == "skipped"
    assert cluster.get(SETTINGS) is not None


def test_an_object_annotated_to_be_kept_is_not_pruned(
    run: Any, cluster: SimulatedConnection
) -> None:
    kept = config_map("settings", a="1")
    kept["metadata"]["annotations"] = {KEEP_ANNOTATION: "disabled"}
    run(artifact({**BOTH, "a.yaml": kept}))
    assert actions(run(artifact(ONE)))["settings"] == "skipped"
    assert cluster.get(SETTINGS) is not None


def test_a_revision_that_renders_to_nothing_is_refused(
    run: Any, cluster: SimulatedConnection
) -> None:
    run(artifact(BOTH))
    with pytest.raises(SyncError, match="refusing to prune all 2"):
        run(artifact({"README.md": "nothing here"}))
    assert cluster.get(SETTINGS) is not None


def test_unless_it_is_allowed(run: Any, cluster: SimulatedConnection) -> None:
    run(artifact(BOTH))
    outcome = run(artifact({"README.md": "gone"}), replace(POLICY, allow_empty=True))
    assert actions(outcome) == {"settings": "deleted", "other": "deleted"}
    assert cluster.get(SETTINGS) is None


def test_nothing_is_pruned_while_an_object_is_refused(
    run: Any, cluster: SimulatedConnection
) -> None:
    run(artifact(BOTH))
    broken = deployment(replicas=-1)
    outcome = run(artifact({**ONE, "web.yaml": broken}))
    assert actions(outcome) == {"other": "unchanged", "web": "failed", "settings": "skipped"}
    assert cluster.get(SETTINGS) is not None
    assert actions(run(artifact({**ONE, "web.yaml": deployment()})))["settings"] == "deleted"


# -- order and refusals -------------------------------------------------------------------------


def test_a_namespace_comes_before_what_lives_in_it(run: Any) -> None:
    wanted = artifact({"a.yaml": config_map("settings", "team"), "z.yaml": namespace("team")})
    outcome = run(wanted)
    assert [str(change.key) for change in outcome.done] == [
        "Namespace team", "ConfigMap team/settings",
    ]  # fmt: skip
    assert outcome.succeeded


def test_a_missing_namespace_is_told_and_the_rest_goes_on(run: Any) -> None:
    outcome = run(artifact({"a.yaml": config_map("settings", "nowhere"), **ONE}))
    assert actions(outcome) == {"settings": "failed", "other": "created"}
    assert outcome.done.failures[0].why == 'a.yaml#1: namespaces "nowhere" not found'


def test_an_object_refused_half_way_leaves_the_rest_applied_and_the_next_sync_goes_on(
    run: Any,
) -> None:
    files = {f"{n}.yaml": config_map(f"c{n}") for n in range(4)} | {
        "web.yaml": deployment(replicas=-1)
    }
    first = run(artifact(files))
    assert actions(first) == {**{f"c{n}": "created" for n in range(4)}, "web": "failed"}
    assert first.sync is SyncStatus.OUT_OF_SYNC
    second = run(artifact({**files, "web.yaml": deployment(replicas=1)}))
    assert actions(second) == {**{f"c{n}": "unchanged" for n in range(4)}, "web": "created"}


def test_an_immutable_field_is_refused_with_the_servers_own_words(run: Any) -> None:
    run(artifact({"web.yaml": deployment()}))
    other = deployment()
    other["spec"]["selector"]["matchLabels"] = {"app": "web", "tier": "front"}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "web", "tier": "front"}
    outcome = run(artifact({"web.yaml": other}))
    assert actions(outcome) == {"web": "failed"}
    assert "field is immutable" in outcome.done.failures[0].why


def test_files_that_are_no_objects_stop_the_sync_before_it_writes(
    run: Any, cluster: SimulatedConnection
) -> None:
    with pytest.raises(RenderError):
        run(artifact({"a.yaml": config_map(a="1"), "b.yaml": "a: [1"}))
    assert cluster.get(SETTINGS) is None


def test_health_is_the_worst_of_what_git_wants(run: Any, clock: SimClock) -> None:
    wanted = artifact({"a.yaml": config_map(), "web.yaml": deployment()})
    assert run(wanted).health.status is HealthStatus.PROGRESSING
    clock.run(minutes=2)
    assert run(wanted).health.status is HealthStatus.HEALTHY


class CutOff:
    """A connection that breaks after so many writes."""

    def __init__(self, cluster: SimulatedConnection, writes: int) -> None:
        self._cluster, self.left = cluster, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def apply(self, body: Any, *, dry_run: bool = False, **options: Any) -> Any:
        if not dry_run:
            if not self.left:
                raise ClusterUnreachable("the API server does not answer")
            self.left -= 1
        return self._cluster.apply(body, dry_run=dry_run, **options)


def test_an_interrupted_sync_has_reported_what_it_did_and_remembers_what_to_prune(
    cluster: SimulatedConnection, journal: Journal
) -> None:
    three = artifact({f"{n}.yaml": config_map(f"c{n}") for n in range(3)})
    remembered: dict[ObjectKey, str] = {}
    broken: Any = CutOff(cluster, writes=2)
    with pytest.raises(ClusterUnreachable):
        sync(three, broken, {}, POLICY, journal.by("pull"), intend=remembered.update)
    applied = [entry.subject for entry in journal if entry.event == "applied"]
    assert applied == ["ConfigMap default/c0", "ConfigMap default/c1"]
    one = artifact({"2.yaml": config_map("c2")})
    outcome = sync(one, cluster, remembered, POLICY, journal.by("pull"))
    assert actions(outcome) == {"c2": "created", "c1": "deleted", "c0": "deleted"}


# -- laws ---------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", "d"])
values = st.dictionaries(st.sampled_from(["p", "q", "r"]), st.sampled_from(["1", "2"]), max_size=3)
revisions = st.dictionaries(names, values, min_size=1, max_size=4)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def files(wanted: dict[str, dict[str, str]]) -> Artifact:
    return artifact({f"{name}.yaml": config_map(name, **data) for name, data in wanted.items()})


@quick
@given(st.lists(revisions, min_size=1, max_size=4))
def test_planning_again_after_an_apply_gives_an_empty_plan(
    history: list[dict[str, dict[str, str]]],
) -> None:
    clock = SimClock()
    cluster = new_cluster(clock).connect(INSIDE)
    inventory: Inventory = {}
    for wanted in history:
        outcome = sync(files(wanted), cluster, inventory, POLICY, Journal(clock).by("pull"))
        inventory = outcome.inventory
        assert compare(files(wanted), cluster, inventory, POLICY).is_synced
        assert {key.name for key in inventory} == set(wanted)


@quick
@given(st.lists(revisions, min_size=2, max_size=4), revisions)
def test_prune_never_reaches_outside_the_inventory(
    history: list[dict[str, dict[str, str]]], foreign: dict[str, dict[str, str]]
) -> None:
    clock = SimClock()
    cluster = new_cluster(clock).connect(INSIDE)
    inventory: Inventory = {}
    for name, data in foreign.items():
        cluster.apply(config_map(f"foreign-{name}", "default", **data), manager="someone")
    for wanted in history:
        before = set(inventory)
        outcome = sync(files(wanted), cluster, inventory, POLICY, Journal(clock).by("pull"))
        deleted = {change.key for change in outcome.done if change.action is Action.DELETED}
        assert deleted <= before
        inventory = outcome.inventory
    for name in foreign:
        assert cluster.get(ObjectKey("", "ConfigMap", "default", f"foreign-{name}")) is not None
