"""Which form of an answer a client asks for in its `Accept` header.

Source: apiserver `pkg/endpoints/handlers/negotiation`, Kubernetes API concepts ("Receiving
resources as Tables", "Metadata-only fetches").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from kubesim.errors import ApiError

Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

JSON, YAML = "application/json", "application/yaml"

_MATCHES = {
    "*/*": JSON,
    "application/*": JSON,
    JSON: JSON,
    YAML: YAML,
}


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is to look.

    Args:
        media: `application/json` or `application/yaml`.
        shape: what the objects are turned into; empty for the objects themselves.
        version: the version of that shape, in `meta.k8s.io`.
    """

    media: str = JSON
    shape: Shape = ""
    version: str = "v1"


PLAIN = Form()
"""The objects themselves, as JSON."""


@lru_cache(maxsize=256)
def form(accept: str) -> Form:
    """The first form in an `Accept` header, by its order of preference, that we can give.

    Raises:
        ApiError: 406 NotAcceptable if there is none.
    """
    if not accept:
        return PLAIN
    for media, parameters in sorted(map(_clause, accept.split(",")), key=_rank):
        found = _MATCHES.get(media)
        shape, group = parameters.get("as", ""), parameters.get("g", "meta.k8s.io")
        if found is None or group != "meta.k8s.io":
            continue
        version = parameters.get("v", "v1")
        if not shape:
            return Form(found)
        if version not in ("v1", "v1beta1"):
            continue
        for known in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            if shape == known:
                return Form(found, known, version)
    raise not_acceptable()


def not_acceptable() -> ApiError:
    """406: there is no form of the answer that the client would take."""
    message = f"only the following media types are accepted: {JSON}, {YAML}"
    return ApiError(406, "NotAcceptable", message, details={})


def _clause(text: str) -> tuple[str, dict[str, str]]:
    media, *parameters = text.split(";")
    pairs = (each.partition("=") for each in parameters)
    return media.strip().lower(), {key.strip(): value.strip() for key, _, value in pairs}


def _rank(clause: tuple[str, dict[str, str]]) -> float:
    """Where a clause stands among the others; those of the same quality keep their order."""
    try:
        return -float(clause[1].get("q", "1"))
    except ValueError:
        return 0.0
