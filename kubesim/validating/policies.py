"""The policies of a cluster, and what becomes of a request on their account.

Source: apiserver `pkg/admission/plugin/policy/{generic,validating}` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubesim import refusals
from kubesim.api import Api
from kubesim.api.conversion import conversion
from kubesim.api.reviews import Request
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.selectors import label_selector
from kubesim.store import Event
from kubesim.validating.evaluation import Denial, Evaluation
from kubesim.validating.matching import could_match, matched

GROUP = "admissionregistration.k8s.io"

_POLICIES, _BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}

_Hook = tuple[Object, list[Object]]
"""A policy and its bindings. A policy without a binding has no effect."""


class Misconfigured(Exception):
    """A policy or a binding cannot be asked; says why."""


class ValidatingAdmission:
    """A review of requests (`Api.reviews`) that asks the cluster's policies.

    Args:
        api: the verbs of the cluster, whose store holds the policies.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._hooks: list[_Hook] | None = None
        self._relevant: dict[tuple[str, str, str, str], tuple[list[_Hook], list[Resource]]] = {}
        api.store.subscribe(self._see)

    def __call__(self, request: Request) -> None:
        """Ask all policies about one request.

        Raises:
            ApiError: 422 Invalid, or the reason of the first denial.
        """
        if self._hooks is None:
            self._hooks = list(self._read())
        if not self._hooks or request.resource.group == GROUP:
            return
        hooks, versions = self._about(request)
        if not hooks:
            return
        namespace = None
        if request.resource.namespaced:
            namespace = self._api.store.get(("", "namespaces", "", request.key.namespace))
        denied: list[ApiError] = []
        for policy, bindings in hooks:
            denied += self._ask(policy, bindings, request, versions, namespace)
        if denied:  # all warnings were collected before
            raise denied[0]

    # Which policies there are

    def _see(self, event: Event) -> None:
        if event.key.group in (GROUP, "apiextensions.k8s.io"):
            self._hooks = None
            self._relevant.clear()

    def _read(self) -> Iterator[_Hook]:
        store = self._api.store
        bindings = store.list(GROUP, _BINDINGS)
        for policy in store.list(GROUP, _POLICIES):
            name = policy["metadata"]["name"]
            own = [each for each in bindings if each["spec"].get("policyName") == name]
            if own:
                yield policy, own

    def _about(self, request: Request) -> tuple[list[_Hook], list[Resource]]:
        """The policies that could be about a request, and the resource's other versions."""
        resource = request.resource
        key = resource.group, resource.version, resource.plural, request.subresource
        found = self._relevant.get(key)
        if found is None:
            stored = _stored(resource)
            versions = [
                each
                for each in self._api.registry.all()
                if _stored(each) == stored and each != resource
            ]
            hooks = [
                hook
                for hook in self._hooks or ()
                if could_match(
                    hook[0]["spec"]["matchConstraints"],
                    (resource, *versions),
                    request.subresource,
                )
            ]
            found = self._relevant[key] = hooks, versions
        return found

    # What they say

    def _ask(
        self,
        policy: Object,
        bindings: list[Object],
        request: Request,
        versions: list[Resource],
        namespace: Object | None,
    ) -> Iterator[ApiError]:
        """What one policy has against a request; what it only warns of is told."""
        spec = policy["spec"]
        resource = matched(spec["matchConstraints"], request, versions, namespace)
        if resource is None:
            return
        try:
            params = self._param_resource(spec)
        except Misconfigured as error:
            yield from _misconfigured(policy, None, request, error)
            return
        for binding in bindings:
            own = binding["spec"].get("matchResources")
            if own is not None and matched(own, request, versions, namespace) is None:
                continue
            try:
                found = list(self._params(params, binding["spec"], request))
            except Misconfigured as error:
                yield from _misconfigured(policy, binding, request, error)
                continue
            for param in found:
                seen = _seen(request, resource, namespace, param)
                for denial in Evaluation(spec, seen).denials():
                    yield from self._acted(policy, binding, request, denial)

    def _acted(
        self, policy: Object, binding: Object, request: Request, denial: Denial
    ) -> Iterator[ApiError]:
        """What a binding makes of a denial."""
        actions = binding["spec"].get("validationActions") or ()
        if "Warn" in actions:
            self._api.warn(
                "Validation failed for ValidatingAdmissionPolicy "
                f"'{policy['metadata']['name']}' with binding '{binding['metadata']['name']}': "
                f"{denial.message}"
            )
        if "Deny" in actions:
            yield _refusal(policy, binding, request, denial)

    # Parameters

    def _param_resource(self, spec: Object) -> Resource | None:
        """The resource of a policy's parameters; None if it takes none."""
        kind = spec.get("paramKind")
        if kind is None:
            return None
        try:
            return self._api.registry.by_kind(kind["apiVersion"], kind["kind"])
        except ApiError:
            what = f"{kind['apiVersion']}, Kind={kind['kind']}"
            what = what if "/" in kind["apiVersion"] else f"/{what}"
            raise Misconfigured(
                f"failed to find resource referenced by paramKind: '{what}'"
            ) from None

    def _params(
        self, resource: Resource | None, spec: Object, request: Request
    ) -> Iterator[Object | None]:
        """The parameters that a binding refers to; None once if it refers to none."""
        reference = spec.get("paramRef")
        if resource is None or reference is None:
            yield None
            return
        place = reference.get("namespace", "")
        if resource.namespaced:
            place = place or request.key.namespace
            if not place:
                raise Misconfigured(
                    "cannot use namespaced paramRef in policy binding that matches "
                    "cluster-scoped resources"
                )
        elif place:
            raise Misconfigured(
                "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
            )
        found = self._found(resource, reference, place)
        if not found and reference.get("parameterNotFoundAction") != "Allow":
            raise Misconfigured(
                "no params found for policy binding with `Deny` parameterNotFoundAction"
            )
        yield from (_served(resource, each) for each in found)

    def _found(self, resource: Resource, reference: Object, place: str) -> list[Object]:
        store, stored = self._api.store, _stored(resource)
        if reference.get("name"):
            found = store.get((stored[0], stored[1], place, reference["name"]))
            return [] if found is None else [found]
        is_selected = label_selector(reference.get("selector") or {})
        return [
            each
            for each in store.list(stored[0], stored[1], place or None)
            if is_selected(each["metadata"].get("labels") or {})
        ]


def _misconfigured(
    policy: Object, binding: Object | None, request: Request, error: Misconfigured
) -> Iterator[ApiError]:
    """What becomes of a request about which a policy cannot be asked."""
    if policy["spec"].get("failurePolicy") != "Ignore":
        what = "policy" if binding is None else "binding"
        yield _refusal(policy, binding, request, Denial(f"failed to configure {what}: {error}"))


def _stored(resource: Resource) -> tuple[str, str]:
    """Group and plural under which a resource's objects are stored."""
    convert = conversion(resource)
    if convert is None:
        return resource.group, resource.plural
    return convert.api_version.rpartition("/")[0], resource.plural


def _served(resource: Resource, obj: Object) -> Object:
    convert = conversion(resource)
    return obj if convert is None else convert.serve(obj)


def _seen(
    request: Request, resource: Resource, namespace: Object | None, param: Object | None
) -> dict[str, Any]:
    """What expressions see of a request that is meant as one for a resource."""

    def served(obj: Object | None) -> Object | None:
        is_own = obj is not None and obj.get("kind") == resource.kind
        return _served(resource, obj) if obj is not None and is_own else obj

    asked, options = request.resource, request.options
    kind = _kind(request, resource)
    return {
        "object": served(request.new),
        "oldObject": served(request.old),
        "namespaceObject": namespace,
        "params": param,
        "request": {
            "kind": kind,
            "resource": _named(resource),
            "subResource": request.subresource,
            "requestKind": _kind(request, asked),
            "requestResource": _named(asked),
            "requestSubResource": request.subresource,
            "name": request.key.name,
            "namespace": _place(request),
            "operation": request.operation,
            "userInfo": {"username": options.user, "groups": list(options.groups)},
            "dryRun": options.dry_run,
            "options": {
                "apiVersion": "meta.k8s.io/v1",
                "kind": _OPTIONS.get(request.operation, "CreateOptions"),
                **({"fieldManager": options.field_manager} if options.field_manager else {}),
            },
        },
    }


def _place(request: Request) -> str:
    """The namespace of a request; a namespace counts as its own."""
    is_namespace = request.key[:2] == ("", "namespaces")
    return request.key.name if is_namespace else request.key.namespace


def _kind(request: Request, resource: Resource) -> dict[str, str]:
    """The kind of what is sent; a subresource may have one of its own."""
    body = request.new or request.old or {}
    if request.subresource and body.get("kind") != resource.kind:
        group, _, version = str(body.get("apiVersion", "")).rpartition("/")
        return {"group": group, "version": version, "kind": str(body.get("kind", ""))}
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _named(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def _refusal(policy: Object, binding: Object | None, request: Request, denial: Denial) -> ApiError:
    """The server's refusal on account of a policy, with the reason that the policy gives."""
    by = f"ValidatingAdmissionPolicy '{policy['metadata']['name']}'"
    if binding is not None:
        by += f" with binding '{binding['metadata']['name']}'"
    message = f"{by} denied request: {denial.message}"
    resource = request.resource
    causes = [{"message": message}]
    forbidden = refusals.forbidden(
        resource.group, resource.plural, request.key.name, message, causes
    )
    return ApiError(
        _CODES.get(denial.reason, 422),
        denial.reason,
        forbidden.message,
        details=forbidden.details,
        causes=causes,
    )
