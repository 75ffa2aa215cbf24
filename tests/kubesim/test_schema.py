from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.schema import (
    KUBERNETES_VERSION,
    Node,
    Schemas,
    builtin,
    check,
    decode,
)


def node(api_version: str, kind: str) -> Node:
    found = builtin().node(api_version, kind)
    assert found is not None
    return found


def at(api_version: str, kind: str, path: str) -> Node:
    found = node(api_version, kind).at(*path.split("."))
    assert found is not None
    return found


DEPLOYMENT = node("apps/v1", "Deployment")
CONTAINERS = "spec.template.spec.containers"


def deployment(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    own = {"name": "web", "image": "shop:1", "resources": {}, **(container or {})}
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [own]}},
            "strategy": {},
            **spec,
        },
        "status": {},
    }


def test_a_kind_without_a_schema_has_no_node() -> None:
    assert builtin().node("apps/v1", "Deplyment") is None
    assert builtin().node("apps/v2", "Deployment") is None


def test_the_kinds_of_the_simulated_version_are_known() -> None:
    kinds = set(builtin().kinds())
    assert ("apps", "v1", "Deployment") in kinds
    assert ("", "v1", "PodList") in kinds
    assert ("autoscaling", "v1", "Scale") in kinds
    assert KUBERNETES_VERSION == "1.37"


def test_the_schemas_are_read_once() -> None:
    assert builtin() is builtin()
    assert DEPLOYMENT.fields["spec"] is node("apps/v1", "Deployment").fields["spec"]


def test_reading_the_schemas_does_not_import_their_package() -> None:
    code = (
        "import sys; from kubesim.schema import builtin; "
        "builtin().node('v1', 'Pod'); print('kubernetes_validate' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("spec", "struct"),
        ("metadata.labels", "map"),
        (CONTAINERS, "list"),
        ("spec.replicas", "scalar"),
        ("metadata.managedFields.*.fieldsV1", "any"),
    ],
)
def test_a_place_is_a_struct_a_map_a_list_a_scalar_or_anything(path: str, kind: str) -> None:
    assert at("apps/v1", "Deployment", path).kind == kind


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("metadata.name", "string"),
        ("spec.replicas", "integer"),
        ("spec.paused", "boolean"),
        ("spec.strategy.rollingUpdate.maxSurge", "int-or-string"),
        (f"{CONTAINERS}.*.resources.limits.cpu", "quantity"),
        ("metadata.creationTimestamp", "date-time"),
    ],
)
def test_a_scalar_has_a_type(path: str, type_: str) -> None:
    assert at("apps/v1", "Deployment", path).type == type_


def test_a_float_is_a_number() -> None:
    schema = builtin().definition(
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    )
    assert (schema.fields["maximum"].type, schema.fields["maximum"].format) == ("number", "double")


@pytest.mark.parametrize(
    ("path", "list_type", "keys"),
    [
        (CONTAINERS, "map", ("name",)),
        (f"{CONTAINERS}.*.ports", "map", ("containerPort", "protocol")),
        (f"{CONTAINERS}.*.args", "atomic", ()),
        ("metadata.finalizers", "set", ()),
        ("metadata.managedFields", "atomic", ()),
    ],
)
def test_a_list_says_how_its_items_are_told_apart(
    path: str, list_type: str, keys: tuple[str, ...]
) -> None:
    found = at("apps/v1", "Deployment", path)
    assert (found.list_type, found.keys) == (list_type, keys)


def test_only_a_ports_protocol_may_be_left_out_of_its_key() -> None:
    assert at("apps/v1", "Deployment", f"{CONTAINERS}.*.ports").key_defaults == {"protocol": "TCP"}
    assert at("v1", "Service", "spec.ports").key_defaults == {"protocol": "TCP"}
    assert at("apps/v1", "Deployment", CONTAINERS).key_defaults == {}


