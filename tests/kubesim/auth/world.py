"""An API server with roles, and the question who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api import Api, Options, bootstrap
from kubesim.auth.authorization import Attributes, Authorizer
from kubesim.auth.users import AUTHENTICATED, User
from kubesim.clock import EPOCH
from kubesim.resources import Resource

GROUP = "rbac.authorization.k8s.io"
JANE = User("jane", ("dev", AUTHENTICATED))


class World:
    """An API server without any role, its clock, its authorizer, and the namespace `default`."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.api = Api(now=lambda: self.now, rng=Random(1))
        bootstrap(self.api)
        self.authorizer = Authorizer(self.api.store)

    def resource(self, kind: str) -> Resource:
        return next(each for each in self.api.registry.all() if each.kind == kind)

    def create(self, body: Object, **options: Any) -> Object:
        resource = self.resource(body["kind"])
        place = "default" if resource.namespaced else ""
        return self.api.create(resource, body, namespace=place, options=Options(**options))

    def update(self, body: Object, **options: Any) -> Object:
        resource, name = self.resource(body["kind"]), body["metadata"]["name"]
        place = "default" if resource.namespaced else ""
        return self.api.update(resource, name, body, namespace=place, options=Options(**options))

    def get(self, kind: str, name: str) -> Object:
        resource = self.resource(kind)
        return self.api.get(resource, name, namespace="default" if resource.namespaced else "")

    def delete(self, kind: str, name: str, **options: Any) -> None:
        resource = self.resource(kind)
        place = "default" if resource.namespaced else ""
        self.api.delete(resource, name, namespace=place, options=Options(**options))

    def may(self, verb: str, resource: str = "", user: User = JANE, **more: Any) -> bool:
        return self.authorizer.allows(user, ask(verb, resource, **more)).allowed

    def grant(
        self, *rules: Object, to: User = JANE, name: str = "some", namespace: str = "default"
    ) -> None:
        """Give a user rules; with an empty namespace, everywhere."""
        kind = "Role" if namespace else "ClusterRole"
        self.create(role(name, *rules, kind=kind))
        self.create(
            binding(name, {"kind": "User", "name": to.name}, to=kind, everywhere=not namespace)
        )


def ask(verb: str, resource: str = "", **more: Any) -> Attributes:
    """A request for a resource like `pods`, `pods/log` or `deployments.apps`, in `default`."""
    plural, _, subresource = resource.partition("/")
    plural, _, group = plural.partition(".")
    if resource:
        more = {"namespace": "default", **more}
    return Attributes(verb, group=group, resource=plural, subresource=subresource, **more)


def rule(verbs: str, resources: str, group: str = "", names: Sequence[str] = ()) -> Object:
    """A rule for resources of one group, all lists written with spaces."""
    own = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**own, "resourceNames": list(names)} if names else own


def role(name: str, *rules: Object, kind: str = "Role", **metadata: Any) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "rules": list(rules),
    }


def binding(
    name: str, *subjects: Object, to: str = "Role", everywhere: bool = False, role: str = ""
) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding" if everywhere else "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": to, "name": role or name},
        "subjects": list(subjects),
    }


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str, str]:
    """What a refusal says: code, reason and message."""
    return error.value.code, error.value.reason, error.value.message


def plain(kind: str, name: str) -> Object:
    """An object that needs nothing but a name."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def pod(name: str, **spec: Any) -> Object:
    containers = [{"name": "web", "image": "web:1"}]
    return {**plain("Pod", name), "spec": {"containers": containers, **spec}}
