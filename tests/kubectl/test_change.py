"""The commands that make, change and delete objects one by one."""

from __future__ import annotations

import json

import pytest

from tests.kubectl.live import Kubectl
from tests.kubectl.objects import config_map, deployment, pod

GENERATORS = {
    "deployment web --image web:1 --replicas 2 --port 80": "deployment.apps/web",
    "configmap book --from-literal page=1": "configmap/book",
    "secret generic word --from-literal word=secret": "secret/word",
    "secret docker-registry login --docker-username a --docker-password b": "secret/login",
    "service clusterip inside --tcp 80:8080": "service/inside",
    "service nodeport outside --tcp 80:8080": "service/outside",
    "service loadbalancer front --tcp 80:8080": "service/front",
    "service externalname far --external-name far.example": "service/far",
    "job once --image task:1 -- echo hi": "job.batch/once",
    "ingress front --rule web.example/*=web:80 --class nginx": "ingress.networking.k8s.io/front",
    "role reader --verb get,list --resource pods": "role.rbac.authorization.k8s.io/reader",
    "rolebinding jane --role reader --user jane": "rolebinding.rbac.authorization.k8s.io/jane",
    "quota few --hard pods=30": "resourcequota/few",
    "serviceaccount bot": "serviceaccount/bot",
    "token default": "eyJ",
    "cronjob often --image task:1 --schedule @hourly": "cronjob.batch/often",
    "poddisruptionbudget web --selector app=web --min-available 50%": (
        "poddisruptionbudget.policy/web"
    ),
}
YOUNG = ("token", "cronjob", "poddisruptionbudget")
"""What kubectl 1.20 does not know, or knows in a version that is served no longer."""


@pytest.mark.parametrize("what", [what for what in GENERATORS if not what.startswith(YOUNG)])
def test_an_object_is_made_from_the_command_line(kubectl: Kubectl, what: str) -> None:
    assert kubectl(f"create {what}") == f"{GENERATORS[what]} created\n"


@pytest.mark.since(25)
@pytest.mark.parametrize("what", [what for what in GENERATORS if what.startswith(YOUNG)])
def test_so_is_one_of_a_younger_kind(kubectl: Kubectl, what: str) -> None:
    assert kubectl(f"create {what}").startswith(GENERATORS[what])


