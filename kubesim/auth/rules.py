"""Rules of roles: what one allows, and whether some of them allow all that others do. Pure.

Rules only add up: there is none that forbids. A rule is a dictionary, as roles hold it.

Source: pkg/apis/rbac/v1/evaluation_helpers.go, component-helpers `auth/rbac/validation`,
pkg/registry/rbac/validation/policy_compact.go (Kubernetes 1.37).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kubesim.model import Object

EVERYTHING: tuple[Object, ...] = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)
"""The rules of cluster-admin."""

_TITLES = {
    "apiGroups": "APIGroups",
    "resources": "Resources",
    "nonResourceURLs": "NonResourceURLs",
    "resourceNames": "ResourceNames",
    "verbs": "Verbs",
}
"""How messages call the fields of a rule, in their order."""


@dataclass(frozen=True)
class Attributes:
    """What a request is about to do, as far as permissions care.

    Args:
        verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; of
            a path, the HTTP method in lower case.
        group: the API group of the resource; empty for the core group.
        version: its API version; for the record, roles do not care.
        resource: the plural; empty if the request is about a path.
        subresource: such as `log` or `scale`; empty for the object itself.
        namespace: where; empty for resources outside namespaces and for all namespaces together.
            A request for one Namespace is in that namespace.
        name: which object; empty for a list, and for a create, even if the body names it.
        path: the URL's path, if it is none of a resource, such as `/version`.
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def allows(rule: Object, attributes: Attributes) -> bool:
    """Whether a rule allows what a request is about to do."""
    verbs = rule["verbs"]
    if attributes.verb not in verbs and "*" not in verbs:
        return False
    if not attributes.resource:
        return any(_is_path(url, attributes.path) for url in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if attributes.group not in groups and "*" not in groups:
        return False
    names = rule.get("resourceNames")
    if names and attributes.name not in names:
        return False
    return _has_resource(rule.get("resources") or (), attributes.resource, attributes.subresource)


def _has_resource(resources: Sequence[str], resource: str, subresource: str) -> bool:
    if "*" in resources:
        return True
    if not subresource:
        return resource in resources
    return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources


def _is_path(url: str, path: str) -> bool:
    return url == path or (url.endswith("*") and path.startswith(url.rstrip("*")))


def missing(held: Sequence[Object], wanted: Iterable[Object]) -> list[Object]:
    """What rules allow that other rules do not, one permission at a time.

    Args:
        held: the rules that one has.
        wanted: the rules that are to be covered by them.
    """
    return [each for rule in wanted for each in _apart(rule) if not _is_covered(each, held)]


def _apart(rule: Object) -> Iterator[Object]:
    """A rule as rules of one verb for one resource or one path."""
    for verb in rule.get("verbs") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                place = {"apiGroups": [group], "resources": [resource]}
                for name in rule.get("resourceNames") or ():
                    yield {**place, "resourceNames": [name], "verbs": [verb]}
                if not rule.get("resourceNames"):
                    yield {**place, "verbs": [verb]}
        for url in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _is_covered(single: Object, held: Sequence[Object]) -> bool:
    return any(_covers(rule, single) for rule in held)


def _covers(rule: Object, single: Object) -> bool:
    """Whether one rule allows all that a rule of a single permission does."""
    if not _has(rule["verbs"], single["verbs"][0]):
        return False
    if "nonResourceURLs" in single:
        wanted = single["nonResourceURLs"][0]
        return any(_is_path(url, wanted) for url in rule.get("nonResourceURLs") or ())
    if not _has(rule.get("apiGroups") or (), single["apiGroups"][0]):
        return False
    own, wanted_names = rule.get("resourceNames"), single.get("resourceNames")
    if own and (not wanted_names or not set(wanted_names) <= set(own)):
        return False
    resource, _, subresource = single["resources"][0].partition("/")
    return _has_resource(rule.get("resources") or (), resource, subresource)


def _has(options: Sequence[str], wanted: str) -> bool:
    return "*" in options or wanted in options


def compact(rules: Iterable[Object]) -> list[Object]:
    """Rules of one permission each, with those that differ only in their verb put together."""
    together: dict[str, Object] = {}
    for rule in rules:
        place = json.dumps({**rule, "verbs": []}, sort_keys=True)
        known = together.setdefault(place, {**rule, "verbs": []})
        together[place] = {**known, "verbs": [*dict.fromkeys((*known["verbs"], *rule["verbs"]))]}
    return list(together.values())


def described(rule: Object) -> str:
    """A rule in one line, as the server writes it in messages."""
    parts = [
        f"{title}:{quoted(rule[field])}" for field, title in _TITLES.items() if rule.get(field)
    ]
    return "{" + ", ".join(parts) + "}"


def quoted(texts: Iterable[str]) -> str:
    """A list of texts as Go prints it: each in quotes, a space between."""
    return "[" + " ".join(json.dumps(text, ensure_ascii=False) for text in texts) + "]"
