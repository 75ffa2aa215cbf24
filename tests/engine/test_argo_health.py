"""Argo CD's rules of health give what its own tests expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_lab.engine.argo_health import argo_health
from gitops_lab.engine.documents import read

FIXTURES = Path(__file__).parents[2].parent / "shared" / "data" / "argocd-fixtures"
LUA = FIXTURES / "lua-health"
GO = FIXTURES / "health-testdata"

EXPECTED = {
    "deployment-degraded": "Degraded", "deployment-suspended": "Suspended",
    "statefulset": "Healthy", "pvc-pending": "Progressing",
    "svc-loadbalancer": "Healthy", "svc-loadbalancer-nonemptylist": "Healthy",
    "ingress": "Healthy", "ingress-nonemptylist": "Healthy",
    "job-running": "Progressing", "job-suspended": "Suspended",
    "hpa-v2-healthy": "Healthy", "hpa-v1-degraded": "Degraded", "hpa-v1-healthy": "Healthy",
    "hpa-v1-progressing": "Progressing",
    "pod-running-not-ready": "Progressing", "pod-crashloop": "Degraded",
    "pod-imagepullbackoff": "Degraded", "pod-error": "Degraded", "pod-succeeded": "Healthy",
    "pod-running-restart-never": "Progressing",
    "application-healthy": None,
    "apiservice-v1-true": "Healthy", "apiservice-v1beta1-true": "Healthy",
}  # fmt: skip
"""What the tests of Argo CD 3.5.1 (`gitops-engine/pkg/health/health_test.go`) expect."""

CASES = [
    (path.parent, case)
    for path in sorted(LUA.rglob("health_test.yaml"))
    for case in yaml.safe_load(path.read_text())["tests"]
]


def test_every_fixture_has_an_expectation() -> None:
    if not GO.is_dir():
        pytest.skip("Argo CD's fixtures are not on this machine")
    assert {path.stem for path in GO.glob("*.yaml")} == set(EXPECTED)


@pytest.mark.skipif(not GO.is_dir(), reason="Argo CD's fixtures are not on this machine")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_built_in_rule(name: str) -> None:
    (document,) = read((GO / f"{name}.yaml").read_bytes(), name)
    health = argo_health(document.value)
    assert (health and str(health.status)) == EXPECTED[name]


@pytest.mark.skipif(not CASES, reason="Argo CD's fixtures are not on this machine")
@pytest.mark.parametrize(
    ("folder", "case"), CASES, ids=[f"{f.name}-{Path(c['inputPath']).stem}" for f, c in CASES]
)
def test_a_rule_that_is_a_script_there(folder: Path, case: dict[str, Any]) -> None:
    path = folder / case["inputPath"]
    if not path.is_file():
        pytest.skip("this fixture is not on this machine")
    (document,) = read(path.read_bytes(), path.name)
    health = argo_health(document.value)
    assert health is not None
    expected = case["healthStatus"]
    assert (str(health.status), health.message) == (expected["status"], expected["message"])


def obj(api: str, kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> Any:
    metadata = {"name": "web", "generation": 1, **metadata}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("live", "status", "message"),
    [
        (obj("v1", "Pod", deletionTimestamp="2026-01-01T00:00:00Z"), "Progressing", "deletion"),
        (
            obj("apps/v1", "Deployment", {"replicas": 3}, {"observedGeneration": 1,
                "updatedReplicas": 1, "replicas": 3}),
            "Progressing", "1 out of 3 new replicas have been updated...",
        ),
        (
            obj("apps/v1", "Deployment", {"replicas": 1}, {"observedGeneration": 1,
                "updatedReplicas": 1, "replicas": 3}),
            "Progressing", "2 old replicas are pending termination...",
        ),
        (obj("apps/v1", "Deployment", {"replicas": 3}, {}), "Progressing", "observed"),
        (obj("v1", "Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}), "Progressing", ""),
        (obj("v1", "Service", {"type": "ClusterIP"}, {}), "Healthy", ""),
        (obj("networking.k8s.io/v1", "Ingress", {}, {"loadBalancer": {}}), "Progressing", ""),
        (
            obj("v1", "Pod", {"restartPolicy": "Never"}, {"phase": "Failed", "containerStatuses": [
                {"name": "c", "state": {"terminated": {"exitCode": 3}}}]}),
            "Degraded", 'container "c" failed with exit code 3',
        ),
        (
            obj("batch/v1", "Job", {}, {"conditions": [
                {"type": "Failed", "status": "True", "message": "too often"}]}),
            "Degraded", "too often",
        ),
    ],
)  # fmt: skip
def test_a_rule_by_example(live: Any, status: str, message: str) -> None:
    health = argo_health(live)
    assert health is not None
    assert (str(health.status), message in health.message) == (status, True)


@pytest.mark.parametrize("kind", [("v1", "ConfigMap"), ("argoproj.io/v1alpha1", "Application")])
def test_a_kind_without_a_rule_has_no_health(kind: tuple[str, str]) -> None:
    assert argo_health(obj(*kind)) is None
