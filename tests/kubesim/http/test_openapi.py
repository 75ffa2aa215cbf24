"""The OpenAPI documents: whole, true to the schemas, and the same in all their forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from kubernetes import client

from gitops_lab.errors import ApiError
from kubesim.http import discovery, openapi
from kubesim.resources import Registry, Resource
from kubesim.schema import Node, Schemas, builtin

REGISTRY = Registry.builtin()
DEPLOYMENT = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
METHODS = ("get", "put", "post", "patch", "delete")

CRON_TAB_SCHEMA = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": f"#/$defs/{META}ObjectMeta"},
        "spec": {
            "type": "object",
            "required": ["schedule"],
            "properties": {
                "schedule": {"type": "string", "pattern": "^[0-9*]", "description": "When."},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}]},
            },
        },
    },
}


def custom(schema: dict[str, Any]) -> Resource:
    return Resource(
        "stable.example.com",
        "v1",
        "CronTab",
        "crontabs",
        "crontab",
        namespaced=True,
        schema=Node(schema, Schemas(builtin().definitions)),
    )


def with_custom(schema: dict[str, Any] = CRON_TAB_SCHEMA) -> Registry:
    registry = Registry.builtin()
    registry.add(custom(schema))
    return registry


@cache
def v3(path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi.v3(REGISTRY, path).body)
    return document


@cache
def v2() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi.v2_json(REGISTRY))
    return document


def every_path() -> list[str]:
    return list(openapi.v3_index(REGISTRY)["paths"])


def references(value: Any) -> Iterator[str]:
    """Every `$ref` that leads somewhere, wherever it is."""
    if isinstance(value, dict):
        found = value.get("$ref")
        if isinstance(found, str):
            yield found
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, entry in document["paths"].items():
        for method in METHODS:
            if method in entry:
                yield path, method, entry[method]


# The index


def test_the_index_has_a_document_for_each_group_version() -> None:
    groups = discovery.groups(REGISTRY)
    wanted = {
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, versions in groups.items()
        for version in versions
    }
    assert set(every_path()) == wanted


def test_the_urls_of_the_index_name_the_content() -> None:
    for path, entry in openapi.v3_index(REGISTRY)["paths"].items():
        digest = openapi.v3(REGISTRY, path).digest
        assert entry["serverRelativeURL"] == f"/openapi/v3/{path}?hash={digest}"


def test_a_document_is_made_once_for_equal_registries() -> None:
    again = openapi.v3(Registry.builtin(), "apis/apps/v1")
    assert again is openapi.v3(REGISTRY, "apis/apps/v1")


def test_there_is_no_document_for_what_is_not_served() -> None:
    with pytest.raises(ApiError) as caught:
        openapi.v3(REGISTRY, "apis/apps/v2")
    assert caught.value.code == 404


# Version 3


@pytest.mark.parametrize("path", every_path())
def test_a_document_refers_to_nothing_outside_itself(path: str) -> None:
    document = v3(path)
    present = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= present


@pytest.mark.parametrize("path", every_path())
def test_a_document_has_no_schema_that_nothing_refers_to(path: str) -> None:
    document = v3(path)
    referred = set(references(document))
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in referred


def test_types_are_never_lists_and_null_is_none_of_them() -> None:
    def types(schema: dict[str, Any]) -> Iterator[Any]:
        if "type" in schema:
            yield schema["type"]
        for inner in (*schema.get("properties", {}).values(), *schema.get("oneOf", ())):
            yield from types(inner)
        for word in ("items", "additionalProperties"):
            if isinstance(schema.get(word), dict):
                yield from types(schema[word])

    for path in every_path():
        for schema in v3(path)["components"]["schemas"].values():
            assert set(types(schema)) <= {
                "object", "array", "string", "integer", "number", "boolean",
            }  # fmt: skip


def test_what_merging_needs_is_kept() -> None:
    schemas = v3("apis/apps/v1")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-type"] == "map"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    strategy = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    assert strategy["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}
    ]
    assert strategy["x-kubernetes-patch-strategy"] == "retainKeys"


def test_list_keys_that_may_be_left_out_have_their_default() -> None:
    """Argo CD cannot merge a list of ports without it."""
    schemas = v3("api/v1")["components"]["schemas"]
    for kind in ("ContainerPort", "ServicePort"):
        assert schemas[f"io.k8s.api.core.v1.{kind}"]["properties"]["protocol"]["default"] == "TCP"
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if "protocol" in field.get("x-kubernetes-list-map-keys", ()):
                (reference,) = references(field["items"])
                item = schemas[reference.rpartition("/")[2]]
                assert item["properties"]["protocol"]["default"] == "TCP"


def test_an_int_or_string_says_so() -> None:
    found = v3("apis/apps/v1")["components"]["schemas"][
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    ]
    assert found == {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    }


def test_every_object_can_be_patched_with_dry_run_and_field_validation() -> None:
    """`kubectl` looks here before it dares `--dry-run=server`."""
    seen = 0
    for path in every_path():
        for url, method, operation in operations(v3(path)):
            if method == "patch" and operation["x-kubernetes-action"] == "patch":
                seen += 1
                query = {each["name"] for each in operation["parameters"]}
                assert query >= {"dryRun", "fieldValidation", "fieldManager", "force"}, url
    assert seen > 100


def test_operations_say_what_they_are_about() -> None:
    patch = v3("apis/apps/v1")["paths"][DEPLOYMENT]["patch"]
    assert patch["operationId"] == "patchAppsV1NamespacedDeployment"
    assert patch["x-kubernetes-action"] == "patch"
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    scale = v3("apis/apps/v1")["paths"][f"{DEPLOYMENT}/scale"]["put"]
    assert scale["x-kubernetes-group-version-kind"]["kind"] == "Scale"


def test_no_two_operations_have_one_name() -> None:
    found = [op["operationId"] for path in every_path() for _, _, op in operations(v3(path))]
    assert len(found) == len(set(found))


def test_operations_have_the_names_by_which_clients_know_them() -> None:
    """The names are those of the official Python client's methods."""
    found = {op["operationId"] for path in every_path() for _, _, op in operations(v3(path))}
    assert found >= {
        "connectCoreV1GetNamespacedPodExec",
        "createAuthorizationV1SelfSubjectAccessReview",
        "createCoreV1NamespacedPodEviction",
        "createCoreV1NamespacedServiceAccountToken",
        "deleteCoreV1CollectionNamespacedPod",
        "deleteRbacAuthorizationV1ClusterRole",
        "listCoreV1PodForAllNamespaces",
        "listCoreV1NamespacedPod",
        "listCoreV1Node",
        "readApiextensionsV1CustomResourceDefinitionStatus",
        "readCoreV1NamespacedPodLog",
        "replaceCoreV1NamespaceFinalize",
    }


