from __future__ import annotations

import pytest

from tests.kubesim.refusals import GONE, Case, accepted, edited, said

_LABELS = "spec.template.metadata.labels"
_UPDATABLE = (
    "spec: Forbidden: pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_STATEFUL = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
    "'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)

CASES = [
    Case(
        "an object keeps its name",
        "ConfigMap",
        {"metadata.name": "other", "metadata.namespace": "else"},
        (
            'metadata.name: Invalid value: "other": field is immutable',
            'metadata.namespace: Invalid value: "else": field is immutable',
            'metadata.name: Invalid value: "other": field is immutable',
            'metadata.namespace: Invalid value: "else": field is immutable',
        ),
        {"metadata.labels": {"app": "web"}},
    ),
    Case(
        "an object keeps what the server gave it",
        "Job",
        {"metadata.uid": "2"},
        (
            'metadata.uid: Invalid value: "2": field is immutable',
            'metadata.uid: Invalid value: "2": field is immutable',
        ),
        {"metadata.uid": GONE},
    ),
    Case(
        "labels are checked on every update",
        "Namespace",
        {"metadata.labels": {"a": "-"}},
        (
            'metadata.labels: Invalid value: "-": a valid label must be an empty string or '
            "consist of alphanumeric characters, '-', '_' or '.', and must start and end "
            "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
            "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            'metadata.labels: Invalid value: "-": a valid label must be an empty string or '
            "consist of alphanumeric characters, '-', '_' or '.', and must start and end "
            "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
            "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            'metadata.labels: Invalid value: "-": a valid label must be an empty string or '
            "consist of alphanumeric characters, '-', '_' or '.', and must start and end "
            "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
            "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ),
    Case(
        "a Deployment keeps its selector",
        "Deployment",
        {"spec.selector.matchLabels": {"app": "api"}, f"{_LABELS}.app": "api"},
        ('spec.selector: Invalid value: {"matchLabels":{"app":"api"}}: field is immutable',),
        {"spec.replicas": 5, "spec.template.spec.containers[0].image": "shop:2"},
    ),
    Case(
        "a ReplicaSet keeps its selector",
        "ReplicaSet",
        {"spec.selector.matchLabels": {"app": "api"}, f"{_LABELS}.app": "api"},
        ('spec.selector: Invalid value: {"matchLabels":{"app":"api"}}: field is immutable',),
    ),
    Case(
        "a DaemonSet keeps its selector",
        "DaemonSet",
        {"spec.selector.matchLabels": {"app": "api"}, f"{_LABELS}.app": "api"},
        ('spec.selector: Invalid value: {"matchLabels":{"app":"api"}}: field is immutable',),
    ),
    Case(
        "a StatefulSet keeps what its pods bear traces of",
        "StatefulSet",
        {"spec.serviceName": "db2"},
        (_STATEFUL,),
        {"spec.replicas": 3, "spec.revisionHistoryLimit": 3, "spec.minReadySeconds": 1},
    ),
    Case(
        "a StatefulSet keeps its claims",
        "StatefulSet",
        {"spec.volumeClaimTemplates[0].spec.resources.requests.storage": "2Gi"},
        (_STATEFUL,),
        {"spec.template.spec.containers[0].image": "db:2"},
    ),
    Case(
        "a revision keeps its data",
        "ControllerRevision",
        {"data": {}},
        ("data: Invalid value: {}: field is immutable",),
        {"revision": 2},
    ),
    Case(
        "a Job keeps what it runs",
        "Job",
        {"spec.template.spec.containers[0].image": "task:2"},
        ("spec.template.spec: Invalid value: ",),
        {"spec.parallelism": 3, "spec.suspend": True},
    ),
    Case(
        "a Job keeps how often it runs",
        "Job",
        {"spec.completions": 2},
        ("spec.completions: Invalid value: 2: field is immutable",),
    ),
    Case(
        "a pod keeps nearly everything",
        "Pod",
        {"spec.containers[0].env": [], "spec.hostname": "x"},
        (f"{_UPDATABLE}\n@@ -",),
        {"spec.containers[0].image": "shop:2", "spec.activeDeadlineSeconds": 60},
    ),
    Case(
        "a pod keeps its number of containers",
        "Pod",
        {
            "spec.containers[1]": {
                "name": "two",
                "image": "x",
                "imagePullPolicy": "Always",
                "terminationMessagePolicy": "File",
            }
        },
        ("spec.containers: Forbidden: pod updates may not add or remove containers",),
    ),
    Case(
        "a pod learns to tolerate more",
        "Pod",
        {"spec.tolerations": []},
        (
            "spec.tolerations: Forbidden: existing toleration can not be modified except its "
            "tolerationSeconds",
        ),
        {"spec.tolerations[1]": {"key": "disk", "operator": "Exists"}},
    ),
    Case(
        "a claim that is not bound keeps its size",
        "PersistentVolumeClaim",
        {"spec.resources.requests.storage": "2Gi"},
        (
            "spec: Forbidden: spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims\n@@ -6,7 +6,7 @@\n"
            '  "Resources": {\n   "Limits": null,\n   "Requests": {\n'
            '-   "storage": "1Gi"\n+   "storage": "2Gi"\n   }\n  },\n',
        ),
        {"spec.volumeName": "pv-1", "spec.storageClassName": "fast"},
    ),
    Case(
        "a volume keeps its place",
        "PersistentVolume",
        {"spec.hostPath.path": "/other"},
        (
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable "
            "after creation",
        ),
        {"spec.persistentVolumeReclaimPolicy": "Delete"},
    ),
    Case(
        "a StorageClass keeps how it provisions",
        "StorageClass",
        {
            "parameters": {"type": "slow"},
            "provisioner": "example.com/tapes",
            "reclaimPolicy": "Retain",
        },
        (
            'provisioner: Invalid value: "example.com/tapes": field is immutable',
            "parameters: Forbidden: updates to parameters are forbidden.",
            "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
        ),
        {"allowVolumeExpansion": True},
    ),
    Case(
        "a binding keeps its role",
        "RoleBinding",
        {"roleRef.name": "writer"},
        (
            'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role",'
            '"Name":"writer"}: cannot change roleRef',
        ),
        {"subjects": []},
    ),
    Case(
        "a cluster-wide binding keeps its role",
        "ClusterRoleBinding",
        {"roleRef.name": "writer"},
        (
            'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io",'
            '"Kind":"ClusterRole","Name":"writer"}: cannot change roleRef',
        ),
    ),
    Case(
        "a Secret keeps its type",
        "Secret",
        {"type": "example.com/mine"},
        ('type: Invalid value: "example.com/mine": field is immutable',),
        {"data": {"password": "b3RoZXI="}},
    ),
    Case(
        "a Node keeps its addresses and its provider's name",
        "Node",
        {"spec.podCIDRs": ["10.245.0.0/24"], "spec.providerID": "kind://two"},
        (
            'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
            'spec.providerID: Forbidden: node updates may not change providerID except from "" to '
            "valid",
        ),
        {"spec.unschedulable": True},
    ),
    Case(
        "a quota keeps its scopes",
        "ResourceQuota",
        {"spec.scopes": ["NotBestEffort"]},
        ('spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable',),
        {"spec.hard": {"pods": "10"}},
    ),
    Case(
        "a PriorityClass keeps its weight",
        "PriorityClass",
        {"value": 1, "preemptionPolicy": "Never"},
        (
            "value: Forbidden: may not be changed in an update.",
            'preemptionPolicy: Invalid value: "Never": field is immutable',
        ),
        {"description": "ordinary"},
    ),
    Case(
        "an IngressClass keeps its controller",
        "IngressClass",
        {"spec.controller": "example.com/other"},
        ('spec.controller: Invalid value: "example.com/other": field is immutable',),
    ),
    Case(
        "a slice keeps the type of its addresses",
        "EndpointSlice",
        {"addressType": "FQDN", "endpoints": []},
        ('addressType: Invalid value: "FQDN": field is immutable',),
        {"endpoints": []},
    ),
    Case(
        "a definition keeps what it defines",
        "CustomResourceDefinition",
        {"spec.group": "example.org", "spec.names.plural": "things"},
        (
            'spec.group: Invalid value: "example.org": field is immutable',
            'spec.names.plural: Invalid value: "things": field is immutable',
        ),
        {"spec.names.shortNames": ["a"]},
    ),
    Case(
        "an indexed Job grows along with its parallelism",
        "Job",
        {"spec.completionMode": "Indexed", "spec.completions": 3},
        (
            "spec.completions: Invalid value: 3: can only be modified in tandem with "
            "spec.parallelism",
            'spec.completionMode: Invalid value: "Indexed": field is immutable',
        ),
    ),
    Case(
        "a volume keeps its mode",
        "PersistentVolume",
        {"spec.volumeMode": "Block"},
        ('volumeMode: Invalid value: "Block": field is immutable',),
        {"spec.claimRef": {"name": "data"}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_changed_object_keeps_the_rule(case: Case) -> None:
    case.check_update()


def test_an_object_that_is_being_deleted_gets_no_new_finalizers() -> None:
    old = edited(
        accepted("ConfigMap"),
        {"metadata.deletionTimestamp": "2026-01-05T09:00:00Z", "metadata.finalizers": ["a.io/x"]},
    )
    added = edited(old, {"metadata.finalizers": ["a.io/x", "a.io/y"]})
    assert list(dict.fromkeys(said(added, old))) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"a.io/y"}'
    ]
    assert said(edited(old, {"metadata.finalizers": []}), old) == []


def test_a_generation_does_not_go_back() -> None:
    old = edited(accepted("Deployment"), {"metadata.generation": 2})
    assert list(dict.fromkeys(said(edited(old, {"metadata.generation": 1}), old))) == [
        "metadata.generation: Invalid value: 1: must not be decremented"
    ]
    assert said(edited(old, {"metadata.generation": 3}), old) == []


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_marked_immutable_stays(kind: str) -> None:
    old = edited(accepted(kind), {"immutable": True})
    detail = "Forbidden: field is immutable when `immutable` is set"
    assert said(edited(old, {"data": {}}), old) == [f"data: {detail}"]
    assert said(edited(old, {"immutable": GONE}), old) == [f"immutable: {detail}"]
    assert said(edited(old, {"metadata.labels": {"app": "web"}}), old) == []


def test_a_bound_claim_grows_and_does_not_shrink_below_what_it_has() -> None:
    old = edited(
        accepted("PersistentVolumeClaim"),
        {
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
            "spec.resources.requests.storage": "2Gi",
            "spec.volumeName": "pv-1",
        },
    )
    size = "spec.resources.requests.storage"
    assert said(edited(old, {size: "3Gi"}), old) == []
    assert said(edited(old, {size: "1536Mi"}), old) == []  # an expansion that failed
    assert said(edited(old, {size: "1Gi"}), old) == [
        f"{size}: Forbidden: field can not be less than status.capacity"
    ]
    [told] = said(edited(old, {"spec.volumeName": "pv-2"}), old)
    assert '\n- "VolumeName": "pv-1",\n+ "VolumeName": "pv-2",\n' in told


def test_a_service_keeps_its_address_unless_it_gives_it_up() -> None:
    ip = {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.1"]}
    old = edited(accepted("Service"), ip)
    other = edited(old, {"spec.clusterIP": "10.0.0.2", "spec.clusterIPs": ["10.0.0.2"]})
    assert said(other, old) == [
        'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'
    ]
    unset = edited(old, {"spec.clusterIP": GONE, "spec.clusterIPs": GONE})
    assert said(unset, old) == [
        "spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"
    ]
    external = edited(
        old,
        {"spec": {"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None"}},
    )
    assert said(external, old) == []
    assert said(old, external) == []
    assert said(edited(old, {"spec.ports[0].port": 81}), old) == []


def test_a_suspended_job_may_be_sent_elsewhere_until_it_starts() -> None:
    old = edited(accepted("Job"), {"spec.suspend": True})
    moved = edited(old, {"spec.template.spec.nodeSelector": {"zone": "a"}})
    assert said(moved, old) == []
    started = edited(old, {"status": {"startTime": "2026-01-05T09:00:00Z"}})
    assert said(moved, started)[0].startswith("spec.template.spec: Invalid value: ")


def test_a_pods_deadline_comes_nearer_only() -> None:
    old = edited(accepted("Pod"), {"spec.activeDeadlineSeconds": 60})
    path = "spec.activeDeadlineSeconds"
    assert said(edited(old, {path: 30}), old) == []
    assert said(edited(old, {path: 90}), old) == [
        f"{path}: Invalid value: 90: must be less than or equal to previous value"
    ]
    assert said(edited(old, {path: GONE}), old) == [
        f"{path}: Invalid value: null: must not update from a positive integer to nil value"
    ]


def test_a_waiting_pod_loses_gates_and_learns_where_to_go() -> None:
    old = edited(accepted("Pod"), {"spec.schedulingGates": [{"name": "a"}]})
    free = edited(old, {"spec.schedulingGates": [], "spec.nodeSelector": {"zone": "a"}})
    assert said(free, old) == []
    assert said(edited(old, {"spec.schedulingGates": [{"name": "b"}]}), old) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new "
        "scheduling gate 'b'"
    ]


def test_an_established_definition_keeps_its_kind_and_scope() -> None:
    fresh = accepted("CustomResourceDefinition")
    ready = [{"type": "Established", "status": "True"}]
    old = edited(fresh, {"status.conditions": ready})
    change = edited(old, {"spec.scope": "Cluster", "spec.names.kind": "Thing"})
    assert said(change, fresh) == []
    assert said(change, old) == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Thing": field is immutable',
    ]


def test_a_second_address_comes_and_goes_and_does_not_change() -> None:
    one = {
        "spec.clusterIP": "10.0.0.1",
        "spec.clusterIPs": ["10.0.0.1"],
        "spec.ipFamilies": ["IPv4"],
        "spec.ipFamilyPolicy": "SingleStack",
    }
    two = {"spec.clusterIPs": ["10.0.0.1", "fd00::1"], "spec.ipFamilies": ["IPv4", "IPv6"]}
    single = edited(accepted("Service"), one)
    dual = edited(single, {**two, "spec.ipFamilyPolicy": "PreferDualStack"})
    assert said(dual, single) == []
    assert said(single, dual) == []
    assert said(edited(single, {"spec.ipFamilyPolicy": "PreferDualStack"}), dual) == [
        "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' "
        "when releasing the secondary clusterIP"
    ]
    assert said(edited(dual, {"spec.clusterIPs[1]": "fd00::2"}), dual) == [
        'spec.clusterIPs[1]: Invalid value: ["10.0.0.1","fd00::2"]: may not change once set'
    ]
    assert said(edited(single, {"spec.ipFamilies": ["IPv6"]}), single) == [
        'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set'
    ]


def test_a_headless_service_stays_headless() -> None:
    headless = edited(accepted("Service"), {"spec.clusterIP": "None", "spec.clusterIPs": ["None"]})
    assert said(edited(headless, {"spec.ports": []}), headless) == []
    given = edited(headless, {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.1"]})
    assert said(given, headless) == [
        'spec.clusterIPs[0]: Invalid value: ["10.0.0.1"]: may not change once set'
    ]


def test_a_load_balancer_keeps_its_class() -> None:
    old = edited(
        accepted("Service"),
        {
            "spec.type": "LoadBalancer",
            "spec.externalTrafficPolicy": "Local",
            "spec.healthCheckNodePort": 30000,
            "spec.loadBalancerClass": "example.com/a",
            "spec.loadBalancerSourceRanges": [" 10.0.0.0/8 "],
        },
    )
    assert said(old) == []
    assert said(edited(old, {"spec.loadBalancerClass": "example.com/b"}), old) == [
        'spec.loadBalancerClass: Invalid value: "example.com/b": may not change once set'
    ]
    assert said(edited(old, {"spec.loadBalancerSourceRanges": []}), old) == []


def test_a_pod_that_was_to_end_at_once_may_take_a_second() -> None:
    path = "spec.terminationGracePeriodSeconds"
    old = edited(accepted("Pod"), {path: -1})
    assert said(edited(old, {path: 1}), old) == []
    assert said(edited(old, {path: 2}), old) != []
