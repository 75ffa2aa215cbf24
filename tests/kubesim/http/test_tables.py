"""What `kubectl get` shows of each kind, and of custom resources."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from kubesim.http.columns.column import human_duration
from kubesim.http.columns.custom import find
from kubesim.http.tables import partial_metadata, table
from kubesim.resources import Registry, Resource
from kubesim.schema import builtin

REGISTRY = Registry.builtin()
NOW = EPOCH + 1_000_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def ago(seconds: float) -> str:
    return timestamp(NOW - seconds)


def an_object(api_version: str, kind: str, **content: Any) -> Object:
    metadata = {"name": "x", "creationTimestamp": ago(90), **content.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def shown(obj: Object) -> dict[str, Any]:
    """An object's row, by heading."""
    resource = REGISTRY.by_kind(obj["apiVersion"], obj["kind"])
    made = table(resource, [obj], now=NOW)
    headings = [column["name"] for column in made["columnDefinitions"]]
    return dict(zip(headings, made["rows"][0]["cells"], strict=True))


# The table itself


def test_a_row_comes_with_the_metadata_of_its_object() -> None:
    obj = an_object("v1", "ConfigMap", data={"a": "b"})
    made = table(REGISTRY.by_kind("v1", "ConfigMap"), [obj], now=NOW)
    assert (made["kind"], made["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert made["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def test_a_row_comes_with_as_much_of_its_object_as_is_asked_for() -> None:
    obj = an_object("v1", "ConfigMap", data={"a": "b"})
    resource = REGISTRY.by_kind("v1", "ConfigMap")
    assert table(resource, [obj], now=NOW, include="None")["rows"][0]["object"] is None
    assert table(resource, [obj], now=NOW, include="Object")["rows"][0]["object"] == obj


def test_a_table_without_rows_has_its_columns_and_its_place_in_the_list() -> None:
    place = {"resourceVersion": "7"}
    made = table(REGISTRY.by_kind("v1", "Pod"), [], now=NOW, metadata=place)
    assert made["rows"] == [] and made["columnDefinitions"] and made["metadata"] == place


def test_partial_metadata_has_nothing_but_the_metadata() -> None:
    obj = an_object("v1", "Secret", data={"a": "c2VjcmV0"})
    assert "secret" not in str(partial_metadata(obj)) and "data" not in partial_metadata(obj)


# Columns, as in pkg/printers/internalversion; those in parentheses are for -o wide

COLUMNS = {
    ("v1", "Pod"): "Name Ready Status Restarts Age (IP) (Node) (Nominated_Node) (Readiness_Gates)",
    ("v1", "ReplicationController"): "Name Desired Current Ready Age (Containers) (Images) "
    "(Selector)",
    ("v1", "Service"): "Name Type Cluster-IP External-IP Port(s) Age (Selector)",
    ("v1", "Endpoints"): "Name Endpoints Age",
    ("v1", "Node"): "Name Status Roles Age Version (Internal-IP) (External-IP) (OS-Image) "
    "(Kernel-Version) (Container-Runtime)",
    ("v1", "Namespace"): "Name Status Age",
    ("v1", "Event"): "Last_Seen Type Reason Object (Subobject) (Source) Message (First_Seen) "
    "(Count) (Name)",
    ("events.k8s.io/v1", "Event"): "Last_Seen Type Reason Object (Subobject) (Source) Message "
    "(First_Seen) (Count) (Name)",
    ("v1", "ComponentStatus"): "Name Status Message Error",
    ("v1", "ConfigMap"): "Name Data Age",
    ("v1", "Secret"): "Name Type Data Age",
    ("v1", "ServiceAccount"): "Name Age",
    ("v1", "PersistentVolume"): "Name Capacity Access_Modes Reclaim_Policy Status Claim "
    "StorageClass VolumeAttributesClass Reason Age (VolumeMode)",
    ("v1", "PersistentVolumeClaim"): "Name Status Volume Capacity Access_Modes StorageClass "
    "VolumeAttributesClass Age (VolumeMode)",
    ("v1", "ResourceQuota"): "Name Request Limit Age",
    ("v1", "LimitRange"): "Name Created_At",
    ("v1", "PodTemplate"): "Name Containers Images Pod_Labels",
    ("apps/v1", "Deployment"): "Name Ready Up-to-date Available Age (Containers) (Images) "
    "(Selector)",
    ("apps/v1", "ReplicaSet"): "Name Desired Current Ready Age (Containers) (Images) (Selector)",
    ("apps/v1", "StatefulSet"): "Name Ready Age (Containers) (Images)",
    ("apps/v1", "DaemonSet"): "Name Desired Current Ready Up-to-date Available Node_Selector Age "
    "(Containers) (Images) (Selector)",
    ("apps/v1", "ControllerRevision"): "Name Controller Revision Age",
    ("batch/v1", "Job"): "Name Status Completions Duration Age (Containers) (Images) (Selector)",
    ("batch/v1", "CronJob"): "Name Schedule Timezone Suspend Active Last_Schedule Age "
    "(Containers) (Images) (Selector)",
    ("autoscaling/v1", "HorizontalPodAutoscaler"): "Name Reference Targets MinPods MaxPods "
    "Replicas Age",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "Name Reference Targets MinPods MaxPods "
    "Replicas Age",
    ("policy/v1", "PodDisruptionBudget"): "Name Min_Available Max_Unavailable "
    "Allowed_Disruptions Age",
    ("networking.k8s.io/v1", "Ingress"): "Name Class Hosts Address Ports Age",
    ("networking.k8s.io/v1", "IngressClass"): "Name Controller Parameters Age",
    ("networking.k8s.io/v1", "NetworkPolicy"): "Name Pod-Selector Age",
    ("discovery.k8s.io/v1", "EndpointSlice"): "Name AddressType Ports Endpoints Age",
    ("rbac.authorization.k8s.io/v1", "Role"): "Name Created_At",
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): "Name Created_At",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "Name Role Age (Users) (Groups) "
    "(ServiceAccounts)",
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): "Name Role Age (Users) (Groups) "
    "(ServiceAccounts)",
    ("storage.k8s.io/v1", "StorageClass"): "Name Provisioner ReclaimPolicy VolumeBindingMode "
    "AllowVolumeExpansion Age",
    ("scheduling.k8s.io/v1", "PriorityClass"): "Name Value Global-Default Age PreemptionPolicy",
    ("coordination.k8s.io/v1", "Lease"): "Name Holder Age",
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): "Name Created_At",
    ("apiregistration.k8s.io/v1", "APIService"): "Name Service Available Age",
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): "Name Webhooks Age",
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): "Name Webhooks Age",
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): "Name Validations "
    "ParamKind Age",
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"): "Name PolicyName "
    "ParamRef Age",
}


