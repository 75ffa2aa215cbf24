"""The verbs of the API, in-process: what a request means, free of HTTP.

Each verb checks what its request says and makes of it the object that is to be stored; from there
on every write goes the same way (see `writing`).
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from random import Random
from typing import Any, Literal

from kubesim import lastapplied, managedfields, refusals, selectors
from kubesim import patch as patches
from kubesim.admission import default
from kubesim.admission.validation import validate
from kubesim.admission.warnings import JOBS_CHILDREN
from kubesim.api import decoding, deletion, pages, pods, requests, scale, strategy
from kubesim.api.conversion import conversion
from kubesim.api.options import NONE, Options
from kubesim.api.watch import Watch
from kubesim.api.writing import Writing
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Registry, Resource
from kubesim.schema import Node
from kubesim.store import Key, Store

PatchType = Literal["json", "merge", "strategic", "apply"]

REMEMBERED = 1_024
"""How many apply configurations an Api remembers, the last ones."""

RETURNED = frozenset(
    {
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
        ("resource.k8s.io", "deviceclasses"),
        ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourceclaimtemplates"),
        ("resource.k8s.io", "resourceslices"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "storageclasses"),
        ("storage.k8s.io", "volumeattachments"),
        ("storage.k8s.io", "volumeattributesclasses"),
    }
)
"""Resources whose deletion answers with the object that is gone, not with a Status."""


class Api:
    """An API server, as far as it is not HTTP.

    Objects that are handed out are those in the store: read them, copy them to change them.
    Objects that are handed in are kept: do not change them afterwards.

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
        self.registry = registry or Registry.builtin()
        self.store = store or Store()
        self.now = now
        """The time, in seconds since the Unix epoch."""
        self.warn: Callable[[str], None] = lambda text: None
        """Is told what the HTTP API answers in `Warning` headers."""
        self._writing = Writing(
            self.store, self.registry, now=now, rng=rng, warn=lambda text: self.warn(text)
        )
        self.guards = self._writing.guards
        """What may refuse a write before it is stored, in the order in which it is asked."""
        self.reviews = self._writing.reviews
        """What may refuse any request, at its end (see `reviews`), in the order of asking."""
        self.computed: dict[tuple[str, str], Callable[[str | None], list[Object]]] = {}
        """What is not stored but computed for each request, by group and plural: all objects of a
        namespace, or of all if it is None, ordered as in a list."""
        self.before_reading: dict[tuple[str, str], Callable[[], None]] = {}
        """Who brings objects up to date before they are read, by group and plural."""
        self._applied: dict[tuple[str, str, str], tuple[str, bytes]] = {}

    # Reading

    def get(
        self, resource: Resource, name: str, *, namespace: str = "", subresource: str = ""
    ) -> Object:
        """The object of that name; with the subresource `scale`, its Scale.

        With one of the other `requests.PARTS` it is the object all the same.

        Raises:
            ApiError: 404 NotFound.
        """
        self._bring_up_to_date(resource)
        obj = self._present(resource, self._key(resource, name, namespace))
        if subresource:
            requests.check_subresource(resource, subresource, requests.PARTS)
            if subresource == "scale":
                return scale.scale_of(obj, resource)
        return _served(resource, obj)

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
            limit: how many objects at most; 0 for all. The answer's `metadata.continue` asks for
                those that are left, which are told as they were at the first request.
            continue_: where an earlier list with a limit ended.

        Raises:
            ApiError: 400 for a selector or token that cannot be read, 410 for an expired token.
        """
        matches = _matcher(resource, labels, fields)
        self._bring_up_to_date(resource)
        revision, start = pages.read(continue_) if continue_ else (self.store.revision, None)
        group, plural, area = self._shelf(resource, namespace)
        made = self.computed.get((group, plural))
        try:
            found = (
                self.store.list(group, plural, area, revision=revision)
                if made is None
                else made(area)
            )
        except ApiError as error:
            if error.code == 410:
                raise refusals.expired(pages.EXPIRED) from None
            raise
        if start is not None:
            found = [obj for obj in found if pages.place(obj) > start]
        if labels or fields:
            found = [obj for obj in found if matches(obj)]
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if limit and len(found) > limit:
            metadata["continue"] = pages.token(revision, pages.place(found[limit - 1]))
            if not labels and not fields:
                metadata["remainingItemCount"] = len(found) - limit
            found = found[:limit]
        if conversion(resource):
            found = [_served(resource, obj) for obj in found]
        return {
            "apiVersion": resource.api_version,
            "kind": f"{resource.kind}List",
            "metadata": metadata,
            "items": found,
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
        """The changes of the objects that match, after the resourceVersion `since` (see `Watch`).

        Raises:
            ApiError: 400, 410 Expired, 504 (see `Watch`).
        """
        self._bring_up_to_date(resource)
        group, plural, area = self._shelf(resource, namespace)
        return Watch(
            self.store,
            (group, plural),
            namespace=area,
            matches=_matcher(resource, labels, fields),
            serve=lambda obj: _served(resource, obj),
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
        """Create an object; with a subresource, do what creating that means.

        Args:
            resource: what to create.
            body: the object; with a subresource, a Binding or an Eviction.
            namespace: where; if empty, the namespace that the body names.
            name: whose subresource it is; if empty, that of the object that the body names.
            subresource: `binding` or `eviction` of a pod, or empty.
            options: of the write.

        Raises:
            ApiError: 400 for a body that cannot be read, 403 and 404 from admission, 409
                AlreadyExists, 422 Invalid, 429 for an eviction that must wait.
        """
        if subresource:
            return self._create_below(resource, name, body, namespace, subresource, options)
        if not {"create", "get"} <= set(resource.verbs):
            raise refusals.method_not_allowed()
        body = decoding.with_header(body, resource.api_version, resource.kind)
        obj = self._decoded(body, resource, options)
        metadata = requests.metadata_of(obj)
        if metadata.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise ApiError(500, "", message)  # the real server gives no reason, either
        namespace = requests.namespace_of(obj, resource, namespace)
        key = self._key(resource, metadata.get("name", ""), namespace)
        return _served(resource, self._writing.create(resource, obj, key, options))

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
            body: the whole object; with the subresource `scale`, a Scale. If it names a
                resourceVersion, the object must still be at it.
            namespace: where; if empty, the namespace that the body names.
            subresource: `status`, `scale`, `finalize` (of namespaces), `resize` and
                `ephemeralcontainers` (of pods), or empty.
            options: of the write.

        Raises:
            ApiError: 400 for a body that cannot be read, 404, 409 Conflict, 422 Invalid.
        """
        self._check_stored(resource)
        requests.check_subresource(resource, subresource, requests.WRITABLE)
        namespace = requests.namespace_of(body, resource, namespace)
        key = self._key(resource, name, namespace)
        if subresource == "scale":
            return self._rescale(resource, key, body, options)
        body = decoding.with_header(body, resource.api_version, resource.kind)
        old = self.store.get(key)
        obj = self._decoded(body, resource, options, known=old)
        requests.check_name(obj, name, namespace)
        metadata = requests.metadata_of(obj)
        if old is None:
            if subresource or not strategy.creates_on_update(resource):
                raise refusals.not_found(resource.group, resource.plural, name)
            return _served(resource, self._writing.create(resource, obj, key, options))
        requests.check_uid(metadata, old, key)
        requests.check_has_revision(metadata, resource)
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
            subresource: as in an update.
            options: of the write.

        Raises:
            ApiError: 400 and 422 for a patch that does not fit, 404, 409 Conflict.
        """
        self._check_stored(resource)
        if type == "apply":
            return self.apply(
                resource, name, patch, namespace=namespace, subresource=subresource, options=options
            )
        if options.force:
            message = "Forbidden: may not be specified for non-apply patch"
            raise requests.patch_options("force", "FieldValueForbidden", message)
        requests.check_subresource(resource, subresource, requests.WRITABLE)
        if type == "strategic" and resource.is_custom:
            raise refusals.unsupported_patch()
        key = self._key(resource, name, namespace)
        old = self._present(resource, key)
        if subresource == "scale":
            before = scale.scale_of(old, resource, may_lack=True)
            changed = _patched(before, patch, type, scale.RESOURCE.node)
            scale.check_patched(changed, resource)
            return self._rescale(resource, key, changed, options)
        before = _served(resource, old)
        obj = decoding.patched_header(_patched(before, patch, type, resource.node), resource)
        obj = self._decoded(obj, resource, options, known=before, patch=patch)
        requests.check_namespace(obj, key.namespace)
        requests.check_name(obj, name, key.namespace)
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
        """Server-side apply: make an object have what this manager wants of it, no more, no less.

        Args:
            resource: what to apply to.
            name: which one; it is created if there is none.
            config: the apply configuration, a partial object.
            namespace: where; if empty, the namespace that the configuration names.
            subresource: `status`, `resize` and `ephemeralcontainers` (of pods), or empty.
            options: of the write; `field_manager` is required.

        Raises:
            ApiError: 409 Conflict with a cause for each field that another manager owns with
                another value; otherwise as for `create` and `update`.
        """
        self._check_stored(resource)
        manager = options.field_manager
        if not manager:
            message = "Required value: is required for apply patch"
            raise requests.patch_options("fieldManager", "FieldValueRequired", message)
        requests.check_subresource(resource, subresource, requests.APPLICABLE)
        key = self._key(resource, name, requests.namespace_of(config, resource, namespace))
        old = self.store.get(key)
        written = _fingerprint(config)
        if old is not None:
            # What was applied last to an object that has not moved since changes nothing.
            metadata = old["metadata"]
            last = self._applied.get((metadata["uid"], manager, subresource))
            if written and last == (metadata["resourceVersion"], written):
                self._writing.confirm(resource, key, old, options, subresource)
                return _served(resource, old)
        elif subresource:
            raise refusals.not_found(resource.group, resource.plural, name)
        obj = self._apply(resource, key, old, config, subresource, options)
        if not options.dry_run or obj is old:
            metadata = obj["metadata"]
            memory = (metadata["uid"], manager, subresource)
            self._applied.pop(memory, None)  # so that the order of the memory is that of use
            self._applied[memory] = (metadata["resourceVersion"], written)
            if len(self._applied) > REMEMBERED:
                del self._applied[next(iter(self._applied))]
        return _served(resource, obj)

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
        if (resource.group, resource.plural) == ("batch", "jobs") and not options.propagation:
            self.warn(JOBS_CHILDREN)
        key = self._key(resource, name, namespace)
        obj = self._present(resource, key)
        stored = self._writing.stored(resource)
        deletion.check(obj, stored, options)
        self._writing.review("DELETE", resource, key, obj, None, options)
        waiting = deletion.marked(obj, stored, options, self._writing.now())
        if waiting is None:
            gone = obj if options.dry_run else self.store.delete(key)
            if key[:2] in RETURNED:
                return _served(resource, gone)
            return requests.gone(resource, gone)
        if waiting is not obj and not options.dry_run:
            waiting = self.store.update(key, waiting)
        return _served(resource, waiting)

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
            place, name = pages.place(obj)
            try:
                self.delete(resource, name, namespace=place, options=options)
            except ApiError as error:
                if error.code != 404:  # gone together with one that was deleted before it
                    raise
        return found

    def connect(
        self,
        resource: Resource,
        name: str,
        body: Object,
        *,
        namespace: str = "",
        subresource: str,
        options: Options = NONE,
    ) -> None:
        """Ask whether a connection to an application may be made; it is made in `http`.

        Args:
            resource: pods or services.
            name: which one.
            body: what is asked for, such as PodExecOptions.
            namespace: where.
            subresource: `exec`, `attach`, `portforward` or `proxy`.
            options: of the request; they say who asks.

        Raises:
            ApiError: a policy denies it.
        """
        key = self._key(resource, name, namespace)
        self._writing.review("CONNECT", resource, key, None, body, options, subresource)

    # What the verbs have in common

    def _key(self, resource: Resource, name: str, namespace: str) -> Key:
        stored = self._writing.stored(resource)
        return Key(stored.group, stored.plural, namespace if resource.namespaced else "", name)

    def _shelf(self, resource: Resource, namespace: str | None) -> tuple[str, str, str | None]:
        """Group, plural and namespace under which a list's objects are stored."""
        stored = self._writing.stored(resource)
        return stored.group, stored.plural, (namespace or None) if resource.namespaced else None

    def _bring_up_to_date(self, resource: Resource) -> None:
        prepare = self.before_reading.get((resource.group, resource.plural))
        if prepare is not None:
            prepare()

    def _check_stored(self, resource: Resource) -> None:
        """Raises: ApiError 405 MethodNotAllowed."""
        if (resource.group, resource.plural) in self.computed:
            raise refusals.method_not_allowed()

    def _present(self, resource: Resource, key: Key) -> Object:
        made = self.computed.get(key[:2])
        if made is None:
            obj = self.store.get(key)
        else:
            found = made(key.namespace or None)
            obj = next((each for each in found if each["metadata"]["name"] == key.name), None)
        if obj is None:
            raise refusals.not_found(resource.group, resource.plural, key.name)
        return obj

    def _decoded(
        self,
        body: Object,
        resource: Resource,
        options: Options,
        *,
        known: Object | None = None,
        patch: Any = None,
    ) -> Object:
        return decoding.decoded(
            body,
            resource,
            validation=options.field_validation,
            warn=self.warn,
            findings=options.findings,
            known=None if known is None or known["apiVersion"] != resource.api_version else known,
            patch=patch,
        )

    def _replace(
        self,
        resource: Resource,
        key: Key,
        old: Object,
        obj: Object,
        subresource: str,
        options: Options,
    ) -> Object:
        """Have a decoded object, in the request's version, take the place of a stored one."""
        requests.check_revision(requests.metadata_of(obj), old, resource)
        convert = conversion(resource)
        if convert:
            obj = convert.store(default(obj, resource, old=_served(resource, old)))
            obj = decoding.settled(obj, self._writing.stored(resource))
        new = self._writing.replace(resource, key, old, obj, subresource, options)
        return _served(resource, new)

    def _apply(
        self,
        resource: Resource,
        key: Key,
        old: Object | None,
        config: Object,
        subresource: str,
        options: Options,
    ) -> Object:
        """Apply a configuration; the object in its stored version, `old` if nothing changed."""
        decoding.check_type(config, resource)
        sent = config
        config, fault = decoding.canonical(config, resource)
        metadata = requests.metadata_of(config)
        named = {"metadata": {"name": key.name, **metadata}} if old else config
        requests.check_name(named, key.name, key.namespace)
        _check_applied_to(metadata, old, key, resource)
        stored, convert = self._writing.stored(resource), conversion(resource)
        if convert:
            managedfields.check_typed(config, resource.node)
            config = convert.store(config)
        merged = managedfields.apply(
            old,
            config,
            node=stored.node,
            manager=options.field_manager,
            force=options.force,
            now=self._writing.timestamp(),
            subresource=subresource,
            status_apart=strategy.has_status(stored),
            yielded=lastapplied.yielded(old, options.field_manager, stored.node),
            api_version=resource.api_version,
        )
        if fault is not None:
            raise fault
        if merged is not old:
            merged = decoding.settled(merged, stored)
        merged = lastapplied.updated(merged, sent, options.field_manager)
        if old is not None and merged is old:
            self._writing.confirm(resource, key, old, options, subresource)
            return old
        if old is None:
            return self._writing.create(stored, merged, key, options, owned=True)
        return self._writing.replace(stored, key, old, merged, subresource, options, owned=True)

    # Subresources

    def _rescale(self, resource: Resource, key: Key, body: Object, options: Options) -> Object:
        """Give a workload the number of replicas that a Scale says."""
        body = decoding.with_header(body, scale.API_VERSION, scale.KIND)
        obj = self._decoded(body, scale.RESOURCE, options)
        requests.check_name(obj, key.name, key.namespace)
        old = self._present(resource, key)
        metadata = {**requests.metadata_of(obj), "namespace": key.namespace}
        validate({**obj, "metadata": metadata}, scale.RESOURCE)
        requests.check_uid(metadata, old, key)
        requests.check_revision(metadata, old, resource)
        changed = scale.scaled(old, obj, resource)
        stored = self._writing.stored(resource)
        new = self._writing.replace(stored, key, old, changed, "scale", options)
        return scale.scale_of(new, resource)

    def _create_below(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str,
        subresource: str,
        options: Options,
    ) -> Object:
        """Bind or evict a pod."""
        requests.check_subresource(resource, subresource, ("binding", "eviction"))
        namespace = requests.namespace_of(body, resource, namespace)
        name = name or str(requests.metadata_of(body).get("name", ""))
        key = self._key(resource, name, namespace)
        if subresource == "binding":
            body = decoding.with_header(body, "v1", "Binding")
            pod = self._present(resource, key)
            bound = pods.bound(pod, body, self._writing.timestamp())
            self._writing.review("CREATE", resource, key, None, body, options, subresource)
            if not options.dry_run:
                self.store.update(key, bound)
        else:
            body = decoding.with_header(pods.of_today(body), "policy/v1", "Eviction")
            pod = self._present(resource, key)
            budget = pods.budget_for(pod, self.store)
            asked = pods.deletion_of(body, options)
            deletion.check(pod, resource, asked)
            self._writing.review("CREATE", resource, key, None, body, asked, subresource)
            if budget is not None and not asked.dry_run:
                place = Key("policy", "poddisruptionbudgets", namespace, budget["metadata"]["name"])
                self.store.update(place, pods.charged(budget, name, self._writing.timestamp()))
            self.delete(resource, name, namespace=namespace, options=asked)
        return requests.success(201)


