"""Job: run pods until enough of them have succeeded.

Source: pkg/controller/job and pkg/controller/ttlafterfinished of Kubernetes 1.37. A finalizer
keeps each pod until it was counted. The real controller notes a pod as uncounted, takes the
finalizer away and then counts it, in three writes; nothing can come in between here, so it is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import (
    claim,
    controller_of,
    controllers_of,
    is_being_deleted,
)
from kubesim.controllers.pods import (
    BEGINNING,
    BURST,
    PodControl,
    earliest,
    first_to_go,
    from_template,
    instant,
    is_active,
    is_ready,
    is_terminating,
    phase,
    slow_start,
)
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import Condition, condition, is_true, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
OURS = "kubernetes.io/job-controller"

BACKOFF_BASE, BACKOFF_MAX = 10.0, 600.0
"""Seconds before a failed pod's successor: 10, 20, 40 … (job_controller.go; at most 10 minutes,
although the documentation says six)."""


@dataclass
class Backoff:
    """How often a Job's pods failed since one last succeeded, and when the last one did."""

    failures: int = 0
    since: float = 0.0

    @property
    def over(self) -> float:
        """The instant from which a new pod may be created."""
        if not self.failures:
            return 0.0
        return self.since + min(BACKOFF_BASE * 2.0 ** min(self.failures - 1, 20), BACKOFF_MAX)


@dataclass
class Tally:
    """What one look at a Job finds."""

    job: Object
    pods: list[Object]
    active: list[Object]
    succeeded: int = 0
    failed: int = 0
    completed: set[int] = field(default_factory=set)
    terminating: int = 0
    again: float | None = None
    refusal: ApiError | None = None

    @property
    def spec(self) -> dict[str, Any]:
        """The Job's spec."""
        spec: dict[str, Any] = self.job["spec"]
        return spec


@dataclass(frozen=True)
class Outcome:
    """How a Job ends: `Complete` or `Failed`, and why."""

    kind: str
    reason: str
    message: str