@pytest.mark.parametrize(("api_version", "kind"), COLUMNS)
def test_a_kind_has_the_columns_of_the_real_thing(api_version: str, kind: str) -> None:
    definitions = table(REGISTRY.by_kind(api_version, kind), [], now=NOW)["columnDefinitions"]
    found = [f"({each['name']})" if each["priority"] else each["name"] for each in definitions]
    assert [each.replace(" ", "_") for each in found] == COLUMNS[api_version, kind].split()


REQUIRED: dict[str, dict[str, Any]] = {
    "HorizontalPodAutoscaler": {"spec": {"scaleTargetRef": {"kind": "K", "name": "n"}}},
    "Pod": {"spec": {"containers": []}},
    "RoleBinding": {"roleRef": {"kind": "K", "name": "n"}},
    "ClusterRoleBinding": {"roleRef": {"kind": "K", "name": "n"}},
    "Service": {"spec": {}},
}


@pytest.mark.parametrize(
    "resource",
    [each for each in REGISTRY.all() if "list" in each.verbs],
    ids=lambda each: f"{each.api_version}-{each.kind}",
)
def test_an_object_that_says_no_more_than_it_must_is_shown(resource: Resource) -> None:
    obj = an_object(resource.api_version, resource.kind, **REQUIRED.get(resource.kind, {}))
    row = shown(obj)
    assert row["Name"] == "x"
    for cell in row.values():
        assert isinstance(cell, str | int)


