"""What must hold for ValidatingAdmissionPolicies and for their bindings.

Source: pkg/apis/admissionregistration/validation (Kubernetes 1.37). Different from there: an
expression that uses `authorizer` does not compile here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    invalids,
    not_supported,
    one_of,
    required,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.cel import CompileError, Program, program, values
from kubesim.model import Object

_ACTIONS = ("Audit", "Deny", "Warn")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
_SCOPES = ("*", "Cluster", "Namespaced")
_MOST_CONDITIONS, _MOST_ANNOTATIONS = 64, 20

_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)

_NAMES: dict[str, Any] = {"group": {}, "version": {}}
_KIND = {values.PLAIN: True, "properties": {**_NAMES, "kind": {}}}
_RESOURCE = {values.PLAIN: True, "properties": {**_NAMES, "resource": {}}}
_USER = {
    values.PLAIN: True,
    "properties": {
        "username": {},
        "uid": {},
        "groups": {"items": {}},
        "extra": {"additionalProperties": {}},
    },
}
REQUEST: Mapping[str, Any] = {
    values.PLAIN: True,
    "properties": {
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": {},
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": {},
        "name": {},
        "namespace": {},
        "operation": {},
        "userInfo": _USER,
        "dryRun": {},
        "options": {},
    },
}
"""What expressions can ask of `request`. Source: BuildRequestType in apiserver
`pkg/admission/plugin/cel/compile.go`."""


# -- Expressions -----------------------------------------------------------------------------------


def compiled(text: str, spec: Object, *, earlier: Iterable[str] | None = None) -> Program:
    """Compile one of a policy's expressions.

    Args:
        text: the expression.
        spec: of the policy; it says whether there are `params`.
        earlier: the names of the `variables` that it may use; None for no variables at all.

    Raises:
        CompileError: it cannot be compiled.
    """
    has_params = spec.get("paramKind") is not None
    return _compiled(text, has_params, None if earlier is None else tuple(earlier))


@lru_cache(maxsize=1024)
def _compiled(text: str, has_params: bool, earlier: tuple[str, ...] | None) -> Program:
    known = ["object", "oldObject", "request", "namespaceObject"]
    if has_params:
        known.append("params")
    if earlier is not None:
        known.append("variables")
    made = program(text, tuple(known))
    variables = {values.PLAIN: True, "properties": {name: {} for name in earlier or ()}}
    values.check(made, {"request": REQUEST, "variables": variables})
    return made


def _expression(
    text: str,
    path: str,
    spec: Object,
    *types: str,
    earlier: Iterable[str] | None = None,
) -> Errors:
    """An expression compiles, and to a value of one of these types."""
    try:
        made = compiled(text, spec, earlier=earlier)
    except CompileError as error:
        yield invalid(path, text, str(error))
        return
    if types and made.type not in (*types, "dyn"):
        wanted = types[0] if len(types) == 1 else f"one of [{' '.join(types)}]"
        yield invalid(path, text, f"must evaluate to {wanted} but got {made.type}")


# -- Policies --------------------------------------------------------------------------------------


def policy(obj: Object, old: Object | None) -> Errors:
    """A ValidatingAdmissionPolicy."""
    spec = obj.get("spec") or {}
    yield from one_of("spec.failurePolicy", spec.get("failurePolicy", ""), ("Fail", "Ignore"))
    if spec.get("paramKind") is not None:
        yield from _param_kind(spec["paramKind"], "spec.paramKind")
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield required("spec.matchConstraints")
    else:
        yield from _match_resources(constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            yield required("spec.matchConstraints.resourceRules")
    yield from _conditions(spec, "spec.matchConditions")
    yield from _variables(spec, "spec.variables")
    yield from _validations(spec)
    yield from _annotations(spec, obj["metadata"].get("name", ""), "spec.auditAnnotations")


def _param_kind(kind: Object, path: str) -> Errors:
    api_version, name = kind.get("apiVersion", ""), kind.get("kind", "")
    group, _, version = api_version.rpartition("/")
    if not api_version:
        yield required(f"{path}.apiVersion")
    elif "/" in group:
        detail = f"unexpected GroupVersion string: {api_version}"
        yield invalid(f"{path}.apiVersion", api_version, detail)
    else:
        if group:
            yield from invalids(f"{path}.apiVersion", group, names.dns_subdomain(group))
        yield from invalids(f"{path}.apiVersion", version, names.rfc1035_label(version))
    if not name:
        yield required(f"{path}.kind")
    else:
        faults = names.rfc1035_label(name.lower())
        if faults:
            detail = "may have mixed case, but should otherwise match: " + ", ".join(faults)
            yield invalid(f"{path}.kind", name, detail)


def _conditions(spec: Object, path: str) -> Errors:
    seen: set[str] = set()
    conditions = spec.get("matchConditions") or ()
    if len(conditions) > _MOST_CONDITIONS:
        detail = f"must have at most {_MOST_CONDITIONS} items"
        yield invalid(path, len(conditions), detail)
    for index, condition in enumerate(conditions):
        at, name = f"{path}[{index}]", condition.get("name", "")
        text = condition.get("expression", "").strip()
        if not text:
            yield required(f"{at}.expression")
        else:
            yield from _expression(text, f"{at}.expression", spec, "bool")
        if not name:
            yield required(f"{at}.name")
            continue
        yield from invalids(f"{at}.name", name, names.label_key(name))
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)


def _variables(spec: Object, path: str) -> Errors:
    earlier: list[str] = []
    for index, variable in enumerate(spec.get("variables") or ()):
        at, name = f"{path}[{index}]", variable.get("name", "")
        text = variable.get("expression", "")
        if not name.strip():
            yield required(f"{at}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(name):
            yield invalid(f"{at}.name", name, "must be a valid CEL identifier")
        if not text.strip():
            yield required(f"{at}.expression", "expression is not specified")
        else:
            yield from _expression(text, f"{at}.expression", spec, earlier=earlier)
        earlier.append(name)


def variables_of(spec: Object) -> list[str] | None:
    """The names of a policy's variables; None if it has none, and so no `variables` either."""
    return [each.get("name", "") for each in spec.get("variables") or ()] or None


