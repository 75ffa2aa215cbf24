"""A whole cluster in this process: the API, its controllers, its nodes and what runs on them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from kubesim import refusals
from kubesim.api import Api, Options, bootstrap
from kubesim.applications import Applications
from kubesim.auth import Authorizer, bootstrap_rbac, enforce_rights
from kubesim.auth.secret_tokens import secret_token
from kubesim.clock import EPOCH
from kubesim.controllers import Controllers
from kubesim.controllers.images import Catalogue
from kubesim.controllers.signing import Sign
from kubesim.errors import ApiError, LabError, UsageError
from kubesim.model import Object, copied
from kubesim.resources import Resource
from kubesim.store import Event, Store
from kubesim.validating import ValidatingAdmission

LIMIT = 3_600.0
"""How many seconds `Cluster.until` lets pass unless told otherwise."""


class Cluster:
    """A simulated Kubernetes cluster.

    By itself it has a clock of its own that stands still until `run` or `until` moves it, so an
    hour takes as long as the work in it, and the same seed gives the same objects. Given `now`, its
    time is the caller's, who calls `step`.

    Objects that go in are copied, and so are those that come out. Refusals are `ApiError`s, worded
    as the real API server words them.

    Args:
        now: the time, in seconds since the Unix epoch; if None, the cluster's own.
        rng: draws uids, name suffixes and small variations; if None, always the same ones.
        images: how container images behave; if None, all of them pull and start within seconds.
        nodes: how many nodes there are.
        store: where objects are; it goes on with those that are there. A new one if None.
        certificate: of the authority that clients inside the cluster trust, in PEM.
        sign: has that authority sign certificates that are asked for and approved.
        token_key: signs the tokens in Secrets; if None, no server is there to check them.
        stopwatch: seconds of real time, where others wait while the controllers work (see `Loop`).
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] | None = None,
        rng: Random | None = None,
        images: Catalogue | None = None,
        nodes: int = 1,
        store: Store | None = None,
        certificate: str = "",
        sign: Sign | None = None,
        token_key: EllipticCurvePrivateKey | None = None,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        self._at = None if now is not None else EPOCH
        self.now: Callable[[], float] = now or (lambda: self._at or EPOCH)
        """The time in the cluster, in seconds since the Unix epoch."""
        rng = Random(1) if rng is None else rng
        self.api = Api(now=self.now, rng=rng, store=store)
        """The verbs."""
        bootstrap(self.api)
        bootstrap_rbac(self.api)
        self.authorizer = Authorizer(self.api.store)
        """Decides who may do what; the verbs of this class may do everything."""
        enforce_rights(self.api, self.authorizer)
        self.api.reviews.append(ValidatingAdmission(self.api))
        self.controllers = Controllers(
            self.api,
            images=images,
            rng=rng,
            nodes=nodes,
            certificate=certificate,
            sign=sign,
            issue=partial(secret_token, token_key),
            stopwatch=stopwatch,
        )
        self.applications = Applications(self.api, self.controllers.kubelet, now=self.now)
        """What runs in its pods."""
        self.controllers.step(self.now())  # nodes join before there is a pod

    # -- time -----------------------------------------------------------------------------------

    def step(self, now: float) -> float | None:
        """Let every controller and node do what is due; when the next thing is due."""
        return self.controllers.step(now)

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and everything happen that happens in it.

        Raises:
            UsageError: the time is the caller's.
        """
        end = self._own_time() + seconds
        while (due := self.step(self.now())) is not None and due <= end:
            self._at = due
        self._at = end
        self.step(end)

    def until(self, condition: Callable[[], Any], *, seconds: float = LIMIT) -> float:
        """Let time pass until a condition holds; how many seconds that took.

        Raises:
            UsageError: the time is the caller's.
            LabError: it does not hold within the given time, or never will.
        """
        begin = self._own_time()
        while True:
            due = self.step(self.now())
            if condition():
                return self.now() - begin
            if due is None or due > begin + seconds:
                when = "never comes" if due is None else f"did not come within {seconds:g} s"
                raise LabError(f"what the cluster was run for {when}")
            self._at = due

    def _own_time(self) -> float:
        if self._at is None:
            raise UsageError("this cluster's time is not its own", fix="call step")
        return self._at

    # -- objects --------------------------------------------------------------------------------

    def create(self, body: Object, *, namespace: str = "default") -> Object:
        """Create an object.

        Args:
            body: with apiVersion, kind and metadata.
            namespace: where, if the body does not say so and its kind lives in namespaces.
        """
        resource = self.resource(body.get("apiVersion", ""), body.get("kind", ""))
        place = self._place(resource, (body.get("metadata") or {}).get("namespace") or namespace)
        return copied(self.api.create(resource, copied(body), namespace=place))

    def apply(
        self,
        body: Object,
        *,
        namespace: str = "default",
        manager: str = "kubesim",
        force: bool = True,
    ) -> Object:
        """Server-side apply an object.

        Args:
            body: with apiVersion, kind and metadata.name, and the fields that are wanted.
            namespace: as for `create`.
            manager: the field manager.
            force: take fields from other managers instead of raising a conflict.
        """
        resource = self.resource(body.get("apiVersion", ""), body.get("kind", ""))
        metadata = body.get("metadata") or {}
        place = self._place(resource, metadata.get("namespace") or namespace)
        options = Options(field_manager=manager, force=force)
        applied = self.api.apply(
            resource, metadata.get("name", ""), copied(body), namespace=place, options=options
        )
        return copied(applied)

    def get(
        self, api_version: str, kind: str, name: str, *, namespace: str = "default"
    ) -> Object | None:
        """An object; None if there is none."""
        resource = self.resource(api_version, kind)
        try:
            return copied(self.api.get(resource, name, namespace=self._place(resource, namespace)))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(
        self, api_version: str, kind: str, *, namespace: str = "", labels: str = ""
    ) -> builtins.list[Object]:
        """The objects of a kind, by namespace and name.

        Args:
            api_version: such as `apps/v1`.
            kind: such as `Deployment`.
            namespace: only those in it; empty for all.
            labels: a label selector, such as `app=web,tier!=cache`.
        """
        resource = self.resource(api_version, kind)
        found = self.api.list(resource, namespace=namespace or None, labels=labels)
        return [copied(each) for each in found["items"]]

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        patch: Any,
        *,
        namespace: str = "default",
        type: Literal["json", "merge", "strategic"] = "merge",
        subresource: str = "",
    ) -> Object:
        """Change an object by a patch (RFC 6902, RFC 7386, or Kubernetes' strategic one).

        Args:
            api_version: of the object.
            kind: of the object.
            name: of the object.
            patch: what to change.
            namespace: of the object.
            type: how the patch is meant.
            subresource: such as `status` or `scale`.
        """
        resource = self.resource(api_version, kind)
        changed = self.api.patch(
            resource,
            name,
            copied({"patch": patch})["patch"],
            type=type,
            namespace=self._place(resource, namespace),
            subresource=subresource,
            options=Options(field_manager="kubesim"),
        )
        return copied(changed)

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        *,
        namespace: str = "default",
        propagation: str = "Background",
    ) -> None:
        """Delete an object, and as `propagation` says those that it owns."""
        resource = self.resource(api_version, kind)
        place = self._place(resource, namespace)
        options = Options(propagation=propagation)
        self.api.delete(resource, name, namespace=place, options=options)

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have a listener get each change; what ends that. A listener must not write."""
        return self.api.store.subscribe(listener)

    def resource(self, api_version: str, kind: str) -> Resource:
        """What the API serves as this kind.

        Raises:
            ApiError: 404: it is not served.
        """
        if not api_version or not kind:
            raise refusals.bad_request("an object needs apiVersion and kind")
        return self.api.registry.by_kind(api_version, kind)

    # -- nodes ----------------------------------------------------------------------------------

    def disconnect_node(self, name: str) -> None:
        """Cut a node off from the cluster, as a pulled cable does.

        What runs there runs on, but is not reached. After a while the node counts as lost, and
        later its pods are given up.

        Raises:
            ApiError: 404: there is no such node.
        """
        self.controllers.disconnect_node(name)

    def reconnect_node(self, name: str) -> None:
        """End that; a node that is not cut off is no error."""
        self.controllers.reconnect_node(name)

    @property
    def troubles(self) -> builtins.list[str]:
        """What controllers fail at now, one sentence for each object."""
        return self.controllers.troubles

    def _place(self, resource: Resource, namespace: str) -> str:
        return namespace if resource.namespaced else ""
