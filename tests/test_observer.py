"""The observer's memory."""

from __future__ import annotations

from gitops_lab.observer import REVISIONS
from gitops_lab.sandbox import Sandbox

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
        observer = arm.observer
        assert len(observer.wanted) <= REVISIONS + 4
        assert arm.deployer.applied == deployed and deployed in observer.wanted
        assert {revision for revision, _ in observer._compared} <= set(observer.wanted)
        assert observer.last is not None and not observer.last.in_sync
        arm.start()
        world.run(minutes=5)
        assert observer.last.in_sync and not observer.last.drifted