def test_every_path_that_a_column_reads_exists() -> None:
    """A column that looks in the wrong place would show nothing for ever."""
    for resource in REGISTRY.all():
        if "list" in resource.verbs:
            node = builtin().node(resource.api_version, resource.kind)
            assert node is not None
            obj = _full(node, 0)
            obj |= {"apiVersion": resource.api_version, "kind": resource.kind}
            obj["metadata"] = {"name": "x", "creationTimestamp": ago(90)}
            blank = [
                heading
                for heading, cell in shown(obj).items()
                if cell in ("", "<none>", "<unset>", "<unknown>", "N/A", 0)
            ]
            assert set(blank) <= MAY_BE_BLANK.get(resource.kind, set()), resource.kind


MAY_BE_BLANK = {
    # shown for some values only
    "ComponentStatus": {"Message", "Error"},
    "APIService": {"Available"},
    "ClusterRoleBinding": {"Users", "Groups", "ServiceAccounts"},
    "ControllerRevision": {"Controller"},
    "HorizontalPodAutoscaler": {"Targets"},
    "Node": {"Roles", "Internal-IP", "External-IP"},
    "ResourceQuota": {"Request", "Limit"},
    "PersistentVolume": {"Access Modes"},
    "PersistentVolumeClaim": {"Access Modes"},
    "RoleBinding": {"Users", "Groups", "ServiceAccounts"},
    "Service": {"External-IP"},
}


def _full(node: Any, depth: int) -> Any:
    """An object that has every field."""
    match node.kind:
        case "struct":
            if depth > 9:
                return {}
            full = {name: _full(each, depth + 1) for name, each in node.fields.items()}
            return full | ({"operator": "In"} if "operator" in full else {})
        case "map":
            return {"key": _full(node.item, depth + 1)}
        case "list":
            return [_full(node.item, depth + 1)]
        case "any":
            return {}
    if node.type == "date-time":
        return ago(90)
    return {"integer": 7, "boolean": True, "number": 1.5, "int-or-string": 7}.get(node.type, "text")


# Durations


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (7 * HOUR + 30 * MINUTE, "7h30m"),
        (8 * HOUR + 30 * MINUTE, "8h"),
        (48 * HOUR - 1, "47h"),
        (48 * HOUR, "2d"),
        (2 * DAY + 3 * HOUR, "2d3h"),
        (8 * DAY, "8d"),
        (729 * DAY, "729d"),
        (730 * DAY, "2y"),
        (731 * DAY, "2y1d"),
        (8 * 365 * DAY, "8y"),
    ],
)
def test_a_duration_is_told_the_coarser_the_longer_it_is(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@settings(max_examples=200)
@given(st.integers(min_value=0, max_value=20 * 365 * DAY))
def test_a_duration_is_right_within_a_tenth_or_so(seconds: int) -> None:
    units = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "y": 365 * DAY}
    told, number = 0, ""
    for letter in human_duration(seconds):
        if letter.isdigit():
            number += letter
        else:
            told, number = told + int(number) * units[letter], ""
    assert told <= seconds < told + max(1, seconds / 8)


# Pods


def pod(**status: Any) -> Object:
    spec = {"containers": [{"name": "web"}, {"name": "log"}], **status.pop("spec", {})}
    metadata = status.pop("metadata", {})
    return an_object("v1", "Pod", metadata=metadata, spec=spec, status=status)


def container(name: str = "web", restarts: int = 0, **content: Any) -> Object:
    state = {
        key: content.pop(key) for key in ("waiting", "running", "terminated") if key in content
    }
    return {"name": name, "state": state, "restartCount": restarts, **content}


def up(name: str = "web", **content: Any) -> Object:
    return container(name, running={}, ready=True, **content)


def waits(reason: str, name: str = "web", restarts: int = 0) -> Object:
    return container(name, restarts, waiting={"reason": reason}, ready=False)


def ended(code: int, reason: str = "", name: str = "web", **content: Any) -> Object:
    terminated = {"exitCode": code, **({"reason": reason} if reason else {}), **content}
    return container(name, terminated=terminated)


def condition(type_: str, status: str = "True", reason: str = "") -> Object:
    return {"type": type_, "status": status, **({"reason": reason} if reason else {})}


