"""The roles that every cluster has, and to whom they are bound from the beginning.

`admin`, `edit` and `view` have no rules of their own: they gather those of every ClusterRole with a
certain label, so that a program that adds a resource can add what may be done with it.

Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy and pkg/registry/rbac/rest (1.37).
The roles of the cluster's own parts are in `system_roles`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kubesim.api import Api, Options
from kubesim.auth import system_roles
from kubesim.auth.authorization import GROUP
from kubesim.auth.rules import EVERYTHING, missing
from kubesim.auth.users import AUTHENTICATED, MASTERS, UNAUTHENTICATED
from kubesim.model import Object

AGGREGATE = f"{GROUP}/aggregate-to-"
"""The beginning of the label by which a ClusterRole adds its rules to another."""

_VERSION = f"{GROUP}/v1"
_OPTIONS = Options(field_manager="kube-apiserver")
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"

_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_ALL = "create delete deletecollection get list patch update watch"
_HEALTH = "/healthz /livez /readyz /version /version/"


def _rule(group: str, resources: str, verbs: str) -> Object:
    groups = ["" if each == "core" else each for each in group.split()] or [""]
    return {"apiGroups": groups, "resources": sorted(resources.split()), "verbs": verbs.split()}


def _paths(paths: str) -> Object:
    return {"nonResourceURLs": sorted(paths.split()), "verbs": ["get"]}


_WORKLOADS = (
    "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets "
    "statefulsets/scale"
)

_VIEW = (
    _rule(
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
        "services/status",
        _READ,
    ),
    _rule(
        "",
        "bindings limitranges namespaces/status pods/log pods/status "
        "replicationcontrollers/status resourcequotas resourcequotas/status",
        _READ,
    ),
    _rule("", "namespaces", _READ),
    _rule("core events.k8s.io", "events", _READ),
    _rule("discovery.k8s.io", "endpointslices", _READ),
    _rule(
        "apps",
        f"controllerrevisions {_WORKLOADS} daemonsets/status deployments/status "
        "replicasets/status statefulsets/status",
        _READ,
    ),
    _rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", _READ),
    _rule("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
    _rule(
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
        "ingresses/status networkpolicies replicasets replicasets/scale replicasets/status "
        "replicationcontrollers/scale",
        _READ,
    ),
    _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
    _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
    _rule("resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates", _READ),
)

_INSIDE = "pods/attach pods/exec pods/portforward pods/proxy"

_EDIT = (
    _rule("", f"{_INSIDE} secrets services/proxy", _READ),
    _rule("", "serviceaccounts", "impersonate"),
    _rule("", f"pods {_INSIDE}", _WRITE),
    _rule("", "pods/eviction", "create"),
    _rule(
        "",
        "configmaps persistentvolumeclaims replicationcontrollers "
        "replicationcontrollers/scale secrets serviceaccounts services services/proxy",
        _WRITE,
    ),
    _rule("", "serviceaccounts/token", "create"),
    _rule("core events.k8s.io", "events", _WRITE),
    _rule("apps", f"{_WORKLOADS} deployments/rollback", _WRITE),
    _rule("autoscaling", "horizontalpodautoscalers", _WRITE),
    _rule("batch", "cronjobs jobs", _WRITE),
    _rule(
        "extensions",
        "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies "
        "replicasets replicasets/scale replicationcontrollers/scale",
        _WRITE,
    ),
    _rule("policy", "poddisruptionbudgets", _WRITE),
    _rule("networking.k8s.io", "ingresses networkpolicies", _WRITE),
    _rule("coordination.k8s.io", "leases", _ALL),
    _rule("resource.k8s.io", "resourceclaims resourceclaimtemplates", _WRITE),
)

_ADMIN = (
    _rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
    _rule(GROUP, "rolebindings roles", _ALL),
)

_NODE = (
    _rule("authentication.k8s.io", "tokenreviews", "create"),
    _rule("authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews", "create"),
    _rule("", "services configmaps secrets", _READ),
    _rule("", "nodes", "create get list watch patch update"),
    _rule("", "nodes/status pods/status", "patch update"),
    _rule("", "events", "create patch update"),
    _rule("", "pods", "get list watch create delete"),
    _rule("", "pods/eviction serviceaccounts/token", "create"),
    _rule("", "persistentvolumeclaims persistentvolumes endpoints", "get"),
    _rule("coordination.k8s.io", "leases", "create delete get patch update"),
    _rule("node.k8s.io", "runtimeclasses", _READ),
)

_RULES: Mapping[str, tuple[Object, ...]] = {
    "cluster-admin": EVERYTHING,
    "system:aggregate-to-admin": _ADMIN,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:aggregated-metrics-reader": (_rule("metrics.k8s.io", "nodes pods", "get list"),),
    "system:basic-user": (
        _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
        _rule("authentication.k8s.io", "selfsubjectreviews", "create"),
    ),
    "system:discovery": (_paths(f"/api /api/* /apis /apis/* /openapi /openapi/* {_HEALTH}"),),
    "system:monitoring": (
        _paths("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),
    ),
    "system:node": _NODE,
    "system:public-info-viewer": (_paths(_HEALTH),),
    "system:service-account-issuer-discovery": (
        _paths("/.well-known/openid-configuration /openid/v1/jwks"),
    ),
}

_GATHERED_BY = {  # role → the next larger one, which gathers it
    "view": "edit",
    "edit": "admin",
    "admin": "",
    "system:aggregate-to-admin": "admin",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view",
    "system:aggregated-metrics-reader": "view",  # brought by metrics-server
}

_BOUND: Mapping[str, tuple[str, ...]] = {
    "cluster-admin": (MASTERS,),
    "system:basic-user": (AUTHENTICATED,),
    "system:discovery": (AUTHENTICATED,),
    "system:monitoring": ("system:monitoring",),
    "system:public-info-viewer": (AUTHENTICATED, UNAUTHENTICATED),
    "system:service-account-issuer-discovery": ("system:serviceaccounts",),
}


def bootstrap_rbac(api: Api) -> None:
    """Create the default ClusterRoles and ClusterRoleBindings, as the server does when it starts.

    Roles that are there already get the rules back that they lack, and bindings their subjects,
    unless the annotation `rbac.authorization.kubernetes.io/autoupdate` on them is `false`. What
    people added stays.
    """
    for role in (*_roles(), *_system_roles()):
        _reconcile(api, role, "rules")
    for binding in (*_bindings(), *_system_bindings()):
        _reconcile(api, binding, "subjects")


def _roles() -> list[Object]:
    gathering = [name for name in _GATHERED_BY if name not in _RULES]
    return [_role(name) for name in sorted([*_RULES, *gathering])]


def _role(name: str) -> Object:
    larger = _GATHERED_BY.get(name)
    labels = {**_LABELS, f"{AGGREGATE}{larger}": "true"} if larger else _LABELS
    role = {**_header("ClusterRole", name), "rules": list(_RULES.get(name, ()))}
    role["metadata"]["labels"] = dict(labels)
    if name not in _RULES:
        selector = {"matchLabels": {f"{AGGREGATE}{name}": "true"}}
        role["aggregationRule"] = {"clusterRoleSelectors": [selector]}
    return role


def _bindings() -> list[Object]:
    return [
        {
            **_header("ClusterRoleBinding", name),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": each} for each in groups],
        }
        for name, groups in _BOUND.items()
    ]


def _system_roles() -> Iterator[Object]:
    """The roles of the cluster's own parts."""
    for name, rules in system_roles.rules(system_roles.CLUSTER).items():
        yield {**_header("ClusterRole", name), "rules": rules}
    for name, rules in system_roles.rules(system_roles.CONTROLLERS).items():
        yield {**_header("ClusterRole", f"system:controller:{name}"), "rules": rules}
    for place, rules in system_roles.rules(system_roles.NAMESPACED).items():
        namespace, _, name = place.partition("/")
        yield {**_header("Role", name, namespace), "rules": rules}


