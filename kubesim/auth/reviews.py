"""Reviews: questions to the API server about who one is and who may do what.

They are created like objects, but only answered, never stored. `kubectl auth can-i` asks a
SelfSubjectAccessReview, `kubectl auth whoami` a SelfSubjectReview.

Source: pkg/registry/authorization, pkg/registry/authentication and
pkg/apis/authorization/validation (Kubernetes 1.37).
"""

from __future__ import annotations

import json
from typing import Any

from kubesim import refusals
from kubesim.api import decoding
from kubesim.auth.authorization import Attributes, Authorizer
from kubesim.auth.tokens import ISSUER, TokenError, Tokens
from kubesim.auth.users import User
from kubesim.clock import timestamp
from kubesim.model import Object
from kubesim.resources import Registry

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"

_GROUPS = {
    "LocalSubjectAccessReview": _AUTHORIZATION,
    "SelfSubjectAccessReview": _AUTHORIZATION,
    "SelfSubjectReview": _AUTHENTICATION,
    "SelfSubjectRulesReview": _AUTHORIZATION,
    "SubjectAccessReview": _AUTHORIZATION,
    "TokenReview": _AUTHENTICATION,
}

KINDS = frozenset(_GROUPS)
"""The kinds that `review` answers."""

_RESOURCE_RULE = ("verbs", "apiGroups", "resources", "resourceNames")
_PATH_RULE = ("verbs", "nonResourceURLs")


def review(
    kind: str,
    body: Any,
    user: User,
    *,
    authorizer: Authorizer,
    tokens: Tokens,
    now: float,
    namespace: str = "",
) -> Object:
    """Answer a review: the body with a status.

    Args:
        kind: one of `KINDS`.
        body: the question, as the client sent it.
        user: who asks.
        authorizer: knows who may do what.
        tokens: knows whom a token proves.
        now: the time, in seconds since the Unix epoch.
        namespace: of the request; only a LocalSubjectAccessReview has one.

    Raises:
        ApiError: 400 or 422 for a question that cannot be answered.
    """
    api_version = f"{_GROUPS[kind]}/v1"
    body = decoding.with_header(body, api_version, kind)
    resource = Registry.builtin().by_kind(api_version, kind)
    body = decoding.decoded(body, resource, validation="Ignore", warn=lambda _: None)
    spec = body.get("spec") or {}
    asked = {**body, "metadata": body.get("metadata") or {}, "spec": spec}
    if kind == "TokenReview":
        return {**asked, "status": _token(spec, tokens, now)}
    if kind == "SelfSubjectReview":
        del asked["spec"]
        created = {**asked["metadata"], "creationTimestamp": timestamp(now)}
        return {**asked, "metadata": created, "status": {"userInfo": user.info}}
    if kind == "SelfSubjectRulesReview":
        return {**asked, "spec": {}, "status": _rules(spec, user, authorizer)}
    _check(kind, asked, namespace)
    whom = user if kind == "SelfSubjectAccessReview" else _meant(spec)
    return {**asked, "status": _access(spec, whom, authorizer)}


def _token(spec: Object, tokens: Tokens, now: float) -> Object:
    token, audiences = spec.get("token"), spec.get("audiences") or [ISSUER]
    if not token:
        raise refusals.bad_request(f"token is required for TokenReview in {_AUTHENTICATION}")
    try:
        user = tokens.verify(token, now=now, audiences=audiences)
        valid = tokens.audiences(token, now=now, audiences=audiences)
    except TokenError as error:
        why = error.why.partition(": ")[0] if error.why.startswith("invalid bearer") else error.why
        return {"user": {}, "error": why}
    return {"authenticated": True, "user": user.info, "audiences": valid}


def _rules(spec: Object, user: User, authorizer: Authorizer) -> Object:
    namespace = spec.get("namespace")
    if not namespace:
        raise refusals.bad_request("no namespace on request")
    rules = authorizer.rules_for(user, namespace)
    faults = authorizer.faults_for(user, namespace)
    status = {
        "resourceRules": [_only(rule, _RESOURCE_RULE) for rule in rules if rule.get("resources")],
        "nonResourceRules": [_only(r, _PATH_RULE) for r in rules if r.get("nonResourceURLs")],
        "incomplete": bool(faults),
    }
    return {**status, "evaluationError": ", ".join(faults)} if faults else status


def _only(rule: Object, fields: tuple[str, ...]) -> Object:
    return {field: rule[field] for field in fields if rule.get(field)}


def _access(spec: Object, user: User, authorizer: Authorizer) -> Object:
    decision = authorizer.allows(user, _attributes(spec))
    reason = {"reason": decision.reason} if decision.reason else {}
    return {"allowed": decision.allowed, **reason}


def _attributes(spec: Object) -> Attributes:
    asked = spec.get("resourceAttributes")
    if asked is None:
        asked = spec["nonResourceAttributes"]
        return Attributes(asked.get("verb") or "", path=asked.get("path") or "")
    fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return Attributes(**{field: asked.get(field) or "" for field in fields})


def _meant(spec: Object) -> User:
    """The user whom a SubjectAccessReview is about."""
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    groups = tuple(spec.get("groups") or ())
    return User(spec.get("user") or "", groups, spec.get("uid") or "", extra)


def _check(kind: str, asked: Object, namespace: str) -> None:
    """An access review asks one question, about one user.

    Raises:
        ApiError: 400 BadRequest, 422 Invalid.
    """
    spec, metadata = asked["spec"], asked["metadata"]
    of_resource, of_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    is_local = kind == "LocalSubjectAccessReview"
    faults: list[tuple[str, Any, str]] = []
    if of_resource is not None and of_path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        faults.append(("spec.nonResourceAttributes", of_path, why))
    if of_resource is None and of_path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        faults.append(("spec.resourceAttributes", None, why))
    if kind != "SelfSubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        faults.append(("spec.user", "", "at least one of user or group must be specified"))
    allowed = {"managedFields", "namespace"} if is_local else {"managedFields"}
    if any(value for key, value in metadata.items() if key not in allowed):
        why = "must be empty except for namespace" if is_local else "must be empty"
        faults.append(("metadata", metadata, why))
    if is_local and of_path is not None:
        faults.append(("spec.nonResourceAttributes", of_path, "disallowed on this kind of request"))
    if is_local and of_resource is not None:
        place = of_resource.get("namespace") or ""
        if place != (metadata.get("namespace") or namespace):
            where = "spec.resourceAttributes.namespace"
            faults.append((where, place, "must match metadata.namespace"))
    if faults:
        causes = [
            ("FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {why}", field)
            for field, value, why in faults
        ]
        raise refusals.invalid(_AUTHORIZATION, kind, "", causes)
    if is_local and (metadata.get("namespace") or namespace) != namespace:
        raise refusals.bad_request(
            f"namespace of the review ({metadata['namespace']}) is not that of the request "
            f"({namespace})"
        )
