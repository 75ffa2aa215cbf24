from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.frontends.argocd.lab import Lab, config, deployment, job


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


AUTO = {"prune": True, "selfHeal": True}


# -- comparison --------------------------------------------------------------------------------


def test_an_application_without_automation_is_out_of_sync_and_missing(lab: Lab) -> None:
    commit = lab.commit({"web.yaml": deployment()})
    lab.application()
    lab.run(1)
    assert lab.words() == ("OutOfSync", "Missing")
    assert lab.status()["sync"]["revision"] == commit
    assert lab.status()["resources"] == [
        {
            "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "default",
            "name": "web", "status": "OutOfSync",
        }
    ]  # fmt: skip
    assert lab.state() == {}


def test_a_field_that_git_does_not_mention_is_no_difference(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment()})
    lab.application(auto=AUTO)
    lab.run(30)
    lab.edit("Deployment/web", {"metadata": {"labels": {"by": "hand"}}, "spec": {"paused": False}})
    env = [{"name": "web", "image": "nginx:1.27", "env": [{"name": "DEBUG", "value": "1"}]}]
    lab.edit("Deployment/web", {"spec": {"template": {"spec": {"containers": env}}}})
    lab.run(300)
    assert lab.words() == ("Synced", "Healthy")
    live = lab.get("Deployment/web")
    assert live is not None and live["metadata"]["labels"] == {"by": "hand"}
    assert live["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"] == "DEBUG"


def test_a_value_that_git_sets_is_a_difference(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment(replicas=2)})
    lab.application(auto={})
    lab.run(30)
    lab.edit("Deployment/web", {"spec": {"replicas": 5}})
    lab.run(1)
    assert lab.words()[0] == "OutOfSync"
    lab.run(600)
    live = lab.get("Deployment/web")
    assert live is not None and live["spec"]["replicas"] == 5, "seen, but not healed"


def test_a_missing_object_makes_it_out_of_sync_but_not_unhealthy(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment(), "cm.yaml": config("settings", a="1")})
    lab.application(auto={})
    lab.run(60)
    assert lab.words() == ("Synced", "Healthy")
    lab.kubectl.delete(lab.arm.key("ConfigMap/settings"))
    lab.run(1)
    assert lab.words() == ("OutOfSync", "Healthy")


