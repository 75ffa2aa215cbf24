"""Any cluster that a kubeconfig names, reached over HTTPS with the official Python client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from gitops_lab.errors import ApiError, ClusterUnreachable, UsageError
from gitops_lab.model import Object, ObjectKey, join_api_version, split_api_version

CONNECT, READ = 3.0, 30.0
"""How long to wait for a connection, and for the next byte of an answer, in seconds."""


class KubeconfigCluster:
    """The Cluster port (`gitops_lab.ports.Cluster`) over a kubeconfig's context.

    It connects when it is first asked something. Use each from one thread at a time.

    Args:
        name: what people call it.
        kubeconfig: the file; nothing else is read, least of all the user's own.
        context: the context in it; its current one if empty.
        cache: where the discovered kinds are kept between runs; its folder must exist.
    """

    def __init__(self, name: str, kubeconfig: Path, *, context: str = "", cache: Path) -> None:
        self.name, self.kubeconfig, self.context, self.cache = name, kubeconfig, context, cache
        self._connected: Any = None
        self._resources: dict[tuple[str, str, str], Any] = {}
        self._acts_as = ""
        self._others: dict[str, Self] = {}

    def impersonate(self, user: str) -> Self:
        """The same cluster as another user; whether that is allowed, the API server decides.

        Source: Kubernetes, "User impersonation".
        """
        if user not in self._others:
            other = copy(self)
            other._connected, other._resources, other._others = None, {}, {}
            other._acts_as = user
            self._others[user] = other
        return self._others[user]

    def is_namespaced(self, group: str, kind: str) -> bool:
        """Whether a kind lives in namespaces; a kind the server lacks is an ApiError 404."""
        return bool(self._resource(group, kind).namespaced)

    def find_kind(self, kind: str) -> tuple[str, str, bool] | None:
        """Group, kind and whether it lives in namespaces, of a kind in any case; None if none."""
        for group, name in self.kinds():
            if name.lower() == kind.lower():
                return group, name, self.is_namespaced(group, name)
        return None

    def kinds(self) -> list[tuple[str, str]]:
        """Group and kind of all whose objects can be listed and deleted, as of now."""
        from kubernetes.dynamic.resource import ResourceList

        self._resources.clear()
        with _translated(self.name):
            self._client.resources.invalidate_cache()  # kinds may have been defined since
            found = self._client.resources.search()
        return sorted(
            {
                (each.group, each.kind)
                for each in found
                if not isinstance(each, ResourceList) and {"list", "delete"} <= {*each.verbs}
            }
        )

    def may(self, verb: str, group: str, resource: str, *, namespace: str = "") -> bool:
        """Whether one may do something oneself; without a namespace, everywhere.

        Source: Kubernetes, SelfSubjectAccessReview (authorization.k8s.io/v1).
        """
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._ask("POST", path, {}, review)["status"]["allowed"])

    def get(self, key: ObjectKey, *, version: str = "") -> Object | None:
        """The live object, in the given or the preferred API version; None if there is none."""
        try:
            return self._ask("GET", self._path(key, version))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(
        self, group: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Live objects of a kind, by key; without a namespace, of all of them."""
        resource = self._resource(group, kind)
        selector = ",".join(f"{name}={value}" for name, value in (labels or {}).items())
        query = {"labelSelector": selector} if selector else {}
        found = self._ask("GET", resource.path(namespace=namespace or None), query)
        header = {"apiVersion": resource.group_version, "kind": kind}
        return sorted(({**header, **item} for item in found["items"]), key=ObjectKey.of)

    def apply(
        self, body: Object, *, manager: str, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Server-side apply; the object as it is, or with `dry_run` as it would be."""
        _, version = split_api_version(body["apiVersion"])
        query = {
            "fieldManager": manager,
            "force": str(force).lower(),
            **({"dryRun": "All"} if dry_run else {}),
        }
        path = self._path(ObjectKey.of(body), version)
        return self._ask("PATCH", path, query, body, "application/apply-patch+yaml")

    def create(self, body: Object, *, manager: str) -> Object:
        """Create an object; one that exists already is an ApiError 409."""
        key, (_, version) = ObjectKey.of(body), split_api_version(body["apiVersion"])
        path = self._path(key, version).rpartition("/")[0]
        return self._ask("POST", path, {"fieldManager": manager}, body)

    def patch(
        self, key: ObjectKey, patch: Mapping[str, Any], *, manager: str, subresource: str = ""
    ) -> Object:
        """JSON merge patch (RFC 7386), as a person's or a script's edit."""
        path = self._path(key) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": manager}
        return self._ask("PATCH", path, query, dict(patch), "application/merge-patch+json")

    def delete(self, key: ObjectKey, *, propagation: str = "Background", uid: str = "") -> None:
        """Delete; with `uid` only that very object. An object that is gone already is no error."""
        options: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            **({"preconditions": {"uid": uid}} if uid else {}),
        }
        try:
            self._ask("DELETE", self._path(key), {}, options)
        except ApiError as error:
            if error.code != 404:
                raise

    def ask(self, namespace: str, service: str, path: str) -> tuple[int, str]:
        """What the application behind a Service answers; 503 if no pod is ready."""
        from kubernetes.client import ApiException

        name = quote(service, safe=":")
        place = f"/api/v1/namespaces/{quote(namespace)}/services/{name}/proxy{quote(path)}"
        with _translated(self.name):
            try:
                answer = self._client.request(
                    "GET", place, serialize=False, _request_timeout=(CONNECT, READ)
                )
            except ApiException as error:  # the application's own answer, too
                return error.status, (error.body or b"").decode(errors="replace")
            return answer.status, answer.data.decode(errors="replace")

    def request_token(self, namespace: str, account: str, *, seconds: int) -> str:
        """A token for a ServiceAccount; the server may give it a shorter life.

        Source: TokenRequest of authentication.k8s.io/v1.
        """
        path = f"{self._path(ObjectKey('', 'ServiceAccount', namespace, account))}/token"
        header = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        answer = self._ask("POST", path, {}, {**header, "spec": {"expirationSeconds": seconds}})
        token: str = answer["status"]["token"]
        return token

    @property
    def server(self) -> str:
        """The address of the API server."""
        url: str = self._client.configuration.host
        return url

    def close(self) -> None:
        """Let go of the connections; asking again makes new ones."""
        if self._connected is not None:
            self._connected.client.rest_client.close()
        self._connected = None
        self._resources.clear()
        for other in self._others.values():
            other.close()

    # -- how it is done -------------------------------------------------------------------------

    def _path(self, key: ObjectKey, version: str = "") -> str:
        resource = self._resource(key.group, key.kind, version)
        path: str = resource.path(
            name=quote(key.name, safe=":"), namespace=quote(key.namespace) or None
        )
        return path

    def _resource(self, group: str, kind: str, version: str = "") -> Any:
        """The dynamic client's description of a kind, in the given or the preferred version."""
        place = (group, kind, version)
        if place not in self._resources:
            found = self._discover(group, kind, version)
            if not found:
                where = (
                    f'in version "{join_api_version(group, version)}"'
                    if version
                    else f'in group "{group}"'
                )
                raise ApiError(404, "NotFound", f'no matches for kind "{kind}" {where}')
            self._resources[place] = next((each for each in found if each.preferred), found[0])
        return self._resources[place]

    def _discover(self, group: str, kind: str, version: str) -> Sequence[Any]:
        from kubernetes.dynamic.exceptions import ResourceNotFoundError

        with _translated(self.name):
            try:
                found: Sequence[Any] = self._client.resources.search(
                    prefix="apis" if group else "api",
                    group=group or None,
                    api_version=version or None,
                    kind=kind,
                )
            except ResourceNotFoundError:
                found = ()
        return found

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """One request, and the object that answers it.

        A refused token may have been renewed in its file since: then it is read again, once.
        """
        try:
            return self._ask_once(method, path, query, body, content_type)
        except ApiError as error:
            if error.code != 401:
                raise
        self.close()
        return self._ask_once(method, path, query, body, content_type)

    def _ask_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        content_type: str,
    ) -> Object:
        with _translated(self.name):
            answer = self._client.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                body=body,
                content_type=content_type,
                serialize=False,
                _request_timeout=(CONNECT, READ),
            )
            found: Object = json.loads(answer.data)
        return found

    @property
    def _client(self) -> Any:
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def _connect(self) -> Any:
        # Not above: importing the client takes a second, and most commands need none.
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import ConfigException, load_kube_config
        from kubernetes.dynamic import DynamicClient

        configuration = Configuration()
        try:
            load_kube_config(
                config_file=str(self.kubeconfig),
                context=self.context or None,
                client_configuration=configuration,
                persist_config=False,
            )
        except ConfigException as error:
            raise UsageError(
                f"this kubeconfig cannot be used: {error}",
                where=str(self.kubeconfig),
                fix="name a context that it has",
            ) from error
        configuration.retries = 1  # a connection that the server has closed since is no outage
        if _is_loopback(configuration.host):
            configuration.proxy = None  # as kubectl does: a proxy means another machine by it
        client = ApiClient(configuration)
        if self._acts_as:
            client.set_default_header("Impersonate-User", self._acts_as)
        return DynamicClient(client, cache_file=str(self.cache))


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turns the client's errors into ours.

    Args:
        name: the cluster's name, for the message.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise refusal(error.status, error.reason, error.body) from error
    except (HTTPError, OSError) as error:
        raise ClusterUnreachable(
            "the API server does not answer",
            where=name,
            fix="see that it runs and can be reached from here",
        ) from error


def refusal(code: int, reason: str | None, body: str | bytes | None) -> ApiError:
    """The error that an answer stands for; what comes from a proxy is no Status.

    Args:
        code: the HTTP status code.
        reason: the HTTP reason phrase.
        body: the answer.
    """
    try:
        status = json.loads(body or "")
        details = dict(status.get("details") or {})
        causes = details.pop("causes", ())
        return ApiError(
            status.get("code", code),
            status.get("reason", ""),
            status["message"],
            details=details,
            causes=causes,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
        return ApiError(code, reason or "", text.strip() or reason or f"HTTP status {code}")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