def test_a_deletion_answers_with_what_the_python_client_expects() -> None:
    """Most kinds with a Status, some with the object: the types of the client's methods say so."""
    seen = set()
    for path in every_path():
        for _, _, operation in operations(v3(path)):
            if operation["x-kubernetes-action"] == "delete":
                group = "".join(
                    word[0].upper() + word[1:] for word in operation["tags"][0].split("_")
                )
                method = operation["operationId"].replace(group, "").lower()
                api = vars(getattr(client, f"{group}Api"))
                name = next(each for each in api if each.replace("_", "") == method)
                expected = api[name].__annotations__["return"]
                (result,) = set(references(operation["responses"]))
                assert (expected is object) == result.endswith(".Status"), method
                seen.add(result.rpartition(".")[2])
    assert {"Pod", "StorageClass", "Status"} <= seen


def test_paths_name_what_stands_in_them() -> None:
    for path in every_path():
        for url, entry in v3(path)["paths"].items():
            told = [each["name"] for each in entry.get("parameters", ())]
            assert sorted(f"{{{name}}}" for name in told) == sorted(
                part for part in url.split("/") if part.startswith("{")
            )


def test_every_verb_of_a_resource_has_an_operation() -> None:
    actions = {"create": "post", "update": "put", "watch": "list"}
    for resource in REGISTRY.all():
        base = f"apis/{resource.group}" if resource.group else "api"
        document = v3(f"{base}/{resource.version}")
        found = {
            operation["x-kubernetes-action"]
            for url, _, operation in operations(document)
            if url.endswith((f"/{resource.plural}", f"/{resource.plural}/{{name}}"))
        }
        assert found == {actions.get(verb, verb) for verb in resource.verbs}, resource


