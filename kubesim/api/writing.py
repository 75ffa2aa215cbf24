"""The way of a write: what every object goes through before it is stored.

Defaults, ownership of fields, admission, what the writer may not touch, validation, store, in the
order of the real server. `create` is the way of a new object, `replace` that of a changed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import orjson

from kubesim import managedfields, refusals
from kubesim.admission import default, prepared
from kubesim.admission.service_defaults import with_all_addresses
from kubesim.admission.validation import validate
from kubesim.admission.warnings import warnings
from kubesim.api import (
    addresses,
    decoding,
    deletion,
    plugins,
    policies,
    quotas,
    signing,
    strategy,
)
from kubesim.api.conversion import conversion
from kubesim.api.options import Options
from kubesim.api.reviews import Request, Review
from kubesim.api.scale import scale_of
from kubesim.clock import timestamp
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Registry, Resource
from kubesim.store import Key, Store

Guard = Callable[[Resource, Object | None, Object, Options], None]
"""Is asked before a write is stored: the resource as requested, the object before (None if new)
and after, and the request's options. It refuses with an ApiError; plugins of one cluster are such.
"""


_SERVER = Options(field_manager="kube-apiserver")


MOST_BYTES = 1536 * 1024
"""How many bytes of JSON an object may have. Source: etcd `--max-request-bytes`."""

MEASURED_FROM = 16 * 1024
"""Objects that came in fewer bytes are not measured."""


class Writing:
    """The way of a write into one store.

    Args:
        store: where it ends.
        registry: which resources there are.
        now: the time, in seconds since the Unix epoch.
        rng: draws uids, name suffixes, addresses and ports. Dry runs leave it alone.
        warn: is told what is allowed, but not well.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        now: Callable[[], float],
        rng: Random,
        warn: Callable[[str], None],
    ) -> None:
        self.store, self.registry, self.now, self.rng = store, registry, now, rng
        self._warn = warn
        self.guards: list[Guard] = []
        self.reviews: list[Review] = []
        self._told: tuple[float, str] = (-1.0, "")

    def timestamp(self) -> str:
        """The time as Kubernetes writes it."""
        now = self.now()
        if now != self._told[0]:
            self._told = (now, timestamp(now))
        return self._told[1]

    def stored(self, resource: Resource) -> Resource:
        """A resource in the version in which its objects are stored."""
        convert = conversion(resource)
        if convert is None or resource.stored_as is not None:
            return resource.stored_as or resource
        return self.registry.by_kind(convert.api_version, resource.kind)

    def create(
        self, resource: Resource, obj: Object, key: Key, options: Options, *, owned: bool = False
    ) -> Object:
        """Store a new object.

        Args:
            resource: what is created, in the version of the object.
            obj: the object, decoded.
            key: where it will be; without a name, one is made from its generateName.
            options: of the request.
            owned: whether its managedFields are right already.

        Returns:
            The object as stored; of a dry run, as it would be, without a resourceVersion.

        Raises:
            ApiError: 403 and 404 from admission, 409 AlreadyExists, 422 Invalid.
        """
        stored, convert = self.stored(resource), conversion(resource)
        rng = self._draws(options)
        if not key.name:
            key = key._replace(name=self._name(key, obj.get("metadata") or {}, rng))
        if resource.namespaced:
            plugins.check_namespace(self.store, stored, key.namespace, key.name)
        uid = strategy.new_uid(rng)
        obj = strategy.before_create(obj, stored, key, now=self.timestamp(), uid=uid)
        if key[:2] == signing.RESOURCE:
            obj = signing.requested(obj, options)
        obj = default(obj, resource)
        if convert:
            obj = default(decoding.settled(convert.store(obj), stored), stored)
        _check_stored_size(obj, options)
        if not owned:
            obj = self._tracked(None, obj, resource, "", options)
        obj = prepared(obj, stored)
        # No manager owns what the server adds from here on.
        if key[:2] == ("", "pods"):
            obj = plugins.admit_pod(obj, self.store, rng)
        elif key[:2] == ("", "services"):
            obj = with_all_addresses(obj)
        elif key[:2] == ("", "persistentvolumeclaims"):
            obj = plugins.admit_claim(obj, self.store)
        elif key[:2] == ("", "persistentvolumes"):
            obj = plugins.admit_volume(obj)
        elif key[:2] == ("networking.k8s.io", "ingresses"):
            obj = plugins.admit_ingress(obj, self.store)
        self._guard(resource, None, obj, options)
        validate(obj, stored)
        if key[:2] == ("", "services"):
            obj = addresses.allocated(obj, self.store, rng, dry_run=options.dry_run)
        charges = self._admit(resource, key, None, obj, options)
        self._warn_of(stored, obj, None)
        if options.dry_run:
            there = self.store.get(key)
            if there is not None:
                going = "deletionTimestamp" in there["metadata"]
                raise refusals.already_exists(key.group, key.plural, key.name, going=going)
            return obj
        obj = self.store.create(key, obj)
        self._charge(charges)
        return obj

    def replace(
        self,
        resource: Resource,
        key: Key,
        old: Object,
        obj: Object,
        subresource: str,
        options: Options,
        *,
        owned: bool = False,
    ) -> Object:
        """Store an object in place of another.

        Args:
            resource: what is written, in the version of the request.
            key: where.
            old: the object as stored.
            obj: the object as it will be, decoded, in the stored version.
            subresource: what of it is written: `status`, `scale`, `finalize`, `approval`, or empty.
            options: of the request.
            owned: whether its managedFields are right already.

        Returns:
            The object as stored: `old` itself if nothing changes, which is no write.

        Raises:
            ApiError: 422 Invalid.
        """
        stored = self.stored(resource)
        wanted = obj
        if subresource == "resize":
            obj = plugins.admit_resize(obj, self.store)
        obj = strategy.before_update(obj, old, stored, subresource)
        if key[:2] == signing.RESOURCE:
            wanted = {**wanted, "metadata": obj["metadata"]}
            obj = signing.changed(wanted, old, subresource, self.timestamp())
        obj = default(obj, stored, old=old)
        if obj != old:
            _check_stored_size(obj, options)
            if not owned:
                obj = self._tracked(old, obj, resource, subresource, options)
            if managedfields.settle(old, obj) is old:
                obj = old
        if obj is old or obj == old:  # no write, but policies are asked before that is known
            self.confirm(resource, key, old, options, subresource)
            return old
        if subresource != "status":
            obj = strategy.next_generation(obj, old, stored)
        if key[:2] == ("", "services"):
            obj = with_all_addresses(obj)
        self._guard(resource, old, obj, options)
        validate(obj, stored, old=old, subresource=subresource)
        if key[:2] == ("", "services"):
            obj = addresses.allocated(
                obj, self.store, self._draws(options), dry_run=options.dry_run
            )
        charges = self._admit(resource, key, old, obj, options, subresource)
        if not subresource:
            self._warn_of(stored, obj, old)
        if options.dry_run:
            return obj
        if deletion.is_over(obj, stored):
            self.store.delete(key)
            return obj
        obj = self.store.update(key, obj)
        self._charge(charges)
        return obj

    def confirm(
        self, resource: Resource, key: Key, old: Object, options: Options, subresource: str
    ) -> None:
        """Ask whether an object may be written that is there already, just as it is.

        Source: apiserver `registry/generic/registry/store.go`, which validates an update before
        `storage/etcd3` finds that it would write the same.

        Raises:
            ApiError: a policy that is newer than the object does not allow it.
        """
        self._guard(resource, old, old, options)
        self._admit(resource, key, old, old, options, subresource)

    def review(
        self,
        operation: str,
        resource: Resource,
        key: Key,
        old: Object | None,
        new: Object | None,
        options: Options,
        subresource: str = "",
    ) -> None:
        """Ask the reviews (see `reviews.Request` for the arguments).

        Raises:
            ApiError: one of them refuses it.
        """
        if not self.reviews:
            return
        if subresource == "scale":
            stored = self.stored(resource)
            old, new = (
                None if each is None else scale_of(each, stored, may_lack=True)
                for each in (old, new)
            )
        request = Request(operation, resource, key, old, new, options, subresource)
        for review in self.reviews:
            review(request)

    def _admit(
        self,
        resource: Resource,
        key: Key,
        old: Object | None,
        new: Object,
        options: Options,
        subresource: str = "",
    ) -> Sequence[quotas.Charge]:
        """Ask policies, reviews and quotas, in this order; what the write is to be charged to."""
        policies.check(self.store, self._warn, key, old, new, subresource)
        operation = "CREATE" if old is None else "UPDATE"
        self.review(operation, resource, key, old, new, options, subresource)
        return quotas.charges(self.store, key, old, new, subresource)

    def _charge(self, charges: Sequence[quotas.Charge]) -> None:
        """Write down what a write that is stored has used up, without asking policies again."""
        for quota, status in charges:
            metadata = quota["metadata"]
            key = Key(quotas.GROUP, quotas.PLURAL, metadata["namespace"], metadata["name"])
            resource = self.registry.by_kind("v1", "ResourceQuota")
            charged = {**quota, "status": status}
            self.store.update(key, self._tracked(quota, charged, resource, "status", _SERVER))

    def _warn_of(self, resource: Resource, obj: Object, old: Object | None) -> None:
        if not resource.is_custom:
            for text in warnings(obj, old):
                self._warn(text)

    def _guard(self, resource: Resource, old: Object | None, new: Object, options: Options) -> None:
        for guard in self.guards:
            guard(resource, old, new, options)

    def _draws(self, options: Options) -> Random:
        """Where random things come from; a dry run must not change what is drawn after it."""
        return Random(self.store.revision) if options.dry_run else self.rng

    def _name(self, key: Key, metadata: Mapping[str, Any], rng: Random) -> str:
        """A name from `generateName` that is free; empty if there is nothing to make it of."""
        base = metadata.get("generateName")
        while base:
            name = strategy.generated(base, rng)
            if self.store.get(key._replace(name=name)) is None:
                return name
        return ""

    def _tracked(
        self,
        old: Object | None,
        new: Object,
        resource: Resource,
        subresource: str,
        options: Options,
    ) -> Object:
        stored = self.stored(resource)
        return managedfields.track(
            old,
            new,
            node=stored.node,
            manager=options.field_manager or "unknown",
            now=self.timestamp(),
            subresource=subresource,
            api_version=resource.api_version,
            status_apart=strategy.has_status(stored),
        )


def _check_stored_size(obj: Object, options: Options) -> None:
    """Refuse what etcd would not store, before anything that takes time.

    Raises:
        ApiError: 500, as the real server answers, without a reason.
    """
    if options.body_size > MEASURED_FROM and len(orjson.dumps(obj)) > MOST_BYTES:
        raise ApiError(500, "", "etcdserver: request is too large")