GATED = [condition("PodScheduled", "False", "SchedulingGated")]
READY = [condition("Ready")]
TWO = {"initContainers": [{"name": "one"}, {"name": "two"}]}
SIDECAR = {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("made", "ready", "status"),
    [
        (pod(phase="Pending"), "0/2", "Pending"),
        (pod(phase="Pending", conditions=GATED), "0/2", "SchedulingGated"),
        (
            pod(phase="Pending", containerStatuses=[waits("ContainerCreating")]),
            "0/2",
            "ContainerCreating",
        ),
        (pod(phase="Pending", containerStatuses=[waits("ErrImagePull")]), "0/2", "ErrImagePull"),
        (
            pod(phase="Running", containerStatuses=[waits("CrashLoopBackOff"), up("log")]),
            "1/2",
            "CrashLoopBackOff",
        ),
        (pod(phase="Running", containerStatuses=[up(), up("log")]), "2/2", "Running"),
        (
            pod(phase="Running", containerStatuses=[ended(1, "Error"), up("log")]),
            "1/2",
            "Error",
        ),
        (
            pod(
                phase="Running",
                conditions=READY,
                containerStatuses=[ended(0, "Completed"), up("log")],
            ),
            "1/2",
            "Running",
        ),
        (
            pod(phase="Running", containerStatuses=[ended(0, "Completed"), up("log")]),
            "1/2",
            "NotReady",
        ),
        (pod(phase="Succeeded", containerStatuses=[ended(0, "Completed")]), "0/2", "Completed"),
        (pod(phase="Failed", containerStatuses=[ended(3)]), "0/2", "ExitCode:3"),
        (pod(phase="Failed", containerStatuses=[ended(137, signal=9)]), "0/2", "Signal:9"),
        (pod(phase="Failed", reason="Evicted"), "0/2", "Evicted"),
        (
            pod(
                phase="Running",
                metadata={"deletionTimestamp": ago(1)},
                containerStatuses=[up(), up("log")],
            ),
            "2/2",
            "Terminating",
        ),
        (
            pod(
                phase="Succeeded",
                metadata={"deletionTimestamp": ago(1)},
                containerStatuses=[ended(0, "Completed")],
            ),
            "0/2",
            "Completed",
        ),
        (
            pod(phase="Running", reason="NodeLost", metadata={"deletionTimestamp": ago(1)}),
            "0/2",
            "Unknown",
        ),
        (
            pod(
                phase="Pending",
                spec=TWO,
                initContainerStatuses=[ended(0, "Completed", "one"), container("two", running={})],
                containerStatuses=[waits("PodInitializing")],
            ),
            "0/2",
            "Init:1/2",
        ),
        (
            pod(
                phase="Pending",
                spec=TWO,
                initContainerStatuses=[waits("PodInitializing", "one")],
            ),
            "0/2",
            "Init:0/2",
        ),
        (
            pod(
                phase="Pending",
                spec=TWO,
                initContainerStatuses=[waits("CrashLoopBackOff", "one", 2)],
                containerStatuses=[waits("PodInitializing")],
            ),
            "0/2",
            "Init:CrashLoopBackOff",
        ),
        (
            pod(phase="Pending", spec=TWO, initContainerStatuses=[ended(1, "Error", "one")]),
            "0/2",
            "Init:Error",
        ),
        (
            pod(phase="Pending", spec=TWO, initContainerStatuses=[ended(2, name="one")]),
            "0/2",
            "Init:ExitCode:2",
        ),
        (
            pod(
                phase="Running",
                spec=SIDECAR,
                initContainerStatuses=[up("proxy", started=True)],
                containerStatuses=[up(), up("log")],
            ),
            "3/3",
            "Running",
        ),
    ],
)
def test_a_pod_is_summed_up_in_one_word(made: Object, ready: str, status: str) -> None:
    row = shown(made)
    assert (row["Ready"], row["Status"]) == (ready, status)


def restarted(name: str, restarts: int, seconds: float) -> Object:
    last = {"terminated": {"exitCode": 1, "finishedAt": ago(seconds)}}
    return up(name, restarts=restarts, lastState=last)


def test_restarts_are_counted_and_the_last_is_told() -> None:
    assert shown(pod(phase="Running", containerStatuses=[up()]))["Restarts"] == "0"
    many = [restarted("web", 2, 300), restarted("log", 1, 125)]
    assert shown(pod(phase="Running", containerStatuses=many))["Restarts"] == "3 (2m5s ago)"


