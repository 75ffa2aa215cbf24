"""CronJob: create a Job whenever the schedule says so.

Source: pkg/controller/cronjob (controller v2) of Kubernetes 1.37.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import (
    controller_of,
    is_being_deleted,
    owner_reference,
)
from kubesim.controllers.pods import instant, is_namespace_terminating
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.schedule import Schedule
from kubesim.controllers.status import is_true, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"

MANY_MISSED = 100
"""From so many missed firings on, the controller complains, and starts only the newest."""


class CronJobs(Controller):
    """Starts Jobs on time, notes which of them still run, and removes the oldest that ended."""

    name = "cronjob-controller"
    watches = (("batch", "cronjobs"), ("batch", "jobs"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("batch/v1", "CronJob")
        self._jobs = api.registry.by_kind("batch/v1", "Job")
        self._owned = indexes.by_controller("batch", "jobs")
        self._record = Recorder(api, self.name)

    def keys(self, event: Event) -> Iterable[Item]:
        """The CronJob itself, or the one that owns a Job."""
        if event.key[1] == "cronjobs":
            return (event.key[2:],)
        reference = controller_of(event.object)
        if reference is None or reference["kind"] != "CronJob":
            return ()
        return ((event.key[2], reference["name"]),)

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Start what is due; the instant of the next firing."""
        cron_job = self.api.store.get(("batch", "cronjobs", namespace, name))
        if cron_job is None:
            return None
        status = self._follow(cron_job, now)
        again: float | None = None
        refusal: ApiError | None = None
        if not is_being_deleted(cron_job):
            try:
                again = self._start(cron_job, status, now)
            except ApiError as error:
                refusal = error
        status["active"] = status["active"] or None
        written = {field: value for field, value in status.items() if value is not None}
        write_status(self.api, self._resource, cron_job, written)
        if refusal is not None:
            raise refusal
        self._trim(cron_job, now)
        return again

    def _follow(self, cron_job: Object, now: float) -> dict[str, Any]:
        """The status, with Jobs taken off the active list that have ended or are gone."""
        status: dict[str, Any] = {"active": [], **(cron_job.get("status") or {})}
        jobs = {job["metadata"]["uid"]: job for job in self._of(cron_job)}
        active = []
        for reference in status["active"] or ():
            job, name = jobs.get(reference.get("uid", "")), reference.get("name", "")
            if job is None:
                self._record(cron_job, now, "MissingJob", f"Active job went missing: {name}")
                continue
            ended = _ended(job)
            if not ended:
                active.append(reference)
                continue
            text = f"Saw completed job: {name}, condition: {ended}"
            self._record(cron_job, now, "SawCompletedJob", text)
            done = (job.get("status") or {}).get("completionTime", "")
            if ended == "Complete" and done > status.get("lastSuccessfulTime", ""):
                status["lastSuccessfulTime"] = done
        status["active"] = active
        return status

    def _start(self, cron_job: Object, status: dict[str, Any], now: float) -> float | None:
        spec = cron_job["spec"]
        schedule = self._schedule(cron_job, now)
        if schedule is None or spec.get("suspend"):
            return None
        after = schedule.next(now)
        due = self._due(cron_job, schedule, status, now)
        if due is None:
            return after
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and due + deadline < now:
            time = datetime.fromtimestamp(due, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
            text = f"Missed scheduled time to start a job: {time}"
            self._record(cron_job, now, "MissSchedule", text, "Warning")
            return after
        policy = spec.get("concurrencyPolicy", "Allow")
        if policy == "Forbid" and status["active"]:
            text = (
                "Not starting job because prior execution is running and "
                "concurrency policy is Forbid"
            )
            self._record(cron_job, now, "JobAlreadyActive", text)
            return after
        if policy == "Replace":
            for reference in status["active"]:
                self._delete(cron_job, reference["name"], now)
            status["active"] = []
        job = self._create(cron_job, schedule, due, now)
        if job is not None:
            status["active"] = [*status["active"], _reference(job)]
            status["lastScheduleTime"] = timestamp(due)
        return after

    def _schedule(self, cron_job: Object, now: float) -> Schedule | None:
        spec = cron_job["spec"]
        zone = spec.get("timeZone") or ""
        try:
            return Schedule(spec["schedule"], zone)
        except KeyError as error:
            text = f'invalid timeZone: "{zone}": {error}'
            self._record(cron_job, now, "UnknownTimeZone", text, "Warning")
        except ValueError as error:
            text = f'unparseable schedule: "{spec["schedule"]}" : {error}'
            self._record(cron_job, now, "UnparseableSchedule", text, "Warning")
        return None

    def _due(
        self, cron_job: Object, schedule: Schedule, status: dict[str, Any], now: float
    ) -> float | None:
        """The newest firing that was not served yet; older ones that were missed stay missed."""
        since = instant(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
        deadline = cron_job["spec"].get("startingDeadlineSeconds")
        if deadline is not None:
            since = max(since, now - deadline)
        first = schedule.next(since)
        if first is None or first > now:
            return None
        missed, firing = 0, schedule.next(first)
        while firing is not None and firing <= now and missed <= MANY_MISSED:
            missed, firing = missed + 1, schedule.next(firing)
        if missed > MANY_MISSED:
            text = (
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds "
                "or check clock skew"
            )
            self._record(cron_job, now, "TooManyMissedTimes", text, "Warning")
        return schedule.last(now) if missed else first

    def _create(
        self, cron_job: Object, schedule: Schedule, due: float, now: float
    ) -> Object | None:
        metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
        inherited = template.get("metadata") or {}
        name = f"{metadata['name']}-{int(due) // 60}"
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                **({"labels": inherited["labels"]} if inherited.get("labels") else {}),
                "annotations": {
                    **(inherited.get("annotations") or {}),
                    SCHEDULED: schedule.local(due),
                },
                "ownerReferences": [owner_reference(cron_job)],
            },
            "spec": template["spec"],
        }
        try:
            created = self.api.create(
                self._jobs,
                job,
                namespace=metadata["namespace"],
                options=Options(field_manager=MANAGER),
            )
        except ApiError as error:
            if is_namespace_terminating(error):
                return None
            if error.reason == "AlreadyExists":
                there = self.api.store.get(("batch", "jobs", metadata["namespace"], name))
                owner = controller_of(there) if there is not None else None
                if there is not None and owner and owner["uid"] == metadata["uid"]:
                    return there if not _ended(there) else None
            self._record(
                cron_job, now, "FailedCreate", f"Error creating job: {error.message}", "Warning"
            )
            raise
        self._record(cron_job, now, "SuccessfulCreate", f"Created job {name}")
        return created

    def _trim(self, cron_job: Object, now: float) -> None:
        """Delete the oldest ended Jobs beyond the history limits."""
        spec = cron_job["spec"]
        limits = {
            "Complete": spec.get("successfulJobsHistoryLimit", 3),
            "Failed": spec.get("failedJobsHistoryLimit", 1),
        }
        for ending, limit in limits.items():
            ended = [job for job in self._of(cron_job) if _ended(job) == ending]
            ended.sort(key=_started)
            for job in ended[: max(len(ended) - limit, 0)]:
                if not is_being_deleted(job):
                    self._delete(cron_job, job["metadata"]["name"], now)

    def _delete(self, cron_job: Object, name: str, now: float) -> None:
        try:
            self.api.delete(
                self._jobs,
                name,
                namespace=cron_job["metadata"]["namespace"],
                options=Options(propagation="Background"),
            )
        except ApiError as error:
            if error.code == 404:
                return
            self._record(cron_job, now, "FailedDelete", f"Deleted job: {error.message}", "Warning")
            raise
        self._record(cron_job, now, "SuccessfulDelete", f"Deleted job {name}")

    def _of(self, cron_job: Object) -> list[Object]:
        return self._owned.get(cron_job["metadata"]["uid"])


def _ended(job: Object) -> str:
    """How a Job ended, `Complete` or `Failed`; empty while it has not."""
    status = job.get("status")
    return next((ending for ending in ("Complete", "Failed") if is_true(status, ending)), "")


def _started(job: Object) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime", ""), job["metadata"]["name"]


def _reference(job: Object) -> dict[str, Any]:
    metadata = job["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }
