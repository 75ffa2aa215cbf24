"""What a request must say consistently: names, namespaces, preconditions, subresources.

Source: apiserver `endpoints/handlers/rest.go` (checkName) and `registry/rest` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubesim import refusals
from kubesim.api import strategy
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Key

PARTS = ("status", "scale", "resize", "ephemeralcontainers", "approval")
"""The subresources that can be read like the object itself."""

WRITABLE = ("", *PARTS, "finalize")
"""The subresources that updates and patches can write; the empty one is the object itself."""

APPLICABLE = ("", "status", "resize", "ephemeralcontainers")
"""The subresources that can be written by server-side apply."""


def metadata_of(body: Any) -> Mapping[str, Any]:
    """The metadata of a body as a client sent it, or none."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def namespace_of(body: Any, resource: Resource, namespace: str) -> str:
    """The namespace that a request is about: its own, which the body may repeat, or the body's.

    Raises:
        ApiError: 400 BadRequest if the two differ, or there is none and must be one.
    """
    if not resource.namespaced:
        return ""
    own = metadata_of(body).get("namespace")
    if not namespace:
        if not own:
            raise refusals.bad_request("an empty namespace may not be set during creation")
        return str(own)
    if own and own != namespace:
        raise refusals.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return namespace


def check_namespace(body: Object, namespace: str) -> None:
    """The outcome of a patch stays in its namespace.

    Raises:
        ApiError: 400 BadRequest.
    """
    place = metadata_of(body).get("namespace")
    if namespace and place and place != namespace:
        message = "the namespace of the provided object does not match the namespace sent on the "
        raise refusals.bad_request(f"{message}request")


def check_name(body: Any, name: str, namespace: str) -> None:
    """A body is about the object that the request names.

    Raises:
        ApiError: 400 BadRequest.
    """
    metadata = metadata_of(body)
    own, place = metadata.get("name"), metadata.get("namespace")
    if not own:
        raise refusals.bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: "
            "name must be provided"
        )
    if own != name:
        raise refusals.bad_request(
            f"the name of the object ({own}) does not match the name on the URL ({name})"
        )
    if namespace and place and place != namespace:
        raise refusals.bad_request(
            f"the namespace of the object ({place}) does not match the namespace on the request "
            f"({namespace})"
        )


def check_subresource(resource: Resource, subresource: str, allowed: tuple[str, ...]) -> None:
    """A resource has a subresource, and the verb is one for it.

    Raises:
        ApiError: 404 NotFound, 405 MethodNotAllowed.
    """
    if subresource and subresource not in resource.subresources:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    if subresource not in allowed:
        raise refusals.method_not_allowed()


def check_revision(metadata: Mapping[str, Any], old: Object, resource: Resource) -> None:
    """A resourceVersion that a writer names must still be the object's.

    Raises:
        ApiError: 409 Conflict if it is not.
    """
    revision = metadata.get("resourceVersion")
    if revision and not (revision.isascii() and revision.isdigit()):
        raise ApiError(500, "", f'strconv.ParseUint: parsing "{revision}": invalid syntax')
    if revision and revision != old["metadata"]["resourceVersion"]:
        name = old["metadata"]["name"]
        raise refusals.conflict(resource.group, resource.plural, name)


def check_has_revision(metadata: Mapping[str, Any], resource: Resource) -> None:
    """An update of a resource that insists on it must name a resourceVersion.

    Raises:
        ApiError: 422 Invalid.
    """
    if not metadata.get("resourceVersion") and not strategy.updates_unconditionally(resource):
        why = "Invalid value: 0: must be specified for an update"
        cause = ("FieldValueInvalid", why, "metadata.resourceVersion")
        called = resource.plural if resource.is_custom else resource.kind
        raise refusals.invalid(resource.group, called, metadata.get("name", ""), [cause])


_STORED_AT = {
    ("", "endpoints"): "services/endpoints",
    ("", "nodes"): "minions",
    ("", "replicationcontrollers"): "controllers",
    ("", "services"): "services/specs",
    ("networking.k8s.io", "ingresses"): "ingress",
}
"""Where the real server stores what it does not store under the name of the resource."""


def check_uid(metadata: Mapping[str, Any], old: Object, key: Key) -> None:
    """A uid that an update names must be the object's.

    Raises:
        ApiError: 409 Conflict if it is another's.
    """
    uid, known = metadata.get("uid"), old["metadata"]["uid"]
    if uid and uid != known:
        place = _STORED_AT.get(key[:2], key.plural)
        path = "/".join(part for part in (place, key.namespace, key.name) if part)
        why = (
            f"StorageError: invalid object, Code: 4, Key: /registry/{path}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {known}"
        )
        raise refusals.conflict(key.group, key.plural, key.name, why)


def patch_options(field: str, reason: str, message: str) -> ApiError:
    """The refusal of a patch's options."""
    return refusals.invalid("meta.k8s.io", "PatchOptions", "", [(reason, message, field)])


def gone(resource: Resource, obj: Object) -> Object:
    """The Status that answers a deletion."""
    details = {
        "name": obj["metadata"]["name"],
        "group": resource.group,
        "kind": resource.plural,
        "uid": obj["metadata"]["uid"],
    }
    return {**success(), "details": {key: value for key, value in details.items() if value}}


def success(code: int | None = None) -> Object:
    """The Status that answers a request that went well and has nothing to show."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status if code is None else {**status, "code": code}
