"""The API server's refusals, in the real server's words.

Source: apimachinery `pkg/api/errors` (Kubernetes 1.37). Each function makes an error to raise.
A resource is named by group and plural, as in `deployments.apps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubesim.errors import ApiError


def group_resource(group: str, plural: str) -> str:
    """A resource as messages name it, such as `deployments.apps`."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, plural: str, name: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> ApiError:
    """400: the request itself makes no sense."""
    return ApiError(400, "BadRequest", message)


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404: there is no such object."""
    message = f'{group_resource(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(group, plural, name))


def method_not_allowed() -> ApiError:
    """405: the resource has no such verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def forbidden(
    group: str, plural: str, name: str, why: str, causes: Sequence[Mapping[str, str]] = ()
) -> ApiError:
    """403: an admission plugin does not allow it."""
    quoted = f'{group_resource(group, plural)} "{name}"' if name else group_resource(group, plural)
    details = _details(group, plural, name)
    return ApiError(
        403, "Forbidden", f"{quoted} is forbidden: {why}", details=details, causes=causes
    )


def already_exists(group: str, plural: str, name: str, *, going: bool = False) -> ApiError:
    """409: the name is taken, perhaps by an object that is being deleted."""
    message = f'{group_resource(group, plural)} "{name}" already exists'
    if going:
        message = f"object is being deleted: {message}"
    return ApiError(409, "AlreadyExists", message, details=_details(group, plural, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
"""Why a write is refused that was made from an object that has moved on since."""


def conflict(group: str, plural: str, name: str, why: str = MODIFIED) -> ApiError:
    """409: the object is not, or no longer, the one that the request means."""
    message = f'Operation cannot be fulfilled on {group_resource(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(group, plural, name))


def expired(message: str) -> ApiError:
    """410: the revision that is asked for has left the history."""
    return ApiError(410, "Expired", message)


def unsupported_patch() -> ApiError:
    """415: a strategic merge patch, of a custom resource, whose schema has no merge keys."""
    return ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )


def too_many_requests(
    message: str, causes: Sequence[Mapping[str, str]] = (), *, wait: int = 0
) -> ApiError:
    """429: not now, perhaps later; after `wait` seconds, if that is known."""
    details = {"retryAfterSeconds": wait} if wait else {}
    return ApiError(429, "TooManyRequests", message, details=details, causes=causes)


def too_large_revision(asked: int, current: int) -> ApiError:
    """504: the revision that is asked for has not come yet."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={"retryAfterSeconds": 1},
        causes=[cause],
    )


def invalid(group: str, kind: str, name: str, causes: Sequence[tuple[str, str, str]]) -> ApiError:
    """422: the object is not acceptable. The message says the same thing only once.

    Args:
        group: the kind's API group.
        kind: the kind.
        name: the object's name.
        causes: reason, message and field of each fault.
    """
    faults = list(dict.fromkeys(f"{field}: {message}" for _, message, field in causes))
    listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(
        422,
        "Invalid",
        f'{qualified} "{name}" is invalid: {listed}',
        details=_details(group, kind, name),
        causes=[{"reason": r, "message": m, "field": f} for r, m, f in causes],
    )
