"""Jobs: completions, retries, deadlines, indexes, suspension."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from kubesim.controllers.job import format_indexes, parse_indexes
from tests.kubesim.controllers.bench import Bench


def sums(pod: dict[str, Any] | None = None, **spec: Any) -> Object:
    containers = [{"name": "sums", "image": "sums:1"}]
    template = {"spec": {"restartPolicy": "Never", "containers": containers, **(pod or {})}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "sums"},
        "spec": {"template": template, **spec},
    }


@pytest.fixture
def bench() -> Bench:
    return Bench()


def status(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.get("Job", "sums")["status"]
    return found


def conditions(bench: Bench) -> list[tuple[str, str, str]]:
    return [(c["type"], c["status"], c["reason"]) for c in status(bench).get("conditions", [])]


def end(bench: Bench, how: str, pod: Object | None = None) -> None:
    bench.report(pod or bench.pods()[0], how)
    bench.reap()


@given(st.sets(st.integers(0, 60)))
def test_indexes_are_written_and_read_alike(indexes: set[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == indexes


def test_three_indexes_in_a_row_make_a_range() -> None:
    assert format_indexes({0, 2, 3, 5, 6, 7}) == "0,2,3,5-7"


def test_a_job_is_complete_when_its_pod_has_succeeded(bench: Bench) -> None:
    bench.create(sums())
    assert status(bench)["active"] == 1
    bench.run(5)
    end(bench, "Succeeded")
    found = status(bench)
    assert "active" not in found
    assert found["succeeded"] == 1
    assert found["startTime"] == timestamp(EPOCH)
    assert found["completionTime"] == timestamp(EPOCH + 5)
    assert found["uncountedTerminatedPods"] == {}
    assert conditions(bench) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    assert ("Completed", "Job completed") in bench.events("sums")


def test_no_more_pods_run_than_parallelism_and_the_open_completions_allow(bench: Bench) -> None:
    bench.create(sums(completions=5, parallelism=2))
    seen = []
    for _ in range(5):
        seen.append(len(bench.pods()))
        end(bench, "Succeeded")
    assert seen == [2, 2, 2, 2, 1]
    assert status(bench)["succeeded"] == 5


def test_without_completions_the_first_success_stops_new_pods(bench: Bench) -> None:
    bench.create(sums(parallelism=3))
    end(bench, "Succeeded")
    assert len(bench.pods()) == 2
    end(bench, "Succeeded")
    end(bench, "Succeeded")
    assert conditions(bench)[-1][0] == "Complete"


def test_failed_pods_are_retried_after_ten_seconds_doubling(bench: Bench) -> None:
    bench.create(sums(backoffLimit=4))
    waits = []
    for _ in range(4):
        end(bench, "Failed")
        waited = 0
        while not bench.pods():
            bench.run(1)
            waited += 1
        waits.append(waited)
    assert waits == [10, 20, 40, 80]


def test_one_failure_more_than_the_limit_fails_the_job(bench: Bench) -> None:
    bench.create(sums(backoffLimit=1))
    end(bench, "Failed")
    bench.run(10)
    end(bench, "Failed")
    assert status(bench)["failed"] == 2
    assert conditions(bench) == [
        ("FailureTarget", "True", "BackoffLimitExceeded"),
        ("Failed", "True", "BackoffLimitExceeded"),
    ]
    event = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    assert event in bench.events("sums")


def test_a_job_past_its_deadline_fails_and_its_pods_go(bench: Bench) -> None:
    bench.create(sums(parallelism=2, completions=2, activeDeadlineSeconds=30))
    bench.start()
    bench.run(30)
    bench.reap()
    assert bench.pods() == []
    assert conditions(bench)[-1] == ("Failed", "True", "DeadlineExceeded")
    assert status(bench)["failed"] == 2


def test_a_job_ends_only_when_its_last_pod_is_gone(bench: Bench) -> None:
    bench.create(sums(activeDeadlineSeconds=30))
    bench.bind(bench.pods()[0])
    bench.start()
    bench.run(30)
    assert conditions(bench) == [("FailureTarget", "True", "DeadlineExceeded")]
    assert status(bench)["terminating"] == 1
    bench.reap()
    assert conditions(bench)[-1] == ("Failed", "True", "DeadlineExceeded")


def test_indexed_pods_each_have_one_index_and_failed_ones_are_repeated(bench: Bench) -> None:
    bench.create(sums(completions=3, parallelism=3, completionMode="Indexed"))
    pods = sorted(bench.pods(), key=lambda pod: str(pod["spec"]["hostname"]))
    assert [pod["spec"]["hostname"] for pod in pods] == ["sums-0", "sums-1", "sums-2"]
    note = "batch.kubernetes.io/job-completion-index"
    assert [pod["metadata"]["annotations"][note] for pod in pods] == ["0", "1", "2"]
    assert pods[1]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    end(bench, "Succeeded", pods[2])
    end(bench, "Failed", pods[0])
    assert status(bench)["completedIndexes"] == "2"
    bench.run(10)
    again = {pod["metadata"]["annotations"][note] for pod in bench.pods()}
    assert again == {"0", "1"}


def test_a_suspended_job_has_no_pods_and_resumes_with_a_new_start_time(bench: Bench) -> None:
    bench.create(sums(suspend=True))
    assert bench.pods() == []
    assert conditions(bench) == [("Suspended", "True", "JobSuspended")]
    assert "startTime" not in status(bench)
    bench.run(60)
    bench.edit("Job", "sums", {"spec": {"suspend": False}})
    assert len(bench.pods()) == 1
    assert conditions(bench) == [("Suspended", "False", "JobResumed")]
    assert status(bench)["startTime"] == timestamp(EPOCH + 60)
    bench.edit("Job", "sums", {"spec": {"suspend": True}})
    bench.reap()
    assert bench.pods() == []
    assert "failed" not in status(bench)


def test_an_ended_job_is_deleted_after_its_time_to_live(bench: Bench) -> None:
    bench.create(sums(ttlSecondsAfterFinished=100))
    end(bench, "Succeeded")
    bench.run(99)
    assert "deletionTimestamp" not in bench.get("Job", "sums")["metadata"]
    bench.run(1)
    assert all("deletionTimestamp" in job["metadata"] for job in bench.all("Job"))


def test_pods_are_kept_by_a_finalizer_until_they_are_counted(bench: Bench) -> None:
    bench.create(sums())
    assert bench.pods()[0]["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    end(bench, "Succeeded")
    (pod,) = bench.all("Pod")
    assert "finalizers" not in pod["metadata"]


def test_pods_of_a_deleted_job_are_let_go(bench: Bench) -> None:
    bench.create(sums())
    bench.delete("Job", "sums", propagation="Background")
    assert "finalizers" not in bench.all("Pod")[0]["metadata"]
