"""One sync: from the files of a revision to live objects. Everything a deployer does is in here.

render → plan → apply → prune → health → journal
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gitops_lab.engine.apply import apply, prune
from gitops_lab.engine.health import overall
from gitops_lab.engine.inventory import Inventory, after, before
from gitops_lab.engine.plan import SyncPolicy, plan
from gitops_lab.engine.render import render
from gitops_lab.journal import ActorJournal
from gitops_lab.model import (
    Action,
    Artifact,
    Change,
    ChangeSet,
    Health,
    Plan,
    Revision,
    SyncStatus,
)
from gitops_lab.ports import Cluster

NOTHING = Plan()


@dataclass(frozen=True)
class Outcome:
    """What one sync found and did.

    Args:
        revision: the revision that was compared with the cluster.
        plan: what differed before.
        done: what was done about it; the plan's own changes if nothing was to be written.
        inventory: what this deployer now answers for.
        health: the worst health among the desired objects.
        acted: whether this sync was allowed to write.
    """

    revision: Revision
    plan: Plan
    done: ChangeSet
    inventory: Inventory
    health: Health
    acted: bool

    @property
    def desired(self) -> Inventory:
        """The objects that Git wants, and the version it wants each in."""
        wanted = {change.key for change in self.done if change.desired is not None}
        return {key: version for key, version in self.inventory.items() if key in wanted}

    @property
    def waiting(self) -> str:
        """Why objects were left for the next call; empty if none were."""
        skipped = (c for c in self.done if c.action is Action.SKIPPED and c.desired is not None)
        return next((change.why for change in skipped), "")

    @property
    def succeeded(self) -> bool:
        """Whether every desired object was accepted."""
        return self.acted and not self.done.failures and not self.waiting

    @property
    def sync(self) -> SyncStatus:
        """How live state compares with the revision now."""
        synced = self.succeeded or self.plan.is_synced
        return SyncStatus.SYNCED if synced else SyncStatus.OUT_OF_SYNC


def sync(
    artifact: Artifact,
    cluster: Cluster,
    inventory: Inventory,
    policy: SyncPolicy,
    journal: ActorJournal,
    *,
    act: bool = True,
    known: Plan = NOTHING,
    intend: Callable[[Inventory], None] = lambda inventory: None,
) -> Outcome:
    """Make live state what a revision says, or with `act=False` only find out what differs.

    Args:
        artifact: the files of the revision.
        cluster: reached with the deployer's own credentials.
        inventory: what the deployer applied before.
        policy: how it may act.
        journal: takes each decision and its reason down.
        act: whether to write.
        known: what the last comparison found; what still stands is not journalled again.
        intend: told, before the first write, all that this sync may come to answer for: whoever
            is cut off half-way must still know what to prune one day.

    Raises:
        RenderError: the files are not a set of Kubernetes objects; nothing was written.
        SyncError: the plan is refused as a whole; nothing was written.
        ClusterUnreachable: the API server does not answer.
    """
    manifests = render(artifact, namespace=policy.namespace, is_namespaced=cluster.is_namespaced)
    planned = plan(manifests, cluster, inventory, policy)
    journal_decisions(journal, planned, known, act=act)
    done = ChangeSet(planned.changes)
    if act:
        intend(before(inventory, planned))
        applied = journalled(journal, apply(planned, cluster, policy))
        pruned = journalled(journal, prune(planned, cluster, hold=reason_to_hold(applied)))
        done = ChangeSet((*applied, *pruned))
        inventory = after(inventory, done)
    health = overall((change.key, change.live) for change in done if change.desired is not None)
    return Outcome(artifact.revision, planned, done, inventory, health, act)


def reason_to_hold(applied: ChangeSet) -> str:
    """Why nothing may be pruned after this: what Git dropped may be all that still works."""
    incomplete = applied.failures or any(c.action is Action.SKIPPED for c in applied)
    return "kept until the whole revision is applied" if incomplete else ""


def journal_decisions(journal: ActorJournal, planned: Plan, known: Plan, *, act: bool) -> None:
    """Write each decision and its reason down, unless it only repeats what is known."""
    told = {(change.key, change.action, change.why) for change in known}
    for change in planned:
        repeats = (change.key, change.action, change.why) in told
        if change.action is Action.UNCHANGED or (repeats and not (act and change.action.writes)):
            continue
        journal.record(
            "decided", change.key, change.why,
            action=change.action, fields=list(change.fields), act=act,
        )  # fmt: skip


def journalled(journal: ActorJournal, changes: Iterable[Change]) -> ChangeSet:
    """The changes, each written down as it is done: being cut off after it leaves it told."""
    done = []
    for change in changes:
        done.append(change)
        if change.action.writes or change.action is Action.FAILED:
            journal.record("applied", change.key, change.why, action=change.action)
    return ChangeSet(tuple(done))
