"""The watcher: what is true of an arm, seen from outside, independent of its deployer.

It compares the branch's newest revision with live state after every change and journals each
transition. The deployers do not know of it, so that all of them are measured alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gitops_lab.engine.explain import explained
from gitops_lab.engine.fields import extra_fields
from gitops_lab.engine.health import overall
from gitops_lab.engine.plan import differences
from gitops_lab.errors import ApiError, LabError
from gitops_lab.journal import ActorJournal, sync_in_words
from gitops_lab.model import (
    Artifact,
    Health,
    HealthStatus,
    Manifest,
    Object,
    ObjectKey,
    split_api_version,
)
from gitops_lab.ports import Cluster, Source
from gitops_lab.worlds.cluster import AdminConnection
from gitops_lab.worlds.pods import pod_trouble

REVISIONS = 32
"""How many old revisions a watcher remembers, for a deployer that may be that far behind."""


AFFECT_OTHERS = (
    "CustomResourceDefinition", "Namespace", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding", "ResourceQuota", "LimitRange",
)  # fmt: skip
"""Kinds whose objects decide whether and how others are accepted."""

SHOWN = 3
"""Extra fields that a sentence names; it counts the others."""


@dataclass(frozen=True)
class Observation:
    """The truth about an arm at one instant.

    Args:
        revision: what the branch's newest revision is.
        in_sync: live state is what the branch's newest revision says.
        drifted: live state is not what the deployer itself applied last.
        health: the worst health among the objects that Git wants.
        why: what differs, what is not healthy, or which fields Git does not declare.
        orphans: live objects that bear the deployer's label and that Git does not have.
        extra: fields that are live and that Git does not declare, with who added each.
    """

    revision: str
    in_sync: bool
    drifted: bool
    health: str
    why: str
    orphans: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


class Watched(Protocol):
    """What a watcher must know of a deployer, wherever that runs."""

    @property
    def applied(self) -> str:
        """The revision that it applied in full last."""

    @property
    def settled(self) -> bool:
        """Whether `applied` is applied in full: only then can live state drift from it."""

    @property
    def field_manager(self) -> str:
        """The field manager of what it applies."""

    def desired(self, artifact: Artifact, cluster: Cluster) -> tuple[Manifest, ...]:
        """The objects that a revision asks for, as the deployer renders them."""

    def expected(self, body: Object) -> Object:
        """A desired object as the deployer sends it."""

    def compared(self, obj: Object, key: ObjectKey) -> Object:
        """An object without the fields that the deployer ignores."""

    def rule(self, *, is_orphan: bool) -> str:
        """What the deployer does about an object that is not as Git has it."""

    def owns(self, live: Object) -> bool:
        """Whether a live object bears the deployer's mark."""


class Comparison(NamedTuple):
    """How one live object compares with what Git declares.

    Args:
        difference: the first declared field that differs; empty if none does.
        extra: the fields that Git does not declare.
    """

    difference: str
    extra: tuple[str, ...] = ()


