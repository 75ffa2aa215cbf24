"""Reviews: what is asked last, before a request takes effect.

When the object is complete and valid, each review sees it as it would be stored, and the object
that it replaces. Unlike guards, reviews are asked of deletions and of subresources too: these are
the validating admission plugins of the real server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubesim.api.options import Options
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Key


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is about to take effect.

    Args:
        operation: `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
        resource: what is asked for, in the version of the request.
        key: of the object.
        old: the object before; None if it is new.
        new: the object after; None if it goes. Of a subresource that has a body of its own (a
            Scale, a Binding, an Eviction), that body.
        options: of the request; they say who asks.
        subresource: what of the object is asked for, or empty.
    """

    operation: str
    resource: Resource
    key: Key
    old: Object | None
    new: Object | None
    options: Options
    subresource: str = ""


Review = Callable[[Request], None]
"""Refuses a request with an ApiError, or lets it pass."""