def test_a_commit_is_seen_after_the_resync_and_the_revision_cache(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    lab.application(auto={})
    lab.run(1)
    begin = lab.now
    commit = lab.commit({"cm.yaml": config("settings", a="2")})
    while lab.status()["sync"]["revision"] != commit:
        lab.run(1)
        assert lab.now - begin < 400
    assert lab.now - begin > 180, "the repo server remembers the branch for three minutes"


def test_a_refresh_asks_git_at_once_and_drops_its_annotation(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    lab.application()
    lab.run(1)
    commit = lab.commit({"cm.yaml": config("settings", a="2")})
    lab.refresh()
    assert lab.status()["sync"]["revision"] == commit
    assert "argocd.argoproj.io/refresh" not in lab.app()["metadata"].get("annotations", {})


# -- a manual sync -----------------------------------------------------------------------------


def test_a_sync_starts_by_writing_an_operation(lab: Lab) -> None:
    commit = lab.commit({"web.yaml": deployment(), "cm.yaml": config("settings", a="1")})
    lab.application()
    lab.run(1)
    lab.sync(seconds=30)
    app = lab.app()
    assert "operation" not in app
    assert lab.words() == ("Synced", "Healthy")
    state = lab.state()
    assert (state["phase"], state["message"]) == (
        "Succeeded",
        "successfully synced (all tasks run)",
    )
    assert [(r["kind"], r["status"], r["message"]) for r in state["syncResult"]["resources"]] == [
        ("ConfigMap", "Synced", "configmap/settings created"),
        ("Deployment", "Synced", "deployment.apps/web created"),
    ]
    (entry,) = lab.status()["history"]
    assert (entry["id"], entry["revision"]) == (0, commit)
    assert entry["initiatedBy"] == {"username": "learner"}
    live = lab.get("ConfigMap/settings")
    assert live is not None
    annotations = live["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/tracking-id"] == "web:/ConfigMap:default/settings"
    assert "kubectl.kubernetes.io/last-applied-configuration" in annotations
    managers = {entry["manager"] for entry in live["metadata"]["managedFields"]}
    assert managers == {"argocd-controller"}


def test_a_manual_sync_prunes_only_if_it_is_asked_to(lab: Lab) -> None:
    lab.commit({"a.yaml": config("a"), "b.yaml": config("b")})
    lab.application(auto={"prune": True, "enabled": False})
    lab.run(1)
    lab.sync(seconds=1)
    lab.commit({"b.yaml": None})
    lab.refresh()
    lab.sync(seconds=1)
    assert lab.state()["phase"] == "Succeeded"
    skipped = [r for r in lab.state()["syncResult"]["resources"] if r["name"] == "b"]
    assert (skipped[0]["status"], skipped[0]["message"]) == (
        "PruneSkipped",
        "ignored (requires pruning)",
    )
    assert lab.words()[0] == "OutOfSync" and lab.get("ConfigMap/b") is not None
    lab.sync(prune=True, seconds=2)
    assert lab.words()[0] == "Synced" and lab.get("ConfigMap/b") is None


def test_a_manual_sync_may_wipe_out_everything(lab: Lab) -> None:
    lab.commit({"a.yaml": config("a"), "README.md": "x"})
    lab.application()
    lab.run(1)
    lab.sync(seconds=1)
    lab.commit({"a.yaml": None})
    lab.refresh()
    lab.sync(prune=True, seconds=2)
    assert lab.words()[0] == "Synced" and lab.get("ConfigMap/a") is None


# -- automated sync ----------------------------------------------------------------------------


def test_automated_sync_refuses_to_wipe_out_everything(lab: Lab) -> None:
    lab.commit({"a.yaml": config("a"), "README.md": "x"})
    lab.application(auto=AUTO)
    lab.run(1)
    commit = lab.commit({"a.yaml": None})
    lab.refresh()
    lab.run(600)
    assert lab.condition("SyncError") == (
        f"Skipping sync attempt to [{commit}]: auto-sync will wipe out all resources"
    )
    assert lab.get("ConfigMap/a") is not None
    lab.patch({"spec": {"syncPolicy": {"automated": {"allowEmpty": True}}}})
    lab.refresh()
    lab.run(2)
    assert lab.condition("SyncError") == "" and lab.get("ConfigMap/a") is None


def test_the_events_of_an_automated_run_in_their_order(lab: Lab) -> None:
    commit = lab.commit({"web.yaml": deployment()})
    lab.application(auto=AUTO)
    lab.run(60)
    assert lab.events() == [
        ("ResourceUpdated", "Updated sync status:  -> OutOfSync"),
        ("ResourceUpdated", "Updated health status:  -> Missing"),
        ("OperationStarted", f"Initiated automated sync to '{commit}'"),
        ("OperationCompleted", f"Sync operation to {commit} succeeded"),
        ("ResourceUpdated", "Updated sync status: OutOfSync -> Synced"),
        ("ResourceUpdated", "Updated health status: Missing -> Progressing"),
        ("ResourceUpdated", "Updated health status: Progressing -> Healthy"),
    ]


def test_self_heal_is_a_partial_sync_without_history(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment(), "cm.yaml": config("settings", a="1")})
    lab.application(auto=AUTO)
    lab.run(60)
    lab.edit("ConfigMap/settings", {"data": {"a": "2"}})
    lab.run(1)
    live = lab.get("ConfigMap/settings")
    assert live is not None and live["data"] == {"a": "1"}
    sync = lab.state()["operation"]["sync"]
    assert [each["name"] for each in sync["resources"]] == ["settings"]
    assert sync["autoHealAttemptsCount"] == 1
    assert len(lab.status()["history"]) == 1
    assert any(message.startswith("Partial sync operation") for _, message in lab.events())


def test_self_heal_waits_longer_each_time(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    lab.application(auto=AUTO)
    lab.run(60)
    waits = []
    for number in range(8):
        lab.edit("ConfigMap/settings", {"data": {"a": f"edit {number}"}})
        begin = lab.now
        while (live := lab.get("ConfigMap/settings")) is None or live["data"]["a"] != "1":
            lab.run(0.5)
            assert lab.now - begin < 400
        waits.append(lab.now - begin)
    assert waits == pytest.approx([0, 2, 6, 18, 54, 162, 300, 300], abs=2)


def test_a_failed_commit_is_retried_five_times_and_then_never_again(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    lab.application(auto=AUTO)
    lab.run(5)
    bad = lab.commit({"bad.yaml": config("bad").replace('"data"', '"dat"')})
    lab.refresh()
    lab.run(1)
    state = lab.state()
    assert state["phase"] == "Running" and "finishedAt" in state
    why = 'strict decoding error: unknown field "dat"'
    assert why in state["message"] and ". Retrying attempt #1 at " in state["message"]
    begins = [lab.now]
    while lab.state()["phase"] == "Running":
        count = lab.state().get("retryCount", 0)
        lab.run(1)
        if lab.state().get("retryCount", 0) != count:
            begins.append(lab.now)
        assert lab.now - begins[0] < 600
    waits = [after - before for before, after in pairwise(begins)]
    assert waits == pytest.approx([10, 20, 40, 80], abs=2)
    assert lab.state()["message"].endswith("(retried 5 times).")
    lab.run(600)
    assert lab.state()["phase"] == "Failed"
    assert lab.condition("SyncError").startswith(f"Failed last sync attempt to [{bad}]: ")
    good = lab.commit({"bad.yaml": None})
    lab.refresh()
    lab.run(2)
    assert lab.status()["sync"]["revision"] == good and lab.words()[0] == "Synced"
    assert lab.condition("SyncError") == ""


def test_an_image_that_cannot_be_pulled_is_no_failed_sync(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment(image="nginx:missing")})
    lab.application(auto=AUTO)
    lab.run(60)
    assert lab.state()["phase"] == "Succeeded"
    assert lab.words() == ("Synced", "Progressing")
    lab.run(620)
    assert lab.words() == ("Synced", "Degraded")


# -- waves and hooks ---------------------------------------------------------------------------

WAVE = "argocd.argoproj.io/sync-wave"


def early(manifest: str) -> str:
    """A manifest in the wave before all others."""
    body = json.loads(manifest)
    body["metadata"]["annotations"] = {WAVE: "-1"}
    return json.dumps(body)


def test_waves_wait_for_health_and_the_last_one_does_not(lab: Lab) -> None:
    lab.commit({"db.yaml": early(deployment("db")), "web.yaml": deployment()})
    lab.application()
    lab.run(1)
    lab.sync(seconds=0.2)
    assert lab.get("Deployment/db") is not None and lab.get("Deployment/web") is None
    assert lab.state()["message"] == "waiting for healthy state of apps/Deployment/db"
    lab.run(30)
    assert lab.state()["phase"] == "Succeeded"
    assert lab.state()["message"] == "successfully synced (all tasks run)"
    phases = {r["name"]: r["hookPhase"] for r in lab.state()["syncResult"]["resources"]}
    assert phases == {"db": "Succeeded", "web": "Running"}


def test_two_seconds_pass_between_waves(lab: Lab) -> None:
    files = {f"{n}.yaml": config(f"c{n}", {WAVE: str(n)}) for n in range(3)}
    lab.commit(files)
    lab.application()
    lab.run(1)
    lab.sync(seconds=1)
    times = []
    for number in range(3):
        while (live := lab.get(f"ConfigMap/c{number}")) is None:
            lab.run(0.5)
        times.append(live["metadata"]["creationTimestamp"])
    seconds = [int(time[-3:-1]) for time in times]
    assert [b - a for a, b in pairwise(seconds)] == [2, 2]


def test_a_wave_that_never_becomes_healthy_blocks_every_later_commit(lab: Lab) -> None:
    broken = early(deployment("db", image="nginx:missing"))
    lab.commit({"db.yaml": broken, "cm.yaml": config("settings", a="1")})
    lab.application(auto=AUTO)
    lab.run(120)
    fixed = lab.commit({"db.yaml": None})
    lab.refresh()
    lab.run(300)
    assert lab.state()["phase"] == "Running"
    assert lab.status()["sync"]["revision"] == fixed
    assert lab.get("ConfigMap/settings") is None


def test_hooks_run_before_and_after_and_are_not_counted(lab: Lab) -> None:
    lab.commit(
        {
            "web.yaml": deployment(),
            "before.yaml": job("migrate", "PreSync"),
            "after.yaml": job("smoke", "PostSync", hook_delete_policy="HookSucceeded"),
        }
    )
    lab.application(auto=AUTO)
    lab.run(0.2)
    assert lab.state()["message"] == "waiting for completion of hook batch/Job/migrate"
    assert lab.get("Deployment/web") is None
    lab.run(60)
    assert lab.state()["message"] == "successfully synced (no more tasks)"
    assert [
        (r["name"], r.get("hookType"), r["hookPhase"])
        for r in lab.state()["syncResult"]["resources"]
    ] == [
        ("migrate", "PreSync", "Succeeded"),
        ("web", None, "Succeeded"),
        ("smoke", "PostSync", "Succeeded"),
    ]
    assert lab.words() == ("Synced", "Healthy")
    migrate = lab.get("Job/migrate")
    assert migrate is not None and "finalizers" not in migrate["metadata"]
    assert lab.get("Job/smoke") is None, "deleted when it had succeeded"


def test_a_failing_hook_fails_the_sync_and_runs_the_syncfail_hooks(lab: Lab) -> None:
    lab.commit(
        {
            "web.yaml": deployment(),
            "before.yaml": job("migrate", "PreSync", image="busybox:crash"),
            "fail.yaml": job("alarm", "SyncFail"),
        }
    )
    lab.application()
    lab.run(1)
    lab.sync(seconds=60)
    assert lab.state()["phase"] == "Failed"
    assert lab.state()["message"].startswith(
        "one or more synchronization tasks completed unsuccessfully"
    )
    assert lab.get("Deployment/web") is None and lab.get("Job/alarm") is not None


def test_hooks_do_not_run_when_drift_is_healed(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1"), "before.yaml": job("migrate", "PreSync")})
    lab.application(auto=AUTO)
    lab.run(60)
    before = lab.get("Job/migrate")
    lab.edit("ConfigMap/settings", {"data": {"a": "2"}})
    lab.run(30)
    after = lab.get("Job/migrate")
    assert before is not None and after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    live = lab.get("ConfigMap/settings")
    assert live is not None and live["data"] == {"a": "1"}
    assert lab.state()["message"] == "successfully synced (all tasks run)"
    lab.sync(seconds=60)
    again = lab.get("Job/migrate")
    assert again is not None and again["metadata"]["uid"] != before["metadata"]["uid"]
