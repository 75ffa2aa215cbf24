"""What a URL means: which verb, of which resource, on which object.

Source: apiserver `pkg/endpoints/request/requestinfo.go` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}

_BELOW_NAMESPACES = ("status", "finalize")
"""What follows a namespace's name in a URL and is a subresource of it, not a resource in it."""


@dataclass(frozen=True, slots=True)
class Route:
    """A request for a resource, as far as its method and URL say what it asks for.

    Args:
        verb: what is asked for, in the words of RBAC: `get`, `list`, `watch` and so on.
        group: the API group; empty for the core group.
        version: the API version.
        plural: the resource.
        namespace: where; empty for all namespaces, and for what is in none.
        name: which object; empty for all of them.
        subresource: `status`, `scale` and so on, or empty.
        rest: what follows the subresource, as of a proxied path.
    """

    verb: str
    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()


def parse(method: str, path: str, query: Mapping[str, str]) -> Route | None:
    """The resource request that a URL stands for; None if it is about no resource.

    Args:
        method: the HTTP method.
        path: the path, with its percent signs.
        query: what follows the question mark.
    """
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _BELOW_NAMESPACES:
            parts = parts[2:]
    plural, name, subresource, *rest = [*parts, "", "", ""]
    while rest and not rest[-1]:
        rest.pop()
    verb = _VERBS.get(method, "")
    if verb == "get" and not subresource:
        if is_true(query.get("watch")):
            verb = "watch"
        elif not name:
            verb = "list"
    elif verb == "delete" and not name:
        verb = "deletecollection"
    return Route(verb, group, version, plural, namespace, name, subresource, tuple(rest))


def is_true(text: str | None) -> bool:
    """Whether a query says yes.

    Source: apimachinery `Convert_Slice_string_To_bool`: anything but false and 0 is yes, and so is
    nothing after the equals sign.
    """
    return text is not None and text.lower() not in ("false", "0")
