"""The API server as a proxy: `pods/{name}/proxy/…` and `services/{name}/proxy/…`.

The request comes from the cluster's own network, so no NetworkPolicy is asked.

Source: Kubernetes 1.37, pkg/registry/core/{pod,service} (ResourceLocation) and apimachinery
`pkg/util/proxy`. Left out: connections that are upgraded, and links rewritten in HTML.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from kubesim import refusals
from kubesim.applications import Applications
from kubesim.applications.exchange import Request
from kubesim.applications.routing import Place, Unreachable, behind, port_name
from kubesim.errors import ApiError
from kubesim.http.answers import Answer
from kubesim.http.calls import Call
from kubesim.http.routes import Route

CLIENT = "10.244.0.1"
"""The address that the API server's requests come from: the first node's, on the pods' network."""

_PATH = re.compile(r"/+api/+v1/+namespaces/+[^/]+/+(?:pods|services)/+[^/]+/+proxy(.*)", re.DOTALL)


def proxied(applications: Applications, route: Route, call: Call) -> Answer:
    """What the application behind a proxy's path answers.

    Raises:
        ApiError: 400 BadRequest for a name that is none, 404 NotFound, 503 ServiceUnavailable.
    """
    place = _pod(applications, route) if route.plural == "pods" else _service(applications, route)
    found = _PATH.fullmatch(call.path)
    path = found[1] if found else ""
    query = urlencode(call.query.pairs)
    if not path and call.method in ("GET", "HEAD"):  # links on the page are relative to the slash
        location = f"{call.path}/{'?' if query else ''}{query}"
        return Answer(b"", 301, headers={"Location": location})
    request = Request(call.method, path or "/", query, _passed_on(call), call.body.data)
    try:
        response = applications.send(place, request, client=CLIENT)
    except Unreachable as error:
        raise unavailable(f"error trying to reach service: {error}") from None
    return Answer(response.body, response.code, response.media)


def _pod(applications: Applications, route: Route) -> Place:
    scheme, name, port = _parts(route.name, "pod")
    pod = applications.store.get(("", "pods", route.namespace, name))
    if pod is None:
        raise refusals.not_found("", "pods", name)
    ip = (pod.get("status") or {}).get("podIP")
    if not ip:
        raise refusals.bad_request("address not allowed")
    if not port:
        ports = [each for part in pod["spec"]["containers"] for each in part.get("ports") or ()]
        port = str(ports[0]["containerPort"]) if ports else {"https": "443"}.get(scheme, "80")
    return Place(route.namespace, name, ip, _number(port, ip))


def _service(applications: Applications, route: Route) -> Place:
    _, name, port = _parts(route.name, "service")
    namespace, store = route.namespace, applications.store
    service = store.get(("", "services", namespace, name))
    if port.isascii() and port.isdecimal():
        if service is None:
            raise refusals.not_found("", "services", name)
        known = port_name(service, int(port))
        if known is None:
            raise unavailable(f'no service port {int(port)} found for service "{name}"')
        port = known
    endpoints = store.get(("", "endpoints", namespace, name))
    if endpoints is None and service is None:
        raise refusals.not_found("", "endpoints", name)
    places = behind(endpoints or {}, port)
    if not places:
        shown = route.name if (endpoints or {}).get("subsets") else name
        raise unavailable(f'no endpoints available for service "{shown}"')
    return applications.turns.take(f"{namespace}/{name}/{port}", places)


def _parts(name: str, kind: str) -> tuple[str, str, str]:
    """Scheme, name and port of `name`, `name:port` or `scheme:name:port`.

    Source: apimachinery `pkg/util/net` (SplitSchemeNamePort).
    """
    parts = name.split(":")
    if len(parts) < 3:
        parts = ["", *parts, ""][:3]
    scheme, bare, port = parts if len(parts) == 3 else ("?", "", "")
    if scheme not in ("", "http", "https") or not bare:
        raise refusals.bad_request(f'invalid {kind} request "{name}"')
    return scheme, bare, port


def _number(port: str, ip: str) -> int:
    if port.isascii() and port.isdecimal() and len(port) < 6:
        return int(port)
    why = f"dial tcp: lookup tcp/{port}: unknown port"
    raise unavailable(f"error trying to reach service: {why}")


def _passed_on(call: Call) -> dict[str, str]:
    """The headers that reach the application: not who asks, and not the connection's."""
    kept = ("Authorization", "Connection", "Upgrade", "Transfer-Encoding", "Cookie")
    return {name: value for name, value in call.headers.items() if name not in kept}


def unavailable(message: str) -> ApiError:
    """503: what is asked for is not there now."""
    return ApiError(503, "ServiceUnavailable", message)
