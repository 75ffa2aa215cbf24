"""What is not a resource: discovery, OpenAPI, the version, and whether the server is well."""

from __future__ import annotations

import re

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.http import discovery, issuer, negotiation, openapi
from kubesim.http.answers import TEXT, Answer, answer, text
from kubesim.http.calls import Call
from kubesim.resources import Registry

_HEALTH = ("healthz", "livez", "readyz")
_CHECKS = ("ping", "log", "etcd")

_AGGREGATED = re.compile(
    r"application/json;g=apidiscovery\.k8s\.io;v=(v2|v2beta1);as=APIGroupDiscoveryList"
)

_PROTOBUF = "application/com.github.proto-openapi.spec.v2"


def document(registry: Registry, call: Call) -> Answer:
    """The document at a path.

    Raises:
        ApiError: 404 NotFound, 405 MethodNotAllowed.
    """
    parts = [part for part in call.path.split("/") if part]
    if call.method not in ("GET", "HEAD"):
        raise refusals.method_not_allowed() if parts else not_found()
    match parts:
        case []:
            return answer({"paths": paths(registry)}, pretty=True)
        case ["version"]:
            return answer(discovery.version_info(), pretty=True)
        case [("healthz" | "livez" | "readyz") as which, *check]:
            return _health(which, check, call)
        case ["api"] | ["apis"]:
            return _groups(registry, parts[0], call)
        case ["api", version]:
            return _plain(discovery.resource_list(registry, "", version), call)
        case ["apis", group]:
            return _plain(discovery.group(registry, group), call)
        case ["apis", group, version]:
            return _plain(discovery.resource_list(registry, group, version), call)
        case ["openapi", "v2"]:
            return _openapi_v2(registry, call)
        case ["openapi", "v3"]:
            return _plain(openapi.v3_index(registry), call)
        case ["openapi", "v3", *path]:
            return _openapi_v3(registry, "/".join(path), call)
    raise not_served()


def paths(registry: Registry) -> list[str]:
    """The paths that the server answers, for those who look at its root."""
    found = {"/api", "/api/v1", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version"}
    found |= {f"/{each}" for each in _HEALTH} | {issuer.CONFIGURATION, issuer.KEYS}
    for resource in registry.all():
        if resource.group:
            found |= {f"/apis/{resource.group}", f"/apis/{resource.group}/{resource.version}"}
    return sorted(found)


def _groups(registry: Registry, root: str, call: Call) -> Answer:
    accept = re.sub(r"\s", "", call.headers.get("Accept", ""))
    wanted = _AGGREGATED.search(accept)
    if wanted is None:
        legacy = discovery.legacy_versions(call.headers.get("Host", ""))
        return _plain(legacy if root == "api" else discovery.group_list(registry), call)
    found = answer(discovery.aggregated(registry, f"/{root}", version=wanted[1]))
    return Answer(found.body, media=wanted[0], headers={"Vary": "Accept"})


def _plain(value: object, call: Call) -> Answer:
    return answer(value, negotiation.form(call.headers.get("Accept", "")), pretty=call.pretty)


def _openapi_v2(registry: Registry, call: Call) -> Answer:
    """Clients of protobuf (Argo CD, older kubectl) know no other form, all others take JSON."""
    if _PROTOBUF in call.headers.get("Accept", ""):
        return Answer(openapi.v2_protobuf(registry), media="application/octet-stream")
    return Answer(openapi.v2_json(registry))


def _openapi_v3(registry: Registry, path: str, call: Call) -> Answer:
    """One document. A URL that names its content can be kept for ever."""
    found = openapi.v3(registry, path)
    asked = call.query.get("hash", "")
    headers = {"Etag": f'"{found.digest}"'}
    if asked and asked != found.digest:
        location = f"/openapi/v3/{path}?hash={found.digest}"
        return Answer(b"", 301, headers={**headers, "Location": location})
    if asked:
        headers["Cache-Control"] = "public, immutable"
    return Answer(found.body, headers=headers)


def _health(which: str, check: list[str], call: Call) -> Answer:
    """Source: apiserver `pkg/server/healthz`."""
    if check and (len(check) > 1 or check[0] not in _CHECKS):
        raise not_found()
    if "verbose" not in call.query or check:
        return Answer(b"ok", media=TEXT, headers={"Cache-Control": "no-cache, private"})
    lines = [f"[+]{each} ok" for each in _CHECKS]
    return text("\n".join([*lines, f"{which} check passed", ""]))


def not_served() -> ApiError:
    """404 where there is no API: an unknown path, or a group that nothing is served of."""
    error = ApiError(404, "NotFound", "404 page not found")
    error.is_plain = True
    return error


def not_found() -> ApiError:
    """404: nothing is served at this path."""
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, details={})
