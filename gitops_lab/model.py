"""The nouns of the lab, all of them frozen: a value that was journalled never changes later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from kubesim.model import Object as Object
from kubesim.model import copied as copied
from kubesim.model import join_api_version as join_api_version
from kubesim.model import named as named
from kubesim.model import split_api_version as split_api_version


@dataclass(frozen=True, order=True, slots=True)
class ObjectKey:
    """What makes an object the same object: never its API version."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> ObjectKey:
        """The key of an object that has apiVersion, kind and metadata.name."""
        group, _ = split_api_version(obj["apiVersion"])
        metadata = obj["metadata"]
        return cls(group, obj["kind"], metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"


@dataclass(frozen=True)
class Revision:
    """A commit on a branch, written the way Flux writes it: `main@sha1:<hash>`."""

    branch: str
    commit: str

    def __str__(self) -> str:
        return f"{self.branch}@sha1:{self.commit}"

    @property
    def short(self) -> str:
        """The abbreviation people say aloud."""
        return self.commit[:7]


@dataclass(frozen=True)
class Artifact:
    """The tree of one revision, fetched, and the digest of its content.

    Args:
        revision: the commit it came from.
        files: content of each regular file by its path below the source's folder.
        links: the text of each symbolic link by its path; `render` decides what they may reach.
        submodules: the paths of Git submodules; their files are in other repositories.
        digest: `sha256:<hex>` over paths and content, so equal trees have equal digests.
        message: the commit's message.
    """

    revision: Revision
    files: Mapping[str, bytes]
    digest: str
    links: Mapping[str, str] = field(default_factory=dict)
    submodules: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Manifest:
    """One desired object, and the place in the repository where it is written."""

    body: Object
    origin: str

    @cached_property
    def key(self) -> ObjectKey:
        """The key of the desired object."""
        return ObjectKey.of(self.body)


class Action(StrEnum):
    """What a sync does to one object. The words are those of Flux's `ssa` change sets."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def writes(self) -> bool:
        """Whether this action changes the cluster."""
        return self in (Action.CREATED, Action.CONFIGURED, Action.DELETED)


@dataclass(frozen=True)
class Change:
    """One object's difference between desired and live state, and what follows from it.

    Args:
        key: which object.
        action: what must be done, or what was done.
        why: the reason in one sentence, for the why-trace.
        desired: the desired object; None if Git does not have it.
        live: the live object; None if the cluster does not have it.
        fields: paths of the fields that differ, such as `spec.replicas`.
        extra: fields that are live and that Git does not declare, with who added each.
        phase: the sync phase of a hook; empty for an ordinary object.
        checked: whether the cluster has accepted it in a dry run; not possible for what lives in a
            namespace, or is of a kind, that this sync creates.
    """

    key: ObjectKey
    action: Action
    why: str
    desired: Object | None = None
    live: Object | None = None
    fields: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    phase: str = ""
    checked: bool = True


@dataclass(frozen=True)
class Plan:
    """What a sync would do, in the order in which it would do it."""

    changes: tuple[Change, ...] = ()

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes that would write to the cluster."""
        return tuple(change for change in self if change.action.writes)

    @property
    def failures(self) -> tuple[Change, ...]:
        """The changes that the cluster refuses or refused."""
        return tuple(change for change in self if change.action is Action.FAILED)

    @property
    def is_synced(self) -> bool:
        """Whether live state already is desired state."""
        return not self.writes and not self.failures


class ChangeSet(Plan):
    """What a sync did: the plan's changes with the outcome of each."""


class SyncStatus(StrEnum):
    """How live state compares with desired state (Argo CD's words)."""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class HealthStatus(StrEnum):
    """Whether live objects work, independent of Git (Argo CD's words), best first."""

    HEALTHY = "Healthy"
    SUSPENDED = "Suspended"
    PROGRESSING = "Progressing"
    MISSING = "Missing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Health:
    """Health and the sentence that explains it."""

    status: HealthStatus
    message: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.status is HealthStatus.HEALTHY
