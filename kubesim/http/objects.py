"""Requests for resources: from a route to a verb of the API, and from its outcome to an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from kubesim import refusals
from kubesim.api import Api, Options
from kubesim.api.pages import token
from kubesim.api.requests import PARTS
from kubesim.api.scale import RESOURCE as SCALE
from kubesim.api.verbs import PatchType
from kubesim.api.watch import revision_of
from kubesim.applications import Applications
from kubesim.applications.lines import Lines
from kubesim.errors import ApiError
from kubesim.http import (
    bodies,
    connect,
    connection_options,
    documents,
    logs,
    negotiation,
    queries,
)
from kubesim.http.answers import TEXT, Answer, Shaper, answer, warning_lines
from kubesim.http.calls import Call
from kubesim.http.deprecations import deprecation
from kubesim.http.duplicates import findings
from kubesim.http.logs import Following
from kubesim.http.routes import Route
from kubesim.http.upgrade import Session
from kubesim.http.watches import Watching
from kubesim.model import Object
from kubesim.resources import Resource

Review = Callable[[Resource, Object, Route, Call], Object]
"""Answers a body of a kind that is created only to be answered, such as an access review."""


class Objects:
    """The resources of one API server.

    Args:
        api: the verbs.
        review: answers access reviews and requests for tokens.
        now: the time, in seconds since the Unix epoch.
        applications: what runs in the cluster's pods; None if nothing does.
    """

    def __init__(
        self,
        api: Api,
        *,
        review: Review,
        now: Callable[[], float],
        applications: Applications | None = None,
    ) -> None:
        self._api, self._review, self._now = api, review, now
        self._applications = applications

    def answer(self, route: Route, call: Call) -> Answer | Watching | Following | Session:
        """What a request is answered.

        Raises:
            ApiError: what the verb refuses; 404, 405, 406, 415 for a request that is none.
        """
        if route.group and not self._api.registry.has_group(route.group):
            raise documents.not_served()
        resource = self._api.registry.by_plural(route.group, route.version, route.plural)
        if route.namespace and not resource.namespaced:
            # The URL of a Namespace has its name there; none leads from one Namespace to another.
            is_namespace = (resource.group, resource.kind) == ("", "Namespace")
            if not is_namespace or route.name != route.namespace:
                raise documents.not_found()
        if route.subresource and route.subresource not in resource.subresources:
            raise documents.not_found()
        if route.rest and route.subresource != "proxy":
            raise documents.not_found()
        if resource.namespaced and not route.namespace and route.verb not in ("list", "watch"):
            if route.name:
                raise documents.not_found()
            raise refusals.method_not_allowed()
        if self._applications is not None and connect.leads_to_application(route):
            self._check_connection(resource, route, call)
            return connect.connected(self._applications, route, call)
        warnings = deprecation(resource)
        self._api.warn = warnings.append
        try:
            found = self._verb(route.verb)(resource, route, call)
        except ApiError as error:
            error.warnings = list(dict.fromkeys(warnings))
            raise
        finally:
            self._api.warn = lambda text: None
        if warnings and isinstance(found, Answer):
            return replace(found, headers={**found.headers, "Warning": warning_lines(warnings)})
        return found

    def _check_connection(self, resource: Resource, route: Route, call: Call) -> None:
        """Ask the policies about a connection.

        Raises:
            ApiError: one of them denies it.
        """
        self._api.connect(
            resource,
            route.name,
            connection_options.of(route, call.query),
            namespace=route.namespace,
            subresource=route.subresource,
            options=Options(user=call.user.name, groups=call.user.groups),
        )

    def _verb(self, verb: str) -> Callable[[Resource, Route, Call], Answer | Watching | Following]:
        verbs: dict[str, Callable[[Resource, Route, Call], Answer | Watching | Following]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }
        if verb not in verbs:
            raise refusals.method_not_allowed()
        return verbs[verb]

    # Reading

    def _log(self, resource: Resource, route: Route, call: Call) -> Answer | Following:
        self._api.get(resource, route.name, namespace=route.namespace)
        key = ("", "pods", route.namespace, route.name)
        lines = self._applications.lines if self._applications is not None else Lines()
        store = self._api.store
        reading = logs.Reading(lambda: store.get(key), lines, call.query, self._now())
        if call.query.yes("follow"):
            return Following(reading)
        return Answer(reading.more(), media=TEXT)

    def _get(self, resource: Resource, route: Route, call: Call) -> Answer | Following:
        _check_verb(resource, route)
        if route.subresource == "log":
            return self._log(resource, route, call)
        since = call.query.get("resourceVersion", "")
        if since:
            self._check_reached(since)
        obj = self._api.get(
            resource, route.name, namespace=route.namespace, subresource=route.subresource
        )
        return self._one(resource, obj, call)

    def _list(self, resource: Resource, route: Route, call: Call) -> Answer:
        _check_verb(resource, route)
        options = queries.list_options(call.query, watch=False)
        if options.since and not options.continue_:
            self._check_reached(options.since)
        continue_ = options.continue_
        exact = options.match == "Exact" or (options.limit and not options.match)
        if exact and options.since not in ("", "0") and not continue_:
            continue_ = token(int(options.since), ("", ""))  # everything, as it was then
        found = self._api.list(
            resource,
            namespace=route.namespace or None,
            labels=options.labels,
            fields=options.fields,
            limit=options.limit,
            continue_=continue_,
        )
        shaper = self._shaper(resource, call)
        return answer(shaper.list(found), shaper.form, pretty=call.pretty)

    def _watch(self, resource: Resource, route: Route, call: Call) -> Watching:
        _check_verb(resource, route)
        options = queries.list_options(call.query, watch=True, name=route.name)
        shaper = self._shaper(resource, call)
        if shaper.form.media != negotiation.JSON:
            raise negotiation.not_acceptable()
        # An initial list is asked for with the revision it must at least have.
        since = options.since
        if options.initial:
            if since:
                self._check_reached(since)
            since = ""
        elif options.initial is False and since in ("", "0"):
            since = str(self._api.store.revision)
        watch = self._api.watch(
            resource,
            namespace=route.namespace or None,
            labels=options.labels,
            fields=options.fields,
            since=since,
        )
        return Watching(watch, options, shaper)

    # Writing

    def _create(self, resource: Resource, route: Route, call: Call) -> Answer:
        if route.name and not route.subresource:
            raise refusals.method_not_allowed()
        if route.subresource not in ("", "binding", "eviction", "token"):
            raise refusals.method_not_allowed()
        body = call.body.decode(_kind_of(resource, route))
        if route.subresource == "token" or _is_review(resource):
            if not isinstance(body, dict):
                raise refusals.bad_request("the body of the request is no object")
            reviewed = self._review(resource, body, route, call)
            return answer(reviewed, call.form, code=201, pretty=call.pretty)
        options = self._options(call, "CreateOptions")
        name, subresource = route.name, route.subresource
        if resource.kind == "Binding" and isinstance(body, dict):
            resource = self._api.registry.by_plural("", "v1", "pods")
            subresource = "binding"
        obj = self._api.create(
            resource,
            body,
            namespace=route.namespace,
            name=name,
            subresource=subresource,
            options=options,
        )
        return self._one(resource, obj, call, code=201)

    def _update(self, resource: Resource, route: Route, call: Call) -> Answer:
        _check_named(route)
        body = call.body.decode(_kind_of(resource, route))
        options = self._options(call, "UpdateOptions")
        is_new = not self._exists(resource, route)
        obj = self._api.update(
            resource,
            route.name,
            body,
            namespace=route.namespace,
            subresource=route.subresource,
            options=options,
        )
        return self._one(resource, obj, call, code=201 if is_new else 200)

    def _patch(self, resource: Resource, route: Route, call: Call) -> Answer:
        _check_named(route)
        if "patch" not in resource.verbs:
            raise refusals.method_not_allowed()
        type_, patch = call.body.decode_patch(_kind_of(resource, route))
        if type_ == "strategic" and resource.schema is not None:
            accepted = [media for media, each in bodies.PATCHES.items() if each != "strategic"]
            raise bodies.unsupported(*accepted)
        options = self._options(call, "PatchOptions", names_manager=type_ != "apply")
        if type_ == "apply":
            for each in options.findings:
                self._api.warn(each)
        is_new = type_ == "apply" and not self._exists(resource, route)
        obj = self._api.patch(
            resource,
            route.name,
            patch,
            type=cast(PatchType, type_),
            namespace=route.namespace,
            subresource=route.subresource,
            options=options,
        )
        return self._one(resource, obj, call, code=201 if is_new else 200)

    def _delete(self, resource: Resource, route: Route, call: Call) -> Answer:
        if route.subresource:
            raise refusals.method_not_allowed()
        options = self._delete_options(call)
        obj = self._api.delete(resource, route.name, namespace=route.namespace, options=options)
        if obj.get("kind") == "Status":
            return answer(obj, replace(call.form, shape=""), pretty=call.pretty)
        return self._one(resource, obj, call)

    def _delete_collection(self, resource: Resource, route: Route, call: Call) -> Answer:
        options = self._delete_options(call)
        asked = queries.list_options(call.query, watch=False)
        found = self._api.delete_collection(
            resource,
            namespace=route.namespace,
            labels=asked.labels,
            fields=asked.fields,
            options=options,
        )
        shaper = self._shaper(resource, call)
        return answer(shaper.list(found), shaper.form, pretty=call.pretty)

    # What the verbs have in common

    def _one(self, resource: Resource, obj: Object, call: Call, *, code: int = 200) -> Answer:
        """An answer of one object, or of something else that stands for itself."""
        form = call.form
        if obj.get("kind") == SCALE.kind:
            resource = SCALE
        if not form.shape or obj.get("kind") != resource.kind:
            return answer(obj, form, code=code, pretty=call.pretty)
        shaper = self._shaper(resource, call)
        return answer(shaper.one(obj), shaper.form, code=code, pretty=call.pretty)

    def _shaper(self, resource: Resource, call: Call) -> Shaper:
        return Shaper(call.form, resource, call.query, self._now())

    def _options(self, call: Call, kind: str, *, names_manager: bool = True) -> Options:
        options = queries.write_options(call.query, kind, user=call.user)
        found = findings(call.media, call.body.data, options.field_validation)
        options = replace(options, findings=found, body_size=len(call.body.data))
        if options.field_manager or not names_manager:
            return options
        return replace(options, field_manager=queries.manager_of(call.agent))

    def _delete_options(self, call: Call) -> Options:
        body = call.body.decode("DeleteOptions") if call.body.data.strip() else None
        return queries.delete_options(call.query, body, user=call.user)

    def _exists(self, resource: Resource, route: Route) -> bool:
        try:
            self._api.get(resource, route.name, namespace=route.namespace)
        except ApiError:
            return False
        return True

    def _check_reached(self, since: str) -> None:
        """A resourceVersion that a reader insists on has come.

        Raises:
            ApiError: 400 BadRequest if it is no number, 504 Timeout if it has not.
        """
        revision, current = revision_of(since), self._api.store.revision
        if revision > current:
            raise refusals.too_large_revision(revision, current)


def _check_verb(resource: Resource, route: Route) -> None:
    """A resource can be read that way.

    Raises:
        ApiError: 405 MethodNotAllowed.
    """
    if not route.subresource and route.verb not in resource.verbs:
        raise refusals.method_not_allowed()
    if route.subresource not in ("", *PARTS, "log"):
        raise refusals.method_not_allowed()


def _check_named(route: Route) -> None:
    if not route.name:
        raise refusals.method_not_allowed()


def _is_review(resource: Resource) -> bool:
    return resource.group in ("authentication.k8s.io", "authorization.k8s.io")


def _kind_of(resource: Resource, route: Route) -> str:
    """The kind that a body should be of, for a refusal."""
    kinds: dict[str, Any] = {
        "scale": "Scale",
        "binding": "Binding",
        "eviction": "Eviction",
        "token": "TokenRequest",
    }
    return str(kinds.get(route.subresource, resource.kind))
