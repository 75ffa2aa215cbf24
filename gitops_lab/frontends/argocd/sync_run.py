"""One pass of a sync: look at what runs, then do the next wave of the next phase.

A sync is passed over again and again, from the results that the Application's status holds, until
it is done. So it goes on where it was when the controller's pod dies.

Source: Argo CD 3.5, gitops-engine `pkg/sync/sync_context.go`; the steps stand in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_lab.engine import hooks
from gitops_lab.engine.argo_health import argo_health
from gitops_lab.engine.hooks import HOOK_FAILED, HOOK_SUCCEEDED
from gitops_lab.engine.plan import differences
from gitops_lab.errors import ApiError
from gitops_lab.frontends.argocd import ignore
from gitops_lab.frontends.argocd import tasks as t
from gitops_lab.frontends.argocd.app import has_option
from gitops_lab.frontends.argocd.compare import Pair
from gitops_lab.frontends.argocd.names import SYNC_OPTIONS
from gitops_lab.frontends.argocd.tasks import Results, Task
from gitops_lab.frontends.argocd.writes import apply_object, drop_hook_finalizer
from gitops_lab.model import Health, HealthStatus, Object, ObjectKey
from gitops_lab.ports import Cluster

NO_DIFFERENCE = "live state is desired state"

Note = Callable[[ObjectKey, str, str, str], None]
"""Is called with each object that is written, what became of it, the message, and what differed."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How one sync may act; see the sync options of Argo CD.

    Args:
        prune: delete what Git dropped.
        prune_confirmed: objects that want it were confirmed.
        prune_last: prune after everything else.
        propagation: of deletions.
        dry_run: write nothing.
        force: delete and create what cannot be changed.
        replace: replace instead of apply.
        server_side: apply on the server.
        skip_missing: objects of a kind that the cluster lacks are no fault yet.
        only_out_of_sync: leave alone what is as it should be.
        respect_ignored: leave fields alone that the comparison ignores.
        ignored: the Application's ignoreDifferences.
    """

    prune: bool = False
    prune_confirmed: bool = False
    prune_last: bool = False
    propagation: str = "Foreground"
    dry_run: bool = False
    force: bool = False
    replace: bool = False
    server_side: bool = False
    skip_missing: bool = False
    only_out_of_sync: bool = False
    respect_ignored: bool = False
    ignored: Sequence[Mapping[str, Any]] = ()


@dataclass
class SyncRun:
    """One pass.

    Args:
        cluster: the destination, reached with the controller's credentials.
        tasks: all tasks of the sync, in their order.
        pairs: the comparison that they come from.
        results: what is known of them from earlier passes.
        options: how the sync may act.
        permitted: says why the project does not permit an object; empty if it does.
        note: is called with each object that is written.
    """

    cluster: Cluster
    tasks: list[Task]
    pairs: Sequence[Pair]
    results: Results
    options: Options
    permitted: Callable[[Task], str]
    note: Note
    phase: str = t.RUNNING
    message: str = ""
    ran_wave: bool = field(default=False, init=False)
    """Whether this pass ran a wave that is not the last one."""

    waits_for_kind: bool = field(default=False, init=False)
    """Whether a kind that this sync defines is not served yet."""

    def __post_init__(self) -> None:
        self.started = bool(self.results)
        for task in self.tasks:
            known = self.results.get(task.place)
            if known is not None:
                task.status, task.message = known.get("status", ""), known.get("message", "")
                task.state = known.get("hookPhase", "")

    # -- the pass -------------------------------------------------------------------------------

    def run(self) -> None:
        """Do one pass."""
        if not self._are_valid():
            reasons = [task.message for task in self.tasks if task.status == t.SYNC_FAILED]
            text = "one or more synchronization tasks are not valid"
            return self._set(t.FAILED, f"{text}: {','.join(reasons)}")
        if not self.started and not self._start():
            return None
        self._look_at_running()
        if self._waits():
            return None
        completed = [task for task in self.tasks if task.is_hook and task.is_completed]
        for task in completed:
            if task.live is not None:
                drop_hook_finalizer(self.cluster, task.live)
        fail_tasks = [task for task in self.tasks if task.phase == t.SYNC_FAIL]
        tasks = [task for task in self.tasks if task.phase != t.SYNC_FAIL]
        if any(task.is_completed and task.state != t.SUCCEEDED for task in tasks):
            self._delete_hooks(HOOK_FAILED)
            failed = [task for task in tasks if task.status == t.SYNC_FAILED]
            text = "one or more synchronization tasks completed unsuccessfully"
            self._fail(fail_tasks, failed, text)
            return None
        pending = [task for task in tasks if task.is_pending and self._is_of_interest(task)]
        if not pending:
            self._delete_hooks(HOOK_SUCCEEDED)
            return self._set(t.SUCCEEDED, "successfully synced (no more tasks)")
        return self._run_next(pending, fail_tasks)

    def _run_next(self, pending: list[Task], fail_tasks: list[Task]) -> None:
        first, last = pending[0], pending[-1]
        here = (first.phase, first.wave)
        current = [task for task in pending if (task.phase, task.wave) == here]
        self._set(t.RUNNING, "one or more tasks are running")
        state = self._run_tasks(current, dry_run=False)
        self.ran_wave = state != t.FAILED and here != (last.phase, last.wave)
        if state == t.FAILED:
            running = [task for task in current if task.is_running and task.is_hook]
            failed = [task for task in current if task.status == t.SYNC_FAILED]
            done = self._fail(fail_tasks, failed, "one or more objects failed to apply")
            if running:
                self._set_running(running)
            elif done:
                self._delete_hooks(HOOK_FAILED)
        elif state == t.SUCCEEDED:
            if len(current) == len(pending) and not any(task.is_hook for task in current):
                self._delete_hooks(HOOK_SUCCEEDED)
                self._set(t.SUCCEEDED, "successfully synced (all tasks run)")
            else:
                self._set_running(current)
        elif self.waits_for_kind:
            self._set_running([task for task in current if task.is_pending])
        elif not self.message.startswith("Waiting for pruning"):
            left = [task for task in current if task.deletes_before_creation]
            self._set_running(left, deletion=True)

    def terminate(self) -> None:
        """End the sync before it is done: running hooks are deleted."""
        for task in self.tasks:
            if task.is_hook and task.is_running:
                if task.live is not None:
                    drop_hook_finalizer(self.cluster, task.live)
                    self._delete(task)
                self._record(task, task.status, t.FAILED, "Terminated")
        self._set(t.FAILED, "Operation terminated")

    # -- its steps ------------------------------------------------------------------------------

    def _are_valid(self) -> bool:
        """Whether the cluster has every kind, and the project permits every object."""
        valid = True
        for task in self.tasks:
            why = self._missing_kind(task) or self.permitted(task)
            if why and not task.skip_dry_run:
                self._record(task, t.SYNC_FAILED, "", why)
                valid = False
        return valid

    def _missing_kind(self, task: Task) -> str:
        key = task.key
        try:
            self.cluster.is_namespaced(key.group, key.kind)
        except ApiError as error:
            if error.code != 404:
                raise
            brought = any(t.defines(each.obj, key) for each in self.tasks if each.target)
            asked = has_option(task.target, SYNC_OPTIONS, "SkipDryRunOnMissingResource=true")
            task.skip_dry_run = brought or asked or self.options.skip_missing
            if self._has_group(key.group):
                return f'{key.kind}.{key.group} "" not found'
            return (
                "failed to discover server resources for group version "
                f"{task.obj['apiVersion']}: the server could not find the requested resource"
            )
        return ""

    def _has_group(self, group: str) -> bool:
        """Whether the sync knows another kind of a group, so that the group is there."""
        return any(task.key.group == group and task.live is not None for task in self.tasks)

    def _start(self) -> bool:
        """Create the namespace, then look whether everything can be applied at all."""
        for task in self.tasks:
            if task.key.kind == "Namespace" and task.phase == t.PRE_SYNC and not task.is_hook:
                if self._run_tasks([task], dry_run=False) == t.FAILED:
                    text = "the namespace failed to apply"
                    self._set(t.FAILED, _with_reasons(text, [task.message]))
                    return False
        checked = [task for task in self.tasks if task.is_pending and self._is_of_interest(task)]
        if self._run_tasks(checked, dry_run=True) == t.FAILED:
            self._set(t.FAILED, "one or more objects failed to apply (dry run)")
            return False
        return True

    def _look_at_running(self) -> None:
        for task in self.tasks:
            if not task.is_running or task.live is None:
                continue
            if task.is_hook:
                state, message = hook_state(task.live)
                self._record(task, task.status, state, message)
                continue
            health = argo_health(task.live)
            if health is None:
                self._record(task, task.status, t.SUCCEEDED, task.message)
            elif health.is_healthy:
                self._record(task, task.status, t.SUCCEEDED, health.message)
            elif health.status is HealthStatus.DEGRADED:
                self._record(task, task.status, t.FAILED, health.message)

    def _waits(self) -> bool:
        """Whether something that runs, or is being deleted, has to be waited for."""
        multi = t.is_multi_step(self.tasks)
        running = [task for task in self.tasks if (multi or task.is_hook) and task.is_running]
        if running:
            for task in running:
                if task.live is None and self.cluster.get(task.key) is None:
                    key = task.key
                    self._record(
                        task, t.SYNC_FAILED, t.ERROR,
                        f"Resource {key.group}/{key.kind}/{key.name} is missing, it might have "
                        "been deleted",
                    )  # fmt: skip
            self._set_running(running)
            return True
        leaving = [
            task
            for task in self.tasks
            if task.status == t.PRUNED
            and task.live is not None
            and "deletionTimestamp" in task.live["metadata"]
        ]
        if leaving:
            self._set_running(leaving, deletion=True)
        return bool(leaving)

    def _fail(self, fail_tasks: list[Task], failed: Sequence[Task], text: str) -> bool:
        """Run the hooks for a failed sync, then fail; whether that is done."""
        message = _with_reasons(text, [task.message for task in failed])
        if all(task.is_completed for task in fail_tasks):
            broken = [task.message for task in fail_tasks if task.status == t.SYNC_FAILED]
            if broken:
                message += "\n" + _with_reasons("one or more SyncFail hooks failed", broken)
            self._set(t.FAILED, message)
            return True
        left = [task for task in fail_tasks if task.is_pending]
        self._run_tasks(left, dry_run=False)
        self._set_running(left or fail_tasks)
        return False

    def _is_of_interest(self, task: Task) -> bool:
        if not self.options.only_out_of_sync or task.is_hook:
            return True
        pair = next((pair for pair in self.pairs if pair.key == task.key), None)
        both = pair is not None and pair.target is not None and pair.live is not None
        return not (both and pair is not None and not pair.is_modified)

    # -- running tasks --------------------------------------------------------------------------

    def _run_tasks(self, tasks: list[Task], *, dry_run: bool) -> str:
        """Succeeded, Failed, or Running if something has to be deleted first."""
        dry_run = dry_run or self.options.dry_run
        if not dry_run:
            for task in tasks:
                if task.is_hook and task.is_pending and task.live is not None:
                    drop_hook_finalizer(self.cluster, task.live)
        prunes = [task for task in tasks if task.is_prune]
        if self._unconfirmed(prunes):
            return t.RUNNING
        state = t.SUCCEEDED
        for task in prunes:
            if self._prune(task, dry_run=dry_run) == t.SYNC_FAILED:
                state = t.FAILED
        if state == t.FAILED:
            return state
        old_hooks = [task for task in tasks if task.deletes_before_creation]
        if old_hooks and not dry_run:
            for task in old_hooks:
                self._delete(task)
            return t.RUNNING
        for task in tasks:
            if task.is_prune or (dry_run and task.skip_dry_run):
                continue
            if task.skip_dry_run and self._is_coming(task.key):
                self.waits_for_kind = True
                return t.RUNNING
            if self._apply(task, dry_run=dry_run) == t.SYNC_FAILED:
                state = t.FAILED
        return state

    def _is_coming(self, key: ObjectKey) -> bool:
        """Whether the definition of a kind was applied, and the kind is going to be served.

        Argo CD waits up to three seconds for it, before it applies the next object.
        """
        for task in self.tasks:
            if task.target is not None and t.defines(task.target, key):
                live = self.cluster.get(task.key)
                health = argo_health(live) if live is not None else None
                return health is not None and health.status is HealthStatus.PROGRESSING
        return False

    def _unconfirmed(self, prunes: Iterable[Task]) -> bool:
        if self.options.prune_confirmed:
            return False
        waiting = [task for task in prunes if has_option(task.live, SYNC_OPTIONS, "Prune=confirm")]
        if waiting:
            first = waiting[0].obj
            name = f"{first['apiVersion']}/{first['kind']}/{first['metadata']['name']}"
            more = f" and {len(waiting) - 1} more resources" if len(waiting) > 1 else ""
            self._set(t.RUNNING, f"Waiting for pruning confirmation of {name}{more}")
        return bool(waiting)

    def _prune(self, task: Task, *, dry_run: bool) -> str:
        assert task.live is not None
        if not self.options.prune:
            result, message = t.PRUNE_SKIPPED, "ignored (requires pruning)"
        elif has_option(task.live, SYNC_OPTIONS, "Prune=false"):
            result, message = t.PRUNE_SKIPPED, "ignored (no prune)"
        elif dry_run:
            result, message = t.PRUNED, "pruned (dry run)"
        else:
            result, message = t.PRUNED, "pruned"
            try:
                if "deletionTimestamp" not in task.live["metadata"]:
                    self._delete(task)
            except ApiError as error:
                result, message = t.SYNC_FAILED, error.message
        if not dry_run or self.options.dry_run or result == t.SYNC_FAILED:
            self._record(task, result, _STATES[result], message)
            self.note(task.key, result, message, self._difference(task))
        return result

    def _apply(self, task: Task, *, dry_run: bool) -> str:
        assert task.target is not None
        result, message = t.SYNCED, f"{task.key.kind.lower()}/{task.key.name} (dry run)"
        if not dry_run:
            try:
                message = self._applied(task)
            except ApiError as error:
                result, message = t.SYNC_FAILED, error.message
        if not dry_run or self.options.dry_run:
            state = _STATES[result]
            if self.options.dry_run and state == t.RUNNING:
                state = t.SUCCEEDED
            self._record(task, result, state, message)
            self.note(task.key, result, message, self._difference(task))
        return result

    def _applied(self, task: Task) -> str:
        assert task.target is not None
        target, live = task.target, task.live

        def asks(option: str, obj: Object | None = target) -> bool:
            return has_option(obj, SYNC_OPTIONS, option)

        if self.options.respect_ignored and live is not None:
            left_out = ignore.paths(self.options.ignored, task.key)
            if names := ignore.managers(self.options.ignored, task.key):
                left_out += ignore.owned(live, names)
            target = ignore.respected(target, live, left_out)
        return apply_object(
            self.cluster,
            target,
            server_side=not asks("ServerSideApply=false")
            and (self.options.server_side or asks("ServerSideApply=true")),
            replace=self.options.replace or asks("Replace=true") or asks("Replace=true", live),
            force=self.options.force or asks("Force=true") or asks("Force=true", live),
        )

    def _delete_hooks(self, policy: str) -> None:
        for task in self.tasks:
            if task.live is not None and not task.is_running and task.deletes_on(policy):
                self._delete(task)

    def _delete(self, task: Task) -> None:
        assert task.live is not None
        self.cluster.delete(
            ObjectKey.of(task.live),
            propagation=self.options.propagation,
            uid=task.live["metadata"]["uid"],
        )

    def _difference(self, task: Task) -> str:
        """What differed between desired and live state, in one sentence."""
        if task.live is None:
            return "in Git, not in the cluster"
        if task.is_prune:
            return "not in Git any more"
        pair = next((pair for pair in self.pairs if pair.key == task.key), None)
        if pair is None or pair.predicted is None or pair.normalised is None:
            return NO_DIFFERENCE
        found = [str(each) for each in differences(pair.normalised, pair.predicted)]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return f"{found[0]}{more}" if found else NO_DIFFERENCE

    # -- bookkeeping ----------------------------------------------------------------------------

    def _record(self, task: Task, status: str, state: str, message: str) -> None:
        task.status, task.state = status, state
        task.message = message or task.message
        known = self.results.get(task.place)
        entry = task.result()
        if known is not None:  # an entry keeps its images and its place
            entry = {**known, **entry}
            if not state:
                entry.pop("hookPhase", None)
        self.results[task.place] = entry

    def _set(self, phase: str, message: str) -> None:
        self.phase, self.message = phase, message

    def _set_running(self, tasks: Sequence[Task], *, deletion: bool = False) -> None:
        if not tasks:
            return self._set(t.RUNNING, "")
        own = [task for task in tasks if task.is_hook]
        others = [task for task in tasks if not task.is_hook]
        reason = "completion of hook" if own else "healthy state of"
        if deletion:
            reason = "deletion of" + (" hook" if own else "")
        key = (own or others)[0].key
        message = f"waiting for {reason} {key.group}/{key.kind}/{key.name}"
        if more := len(tasks) - 1:
            message += f" and {more} more {'resources' if others else 'hooks'}"
        return self._set(t.RUNNING, message)


_STATES = {
    t.SYNCED: t.RUNNING,
    t.SYNC_FAILED: t.FAILED,
    t.PRUNED: t.SUCCEEDED,
    t.PRUNE_SKIPPED: t.SUCCEEDED,
}


def hook_state(live: Object) -> tuple[str, str]:
    """The phase that a live hook is in, by its health, and the message."""
    health: Health | None = argo_health(live)
    if health is None:
        return t.SUCCEEDED, f"{live['metadata']['name']} created"
    if health.status in (HealthStatus.UNKNOWN, HealthStatus.DEGRADED):
        return t.FAILED, health.message
    if health.status in (HealthStatus.PROGRESSING, HealthStatus.SUSPENDED):
        return t.RUNNING, health.message
    return t.SUCCEEDED, health.message


def _with_reasons(text: str, reasons: Sequence[str]) -> str:
    return f"{text}, reason: {','.join(reasons)}" if reasons else text


__all__ = ["Options", "SyncRun", "hook_state", "hooks"]
