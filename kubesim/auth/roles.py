"""The roles that every cluster has, and to whom they are bound from the beginning.

`admin`, `edit` and `view` have no rules of their own: they gather those of every ClusterRole with a
certain label, so that whoever adds a resource can add what may be done with it.

Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy and pkg/registry/rbac/rest (1.37).
Of the roles for the cluster's own parts only the kubelets' is here: the other parts run inside.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubesim.api import Api, Options
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
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


def _paths(paths: str) -> Object:
    return {"nonResourceURLs": paths.split(), "verbs": ["get"]}


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
        "bindings events limitranges namespaces/status pods/log pods/status "
        "replicationcontrollers/status resourcequotas resourcequotas/status",
        _READ,
    ),
    _rule("", "namespaces", _READ),
    _rule("discovery.k8s.io", "endpointslices", _READ),
    _rule(
        "apps",
        f"controllerrevisions {_WORKLOADS} daemonsets/status deployments/status "
        "replicasets/status statefulsets/status",
        _READ,
    ),
    _rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", _READ),
    _rule("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
    _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
    _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
)

_INSIDE = "pods/attach pods/exec pods/portforward pods/proxy"

_EDIT = (
    _rule("", f"{_INSIDE} secrets services/proxy", _READ),
    _rule("", "serviceaccounts", "impersonate"),
    _rule("", f"pods {_INSIDE}", _WRITE),
    _rule("", "pods/eviction", "create"),
    _rule(
        "",
        "configmaps events persistentvolumeclaims replicationcontrollers "
        "replicationcontrollers/scale secrets serviceaccounts services services/proxy",
        _WRITE,
    ),
    _rule("", "serviceaccounts/token", "create"),
    _rule("apps", f"{_WORKLOADS} deployments/rollback", _WRITE),
    _rule("autoscaling", "horizontalpodautoscalers", _WRITE),
    _rule("batch", "cronjobs jobs", _WRITE),
    _rule("policy", "poddisruptionbudgets", _WRITE),
    _rule("networking.k8s.io", "ingresses networkpolicies", _WRITE),
    _rule("coordination.k8s.io", "leases", _ALL),
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
    "system:auth-delegator": (
        _rule("authentication.k8s.io", "tokenreviews", "create"),
        _rule("authorization.k8s.io", "subjectaccessreviews", "create"),
    ),
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
    for role in _roles():
        _reconcile(api, role, "rules")
    for binding in _bindings():
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


def _header(kind: str, name: str) -> Object:
    metadata = {"name": name, "labels": dict(_LABELS), "annotations": {_AUTOUPDATE: "true"}}
    return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata}


def _reconcile(api: Api, wanted: Object, field: str) -> None:
    resource = api.registry.by_kind(_VERSION, wanted["kind"])
    name = wanted["metadata"]["name"]
    known = api.store.get((GROUP, resource.plural, "", name))
    if known is None:
        api.create(resource, wanted, options=_OPTIONS)
        return
    if (known["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false":
        return
    held = known.get(field) or []
    if field == "rules":
        lacking = missing(held, wanted[field])
    else:
        lacking = [each for each in wanted[field] if each not in held]
    if lacking:
        api.update(resource, name, {**known, field: [*held, *lacking]}, options=_OPTIONS)
