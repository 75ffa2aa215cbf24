"""From what a client sent to an object of the right kind, or a refusal.

Source: the create, update and patch paths of apiserver `endpoints/handlers` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitops_lab.apiserver import refusals
from gitops_lab.apiserver.resources import Resource
from gitops_lab.apiserver.schema import Node, builtin, decode
from gitops_lab.errors import ApiError
from gitops_lab.model import Object, split_api_version

Warn = Callable[[str], None]


def check_header(body: Any, api_version: str, kind: str) -> Object:
    """The body with apiVersion and kind, if they are those that belong here.

    Raises:
        ApiError: 400 BadRequest.
    """
    if not isinstance(body, dict):
        raise refusals.bad_request(
            f"the object provided is unrecognized (must be of type {kind}): "
            "couldn't get version/kind; json parse error: cannot unmarshal into Go value"
        )
    given_version, given_kind = body.get("apiVersion"), body.get("kind")
    if given_version == api_version and given_kind == kind:
        return body
    given_version, given_kind = given_version or api_version, given_kind or kind
    if given_kind != kind:
        if builtin().node(given_version, given_kind) is None:
            why = f'no kind "{given_kind}" is registered for version "{given_version}"'
        else:
            here, there = f"{_package(given_version)}.{given_kind}", f"{_group(api_version)}.{kind}"
            why = f"converting ({here}) to ({there}): unknown conversion"
        raise refusals.bad_request(f"{_handled(given_version, given_kind, kind)}: {why}")
    if given_version != api_version:
        raise refusals.bad_request(
            f"the API version in the data ({given_version}) does not match the expected "
            f"API version ({api_version})"
        )
    return {**body, "apiVersion": api_version, "kind": kind}


def decoded(
    body: Object,
    resource: Resource,
    *,
    validation: str,
    warn: Warn,
    known: Object | None = None,
    is_patch: bool = False,
) -> Object:
    """The body as the server's decoder leaves it.

    Args:
        body: the object, with its apiVersion and kind.
        resource: what it is sent to.
        validation: what becomes of unknown fields (see `Options.field_validation`).
        warn: is told of unknown fields if they are not to be refused.
        known: an object that was decoded before; what the body shares with it is not looked at.
        is_patch: whether this is the outcome of a patch, which words its refusals otherwise.

    Raises:
        ApiError: 400 BadRequest, or 422 Invalid for a patch.
    """
    obj, faults = _decode(body, resource.node, known)
    unknown, wrong = faults
    if wrong:
        raise _refusal(resource, wrong[0], is_patch)
    if unknown and validation == "Strict":
        raise _refusal(resource, f"strict decoding error: {', '.join(unknown)}", is_patch)
    if unknown and validation != "Ignore":
        for each in unknown:
            warn(each)
    return obj


def canonical(config: Object, resource: Resource) -> Object:
    """An apply configuration with its quantities and times spelled as they are stored.

    Fields that the kind does not have stay in: server-side apply refuses them itself.

    Raises:
        ApiError: 400 BadRequest for a value of the wrong type.
    """
    obj, (unknown, wrong) = _decode(config, resource.node, None)
    if wrong:
        raise _refusal(resource, wrong[0], False)
    return config if unknown else obj


def _decode(
    body: Object, node: Node, known: Object | None
) -> tuple[Object, tuple[list[str], list[str]]]:
    fresh = body
    if known is not None:
        fresh = {key: value for key, value in body.items() if value is not known.get(key)}
    obj, findings = decode(fresh, node)
    if obj is fresh:
        obj = body
    elif known is not None:
        shared = {key: value for key, value in body.items() if key not in fresh}
        obj = {**shared, **obj}
    return obj, (findings.warnings, [fault.message for fault in findings.invalid])


def _refusal(resource: Resource, why: str, is_patch: bool) -> ApiError:
    if is_patch:
        cause = ("FieldValueInvalid", f"Invalid value: {why}", "patch")
        return refusals.invalid("", "", "", [cause])
    handled = _handled(resource.api_version, resource.kind, resource.kind)
    return refusals.bad_request(f"{handled}: {why}")


def _handled(api_version: str, kind: str, wanted: str) -> str:
    version = split_api_version(api_version)[1]
    return f'{kind} in version "{version}" cannot be handled as a {wanted}'


def _package(api_version: str) -> str:
    """The name of the Go package in which a version's types are."""
    return split_api_version(api_version)[1]


def _group(api_version: str) -> str:
    """The name of the Go package in which a group's internal types are."""
    group = split_api_version(api_version)[0]
    return group.partition(".")[0] or "core"
