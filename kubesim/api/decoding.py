"""From what a client sent to an object of the right kind, or a refusal.

Source: the create, update and patch paths of apiserver `endpoints/handlers` (Kubernetes 1.37).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from kubesim import refusals
from kubesim.admission import structural
from kubesim.errors import ApiError
from kubesim.model import Object, join_api_version, split_api_version
from kubesim.resources import Resource
from kubesim.schema import builtin, decode

Warn = Callable[[str], None]


def with_header(body: Any, api_version: str, kind: str) -> Object:
    """The body with its apiVersion and kind, which must be those that belong here.

    Raises:
        ApiError: 400 BadRequest.
    """
    if not isinstance(body, dict):
        raise refusals.bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get "
            f"version/kind; json parse error: json: cannot unmarshal {_json_type(body)} into Go "
            "value of type runtime.TypeMeta"
        )
    given_version, given_kind = body.get("apiVersion"), body.get("kind")
    if given_version == api_version and given_kind == kind:
        return body
    for name in ("apiVersion", "kind"):
        if not isinstance(body.get(name) or "", str):
            raise refusals.bad_request(
                f"couldn't get version/kind; json parse error: json: cannot unmarshal "
                f"{_json_type(body[name])} into Go struct field .{name} of type string"
            )
    given_version, given_kind = given_version or api_version, given_kind or kind
    if given_kind != kind:
        why = _foreign(given_version, given_kind, api_version, kind)
        raise refusals.bad_request(f"{_handled(given_version, given_kind, kind)}: {why}")
    if given_version != api_version and not _is_known_group(given_version):
        why = _not_registered(given_kind, given_version)
        raise refusals.bad_request(f"{_handled(given_version, given_kind, kind)}: {why}")
    if given_version != api_version:
        raise refusals.bad_request(
            f"the API version in the data ({given_version}) does not match the expected "
            f"API version ({api_version})"
        )
    return {**body, "apiVersion": api_version, "kind": kind}


def patched_header(obj: Object, resource: Resource) -> Object:
    """The outcome of a patch with its apiVersion and kind: a patch may drop them, not change them.

    Source: apiserver `handlers/patch.go` (the outcome is decoded into the kind that was patched)
    and, for custom resources, `unstructured.UnstructuredJSONScheme` (both must be there).

    Raises:
        ApiError: 422 Invalid.
    """
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if version == resource.api_version and kind == resource.kind:
        return obj
    if resource.is_custom and not (version and kind):
        missing = "apiVersion" if kind else "Kind"
        raise _refusal(resource, f"Object '{missing}' is missing in '{_json(obj)}'", obj)
    version, kind = version or resource.api_version, kind or resource.kind
    if version != resource.api_version or kind != resource.kind:
        why = _foreign(version, kind, resource.api_version, resource.kind)
        cause = ("FieldValueInvalid", f"Invalid value: {json.dumps(_json(obj))}: {why}", "patch")
        raise refusals.invalid("", "", "", [cause])
    return {**obj, "apiVersion": version, "kind": kind}


_SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
"""Where the real server keeps the kinds it knows; it says so."""


def _not_registered(kind: str, version: str) -> str:
    return f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"'


def _is_known_group(api_version: str) -> bool:
    """Whether a version is one of Kubernetes' own, or that of a group of custom kinds."""
    known = {join_api_version(group, version) for group, version, _ in builtin().kinds()}
    return api_version in known or "." in split_api_version(api_version)[0]


def check_type(config: Any, resource: Resource) -> None:
    """An apply configuration says of what kind it is, and that is the kind it is applied to.

    Raises:
        ApiError: 400 BadRequest.
    """
    with_header(config, resource.api_version, resource.kind) if not isinstance(config, dict) else {}
    version, kind = config.get("apiVersion") or "", config.get("kind") or ""
    if (version, kind) != (resource.api_version, resource.kind):
        shown = "/".join(split_api_version(version)) if isinstance(version, str) else "/"
        raise refusals.bad_request(f"invalid object type: {shown}, Kind={kind}")


