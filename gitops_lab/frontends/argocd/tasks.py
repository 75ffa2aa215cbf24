"""The tasks of a sync: one for each managed object, one for each hook and phase, in their order.

Source: Argo CD 3.5, gitops-engine `pkg/sync/{sync_context,sync_tasks}.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_lab.engine import hooks
from gitops_lab.engine.hooks import PHASES, PRE_SYNC, SYNC, SYNC_FAIL
from gitops_lab.engine.waves import kind_order, mirrored, wave
from gitops_lab.frontends.argocd.app import has_option, images, parts
from gitops_lab.frontends.argocd.compare import Pair
from gitops_lab.frontends.argocd.names import SYNC_OPTIONS
from gitops_lab.model import Object, ObjectKey

RUNNING, SUCCEEDED, FAILED, ERROR, TERMINATING = (
    "Running",
    "Succeeded",
    "Failed",
    "Error",
    "Terminating",
)
"""Phases of an operation and of a hook."""

SYNCED, SYNC_FAILED, PRUNED, PRUNE_SKIPPED = "Synced", "SyncFailed", "Pruned", "PruneSkipped"
"""What became of one object."""

COMPLETED = (SUCCEEDED, FAILED, ERROR)


@dataclass
class Task:
    """One thing to do in a sync.

    Args:
        phase: PreSync, Sync, PostSync or SyncFail.
        target: the desired object; None if the live one is to be pruned.
        live: the live object; None if there is none.
        wave: in which wave of the phase.
        skip_dry_run: its kind is defined in the same sync.
        status: what became of it so far.
        state: the phase that it is in; empty as long as it is pending.
        message: kubectl's line, or the refusal, or its health.
    """

    phase: str
    target: Object | None
    live: Object | None
    wave: int
    skip_dry_run: bool = False
    status: str = ""
    state: str = ""
    message: str = ""

    @property
    def obj(self) -> Object:
        """The desired object, else the live one."""
        found = self.target if self.target is not None else self.live
        assert found is not None
        return found

    @property
    def key(self) -> ObjectKey:
        """Which object."""
        return ObjectKey.of(self.obj)

    @property
    def is_prune(self) -> bool:
        """Whether the object is to be deleted."""
        return self.target is None

    @property
    def is_hook(self) -> bool:
        """Whether the object is a hook."""
        return hooks.is_hook(self.obj)

    @property
    def is_pending(self) -> bool:
        """Whether nothing was done about it yet."""
        return not self.state

    @property
    def is_running(self) -> bool:
        """Whether it was applied and is not known to be healthy or finished."""
        return self.state == RUNNING

    @property
    def is_completed(self) -> bool:
        """Whether nothing more will be done about it."""
        return self.state in COMPLETED

    @property
    def deletes_before_creation(self) -> bool:
        """Whether to delete the hook of the last sync before it is created again."""
        return (
            self.is_hook
            and self.is_pending
            and self.live is not None
            and hooks.BEFORE_CREATION in hooks.delete_policies(self.obj)
        )

    def deletes_on(self, policy: str) -> bool:
        """Whether the hook is to be deleted when the sync ends so."""
        return self.is_hook and policy in hooks.delete_policies(self.obj)

    @property
    def place(self) -> tuple[ObjectKey, str]:
        """What its result is found by."""
        return self.key, self.phase

    def result(self) -> dict[str, Any]:
        """Its entry in `operationState.syncResult.resources`."""
        obj = self.obj
        entry: dict[str, Any] = dict(parts(obj))
        entry |= {
            name: value
            for name, value in (
                ("status", self.status),
                ("message", self.message),
                ("hookType", self.phase if self.is_hook else ""),
                ("hookPhase", self.state),
                ("syncPhase", self.phase),
                ("images", images(obj)),
            )
            if value
        }
        return entry


Results = dict[tuple[ObjectKey, str], dict[str, Any]]
"""The entries of `syncResult.resources`, in their order, by object and phase."""


def results_of(entries: Iterable[Mapping[str, Any]]) -> Results:
    """The results that an Application's status holds."""
    return {
        (
            ObjectKey(e["group"], e["kind"], e["namespace"], e["name"]), e.get("syncPhase", SYNC)
        ): dict(e)
        for e in entries
    }  # fmt: skip


