"""What each dial of a sync changes, and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gitops_lab.cluster.simulated import SimulatedConnection
from gitops_lab.engine import hooks, waves
from gitops_lab.engine.fields import Ignore, extra_fields, without_ignored
from gitops_lab.engine.plan import (
    APPLY_ANNOTATION,
    FORCE_ANNOTATION,
    RECONCILE_ANNOTATION,
    SyncPolicy,
)
from gitops_lab.engine.sync import Outcome, compare, sync
from gitops_lab.journal import Journal
from gitops_lab.model import Artifact, ObjectKey
from kubesim.clock import SimClock
from tests.conftest import artifact, config_map, deployment, namespace

POLICY = SyncPolicy(owner="pull")
SETTINGS = ObjectKey("", "ConfigMap", "default", "settings")
WEB = ObjectKey("apps", "Deployment", "default", "web")


@pytest.fixture
def run(cluster: SimulatedConnection, journal: Journal) -> Any:
    inventory: dict[ObjectKey, str] = {}

    def run(wanted: Artifact, policy: SyncPolicy = POLICY) -> Outcome:
        outcome = sync(wanted, cluster, dict(inventory), policy, journal.by(policy.owner))
        inventory.clear()
        inventory.update(outcome.inventory)
        return outcome

    return run


def done(outcome: Outcome) -> dict[str, str]:
    return {change.key.name: str(change.action) for change in outcome.done}


def annotated(obj: dict[str, Any], **annotations: str) -> dict[str, Any]:
    names = {
        "wave": waves.WAVE, "hook": hooks.HOOK, "policy": hooks.DELETE_POLICY,
        "reconcile": RECONCILE_ANNOTATION, "apply": APPLY_ANNOTATION, "force": FORCE_ANNOTATION,
    }  # fmt: skip
    metadata = obj["metadata"]
    written = {**metadata.get("annotations", {}), **{names[k]: v for k, v in annotations.items()}}
    return {**obj, "metadata": {**metadata, "annotations": written}}


def crd(version: str = "v1") -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "stalls.market.example"},
        "spec": {
            "group": "market.example",
            "scope": "Namespaced",
            "names": {"kind": "Stall", "plural": "stalls"},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {
                    "openAPIV3Schema": schema}}
            ],
        },
    }  # fmt: skip


def stall(version: str = "v1") -> dict[str, Any]:
    api = f"market.example/{version}"
    return {"apiVersion": api, "kind": "Stall", "metadata": {"name": "fish"}, "spec": {}}


# -- take_over, and what is not governed ----------------------------------------------------------


def test_a_field_that_a_hand_added_is_seen_and_left_or_taken_over(
    run: Any, cluster: SimulatedConnection
) -> None:
    wanted = artifact({"a.yaml": config_map(a="1")})
    run(wanted)
    cluster.patch(SETTINGS, {"data": {"debug": "1"}}, manager="kubectl-edit")
    left = run(wanted)
    assert left.plan.is_synced
    assert left.extra == ("ConfigMap default/settings: data.debug (kubectl-edit)",)
    taken = run(wanted, replace(POLICY, take_over=True))
    assert taken.plan.writes[0].why == "data.debug is not in Git, kubectl-edit added it"
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"a": "1"}
    assert run(wanted, replace(POLICY, take_over=True)).extra == ()


def test_a_sidecar_is_one_extra_field_and_flux_would_remove_it(
    run: Any, cluster: SimulatedConnection
) -> None:
    wanted = artifact({"a.yaml": deployment()})
    run(wanted)
    live = cluster.get(WEB)
    assert live is not None
    containers = [*live["spec"]["template"]["spec"]["containers"], {"name": "miner", "image": "m"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    cluster.patch(WEB, patch, manager="kubectl-patch")
    (extra,) = run(wanted).extra
    assert extra.endswith("spec.template.spec.containers[miner] (kubectl-patch)")
    run(wanted, replace(POLICY, take_over=True))
    live = cluster.get(WEB)
    assert live is not None
    assert [c["name"] for c in live["spec"]["template"]["spec"]["containers"]] == ["web"]


def test_what_an_autoscaler_or_a_controller_sets_is_no_extra_field(
    run: Any, cluster: SimulatedConnection, clock: SimClock
) -> None:
    wanted = artifact({"a.yaml": deployment()})
    run(wanted)
    clock.run(minutes=2)
    cluster.patch(WEB, {"spec": {"replicas": 3}}, manager="kubectl", subresource="scale")
    outcome = run(wanted, replace(POLICY, take_over=True))
    assert outcome.extra == () and outcome.plan.is_synced


def test_a_field_within_another_one_that_was_added_is_one_with_it() -> None:
    entry = {
        "manager": "someone",
        "fieldsV1": {"f:spec": {".": {}, "f:a": {"f:b": {}, "f:c": {}}, "f:known": {}}},
    }
    live = {"metadata": {"managedFields": [entry]}, "spec": {"a": {"b": 1, "c": 2}, "known": 1}}
    assert [str(f) for f in extra_fields(live, {"spec": {"known": 2}}, "us")] == [
        "spec.a (someone)"
    ]


def test_an_object_that_kubectl_applied_before_is_taken_over_in_any_case(
    run: Any, cluster: SimulatedConnection
) -> None:
    both = config_map("settings", "default", keep="1", drop="1")
    cluster.apply(both, manager="kubectl-client-side-apply")
    run(artifact({"a.yaml": config_map(keep="1", drop="1")}))
    run(artifact({"a.yaml": config_map(keep="1")}))
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"keep": "1"}


def test_a_key_of_stringdata_that_git_drops_is_gone_and_no_value_is_told(
    run: Any, cluster: SimulatedConnection
) -> None:
    def secret(**data: str) -> dict[str, Any]:
        metadata = {"name": "door"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}

    run(artifact({"a.yaml": secret(old="x", code="1")}))
    outcome = run(artifact({"a.yaml": secret(code="2")}))
    live = cluster.get(ObjectKey("", "Secret", "default", "door"))
    assert live is not None and live["data"] == {"code": "Mg=="}
    assert outcome.plan.changes[0].why == "data.code is ***, Git wants *** (and 1 more)"


# -- validate_first -------------------------------------------------------------------------------

FIVE = {f"{n}.yaml": config_map(f"c{n}") for n in range(5)}
BROKEN = {**FIVE, "2.yaml": {**config_map("c2"), "data": {"bad key!": "x"}}}


def test_one_bad_object_of_five_stops_all_or_only_itself(run: Any) -> None:
    strict = replace(POLICY, validate_first=True)
    first = run(artifact(BROKEN), strict)
    assert done(first) == {f"c{n}": "failed" if n == 2 else "skipped" for n in range(5)}
    assert "ConfigMap default/c2 would be refused" in first.waiting
    lenient = run(artifact(BROKEN))
    assert done(lenient) == {f"c{n}": "failed" if n == 2 else "created" for n in range(5)}


def test_what_cannot_be_checked_before_is_checked_at_its_stage(run: Any, clock: SimClock) -> None:
    bad = {**config_map("bad", "team"), "data": {"bad key!": "x"}}
    wanted = artifact({"a.yaml": [bad, config_map("good", "team"), namespace("team")]})
    strict = replace(POLICY, validate_first=True)
    assert done(run(wanted, strict))["team"] == "created"
    clock.run(seconds=5)
    assert done(run(wanted, strict)) == {"team": "unchanged", "bad": "failed", "good": "skipped"}


# -- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "syncs"), [("none", 2), ("kinds", 2), ("stages", 2), ("waves", 2)]
)
def test_a_definition_and_its_object_in_one_commit_arrive_in_any_order(
    run: Any, clock: SimClock, cluster: SimulatedConnection, order: str, syncs: int
) -> None:
    wanted = artifact({"a.yaml": stall(), "b.yaml": crd()})
    policy = replace(POLICY, order=order)
    first = run(wanted, policy)
    assert done(first)["fish"] == ("failed" if order in ("none", "kinds") else "skipped")
    for _ in range(syncs):
        clock.run(seconds=30)
        outcome = run(wanted, policy)
    assert outcome.succeeded
    assert cluster.get(ObjectKey("market.example", "Stall", "default", "fish")) is not None


def test_without_an_order_objects_go_file_by_file(run: Any) -> None:
    files: dict[str, Any] = {"10.yaml": [deployment(), config_map("b")], "9.yaml": namespace("z")}
    outcome = run(artifact(files), replace(POLICY, order="none"))
    assert [change.key.name for change in outcome.done] == ["web", "b", "z"]


def test_waves_wait_for_health_and_prune_goes_the_other_way(run: Any, clock: SimClock) -> None:
    policy = replace(POLICY, order="waves")
    first = annotated(deployment("db"), wave="-1")
    files = {"a.yaml": first, "b.yaml": config_map("late"), "c.yaml": config_map("keep")}
    outcome = run(artifact(files), policy)
    assert done(outcome) == {"db": "created", "keep": "skipped", "late": "skipped"}
    assert "waits for Deployment default/db" in outcome.waiting
    clock.run(minutes=2)
    assert run(artifact(files), policy).succeeded
    pruned = run(artifact({"c.yaml": config_map("keep")}), policy)
    deleted = [change.key.name for change in pruned.done if change.action == "deleted"]
    assert deleted == ["late", "db"]


# -- hooks ----------------------------------------------------------------------------------------

WAVES = replace(POLICY, order="waves")


def job(name: str, **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1"}]}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}, **spec},
    }  # fmt: skip


def hook(phase: str, name: str = "", policy: str = "") -> dict[str, Any]:
    more = {"policy": policy} if policy else {}
    return annotated(config_map(name or phase.lower()), hook=phase, **more)


def test_hooks_run_before_and_after_once_for_each_revision(
    run: Any, cluster: SimulatedConnection, journal: Journal
) -> None:
    files = {"a.yaml": [config_map(), hook("PostSync"), hook("PreSync"), hook("SyncFail")]}
    outcome = run(artifact(files), WAVES)
    applied = [e.subject.rpartition("/")[2] for e in journal if e.event == "applied"]
    assert applied == ["presync", "settings", "postsync"]
    assert outcome.succeeded
    assert {key.name for key in outcome.inventory} == {"settings"}
    again = run(artifact(files), WAVES)
    assert [c.key.name for c in again.done if c.action.writes] == []
    assert compare(artifact(files), cluster, outcome.inventory, WAVES).is_synced
    other = run(artifact({**files, "b.yaml": config_map("b")}), WAVES)
    assert done(other)["presync"] == done(other)["postsync"] == "created"


def test_a_sync_waits_for_a_hook_and_deletes_it_if_it_says_so(
    run: Any, clock: SimClock, cluster: SimulatedConnection
) -> None:
    migrate = annotated(job("migrate"), hook="PreSync", policy="HookSucceeded")
    wanted = artifact({"a.yaml": config_map(), "job.yaml": migrate})
    first = run(wanted, WAVES)
    assert done(first) == {"migrate": "created", "settings": "skipped"}
    assert "migrate" in first.waiting
    clock.run(minutes=2)
    live = cluster.get(ObjectKey("batch", "Job", "default", "migrate"))
    assert live is not None
    if not any(c["type"] == "Complete" for c in live["status"].get("conditions", ())):
        finished = [{"type": t, "status": "True"} for t in ("SuccessCriteriaMet", "Complete")]
        status = {"conditions": finished, "startTime": "2026-01-05T09:00:00Z",
                  "completionTime": "2026-01-05T09:01:00Z", "succeeded": 1}  # fmt: skip
        cluster.patch(
            ObjectKey("batch", "Job", "default", "migrate"), {"status": status},
            manager="kube-controller-manager", subresource="status",
        )  # fmt: skip
    second = run(wanted, WAVES)
    assert second.succeeded
    assert cluster.get(SETTINGS) is not None
    assert cluster.get(ObjectKey("batch", "Job", "default", "migrate")) is None


def test_when_a_sync_fails_its_hook_for_that_runs(run: Any, cluster: SimulatedConnection) -> None:
    bad = {**config_map("bad"), "data": {"bad key!": "x"}}
    wanted = artifact({"a.yaml": [bad, hook("SyncFail"), hook("PostSync")]})
    outcome = run(wanted, WAVES)
    assert done(outcome) == {"bad": "failed", "postsync": "skipped", "syncfail": "created"}


def test_without_waves_a_hook_is_an_ordinary_object(run: Any) -> None:
    assert done(run(artifact({"a.yaml": hook("PreSync")}))) == {"presync": "created"}


# -- opting out -----------------------------------------------------------------------------------


def test_an_object_may_be_left_alone_or_be_created_only_once(
    run: Any, cluster: SimulatedConnection
) -> None:
    def wanted(value: str) -> Artifact:
        once = annotated(config_map("once", v=value), apply="once")
        alone = annotated(config_map("alone", v=value), reconcile="disabled")
        return artifact({"a.yaml": [once, config_map("plain", v=value), alone]})

    assert done(run(wanted("1"))) == {
        "once": "created", "plain": "created", "alone": "unchanged",
    }  # fmt: skip
    outcome = run(wanted("2"))
    assert done(outcome) == {"once": "unchanged", "plain": "configured", "alone": "unchanged"}
    assert outcome.succeeded


def test_an_object_may_be_created_again_where_its_change_is_refused(
    run: Any, cluster: SimulatedConnection
) -> None:
    before = {**config_map(a="1"), "immutable": True}
    run(artifact({"a.yaml": before}))
    assert done(run(artifact({"a.yaml": {**before, "data": {"a": "2"}}})))["settings"] == "failed"
    forced = annotated({**before, "data": {"a": "2"}}, force="enabled")
    assert done(run(artifact({"a.yaml": forced})))["settings"] == "configured"
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"a": "2"}


# -- ignored fields -------------------------------------------------------------------------------


def test_an_ignored_field_is_no_drift_but_is_written_unless_it_is_respected(
    run: Any, cluster: SimulatedConnection
) -> None:
    ignore = (Ignore(("/data/a",), kind="ConfigMap"),)
    wanted = artifact({"a.yaml": config_map(a="1", b="1")})
    run(wanted)
    cluster.patch(SETTINGS, {"data": {"a": "9"}}, manager="autoscaler")
    assert run(wanted, replace(POLICY, ignore=ignore)).plan.is_synced
    changed = artifact({"a.yaml": config_map(a="1", b="2")})
    run(changed, replace(POLICY, ignore=ignore))
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"a": "1", "b": "2"}
    cluster.patch(SETTINGS, {"data": {"a": "9"}}, manager="autoscaler")
    run(artifact({"a.yaml": config_map(a="1", b="3")}),
        replace(POLICY, ignore=ignore, respect_ignore=True))  # fmt: skip
    live = cluster.get(SETTINGS)
    assert live is not None and live["data"] == {"a": "9", "b": "3"}


def test_pointers_reach_into_lists_and_names_with_slashes() -> None:
    obj = {
        "metadata": {"annotations": {"a/b": "1"}},
        "spec": {"c": [{"image": "x"}, {"image": "y"}]},
    }
    rules = (Ignore(("/metadata/annotations/a~1b", "/spec/c/1/image", "/no/such"), name="web*"),)
    assert without_ignored(obj, ObjectKey("", "A", "", "web-1"), rules) == {
        "metadata": {"annotations": {}}, "spec": {"c": [{"image": "x"}, {}]},
    }  # fmt: skip
    assert without_ignored(obj, ObjectKey("", "A", "", "db"), rules) is obj


# -- versions and owners --------------------------------------------------------------------------


def test_what_git_drops_is_deleted_though_its_version_is_not_served_any_more(
    run: Any, cluster: SimulatedConnection, clock: SimClock
) -> None:
    for _ in range(3):
        run(artifact({"a.yaml": [crd(), stall()]}))
        clock.run(seconds=10)
    both = crd()
    both["spec"]["versions"] = [
        {**both["spec"]["versions"][0], "name": "v1", "served": False, "storage": False},
        {**both["spec"]["versions"][0], "name": "v2"},
    ]
    run(artifact({"a.yaml": [both]}), replace(POLICY, prune=False))
    clock.run(seconds=10)
    outcome = run(artifact({"a.yaml": [both]}))
    assert done(outcome)["fish"] == "deleted"
    assert cluster.get(ObjectKey("market.example", "Stall", "default", "fish")) is None


def test_two_deployers_of_one_object_are_named_by_both(
    cluster: SimulatedConnection, journal: Journal
) -> None:
    wanted = artifact({"a.yaml": config_map(a="1")})
    for owner in ("one", "two", "one"):
        outcome = sync(wanted, cluster, {}, SyncPolicy(owner=owner), journal.by(owner))
    assert outcome.plan.changes[0].why.startswith("two manages this object, too")
    told = [entry.why for entry in journal if entry.actor == "two" and entry.event == "decided"]
    assert told[0].startswith("one manages this object, too")