class Jobs(Controller):
    """Creates pods, counts how they end, and declares the Job complete or failed."""

    name = "job-controller"
    watches = (("batch", "jobs"), ("", "pods"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("batch/v1", "Job")
        self._pods = api.registry.by_kind("v1", "Pod")
        self._owned = indexes.by_controller("", "pods")
        self._tracked = indexes.get("", "pods", "tracked by job", _tracked_by)
        self._control = PodControl(api, self.name)
        self._record = Recorder(api, self.name)
        self._backoffs: dict[str, Backoff] = {}

    def keys(self, event: Event) -> Iterable[Item]:
        """The Job itself, or the one that owns a pod."""
        if event.key[1] == "jobs":
            return (event.key[2:],)
        return controllers_of(event, "Job", self._resource, self.api)

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Count what has ended, create what is missing, and end the Job when it is time."""
        job = self.api.store.get(("batch", "jobs", namespace, name))
        uid = job["metadata"]["uid"] if job is not None else ""
        for pod in self._tracked.get(f"{namespace}/{name}"):
            owner = controller_of(pod)
            if owner is not None and owner["uid"] != uid:  # its Job is gone, no one will count it
                self._backoffs.pop(owner["uid"], None)
                self._untrack(pod)
        if job is None or job["spec"].get("managedBy", OURS) != OURS:
            return None
        if ending := _ending(job):
            return self._expire(job, ending, now)
        return self._sync(job, now)

    def _sync(self, job: Object, now: float) -> float | None:
        status: dict[str, Any] = dict(job.get("status") or {})
        spec, is_suspended = job["spec"], bool(job["spec"].get("suspend"))
        tally = self._tally(job, now)
        if "startTime" not in status and not is_suspended:
            status["startTime"] = timestamp(now)
        outcome = self._outcome(tally, status, now)
        if outcome is not None:
            self._delete(job, tally.active, now, keep_tracking=True)
        elif not is_being_deleted(job):
            self._manage(tally, now)
            if self._is_enough(tally):
                text = "Reached expected number of succeeded pods"
                outcome = Outcome("Complete", "CompletionsReached", text)
            else:
                self._note_suspension(job, status, is_suspended, now)
        pods = self._owned.get(job["metadata"]["uid"])
        self._count(tally, pods, outcome, status)
        pods = self._owned.get(job["metadata"]["uid"])
        active = [pod for pod in pods if is_active(pod)]
        terminating = sum(is_terminating(pod) for pod in pods)
        counts = {
            "active": len(active),
            "succeeded": tally.succeeded,
            "failed": tally.failed,
        }
        for name, count in counts.items():
            status.pop(name, None)
            if count:
                status[name] = count
        status["ready"] = sum(is_ready(pod) for pod in active)
        status["terminating"] = terminating
        status["uncountedTerminatedPods"] = {}
        is_over = outcome is not None and self._end(job, status, outcome, terminating, now)
        write_status(self.api, self._resource, job, status)
        if outcome is not None and is_over:
            self._announce(job, outcome, now)
        if tally.refusal is not None:
            raise tally.refusal
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is None or is_suspended or outcome is not None:
            return tally.again
        return earliest(tally.again, instant(status["startTime"]) + deadline)

    # Counting.

    def _tally(self, job: Object, now: float) -> Tally:
        """Count the pods that have ended since the last look, and let the backoff know."""
        status = job.get("status") or {}
        pods = claim(self.api, job, self._pods, self._owned)
        tally = Tally(job, pods, [pod for pod in pods if is_active(pod)])
        tally.terminating = sum(is_terminating(pod) for pod in pods)
        fresh = [pod for pod in pods if _is_tracked(pod) and self._is_valid(job, pod)]
        succeeded = [pod for pod in fresh if phase(pod) == "Succeeded"]
        failed = [pod for pod in fresh if _has_failed(job, pod)]
        tally.succeeded = status.get("succeeded", 0) + len(succeeded)
        tally.failed = status.get("failed", 0) + len(failed)
        if _is_indexed(job):
            completions = range(job["spec"].get("completions") or 0)
            tally.completed = {
                index
                for index in parse_indexes(status.get("completedIndexes", ""))
                | {_index(pod) for pod in succeeded}
                if index in completions
            }
            tally.succeeded = len(tally.completed)
        backoff = self._backoffs.setdefault(job["metadata"]["uid"], Backoff())
        success = max((_finished(pod, now) for pod in succeeded), default=None)
        if success is not None and success >= backoff.since:
            backoff.failures = 0
        for at in sorted(_finished(pod, now) for pod in failed):
            if success is None or at > success:
                backoff.failures += 1
                backoff.since = max(backoff.since, at)
        return tally

    def _is_valid(self, job: Object, pod: Object) -> bool:
        return not _is_indexed(job) or _index(pod) in range(job["spec"].get("completions") or 0)

    def _count(
        self, tally: Tally, pods: Sequence[Object], outcome: Outcome | None, status: dict[str, Any]
    ) -> None:
        """Take the finalizer from every pod that is counted now.

        Once a Job has failed, pods that were still active count as failed.
        """
        job = tally.job
        known = {pod["metadata"]["uid"]: pod for pod in tally.pods}
        for pod in pods:
            if not _is_tracked(pod):
                continue
            before = known.get(pod["metadata"]["uid"], pod)
            was_counted = phase(before) == "Succeeded" or _has_failed(job, before)
            if not (was_counted or outcome is not None or is_being_deleted(job)):
                continue
            if outcome is not None and outcome.kind == "Failed" and not was_counted:
                tally.failed += self._is_valid(job, pod)
            self._untrack(pod)
        if _is_indexed(job):
            status["completedIndexes"] = format_indexes(tally.completed)
            if not status["completedIndexes"]:
                del status["completedIndexes"]

    def _untrack(self, pod: Object) -> None:
        metadata = pod["metadata"]
        left = [each for each in metadata.get("finalizers") or () if each != TRACKING]
        try:
            self.api.patch(
                self._pods,
                metadata["name"],
                {"metadata": {"finalizers": left or None}},
                type="merge",
                namespace=metadata["namespace"],
                options=Options(field_manager=MANAGER),
            )
        except ApiError as error:
            if error.code != 404:
                raise

    # Creating and deleting pods.

    def _manage(self, tally: Tally, now: float) -> None:
        """Create or delete pods until as many are active as the spec wants now."""
        job, spec, active = tally.job, tally.spec, len(tally.active)
        if spec.get("suspend"):
            self._delete(job, tally.active, now)
            return
        parallelism, completions = spec.get("parallelism", 1), spec.get("completions")
        if completions is not None:
            wanted = max(min(completions - tally.succeeded, parallelism), 0)
        else:
            wanted = active if tally.succeeded else parallelism
        doomed = self._surplus(tally, max(active - wanted, 0), now)
        if doomed:
            self._delete(job, doomed, now)
            return
        waits = spec.get("podReplacementPolicy") == "Failed"
        missing = wanted - active - (tally.terminating if waits else 0)
        if missing <= 0:
            return
        backoff = self._backoffs[job["metadata"]["uid"]]
        if backoff.over > now:
            tally.again = backoff.over
            return
        tally.refusal = self._create(tally, min(missing, BURST), now)

    def _surplus(self, tally: Tally, count: int, now: float) -> list[Object]:
        """Pods that must go: with an index twice or out of range, then the least far ones."""
        doomed: list[Object] = []
        left = tally.active
        if _is_indexed(tally.job):
            seen: set[int] = set()
            left = []
            for pod in tally.active:
                index = _index(pod)
                is_good = self._is_valid(tally.job, pod) and index not in seen | tally.completed
                (left if is_good else doomed).append(pod)
                seen.add(index)
        if len(doomed) < count:
            doomed += first_to_go(left, (), now)[: count - len(doomed)]
        return doomed[:BURST]

    def _create(self, tally: Tally, count: int, now: float) -> ApiError | None:
        job, template = tally.job, tally.spec["template"]
        name, metadata = job["metadata"]["name"], template.get("metadata") or {}
        tracked = [*(metadata.get("finalizers") or ()), TRACKING]
        if not _is_indexed(job):
            pod = from_template(job, template, generateName=f"{name}-", finalizers=tracked)
            return slow_start(count, lambda _: self._control.create(job, pod, now))
        busy = {_index(pod) for pod in tally.active} | tally.completed
        if tally.spec.get("podReplacementPolicy") == "Failed":
            busy |= {_index(pod) for pod in tally.pods if is_terminating(pod)}
        free = [index for index in range(tally.spec["completions"]) if index not in busy][:count]

        def create(number: int) -> None:
            note = {INDEX: str(free[number])}
            pod = from_template(
                job,
                template,
                generateName=f"{name}-{free[number]}-",
                finalizers=tracked,
                labels={**(metadata.get("labels") or {}), **note},
                annotations={**(metadata.get("annotations") or {}), **note},
            )
            spec = {**_knowing_its_index(pod["spec"]), "hostname": f"{name}-{free[number]}"}
            self._control.create(job, {**pod, "spec": spec}, now)

        return slow_start(len(free), create)

    def _delete(
        self, job: Object, pods: Sequence[Object], now: float, *, keep_tracking: bool = False
    ) -> None:
        for pod in pods:
            if not keep_tracking:
                self._untrack(pod)
            self._control.delete(job, pod, now)

    # Ending.

    def _outcome(self, tally: Tally, status: dict[str, Any], now: float) -> Outcome | None:
        """How the Job must end, if that is decided already."""
        for interim, kind in (("SuccessCriteriaMet", "Complete"), ("FailureTarget", "Failed")):
            decided = condition(status, interim)
            if decided is not None and decided.get("status") == "True":
                return Outcome(kind, decided.get("reason", ""), decided.get("message", ""))
        spec = tally.spec
        if tally.failed > spec.get("backoffLimit", 6) or _restarted_too_often(tally):
            text = "Job has reached the specified backoff limit"
            return Outcome("Failed", "BackoffLimitExceeded", text)
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is None or "startTime" not in status or spec.get("suspend"):
            return None
        if now < instant(status["startTime"]) + deadline:
            return None
        text = "Job was active longer than specified deadline"
        return Outcome("Failed", "DeadlineExceeded", text)

    def _is_enough(self, tally: Tally) -> bool:
        uid = tally.job["metadata"]["uid"]
        if any(is_active(pod) for pod in self._owned.get(uid)):
            return False
        completions = tally.spec.get("completions")
        return tally.succeeded >= completions if completions is not None else tally.succeeded > 0

    def _end(
        self, job: Object, status: dict[str, Any], outcome: Outcome, terminating: int, now: float
    ) -> bool:
        """Set the conditions of the end; the final one only when the last pod has ended."""
        interim = "SuccessCriteriaMet" if outcome.kind == "Complete" else "FailureTarget"
        if condition(status, interim) is None:
            _set(status, _made(interim, "True", outcome.reason, outcome.message, now))
        if terminating:
            return False
        _set(status, _made(outcome.kind, "True", outcome.reason, outcome.message, now))
        if outcome.kind == "Complete":
            status["completionTime"] = timestamp(now)
        self._backoffs.pop(job["metadata"]["uid"], None)
        return True

    def _announce(self, job: Object, outcome: Outcome, now: float) -> None:
        if outcome.kind == "Complete":
            self._record(job, now, "Completed", "Job completed")
        else:
            self._record(job, now, outcome.reason, outcome.message, "Warning")

    def _note_suspension(
        self, job: Object, status: dict[str, Any], is_suspended: bool, now: float
    ) -> None:
        """Say in a condition when the Job was suspended or resumed; a resumed one starts again."""
        noted = condition(status, "Suspended")
        if is_suspended and (noted is None or noted.get("status") != "True"):
            _set(status, _made("Suspended", "True", "JobSuspended", "Job suspended", now))
            self._record(job, now, "Suspended", "Job suspended")
        elif not is_suspended and noted is not None and noted.get("status") == "True":
            _set(status, _made("Suspended", "False", "JobResumed", "Job resumed", now))
            status["startTime"] = timestamp(now)
            self._record(job, now, "Resumed", "Job resumed")

    def _expire(self, job: Object, ending: Condition, now: float) -> float | None:
        """Delete an ended Job when its `ttlSecondsAfterFinished` have passed."""
        for pod in self._owned.get(job["metadata"]["uid"]):
            if _is_tracked(pod):
                self._untrack(pod)
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None or is_being_deleted(job):
            return None
        due: float = instant(ending.get("lastTransitionTime") or BEGINNING) + seconds
        if now < due:
            return due
        metadata = job["metadata"]
        self.api.delete(
            self._resource,
            metadata["name"],
            namespace=metadata["namespace"],
            options=Options(propagation="Foreground", uid=metadata["uid"]),
        )
        return None


def parse_indexes(text: str) -> set[int]:
    """The completion indexes that `0,2-4` stands for."""
    indexes: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        indexes.update(range(int(first), int(last or first) + 1))
    return indexes


def format_indexes(indexes: Iterable[int]) -> str:
    """Completion indexes as `status.completedIndexes` writes them: `0,2-4`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(a) if a == b else f"{a}{',' if b == a + 1 else '-'}{b}" for a, b in runs)


def _ending(job: Object) -> Condition | None:
    status = job.get("status")
    return next(
        (condition(status, kind) for kind in ("Complete", "Failed") if is_true(status, kind)), None
    )


def _has_failed(job: Object, pod: Object) -> bool:
    """Whether a pod counts as failed; one that is being deleted will not succeed any more."""
    if phase(pod) == "Failed":
        return True
    if job["spec"].get("podReplacementPolicy") == "Failed":
        return False
    return is_being_deleted(pod) and phase(pod) != "Succeeded"


def _restarted_too_often(tally: Tally) -> bool:
    spec = tally.spec
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        container.get("restartCount", 0)
        for pod in tally.pods
        if phase(pod) in ("Running", "Pending")
        for kind in ("initContainerStatuses", "containerStatuses")
        for container in pod["status"].get(kind) or ()
    )
    limit = spec.get("backoffLimit", 6)
    return bool(restarts >= (limit or 1))


