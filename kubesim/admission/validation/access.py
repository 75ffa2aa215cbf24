"""What must hold for roles and their bindings.

Source: pkg/apis/rbac/validation (Kubernetes 1.37).
"""

from __future__ import annotations

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    in_go,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.model import Object

_GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def role(obj: Object, _: Object | None) -> Errors:
    """A Role."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _policy_rule(rule, f"rules[{index}]", namespaced=True)


def cluster_role(obj: Object, _: Object | None) -> Errors:
    """A ClusterRole, with rules of its own or put together from others."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _policy_rule(rule, f"rules[{index}]", namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return
    path = "aggregationRule.clusterRoleSelectors"
    selectors = aggregation.get("clusterRoleSelectors", ())
    if not selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield required(path, detail)
    for selector in selectors:
        yield from check_selector(selector, path)


def _policy_rule(rule: Object, path: str, *, namespaced: bool) -> Errors:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs") or []
    if urls:
        at = f"{path}.nonResourceURLs"
        if namespaced:
            yield invalid(at, urls, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(at, urls, detail)
        return
    if not rule.get("apiGroups"):
        detail = "resource rules must supply at least one api group"
        yield required(f"{path}.apiGroups", detail)
    if not rule.get("resources"):
        detail = "resource rules must supply at least one resource"
        yield required(f"{path}.resources", detail)


def role_binding(obj: Object, old: Object | None) -> Errors:
    """A RoleBinding; to which role it binds is fixed."""
    yield from _binding(obj, old, ("Role", "ClusterRole"), namespaced=True)


def cluster_role_binding(obj: Object, old: Object | None) -> Errors:
    """A ClusterRoleBinding; to which role it binds is fixed."""
    yield from _binding(obj, old, ("ClusterRole",), namespaced=False)


def _binding(
    obj: Object, old: Object | None, kinds: tuple[str, ...], *, namespaced: bool
) -> Errors:
    ref = obj.get("roleRef", {})
    group, kind, name = (ref.get(field, "") for field in ("apiGroup", "kind", "name"))
    if group != _GROUP:
        yield not_supported("roleRef.apiGroup", group, (_GROUP,))
    if kind not in kinds:
        yield not_supported("roleRef.kind", kind, kinds)
    if name:
        yield from invalids("roleRef.name", name, names.path_segment(name))
    else:
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced=namespaced)
    if old is not None and ref != old.get("roleRef", {}):
        yield invalid("roleRef", in_go(ref, "api.rbac.v1.RoleRef"), "cannot change roleRef")


def _subject(subject: Object, path: str, *, namespaced: bool) -> Errors:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    group = subject.get("apiGroup") or ""
    if not name:
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from invalids(f"{path}.name", name, names.dns_subdomain(name))
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield required(f"{path}.namespace")
    elif kind in _SUBJECTS:
        if group != _GROUP:
            yield not_supported(f"{path}.apiGroup", group, (_GROUP,))
    else:
        yield not_supported(f"{path}.kind", kind, _SUBJECTS)