def test_restarts_of_init_containers_count_until_the_pod_runs() -> None:
    first = waits("CrashLoopBackOff", "one", 4)
    assert shown(pod(phase="Pending", spec=TWO, initContainerStatuses=[first]))["Restarts"] == "4"
    done = [{**ended(0, "Completed", name), "restartCount": 4} for name in ("one", "two")]
    made = pod(phase="Running", spec=TWO, initContainerStatuses=done, containerStatuses=[up()])
    assert shown(made)["Restarts"] == "0"


def test_restarts_of_a_sidecar_always_count() -> None:
    made = pod(
        phase="Running",
        spec=SIDECAR,
        initContainerStatuses=[restarted("proxy", 2, 60) | {"started": True}],
        containerStatuses=[up(), up("log")],
    )
    assert shown(made)["Restarts"] == "2 (60s ago)"


def test_a_pod_that_has_ended_says_so_in_its_row() -> None:
    resource = REGISTRY.by_kind("v1", "Pod")
    rows = table(
        resource, [pod(phase="Succeeded"), pod(phase="Failed"), pod(phase="Running")], now=NOW
    )["rows"]
    assert [each["reason"] for row in rows for each in row.get("conditions", ())] == [
        "Succeeded",
        "Failed",
    ]
    assert "conditions" not in rows[2]


def test_readiness_gates_are_counted() -> None:
    gates = {"readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    made = pod(phase="Running", spec=gates, conditions=[condition("b")])
    assert shown(made)["Readiness Gates"] == "1/2"


# Other kinds


@pytest.mark.parametrize(
    ("spec", "status", "wanted"),
    [
        ({"completions": 3}, {"succeeded": 1}, ("Running", "1/3")),
        ({"parallelism": 2}, {}, ("Running", "0/1 of 2")),
        ({"completions": 1}, {"conditions": [condition("Complete")]}, ("Complete", "0/1")),
        ({"completions": 1}, {"conditions": [condition("Failed")]}, ("Failed", "0/1")),
        ({"completions": 1}, {"conditions": [condition("Suspended")]}, ("Suspended", "0/1")),
        ({"completions": 1}, {"conditions": [condition("Failed", "False")]}, ("Running", "0/1")),
    ],
)
def test_a_job_tells_how_far_it_is(spec: Object, status: Object, wanted: tuple[str, str]) -> None:
    row = shown(an_object("batch/v1", "Job", spec=spec, status=status))
    assert (row["Status"], row["Completions"]) == wanted


def test_a_job_takes_time_until_it_is_complete() -> None:
    def duration(**status: Any) -> Any:
        return shown(an_object("batch/v1", "Job", spec={}, status=status))["Duration"]

    assert duration() == ""
    assert duration(startTime=ago(50)) == "50s"
    assert duration(startTime=ago(50), completionTime=ago(20)) == "30s"


@pytest.mark.parametrize(
    ("spec", "status", "wanted"),
    [
        ({"type": "ClusterIP"}, {}, "<none>"),
        ({"type": "ClusterIP", "externalIPs": ["1.2.3.4", "1.2.3.5"]}, {}, "1.2.3.4,1.2.3.5"),
        ({"type": "LoadBalancer"}, {}, "<pending>"),
        (
            {"type": "LoadBalancer", "externalIPs": ["1.2.3.4"]},
            {"loadBalancer": {"ingress": [{"hostname": "a-very-long.example.com"}]}},
            "a-very-long.example.com,1.2.3.4",
        ),
        ({"type": "ExternalName", "externalName": "example.com"}, {}, "example.com"),
    ],
)
def test_a_service_tells_where_it_is_reached(spec: Object, status: Object, wanted: str) -> None:
    assert shown(an_object("v1", "Service", spec=spec, status=status))["External-IP"] == wanted


def test_a_service_tells_its_ports() -> None:
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 53, "nodePort": 30053, "protocol": "UDP"}]
    row = shown(an_object("v1", "Service", spec={"ports": ports}))
    assert row["Port(s)"] == "80/TCP,53:30053/UDP"