def _fingerprint(config: Any) -> bytes:
    """A configuration as bytes, to be compared; none if it holds what no JSON could."""
    try:
        return marshal.dumps(config, 2)
    except ValueError:
        return b""


def _served(resource: Resource, obj: Object) -> Object:
    """A stored object in the version of a request."""
    convert = conversion(resource)
    return obj if convert is None else decoding.settled(convert.serve(obj), resource)


def _matcher(resource: Resource, labels: str, fields: str) -> selectors.Predicate:
    by_labels = selectors.labels(labels)
    if not fields:
        return by_labels
    by_fields = selectors.fields(fields, resource.group, resource.plural, resource.selectable)
    return lambda obj: by_labels(obj) and by_fields(obj)


def _patched(obj: Object, patch: Any, type_: PatchType, node: Node) -> Object:
    if type_ == "json":
        return patches.json_patch(obj, patch)
    if type_ == "strategic":
        return patches.strategic_merge_patch(obj, patch, node)
    return patches.merge_patch(obj, patch)


def _check_applied_to(metadata: Any, old: Object | None, key: Key, resource: Resource) -> None:
    """The object that a configuration is for, if it says so, is the one that is there.

    Raises:
        ApiError: 409 Conflict, 422 Invalid.
    """
    uid = metadata.get("uid")
    if old is None:
        if uid:
            why = (
                f"uid mismatch: the provided object specified uid {uid}, "
                "and no existing object was found"
            )
            raise refusals.conflict(resource.group, resource.plural, key.name, why)
        return
    requests.check_revision(metadata, old, resource)
    if uid and uid != old["metadata"]["uid"]:
        cause = ("FieldValueInvalid", f'Invalid value: "{uid}": field is immutable', "metadata.uid")
        raise refusals.invalid(resource.group, resource.kind, key.name, [cause])
