"""What a namespace allows, created, described and felt: quotas, limits, pod security."""

from __future__ import annotations

import json

import pytest

from tests.kubectl.live import Kubectl

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


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def until_it_says(kubectl: Kubectl, arguments: str, text: str) -> str:
    """What a command says, once it says a text."""
    kubectl.cluster.until(lambda: text in kubectl(arguments))
    return kubectl(arguments)


def test_limits_are_described_and_fill_in_what_a_pod_does_not_say(kubectl: Kubectl) -> None:
    kubectl("apply -f -", stdin=LIMITS)
    told = words(kubectl("describe limits usual"))
    assert ["Container", "cpu", "-", "1", "100m", "500m", "-"] in told
    kubectl("run web --image=web:1")
    found = json.loads(kubectl("get pod web -o", "jsonpath={.spec.containers[0].resources}"))
    assert found == {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}}


def test_a_quota_tells_what_is_used_and_refuses_more(kubectl: Kubectl) -> None:
    kubectl("create quota small --hard=pods=1,count/secrets=5")
    kubectl("create deployment web --image=web:1")
    told = words(until_it_says(kubectl, "describe quota small", "pods           1     1"))
    assert ["count/secrets", "0", "5"] in told
    refused = kubectl.fails("run more --image=web:1")
    assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in refused
    kubectl("scale deployment web --replicas=2")
    until_it_says(kubectl, "describe rs", "exceeded quota: small")
    assert "Resource Quotas" in kubectl(f"describe ns {kubectl.namespace}")


def test_a_level_warns_of_the_pods_that_are_there_and_refuses_new_ones(kubectl: Kubectl) -> None:
    label = f"label ns {kubectl.namespace} pod-security.kubernetes.io"
    kubectl("run web --image=web:1")
    told = kubectl(f"{label}/enforce=restricted --dry-run=server")
    assert "Warning: web: allowPrivilegeEscalation != false, unrestricted capabilities" in told
    kubectl("run again --image=web:1")
    kubectl(f"{label}/enforce=restricted")
    refused = kubectl.fails("run third --image=web:1")
    assert 'pods "third" is forbidden: violates PodSecurity "restricted:latest"' in refused
    refused = kubectl.fails(f"{label}/enforce=unknown --overwrite")
    assert "must be one of privileged, baseline, restricted" in refused


def test_who_makes_what_makes_pods_is_warned(kubectl: Kubectl) -> None:
    kubectl(f"label ns {kubectl.namespace} pod-security.kubernetes.io/warn=restricted")
    told = kubectl("create deployment web --image=web:1")
    assert 'Warning: would violate PodSecurity "restricted:latest"' in told
    assert told.endswith("deployment.apps/web created\n")


@pytest.mark.since(32)
def test_a_running_pod_is_resized(kubectl: Kubectl) -> None:
    kubectl("apply -f -", stdin=LIMITS)
    kubectl("run web --image=web:1")
    kubectl("wait --for=condition=Ready pod/web")
    resources = {"requests": {"cpu": "200m"}}
    patch = json.dumps({"spec": {"containers": [{"name": "web", "resources": resources}]}})
    kubectl("patch pod web --subresource=resize -p", patch)
    status = "get pod web -o jsonpath={.status.containerStatuses[0].allocatedResources.cpu}"
    until_it_says(kubectl, status, "200m")


@pytest.mark.since(25)
def test_a_debugger_joins_a_running_pod(kubectl: Kubectl) -> None:
    kubectl("run web --image=web:1")
    kubectl("wait --for=condition=Ready pod/web")
    kubectl("debug web --image=busybox:1 --target=web -c debugger")
    told = until_it_says(kubectl, "describe pod web", "Ephemeral Containers:\n  debugger:")
    assert "busybox:1" in told