def test_endpoints_are_listed_up_to_three() -> None:
    addresses = [{"ip": f"10.0.0.{number}"} for number in range(1, 6)]
    subset = {"addresses": addresses, "ports": [{"port": 80}]}
    row = shown(an_object("v1", "Endpoints", subsets=[subset]))
    assert row["Endpoints"] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."
    assert shown(an_object("v1", "Endpoints"))["Endpoints"] == "<none>"


def test_a_slice_of_endpoints_without_any_says_so() -> None:
    row = shown(an_object("discovery.k8s.io/v1", "EndpointSlice", ports=None, endpoints=[]))
    assert (row["Ports"], row["Endpoints"]) == ("<unset>", "<unset>")


@pytest.mark.parametrize(
    ("spec", "status", "labels", "wanted"),
    [
        ({}, "True", {}, ("Ready", "<none>")),
        ({"unschedulable": True}, "Unknown", {}, ("NotReady,SchedulingDisabled", "<none>")),
        (
            {},
            None,
            {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"},
            ("Unknown", "edge,worker"),
        ),
    ],
)
def test_a_node_tells_its_status_and_its_roles(
    spec: Object, status: str | None, labels: dict[str, str], wanted: tuple[str, str]
) -> None:
    conditions = [] if status is None else [condition("Ready", status)]
    row = shown(
        an_object(
            "v1", "Node", metadata={"labels": labels}, spec=spec, status={"conditions": conditions}
        )
    )
    assert (row["Status"], row["Roles"]) == wanted


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ([], ("Unknown", "", "")),
        ([{**condition("Healthy"), "message": "ok"}], ("Healthy", "ok", "")),
        ([{**condition("Healthy", "False"), "error": "gone"}], ("Unhealthy", "", "gone")),
    ],
)
def test_a_component_tells_its_health(
    conditions: list[Object], wanted: tuple[str, str, str]
) -> None:
    row = shown(an_object("v1", "ComponentStatus", conditions=conditions))
    assert (row["Status"], row["Message"], row["Error"]) == wanted


def test_an_event_is_told_in_the_words_of_either_group() -> None:
    about = {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{web}"}
    core = an_object(
        "v1",
        "Event",
        involvedObject=about,
        message="told ",
        type="Normal",
        firstTimestamp=ago(300),
        lastTimestamp=ago(30),
        count=3,
        source={"component": "kubelet", "host": "node-1"},
    )
    newer = an_object(
        "events.k8s.io/v1",
        "Event",
        regarding=about,
        note="told ",
        type="Normal",
        deprecatedFirstTimestamp=ago(300),
        deprecatedLastTimestamp=ago(30),
        deprecatedCount=3,
        deprecatedSource={"component": "kubelet", "host": "node-1"},
    )
    row = shown(core)
    assert row == shown(newer)
    assert (row["Last Seen"], row["First Seen"], row["Count"]) == ("30s", "5m", 3)
    assert (row["Object"], row["Message"]) == ("pod/web", "told")
    assert (row["Subobject"], row["Source"]) == ("spec.containers{web}", "kubelet, node-1")


def test_an_event_that_happened_once_has_but_one_time() -> None:
    row = shown(an_object("v1", "Event", involvedObject={}, eventTime=ago(20)))
    assert (row["Last Seen"], row["First Seen"], row["Count"]) == ("20s", "20s", 1)


def test_an_event_series_tells_its_last() -> None:
    series = {"count": 9, "lastObservedTime": ago(5)}
    row = shown(an_object("v1", "Event", involvedObject={}, eventTime=ago(20), series=series))
    assert (row["Last Seen"], row["First Seen"], row["Count"]) == ("5s", "20s", 9)


def cpu(**wanted: Any) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", "target": wanted}}


def measured(**current: Any) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", "current": current}}


@pytest.mark.parametrize(
    ("metrics", "current", "wanted"),
    [
        ([], [], "<none>"),
        ([cpu(averageUtilization=80)], [], "cpu: <unknown>/80%"),
        ([cpu(averageUtilization=80)], [measured(averageUtilization=0)], "cpu: 0%/80%"),
        ([cpu(averageValue="500m")], [measured(averageValue="1")], "cpu: 1/500m"),
        (
            [cpu(averageUtilization=80)] * 3,
            [],
            "cpu: <unknown>/80%, cpu: <unknown>/80% + 1 more...",
        ),
        (
            [{"type": "Pods", "pods": {"metric": {}, "target": {"averageValue": "5"}}}],
            [],
            "<unknown>/5",
        ),
        (
            [{"type": "External", "external": {"metric": {}, "target": {"averageValue": "5"}}}],
            [],
            "<unknown>/5 (avg)",
        ),
    ],
)
def test_an_autoscaler_tells_what_is_and_what_should_be(
    metrics: list[Object], current: list[Object], wanted: str
) -> None:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "metrics": metrics}
    status = {"currentMetrics": current}
    row = shown(an_object("autoscaling/v2", "HorizontalPodAutoscaler", spec=spec, status=status))
    assert (row["Reference"], row["Targets"]) == ("Deployment/web", wanted)