def phases_of(obj: Object) -> tuple[str, ...]:
    """The phases in which an object is applied."""
    if hooks.is_skipped(obj):
        return ()
    if hooks.is_hook(obj):
        return tuple(name for name in hooks.types(obj) if name in PHASES)
    return (SYNC,)


def tasks_of(
    pairs: Sequence[Pair],
    own_hooks: Sequence[Object],
    live_hook: Callable[[ObjectKey], Object | None],
    *,
    revision: str,
    started: float,
    namespace_task: Task | None,
    prune_last: bool,
) -> list[Task]:
    """All tasks of a sync, in the order in which they run.

    Args:
        pairs: the managed objects that the sync is about.
        own_hooks: the hooks to run.
        live_hook: finds the live object of a hook.
        revision: the commit; hooks without a name are named for it.
        started: when the operation began.
        namespace_task: creates the destination's namespace, if that is to be done.
        prune_last: prune after everything else.
    """
    tasks = [
        Task(phase, pair.target, pair.live, wave(pair.any))
        for pair in pairs
        if not hooks.is_hook(pair.any)
        for phase in phases_of(pair.any)
    ]
    for obj in own_hooks:
        for phase in phases_of(obj):
            target = _named(obj, hooks.hook_name(obj, revision, phase, started))
            tasks.append(Task(phase, target, live_hook(ObjectKey.of(target)), wave(obj)))
    if namespace_task is not None:
        tasks.append(namespace_task)
    _reverse_prunes(tasks, prune_last=prune_last)
    tasks.sort(key=_order)
    return _dependencies_first(tasks)


def _named(obj: Object, name: str) -> Object:
    metadata = {**obj["metadata"], "name": name}
    finalizers = metadata.get("finalizers") or []
    if hooks.FINALIZER not in finalizers:
        metadata["finalizers"] = [*finalizers, hooks.FINALIZER]
    return {**obj, "metadata": metadata}


def _order(task: Task) -> tuple[int, int, int, str, ObjectKey]:
    key = task.key
    return PHASES.index(task.phase), task.wave, kind_order(key.kind), key.name, key


def _reverse_prunes(tasks: Sequence[Task], *, prune_last: bool) -> None:
    """Objects are pruned in the reverse order of their creation, or after everything else."""
    prunes = [task for task in tasks if task.is_prune]
    mirror = mirrored(task.wave for task in prunes)
    for task in prunes:
        task.wave = mirror[task.wave]
    last = max((task.wave for task in tasks if task.phase == SYNC), default=0)
    for task in prunes:
        if prune_last or has_option(task.live, SYNC_OPTIONS, "PruneLast=true"):
            task.wave = max(last, 0) + 1


def _dependencies_first(tasks: list[Task]) -> list[Task]:
    """A Namespace or CustomResourceDefinition goes before the first thing that needs it."""
    for index in range(len(tasks)):
        task = tasks[index]
        if task.target is None:
            continue
        first = next((i for i in range(index) if _needs(tasks[i], task)), None)
        if first is not None:
            task.phase, task.wave = tasks[first].phase, tasks[first].wave
            tasks.insert(first, tasks.pop(index))
    return tasks


def _needs(task: Task, other: Task) -> bool:
    target = other.target
    if target is None or task.target is None:
        return False
    if target["kind"] == "Namespace":
        return bool(task.key.namespace == target["metadata"]["name"])
    if target["kind"] == "CustomResourceDefinition":
        return defines(target, task.key)
    return False


def defines(definition: Object, key: ObjectKey) -> bool:
    """Whether a CustomResourceDefinition brings the kind of an object."""
    if definition["kind"] != "CustomResourceDefinition":
        return False
    spec = definition.get("spec") or {}
    found: tuple[object, object] = (spec.get("group"), (spec.get("names") or {}).get("kind"))
    return found == (key.group, key.kind)


def is_multi_step(tasks: Sequence[Task]) -> bool:
    """Whether there is more than one phase or wave, so that each waits for the one before."""
    if not tasks:
        return False
    return (tasks[0].phase, tasks[0].wave) != (tasks[-1].phase, tasks[-1].wave)


__all__ = [
    "COMPLETED", "ERROR", "FAILED", "PRE_SYNC", "PRUNED", "PRUNE_SKIPPED", "RUNNING", "SUCCEEDED",
    "SYNCED", "SYNC_FAIL", "SYNC_FAILED", "TERMINATING", "Results", "Task", "defines",
    "is_multi_step", "phases_of", "results_of", "tasks_of",
]  # fmt: skip
