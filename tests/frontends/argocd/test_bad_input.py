"""What is wrong with an Application or its repository, and what Argo CD says about it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gitops_lab.frontends.argocd.names import API_VERSION, IN_CLUSTER, NAMESPACE
from gitops_lab.model import named
from gitops_lab.sandbox import URL
from tests.frontends.argocd.lab import Lab, config, deployment


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.commit({"cm.yaml": config("a"), "empty/README.md": "x"})
        yield lab


TARGET = "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: "


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "nowhere", "code = Unknown desc = nowhere: app path does not exist"),
        ({}, "../other", "code = Unknown desc = ../other: app path outside root"),
        ({"bad/x.yaml": "a: ["}, "bad",
         'code = FailedPrecondition desc = Failed to unmarshal "x.yaml"'),
        ({"bad/x.yaml": "apiVersion: v1\nmetadata: {name: x}"}, "bad",
         'code = FailedPrecondition desc = Failed to unmarshal "x.yaml": '
         "Object 'Kind' is missing in '{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}'"),
        ({"bad/kustomization.yaml": "resources: [missing.yaml]"}, "bad",
         "code = Unknown desc = `kustomize build <path>/bad` failed"),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_a_comparison_error(
    lab: Lab, files: dict[str, str], path: str, message: str
) -> None:
    if files:
        lab.commit(files)
    lab.application(path=path, auto={})
    lab.run(1)
    assert lab.condition("ComparisonError").startswith(TARGET + message)
    assert lab.words()[0] == "Unknown" and lab.state() == {}


def test_a_branch_that_is_not_there(lab: Lab) -> None:
    lab.application(source={"repoURL": URL, "path": ".", "targetRevision": "nope"})
    lab.run(1)
    assert lab.condition("ComparisonError").endswith("unable to resolve 'nope' to a commit SHA")


def test_no_source_at_all(lab: Lab) -> None:
    lab.application(source=None)
    lab.run(1)
    assert lab.condition("InvalidSpecError") == (
        "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
    )


def test_with_both_kinds_of_sources_the_list_counts(lab: Lab) -> None:
    lab.application(sources=[{"repoURL": URL, "path": "empty"}])
    lab.run(1)
    assert lab.status()["resources"] == [] and "revisions" in lab.status()["sync"]


def test_a_repository_that_is_gone_is_forgiven_for_a_while(lab: Lab) -> None:
    lab.application(auto={})
    lab.run(5)
    assert lab.words()[0] == "Synced"
    lab.world.repository.reachable = False
    begin = lab.now
    while lab.words()[0] == "Synced":
        lab.run(5)
        assert lab.now - begin < 900
    assert lab.now - begin > 180, "the first failures leave the status as it was"
    assert lab.condition("ComparisonError").startswith(TARGET)
    assert lab.get("ConfigMap/a") is not None
    lab.world.repository.reachable = True
    lab.run(400)
    assert lab.words()[0] == "Synced" and lab.condition("ComparisonError") == ""


def test_a_destination_with_two_addresses(lab: Lab) -> None:
    both = {"server": IN_CLUSTER, "name": "in-cluster", "namespace": "default"}
    lab.application(destination=both)
    lab.run(1)
    assert lab.condition("InvalidSpecError") == (
        f"application destination can't have both name and server defined: in-cluster {IN_CLUSTER}"
    )


def test_the_same_object_twice(lab: Lab) -> None:
    lab.commit({"b.yaml": config("a", x="1"), "c.yaml": config("a", x="2")})
    lab.application(auto={})
    lab.run(5)
    assert lab.condition("RepeatedResourceWarning") == (
        "Resource /ConfigMap/default/a appeared 3 times among application resources."
    )
    live = lab.get("ConfigMap/a")
    assert live is not None and "data" not in live, "the last one counts: cm.yaml"


def test_two_applications_of_one_object(lab: Lab) -> None:
    lab.application("one", auto={})
    lab.run(5)
    lab.application("two")
    lab.run(5)
    assert lab.condition("SharedResourceWarning", "two") == (
        "ConfigMap/a is part of applications argocd/two and one"
    )
    assert lab.words("two")[0] == "OutOfSync"


def test_an_excluded_kind(lab: Lab) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}}
    lab.commit({"lease.yaml": json.dumps(lease)})
    lab.application(auto={})
    lab.run(5)
    assert lab.condition("ExcludedResourceWarning") == (
        "Resource coordination.k8s.io/Lease x is excluded in the settings"
    )
    assert lab.words()[0] == "Synced"


def test_a_kind_that_the_cluster_does_not_have(lab: Lab) -> None:
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    lab.commit({"w.yaml": json.dumps(body)})
    lab.application()
    lab.run(1)
    lab.sync(seconds=1)
    assert lab.state()["phase"] == "Failed"
    assert lab.state()["message"] == (
        "one or more synchronization tasks are not valid: failed to discover server resources for "
        "group version example.com/v1: the server could not find the requested resource"
    )
    assert lab.get("ConfigMap/a") is None


def test_a_definition_and_its_object_in_one_sync(lab: Lab) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {
                "openAPIV3Schema": {"type": "object"}}}],
        },
    }  # fmt: skip
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    lab.commit({"a.yaml": json.dumps(body), "z.yaml": json.dumps(definition)})
    lab.application(auto={}, retry={"limit": 3})
    lab.run(60)
    assert lab.words()[0] == "Synced", lab.state()["message"]
    assert lab.get("Widget/w") is not None


def test_a_namespace_that_is_not_there(lab: Lab) -> None:
    lab.application(namespace="shop")
    lab.run(1)
    lab.sync(seconds=1)
    assert lab.state()["phase"] == "Failed"
    assert 'namespaces "shop" not found' in lab.state()["message"]
    lab.sync(syncOptions=["CreateNamespace=true"], seconds=5)
    assert lab.state()["phase"] == "Succeeded"
    assert lab.get("ConfigMap/shop/a") is not None
    assert lab.words()[0] == "Synced", "the namespace is no object of the Application"


def test_a_namespace_deleted_by_hand_comes_back_with_the_next_sync(lab: Lab) -> None:
    lab.application(namespace="shop", auto={"selfHeal": True}, options=["CreateNamespace=true"])
    lab.run(5)
    assert lab.get("ConfigMap/shop/a") is not None
    lab.kubectl.delete(lab.arm.key("Namespace/shop"))
    lab.run(120)
    assert lab.get("ConfigMap/shop/a") is not None


def test_a_cycle_of_applications_stays_quiet(lab: Lab) -> None:
    spec = {
        "project": "default",
        "source": {"repoURL": URL, "path": "self"},
        "destination": {"server": IN_CLUSTER, "namespace": NAMESPACE},
        "syncPolicy": {"automated": {"selfHeal": True}},
    }
    lab.commit(
        {
            "self/app.yaml": json.dumps(
                named(API_VERSION, "Application", "web", NAMESPACE, spec=spec)
            )
        }
    )
    lab.application(path="self", namespace=NAMESPACE, auto={"selfHeal": True})
    lab.run(600)
    assert lab.words() == ("Synced", "Healthy")
    assert len(lab.events()) < 20


def test_what_is_not_simulated_says_so(lab: Lab) -> None:
    lab.application(source={"repoURL": URL, "path": ".", "plugin": {"name": "x"}})
    lab.run(1)
    assert lab.condition("UnknownError") == "not simulated: spec.source.plugin"


def test_an_expression_that_is_more_than_a_path(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("a", x="1")})
    ignored = [{"kind": "ConfigMap", "jqPathExpressions": [".data | keys[0]"]}]
    lab.application(auto={}, ignoreDifferences=ignored)
    lab.run(2)
    lab.edit("ConfigMap/a", {"data": {"x": "2"}})
    lab.run(2)
    assert lab.condition("ComparisonError") == (
        "Failed to compare desired state to live state: "
        "not simulated: jq expression '.data | keys[0]'"
    )


# -- ignored differences -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {"jsonPointers": ["/spec/replicas"]},
        {"jqPathExpressions": [".spec.replicas"]},
        {"managedFieldsManagers": ["kubectl-edit"]},
    ],
)
@pytest.mark.parametrize("respect", [False, True])
def test_an_ignored_difference_is_hidden_but_overwritten_unless_respected(
    lab: Lab, entry: dict[str, list[str]], respect: bool
) -> None:
    lab.commit({"web.yaml": deployment(replicas=2)})
    options = ["RespectIgnoreDifferences=true"] if respect else []
    lab.application(
        options=options, ignoreDifferences=[{"group": "apps", "kind": "Deployment", **entry}]
    )
    lab.run(1)
    lab.sync(seconds=30, syncOptions=options)
    lab.edit("Deployment/web", {"spec": {"replicas": 5}})
    lab.run(5)
    assert lab.words()[0] == "Synced"
    lab.sync(seconds=5, syncOptions=options)
    live = lab.get("Deployment/web")
    assert live is not None and live["spec"]["replicas"] == (5 if respect else 2)
