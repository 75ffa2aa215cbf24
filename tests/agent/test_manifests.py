"""The agent as Kubernetes sees it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from gitops_lab.agent.manifests import IMAGE, agent, arguments
from gitops_lab.cli import parser
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import NAMESPACE, PullDeployer
from gitops_lab.model import ObjectKey, named
from gitops_lab.ports import Credentials
from gitops_lab.sandbox import ARMS
from kubesim.clock import SimClock

POLICY = Policy(interval=60, self_heal=True)


@pytest.mark.parametrize(
    "policy",
    [
        POLICY,
        replace(POLICY, self_heal=False, prune=False),
        replace(POLICY, interval=0.5, namespace="shop"),
    ],
)
def test_the_command_line_says_all_of_the_policy(policy: Policy) -> None:
    said = parser().parse_args(arguments("a", "https://git.example/app.git", policy))
    assert (said.name, said.url) == ("a", "https://git.example/app.git")
    assert (said.interval, said.namespace) == (policy.interval, policy.namespace)
    assert (said.self_heal, not said.no_prune) == (policy.self_heal, policy.prune)


def test_every_standard_agent_is_one_dial_of_these() -> None:
    for arm in ARMS.values():
        if arm.deployer is PullDeployer:
            rebuilt = Policy(
                interval=arm.policy.interval,
                self_heal=arm.policy.self_heal,
                prune=arm.policy.prune,
                namespace=arm.policy.namespace,
                on_event=arm.policy.on_event,  # nobody can tell an agent inside a real cluster
            )
            assert rebuilt == arm.policy


def test_the_pod_may_run_where_only_restricted_pods_may() -> None:
    clock = SimClock()
    cluster = SimulatedCluster("c", clock=clock, random=Random(1))
    task = clock.drive("cluster", cluster.step)
    cluster.on_change(lambda _: clock.wake(task))
    admin = cluster.connect(Credentials("admin", inside=True))
    for obj in PullDeployer.prerequisites:
        admin.apply(obj, manager="installer")
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    restricted = named("v1", "Namespace", NAMESPACE)
    restricted["metadata"]["labels"] = enforced
    admin.apply(restricted, manager="admin")
    for obj in agent(
        "pull", "https://git/app.git", POLICY, username="pull", token="t", authority="c"
    ):
        admin.apply(obj, manager="installer")
    clock.run(minutes=1)
    (pod,) = admin.list("", "Pod", namespace=NAMESPACE)
    assert pod["status"]["phase"] == "Running"
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    secret = admin.get(ObjectKey("", "Secret", NAMESPACE, "pull-git"))
    assert secret is not None and set(secret["data"]) == {"username", "password", "ca.crt"}
