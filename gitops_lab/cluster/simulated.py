"""The simulated cluster, called in-process: an API server, its controllers and its nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

import kubesim
from gitops_lab.errors import ApiError, ClusterUnreachable
from gitops_lab.model import Object, ObjectKey, copied, join_api_version
from gitops_lab.ports import Clock, Credentials
from kubesim.api import Api, Options
from kubesim.applications.exchange import Request
from kubesim.applications.routing import Unreachable, behind, port_name
from kubesim.auth import Attributes, User
from kubesim.auth.users import AUTHENTICATED, account_groups
from kubesim.controllers.signing import Sign
from kubesim.resources import Resource
from kubesim.store import Store

PROXY = "10.244.0.1"
"""The address that the API server's requests come from: the first node's, on the pods' network."""


class SimulatedCluster(kubesim.Cluster):
    """A simulated cluster whose address outside can be cut off, and that reports object keys.

    Args:
        name: what people call it.
        clock: its time, for the API server and the controllers.
        random: draws uids, name suffixes and the kubelet's small variations.
        images: how container images behave; a catalogue of our own if None.
        nodes: how many nodes it has.
        store: where its objects are; it goes on with those that are there. A new one if None.
        certificate: of the authority that clients inside the cluster must trust, in PEM; empty
            where no client connects.
        sign: has that authority sign certificates that are asked for and approved.
        token_key: signs the tokens in Secrets; if None, no server is there to check them.
        stopwatch: seconds of real time, where others wait while the controllers work.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        random: Random,
        images: kubesim.Catalogue | None = None,
        nodes: int = 1,
        store: Store | None = None,
        certificate: str = "",
        sign: Sign | None = None,
        token_key: EllipticCurvePrivateKey | None = None,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(
            now=clock.now,
            rng=random,
            images=images,
            nodes=nodes,
            store=store,
            certificate=certificate,
            sign=sign,
            token_key=token_key,
            stopwatch=stopwatch,
        )
        self.name = name
        self.reachable = True
        """Whether the address outside the cluster answers; the one inside always does."""
        self._node_listeners: list[Callable[[ObjectKey], None]] = []

    def disconnect_node(self, name: str) -> None:
        """Cut a node off from the rest of the cluster, as a pulled cable does.

        Raises:
            ApiError: 404: there is no such node.
        """
        super().disconnect_node(name)
        self._report_node(name)

    def reconnect_node(self, name: str) -> None:
        """End that; a node that is not cut off is no error."""
        super().reconnect_node(name)
        self._report_node(name)

    def connect(self, credentials: Credentials) -> SimulatedConnection:
        """The Cluster port, for the holder of these credentials."""
        return SimulatedConnection(self, credentials)

    def on_change(self, listener: Callable[[ObjectKey], None]) -> None:
        """Have a listener get the key of each object that is created, changed or deleted.

        Also that of a node that is cut off, or no longer.
        """
        self.subscribe(lambda event: listener(ObjectKey.of(event.object)))
        self._node_listeners.append(listener)

    def _report_node(self, name: str) -> None:
        for listener in self._node_listeners:
            listener(ObjectKey("", "Node", "", name))


class SimulatedConnection:
    """The Cluster port (`gitops_lab.ports.Cluster`) over the verbs of a simulated API server.

    What the user may not do is refused with the words of the API server, as over HTTPS.

    Args:
        cluster: the cluster at the other end.
        credentials: who asks, and from which side.
    """

    def __init__(self, cluster: SimulatedCluster, credentials: Credentials) -> None:
        self.name, self.cluster, self.credentials = cluster.name, cluster, credentials
        account = credentials.account
        groups = account_groups(account[0]) if account else (AUTHENTICATED,)
        self.user = User(credentials.user, (*credentials.groups, *groups))

    def impersonate(self, user: str) -> SimulatedConnection:
        """The same cluster as another user.

        Raises:
            ApiError: 403: this connection's user may not act as that one.
        """
        other = SimulatedConnection(self.cluster, Credentials(user, self.credentials.inside))
        account = other.credentials.account
        what = Attributes("impersonate", version="v1", resource="users", name=user)
        if account is not None:
            namespace, name = account
            what = Attributes(
                "impersonate", version="v1", resource="serviceaccounts", namespace=namespace,
                name=name,
            )  # fmt: skip
        self._check(what)
        return other

    def find_kind(self, kind: str) -> tuple[str, str, bool] | None:
        """Group, kind and whether it lives in namespaces, of a kind in any case; None if none."""
        for each in self.cluster.api.registry.all():  # a name needs no connection
            if each.kind.lower() == kind.lower():
                return each.group, each.kind, each.namespaced
        return None

    def kinds(self) -> list[tuple[str, str]]:
        """Group and kind of all whose objects can be listed and deleted, as of now."""
        found = self._api.registry.all()
        return sorted({(r.group, r.kind) for r in found if {"list", "delete"} <= {*r.verbs}})

    def is_namespaced(self, group: str, kind: str) -> bool:
        """Whether a kind lives in namespaces; a kind the server lacks is an ApiError 404."""
        return self._api.registry.preferred(group, kind).namespaced

    def get(self, key: ObjectKey, *, version: str = "") -> Object | None:
        """The live object, in the given or the preferred API version; None if there is none."""
        try:
            resource = self._resource(key, version)
            self._authorize("get", resource, key.namespace, key.name)
            return copied(self._api.get(resource, key.name, namespace=key.namespace))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(
        self, group: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Live objects of a kind, by key; without a namespace, of all of them."""
        resource = self._api.registry.preferred(group, kind)
        self._authorize("list", resource, namespace)
        selector = ",".join(f"{name}={value}" for name, value in (labels or {}).items())
        found = self._api.list(resource, namespace=namespace or None, labels=selector)
        header = {"apiVersion": resource.api_version, "kind": kind}
        return [copied({**header, **item}) for item in found["items"]]

    def apply(
        self, body: Object, *, manager: str, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Server-side apply; the object as it is, or with `dry_run` as it would be."""
        resource = self._api.registry.by_kind(body["apiVersion"], body["kind"])
        name, namespace = body["metadata"]["name"], body["metadata"].get("namespace", "")
        self._authorize("patch", resource, namespace, name)
        return copied(
            self._api.apply(
                resource,
                name,
                body if dry_run else copied(body),  # what is stored must never change
                namespace=namespace,
                options=self._options(field_manager=manager, force=force, dry_run=dry_run),
            )
        )

    def create(self, body: Object, *, manager: str) -> Object:
        """Create an object; one that exists already is an ApiError 409."""
        resource = self._api.registry.by_kind(body["apiVersion"], body["kind"])
        options = Options(field_manager=manager)
        return copied(self._api.create(resource, copied(body), options=options))

    def patch(
        self, key: ObjectKey, patch: Mapping[str, Any], *, manager: str, subresource: str = ""
    ) -> Object:
        """JSON merge patch (RFC 7386), as a person's or a script's edit."""
        resource = self._resource(key)
        self._authorize("patch", resource, key.namespace, key.name, subresource)
        return copied(
            self._api.patch(
                resource,
                key.name,
                copied(dict(patch)),
                type="merge",
                namespace=key.namespace,
                subresource=subresource,
                options=self._options(field_manager=manager),
            )
        )

    def delete(self, key: ObjectKey, *, propagation: str = "Background", uid: str = "") -> None:
        """Delete; with `uid` only that very object. An object that is gone already is no error."""
        options = self._options(propagation=propagation, uid=uid)
        try:
            resource = self._resource(key)
            self._authorize("delete", resource, key.namespace, key.name)
            self._api.delete(resource, key.name, namespace=key.namespace, options=options)
        except ApiError as error:
            if error.code != 404:
                raise

    def ask(self, namespace: str, service: str, path: str) -> tuple[int, str]:
        """What the application behind a Service answers; 503 if no pod is ready."""
        name, _, port = service.partition(":")
        api, applications = self._api, self.cluster.applications
        self._authorize("get", api.registry.preferred("", "Service"), namespace, name, "proxy")
        found = api.store.get(("", "services", namespace, name))
        if found is None:
            raise ApiError(404, "NotFound", f'services "{name}" not found')
        if port.isdecimal():
            known = port_name(found, int(port))  # empty where a Service's only port has no name
            port = port if known is None else known
        places = behind(api.store.get(("", "endpoints", namespace, name)) or {}, port)
        if not places:
            return 503, f'no endpoints available for service "{service}"'
        place = applications.turns.take(f"{namespace}/{name}", places)
        try:
            answer = applications.send(place, Request(path=path), client=PROXY)
        except Unreachable as error:
            return 503, f"error trying to reach service: {error}"
        return answer.code, answer.body.decode(errors="replace")

    @property
    def _api(self) -> Api:
        if not (self.credentials.inside or self.cluster.reachable):
            raise ClusterUnreachable(
                "the API server does not answer",
                where=self.name,
                fix="it cannot be reached from outside the cluster; restore the network",
            )
        return self.cluster.api

    def _authorize(
        self, verb: str, resource: Resource, namespace: str, name: str = "", subresource: str = ""
    ) -> None:
        """Check that the user may do something.

        Raises:
            ApiError: 403 Forbidden.
        """
        if (resource.group, resource.plural) == ("", "namespaces"):
            namespace = name  # as the API server sees a request for one Namespace
        attributes = Attributes(
            verb,
            group=resource.group,
            version=resource.version,
            resource=resource.plural,
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
        self._check(attributes)

    def _check(self, attributes: Attributes) -> None:
        decision = self.cluster.authorizer.allows(self.user, attributes)
        if not decision.allowed:
            raise self.cluster.authorizer.forbidden(self.user, attributes, decision)

    def _options(self, **options: Any) -> Options:
        return Options(user=self.user.name, groups=self.user.groups, **options)

    def _resource(self, key: ObjectKey, version: str = "") -> Resource:
        registry = self._api.registry
        if version:
            return registry.by_kind(join_api_version(key.group, version), key.kind)
        return registry.preferred(key.group, key.kind)