def test_the_older_autoscaler_tells_the_same() -> None:
    spec = {"scaleTargetRef": {"kind": "K", "name": "n"}, "targetCPUUtilizationPercentage": 80}
    status = {"currentCPUUtilizationPercentage": 20}
    row = shown(an_object("autoscaling/v1", "HorizontalPodAutoscaler", spec=spec, status=status))
    assert row["Targets"] == "cpu: 20%/80%"


def test_a_volume_without_a_claim_is_shown_nonetheless() -> None:
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
    }
    row = shown(an_object("v1", "PersistentVolume", spec=spec, status={"phase": "Available"}))
    assert (row["Capacity"], row["Access Modes"], row["Claim"]) == ("1Gi", "RWO,RWX", "")


def test_a_claim_shows_its_capacity_once_it_has_a_volume() -> None:
    status = {"phase": "Pending", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    row = shown(an_object("v1", "PersistentVolumeClaim", spec={}, status=status))
    assert (row["Capacity"], row["Access Modes"]) == ("", "")
    bound = {"volumeName": "pv-1"}
    row = shown(an_object("v1", "PersistentVolumeClaim", spec=bound, status=status))
    assert (row["Capacity"], row["Access Modes"]) == ("1Gi", "RWO")


def test_a_class_for_those_who_name_none_says_so() -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    row = shown(
        an_object("storage.k8s.io/v1", "StorageClass", metadata={"annotations": annotations})
    )
    assert row["Name"] == "x (default)"


def test_a_quota_tells_limits_apart() -> None:
    status = {
        "hard": {"pods": "4", "limits.cpu": "2", "requests.cpu": "1"},
        "used": {"pods": "1", "limits.cpu": "500m", "requests.cpu": "250m"},
    }
    row = shown(an_object("v1", "ResourceQuota", status=status))
    assert row["Request"] == "pods: 1/4, requests.cpu: 250m/1"
    assert row["Limit"] == "limits.cpu: 500m/2"


def test_a_binding_tells_who_may() -> None:
    subjects = [
        {"kind": "User", "name": "ann"},
        {"kind": "Group", "name": "devs"},
        {"kind": "ServiceAccount", "name": "ci", "namespace": "build"},
        {"kind": "User", "name": "bob"},
    ]
    row = shown(
        an_object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            roleRef={"kind": "ClusterRole", "name": "edit"},
            subjects=subjects,
        )
    )
    assert row["Role"] == "ClusterRole/edit"
    assert (row["Users"], row["Groups"], row["ServiceAccounts"]) == (
        "ann, bob",
        "devs",
        "build/ci",
    )


# Custom resources

READY_PATH = '.status.conditions[?(@.type=="Ready")].status'


def custom(*columns: dict[str, Any]) -> Resource:
    """A custom resource with these columns."""
    node = builtin().node("v1", "ConfigMap")
    return Resource(
        "example.com", "v1", "Thing", "things", "thing", True, schema=node, columns=columns
    )


