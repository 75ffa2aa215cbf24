"""CronJobs: on time, once, and as the concurrency policy says."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from tests.kubesim.controllers.bench import Bench


def nightly(schedule: str = "*/5 * * * *", **spec: Any) -> Object:
    containers = [{"name": "c", "image": "c:1"}]
    template = {"spec": {"restartPolicy": "Never", "containers": containers}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {
            "schedule": schedule,
            "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": template}},
            **spec,
        },
    }


@pytest.fixture
def bench() -> Bench:
    return Bench()


def jobs(bench: Bench) -> list[str]:
    return [each["metadata"]["name"] for each in bench.all("Job")]


def status(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.get("CronJob", "nightly").get("status", {})
    return found


def end(bench: Bench, how: str) -> None:
    for pod in bench.pods():
        bench.report(pod, how)


def minutes(after: float) -> int:
    return int(EPOCH + after) // 60


def test_a_job_is_created_on_time_and_named_by_the_minute(bench: Bench) -> None:
    bench.create(nightly())
    bench.run(299)
    assert jobs(bench) == []
    bench.run(1)
    assert jobs(bench) == [f"nightly-{minutes(300)}"]
    job = bench.all("Job")[0]
    assert job["metadata"]["labels"]["a"] == "b"
    assert job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == (
        timestamp(EPOCH + 300)
    )
    assert status(bench)["lastScheduleTime"] == timestamp(EPOCH + 300)
    assert [each["name"] for each in status(bench)["active"]] == jobs(bench)
    assert ("SuccessfulCreate", f"Created job nightly-{minutes(300)}") in bench.events("nightly")


def test_success_is_noted_and_ends_the_activity(bench: Bench) -> None:
    bench.create(nightly())
    bench.run(310)
    end(bench, "Succeeded")
    assert "active" not in status(bench)
    assert status(bench)["lastSuccessfulTime"] == timestamp(EPOCH + 310)
    text = f"Saw completed job: nightly-{minutes(300)}, condition: Complete"
    assert ("SawCompletedJob", text) in bench.events("nightly")


def test_jobs_may_overlap_when_allowed(bench: Bench) -> None:
    bench.create(nightly())
    bench.run(600)
    assert len(status(bench)["active"]) == 2


def test_forbid_skips_a_firing_while_a_job_runs(bench: Bench) -> None:
    bench.create(nightly(concurrencyPolicy="Forbid"))
    bench.run(600)
    assert jobs(bench) == [f"nightly-{minutes(300)}"]
    assert "JobAlreadyActive" in [reason for reason, _ in bench.events("nightly")]


def test_replace_ends_the_running_job(bench: Bench) -> None:
    bench.create(nightly(concurrencyPolicy="Replace"))
    bench.run(600)
    assert [each["name"] for each in status(bench)["active"]] == [f"nightly-{minutes(600)}"]
    assert f"nightly-{minutes(300)}" not in jobs(bench)


def test_a_suspended_cron_job_starts_nothing_and_then_only_the_newest(bench: Bench) -> None:
    bench.create(nightly(suspend=True))
    bench.run(1000)
    assert jobs(bench) == []
    bench.edit("CronJob", "nightly", {"spec": {"suspend": False}})
    assert jobs(bench) == [f"nightly-{minutes(900)}"]


def test_a_firing_past_its_starting_deadline_is_skipped(bench: Bench) -> None:
    bench.create(nightly(suspend=True, startingDeadlineSeconds=30))
    bench.run(1000)
    bench.edit("CronJob", "nightly", {"spec": {"suspend": False}})
    assert jobs(bench) == []
    bench.run(200)
    assert jobs(bench) == [f"nightly-{minutes(1200)}"]


def test_old_jobs_go_beyond_the_history_limits(bench: Bench) -> None:
    bench.create(nightly(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1))
    for _ in range(4):
        bench.run(300)
        end(bench, "Succeeded")
    assert jobs(bench) == [f"nightly-{minutes(900)}", f"nightly-{minutes(1200)}"]


def test_many_missed_firings_are_complained_of_and_the_newest_is_started(bench: Bench) -> None:
    bench.create(nightly("* * * * *", suspend=True))
    bench.run(3 * 3600)
    bench.edit("CronJob", "nightly", {"spec": {"suspend": False}})
    assert jobs(bench) == [f"nightly-{minutes(3 * 3600)}"]
    assert "TooManyMissedTimes" in [reason for reason, _ in bench.events("nightly")]


def test_the_schedule_is_read_in_its_time_zone(bench: Bench) -> None:
    bench.create(nightly("30 18 * * *", timeZone="Asia/Tokyo"))
    bench.run(1800)
    (job,) = bench.all("Job")
    note = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert note == "2026-01-05T18:30:00+09:00"
