"""What a request that connects to an application asks for, as the object that policies see.

Source: k8s.io/api/core/v1 PodAttachOptions, PodExecOptions, PodPortForwardOptions, PodProxyOptions
and ServiceProxyOptions (Kubernetes 1.37).
"""

from __future__ import annotations

from typing import Any

from kubesim.http.queries import Query
from kubesim.http.routes import Route
from kubesim.model import Object

_KINDS = {
    ("pods", "attach"): "PodAttachOptions",
    ("pods", "exec"): "PodExecOptions",
    ("pods", "portforward"): "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
}


def of(route: Route, query: Query) -> Object:
    """The options of a connection, as an object of the kind that the subresource has."""
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": _KINDS[route.plural, route.subresource],
    }
    if route.subresource in ("attach", "exec"):
        options |= {each: True for each in ("stdin", "stdout", "stderr", "tty") if query.yes(each)}
        if query.get("container"):
            options["container"] = query["container"]
    if route.subresource == "exec":
        options["command"] = query.every("command")
    elif route.subresource == "portforward":
        ports = [each for listed in query.every("ports") for each in listed.split(",")]
        options["ports"] = [int(each) for each in ports if each.isascii() and each.isdigit()]
    elif route.subresource == "proxy":
        options["path"] = "/".join(route.rest)
    return options