def decoded(
    body: Object,
    resource: Resource,
    *,
    validation: str,
    warn: Warn,
    findings: Sequence[str] = (),
    known: Object | None = None,
    patch: Any = None,
) -> Object:
    """The body as the server's decoder leaves it.

    Args:
        body: the object, with its apiVersion and kind.
        resource: what it is sent to.
        validation: what becomes of unknown fields (see `Options.field_validation`).
        warn: is told of unknown fields if they are neither refused nor ignored.
        findings: what was found when the body was read; treated like unknown fields.
        known: an object that was decoded before; what the body shares with it is not looked at.
        patch: the patch that the body is the outcome of; refusals quote it. (The real server
            quotes the whole outcome of a JSON or merge patch, which is unreadable.)

    Raises:
        ApiError: 400 BadRequest; for the outcome of a patch, 422 Invalid.
    """
    obj, unknown, wrong = _decode(body, resource, known)
    if findings:
        # An unknown field is reported once, although it is a duplicate as well.
        doubly = {f"duplicate {each.removeprefix('unknown ')}" for each in unknown}
        unknown = [*(each for each in findings if each not in doubly), *unknown]
    if wrong:
        raise _refusal(resource, wrong[0], patch)
    if unknown and validation == "Strict":
        raise _refusal(resource, f"strict decoding error: {', '.join(unknown)}", patch)
    if validation != "Ignore":
        for each in unknown:
            warn(each)
    return obj


def canonical(config: Object, resource: Resource) -> tuple[Object, ApiError | None]:
    """An apply configuration with its quantities and times spelled as they are stored.

    Returns:
        The configuration, unchanged if anything is wrong with it, and the decoder's refusal of a
        value, for which server-side apply may have words of its own.
    """
    obj, unknown, wrong = _decode(config, resource, None, as_sent=True)
    refusal = _refusal(resource, wrong[0], None) if wrong else None
    return (config if unknown or wrong else obj), refusal


def settled(obj: Object, resource: Resource) -> Object:
    """An object that was made of others, with its zero values as the server stores them."""
    return obj if resource.is_custom else decode(obj, resource.node)[0]


def _decode(
    body: Object, resource: Resource, known: Object | None, *, as_sent: bool = False
) -> tuple[Object, list[str], list[str]]:
    """The object, what is said of its unknown fields, and what of its values of the wrong type."""
    if not resource.is_custom:
        obj, findings = decode(body, resource.node, known=known, as_sent=as_sent)
    else:
        fresh = {
            key: value for key, value in body.items() if not known or value is not known.get(key)
        }
        obj, findings = structural.decoded(fresh, resource.node)
        if obj is fresh:
            obj = body
        else:
            kept = (key for key in body if key in obj or key not in fresh)
            obj = {key: obj[key] if key in fresh else body[key] for key in kept}
    return obj, findings.warnings, [fault.message for fault in findings.invalid]


def _refusal(resource: Resource, why: str, patch: Any) -> ApiError:
    if patch is not None:
        why = _restored(why) if isinstance(patch, dict) else why
        quoted = json.dumps(_in_go(patch), ensure_ascii=False)
        cause = ("FieldValueInvalid", f"Invalid value: {quoted}: {why}", "patch")
        return refusals.invalid("", "", "", [cause])
    handled = _handled(resource.api_version, resource.kind, resource.kind)
    return refusals.bad_request(f"{handled}: {why}")


def _foreign(given_version: str, given_kind: str, api_version: str, kind: str) -> str:
    """Why an object of another kind cannot be taken for one of this kind."""
    if builtin().node(given_version, given_kind) is None:
        return _not_registered(given_kind, given_version)
    given = f"{split_api_version(given_version)[1]}.{given_kind}"
    return f"converting ({given}) to ({_package(api_version)}.{kind}): unknown conversion"


_UNFIT = re.compile(r"json: cannot unmarshal (\w+) into .* of type (\[\]|map\[).*")


def _restored(why: str) -> str:
    """What is said of a patch's list or map where another kind of value belongs."""
    found = _UNFIT.fullmatch(why)
    if found is None:
        return why
    kinds = {"object": "map", "array": "slice", "bool": "bool", "string": "string"}
    wanted = "slice" if found[2] == "[]" else "map"
    return f"cannot restore {wanted} from {kinds.get(found[1], 'int64')}"


def _handled(api_version: str, kind: str, wanted: str) -> str:
    version = split_api_version(api_version)[1]
    return f'{kind} in version "{version}" cannot be handled as a {wanted}'


def _package(api_version: str) -> str:
    """The name of the Go package that holds a group's internal types."""
    return split_api_version(api_version)[0].partition(".")[0] or "core"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _in_go(value: Any) -> str:
    """A value as Go prints it with `%+v`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_in_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(_in_go(each) for each in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")