def _system_bindings() -> Iterator[Object]:
    """The bindings of the cluster's own parts."""
    bound = dict(system_roles.BOUND)
    for name in system_roles.rules(system_roles.CONTROLLERS):
        bound[f"system:controller:{name}"] = (f"ServiceAccount {name}",)
    for name, subjects in bound.items():
        yield _binding(name, subjects)
    for place, subjects in system_roles.BOUND_IN_NAMESPACES.items():
        namespace, _, name = place.partition("/")
        yield _binding(name, subjects, namespace)


def _binding(name: str, subjects: Sequence[str], namespace: str = "") -> Object:
    scope = "" if namespace else "Cluster"
    own = name if name.startswith("system:") else f"system::{name}"
    return {
        **_header(f"{scope}RoleBinding", own, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": f"{scope}Role", "name": name},
        "subjects": [_subject(*each.split()) for each in subjects],
    }


def _subject(kind: str, name: str) -> Object:
    if kind == "User":
        return {"apiGroup": GROUP, "kind": kind, "name": name}
    return {"kind": kind, "name": name, "namespace": "kube-system"}


def _header(kind: str, name: str, namespace: str = "") -> Object:
    metadata = {"name": name, "labels": dict(_LABELS), "annotations": {_AUTOUPDATE: "true"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata}


def _reconcile(api: Api, wanted: Object, field: str) -> None:
    resource = api.registry.by_kind(_VERSION, wanted["kind"])
    name, namespace = wanted["metadata"]["name"], wanted["metadata"].get("namespace", "")
    known = api.store.get((GROUP, resource.plural, namespace, name))
    if known is None:
        api.create(resource, wanted, namespace=namespace, options=_OPTIONS)
        return
    if (known["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false":
        return
    held = known.get(field) or []
    if field == "rules":
        lacking = missing(held, wanted[field])
    else:
        lacking = [each for each in wanted[field] if each not in held]
    if lacking:
        api.update(
            resource,
            name,
            {**known, field: [*held, *lacking]},
            namespace=namespace,
            options=_OPTIONS,
        )
