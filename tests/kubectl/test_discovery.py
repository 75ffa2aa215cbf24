"""What the server offers, as kubectl finds it out."""

from __future__ import annotations

import json
import urllib.request

import pytest
import yaml

from tests.kubectl.live import Kubectl


def test_resources_are_listed_with_what_can_be_done_with_them(stage: Kubectl) -> None:
    header, *rows = stage.rows("api-resources")
    assert header == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows
    assert ["nodes", "no", "v1", "false", "Node"] in rows
    apps = stage("api-resources --api-group apps --verbs list --namespaced -o name").split()
    assert apps == [
        "controllerrevisions.apps",
        "daemonsets.apps",
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
    ]
    wide = stage("api-resources -o wide --api-group batch")
    assert "deletecollection" in wide


def test_versions_are_listed(stage: Kubectl) -> None:
    served = stage("api-versions").split()
    assert {"v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2"} <= set(served)
    told, _ = json.JSONDecoder().raw_decode(stage("version -o json"))  # a warning may follow
    assert told["serverVersion"]["gitVersion"] == "v1.37.0"


def test_fields_are_explained(stage: Kubectl) -> None:
    told = stage("explain deployment.spec.strategy.rollingUpdate")
    assert "maxSurge" in told and "maximum number of pods that can be scheduled above" in told
    assert "terminationGracePeriodSeconds" in stage("explain pods --recursive")
    assert "VERSION:" in stage("explain hpa --api-version autoscaling/v2")
    assert 'field "nonsense" does not exist' in stage.fails("explain pods.nonsense")


def test_the_cluster_tells_where_it_is_and_that_it_is_well(stage: Kubectl) -> None:
    told = stage("cluster-info")
    assert "is running at" in told and stage.cluster.world.url in told
    assert stage("get --raw /healthz") == "ok"
    assert stage("get --raw /readyz?verbose").endswith("readyz check passed\n")
    pods = json.loads(stage(f"get --raw /api/v1/namespaces/{stage.namespace}/pods?limit=1"))
    assert pods["kind"] == "PodList" and len(pods["items"]) == 1


def test_all_that_went_on_is_dumped(stage: Kubectl) -> None:
    dumped = stage(f"cluster-info dump --namespaces {stage.namespace}")
    assert '"kind": "DeploymentList"' in dumped and "==== START logs for container" in dumped


def test_endpoints_are_deprecated(stage: Kubectl) -> None:
    told = stage("get endpoints web")
    assert told.startswith(
        "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n"
    )


def test_a_proxy_leads_to_the_server(stage: Kubectl) -> None:
    with stage.started("proxy --port 0") as line:
        address = line().split()[-1]
        with urllib.request.urlopen(f"http://{address}/api/v1/namespaces", timeout=30) as answer:
            assert json.load(answer)["kind"] == "NamespaceList"


def test_the_kubeconfig_is_read_and_changed(kubectl: Kubectl) -> None:
    view = yaml.safe_load(kubectl("config view --minify"))
    assert view["contexts"][0]["context"]["namespace"] == kubectl.namespace
    assert kubectl("config current-context") == "gitops-lab\n"
    kubectl("config set-context --current --namespace kube-system")
    assert "No resources found in kube-system" in kubectl("get pods")
    assert kubectl.rows("config get-contexts --no-headers")[0][-1] == "kube-system"


@pytest.mark.parametrize("what", ["pods", "nodes", "deployments", "crd"])
def test_a_kind_is_explained_from_the_top(stage: Kubectl, what: str) -> None:
    told = stage(f"explain {what}")
    assert "DESCRIPTION:" in told and "metadata" in told


def test_the_api_server_is_behind_a_service_of_its_own(stage: Kubectl) -> None:
    told = stage("describe service kubernetes -n default")
    assert "172.18.0.1:6443" in told
    assert ["kubernetes", "IPv4", "6443", "172.18.0.1"] in [
        row[:4] for row in stage.rows("get endpointslices -n default")
    ]


def test_the_components_are_well(stage: Kubectl) -> None:
    warning, header, *rows = stage.rows("get componentstatuses")
    assert warning[0] == "Warning:" and header == ["NAME", "STATUS", "MESSAGE", "ERROR"]
    assert rows == [
        [name, "Healthy", "ok"] for name in ("controller-manager", "etcd-0", "scheduler")
    ]


def test_a_machine_has_ids_of_its_own(stage: Kubectl) -> None:
    told = stage("describe node node-1") + stage("describe node node-2")
    for kind in ("Machine ID:", "System UUID:", "Boot ID:"):
        found = {line.split()[-1] for line in told.splitlines() if line.strip().startswith(kind)}
        assert len(found) == 2, kind
