"""What a request may say beside its object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a write, for all verbs together.

    Source: meta/v1 CreateOptions, UpdateOptions, PatchOptions, DeleteOptions.

    Args:
        field_manager: who will own what is written; server-side apply insists on one.
        dry_run: do everything but store.
        force: an apply takes fields away from managers that it is in conflict with.
        field_validation: what becomes of unknown fields: `Strict` refuses the request, `Warn`
            drops them with a warning, `Ignore` drops them silently. The HTTP API's own default is
            Warn; kubectl asks for Strict, and so does this, because a typing error must not
            go unnoticed.
        findings: what the body's own decoder found beside; it is treated like unknown fields.
        propagation: what a deletion does with dependents: `Background`, `Foreground`, `Orphan`,
            or empty for the resource's default.
        uid: a deletion is for the object with this uid only.
        resource_version: a deletion is for this very state of the object only.
        grace_period: seconds a deleted pod has to stop; None for what the pod itself says.
        body_size: how many bytes the request had; small ones are not measured when they are stored.
        user: who asks; for guards of writes (see `Writing`), nothing else here forbids anything.
        groups: the groups of the user.
    """

    field_manager: str = ""
    dry_run: bool = False
    force: bool = False
    field_validation: str = "Strict"
    findings: tuple[str, ...] = ()
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    grace_period: int | None = None
    body_size: int = 0
    user: str = "system:admin"
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")


NONE = Options()
"""Nothing special."""
