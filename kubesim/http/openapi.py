"""The OpenAPI documents of a cluster: what can be sent to which URL, and what the kinds look like.

Version 3 is an index and a document for each group version; `kubectl` reads there how to merge, and
what to explain. Version 2 is one document; older clients and Argo CD ask for it in protobuf.
Source: kube-openapi `pkg/builder` and `pkg/builder3` (Kubernetes 1.37).

Documents are made when they are first asked for, and remembered for what the registry then held.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

from kubesim.errors import ApiError
from kubesim.http import gnostic, operations
from kubesim.http.discovery import groups
from kubesim.http.operations import Operation, Parameter, Path
from kubesim.model import Object
from kubesim.resources import Registry, Resource
from kubesim.schema import KUBERNETES_VERSION, builtin

Schema = Mapping[str, Any]
Key = tuple[tuple[Resource, int], ...]
"""Some resources, each with the identity of its schema: what a document depends on."""

_REF = "#/$defs/"
_CORE = "io.k8s.api.core.v1."
_LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_RUNTIME = "io.k8s.apimachinery.pkg."

# What is one thing or another: how version 3 says it, and version 2.
_EITHER: Mapping[str, tuple[Object, Object]] = {
    _RUNTIME + "util.intstr.IntOrString": (
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        {"format": "int-or-string", "type": "string"},
    ),
    _RUNTIME + "api.resource.Quantity": (
        {"oneOf": [{"type": "string"}, {"type": "number"}]},
        {"type": "string"},
    ),
}

# The source has lost the defaults. Those that are keys of lists are needed to merge lists after
# this schema.
_DEFAULTS = {
    (_CORE + "ContainerPort", "protocol"): "TCP",
    (_CORE + "ServicePort", "protocol"): "TCP",
}

# What version 2 knows of schemas; more would not be valid there.
_V2_WORDS = frozenset(
    "$ref additionalProperties default description enum format items properties required title type"
    "".split()
)
_INFO = {"title": "Kubernetes", "version": f"v{KUBERNETES_VERSION}.0"}


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is sent.

    Args:
        body: its text, in JSON.
        digest: names this content; it is the hash in the document's URL, and its ETag.
    """

    body: bytes
    digest: str


# Version 3


def v3_index(registry: Registry) -> Object:
    """What `/openapi/v3` answers: the documents there are, each at a URL that names its content."""
    paths = {}
    for group, versions in groups(registry).items():
        for version in versions:
            path = operations.root(group, version)
            digest = v3(registry, path).digest
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": dict(sorted(paths.items()))}


def v3(registry: Registry, path: str) -> Document:
    """The document of a group version.

    Args:
        registry: what is served.
        path: `api/v1` or `apis/<group>/<version>`.

    Raises:
        ApiError: 404 NotFound: there is no such group version.
    """
    wanted = path.strip("/")
    served = [each for each in registry.all() if operations.root(*_place(each)) == wanted]
    if not served:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    return _v3(_key(served))


@lru_cache(maxsize=128)
def _v3(key: Key) -> Document:
    """The document of one group version's resources."""
    resources = [resource for resource, _ in key]
    custom = _custom_definitions(resources)
    paths = operations.paths(resources)
    head = {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {path.template: _v3_path(path, _tag(resources)) for path in paths},
    }
    schemas = ",".join(
        f"{json.dumps(name)}:{_text(_v3_schema(name, custom[name]))}"
        if name in custom
        else _builtin_text(name)
        for name in _closure(_referred(paths), custom)
    )
    body = f'{_text(head)[:-1]},"components":{{"schemas":{{{schemas}}}}}}}'.encode()
    return Document(body, sha256(body).hexdigest().upper())


@cache
def _builtin_text(name: str) -> str:
    """One of Kubernetes' own definitions with its name; many documents have it."""
    return f"{json.dumps(name)}:{_text(_v3_schema(name, builtin().definitions[name]))}"


def _v3_schema(name: str, schema: Schema) -> Object:
    return _EITHER[name][0] if name in _EITHER else _converted(schema, name, _v3_words)