def test_a_role_of_the_cluster_is_made_from_the_command_line(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-1-{kubectl.program.minor}"
    made = kubectl(f"create clusterrole {name} --verb get --non-resource-url /metrics")
    assert made == f"clusterrole.rbac.authorization.k8s.io/{name} created\n"
    bound = kubectl(f"create clusterrolebinding {name} --clusterrole {name} --group team")
    assert bound == f"clusterrolebinding.rbac.authorization.k8s.io/{name} created\n"
    assert "created" in kubectl(f"create priorityclass {name} --value 5")
    kubectl(f"delete clusterrole,clusterrolebinding,priorityclass {name}")


def test_a_pod_is_run_and_exposed(kubectl: Kubectl) -> None:
    made = kubectl("run web --image web:1 --port 80 --expose --labels app=web --env COLOUR=blue")
    assert made == "service/web created\npod/web created\n"
    assert kubectl("get pod web -o", "jsonpath={..env}") == '[{"name":"COLOUR","value":"blue"}]'
    dry = kubectl("run other --image web:1 --dry-run=server -o name")
    assert dry == "pod/other\n"
    assert "not found" in kubectl.fails("get pod other")


def test_a_workload_is_exposed(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    assert kubectl("expose deployment web --port 80") == "service/web exposed\n"
    exposed = kubectl("expose deployment web --name node --port 80 --type NodePort")
    assert exposed == "service/node exposed\n"
    assert kubectl("get service node -o", "jsonpath={.spec.selector}") == '{"app":"web"}'


def test_create_refuses_what_is_there(kubectl: Kubectl) -> None:
    file = kubectl.file("book.yaml", config_map())
    assert kubectl(f"create -f {file} --save-config") == "configmap/book created\n"
    refused = kubectl.fails(f"create -f {file}")
    assert refused == (
        'Error from server (AlreadyExists): error when creating "book.yaml": '
        'configmaps "book" already exists\n'
    )
    assert kubectl(f"apply -f {file}") == "configmap/book unchanged\n"


def test_an_object_is_replaced_and_by_force_created_again(kubectl: Kubectl) -> None:
    kubectl.create(config_map())
    first = kubectl("get cm book -o", "jsonpath={.metadata.uid}")
    file = kubectl.file("book.yaml", config_map(page="2"))
    assert kubectl(f"replace -f {file}") == "configmap/book replaced\n"
    assert kubectl("get cm book -o", "jsonpath={.metadata.uid} {.data}") == first + ' {"page":"2"}'
    forced = kubectl(f"replace --force -f {file}")
    assert forced.splitlines()[0].startswith('configmap "book" deleted')
    assert forced.splitlines()[1] == "configmap/book replaced"
    assert kubectl("get cm book -o", "jsonpath={.metadata.uid}") != first
    stale = config_map()
    stale["metadata"]["resourceVersion"] = "1"
    file = kubectl.file("book.yaml", stale)
    assert "the object has been modified" in kubectl.fails(f"replace -f {file}")


def test_an_object_is_edited_in_the_users_editor(kubectl: Kubectl) -> None:
    kubectl.create(deployment())

    def edited(script: str, code: int = 0) -> str:
        return kubectl.fails("edit deployment web", code=code, KUBE_EDITOR=script)

    assert edited("sed -i s/replicas:.2/replicas:\\ 3/") == "deployment.apps/web edited\n"
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == "3"
    assert "no changes made" in edited("true")
    invalid = edited("sed -i s/replicas:.3/replicas:\\ -3/", code=1)
    assert 'deployments.apps "web" is invalid' in invalid
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == "3"


PATCHES = {
    "strategic": ({"spec": {"replicas": 4}}, "4"),
    "merge": ({"spec": {"replicas": 5}}, "5"),
    "json": ([{"op": "replace", "path": "/spec/replicas", "value": 6}], "6"),
}


@pytest.mark.parametrize("kind", PATCHES)
def test_a_patch_comes_in_three_kinds(kubectl: Kubectl, kind: str) -> None:
    kubectl.create(deployment())
    patch, replicas = PATCHES[kind]
    command = f"patch deployment web --type {kind} -p"
    assert kubectl(command, json.dumps(patch)) == "deployment.apps/web patched\n"
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == replicas
    kubectl("rollout status deployment/web --timeout 60s")  # else its status changes meanwhile
    assert kubectl(command, json.dumps(patch)) == "deployment.apps/web patched (no change)\n"


def test_a_strategic_patch_merges_containers_by_name(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}}
    kubectl("patch deployment web -p", json.dumps(side))
    names = kubectl("get deploy web -o", "jsonpath={.spec.template.spec.containers[*].name}")
    assert names == "side web"


def test_a_patch_that_cannot_be_is_refused(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    test = [{"op": "test", "path": "/spec/replicas", "value": 9}]
    assert "The request is invalid" in kubectl.fails(
        "patch deployment web --type json -p", json.dumps(test)
    )
    negative = kubectl.fails("patch deployment web -p", '{"spec": {"replicas": -1}}')
    assert negative == (
        'The Deployment "web" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0\n"
    )


@pytest.mark.since(24)
def test_a_subresource_is_patched_by_itself(kubectl: Kubectl) -> None:
    kubectl.create(deployment(replicas=0))
    scale = "patch deployment web --subresource scale --type merge -p"
    assert kubectl(scale, '{"spec": {"replicas": 1}}') == "scale.autoscaling/web patched\n"
    status = "patch deployment web --subresource status --type merge -p"
    kubectl(status, '{"spec": {"replicas": 7}, "status": {"collisionCount": 3}}')
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == "1"


def test_a_deletion_waits_until_the_object_is_gone(kubectl: Kubectl) -> None:
    kubectl.create(pod(), pod("other", part="one"), config_map())
    assert kubectl("delete pod web --timeout 30s").startswith('pod "web" deleted')
    assert "not found" in kubectl.fails("get pod web")
    assert kubectl("delete pod web --ignore-not-found") == ""
    assert "(server dry run)" in kubectl("delete pod other --dry-run=server")
    told = kubectl("delete pods,configmaps -l part=one --force --grace-period 0")
    assert 'pod "other" force deleted' in told and 'configmap "book" force deleted' in told
    assert kubectl("get pods") == f"No resources found in {kubectl.namespace} namespace.\n"


def test_a_held_object_is_deleted_without_waiting(kubectl: Kubectl) -> None:
    held = config_map()
    held["metadata"]["finalizers"] = ["lab.example/hold"]
    kubectl.create(held)
    assert "deleted" in kubectl("delete configmap book --wait=false")
    assert kubectl("get cm book -o", "jsonpath={.metadata.deletionTimestamp}")
    assert "timed out" in kubectl.fails("delete configmap book --timeout 1s")
    kubectl("patch configmap book --type merge -p", '{"metadata": {"finalizers": null}}')
    kubectl.cluster.until(lambda: not kubectl("get configmap book --ignore-not-found"))


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_a_deletion_takes_dependants_along_or_leaves_them(kubectl: Kubectl, cascade: str) -> None:
    kubectl.create(deployment())
    kubectl("wait --for condition=Available deployment/web --timeout 30s")
    kubectl(f"delete deployment web --cascade={cascade}")
    if cascade == "orphan":
        rows = kubectl.rows("get replicasets --no-headers")
        assert [row[1:4] for row in rows] == [["2", "2", "2"]]
        assert kubectl("get rs -o", "jsonpath={..ownerReferences}") == ""
    elif cascade == "foreground":
        assert "No resources found" in kubectl("get replicasets,pods")
    else:
        kubectl.cluster.until(lambda: kubectl("get replicasets,pods -o name") == "")


def test_everything_of_a_kind_is_deleted(kubectl: Kubectl) -> None:
    kubectl.create(config_map("one"), config_map("two"))
    told = kubectl("delete configmaps --all")
    assert told.count("deleted") >= 2
    assert kubectl("get configmaps -l part=one -o name") == ""


def test_labels_and_annotations_are_set_and_taken_away(kubectl: Kubectl) -> None:
    kubectl.create(config_map())
    assert kubectl("label cm book tier=front") == "configmap/book labeled\n"
    assert "already has a value (front), and --overwrite is false" in kubectl.fails(
        "label cm book tier=back"
    )
    kubectl("label cm book tier=back --overwrite")
    assert kubectl("get cm -l tier=back -o name") == "configmap/book\n"
    kubectl("label configmaps --all tier-")
    assert kubectl("get cm -l tier -o name") == ""
    assert kubectl("annotate cm book note=hello") == "configmap/book annotated\n"
    assert kubectl("get cm book -o", "jsonpath={.metadata.annotations.note}") == "hello"
    kubectl("annotate cm book note-")
    assert kubectl("get cm book -o", "jsonpath={.metadata.annotations}") == ""


def test_parts_of_a_template_are_set(kubectl: Kubectl) -> None:
    kubectl.create(deployment(), config_map())
    updated = "deployment.apps/web {} updated\n"
    assert kubectl("set image deployment/web web=web:2") == updated.format("image")
    assert kubectl("set env deployment/web COLOUR=blue") == updated.format("env")
    assert kubectl("set env deployment/web --list").splitlines()[1:] == ["COLOUR=blue"]
    assert "env updated" in kubectl("set env deployment/web --from configmap/book")
    assert "env updated" in kubectl("set env deployment/web COLOUR-")
    limits = "set resources deployment/web --limits cpu=200m,memory=64Mi --requests cpu=100m"
    assert kubectl(limits) == updated.format("resource requirements")
    assert kubectl("set serviceaccount deployment/web bot") == updated.format("serviceaccount")
    template = json.loads(kubectl("get deploy web -o", "jsonpath={.spec.template.spec}"))
    assert template["serviceAccountName"] == "bot"
    container = template["containers"][0]
    assert container["image"] == "web:2"
    assert container["resources"]["limits"] == {"cpu": "200m", "memory": "64Mi"}
    assert [each["name"] for each in container["env"]] == ["PAGE"]


def test_selectors_and_subjects_are_set(kubectl: Kubectl) -> None:
    kubectl("create service clusterip web --tcp 80:80")
    assert kubectl("set selector service/web part=one") == "service/web selector updated\n"
    kubectl("create rolebinding readers --clusterrole view --user jane")
    kubectl("set subject rolebinding readers --user joe")
    names = kubectl("get rolebinding readers -o", "jsonpath={.subjects[*].name}")
    assert names.split() == ["jane", "joe"]


def test_a_workload_is_scaled_if_it_is_as_expected(kubectl: Kubectl) -> None:
    kubectl.create(deployment(replicas=1))
    assert "Expected replicas to be 9, was 1" in kubectl.fails(
        "scale deployment/web --current-replicas 9 --replicas 2"
    )
    assert kubectl("scale deployment/web --replicas 2") == "deployment.apps/web scaled\n"
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == "2"


def test_a_workload_is_given_to_an_autoscaler(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    told = kubectl("autoscale deployment web --min 2 --max 5 --cpu-percent 60")
    assert told == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    _, row = kubectl.rows("get hpa web")
    assert row[:2] == ["web", "Deployment/web"] and "2" in row and "5" in row


def test_raw_paths_are_created_replaced_and_deleted(kubectl: Kubectl) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/configmaps"
    made = json.loads(kubectl(f"create --raw {path} -f -", stdin=json.dumps(config_map())))
    made["data"] = {"page": "9"}
    kubectl(f"replace --raw {path}/book -f -", stdin=json.dumps(made))
    assert json.loads(kubectl(f"get --raw {path}/book"))["data"] == {"page": "9"}
    assert json.loads(kubectl(f"delete --raw {path}/book"))["status"] == "Success"
