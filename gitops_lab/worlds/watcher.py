"""The watcher: what is true of an arm, seen from outside, whatever its deployer believes.

It compares the branch's newest revision with live state after every change and journals each
transition. The deployers do not know of it, so that all of them are measured alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gitops_lab.engine.health import overall
from gitops_lab.engine.plan import differences
from gitops_lab.errors import ApiError, LabError
from gitops_lab.journal import ActorJournal, sync_in_words
from gitops_lab.model import Artifact, Manifest, Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster, Source

REVISIONS = 32
"""How many old revisions a watcher remembers, for a deployer that may be that far behind."""


@dataclass(frozen=True)
class Observation:
    """The truth about an arm at one instant.

    Args:
        revision: what the branch's newest revision is.
        in_sync: live state is what the branch's newest revision says.
        drifted: live state is not what the deployer itself applied last.
        health: the worst health among the objects that Git wants.
        why: what differs, or what is not healthy.
        orphans: live objects that bear the deployer's label and that Git does not have.
    """

    revision: str
    in_sync: bool
    drifted: bool
    health: str
    why: str
    orphans: tuple[str, ...] = ()


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

    def owns(self, live: Object) -> bool:
        """Whether a live object bears the deployer's mark."""


class Watcher:
    """Watches one arm.

    Args:
        deployer: the arm's deployer; only its name, its policy and what it applied last are read.
        source: the branch and folder that the arm deploys.
        cluster: live state, reached with credentials of the watcher's own.
        journal: takes each transition down.
    """

    def __init__(
        self, deployer: Watched, source: Source, cluster: Cluster, journal: ActorJournal
    ) -> None:
        self.deployer, self.source, self.cluster, self.journal = deployer, source, cluster, journal
        self.head = ""
        self.fault = ""
        self.wanted: dict[str, tuple[Manifest, ...]] = {"": ()}
        self.wanted_once: dict[ObjectKey, str] = {}
        self.last: Observation | None = None
        self._live: dict[ObjectKey, Object | None] = {}
        self._compared: dict[tuple[str, ObjectKey], str] = {}
        self._known: tuple[str, str, str] | None = None

    def moved(self) -> None:
        """The branch moved: what Git wants is what its newest revision says.

        If that does not render, nobody can say what Git wants, and no cluster is in sync with it.
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
        self.wanted_once |= {m.key: split_api_version(m.body["apiVersion"])[1] for m in manifests}

    def _let_go(self) -> None:
        """Forget old revisions, except for what is deployed: somebody may push for days."""
        needed = ("", self.head, self.deployer.applied)
        old = [revision for revision in self.wanted if revision not in needed]
        for revision in old[:-REVISIONS]:
            for manifest in self.wanted.pop(revision):
                self._compared.pop((revision, manifest.key), None)

    def changed(self, key: ObjectKey) -> None:
        """A live object changed; what was known of it is forgotten."""
        if key in self.wanted_once:
            self._live.pop(key, None)
            for revision in self.wanted:
                self._compared.pop((revision, key), None)
            self._known = None

    def forget(self) -> None:
        """Everything may have changed: for a cluster that does not tell of changes."""
        self._live.clear()
        self._compared.clear()
        self._known = None

    def look(self) -> None:
        """Compare, if anything moved since the last look, and journal what is new."""
        known = (self.head, self.fault, self.deployer.applied)
        if known == self._known:
            return
        self._known = known
        found = self._observe()
        if found != self.last:
            self.last = found
            self.journal.record(
                "observed", self.head, found.why,
                in_sync=found.in_sync, drifted=found.drifted, health=found.health,
                orphans=list(found.orphans),
            )  # fmt: skip

    def _observe(self) -> Observation:
        wanted = self.wanted[self.head]
        difference = self.fault or self._difference(self.head)
        health = overall((manifest.key, self._get(manifest.key)) for manifest in wanted)
        keys = {manifest.key for manifest in wanted}
        orphans = (key for key in self.wanted_once if key not in keys and self._is_orphan(key))
        return Observation(
            revision=self.head,
            in_sync=not difference,
            drifted=bool(self._settled and self._difference(self.deployer.applied)),
            health=health.status,
            why=difference or health.message,
            orphans=tuple(str(key) for key in sorted(orphans)),
        )

    @property
    def _settled(self) -> bool:
        """Whether live state can have drifted from what the deployer applied last."""
        return self.deployer.settled and self.deployer.applied in self.wanted

    def _difference(self, revision: str) -> str:
        """The first difference between a revision and live state; empty if there is none."""
        for manifest in self.wanted[revision]:
            place = (revision, manifest.key)
            if place not in self._compared:
                self._compared[place] = self._compare(manifest)
            if self._compared[place]:
                return f"{manifest.key}: {self._compared[place]}"
        return ""

    def _compare(self, manifest: Manifest) -> str:
        live, deployer = self._get(manifest.key), self.deployer
        try:
            merged = self.cluster.apply(
                deployer.expected(manifest.body), manager=deployer.field_manager, dry_run=True
            )
        except ApiError as error:
            return error.message
        if live is None:
            return "does not exist"
        return next((str(difference) for difference in differences(live, merged)), "")

    def _is_orphan(self, key: ObjectKey) -> bool:
        live = self._get(key)
        return live is not None and self.deployer.owns(live)

    def _get(self, key: ObjectKey) -> Object | None:
        if key not in self._live:
            self._live[key] = self.cluster.get(key, version=self.wanted_once[key])
        return self._live[key]


def status_line(name: str, seen: Observation | None) -> str:
    """What is true of an arm, in one line."""
    if seen is None or not seen.revision:
        return f"{name}: waits for the first commit"
    sync = sync_in_words(seen.in_sync, seen.drifted)
    count = len(seen.orphans)
    orphans = f", {count} orphan{'s' if count > 1 else ''}" if count else ""
    why = f" ({seen.why})" if seen.why else ""
    return f"{name}: {sync}, {seen.health}{orphans}{why}"
