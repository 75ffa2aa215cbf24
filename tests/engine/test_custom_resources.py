"""A definition and objects of its kind in one commit: each arm gets there, in stages."""

from __future__ import annotations

from typing import Any

from gitops_lab.cluster.simulated import SimulatedConnection
from gitops_lab.engine.plan import SyncPolicy
from gitops_lab.engine.sync import sync
from gitops_lab.journal import Journal
from gitops_lab.model import Artifact, ObjectKey
from gitops_lab.sandbox import Sandbox
from tests.conftest import artifact, dump

GROUP = "stable.example.com"
BACKUP = ObjectKey(GROUP, "CronTab", "default", "backup")


def definition(**spec: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["schedule"],
                "properties": {
                    "schedule": {"type": "string", "minLength": 9},
                    "retries": {"type": "integer", "default": 3},
                },
            }
        },
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"crontabs.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab"},
            "versions": [version],
            **spec,
        },
    }


def tab(schedule: str = "0 3 * * *") -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "CronTab",
        "metadata": {"name": "backup"},
        "spec": {"schedule": schedule},
    }


def test_push_and_pull_deploy_a_definition_and_its_object_from_one_commit() -> None:
    with Sandbox("push-on-commit", "pull") as world:
        world.commit("both", {"all.yaml": dump(tab(), definition())})
        world.run(minutes=5)
        for arm in world.arms.values():
            live = arm.kubectl.get(BACKUP)
            assert live is not None, arm.name
            assert live["spec"] == {"schedule": "0 3 * * *", "retries": 3}
            assert arm.watcher.last is not None and arm.watcher.last.in_sync, arm.name


def test_pull_prunes_an_object_together_with_its_definition() -> None:
    with Sandbox("pull") as world:
        world.commit("both", {"all.yaml": dump(tab(), definition()), "keep.yaml": dump(KEPT)})
        world.run(minutes=5)
        world.commit("neither", {"all.yaml": None})
        world.run(minutes=5)
        arm = world["pull"]
        assert arm.get("ConfigMap/kept") is not None
        key = ObjectKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"crontabs.{GROUP}")
        assert arm.kubectl.get(key) is None
        assert arm.watcher.last is not None and arm.watcher.last.in_sync


KEPT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}


def test_an_object_waits_until_its_definition_is_established(
    cluster: SimulatedConnection, journal: Journal
) -> None:
    wanted = artifact({"all.yaml": [tab(), definition()]})
    actions = [_sync(wanted, cluster, journal) for _ in range(2)]
    assert actions[0] == {f"crontabs.{GROUP}": "created", "backup": "skipped"}
    cluster.cluster.step(0.0)
    assert _sync(wanted, cluster, journal) == {
        f"crontabs.{GROUP}": "unchanged",
        "backup": "created",
    }


def test_an_object_that_its_definition_forbids_fails_with_the_servers_words(
    cluster: SimulatedConnection, journal: Journal
) -> None:
    _sync(artifact({"all.yaml": [definition()]}), cluster, journal)
    cluster.cluster.step(0.0)
    wanted = artifact({"all.yaml": [definition(), tab("often")]})
    outcome = sync(wanted, cluster, {}, SyncPolicy(owner="pull"), journal.by("pull"))
    (failure,) = outcome.done.failures
    assert "spec.schedule in body should be at least 9 chars long" in failure.why


def _sync(wanted: Artifact, cluster: SimulatedConnection, journal: Journal) -> dict[str, str]:
    outcome = sync(wanted, cluster, {}, SyncPolicy(owner="pull"), journal.by("pull"))
    return {change.key.name: str(change.action) for change in outcome.done}
