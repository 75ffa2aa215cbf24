"""The verbs of the API, in-process: what a request means, free of HTTP.

A write goes the way it goes through the real server: decode, defaults, admission, what the writer
may not touch, validation, field ownership, store. `_create` and `_replace` are that way; the verbs
differ in what they put in at its beginning.
"""

from __future__ import annotations

import base64
import json
import marshal
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Literal

from gitops_lab.apiserver import managedfields, refusals, selectors
from gitops_lab.apiserver import patch as patches
from gitops_lab.apiserver.admission import default
from gitops_lab.apiserver.admission.validation import validate
from gitops_lab.apiserver.api import addresses, decoding, deletion, plugins, pods, scale, strategy
from gitops_lab.apiserver.api.conversion import conversion
from gitops_lab.apiserver.api.options import NONE, Options
from gitops_lab.apiserver.api.watch import Watch
from gitops_lab.apiserver.resources import Registry, Resource
from gitops_lab.apiserver.schema import builtin
from gitops_lab.apiserver.store import Key, Store
from gitops_lab.clock import timestamp
from gitops_lab.errors import ApiError
from gitops_lab.model import Object

PatchType = Literal["json", "merge", "strategic", "apply"]

_REMEMBERED = 1_024
"""How many apply configurations are remembered."""

_RETURNED = frozenset(
    {
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
    }
)
"""Resources whose deletion answers with the object that is gone, not with a Status."""


