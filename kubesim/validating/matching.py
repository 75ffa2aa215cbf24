"""Which requests a policy or a binding is about.

Source: apiserver `pkg/admission/plugin/policy/matching` and `webhook/predicates` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubesim.api.reviews import Request
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.selectors import label_selector


def could_match(criteria: Object, resources: Iterable[Resource], subresource: str) -> bool:
    """Whether a request for one of these resources could be meant, for any operation.

    Args:
        criteria: the matchConstraints of a policy.
        resources: the versions of one resource.
        subresource: of it, or empty.
    """
    return any(
        _names(rule, each, subresource)
        for rule in criteria.get("resourceRules") or ()
        for each in resources
    )


def matched(
    criteria: Object, request: Request, versions: Sequence[Resource], namespace: Object | None
) -> Resource | None:
    """The resource as which a request is meant; None if it is not meant.

    Args:
        criteria: the matchConstraints of a policy, or the matchResources of a binding.
        request: what is asked for.
        versions: other versions of the requested resource.
        namespace: the request's namespace; None if it has none.
    """
    if not _selects_namespace(criteria, request, namespace):
        return None
    if not _selects_object(criteria, request):
        return None
    if criteria.get("matchPolicy") == "Exact":
        versions = ()
    if _first(criteria.get("excludeResourceRules") or (), request, versions) is not None:
        return None
    rules = criteria.get("resourceRules")
    return _first(rules, request, versions) if rules else request.resource


def _first(
    rules: Iterable[Object], request: Request, versions: Sequence[Resource]
) -> Resource | None:
    """The version of the request's resource that a rule names, the request's own before others."""
    rules = list(rules)
    for resource in (request.resource, *versions):
        if any(_matches(rule, request, resource) for rule in rules):
            return resource
    return None


def _matches(rule: Object, request: Request, resource: Resource) -> bool:
    own = rule.get("resourceNames")
    return (
        _lists(rule, "operations", request.operation)
        and _has_scope(rule.get("scope", "*"), resource)
        and _names(rule, resource, request.subresource)
        and (not own or request.key.name in own)
    )


def _names(rule: Object, resource: Resource, subresource: str) -> bool:
    """Whether a rule names a resource and a subresource of it."""
    if not _lists(rule, "apiGroups", resource.group):
        return False
    if not _lists(rule, "apiVersions", resource.version):
        return False
    for name in rule.get("resources") or ():
        plural, _, below = name.partition("/")
        if plural in ("*", resource.plural) and below in ("*", subresource):
            return True
    return False


def _lists(rule: Object, field: str, wanted: str) -> bool:
    listed = rule.get(field) or ()
    return "*" in listed or wanted in listed


def _has_scope(scope: str, resource: Resource) -> bool:
    return scope == "*" or (scope == "Namespaced") is resource.namespaced


def _selects_namespace(criteria: Object, request: Request, namespace: Object | None) -> bool:
    """What is in no namespace is not selected by namespaces; a namespace has its own labels."""
    selector = criteria.get("namespaceSelector")
    if not selector:
        return True
    if request.key[:2] == ("", "namespaces"):
        namespace = request.new or request.old
    if namespace is None:
        return True
    return label_selector(selector)(namespace["metadata"].get("labels") or {})


def _selects_object(criteria: Object, request: Request) -> bool:
    selector = criteria.get("objectSelector")
    if not selector:
        return True
    is_selected = label_selector(selector)
    return any(
        is_selected((each.get("metadata") or {}).get("labels") or {})
        for each in (request.new, request.old)
        if each is not None
    )
