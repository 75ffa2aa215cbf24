"""One sync: from the files of a revision to live objects. Everything a deployer does is in here.

render → plan → apply → prune → health → journal
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gitops_lab.engine import hooks
from gitops_lab.engine.apply import apply, finished_hooks, prune, prune_one
from gitops_lab.engine.health import assess, overall
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

Intend = Callable[[Inventory], None]
"""Is called, before the first write, with all that a sync may come to answer for."""


@dataclass(frozen=True)
class Outcome:
    """What one sync found and did.

    Args:
        revision: the revision that was compared with the cluster.
        plan: what differed before.
        done: what was done about it; the plan's own changes if nothing was to be written.
        inventory: what this deployer now answers for.
        acted: whether this sync was allowed to write.
    """

    revision: Revision
    plan: Plan
    done: ChangeSet
    inventory: Inventory
    acted: bool

    @property
    def health(self) -> Health:
        """The worst health among the desired objects."""
        return overall((c.key, c.live) for c in self.done if c.desired is not None and not c.phase)

    @property
    def desired(self) -> Inventory:
        """The objects that Git wants, and the version it wants each in."""
        wanted = {change.key for change in self.done if change.desired is not None}
        return {key: version for key, version in self.inventory.items() if key in wanted}

    @property
    def waiting(self) -> str:
        """Why objects were left for the next call; empty if none were."""
        return _waiting(self.done)

    @property
    def extra(self) -> tuple[str, ...]:
        """The fields that are live and that Git does not declare: this sync leaves them."""
        return tuple(f"{c.key}: {path}" for c in self.plan for path in c.extra)

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
    intend: Intend = lambda inventory: None,
) -> Outcome:
    """Make live state what a revision says: compare, then carry out.

    Args:
        artifact: the files of the revision.
        cluster: reached with the deployer's own credentials.
        inventory: what the deployer applied before.
        policy: how it may act.
        journal: takes each decision and its reason down.
        intend: a deployer that is cut off half-way must still know what to prune one day.

    Raises:
        RenderError: the files are not a set of Kubernetes objects; nothing was written.
        SyncError: the plan is refused as a whole; nothing was written.
        ClusterUnreachable: the API server does not answer.
    """
    planned = compare(artifact, cluster, inventory, policy, run_hooks=True)
    journal_decisions(journal, planned, acts=True)
    return carry_out(artifact.revision, planned, cluster, inventory, policy, journal, intend=intend)


def compare(
    artifact: Artifact,
    cluster: Cluster,
    inventory: Inventory,
    policy: SyncPolicy,
    *,
    run_hooks: bool = False,
) -> Plan:
    """What differs between a revision and live state. Nothing is written.

    Args:
        artifact: the files of the revision.
        cluster: answers reads and dry runs.
        inventory: what the deployer applied before.
        policy: how it may act.
        run_hooks: whether the hooks of this revision belong to what must be done; they run when a
            new revision is applied, not when drift is undone.

    Raises:
        RenderError: the files are not a set of Kubernetes objects.
        SyncError: the plan is refused as a whole.
        ClusterUnreachable: the API server does not answer.
    """
    manifests = render(
        artifact,
        policy.path,
        namespace=policy.namespace,
        is_namespaced=cluster.is_namespaced,
        release=policy.owner,
    )
    commit = artifact.revision.commit if run_hooks else ""
    return plan(manifests, cluster, inventory, policy, hooks_for=commit)


def compared(revision: Revision, planned: Plan, inventory: Inventory) -> Outcome:
    """The outcome of a comparison that is not carried out."""
    return Outcome(revision, planned, ChangeSet(planned.changes), inventory, acted=False)


def carry_out(
    revision: Revision,
    planned: Plan,
    cluster: Cluster,
    inventory: Inventory,
    policy: SyncPolicy,
    journal: ActorJournal,
    *,
    intend: Intend = lambda inventory: None,
) -> Outcome:
    """Do what a comparison found: apply, then prune, then delete hooks that are done."""
    intend(before(inventory, planned))
    applied = journalled(journal, apply(planned, cluster, policy))
    pruned = journalled(journal, prune(planned, cluster, hold=reason_to_hold(applied)))
    if applied.failures or not _waiting(applied):
        journalled(journal, (prune_one(hook, cluster) for hook in finished_hooks(applied)))
    done = ChangeSet((*applied, *pruned))
    return Outcome(revision, planned, done, after(inventory, done), acted=True)


def _waiting(done: Iterable[Change]) -> str:
    """Why a sync is not over yet: objects were left for the next call, or a hook still runs."""
    for change in done:
        if change.desired is None or change.phase == hooks.SYNC_FAIL:
            continue
        if change.action is Action.SKIPPED:
            return change.why
        if change.phase and change.action is not Action.FAILED:
            health = assess(change.live)
            if not health.is_healthy:
                return f"{change.phase} hook {change.key}: {health.message}"
    return ""


def reason_to_hold(applied: ChangeSet) -> str:
    """Why nothing may be pruned after this: what Git dropped may be all that still works."""
    incomplete = applied.failures or _waiting(applied)
    return "kept until the whole revision is applied" if incomplete else ""


def journal_decisions(
    journal: ActorJournal, planned: Plan, known: Plan = NOTHING, *, acts: bool
) -> None:
    """Write each decision and its reason down, unless it only repeats what is known.

    Args:
        journal: where.
        planned: the decisions.
        known: what the last comparison found.
        acts: whether they are going to be carried out.
    """
    told = {(change.key, change.action, change.why) for change in known}
    for change in planned:
        repeats = (change.key, change.action, change.why) in told
        if change.action is Action.UNCHANGED or (repeats and not (acts and change.action.writes)):
            continue
        journal.record(
            "decided", change.key, change.why,
            action=change.action, fields=list(change.fields), act=acts,
        )  # fmt: skip


def journalled(journal: ActorJournal, changes: Iterable[Change]) -> ChangeSet:
    """The changes, each written down as it is done: being cut off after it leaves it told."""
    done = []
    for change in changes:
        done.append(change)
        if change.action.writes or change.action is Action.FAILED:
            journal.record("applied", change.key, change.why, action=change.action)
    return ChangeSet(tuple(done))