class Api:
    """An API server, as far as it is not HTTP.

    Objects that are handed out are those in the store: read them, copy them to change them. Objects
    that are handed in are kept: do not change them afterwards.

    Args:
        now: the time, in seconds since the Unix epoch.
        rng: draws uids, name suffixes, addresses and ports. Dry runs leave it alone.
        registry: which resources are served; Kubernetes' own if None.
        store: where objects are; a new store if None.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        rng: Random,
        registry: Registry | None = None,
        store: Store | None = None,
    ) -> None:
        self.now, self.rng = now, rng
        self.registry = registry or Registry.builtin()
        self.store = store or Store()
        self.warn: Callable[[str], None] = lambda text: None
        """Is told what the HTTP API answers in `Warning` headers."""
        self._stored: dict[Resource, Resource] = {}
        self._applied: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self._clock: tuple[float, str] = (-1.0, "")

    # Reading

    def get(
        self, resource: Resource, name: str, *, namespace: str = "", subresource: str = ""
    ) -> Object:
        """The object of that name; with the subresource `scale`, its Scale.

        Raises:
            ApiError: 404 NotFound.
        """
        obj = self._live(resource, name, namespace)
        if subresource:
            _check_subresource(resource, subresource)
            if subresource == "scale":
                return scale.scale_of(obj)
        return self._served(resource, obj)

    def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_: str = "",
    ) -> Object:
        """The objects that match, as the kind's List, ordered by namespace and name.

        Args:
            resource: what to list.
            namespace: only objects in this one; None or empty for all.
            labels: a label selector.
            fields: a field selector.
            limit: how many objects at most; 0 for all. What is left out can be asked for with
                the `metadata.continue` of the answer, and is told as it was at the first request.
            continue_: where an earlier list with a limit ended.

        Raises:
            ApiError: 400 for a selector or token that cannot be read, 410 for an expired token.
        """
        stored = self._storage(resource)
        revision, start = (self.store.revision, ("", ""))
        if continue_:
            revision, start = _continued(continue_)
        try:
            found = self.store.list(
                stored.group, stored.plural, self._area(resource, namespace), revision=revision
            )
        except ApiError as error:
            if error.code != 410 or not continue_:
                raise
            raise refusals.expired(_TOKEN_EXPIRED) from None
        if continue_:
            found = [obj for obj in found if _place(obj) > start]
        if labels or fields:
            matches = self._matcher(resource, labels, fields)
            found = [obj for obj in found if matches(obj)]
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if limit and len(found) > limit:
            if not labels and not fields:
                metadata["remainingItemCount"] = len(found) - limit
            found = found[:limit]
            metadata["continue"] = _token(revision, _place(found[-1]))
        convert = conversion(resource)
        items = [convert.serve(obj) for obj in found] if convert else found
        return {
            "apiVersion": resource.api_version,
            "kind": f"{resource.kind}List",
            "metadata": metadata,
            "items": items,
        }

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        since: str = "",
    ) -> Watch:
        """The changes of the objects that match, after a resourceVersion (see `Watch`).

        Raises:
            ApiError: 400, 410 Expired, 504 (see `Watch`).
        """
        stored, convert = self._storage(resource), conversion(resource)
        return Watch(
            self.store,
            (stored.group, stored.plural),
            namespace=self._area(resource, namespace),
            matches=self._matcher(resource, labels, fields),
            serve=convert.serve if convert else None,
            header={"apiVersion": resource.api_version, "kind": resource.kind},
            since=since,
        )

    # Writing

    def create(
        self,
        resource: Resource,
        body: Object,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
        options: Options = NONE,
    ) -> Object:
        """Create an object, or with a subresource, do what its creation means.

        Args:
            resource: what to create.
            body: the object; a Binding or an Eviction with the subresource of that name.
            namespace: where; if empty, the namespace that the body names.
            name: whose subresource it is; if empty, the name in the body.
            subresource: `binding` or `eviction` of pods, or empty.
            options: options of the write.

        Raises:
            ApiError: 400 for a body that cannot be read, 403 and 404 for its namespace, 409
                AlreadyExists, 422 Invalid, 429 for an eviction that must wait.
        """
        if subresource:
            return self._create_subresource(resource, name, body, namespace, subresource, options)
        if "create" not in resource.verbs:
            raise refusals.method_not_allowed()
        body = decoding.check_header(body, resource.api_version, resource.kind)
        obj = self._decoded(body, resource, options)
        if (obj.get("metadata") or {}).get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise ApiError(500, "InternalError", message)
        return self._create(resource, obj, namespace, options, owned=False)

    def update(
        self,
        resource: Resource,
        name: str,
        body: Object,
        *,
        namespace: str = "",
        subresource: str = "",
        options: Options = NONE,
    ) -> Object:
        """Put an object in place of the one that is there.

        Args:
            resource: what to update.
            name: which one.
            body: the whole object; a Scale with the subresource `scale`. If it has a
                resourceVersion, the object must still have it too.
            namespace: where; if empty, the namespace that the body names.
            subresource: `status`, `scale`, `finalize` (of namespaces), or empty.
            options: options of the write.

        Raises:
            ApiError: 400 for a body that cannot be read, 404, 409 Conflict, 422 Invalid.
        """
        if subresource == "scale":
            return self._update_scale(resource, name, body, namespace, options)
        _check_subresource(resource, subresource)
        body = decoding.check_header(body, resource.api_version, resource.kind)
        namespace = _namespace_of(body, resource, namespace)
        key = self._key(resource, name, namespace)
        old = self.store.get(key)
        convert = conversion(resource)
        obj = self._decoded(body, resource, options, known=None if convert else old)
        metadata = obj.get("metadata") or {}
        _check_name(metadata, name, namespace)
        if old is None:
            if subresource or not strategy.creates_on_update(resource):
                raise refusals.not_found(key.group, key.plural, name)
            return self._create(resource, obj, namespace, options, owned=False)
        uid = metadata.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            why = (
                "StorageError: invalid object, Code: 4, "
                f"Key: {_registry_path(key)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition "
                f"failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            )
            raise refusals.conflict(key.group, key.plural, name, why)
        return self._replace(resource, key, old, obj, subresource, options)

    def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        *,
        type: PatchType,
        namespace: str = "",
        subresource: str = "",
        options: Options = NONE,
    ) -> Object:
        """Change an object by a patch.

        A `metadata.resourceVersion` in the patch is a precondition, as in an update.

        Args:
            resource: what to patch.
            name: which one.
            patch: a list of operations (`json`), a partial object (`merge`, `strategic`), or an
                apply configuration (`apply`).
            type: how the patch is to be understood.
            namespace: where.
            subresource: `status`, `scale`, or empty.
            options: options of the write.

        Raises:
            ApiError: 400 and 422 for a patch that does not fit, 404, 409 Conflict.
        """
        if type == "apply":
            return self.apply(
                resource, name, patch, namespace=namespace, subresource=subresource, options=options
            )
        if options.force:
            raise _patch_options("force", "Forbidden: may not be specified for non-apply patch")
        _check_subresource(resource, subresource)
        key = self._key(resource, name, namespace)
        old = self._live(resource, name, namespace)
        if subresource == "scale":
            node = builtin().node(scale.API_VERSION, scale.KIND)
            new_scale = _patched(scale.scale_of(old), patch, type, node)
            return self._update_scale(resource, name, new_scale, namespace, options)
        before = self._served(resource, old)
        obj = _patched(before, patch, type, resource.node)
        if obj is before:
            return before
        obj = self._decoded(obj, resource, options, known=before, is_patch=True)
        metadata = obj.get("metadata") or {}
        _check_name(metadata, name, key.namespace)
        return self._replace(resource, key, old, obj, subresource, options)

    def apply(
        self,
        resource: Resource,
        name: str,
        config: Object,
        *,
        namespace: str = "",
        subresource: str = "",
        options: Options = NONE,
    ) -> Object:
        """Server-side apply: what this manager wants of an object, no more and no less.

        Args:
            resource: what to apply to.
            name: which one; it is created if there is none.
            config: the apply configuration, a partial object.
            namespace: where; if empty, the namespace that the configuration names.
            subresource: `status`, or empty.
            options: options of the write; `field_manager` is required.

        Raises:
            ApiError: 409 Conflict with a cause for each field that another manager owns with
                another value; 400, 403, 404 and 422 as for a create or update.
        """
        manager = options.field_manager
        if not manager:
            raise _patch_options("fieldManager", "Required value: is required for apply patch")
        _check_subresource(resource, subresource)
        namespace = _namespace_of(config, resource, namespace)
        key = self._key(resource, name, namespace)
        old = self.store.get(key)
        text = marshal.dumps(config, 2)
        if old is not None:
            # What was applied last, to an object that has not moved since, changes nothing.
            memory = (old["metadata"]["uid"], manager, subresource)
            if self._applied.get(memory) == (old["metadata"]["resourceVersion"], text):
                return self._served(resource, old)
        elif subresource:
            raise refusals.not_found(key.group, key.plural, name)
        obj = self._apply(resource, key, old, config, subresource, options)
        if not options.dry_run:
            metadata = obj["metadata"]
            self._remember((metadata["uid"], manager, subresource), metadata, text)
        return self._served(resource, obj)

    def _apply(
        self,
        resource: Resource,
        key: Key,
        old: Object | None,
        config: Object,
        subresource: str,
        options: Options,
    ) -> Object:
        """Apply a configuration; the object as stored, itself if nothing changed."""
        config = decoding.check_header(config, resource.api_version, resource.kind)
        config = decoding.canonical(config, resource)
        metadata = config.get("metadata") or {}
        _check_name({"name": key.name, **metadata}, key.name, key.namespace)
        convert, stored = conversion(resource), self._storage(resource)
        if convert:
            config = convert.store(config)
        if old is None and metadata.get("uid"):
            why = (
                f"uid mismatch: the provided object specified uid {metadata['uid']}, "
                "and no existing object was found"
            )
            raise refusals.conflict(key.group, key.plural, key.name, why)
        if old is not None:
            _check_preconditions(metadata, old, stored)
        merged = managedfields.apply(
            old,
            config,
            node=stored.node,
            manager=options.field_manager,
            force=options.force,
            now=self._timestamp(),
            subresource=subresource,
            status_apart=strategy.has_status(stored),
        )
        if old is None:
            return self._create(stored, merged, key.namespace, options, owned=True, name=key.name)
        if merged is old:
            return old
        return self._write(stored, key, old, merged, subresource, options, owned=True)

    def _remember(
        self, memory: tuple[str, str, str], metadata: Mapping[str, Any], text: bytes
    ) -> None:
        """Remember an apply; the oldest that is remembered is forgotten when there are many."""
        self._applied.pop(memory, None)
        self._applied[memory] = (metadata["resourceVersion"], text)
        if len(self._applied) > _REMEMBERED:
            del self._applied[next(iter(self._applied))]

    def delete(
        self, resource: Resource, name: str, *, namespace: str = "", options: Options = NONE
    ) -> Object:
        """Delete an object.

        Returns:
            A Status if the object is gone, or the object itself if it is still to go: it has
            finalizers, or is a pod that runs, or a namespace that has content. Some resources
            answer with the object in any case.

        Raises:
            ApiError: 404, 409 Conflict if a precondition fails, 403 for a protected namespace.
        """
        if "delete" not in resource.verbs:
            raise refusals.method_not_allowed()
        key = self._key(resource, name, namespace)
        obj = self._live(resource, name, namespace)
        stored = self._storage(resource)
        deletion.check(obj, stored, options)
        waiting = deletion.marked(obj, stored, options, self.now())
        if waiting is None:
            gone = obj if options.dry_run else self.store.delete(key)
            if (key.group, key.plural) in _RETURNED:
                return self._served(resource, gone)
            return _gone(resource, gone)
        if waiting is not obj and not options.dry_run:
            waiting = self.store.update(key, waiting)
        return self._served(resource, waiting)

    def delete_collection(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        options: Options = NONE,
    ) -> Object:
        """Delete the objects that match, one by one; the list of them as they were.

        Raises:
            ApiError: 405 if the resource cannot be deleted that way, else as for `delete`.
        """
        if "deletecollection" not in resource.verbs:
            raise refusals.method_not_allowed()
        found = self.list(resource, namespace=namespace, labels=labels, fields=fields)
        for obj in found["items"]:
            metadata = obj["metadata"]
            try:
                self.delete(
                    resource,
                    metadata["name"],
                    namespace=metadata.get("namespace", ""),
                    options=options,
                )
            except ApiError as error:
                if error.code != 404:  # gone together with one deleted before it
                    raise
        return found

    # The way of a write

    def _create(
        self,
        resource: Resource,
        obj: Object,
        namespace: str,
        options: Options,
        *,
        owned: bool,
        name: str = "",
    ) -> Object:
        """Have a decoded object go through everything that a new one goes through.

        Args:
            resource: what is created, in the version of the object.
            obj: the object.
            namespace: of the request.
            options: of the request.
            owned: whether its managedFields are complete already.
            name: of the request; if empty, the object's own or a generated one.

        Returns:
            The object as stored, in the request's version; of a dry run, as it would be, without
            resourceVersion.
        """
        stored = self._storage(resource)
        metadata = obj.get("metadata") or {}
        namespace = _namespace_of(obj, resource, namespace)
        rng = self._draws(options)
        name = name or metadata.get("name") or self._free_name(stored, namespace, metadata, rng)
        if resource.namespaced:
            plugins.check_namespace(self.store, stored, namespace, name)
        key = Key(stored.group, stored.plural, namespace, name)
        obj = strategy.before_create(
            obj,
            stored,
            namespace=namespace,
            name=name,
            now=self._timestamp(),
            uid=strategy.new_uid(rng),
        )
        obj = default(obj, resource)
        convert = conversion(resource)
        if convert:
            obj = default(convert.store(obj), stored)
        if not owned:
            obj = self._tracked(None, obj, resource, "", options)
        # What the server adds from here on belongs to nobody.
        if stored.plural == "pods" and not stored.group:
            obj = plugins.admit_pod(obj, self.store, rng)
        if stored.plural == "services" and not stored.group:
            obj = addresses.allocated(obj, self.store, rng)
        validate(obj, stored)
        if options.dry_run:
            if self.store.get(key) is not None:
                raise refusals.already_exists(key.group, key.plural, name)
        else:
            obj = self.store.create(key, obj)
        return self._served(resource, obj)

    def _replace(
        self,
        resource: Resource,
        key: Key,
        old: Object,
        obj: Object,
        subresource: str,
        options: Options,
    ) -> Object:
        """Have a decoded object take the place of a stored one; the object in its version."""
        stored, convert = self._storage(resource), conversion(resource)
        _check_preconditions(obj.get("metadata") or {}, old, stored, needed=True)
        if convert:
            obj = convert.store(default(obj, resource, old=self._served(resource, old)))
        new = self._write(stored, key, old, obj, subresource, options, owned=False)
        return self._served(resource, new)

    def _write(
        self,
        stored: Resource,
        key: Key,
        old: Object,
        obj: Object,
        subresource: str,
        options: Options,
        *,
        owned: bool,
    ) -> Object:
        """Have an object of the stored version go through everything that a change goes through."""
        obj = strategy.before_update(obj, old, stored, subresource)
        obj = default(obj, stored, old=old)
        if obj == old:
            return old
        if not owned:
            obj = self._tracked(old, obj, stored, subresource, options)
            if obj == old:
                return old
        if subresource != "status":
            obj = strategy.next_generation(obj, old, stored)
        if stored.plural == "services" and not stored.group:
            obj = addresses.allocated(obj, self.store, self._draws(options))
        validate(obj, stored, old=old)
        if options.dry_run:
            return obj
        if deletion.is_over(obj, stored):
            self.store.delete(key)
            return obj
        return self.store.update(key, obj)

    def _tracked(
        self,
        old: Object | None,
        new: Object,
        resource: Resource,
        subresource: str,
        options: Options,
    ) -> Object:
        stored = self._storage(resource)
        return managedfields.track(
            old,
            new,
            node=stored.node,
            manager=options.field_manager or "unknown",
            now=self._timestamp(),
            subresource=subresource,
            api_version=resource.api_version,
            status_apart=strategy.has_status(stored),
        )

    # Subresources

    def _update_scale(
        self, resource: Resource, name: str, body: Object, namespace: str, options: Options
    ) -> Object:
        _check_subresource(resource, "scale")
        body = decoding.check_header(body, scale.API_VERSION, scale.KIND)
        key = self._key(
            resource, name, namespace or (body.get("metadata") or {}).get("namespace", "")
        )
        old = self._live(resource, name, key.namespace)
        obj = scale.scaled(old, body)
        _check_preconditions(body.get("metadata") or {}, old, resource)
        return scale.scale_of(self._write(resource, key, old, obj, "scale", options, owned=False))

    def _create_subresource(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str,
        subresource: str,
        options: Options,
    ) -> Object:
        _check_subresource(resource, subresource)
        metadata = body.get("metadata") or {}
        name = name or metadata.get("name", "")
        namespace = _namespace_of(body, resource, namespace)
        key = self._key(resource, name, namespace)
        pod = self._live(resource, name, namespace)
        if subresource == "binding":
            decoding.check_header(body, "v1", "Binding")
            new = pods.bound(pod, body, self._timestamp())
            if not options.dry_run:
                self.store.update(key, new)
            return _success(201)
        if subresource == "eviction":
            decoding.check_header(body, "policy/v1", "Eviction")
            return self._evict(resource, key, pod, body, options)
        raise refusals.method_not_allowed()

    def _evict(
        self, resource: Resource, key: Key, pod: Object, body: Object, options: Options
    ) -> Object:
        budget = pods.budget_for(pod, self.store)
        if budget is not None and not options.dry_run:
            metadata = budget["metadata"]
            place = Key("policy", "poddisruptionbudgets", key.namespace, metadata["name"])
            self.store.update(place, pods.charged(budget, key.name, self._timestamp()))
        asked = body.get("deleteOptions") or {}
        conditions = asked.get("preconditions") or {}
        self.delete(
            resource,
            key.name,
            namespace=key.namespace,
            options=Options(
                dry_run=options.dry_run,
                grace_period=asked.get("gracePeriodSeconds"),
                propagation=asked.get("propagationPolicy", ""),
                uid=conditions.get("uid", ""),
                resource_version=conditions.get("resourceVersion", ""),
            ),
        )
        return _success(201)

    # Small things

    def _draws(self, options: Options) -> Random:
        """Where random things come from; a dry run must not change what is drawn after it."""
        return Random(self.store.revision) if options.dry_run else self.rng

    def _timestamp(self) -> str:
        now = self.now()
        if now != self._clock[0]:
            self._clock = (now, timestamp(now))
        return self._clock[1]

    def _storage(self, resource: Resource) -> Resource:
        """The resource in the version in which its objects are stored."""
        convert = conversion(resource)
        if convert is None:
            return resource
        return self.registry.by_kind(convert.api_version, resource.kind)

    def _key(self, resource: Resource, name: str, namespace: str) -> Key:
        stored = self._storage(resource)
        return Key(stored.group, stored.plural, namespace if resource.namespaced else "", name)

    def _area(self, resource: Resource, namespace: str | None) -> str | None:
        return (namespace or None) if resource.namespaced else None

    def _live(self, resource: Resource, name: str, namespace: str) -> Object:
        key = self._key(resource, name, namespace)
        obj = self.store.get(key)
        if obj is None:
            raise refusals.not_found(resource.group, resource.plural, name)
        return obj

    def _served(self, resource: Resource, obj: Object) -> Object:
        convert = conversion(resource)
        if convert is None or obj["apiVersion"] == resource.api_version:
            return obj
        return convert.serve(obj)

    def _matcher(self, resource: Resource, labels: str, fields: str) -> selectors.Predicate:
        stored = self._storage(resource)
        by_labels = selectors.labels(labels)
        if not fields:
            return by_labels
        by_fields = selectors.fields(fields, stored.group, stored.plural)
        return lambda obj: by_labels(obj) and by_fields(obj)

    def _decoded(
        self,
        body: Object,
        resource: Resource,
        options: Options,
        known: Object | None = None,
        is_patch: bool = False,
    ) -> Object:
        return decoding.decoded(
            body,
            resource,
            validation=options.field_validation,
            warn=self.warn,
            known=known,
            is_patch=is_patch,
        )

    def _free_name(
        self, resource: Resource, namespace: str, metadata: Mapping[str, Any], rng: Random
    ) -> str:
        """A name from `generateName` that nobody has, or none if there is nothing to make it of."""
        base = metadata.get("generateName")
        if not base:
            return ""
        while True:
            name = strategy.generated(base, rng)
            if self.store.get((resource.group, resource.plural, namespace, name)) is None:
                return name


def _namespace_of(body: Any, resource: Resource, namespace: str) -> str:
    """The namespace of a request: the URL's, which the body may repeat, or the body's own.

    Raises:
        ApiError: 400 BadRequest if the two differ, or there is none.
    """
    if not resource.namespaced:
        return ""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    own = metadata.get("namespace") if isinstance(metadata, dict) else None
    if not namespace:
        if not own:
            raise refusals.bad_request("an empty namespace may not be set during creation")
        return str(own)
    if own and own != namespace:
        raise refusals.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return namespace


def _check_name(metadata: Mapping[str, Any], name: str, namespace: str) -> None:
    own = metadata.get("name")
    if not own:
        raise refusals.bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: "
            "name must be provided"
        )
    if own != name:
        raise refusals.bad_request(
            f"the name of the object ({own}) does not match the name on the URL ({name})"
        )
    own = metadata.get("namespace")
    if namespace and own and own != namespace:
        raise refusals.bad_request(
            f"the namespace of the object ({own}) does not match the namespace on the request "
            f"({namespace})"
        )


def _check_preconditions(
    metadata: Mapping[str, Any], old: Object, resource: Resource, *, needed: bool = False
) -> None:
    """A resourceVersion that a writer names must still be the object's.

    Raises:
        ApiError: 409 Conflict if it is not; 422 if one is `needed`, the resource insists, and
            there is none.
    """
    name, revision = old["metadata"]["name"], metadata.get("resourceVersion")
    if revision and revision != old["metadata"]["resourceVersion"]:
        raise refusals.conflict(resource.group, resource.plural, name)
    if needed and not revision and not strategy.updates_unconditionally(resource):
        why = "Invalid value: 0: must be specified for an update"
        cause = ("FieldValueInvalid", why, "metadata.resourceVersion")
        raise refusals.invalid(resource.group, resource.kind, name, [cause])


def _check_subresource(resource: Resource, subresource: str) -> None:
    if subresource and subresource not in resource.subresources:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")


def _patched(obj: Object, patch: Any, type_: PatchType, node: Any) -> Object:
    if type_ == "json":
        return patches.json_patch(obj, patch)
    if type_ == "strategic":
        return patches.strategic_merge_patch(obj, patch, node)
    return patches.merge_patch(obj, patch)


def _patch_options(field: str, message: str) -> ApiError:
    reason = "FieldValueRequired" if message.startswith("Required") else "FieldValueForbidden"
    return refusals.invalid("meta.k8s.io", "PatchOptions", "", [(reason, message, field)])


def _registry_path(key: Key) -> str:
    """Where etcd has an object."""
    return "/registry/" + "/".join(part for part in (key.plural, key.namespace, key.name) if part)


def _gone(resource: Resource, obj: Object) -> Object:
    details = {
        "name": obj["metadata"]["name"],
        "group": resource.group,
        "kind": resource.plural,
        "uid": obj["metadata"]["uid"],
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def _success(code: int) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": code,
    }


_TOKEN_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)


def _place(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _token(revision: int, last: tuple[str, str]) -> str:
    """Where a list ended: at which revision, after which object."""
    content = {"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(last)}
    text = json.dumps(content, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _continued(token: str) -> tuple[int, tuple[str, str]]:
    """What `_token` wrote down.

    Raises:
        ApiError: 400 BadRequest.
    """
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = content["start"].partition("/")
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise refusals.bad_request(f"continue key is not valid: {error}") from None