def test_a_selector_has_one_owner_as_a_whole() -> None:
    assert at("apps/v1", "Deployment", "spec.selector").atomic
    assert at("v1", "Service", "spec.selector").atomic
    assert not at("apps/v1", "Deployment", "metadata.labels").atomic


def test_merge_keys_and_strategies_are_those_of_strategic_merge_patches() -> None:
    ports = at("v1", "Service", "spec.ports")
    assert (ports.merge_key, ports.merge_strategy) == ("port", ("merge",))
    strategy = at("apps/v1", "Deployment", "spec.strategy")
    assert (strategy.merge_key, strategy.merge_strategy) == ("", ("retainKeys",))
    volumes = at("v1", "Pod", "spec.volumes")
    assert (volumes.merge_key, volumes.merge_strategy) == ("name", ("merge", "retainKeys"))


def test_types_recurse_without_end() -> None:
    schema = at("apiextensions.k8s.io/v1", "CustomResourceDefinition", "spec.versions.*.schema")
    deep = schema.at("openAPIV3Schema", *["properties", "*"] * 20)
    assert deep is not None
    assert deep.fields["type"].type == "string"


def test_a_place_describes_itself() -> None:
    assert at("apps/v1", "Deployment", "spec.replicas").description.startswith("Number of desired")


def test_a_right_object_is_shared_and_has_no_findings() -> None:
    obj = deployment({"ports": [{"containerPort": 80}]}, replicas=3)
    decoded, findings = decode(obj, DEPLOYMENT)
    assert decoded is obj
    assert not findings


def test_unknown_fields_are_named_in_the_words_of_the_strict_decoder() -> None:
    findings = check(deployment({"ports": [{"containerPrt": 80}]}, replcas=3), DEPLOYMENT)
    assert findings.warnings == [
        f'unknown field "{CONTAINERS}[0].ports[0].containerPrt"',
        'unknown field "spec.replcas"',
    ]
    assert findings.invalid == []


def test_unknown_fields_are_pruned_and_the_rest_is_shared() -> None:
    obj = deployment(replcas=3)
    before = deepcopy(obj)
    pruned, _ = decode(obj, DEPLOYMENT)
    assert pruned == deployment()
    assert pruned["spec"]["template"] is obj["spec"]["template"]
    assert obj == before


@pytest.mark.parametrize(
    ("obj", "path", "message"),
    [
        (
            deployment(replicas="3"),
            "spec.replicas",
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas "
            "of type int32",
        ),
        (
            deployment(replicas=1.5),
            "spec.replicas",
            "json: cannot unmarshal number 1.5 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=2**31),
            "spec.replicas",
            "json: cannot unmarshal number 2147483648 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(replicas=True),
            "spec.replicas",
            "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas "
            "of type int32",
        ),
        (
            deployment({"env": [{"name": "PORT", "value": 80}]}),
            f"{CONTAINERS}[0].env[0].value",
            "json: cannot unmarshal number into Go struct field "
            "EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            {**deployment(), "metadata": {"labels": {"a": 1}}},
            "metadata.labels.a",
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels "
            "of type string",
        ),
        (
            {**deployment(), "spec": []},
            "spec",
            "json: cannot unmarshal array into Go struct field Deployment.spec "
            "of type v1.DeploymentSpec",
        ),
        (
            deployment(template={"spec": {"containers": {}}}),
            CONTAINERS,
            "json: cannot unmarshal object into Go struct field "
            "PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {**deployment(), "metadata": {"annotations": "none"}},
            "metadata.annotations",
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.annotations "
            "of type map[string]string",
        ),
        (
            deployment({"resources": {"limits": {"memory": "64 Mi"}}}),
            f"{CONTAINERS}[0].resources.limits.memory",
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            {**deployment(), "metadata": {"creationTimestamp": "yesterday"}},
            "metadata.creationTimestamp",
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": '
            'cannot parse "yesterday" as "2006"',
        ),
    ],
)
def test_wrong_types_are_reported_in_the_words_of_the_server(
    obj: dict[str, Any], path: str, message: str
) -> None:
    decoded, findings = decode(obj, DEPLOYMENT, as_sent=True)
    assert [(fault.path, fault.message) for fault in findings.invalid] == [(path, message)]
    assert findings.invalid[0].reason == "FieldValueTypeInvalid"
    assert decoded == obj


