"""Objects that are stored in one API version and served in two.

Autoscalers are stored as autoscaling/v2 and served as v1 too; Events are stored as core/v1 and
served as events.k8s.io/v1 too. Everything else has one version.

Source: pkg/apis/autoscaling/v1/conversion.go and pkg/apis/core/v1, pkg/apis/events/v1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_lab.apiserver.resources import Resource
from gitops_lab.model import Object

Convert = Callable[[Object], Object]


@dataclass(frozen=True)
class Conversion:
    """How a served version relates to the stored one.

    Args:
        api_version: the version that is stored.
        store: from the served version to the stored one.
        serve: from the stored version to the served one.
    """

    api_version: str
    store: Convert
    serve: Convert


CONVERSIONS: dict[tuple[str, str], Conversion] = {}


def conversion(resource: Resource) -> Conversion | None:
    """The conversion of a resource whose objects are stored in another version, if it is one."""
    return CONVERSIONS.get((resource.api_version, resource.kind))