def _v3_words(schema: Schema) -> Object:
    """A schema's own words, without those of the schemas within it."""
    words = _own_words(schema)
    if "$ref" in schema:
        reference = {"$ref": f"#/components/schemas/{words.pop('$ref').removeprefix(_REF)}"}
        return {**words, "allOf": [reference]} if words else reference
    return words


def _v3_path(path: Path, tag: str) -> Object:
    entry: Object = {each.method: _v3_operation(each, tag) for each in path.operations}
    if path.parameters:
        entry["parameters"] = [_v3_parameter(each) for each in path.parameters]
    return entry


def _v3_operation(operation: Operation, tag: str) -> Object:
    entry = _operation(operation, tag)
    if operation.query:
        entry["parameters"] = [_v3_parameter(each) for each in operation.query]
    if operation.body:
        schema = {"$ref": f"#/components/schemas/{operation.body}"}
        content = {media_type: {"schema": schema} for media_type in operation.consumes}
        required = operation.action in ("post", "put", "patch")
        entry["requestBody"] = {"content": content, **({"required": True} if required else {})}
    if operation.result:
        schema = {"$ref": f"#/components/schemas/{operation.result}"}
        answer = {"application/json": {"schema": schema}}
    else:
        answer = {"text/plain": {"schema": {"type": "string"}}}
    entry["responses"] = {
        str(code): {"description": _CODES[code], "content": answer} for code in operation.codes
    }
    return entry


def _v3_parameter(parameter: Parameter) -> Object:
    entry = _parameter(parameter)
    entry["schema"] = {"type": parameter.type}
    return entry


# Version 2


def v2_json(registry: Registry) -> bytes:
    """What `/openapi/v2` answers, in JSON."""
    return _v2_json(_key(registry.all()))


def v2_protobuf(registry: Registry) -> bytes:
    """The same in protobuf (media type application/com.github.proto-openapi.spec.v2@v1.0+protobuf:
    the message openapi.v2.Document of gnostic)."""
    return _v2_protobuf(_key(registry.all()))


@lru_cache(maxsize=4)
def _v2_json(key: Key) -> bytes:
    return _text(_v2(key)).encode()


@lru_cache(maxsize=4)
def _v2_protobuf(key: Key) -> bytes:
    return gnostic.document(_v2(key))


def _v2(key: Key) -> Object:
    resources = [resource for resource, _ in key]
    custom = _custom_definitions(resources)
    by_place: dict[tuple[str, str], list[Resource]] = {}
    for each in resources:
        by_place.setdefault(_place(each), []).append(each)
    paths: Object = {}
    wanted: dict[str, None] = {}
    for served in by_place.values():
        found = operations.paths(served)
        wanted |= _referred(found)
        paths |= {path.template: _v2_path(path, _tag(served)) for path in found}
    known = {**builtin().definitions, **custom}
    definitions = {
        name: _EITHER[name][1] if name in _EITHER else _converted(known[name], name, _v2_words)
        for name in _closure(wanted, custom)
    }
    return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": definitions}


def _v2_words(schema: Schema) -> Object:
    """A schema's own words, as far as version 2 has them."""
    words = {
        word: value
        for word, value in _own_words(schema).items()
        if word in _V2_WORDS or word.startswith("x-")
    }
    if "$ref" in schema:
        words["$ref"] = f"#/definitions/{schema['$ref'].removeprefix(_REF)}"
    return words


def _v2_path(path: Path, tag: str) -> Object:
    entry: Object = {each.method: _v2_operation(each, tag) for each in path.operations}
    if path.parameters:
        entry["parameters"] = [_v2_parameter(each) for each in path.parameters]
    return entry


def _v2_operation(operation: Operation, tag: str) -> Object:
    entry = _operation(operation, tag)
    parameters = [_v2_parameter(each) for each in operation.query]
    if operation.body:
        entry["consumes"] = list(operation.consumes)
        body: Object = {
            "name": "body",
            "in": "body",
            "schema": {"$ref": f"#/definitions/{operation.body}"},
        }
        if operation.action in ("post", "put", "patch"):
            body["required"] = True
        parameters.insert(0, body)
    entry["produces"] = ["application/json" if operation.result else "text/plain"]
    if parameters:
        entry["parameters"] = parameters
    answer: Object = {"type": "string"}
    if operation.result:
        answer = {"$ref": f"#/definitions/{operation.result}"}
    entry["responses"] = {
        str(code): {"description": _CODES[code], "schema": answer} for code in operation.codes
    }
    return entry


