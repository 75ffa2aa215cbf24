"""What a policy's expressions get wrong about the kinds that it is about.

An expression may reach for a field that a Deployment has not. The policy is accepted nevertheless,
for it may be about kinds that are yet to come; what is known to be wrong is told in its status.

Source: apiserver `pkg/admission/plugin/policy/validating/typechecking.go` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubesim.admission.validation.admission_policies import REQUEST, compiled
from kubesim.cel import CompileError, values
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Registry, Resource
from kubesim.schema import Node

MOST_KINDS = 10
"""How many kinds are looked at for each policy."""

_FAILED = "compilation failed: "


class _Fields(Mapping[str, values.Schema]):
    """The fields of a struct, described when they are asked for: types recurse."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getitem__(self, name: str) -> values.Schema:
        return _described(self._node.fields[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._node.fields)

    def __len__(self) -> int:
        return len(self._node.fields)


def _described(node: Node) -> values.Schema:
    """What is known of a type, as `values` understands it."""
    inner: values.Schema = {} if node.item is None else _described(node.item)
    match node.kind:
        case "struct" if not node.open:
            return {values.PLAIN: True, "properties": _Fields(node)}
        case "map":
            return {"additionalProperties": inner}
        case "list":
            return {"items": inner}
        case "scalar":
            return {"type": node.type}
    return {}


def warnings(policy: Object, registry: Registry) -> list[dict[str, Any]]:
    """The warnings for the status of a policy (`expressionWarnings`).

    Args:
        policy: the policy, valid.
        registry: which kinds there are.
    """
    spec = policy["spec"]
    kinds = list(_kinds(spec, registry))
    found = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            if not validation.get(field):
                continue
            faults = [
                f"{resource.api_version}, Kind={resource.kind}: {fault}\n"
                for resource in kinds
                if (fault := _fault(validation[field], spec, resource, registry))
            ]
            if faults:
                place = f"spec.validations[{index}].{field}"
                found.append({"fieldRef": place, "warning": "\n".join(faults)})
    return found


def _kinds(spec: Object, registry: Registry) -> Iterator[Resource]:
    """The resources that a policy names, without those that only a wildcard means."""
    found: dict[tuple[str, str, str], Resource] = {}
    for rule in spec["matchConstraints"].get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if "*" in groups or "*" in versions:
            continue
        for group in groups:
            for version in versions:
                for plural in rule.get("resources") or ():
                    try:
                        each = registry.by_plural(group, version, plural)
                    except ApiError:  # a wildcard, a subresource, or a kind that is not there yet
                        continue
                    found[group, version, each.kind] = each
    for key in sorted(found)[:MOST_KINDS]:
        yield found[key]


def _fault(text: str, spec: Object, resource: Resource, registry: Registry) -> str:
    """What an expression gets wrong about a kind, nothing if it can be right."""
    known: dict[str, values.Schema] = {"request": REQUEST}
    known["object"] = known["oldObject"] = _described(resource.node)
    kind = spec.get("paramKind")
    if kind is not None:
        try:
            known["params"] = _described(registry.by_kind(kind["apiVersion"], kind["kind"]).node)
        except ApiError:
            return ""  # of any type
    variables: dict[str, values.Schema] = {}
    try:
        for variable in spec.get("variables") or ():
            made = compiled(variable["expression"], spec, earlier=list(variables))
            seen = {**known, "variables": {values.PLAIN: True, "properties": dict(variables)}}
            variables[variable["name"]] = values.schema_of(made, seen)
        made = compiled(text, spec, earlier=list(variables) or None)
        values.check(made, {**known, "variables": {"properties": variables, values.PLAIN: True}})
    except CompileError as error:
        return str(error).removeprefix(_FAILED)
    return ""
