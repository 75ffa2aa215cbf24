"""Authorization: who may do what, by Roles, ClusterRoles and their bindings.

What a user may do follows from the four resources of RBAC alone. It is put together when it is
first asked for, and kept until one of those objects changes.

Source: plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation/rule.go, and apiserver
`pkg/endpoints/handlers/responsewriters/errors.go` for the words (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kubesim import refusals
from kubesim.auth import rules
from kubesim.auth.rules import Attributes
from kubesim.auth.users import MASTERS, User, account_name
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event, Store

__all__ = ["GROUP", "Attributes", "Authorizer", "Decision"]

GROUP = "rbac.authorization.k8s.io"
"""The API group of roles and bindings."""

REMEMBERED = 1_024
"""Of how many pairs of user and namespace the grants are remembered."""


class Decision(NamedTuple):
    """Whether a request is allowed, and why; the reason is mostly empty if it is not."""

    allowed: bool
    reason: str


class _Grant(NamedTuple):
    """The rules that one binding gives to a user."""

    source: str
    rules: tuple[Object, ...]


class _Grants(NamedTuple):
    """What a user has in a namespace, and which bindings lead to no role."""

    held: tuple[_Grant, ...]
    dangling: tuple[str, ...]


class Authorizer:
    """Decides by role-based access control.

    Args:
        store: where roles and bindings are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grants: dict[tuple[str, tuple[str, ...], str], _Grants] = {}
        store.subscribe(self._see)

    def allows(self, user: User, attributes: Attributes) -> Decision:
        """Whether a user may do something; what no rule allows is forbidden."""
        if MASTERS in user.groups:
            return Decision(True, "")
        grants = self._granted(user, attributes.namespace)
        for grant in grants.held:
            for rule in grant.rules:
                if rules.allows(rule, attributes):
                    return Decision(True, f"RBAC: allowed by {grant.source}")
        if not grants.dangling:
            return Decision(False, "")
        first, *more = grants.dangling
        return Decision(False, f"RBAC: [{', '.join((first, *more))}]" if more else f"RBAC: {first}")

    def rules_for(self, user: User, namespace: str) -> tuple[Object, ...]:
        """All rules that a user has in a namespace; with an empty one, those for everywhere."""
        if MASTERS in user.groups:
            return rules.EVERYTHING
        held = self._granted(user, namespace).held
        return tuple(rule for grant in held for rule in grant.rules)

    def faults_for(self, user: User, namespace: str) -> tuple[str, ...]:
        """What stands in the way of knowing a user's rules: bindings to roles that do not exist."""
        return () if MASTERS in user.groups else self._granted(user, namespace).dangling

    def rules_of(self, reference: Object, namespace: str) -> tuple[Object, ...]:
        """The rules of the role that a binding refers to.

        Args:
            reference: the binding's roleRef.
            namespace: the binding's; empty for a ClusterRoleBinding.

        Raises:
            ApiError: 404 if there is no such role.
        """
        name, is_local = reference.get("name", ""), reference["kind"] == "Role"
        plural, place = ("roles", namespace) if is_local else ("clusterroles", "")
        role = self._store.get((GROUP, plural, place, name))
        if role is None:
            raise refusals.not_found(GROUP, plural, name)
        return tuple(role.get("rules") or ())

    def forbidden(
        self, user: User, attributes: Attributes, decision: Decision | None = None
    ) -> ApiError:
        """The refusal of a request that is not allowed: 403 Forbidden.

        Args:
            user: who asked.
            attributes: for what.
            decision: what `allows` answered, if it is known.
        """
        reason = (decision or self.allows(user, attributes)).reason
        why = _sentence(user, attributes) + (f": {reason}" if reason else "")
        if attributes.resource:
            return refusals.forbidden(attributes.group, attributes.resource, attributes.name, why)
        return ApiError(403, "Forbidden", f"forbidden: {why}", details={})

    def _see(self, event: Event) -> None:
        if event.key[0] == GROUP:
            self._grants.clear()

    def _granted(self, user: User, namespace: str) -> _Grants:
        key = user.name, user.groups, namespace
        found = self._grants.get(key)
        if found is None:
            if len(self._grants) >= REMEMBERED:
                del self._grants[next(iter(self._grants))]
            found = self._grants[key] = self._gathered(user, namespace)
        return found

    def _gathered(self, user: User, namespace: str) -> _Grants:
        held: list[_Grant] = []
        dangling: list[str] = []
        for binding, place in self._bindings(namespace):
            subjects = binding.get("subjects") or ()
            subject = next((each for each in subjects if _is_meant(user, each, place)), None)
            if subject is None:
                continue
            try:
                own = self.rules_of(binding["roleRef"], place)
            except ApiError as error:
                dangling.append(error.message)
            else:
                held.append(_Grant(_source(binding, subject, place), own))
        return _Grants(tuple(held), tuple(dangling))

    def _bindings(self, namespace: str) -> Iterator[tuple[Object, str]]:
        """The bindings that count in a namespace, each with its own."""
        for binding in self._store.list(GROUP, "clusterrolebindings"):
            yield binding, ""
        if namespace:
            for binding in self._store.list(GROUP, "rolebindings", namespace):
                yield binding, namespace


def _is_meant(user: User, subject: Object, namespace: str) -> bool:
    name = subject["name"]
    if subject["kind"] == "User":
        return bool(user.name == name)
    if subject["kind"] == "Group":
        return name in user.groups
    place = subject.get("namespace") or namespace
    return user.name == account_name(place, name)


def _source(binding: Object, subject: Object, namespace: str) -> str:
    """Where a permission comes from, in the server's words."""
    name, role = binding["metadata"]["name"], binding["roleRef"]
    kind, own = (
        ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    )
    who = subject["name"]
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{own}" of {role["kind"]} "{role["name"]}" to {subject["kind"]} "{who}"'


def _sentence(user: User, attributes: Attributes) -> str:
    if not attributes.resource:
        return f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
    resource = attributes.resource
    if attributes.subresource:
        resource = f"{resource}/{attributes.subresource}"
    place = "at the cluster scope"
    if attributes.namespace:
        place = f'in the namespace "{attributes.namespace}"'
    return (
        f'User "{user.name}" cannot {attributes.verb} resource "{resource}" '
        f'in API group "{attributes.group}" {place}'
    )
