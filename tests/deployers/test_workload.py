"""The agent as Kubernetes sees it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from gitops_lab.cli import parser
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.deployers.deployer import GitAccess, Site
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.workload import IMAGE, NAMESPACE, arguments
from gitops_lab.model import ObjectKey, named
from gitops_lab.ports import ADMINISTRATORS, Credentials
from gitops_lab.sandbox import ARMS
from kubesim.clock import SimClock

POLICY = Policy(interval=60, self_heal=True)
GIT = GitAccess(url="https://git.example/app.git", username="a", token="t", authority="c")


def site(policy: Policy = POLICY, **more: str) -> Site:
    user = PullDeployer.credentials.user
    return Site(name="a", user=user, policy=policy, git=GIT, **more)


@pytest.mark.parametrize(
    "policy",
    [
        POLICY,
        replace(POLICY, self_heal=False, prune=False),
        replace(POLICY, interval=0.5, namespace="shop"),
    ],
)
def test_the_command_line_says_all_of_the_policy(policy: Policy) -> None:
    said = parser().parse_args(arguments(site(policy, branch="next", path="clusters/east")))
    assert (said.name, said.url) == ("a", "https://git.example/app.git")
    assert (said.branch, said.path) == ("next", "clusters/east")
    assert (said.interval, said.namespace) == (policy.interval, policy.namespace)
    assert (said.self_heal, not said.no_prune) == (policy.self_heal, policy.prune)


def test_every_standard_agent_is_one_dial_of_these() -> None:
    for arm in ARMS.values():
        if arm.deployer.credentials.inside:
            rebuilt = Policy(
                interval=arm.policy.interval,
                self_heal=arm.policy.self_heal,
                prune=arm.policy.prune,
                namespace=arm.policy.namespace,
                on_event=arm.policy.on_event,  # no webhook reaches an agent inside a real cluster
            )
            assert rebuilt == arm.policy


def test_the_pod_may_run_where_only_restricted_pods_may() -> None:
    clock = SimClock()
    cluster = SimulatedCluster("c", clock=clock, random=Random(1))
    task = clock.drive("cluster", cluster.step)
    cluster.on_change(lambda _: clock.wake(task))
    admin = cluster.connect(Credentials("admin", inside=True, groups=ADMINISTRATORS))
    needs = PullDeployer.needs(site())
    for obj in needs.objects:
        admin.apply(obj, manager="installer")
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    restricted = named("v1", "Namespace", NAMESPACE)
    restricted["metadata"]["labels"] = enforced
    admin.apply(restricted, manager="admin")
    for obj in needs.workload:
        admin.apply(obj, manager="installer")
    clock.run(minutes=1)
    (pod,) = admin.list("", "Pod", namespace=NAMESPACE)
    assert pod["status"]["phase"] == "Running"
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    secret = admin.get(ObjectKey("", "Secret", NAMESPACE, "a-git"))
    assert secret is not None and set(secret["data"]) == {"username", "password", "ca.crt"}
