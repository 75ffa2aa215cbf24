"""Creation: a patch or an update that creates an object takes the right to create it.

A server-side apply is a patch, and of some resources an update creates as well. Whether they do is
known only when the object is looked for, after the request itself has been allowed.

Source: apiserver `pkg/endpoints/handlers/{patch,update}.go` (Kubernetes 1.37), `withAuthorization`.
"""

from __future__ import annotations

from kubesim.api import Options
from kubesim.auth.authorization import Attributes, Authorizer
from kubesim.auth.users import User
from kubesim.model import Object
from kubesim.resources import Resource


class CreationCheck:
    """A guard of writes (`Api.guards`) against creating by another verb.

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
            ApiError: 403 Forbidden.
        """
        if old is not None:
            return
        metadata, user = new["metadata"], User(options.user, options.groups)
        attributes = Attributes(
            "create",
            group=resource.group,
            version=resource.version,
            resource=resource.plural,
            namespace=metadata.get("namespace", ""),
            name=metadata.get("name", ""),
        )
        decision = self._authorizer.allows(user, attributes)
        if not decision.allowed:
            raise self._authorizer.forbidden(user, attributes, decision)
