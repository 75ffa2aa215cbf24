from __future__ import annotations

from gitops_lab.model import ObjectKey, Revision
from gitops_lab.sandbox import Sandbox


class Unreachable:
    """A cluster that cannot be asked, as in the moment in which a sandbox starts."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"it is asked for {name}")


def test_the_watcher_never_goes_through_the_deployers_own_connection() -> None:
    """That is a request to the very process that waits for the answer, if both are in one."""
    sandbox = Sandbox("argocd")
    try:
        arm = sandbox.arms["argocd"]
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
        revision = sandbox.commit("Settings", {"settings.yaml": text})
        arm.deployer.control_plane.controller.apps.clear()
        arm.deployer.cluster = Unreachable()
        artifact = sandbox.repository.artifact(Revision(revision.branch, revision.commit))
        found = arm.deployer.desired(artifact, arm.kubectl)
        assert [str(each.key) for each in found] == ["ConfigMap default/settings"]
    finally:
        sandbox.close()


def test_a_pod_of_its_own_wakes_it() -> None:
    """Its four pods start one after the other; what it did before the last one is not all."""
    sandbox = Sandbox("argocd")
    try:
        deployer = sandbox.arms["argocd"].deployer
        assert deployer.changed(ObjectKey("", "Pod", "argocd", "argocd-server-1"))
        assert not deployer.changed(ObjectKey("", "Pod", "default", "shop-1"))
    finally:
        sandbox.close()
