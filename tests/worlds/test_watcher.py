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
