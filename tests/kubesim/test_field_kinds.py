"""What becomes of zero values: the rule of Go's struct tags, as a real server shows it."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.schema import builtin, decode


def stored(api_version: str, kind: str, **fields: Any) -> Object:
    node = builtin().node(api_version, kind)
    assert node is not None
    obj = decode({"apiVersion": api_version, "kind": kind, **fields}, node)[0]
    return {key: obj[key] for key in obj if key not in ("apiVersion", "kind")}


def pod_spec(**fields: Any) -> Object:
    spec: Object = stored("v1", "Pod", spec={"containers": [{"name": "a"}], **fields})["spec"]
    return {key: spec[key] for key in spec if key != "containers"}


@pytest.mark.parametrize(
    "zero",
    [
        {"hostNetwork": False},
        {"nodeName": ""},
        {"nodeSelector": {}},
        {"tolerations": []},
        {"hostPID": False, "hostIPC": False},
    ],
)
def test_a_plain_value_that_is_zero_is_left_out(zero: Object) -> None:
    assert pod_spec(**zero) == {}


@pytest.mark.parametrize(
    "zero",
    [
        {"terminationGracePeriodSeconds": 0},
        {"automountServiceAccountToken": False},
        {"securityContext": {}},
        {"affinity": {}},
    ],
)
def test_a_value_behind_a_pointer_stays_as_it_was_sent(zero: Object) -> None:
    assert pod_spec(**zero) == zero


def test_a_struct_is_always_there_and_with_it_its_own_structs() -> None:
    assert stored("v1", "Service") == {
        "metadata": {},
        "spec": {},
        "status": {"loadBalancer": {}},
    }


def test_a_list_that_must_be_written_is_null_when_it_is_empty() -> None:
    api_version = "rbac.authorization.k8s.io/v1"
    assert stored(api_version, "Role")["rules"] is None
    assert stored(api_version, "Role", rules=[])["rules"] is None
    assert stored(api_version, "Role", rules=None)["rules"] is None


def test_a_number_that_must_be_written_is_zero() -> None:
    assert stored("apps/v1", "StatefulSet")["status"] == {"replicas": 0, "availableReplicas": 0}


def test_times_are_null_until_they_are_known_but_for_the_time_of_creation() -> None:
    condition = stored("v1", "Pod", status={"conditions": [{"type": "Ready", "status": "True"}]})
    assert condition["status"]["conditions"] == [
        {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}
    ]
    assert stored("v1", "Pod", metadata={"creationTimestamp": None})["metadata"] == {}


def test_in_a_map_zero_values_stay() -> None:
    assert stored("v1", "ConfigMap", data={"a": ""})["data"] == {"a": ""}


def test_a_configuration_keeps_the_zero_values_that_it_states() -> None:
    node = builtin().node("v1", "Pod")
    assert node is not None
    body = {"spec": {"hostNetwork": False}}
    assert decode(body, node, as_sent=True)[0] is body


def test_what_is_decoded_already_is_shared() -> None:
    node = builtin().node("apps/v1", "Deployment")
    assert node is not None
    once, _ = decode({"spec": {"replicas": 0, "paused": False}}, node)
    assert decode(once, node)[0] is once
    again, _ = decode({**once, "metadata": {"labels": {}}}, node, known=once)
    assert again == {**once, "metadata": {}}
    assert again["spec"] is once["spec"]
