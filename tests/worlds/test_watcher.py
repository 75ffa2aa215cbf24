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