# Custom resources


def test_a_custom_resource_has_its_schema_and_a_list() -> None:
    document = json.loads(openapi.v3(with_custom(), "apis/stable.example.com/v1").body)
    schemas = document["components"]["schemas"]
    kind = schemas["com.example.stable.v1.CronTab"]
    assert kind["properties"]["spec"] == CRON_TAB_SCHEMA["properties"]["spec"]  # type: ignore[index]
    assert kind["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "version": "v1", "kind": "CronTab"}
    ]
    assert f"{META}ObjectMeta" in schemas
    assert "com.example.stable.v1.CronTabList" in schemas


def test_a_custom_resources_own_limits_are_told() -> None:
    mode = {"type": "string", "enum": ["Always"]}
    choice = {"x-kubernetes-preserve-unknown-fields": True, "oneOf": [{"required": ["a"]}]}
    named = {"$ref": f"#/$defs/{META}ObjectMeta", "allOf": [{"type": "object"}]}
    schema = {"type": "object", "properties": {"mode": mode, "one": choice, "metadata": named}}
    document = json.loads(openapi.v3(with_custom(schema), "apis/stable.example.com/v1").body)
    kind = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
    assert kind["properties"] == {
        "mode": mode,
        "one": choice,
        "metadata": {"allOf": [{"$ref": f"#/components/schemas/{META}ObjectMeta"}]},
    }
    older = json.loads(openapi.v2_json(with_custom(schema)))
    assert older["definitions"]["com.example.stable.v1.CronTab"]["properties"] == {
        "mode": mode,
        "one": {"x-kubernetes-preserve-unknown-fields": True},
        "metadata": {"$ref": f"#/definitions/{META}ObjectMeta"},
    }


def test_a_kinds_header_may_say_what_it_likes() -> None:
    """The source has one value each for apiVersion and kind; the real server's has none."""
    for kind in v3("apis/apps/v1")["components"]["schemas"].values():
        for field in kind.get("properties", {}).values():
            assert "enum" not in field


def test_a_custom_resource_has_no_strategic_merge_patch() -> None:
    document = json.loads(openapi.v3(with_custom(), "apis/stable.example.com/v1").body)
    patches = [op for _, method, op in operations(document) if method == "patch"]
    for patch in patches:
        assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    assert patches


def test_a_changed_schema_changes_its_document_and_no_other() -> None:
    before = openapi.v3_index(with_custom())["paths"]
    changed = {**CRON_TAB_SCHEMA, "description": "Another one."}
    after = openapi.v3_index(with_custom(changed))["paths"]
    assert {path for path in before if before[path] != after[path]} == {
        "apis/stable.example.com/v1"
    }


def test_version_2_has_custom_resources_without_what_it_cannot_say() -> None:
    document = json.loads(openapi.v2_json(with_custom()))
    spec = document["definitions"]["com.example.stable.v1.CronTab"]["properties"]["spec"]
    assert spec["properties"] == {
        "schedule": {"type": "string", "description": "When."},
        "port": {"x-kubernetes-int-or-string": True},
    }
    assert b"com.example.stable.v1.CronTab" in openapi.v2_protobuf(with_custom())
    assert b"com.example.stable.v1.CronTab" not in openapi.v2_protobuf(REGISTRY)


# Version 2


def test_version_2_refers_to_nothing_outside_itself() -> None:
    present = {f"#/definitions/{name}" for name in v2()["definitions"]}
    assert set(references(v2())) <= present


def test_the_versions_have_the_same_operations() -> None:
    third = {
        (url, method, operation["operationId"])
        for path in every_path()
        for url, method, operation in operations(v3(path))
    }
    assert third == {(url, method, op["operationId"]) for url, method, op in operations(v2())}


def test_version_2_says_of_quantities_and_ports_what_it_can() -> None:
    definitions = v2()["definitions"]
    assert definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] == {
        "type": "string",
        "format": "int-or-string",
    }
    assert definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]["type"] == "string"


# The protobuf form, read back with the field numbers of gnostic's OpenAPIv2.proto