def test_a_custom_resource_is_shown_by_its_own_columns() -> None:
    resource = custom(
        {"name": "Ready", "type": "string", "jsonPath": READY_PATH},
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1},
        {"name": "Done", "type": "date", "jsonPath": ".status.done"},
        {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
        {"name": "Tags", "type": "string", "jsonPath": ".spec.tags"},
    )
    obj = an_object(
        "example.com/v1",
        "Thing",
        spec={"size": 3, "on": False, "tags": ["a"]},
        status={"conditions": [condition("A"), condition("Ready", "False")], "done": ago(60)},
    )
    made = table(resource, [obj], now=NOW)
    assert [each["name"] for each in made["columnDefinitions"]] == [
        "Name", "Ready", "Size", "Done", "On", "Tags",
    ]  # fmt: skip
    assert [each["priority"] for each in made["columnDefinitions"]] == [0, 0, 1, 0, 0, 0]
    assert made["rows"][0]["cells"] == ["x", "False", 3, "60s", False, '["a"]']


def test_a_custom_resource_without_columns_shows_its_age() -> None:
    made = table(custom(), [an_object("example.com/v1", "Thing")], now=NOW)
    assert made["rows"][0]["cells"] == ["x", "90s"]


@pytest.mark.parametrize(
    ("type_", "value", "cell"),
    [
        ("string", 3, "3"),
        ("string", True, "true"),
        ("integer", "3", None),
        ("integer", 3.7, 3),
        ("integer", True, None),
        ("number", 3.5, 3.5),
        ("boolean", "true", None),
        ("date", "yesterday", "<invalid>"),
        ("date", 3, "<invalid>"),
    ],
)
def test_a_cell_is_of_its_columns_type_or_empty(type_: str, value: Any, cell: Any) -> None:
    resource = custom({"name": "Value", "type": type_, "jsonPath": ".value"})
    made = table(resource, [an_object("example.com/v1", "Thing", value=value)], now=NOW)
    assert made["rows"][0]["cells"] == ["x", cell]


def test_what_is_not_there_is_an_empty_cell() -> None:
    resource = custom({"name": "Ready", "type": "string", "jsonPath": READY_PATH})
    made = table(resource, [an_object("example.com/v1", "Thing", status={})], now=NOW)
    assert made["rows"][0]["cells"] == ["x", None]


def test_a_column_that_cannot_be_read_does_not_hide_the_others() -> None:
    resource = custom(
        {"name": "Odd", "type": "string", "jsonPath": ".a[0,1]"},
        {"name": "Value", "type": "string", "jsonPath": ".value"},
    )
    made = table(resource, [an_object("example.com/v1", "Thing", value="v")], now=NOW)
    assert made["rows"][0]["cells"] == ["x", "<invalid>", "v"]


TREE = {
    "a": {"b.c": [{"n": "x", "v": 1}, {"n": "y", "v": 2}, {"v": 3}]},
    "list": [10, 20, 30],
    "on": [{"ok": True, "v": "yes"}, {"ok": False, "v": "no"}],
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (".list[1]", [20]),
        (".list[-1]", [30]),
        (".list[3]", []),
        (".list[*]", [10, 20, 30]),
        ("{.list[0]}", [10]),
        ("$.list[0]", [10]),
        (r".a.b\.c[0].n", ["x"]),
        ('.a["b.c"][*].v', [1, 2, 3]),
        (".a['b.c'][?(@.n=='y')].v", [2]),
        ('.a["b.c"][?( @.n == "y" )].v', [2]),
        (r'.a.b\.c[?(@.n!="y")].v', [1]),
        (r".a.b\.c[?(@.n)].v", [1, 2]),
        (r".a.b\.c[?(@.v>=2)].v", [2, 3]),
        (r".a.b\.c[?(@.n>2)].v", []),
        (".list[0:2]", [10, 20]),
        (".list[1:]", [20, 30]),
        (".list[-2:]", [20, 30]),
        (".a.*[*].n", ["x", "y"]),
        ("..n", ["x", "y"]),
        (r".a.b\.c[?(@.v==3)].v", [3]),
        (".on[?(@.ok==true)].v", ["yes"]),
        (".missing.b[0]", []),
        (".list.b", []),
    ],
)
def test_a_path_leads_to_what_it_names(path: str, wanted: list[Any]) -> None:
    assert list(find(TREE, path)) == wanted


@pytest.mark.parametrize("path", ["..", ".a[", ".list[1:2:3]", "a", ".a[?(b)]", ".a]", ".a[0,1]"])
def test_a_path_that_is_not_understood_is_refused(path: str) -> None:
    with pytest.raises(ApiError) as caught:
        find(TREE, path)
    assert caught.value.code == 400
