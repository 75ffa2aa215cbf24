"""What `kubectl get` shows, in all its forms."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.kubectl.live import Kubectl

COLUMNS = {
    "pods": "NAME READY STATUS RESTARTS AGE",
    "pods -o wide": "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES",
    "deployments": "NAME READY UP-TO-DATE AVAILABLE AGE",
    "deployments -o wide": "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR",
    "replicasets": "NAME DESIRED CURRENT READY AGE",
    "replicasets -o wide": "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR",
    "statefulsets": "NAME READY AGE",
    "statefulsets -o wide": "NAME READY AGE CONTAINERS IMAGES",
    "daemonsets": "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE",
    "jobs": "NAME STATUS COMPLETIONS DURATION AGE",
    "cronjobs": "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE",
    "services": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
    "services -o wide": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR",
    "endpointslices": "NAME ADDRESSTYPE PORTS ENDPOINTS AGE",
    "ingresses": "NAME CLASS HOSTS ADDRESS PORTS AGE",
    "networkpolicies": "NAME POD-SELECTOR AGE",
    "configmaps": "NAME DATA AGE",
    "secrets": "NAME TYPE DATA AGE",
    "serviceaccounts": "NAME AGE",
    "hpa": "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE",
    "pdb": "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE",
    "quota": "NAME REQUEST LIMIT AGE",
    "limits": "NAME CREATED AT",
    "roles": "NAME CREATED AT",
    "rolebindings": "NAME ROLE AGE",
    "rolebindings -o wide": "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS",
    "pvc": "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE",
    "pv": "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS "
    "VOLUMEATTRIBUTESCLASS REASON AGE",
    "storageclasses": "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
    "nodes": "NAME STATUS ROLES AGE VERSION",
    "nodes -o wide": "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE "
    "KERNEL-VERSION CONTAINER-RUNTIME",
    "namespaces": "NAME STATUS AGE",
    "priorityclasses": "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY",
    "controllerrevisions": "NAME CONTROLLER REVISION AGE",
    "events": "LAST SEEN TYPE REASON OBJECT MESSAGE",
    "pods --show-labels": "NAME READY STATUS RESTARTS AGE LABELS",
    "pods -L app": "NAME READY STATUS RESTARTS AGE APP",
    "pods -A": "NAMESPACE NAME READY STATUS RESTARTS AGE",
}


@pytest.mark.parametrize("what", COLUMNS)
def test_a_table_has_the_columns_of_the_real_thing(stage: Kubectl, what: str) -> None:
    assert " ".join(stage.rows(f"get {what}")[0]) == COLUMNS[what]


ROWS = {
    "pod crash": ["crash", "0/1", "CrashLoopBackOff|Running|Error"],
    "pod absent": ["absent", "0/1", "ErrImagePull|ImagePullBackOff", "0"],
    "deployment web": ["web", "2/2", "2", "2"],
    "statefulset db": ["db", "1/1"],
    "daemonset agent": ["agent", "2", "2", "2", "2", "2", "<none>"],
    "job once": ["once", "Complete", "1/1"],
    "cronjob seldom": ["seldom", "0", "0", "1", "1", r"\*", "<none>", "False", "0", "<none>"],
    "service outside": ["outside", "NodePort", r"10\.96\.\d+\.\d+", "<none>", "80:30080/TCP"],
    "service elsewhere": ["elsewhere", "ExternalName", "<none>", "elsewhere.example", "<none>"],
    "ingress front": ["front", "nginx", "web.example", "80,", "443"],
    "configmap settings": ["settings", "2"],
    "secret word": ["word", "Opaque", "1"],
    "pdb web": ["web", "1", "N/A", "1"],
    "pvc waiting": ["waiting", "Pending", "standard", "<unset>"],
    "pvc data-db-0": ["data-db-0", "Bound", r"pvc-\S+", "1Gi", "RWO", "standard", "<unset>"],
    "rolebinding reader": ["reader", "Role/reader"],
    "node node-1": ["node-1", "Ready", "<none>"],
    "networkpolicy closed": ["closed", "app=db"],
}


@pytest.mark.parametrize("what", ROWS)
def test_a_row_tells_how_an_object_stands(stage: Kubectl, what: str) -> None:
    _, row = stage.rows(f"get {what}")
    expected = ROWS[what]
    assert len(row) > len(expected) or row == expected
    for cell, pattern in zip(row, expected, strict=False):
        assert re.fullmatch(pattern, cell), row


def test_a_kind_is_named_by_any_of_its_names(stage: Kubectl) -> None:
    names = "po,deploy,rs.apps,sts.v1.apps,Service,cm/settings".split(",")
    for name in names[:-1]:
        assert stage(f"get {name} -o name")
    assert stage(f"get {names[-1]} -o name") == "configmap/settings\n"
    assert stage("get deploy/web svc/web -o name") == "deployment.apps/web\nservice/web\n"


def test_all_shows_the_kinds_that_run(stage: Kubectl) -> None:
    shown = stage("get all -o name").split()
    kinds = {name.split("/")[0] for name in shown}
    assert kinds == {
        "pod",
        "service",
        "daemonset.apps",
        "deployment.apps",
        "replicaset.apps",
        "statefulset.apps",
        "horizontalpodautoscaler.autoscaling",
        "cronjob.batch",
        "job.batch",
    }
    assert "pod/db-0 " in stage("get pods --show-kind")


def test_objects_come_as_json_yaml_and_names(stage: Kubectl) -> None:
    settings = json.loads(stage("get configmap settings -o json"))
    assert settings["kind"] == "ConfigMap" and settings["data"] == {"colour": "blue"}
    assert yaml.safe_load(stage("get configmap settings -o yaml")) == settings
    listed = json.loads(stage("get configmap -o json"))
    assert listed["kind"] == "List" and len(listed["items"]) == 2
    assert stage("get configmap -o name --field-selector metadata.name=settings") == (
        "configmap/settings\n"
    )


def test_templates_pick_what_they_like(stage: Kubectl) -> None:
    assert stage("get cm settings -o jsonpath={.data.colour}") == "blue"
    pods = stage("get pods -l app=web -o", "jsonpath={range .items[*]}{.spec.nodeName},{end}")
    assert re.fullmatch(r"(node-\d,){2}", pods)
    ready = '{.status.conditions[?(@.type=="Available")].status}'
    assert stage(f"get deploy web -o jsonpath={ready}") == "True"
    assert stage("get deploy web -o go-template={{.spec.replicas}}") == "2"
    columns = "custom-columns=WHO:.metadata.name,IMAGE:.spec.template.spec.containers[*].image"
    assert stage.rows(f"get deploy,sts -o {columns}") == [
        ["WHO", "IMAGE"],
        ["web", "web:1"],
        ["db", "db:1"],
    ]


def test_selectors_choose(stage: Kubectl) -> None:
    def named(arguments: str, *more: str) -> list[str]:
        return [name.split("/")[1] for name in stage(f"get {arguments} -o name", *more).split()]

    assert named("pods", "-l", "app in (db, crash),app!=web") == ["crash", "db-0"]
    assert len(named("pods -l !app")) == 1  # the Job's
    assert named("pods --field-selector status.phase=Pending") == ["absent"]
    assert "absent" not in named("pods --field-selector status.phase!=Pending")
    assert named("services --field-selector metadata.name=web") == ["web"]
    assert named("secrets --field-selector type=Opaque") == ["word"]


def test_rows_are_sorted_and_labelled_as_asked(stage: Kubectl) -> None:
    types = [row[1] for row in stage.rows("get services --no-headers --sort-by .spec.type")]
    assert types == ["ClusterIP", "ExternalName", "NodePort"]
    header, *rows = stage.rows("get pods -l app=db -L app --show-labels")
    assert header[-2:] == ["APP", "LABELS"]
    assert rows[0][-2] == "db" and "statefulset.kubernetes.io/pod-name=db-0" in rows[0][-1]


def test_a_wrong_question_is_refused_in_the_real_words(stage: Kubectl) -> None:
    assert stage.fails("get pod unknown") == (
        'Error from server (NotFound): pods "unknown" not found\n'
    )
    assert stage("get pod unknown --ignore-not-found") == ""
    assert 'the server doesn\'t have a resource type "nonsense"' in stage.fails("get nonsense")
    assert "field label not supported: colour" in stage.fails(
        "get pods --field-selector colour=blue"
    )
    assert "unable to parse requirement" in stage.fails("get pods -l", "a b")
    assert stage.fails("get pods -n nowhere unknown") == (
        'Error from server (NotFound): namespaces "nowhere" not found\n'
    )
    assert stage("get pods -n nowhere") == "No resources found in nowhere namespace.\n"


def test_a_long_list_is_read_in_pieces(kubectl: Kubectl) -> None:
    kubectl.create(
        *(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}}
            for number in range(7)
        )
    )
    assert len(kubectl("get configmaps -o name --chunk-size 3").split()) == 8


def test_changes_are_watched_as_they_come(kubectl: Kubectl) -> None:
    book = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "book"}}
    with kubectl.started("get configmaps -w --output-watch-events --no-headers") as line:
        assert line().split()[:2] == ["ADDED", "kube-root-ca.crt"]
        kubectl.create(book)
        assert line().split()[:3] == ["ADDED", "book", "0"]
        kubectl("patch configmap book --type merge -p", '{"data": {"page": "1"}}')
        assert line().split()[:3] == ["MODIFIED", "book", "1"]
        kubectl("delete configmap book")
        assert line().split()[:2] == ["DELETED", "book"]


def test_only_what_changes_is_watched_if_asked(kubectl: Kubectl) -> None:
    with kubectl.started("get configmaps --watch-only -o name -v 6") as line:
        while "watch=true" not in line():
            pass
        kubectl.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "book"}})
        while (said := line()).startswith("I"):  # what -v 6 has it say besides
            pass
        assert said == "configmap/book\n"


@pytest.mark.since(30)
def test_a_subresource_is_shown_with_columns_of_its_own(stage: Kubectl) -> None:
    header, row = stage.rows("get deployment web --subresource scale")
    assert header == ["NAME", "DESIRED", "AVAILABLE", "AGE"]
    assert row[:3] == ["web", "2", "2"]
    assert stage("get deployment web --subresource status -o name") == "deployment.apps/web\n"
