"""Escalation: no user can grant by a role or a binding what they may not do themselves.

A user with the verb `escalate` on roles or `bind` on a role is exempt, and so is the administrator.

Source: pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased and
pkg/registry/rbac/validation/rule.go (Kubernetes 1.37).
"""

from __future__ import annotations

from kubesim import refusals
from kubesim.api import Options
from kubesim.auth.authorization import GROUP, Attributes, Authorizer
from kubesim.auth.rules import EVERYTHING, compact, described, missing, quoted
from kubesim.auth.users import MASTERS, User
from kubesim.model import Object
from kubesim.resources import Resource

_ROLES = ("roles", "clusterroles")
_AGGREGATION = "must have cluster-admin privileges to use the aggregationRule"
_COLLECTORS_OWN = ("finalizers", "managedFields", "ownerReferences", "resourceVersion")


class EscalationCheck:
    """A guard of writes (`Api.guards`) that refuses to let rights grow.

    Args:
        authorizer: knows what a user may do.
    """

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(
        self, resource: Resource, old: Object | None, new: Object, options: Options
    ) -> None:
        """Check one write.

        Raises:
            ApiError: 403 Forbidden; 404 for a binding to a role that is not there.
        """
        if resource.group != GROUP or MASTERS in options.groups:
            return
        if old is not None and _without(old) == _without(new):
            return
        user = User(options.user, options.groups)
        if resource.plural in _ROLES:
            self._check_role(resource, old, new, user)
        else:
            self._check_binding(resource, new, user)

    def _check_role(self, resource: Resource, old: Object | None, new: Object, user: User) -> None:
        if self._may(user, "escalate", resource.plural, new["metadata"]):
            return
        self._check_held(resource, new, user, new.get("rules") or ())
        if new.get("aggregationRule") or (old or {}).get("aggregationRule"):
            if missing(self._authorizer.rules_for(user, ""), EVERYTHING):
                name = new["metadata"].get("name", "")
                raise refusals.forbidden(GROUP, resource.plural, name, _AGGREGATION)

    def _check_binding(self, resource: Resource, new: Object, user: User) -> None:
        reference = new.get("roleRef") or {}
        if reference.get("kind") not in ("Role", "ClusterRole"):
            return  # validation says so next
        namespace = new["metadata"].get("namespace", "")
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        place = {"namespace": namespace, "name": reference.get("name", "")}
        if not self._may(user, "bind", plural, place):
            rules = self._authorizer.rules_of(reference, namespace)
            self._check_held(resource, new, user, rules)

    def _may(self, user: User, verb: str, plural: str, place: Object) -> bool:
        attributes = Attributes(
            verb,
            group=GROUP,
            version="v1",
            resource=plural,
            namespace=place.get("namespace", ""),
            name=place.get("name", ""),
        )
        return self._authorizer.allows(user, attributes).allowed

    def _check_held(
        self, resource: Resource, new: Object, user: User, rules: tuple[Object, ...]
    ) -> None:
        metadata = new["metadata"]
        namespace = metadata.get("namespace", "")
        lacking = missing(self._authorizer.rules_for(user, namespace), rules)
        if not lacking:
            return
        listed = "\n".join(sorted({described(rule) for rule in compact(lacking)}))
        why = (
            f'user "{user.name}" (groups={quoted(user.groups)}) is attempting to grant RBAC '
            f"permissions not currently held:\n{listed}"
        )
        faults = self._authorizer.faults_for(user, namespace)
        if faults:
            why += f"; resolution errors: [{', '.join(faults)}]"
        raise refusals.forbidden(GROUP, resource.plural, metadata.get("name", ""), why)


def _without(obj: Object) -> Object:
    """An object without what the garbage collector changes to let it go."""
    own = obj["metadata"].items()
    return {**obj, "metadata": {key: value for key, value in own if key not in _COLLECTORS_OWN}}