class Watcher:
    """Watches one arm.

    Args:
        deployer: the arm's deployer; only its name, its policy and what it applied last are read.
        source: the branch and folder that the arm deploys.
        cluster: live state, reached with credentials of the watcher's own.
        journal: takes each transition down.
        failure: why the deployer failed at a revision; empty if it did not.
    """

    def __init__(
        self,
        deployer: Watched,
        source: Source,
        cluster: AdminConnection,
        journal: ActorJournal,
        *,
        failure: Callable[[str], str] = lambda revision: "",
    ) -> None:
        self.failure = failure
        self.deployer, self.source, self.cluster, self.journal = deployer, source, cluster, journal
        self.head = ""
        self.fault = ""
        self.wanted: dict[str, tuple[Manifest, ...]] = {"": ()}
        self.wanted_once: dict[ObjectKey, str] = {}
        self.last: Observation | None = None
        self._live: dict[ObjectKey, Object | None] = {}
        self._compared: dict[tuple[str, ObjectKey], Comparison] = {}
        self._known: tuple[str, str, str, str] | None = None

    def moved(self) -> None:
        """The branch moved: what Git wants is what its newest revision says.

        If that does not render, what Git wants is unknown, and no cluster is in sync with it.
        """
        before, self.fault = self.head, ""
        self._let_go()
        try:
            revision = self.source.head()
            self.head = str(revision)
            manifests = self.deployer.desired(self.source.fetch(revision), self.cluster)
        except LabError as error:
            self.fault, self.wanted[self.head] = str(error), self.wanted[before]
            return
        self.wanted[self.head] = manifests
        for manifest in manifests:
            _, version = split_api_version(manifest.body["apiVersion"])
            if self.wanted_once.get(manifest.key) != version:
                self._live.pop(manifest.key, None)  # it was read in another version
            self.wanted_once[manifest.key] = version

    def recover(self) -> None:
        """Find the live objects that bear the deployer's mark: an older process knew them.

        What their owners made in the cluster, such as Pods, bears the mark of its template only.
        """
        for group, kind in self.cluster.kinds():
            for live in self.cluster.list(group, kind):
                made = live["metadata"].get("ownerReferences") or kind == "Endpoints"
                if not made and self.deployer.owns(live):
                    version = split_api_version(live["apiVersion"])[1]
                    self.wanted_once.setdefault(ObjectKey.of(live), version)
        self._known = None

    def _let_go(self) -> None:
        """Forget old revisions, except for what is deployed: there may be pushes for days."""
        needed = ("", self.head, self.deployer.applied)
        old = [revision for revision in self.wanted if revision not in needed]
        for revision in old[:-REVISIONS]:
            for manifest in self.wanted.pop(revision):
                self._compared.pop((revision, manifest.key), None)

    def changed(self, key: ObjectKey) -> None:
        """A live object changed; what was known of it is forgotten."""
        if key.kind in AFFECT_OTHERS:
            self.forget()
        elif key.kind == "Pod" and self.last is not None and self.last.health != "Healthy":
            self._known = None  # a pod may say why
        elif key in self.wanted_once:
            self._live.pop(key, None)
            for revision in self.wanted:
                self._compared.pop((revision, key), None)
            self._known = None

    def forget(self) -> None:
        """Everything may have changed: for a cluster that does not report its changes."""
        self._live.clear()
        self._compared.clear()
        self._known = None

    def look(self) -> None:
        """Compare, if anything moved since the last look, and journal what is new."""
        known = (self.head, self.fault, self.deployer.applied, self.failure(self.head))
        if known == self._known:
            return
        self._known = known
        found = self._observe()
        if found != self.last:
            self.last = found
            self.journal.record(
                "observed", self.head, found.why,
                in_sync=found.in_sync, drifted=found.drifted, health=found.health,
                orphans=list(found.orphans), extra=list(found.extra),
            )  # fmt: skip

    def _observe(self) -> Observation:
        if not self.head:
            return Observation("", False, False, "Unknown", self.fault or "waits for a commit")
        wanted = self.wanted[self.head]
        difference = self.fault or self._difference(self.head)
        health = overall((manifest.key, self._get(manifest.key)) for manifest in wanted)
        if self.fault and not wanted:
            health = Health(HealthStatus.UNKNOWN)
        failure = self.failure(self.head)
        extra = tuple(
            f"{manifest.key}: {field}"
            for manifest in wanted
            for field in self._comparison(self.head, manifest).extra
        )
        keys = {manifest.key for manifest in wanted}
        orphans = (key for key in self.wanted_once if key not in keys and self._is_orphan(key))
        left = tuple(str(key) for key in sorted(orphans))
        # All that is wanted is there and healthy: then what failed is to prune the rest.
        refused = failure if left and health.is_healthy and not difference else ""
        return Observation(
            revision=self.head,
            in_sync=not difference and not refused,
            drifted=bool(self._settled and self._difference(self.deployer.applied)),
            health=health.status,
            why=refused or self._why(difference, health, failure) or _not_governed(extra),
            orphans=left,
            extra=extra,
        )

    def _why(self, difference: str, health: Health, failure: str) -> str:
        """The cause of what is not as it should be: a refusal rather than what follows from it."""
        if difference:
            return self.fault or failure or difference
        if not health.is_healthy:
            reason = pod_trouble(self.cluster, self._unhealthy())
            return f"{health.message}; {reason}" if reason else health.message
        return ""

    def _unhealthy(self) -> Iterator[Object]:
        """The wanted live objects that are not healthy."""
        for manifest in self.wanted[self.head]:
            live = self._get(manifest.key)
            if live is not None and not overall([(manifest.key, live)]).is_healthy:
                yield live

    @property
    def _settled(self) -> bool:
        """Whether live state can have drifted from what the deployer applied last."""
        return self.deployer.settled and self.deployer.applied in self.wanted

    def _difference(self, revision: str) -> str:
        """The first difference between a revision and live state; empty if there is none."""
        for manifest in self.wanted[revision]:
            if difference := self._comparison(revision, manifest).difference:
                return f"{manifest.key}: {difference}"
        return ""

    def _comparison(self, revision: str, manifest: Manifest) -> Comparison:
        place = (revision, manifest.key)
        if place not in self._compared:
            self._compared[place] = self._compare(manifest)
        return self._compared[place]

    def _compare(self, manifest: Manifest) -> Comparison:
        key, deployer = manifest.key, self.deployer
        live, desired = self._get(key), deployer.expected(manifest.body)
        try:
            merged = self.cluster.apply(desired, manager=deployer.field_manager, dry_run=True)
        except ApiError as error:
            return Comparison(error.message)
        if live is None:
            return Comparison("does not exist")
        found = differences(deployer.compared(live, key), deployer.compared(merged, key))
        extra = extra_fields(live, desired, deployer.field_manager)
        return Comparison(next(map(str, found), ""), tuple(map(str, extra)))

    def explain(self, key: ObjectKey) -> list[str]:
        """What is true of one object: in Git, live, who wrote what."""
        manifest = next((m for m in self.wanted.get(self.head, ()) if m.key == key), None)
        deployer, desired, merged, refusal = self.deployer, None, None, []
        if manifest is not None:
            desired = deployer.expected(manifest.body)
        try:
            live = self.cluster.get(key)
            if desired is not None:
                _, version = split_api_version(desired["apiVersion"])
                live = self.cluster.get(key, version=version)
                merged = self.cluster.apply(desired, manager=deployer.field_manager, dry_run=True)
        except ApiError as error:
            live, refusal = self._live.get(key), [f"the API server refuses it: {error.message}"]
        if live is not None and merged is not None:
            live, merged = deployer.compared(live, key), deployer.compared(merged, key)
        lines = explained(manifest, desired, live, merged, manager=deployer.field_manager)
        return [*lines, *refusal]

    def _is_orphan(self, key: ObjectKey) -> bool:
        live = self._get(key)
        return live is not None and self.deployer.owns(live)

    def _get(self, key: ObjectKey) -> Object | None:
        if key not in self._live:
            self._live[key] = self.cluster.get(key, version=self.wanted_once[key])
        return self._live[key]


def _not_governed(extra: tuple[str, ...]) -> str:
    """What is live although no file in Git says so."""
    if not extra:
        return ""
    fields = "1 extra field" if len(extra) == 1 else f"{len(extra)} extra fields"
    shown = ", ".join(extra[:SHOWN]) + (", …" if len(extra) > SHOWN else "")
    return f"{fields} that Git does not declare: {shown}"


def status_line(name: str, seen: Observation | None) -> str:
    """What is true of an arm, in one line."""
    if seen is None or not seen.revision:
        return f"{name}: waits for the first commit"
    sync = sync_in_words(seen.in_sync, seen.drifted)
    count = len(seen.orphans)
    orphans = f", {count} orphan{'s' if count > 1 else ''}" if count else ""
    why = f" ({seen.why})" if seen.why else ""
    return f"{name}: {sync}, {seen.health}{orphans}{why}"
