"""The watcher's memory."""

from __future__ import annotations

from gitops_lab.sandbox import Sandbox
from gitops_lab.worlds.watcher import REVISIONS

BOOK = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: book}}\ndata: {{page: '{page}'}}\n"


def test_old_revisions_are_forgotten_but_not_the_one_that_is_deployed() -> None:
    with Sandbox("pull") as world:
        world.commit("first", {"book.yaml": BOOK.format(page=0)})
        world.run(minutes=2)
        arm = world["pull"]
        deployed = arm.deployer.applied
        arm.stop()
        for page in range(1, REVISIONS + 10):
            world.commit("more", {"book.yaml": BOOK.format(page=page)})
            world.run(seconds=1)
        watcher = arm.watcher
        assert len(watcher.wanted) <= REVISIONS + 4
        assert arm.deployer.applied == deployed and deployed in watcher.wanted
        assert {revision for revision, _ in watcher._compared} <= set(watcher.wanted)
        assert watcher.last is not None and not watcher.last.in_sync
        arm.start()
        world.run(minutes=5)
        assert watcher.last.in_sync and not watcher.last.drifted


def test_a_field_that_git_does_not_declare_is_named_in_the_status() -> None:
    with Sandbox("pull+self-heal", seed=1) as world:
        world.commit("one", {"a.yaml": EXTRA})
        world.run(minutes=3)
        world.drift("ConfigMap/a", {"data": {"debug": "1"}})
        world.run(minutes=3)
        seen = world["pull+self-heal"].watcher.last
        assert seen is not None
        assert (seen.in_sync, seen.drifted) == (True, False)
        assert seen.extra == ("ConfigMap default/a: data.debug (kubectl-edit)",)
        assert "in sync, Healthy (1 extra field that Git does not declare" in world.status()


def test_an_object_that_moves_to_another_version_of_its_api_is_no_drift() -> None:
    scale = """\
apiVersion: autoscaling/{version}
kind: HorizontalPodAutoscaler
metadata: {{name: web}}
spec:
  maxReplicas: 3
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
"""
    with Sandbox("pull+self-heal", seed=1) as world:
        for version in ("v1", "v2"):
            world.commit(version, {"a.yaml": scale.format(version=version)})
            world.run(minutes=5)
        assert world.status().startswith("pull+self-heal: in sync")


EXTRA = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: '1'}\n"


def test_why_of_an_object_says_what_git_declares_what_is_live_who_wrote_it_and_the_rule() -> None:
    with Sandbox("pull", seed=1) as world:
        world.commit("one", {"a.yaml": EXTRA})
        world.run(minutes=3)
        world.drift("ConfigMap/a", {"data": {"k": "9", "debug": "1"}})
        world.run(minutes=3)
        lines = [line.strip() for line in str(world.why("pull", "ConfigMap/a")).splitlines()]
        assert lines[-6:] == [
            "now, ConfigMap default/a:",
            "in Git: a.yaml#1",
            "owner: pull",
            "data.k: live is 9, written by kubectl-edit; Git declares 1",
            "data.debug: live, written by kubectl-edit; Git does not declare it",
            "rule: differences stay until the next commit (self_heal is off)",
        ]
        world.drift("ConfigMap/a", None)
        assert "live: it does not exist" in world.why("pull", "ConfigMap/a")


def test_where_pruning_everything_is_refused_the_arm_is_out_of_sync() -> None:
    with Sandbox("pull+self-heal", seed=1) as world:
        world.commit("one", {"a.yaml": EXTRA})
        world.run(minutes=3)
        world.commit("nothing", {"a.yaml": None, "README.md": "empty"})
        world.run(minutes=3)
        assert "out of sync, Healthy, 1 orphan (" in world.status()
        assert "refusing to prune all 1" in world.status()
