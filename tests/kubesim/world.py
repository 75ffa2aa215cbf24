"""An API server in memory without controllers, and the objects that its tests write."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api import Api, Options, bootstrap
from kubesim.clock import EPOCH
from kubesim.resources import Resource


class World:
    """A bootstrapped API server, its clock, and its verbs by kind, in the namespace `default`."""

    def __init__(self, seed: int = 1) -> None:
        self.now = EPOCH
        self.api = Api(now=lambda: self.now, rng=Random(seed))
        bootstrap(self.api)

    def resource(self, kind: str, api_version: str = "") -> Resource:
        if api_version:
            return self.api.registry.by_kind(api_version, kind)
        return next(each for each in self.api.registry.all() if each.kind == kind)

    def create(self, body: Object, **options: Any) -> Object:
        resource = self.resource(body["kind"], body["apiVersion"])
        return self.api.create(
            resource, body, namespace=_place(resource), options=Options(**options)
        )

    def get(self, kind: str, name: str, **more: Any) -> Object:
        resource = self.resource(kind)
        return self.api.get(resource, name, namespace=_place(resource), **more)

    def has(self, kind: str, name: str) -> bool:
        try:
            self.get(kind, name)
        except ApiError as error:
            assert error.code == 404
            return False
        return True

    def update(self, body: Object, subresource: str = "", **options: Any) -> Object:
        resource = self.resource(body["kind"], body["apiVersion"])
        return self.api.update(
            resource,
            body["metadata"]["name"],
            body,
            namespace=_place(resource),
            subresource=subresource,
            options=Options(**options),
        )

    def patch(
        self, kind: str, name: str, patch: Any, type: Any = "merge", subresource: str = "", **o: Any
    ) -> Object:
        resource = self.resource(kind)
        return self.api.patch(
            resource,
            name,
            patch,
            type=type,
            namespace=_place(resource),
            subresource=subresource,
            options=Options(**o),
        )

    def apply(self, body: Object, subresource: str = "", **options: Any) -> Object:
        resource = self.resource(body["kind"], body["apiVersion"])
        return self.api.apply(
            resource,
            body["metadata"]["name"],
            body,
            namespace=_place(resource),
            subresource=subresource,
            options=Options(**{"field_manager": "test", **options}),
        )

    def delete(self, kind: str, name: str, **options: Any) -> Object:
        resource = self.resource(kind)
        return self.api.delete(
            resource, name, namespace=_place(resource), options=Options(**options)
        )

    def names(self, kind: str, **query: Any) -> list[str]:
        found = self.api.list(self.resource(kind), **query)
        return [item["metadata"]["name"] for item in found["items"]]


def _place(resource: Resource) -> str:
    return "default" if resource.namespaced else ""


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str, str]:
    """What a refusal says: code, reason and message."""
    return error.value.code, error.value.reason, error.value.message


def config_map(name: str = "settings", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": data,
    }


def pod(name: str = "web-1", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "spec": {"containers": [{"name": "web", "image": "web:1"}], **spec},
    }


def deployment(name: str = "web", image: str = "web:1", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": image}]},
            },
            **spec,
        },
    }


def service(name: str = "web", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}], **spec},
    }


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