def _validations(spec: Object) -> Errors:
    validations, earlier = spec.get("validations") or (), variables_of(spec)
    if not validations and not spec.get("auditAnnotations"):
        detail = "validations or auditAnnotations must contain at least one item"
        yield required("spec.validations", detail)
        yield required("spec.auditAnnotations", detail)
    for index, validation in enumerate(validations):
        path = f"spec.validations[{index}]"
        text, message = validation.get("expression", ""), validation.get("message", "")
        worded = validation.get("messageExpression", "")
        if not text.strip():
            yield required(f"{path}.expression", "expression is not specified")
        else:
            yield from _expression(text, f"{path}.expression", spec, "bool", earlier=earlier)
        if worded and not worded.strip():
            yield invalid(f"{path}.messageExpression", worded, "must be non-empty if specified")
        elif worded:
            at = f"{path}.messageExpression"
            yield from _expression(worded, at, spec, "string", earlier=earlier)
        if message and not message.strip():
            yield invalid(f"{path}.message", message, "message must be non-empty if specified")
        elif re.search(r"[\n\r]", message.strip()):
            yield invalid(f"{path}.message", message, "must not contain line breaks")
        if validation.get("reason") is not None and validation["reason"] not in _REASONS:
            yield not_supported(f"{path}.reason", validation["reason"], _REASONS)


def _annotations(spec: Object, name: str, path: str) -> Errors:
    annotations, seen = spec.get("auditAnnotations") or (), set[str]()
    if len(annotations) > _MOST_ANNOTATIONS:
        detail = f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"
        yield invalid(path, annotations, detail)
    for index, annotation in enumerate(annotations):
        at, key = f"{path}[{index}]", annotation.get("key", "")
        qualified = f"{name}/{key}"
        yield from invalids(f"{at}.key", qualified, names.label_key(qualified))
        text = annotation.get("valueExpression", "").strip()
        if not text:
            yield required(f"{at}.valueExpression", "valueExpression is not specified")
        else:
            at_value, earlier = f"{at}.valueExpression", variables_of(spec)
            yield from _expression(text, at_value, spec, "string", "null", earlier=earlier)
        if key in seen:
            yield duplicate(f"{at}.key", key)
        seen.add(key)