Fields = dict[int, list[Any]]


def fields(data: bytes) -> Fields:
    """The fields of a message by number: bytes as they are, numbers as they are."""
    found: Fields = {}
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        tag = varint()
        if tag & 7 == 0:
            found.setdefault(tag >> 3, []).append(varint())
        else:
            assert tag & 7 == 2
            length = varint()
            found.setdefault(tag >> 3, []).append(data[position : position + length])
            position += length
    assert position == len(data)
    return found


def one(message: Fields, number: int) -> Any:
    (value,) = message.get(number, [None])
    return value


def text(message: Fields, number: int) -> str | None:
    value = one(message, number)
    return None if value is None else value.decode()


def named(data: bytes, number: int) -> dict[str, bytes]:
    pairs = [fields(pair) for pair in fields(data).get(number, [])]
    return {pair[1][0].decode(): pair[2][0] for pair in pairs}


def extensions(message: Fields, number: int) -> dict[str, Any]:
    pairs = [fields(pair) for pair in message.get(number, [])]
    return {pair[1][0].decode(): json.loads(fields(pair[2][0])[2][0]) for pair in pairs}


def schema(data: bytes) -> dict[str, Any]:
    """A message Schema as JSON spells it."""
    message = fields(data)
    found: dict[str, Any] = extensions(message, 31)
    for word, number in {"$ref": 1, "format": 2, "title": 3, "description": 4}.items():
        if number in message:
            found[word] = text(message, number)
    if 5 in message:
        found["default"] = json.loads(fields(one(message, 5))[2][0])
    if 19 in message:
        found["required"] = [each.decode() for each in message[19]]
    if 20 in message:
        found["enum"] = [json.loads(fields(each)[2][0]) for each in message[20]]
    if 21 in message:
        found["additionalProperties"] = schema(one(fields(one(message, 21)), 1))
    if 22 in message:
        found["type"] = text(fields(one(message, 22)), 1)
    if 23 in message:
        found["items"] = schema(one(fields(one(message, 23)), 1))
    if 25 in message:
        found["properties"] = {
            name: schema(each) for name, each in named(one(message, 25), 1).items()
        }
    return found


@cache
def protobuf() -> Fields:
    return fields(openapi.v2_protobuf(REGISTRY))


def test_the_protobuf_form_says_what_it_is() -> None:
    assert text(protobuf(), 1) == "2.0"
    assert text(fields(one(protobuf(), 2)), 1) == "Kubernetes"


def test_the_protobuf_form_has_every_definition_whole() -> None:
    found = {name: schema(each) for name, each in named(one(protobuf(), 9), 1).items()}
    assert found == v2()["definitions"]


def test_the_protobuf_form_has_every_operation() -> None:
    numbers = {2: "get", 3: "put", 4: "post", 5: "delete", 8: "patch"}
    found = {}
    for path, data in named(one(protobuf(), 8), 2).items():
        entry = fields(data)
        for number, method in numbers.items():
            if number in entry:
                found[path, method] = fields(one(entry, number))
    wanted = {(path, method): operation for path, method, operation in operations(v2())}
    assert found.keys() == wanted.keys()
    for place, operation in wanted.items():
        message = found[place]
        assert text(message, 5) == operation["operationId"]
        assert [each.decode() for each in message.get(7, [])] == operation.get("consumes", [])
        assert extensions(message, 13) == {
            key: value for key, value in operation.items() if key.startswith("x-")
        }
        assert [parameter(each) for each in message.get(8, [])] == [
            (each["in"], each["name"], each.get("required", False))
            for each in operation.get("parameters", [])
        ]
        assert list(named(one(message, 9), 1)) == list(operation["responses"])


def parameter(data: bytes) -> tuple[str, str, bool]:
    """Place and name of a ParametersItem, and whether it is required."""
    inner = fields(one(fields(data), 1))
    if 1 in inner:
        body = fields(one(inner, 1))
        return str(text(body, 3)), str(text(body, 2)), bool(one(body, 4))
    found = fields(one(inner, 2))
    (kind,) = found
    assert kind in (3, 4)
    plain = fields(one(found, kind))
    return str(text(plain, 2)), str(text(plain, 4)), bool(one(plain, 1))
