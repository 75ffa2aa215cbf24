"""Subresources that lead to an application: what a request for one of them connects to."""

from __future__ import annotations

from collections.abc import Callable

from kubesim import refusals
from kubesim.applications import Applications
from kubesim.http import proxy
from kubesim.http.answers import Answer
from kubesim.http.calls import Call
from kubesim.http.execution import Attachment, Execution
from kubesim.http.portforward import PortForward
from kubesim.http.queries import Query
from kubesim.http.routes import Route
from kubesim.http.upgrade import Session
from kubesim.model import Object

_SESSIONS: dict[str, Callable[[Applications, Object, Query], Session]] = {
    "attach": Attachment,
    "exec": Execution,
    "portforward": PortForward,
}

CREATES = ("attach", "exec", "portforward")
"""Who gets one of these must be allowed to create it, too: a WebSocket begins with a GET, and
reading is less than acting. Source: `AuthorizePodWebsocketUpgradeCreatePermission`, since 1.35."""


def leads_to_application(route: Route) -> bool:
    """Whether a request is for a subresource that connects to an application."""
    if route.group or route.plural not in ("pods", "services"):
        return False
    return route.subresource == "proxy" or _is_session(route)


def connected(applications: Applications, route: Route, call: Call) -> Answer | Session:
    """The application's answer, or the session that is to begin with it.

    Raises:
        ApiError: 400 BadRequest, 404 NotFound, 405 MethodNotAllowed, 503 ServiceUnavailable.
    """
    if route.subresource == "proxy":
        return proxy.proxied(applications, route, call)
    if route.verb not in ("get", "create"):
        raise refusals.method_not_allowed()
    pod = applications.store.get(("", "pods", route.namespace, route.name))
    if pod is None:
        raise refusals.not_found("", "pods", route.name)
    return _SESSIONS[route.subresource](applications, pod, call.query)


def _is_session(route: Route) -> bool:
    return route.plural == "pods" and route.subresource in _SESSIONS