# -- Bindings --------------------------------------------------------------------------------------


def binding(obj: Object, old: Object | None) -> Errors:
    """A ValidatingAdmissionPolicyBinding."""
    spec = obj.get("spec") or {}
    name = spec.get("policyName", "")
    if not name:
        yield required("spec.policyName")
    else:
        yield from invalids("spec.policyName", name, names.dns_subdomain(name))
    if spec.get("paramRef") is not None:
        yield from _param_ref(spec["paramRef"], "spec.paramRef")
    if spec.get("matchResources") is not None:
        yield from _match_resources(spec["matchResources"], "spec.matchResouces")  # the server's
    yield from _actions(spec.get("validationActions") or [], "spec.validationActions")


def _param_ref(reference: Object, path: str) -> Errors:
    name, selector = reference.get("name", ""), reference.get("selector")
    exclusive = "name and selector are mutually exclusive"
    if name:
        yield from invalids(f"{path}.name", name, names.path_segment(name))
        if selector is not None:
            yield forbidden(f"{path}.name", exclusive)
            yield forbidden(f"{path}.selector", exclusive)
    elif selector is None:
        yield required(path, "one of name or selector must be specified")
    yield from check_selector(selector, f"{path}.selector")
    action = reference.get("parameterNotFoundAction", "")
    yield from one_of(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


def _actions(actions: list[str], path: str) -> Errors:
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield not_supported(f"{path}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            yield duplicate(f"{path}[{index}]", action)
    if "Deny" in actions and "Warn" in actions:
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)"
        )
        yield invalid(path, actions, detail)
    if not actions:
        yield required(path, "at least one validation action is required")


# -- What a policy or a binding is about -----------------------------------------------------------


def _match_resources(given: Object, path: str) -> Errors:
    match_policy = given.get("matchPolicy", "")
    yield from one_of(f"{path}.matchPolicy", match_policy, ("Equivalent", "Exact"))
    for name in ("namespaceSelector", "objectSelector"):
        if given.get(name) is None:
            yield required(f"{path}.{name}")
        else:
            yield from check_selector(given[name], f"{path}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(given.get(name) or ()):
            yield from _resource_rule(rule, f"{path}.{name}[{index}]")


def _resource_rule(rule: Object, path: str) -> Errors:
    own = rule.get("resourceNames") or []
    for index, name in enumerate(own):
        yield from invalids(f"{path}.resourceNames[{index}]", name, names.path_segment(name))
        if name in own[:index]:
            yield duplicate(f"{path}.resourceNames[{index}]", name)
    for field, what in (
        ("operations", "operations"),
        ("apiGroups", "API groups"),
        ("apiVersions", "API versions"),
    ):
        listed = rule.get(field) or []
        if not listed:
            yield required(f"{path}.{field}")
        elif len(listed) > 1 and "*" in listed:
            yield invalid(
                f"{path}.{field}", listed, f"if '*' is present, must not specify other {what}"
            )
    for index, operation in enumerate(rule.get("operations") or ()):
        if operation not in _OPERATIONS:
            yield not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    resources = rule.get("resources") or []
    if not resources:
        yield required(f"{path}.resources")
    for index, name in enumerate(resources):
        if not name:
            yield required(f"{path}.resources[{index}]")
    if len(resources) > 1 and "*/*" in resources:
        detail = "if '*/*' is present, must not specify other resources"
        yield invalid(f"{path}.resources", resources, detail)
    if "*" in resources and any(each != "*" and "/" not in each for each in resources):
        detail = "if '*' is present, must not specify other resources without subresources"
        yield invalid(f"{path}.resources", resources, detail)
    if rule.get("scope") is not None and rule["scope"] not in _SCOPES:
        yield not_supported(f"{path}.scope", rule["scope"], _SCOPES)
