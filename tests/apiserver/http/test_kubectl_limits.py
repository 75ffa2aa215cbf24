"""Quotas, limits and pod security as the real kubectl shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.apiserver.http import test_kubectl
from tests.apiserver.http.test_kubectl import Kubectl

pytestmark = test_kubectl.pytestmark

LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: usual}
spec:
  limits:
  - type: Container
    max: {cpu: "1"}
    default: {cpu: 500m}
    defaultRequest: {cpu: 100m}
"""


async def eventually(ask: Callable[[], Awaitable[str]], text: str) -> str:
    """What is answered once it holds a text."""
    for _ in range(100):
        answer = await ask()
        if text in answer:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"{text!r} is not in {answer}")


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_quota_and_limits_are_created_described_and_felt(folder: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("create quota small --hard=pods=1,limits.cpu=1")
        await kubectl("apply -f -", LIMITS)
        told = words(await kubectl("describe limits usual"))
        assert ["Container", "cpu", "-", "1", "100m", "500m", "-"] in told
        await kubectl("create deployment web --image=web:1 --replicas=2")
        told = words(
            await eventually(lambda: kubectl("describe quota small"), "pods        1     1")
        )
        assert ["limits.cpu", "500m", "1"] in told
        shown = await kubectl("describe ns default")
        assert "Resource Quotas" in shown and "Resource Limits" in shown
        await eventually(lambda: kubectl("describe rs"), "exceeded quota: small")
        said = await kubectl.fails("run more --image=web:1")
        assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in said

    test_kubectl.run(folder, tmp_path, story)


def test_a_level_warns_of_the_pods_that_are_there_and_refuses_new_ones(
    folder: Path, tmp_path: Path
) -> None:
    async def story(kubectl: Kubectl) -> None:
        label = "label ns default pod-security.kubernetes.io"
        await kubectl("run web --image=web:1")
        said = await kubectl(f"{label}/enforce=restricted --dry-run=server")
        assert "Warning: web: allowPrivilegeEscalation != false" in said
        await kubectl("run again --image=web:1")
        await kubectl(f"{label}/enforce=baseline")
        await kubectl(f"{label}/warn=restricted")
        said = await kubectl("create deployment web --image=web:1")
        assert 'Warning: would violate PodSecurity "restricted:latest"' in said
        assert said.endswith("deployment.apps/web created\n")
        said = await kubectl.fails("run root --image=web:1 --privileged")
        assert 'is forbidden: violates PodSecurity "baseline:latest": privileged' in said
        said = await kubectl.fails(f"{label}/enforce=nobody --overwrite")
        assert "must be one of privileged, baseline, restricted" in said

    test_kubectl.run(folder, tmp_path, story)
