"""Lists in pages: what a `continue` token holds.

All pages tell the list as it was when the first was asked for. Source: apiserver
`pkg/storage/continue.go`.
"""

from __future__ import annotations

import base64
import json

from kubesim import refusals
from kubesim.encoding import base64_fault
from kubesim.model import Object

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)
"""What is said to a client that has taken too long over its pages."""

Place = tuple[str, str]
"""Namespace and name of an object: the order of lists."""


def place(obj: Object) -> Place:
    """Where an object comes in a list."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def token(revision: int, last: Place) -> str:
    """The token of a page: the revision that the list is told at, and the last object of it."""
    content = {"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(last)}
    text = json.dumps(content, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(token_: str) -> tuple[int, Place]:
    """What a token holds.

    Raises:
        ApiError: 400 BadRequest if it is none of ours.
    """
    bad = base64_fault(token_, padded=False, urlsafe=True)
    if bad is not None:
        why = f"illegal base64 data at input byte {bad}"
        raise refusals.bad_request(f"invalid continue token: continue key is not valid: {why}")
    try:
        content = json.loads(base64.urlsafe_b64decode(token_ + "=" * (-len(token_) % 4)))
        namespace, _, name = content["start"].partition("/")
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"invalid continue token: continue key is not valid: {error}"
        raise refusals.bad_request(why) from None