def _v2_parameter(parameter: Parameter) -> Object:
    return {**_parameter(parameter), "type": parameter.type}


# What the versions have in common

_CODES = {200: "OK", 201: "Created", 202: "Accepted"}


def _operation(operation: Operation, tag: str) -> Object:
    group, version, kind = operation.gvk
    return {
        "tags": [tag],
        "description": operation.description,
        "operationId": operation.name,
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }


def _parameter(parameter: Parameter) -> Object:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        **({"required": True} if parameter.place == "path" else {}),
    }


def _converted(schema: Schema, name: str, words: Callable[[Schema], Object]) -> Object:
    """A schema with all that is in it, in another version.

    Args:
        schema: to convert.
        name: of the definition that this is; empty within one.
        words: converts what a schema says of itself.
    """
    new = words(schema)
    if "properties" in schema:
        fields = {key: _converted(each, "", words) for key, each in schema["properties"].items()}
        for (owner, key), value in _DEFAULTS.items():
            if owner == name:
                fields[key]["default"] = value
        new["properties"] = fields
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), Mapping):
            new[word] = _converted(schema[word], "", words)
    return new


def _own_words(schema: Schema) -> Object:
    """What a schema says of itself, free of how the source of Kubernetes' own was prepared: there
    every type may be null, and apiVersion and kind have their one value."""
    words = {word: value for word, value in schema.items() if word not in ("properties", "items")}
    type_ = schema.get("type")
    if isinstance(type_, list):
        words["type"] = next(each for each in type_ if each != "null")
        words.pop("enum", None)
    return words


def _custom_definitions(resources: Iterable[Resource]) -> dict[str, Schema]:
    """The definitions of custom kinds, and of their lists, by name."""
    found: dict[str, Schema] = {}
    for resource in resources:
        if resource.schema is None:
            continue
        name = operations.definition(resource.api_version, resource.kind)
        gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        listed = {
            "description": f"{resource.kind}List is a list of {resource.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "items": {"type": "array", "items": {"$ref": _REF + name}},
                "kind": {"type": "string"},
                "metadata": {"$ref": _REF + _LIST_META},
            },
        }
        for suffix, schema in (("", resource.schema.schema), ("List", listed)):
            tagged = {**gvk, "kind": resource.kind + suffix}
            found[name + suffix] = {**schema, "x-kubernetes-group-version-kind": [tagged]}
    return found


def _referred(paths: Sequence[Path]) -> dict[str, None]:
    """The definitions that operations name, in order."""
    every = (operation for path in paths for operation in path.operations)
    names = (name for each in every for name in (each.body, each.result))
    return dict.fromkeys(name for name in names if name)


def _closure(names: Iterable[str], custom: Mapping[str, Schema]) -> list[str]:
    """Definitions with all that they refer to, by name."""
    found: dict[str, None] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found[name] = None
            own = custom.get(name)
            left += _builtin_references(name) if own is None else _references(own)
    return sorted(found)


@cache
def _builtin_references(name: str) -> tuple[str, ...]:
    return tuple(_references(builtin().definitions[name]))


def _references(schema: Schema) -> Iterator[str]:
    """The definitions that a schema refers to."""
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_REF)
    for field in schema.get("properties", {}).values():
        yield from _references(field)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), Mapping):
            yield from _references(schema[word])


def _key(resources: Iterable[Resource]) -> Key:
    ordered = sorted(resources, key=lambda each: (each.group, each.version, each.plural))
    return tuple((each, id(each.schema)) for each in ordered)


def _place(resource: Resource) -> tuple[str, str]:
    return resource.group, resource.version


def _tag(resources: Sequence[Resource]) -> str:
    return operations.tag(*_place(resources[0]))


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