def test_bytes_are_base64() -> None:
    secret = node("v1", "Secret")
    assert not check({"data": {"a": "aGk="}}, secret)
    [fault] = check({"data": {"a": "not base64"}}, secret).invalid
    assert (fault.path, fault.message) == ("data.a", "illegal base64 data at input byte 3")


def test_a_number_that_stands_for_a_string_or_an_integer_may_be_either() -> None:
    for surge in (1, "25%"):
        assert not check(deployment(strategy={"rollingUpdate": {"maxSurge": surge}}), DEPLOYMENT)
    [fault] = check(deployment(strategy={"rollingUpdate": {"maxSurge": 1.5}}), DEPLOYMENT).invalid
    assert fault.expected == "int32"


def test_required_fields_that_are_missing_are_told_apart_from_wrong_types() -> None:
    findings = check({"spec": {"template": {"spec": {"containers": [{}]}}}}, DEPLOYMENT)
    assert [fault.path for fault in findings.missing] == [
        f"{CONTAINERS}[0].name",
        "spec.selector",
    ]
    assert findings.invalid == []


def test_null_means_absent() -> None:
    obj = deployment(replicas=None)
    obj["metadata"]["creationTimestamp"] = None
    assert decode(obj, DEPLOYMENT)[0] == deployment()


def test_null_in_a_map_or_a_list_is_the_zero_value() -> None:
    obj = {"metadata": {"labels": {"a": None}, "finalizers": [None]}, "data": {"key": None}}
    assert decode(obj, node("v1", "ConfigMap"))[0] == {
        "metadata": {"labels": {"a": ""}, "finalizers": [""]},
        "data": {"key": ""},
    }


def test_quantities_and_times_take_their_canonical_spelling() -> None:
    obj = deployment({"resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}})
    obj["metadata"]["creationTimestamp"] = "2026-01-05T10:00:00.5+01:00"
    decoded, findings = decode(obj, DEPLOYMENT)
    assert not findings
    [container] = decoded["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert decoded["metadata"]["creationTimestamp"] == "2026-01-05T09:00:00Z"


def test_a_lease_keeps_its_microseconds() -> None:
    lease = {"spec": {"renewTime": "2026-01-05T09:00:00.25Z"}}
    decoded, _ = decode(lease, node("coordination.k8s.io/v1", "Lease"))
    assert decoded["spec"]["renewTime"] == "2026-01-05T09:00:00.250000Z"


def test_custom_schemas_are_read_the_same_way() -> None:
    schema = {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "port": {"x-kubernetes-int-or-string": True},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"id": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["id"],
            },
        },
    }
    custom = Node(schema, Schemas({}))
    assert custom.fields["items"].keys == ("id",)
    findings = check({"size": "1", "port": "http", "free": {"a": {}}, "items": [{"x": 1}]}, custom)
    assert findings.unknown == ["items[0].x"]
    assert [fault.path for fault in findings.invalid] == ["size"]


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text("a1Gm%", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "template", "containers", "name", "ports", "metadata", "labels", "limits"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status", "x"]), json))
def test_decoding_is_total_idempotent_and_never_mutates(obj: dict[str, Any]) -> None:
    before = deepcopy(obj)
    decoded, findings = decode(obj, DEPLOYMENT)
    assert obj == before
    again, left = decode(decoded, DEPLOYMENT)
    assert again is decoded
    assert left.unknown == []
    assert len(left.invalid) <= len(findings.invalid)
