"""What clients ask of an API server, in its own words, for every kind of cluster under test.

A place is written as its URL is: `configmaps`, `apps/v1/deployments`. What lives in namespaces is
asked for in the namespace of the test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest

from gitops_lab.cluster.kubeconfig import refusal
from gitops_lab.errors import ApiError
from gitops_lab.model import Object, copied
from kubesim.api import Api, Options
from kubesim.resources import Resource

_EVERYWHERE = frozenset(
    "clusterrolebindings clusterroles customresourcedefinitions namespaces nodes persistentvolumes "
    "priorityclasses selfsubjectaccessreviews selfsubjectreviews storageclasses "
    "subjectaccessreviews".split()
)
"""What lives in no namespace, of what the suite asks for."""

_PATCHES = {
    "apply": "application/apply-patch+yaml",
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class Requests(Protocol):
    """The verbs. Each answers with the server's answer, or raises ApiError."""

    def create(
        self, place: str, body: Object, *, name: str = "", sub: str = "", dry_run: bool = False
    ) -> Object:
        """POST; with `name` and `sub` of a subresource."""

    def read(self, place: str, name: str, *, sub: str = "") -> Object:
        """GET one."""

    def list(
        self, place: str, *, labels: str = "", fields: str = "", limit: int = 0, after: str = ""
    ) -> Object:
        """GET many; `after` is the continue token of the page before."""

    def events(
        self, place: str, *, since: str, labels: str = "", fields: str = ""
    ) -> Sequence[dict[str, Any]]:
        """What a watch tells of what has happened up to now."""

    def update(
        self, place: str, name: str, body: Object, *, sub: str = "", dry_run: bool = False
    ) -> Object:
        """PUT."""

    def patch(
        self,
        place: str,
        name: str,
        patch: Any,
        *,
        type: str = "merge",
        sub: str = "",
        manager: str = "test",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """PATCH; `apply` is one of the types."""

    def delete(
        self,
        place: str,
        name: str,
        *,
        propagation: str = "",
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> Object:
        """DELETE one."""

    def delete_all(self, place: str, *, labels: str = "") -> None:
        """DELETE many."""


@dataclass(frozen=True)
class Verbs:
    """The verbs of a simulated API server, called in-process."""

    api: Api
    namespace: str

    def create(
        self, place: str, body: Object, *, name: str = "", sub: str = "", dry_run: bool = False
    ) -> Object:
        resource, where = self._resource(place)
        options = Options(field_manager="test", dry_run=dry_run)
        return copied(
            self.api.create(
                resource, copied(body), namespace=where, name=name, subresource=sub, options=options
            )
        )

    def read(self, place: str, name: str, *, sub: str = "") -> Object:
        resource, where = self._resource(place)
        return copied(self.api.get(resource, name, namespace=where, subresource=sub))

    def list(
        self, place: str, *, labels: str = "", fields: str = "", limit: int = 0, after: str = ""
    ) -> Object:
        resource, where = self._resource(place)
        found = self.api.list(
            resource, namespace=where, labels=labels, fields=fields, limit=limit, continue_=after
        )
        return copied(found)

    def events(
        self, place: str, *, since: str, labels: str = "", fields: str = ""
    ) -> Sequence[dict[str, Any]]:
        resource, where = self._resource(place)
        watch = self.api.watch(resource, namespace=where, labels=labels, fields=fields, since=since)
        return watch.poll()

    def update(
        self, place: str, name: str, body: Object, *, sub: str = "", dry_run: bool = False
    ) -> Object:
        resource, where = self._resource(place)
        options = Options(field_manager="test", dry_run=dry_run)
        return copied(
            self.api.update(
                resource, name, copied(body), namespace=where, subresource=sub, options=options
            )
        )

    def patch(
        self,
        place: str,
        name: str,
        patch: Any,
        *,
        type: Any = "merge",
        sub: str = "",
        manager: str = "test",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        resource, where = self._resource(place)
        options = Options(field_manager=manager, force=force, dry_run=dry_run)
        patch = json.loads(json.dumps(patch))
        return copied(
            self.api.patch(
                resource, name, patch, type=type, namespace=where, subresource=sub, options=options
            )
        )

    def delete(
        self,
        place: str,
        name: str,
        *,
        propagation: str = "",
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> Object:
        resource, where = self._resource(place)
        options = Options(
            propagation=propagation, uid=uid, resource_version=revision, dry_run=dry_run
        )
        return copied(self.api.delete(resource, name, namespace=where, options=options))

    def delete_all(self, place: str, *, labels: str = "") -> None:
        resource, where = self._resource(place)
        self.api.delete_collection(resource, namespace=where, labels=labels)

    def _resource(self, place: str) -> tuple[Resource, str]:
        *group, version, plural = ("v1/" * ("/" not in place) + place).split("/")
        resource = self.api.registry.by_plural("/".join(group), version, plural)
        return resource, self.namespace if resource.namespaced else ""


@dataclass(frozen=True)
class Rest:
    """The same over HTTPS, with a dynamic client of the official Python package.

    Args:
        client: the client.
        namespace: where.
        headers: say whom to impersonate.
    """

    client: Any
    namespace: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, kubeconfig: Path, context: str, cache: Path) -> Rest:
        """The holder of a kubeconfig; in no namespace yet."""
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import load_kube_config
        from kubernetes.dynamic import DynamicClient

        configuration = Configuration()
        load_kube_config(str(kubeconfig), context or None, configuration, persist_config=False)
        if "//127.0.0.1:" in configuration.host:
            configuration.proxy = None
        return cls(DynamicClient(ApiClient(configuration), cache_file=str(cache)), "")

    def within(self, namespace: str) -> Rest:
        """The same, in a namespace."""
        return replace(self, namespace=namespace)

    def as_user(self, user: str, group: str = "") -> Rest:
        """The same, as another user, who is in a group or in none."""
        groups = {"Impersonate-Group": group} if group else {}
        return replace(self, headers={"Impersonate-User": user, **groups})

    def create(
        self, place: str, body: Object, *, name: str = "", sub: str = "", dry_run: bool = False
    ) -> Object:
        return self._ask("POST", self._path(place, name, sub), body, **_dry(dry_run))

    def read(self, place: str, name: str, *, sub: str = "") -> Object:
        return self._ask("GET", self._path(place, name, sub))

    def list(
        self, place: str, *, labels: str = "", fields: str = "", limit: int = 0, after: str = ""
    ) -> Object:
        query = {"labelSelector": labels, "fieldSelector": fields, "continue": after}
        return self._ask("GET", self._path(place), limit=str(limit or ""), **query)

    def events(
        self, place: str, *, since: str, labels: str = "", fields: str = "", **more: str
    ) -> Sequence[dict[str, Any]]:
        query = {"labelSelector": labels, "fieldSelector": fields, "resourceVersion": since, **more}
        data = self._data("GET", self._path(place), watch="true", timeoutSeconds="1", **query)
        return [json.loads(line) for line in data.splitlines()]

    def update(
        self, place: str, name: str, body: Object, *, sub: str = "", dry_run: bool = False
    ) -> Object:
        return self._ask("PUT", self._path(place, name, sub), body, **_dry(dry_run))

    def patch(
        self,
        place: str,
        name: str,
        patch: Any,
        *,
        type: str = "merge",
        sub: str = "",
        manager: str = "test",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        query = {**_dry(dry_run), "fieldManager": manager, "force": "true" if force else ""}
        return self._ask("PATCH", self._path(place, name, sub), patch, _PATCHES[type], **query)

    def delete(
        self,
        place: str,
        name: str,
        *,
        propagation: str = "",
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> Object:
        wanted = {"uid": uid, "resourceVersion": revision}
        options: Object = {"preconditions": {key: text for key, text in wanted.items() if text}}
        if propagation:
            options["propagationPolicy"] = propagation
        if dry_run:  # a request with a body has no options in the query
            options["dryRun"] = ["All"]
        return self._ask("DELETE", self._path(place, name), options)

    def delete_all(self, place: str, *, labels: str = "") -> None:
        self._ask("DELETE", self._path(place), labelSelector=labels)

    def _path(self, place: str, *more: str) -> str:
        *group, plural = place.split("/")
        path = ["apis", *group] if group else ["api", "v1"]
        if plural not in _EVERYWHERE:
            path += ["namespaces", self.namespace]
        return "/".join(("", *path, plural, *filter(None, more)))

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        media: str = "application/json",
        **query: str,
    ) -> Object:
        if method != "GET" and method != "DELETE":
            query = {"fieldManager": "test", "fieldValidation": "Strict", **query}
        found: Object = json.loads(self._data(method, path, body, media, **query))
        return found

    def _data(
        self,
        method: str,
        path: str,
        body: Any = None,
        media: str = "application/json",
        **query: str,
    ) -> bytes:
        from kubernetes.client import ApiException

        query = {name: text for name, text in query.items() if text}
        try:
            answer = self.client.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                body=body,
                content_type=media,
                header_params=dict(self.headers),
                serialize=False,
            )
        except ApiException as error:
            raise refusal(error.status, error.reason, error.body) from error
        data: bytes = answer.data
        return data


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


@contextmanager
def refused(code: int, reason: str, *texts: str, field: str = "") -> Iterator[None]:
    """What is inside is refused.

    Args:
        code: the HTTP status code.
        reason: the Status's reason.
        texts: parts of its message.
        field: the field of one of its causes.
    """
    with pytest.raises(ApiError) as error:
        yield
    assert (error.value.code, error.value.reason or "") == (code, reason), error.value.message
    for text in texts:
        assert text in error.value.message
    if field:
        assert field in [cause["field"] for cause in error.value.causes]


def names(found: Object | Sequence[Object]) -> list[str]:
    """The names of objects, in their order."""
    objects = found["items"] if isinstance(found, dict) else found
    return [obj["metadata"]["name"] for obj in objects]