def _finished(pod: Object, now: float) -> float:
    """When a pod ended: when its last container did."""
    ends = [
        (container.get("state") or {}).get("terminated", {}).get("finishedAt")
        for container in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    if ends and all(ends):
        return max(instant(end) for end in ends if end)
    return now


def _is_tracked(pod: Object) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def _tracked_by(pod: Object) -> Iterable[str]:
    owner = controller_of(pod) if _is_tracked(pod) else None
    if owner is None or owner["kind"] != "Job":
        return ()
    return (f"{pod['metadata']['namespace']}/{owner['name']}",)


def _is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _index(pod: Object) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else -1


def _knowing_its_index(spec: dict[str, Any]) -> dict[str, Any]:
    """A pod spec whose containers find their index in JOB_COMPLETION_INDEX."""
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}

    def knowing(container: dict[str, Any]) -> dict[str, Any]:
        env = container.get("env") or []
        if any(each["name"] == variable["name"] for each in env):
            return container
        return {**container, "env": [*env, variable]}

    kinds = [kind for kind in ("initContainers", "containers") if spec.get(kind)]
    return {**spec, **{kind: [knowing(each) for each in spec[kind]] for kind in kinds}}


def _set(status: dict[str, Any], made: Condition) -> None:
    conditions = list(status.get("conditions") or ())
    kinds = [each.get("type") for each in conditions]
    if made["type"] in kinds:
        conditions[kinds.index(made["type"])] = made
    else:
        conditions.append(made)
    status["conditions"] = conditions


def _made(kind: str, status: str, reason: str, message: str, now: float) -> Condition:
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": timestamp(now),
        "lastTransitionTime": timestamp(now),
        "reason": reason,
        "message": message,
    }
