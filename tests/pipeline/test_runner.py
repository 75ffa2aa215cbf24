"""Pipelines in virtual time: what runs when, on how many runners, and what is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gitops_lab.deployers.policy import Policy
from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge import Rule
from gitops_lab.model import ObjectKey
from gitops_lab.pipeline import PATH, PipelineDeployer
from gitops_lab.sandbox import ArmDescription, Sandbox
from gitops_lab.worlds.arms import PUSH

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {page: '%s'}\n"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'gitops-lab/shop:1', ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
APPLY = "jobs: {deploy: {when: push, steps: [apply, rollout-status]}}\n"


@pytest.fixture
def world() -> Iterator[Sandbox]:
    with Sandbox("pipeline", seed=1) as world:
        yield world


def deployer(world: Sandbox) -> PipelineDeployer:
    found = next(iter(world.arms.values())).host.deployer
    assert isinstance(found, PipelineDeployer)
    return found


def jobs(world: Sandbox, number: int) -> dict[str, str]:
    return {name: job.state for name, job in deployer(world).history.get(number).jobs.items()}


def log(world: Sandbox, number: int) -> str:
    return "\n".join(deployer(world).history.get(number).log)


def page(world: Sandbox, namespace: str = "default") -> Any:
    found = world["pipeline"].get(ObjectKey("", "ConfigMap", namespace, "a"))
    return found and found["data"]["page"]


def test_without_a_file_it_does_what_the_push_deployer_does_at_the_same_instants() -> None:
    told = []
    for kind in ("push-on-commit", "pipeline"):
        with Sandbox(kind, seed=1) as world:
            for number in (1, 2):
                world.commit(f"page {number}", {"a.yaml": MAP % number, "web.yaml": WEB})
                world.run(minutes=4)
            world.commit("broken", {"a.yaml": "kind: Nothing\n"})
            world.run(minutes=4)
            told.append(
                [
                    (e.at, e.event, e.subject, e.why, e.data.get("state"), e.data.get("action"))
                    for e in world.journal
                    if e.actor == kind and e.event != "observed"
                ]
            )
    assert told[0] == told[1]
    assert any(entry[4] == "failure" for entry in told[0])


def test_jobs_wait_for_those_they_need_and_for_an_approval(world: Sandbox) -> None:
    pipeline = """\
jobs:
  staging: {when: push, environment: staging, steps: [apply, rollout-status]}
  prod:
    when: push
    needs: [staging]
    environment: prod
    approval: true
    steps: [apply, rollout-status]
environments:
  staging: {path: app, namespace: staging}
  prod: {path: app, namespace: prod, approvers: [omar]}
"""
    spaces = "".join(
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n"
        for name in ("staging", "prod")
    )
    world.commit("begin", {PATH: pipeline, "app/a.yaml": MAP % 1, "app/spaces.yaml": spaces})
    world.run(minutes=5)
    runs = deployer(world).history
    assert jobs(world, 1) == {"staging": "success", "prod": "waiting"}
    assert (page(world, "staging"), page(world, "prod")) == ("1", None)
    with pytest.raises(ForgeError, match=r"alex .* may not approve"):
        runs.request(1, "approve", by="alex")
    runs.request(1, "approve", by="rosa")  # a reviewer, but not one of the environment's
    world.run(minutes=2)
    assert jobs(world, 1)["prod"] == "waiting"
    assert "rosa may not approve prod: omar may" in log(world, 1)
    runs.request(1, "approve", by="omar")
    world.run(minutes=2)
    assert page(world, "prod") == "1"
    run = runs.get(1)
    assert (run.state, run.jobs["prod"].approved_by) == ("success", "omar")
    assert str(world.status()) == "pipeline: in sync, Healthy"
    statuses = {each.context: each.state for each in world.repository.statuses.of(run.commit)}
    assert statuses == {"staging": "success", "prod": "success"}


def test_a_pull_request_is_checked_and_shown_what_it_changes_before_it_is_merged(
    world: Sandbox,
) -> None:
    pipeline = APPLY.replace(
        "jobs: {", "jobs: {check: {when: pull_request, steps: [validate, diff]}, "
    )
    world.commit("begin", {PATH: pipeline, "a.yaml": MAP % 1})
    world.run(minutes=2)
    repository = world.repository
    repository.protection.protect(Rule("main", checks=("check",)))
    repository.commit("Page 2", {"a.yaml": MAP % 2}, branch="two", account="alex")
    repository.pulls.open("two", by="alex")
    assert "check has not reported" in repository.pulls.obstacles(1)[0]
    world.run(minutes=1)
    pull = repository.pulls.get(1)
    (comment,) = pull.comments
    assert comment.text == (
        "In cluster pipeline, this changes 1 object.\n"
        "  change ConfigMap default/a: data.page is 1, Git wants 2"
    )
    assert page(world) == "1"
    # Drift is told apart from what the pull request changes, and the comment is replaced.
    world.drift("ConfigMap/a", {"data": {"page": "hotfix"}})
    repository.commit("More", {"b.yaml": MAP.replace("name: a", "name: b") % 1}, branch="two")
    world.run(minutes=1)
    (comment,) = repository.pulls.get(1).comments
    assert "this changes 2 objects" in comment.text
    repository.pulls.merge(1, by="alex")
    world.run(minutes=1)
    assert page(world) == "2"
    assert len(deployer(world).history.all()) == 4


def test_a_refused_object_fails_the_check_of_a_pull_request(world: Sandbox) -> None:
    world.commit("begin", {PATH: "jobs: {check: {steps: [validate]}}\n", "a.yaml": MAP % 1})
    bad = WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}")
    world.repository.commit("Bad", {"web.yaml": bad}, branch="bad", account="alex")
    pull = world.repository.pulls.open("bad", by="alex")
    world.run(minutes=2)
    (status,) = world.repository.statuses.of(pull.head)
    assert (status.context, status.state) == ("check", "failure")
    assert "selector" in status.description


@pytest.mark.parametrize("step", ["apply", "{build: {image: x}}", "rollback"])
def test_the_pipeline_of_a_pull_request_writes_nothing(step: str, world: Sandbox) -> None:
    """A pull request may change the pipeline file itself: it was not reviewed yet."""
    world.commit("begin", {"a.yaml": MAP % 1})
    world.run(minutes=1)
    evil = f"jobs: {{deploy: {{steps: [{step}], secrets: []}}}}\n"
    world.repository.commit("x", {PATH: evil, "a.yaml": MAP % 666}, branch="evil", account="alex")
    world.repository.pulls.open("evil", by="alex")
    world.run(minutes=2)
    assert page(world) == "1"
    assert "writes, and a pull request is not merged yet" in log(world, 2)


def test_a_failed_rollout_is_rolled_back_while_git_still_says_the_new(world: Sandbox) -> None:
    pipeline = """\
jobs:
  deploy:
    when: push
    steps: [apply, rollout-status, {smoke-test: {service: web, path: /}}]
    on-failure: [rollback]
"""
    world.commit("good", {PATH: pipeline, "web.yaml": WEB})
    world.run(minutes=3)
    assert jobs(world, 1) == {"deploy": "success"}, log(world, 1)
    assert "GET web:80/: 200" in log(world, 1)
    world.replace("bad", "web.yaml", "gitops-lab/shop:1", "gitops-lab/shop:missing")
    world.run(minutes=12)
    assert jobs(world, 2) == {"deploy": "failure"}
    live = world["pipeline"].get("Deployment/web")
    assert live is not None
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "gitops-lab/shop:1"
    assert "out of sync" in str(world.status())


def test_a_job_that_takes_too_long_is_ended_and_tried_again(world: Sandbox) -> None:
    slow = "jobs: {deploy: {when: push, timeout: 30, retries: 1, steps: [apply, rollout-status]}}\n"
    broken = WEB.replace("shop:1", "shop:missing")
    world.commit("slow", {PATH: slow, "web.yaml": broken})
    world.run(minutes=5)
    run = deployer(world).history.get(1)
    assert (run.state, run.jobs["deploy"].attempt) == ("failure", 2)
    assert "attempt 1 failed: it took longer than 30 s" in log(world, 1)
    (end,) = [e for e in world.journal if e.event == "reported" and e.actor == "pipeline"]
    assert end.at - run.created == pytest.approx(2 * (15 + 30))


def two_runners(*, group: str = "") -> tuple[Sandbox, list[str]]:
    """Two quick merges on two runners, of which the first one takes longer to start."""
    busy = replace(PUSH, concurrency="parallel")
    world = Sandbox(ArmDescription("pipeline", PipelineDeployer, busy), seed=1)
    concurrency = f"concurrency: {group}, " if group else ""
    pipeline = f"jobs: {{deploy: {{when: push, {concurrency}steps: [%s, apply]}}}}\n"
    world.commit("one", {PATH: pipeline % "{build: {image: x}}", "a.yaml": MAP % 1})
    world.run(seconds=5)
    world.commit("two", {PATH: pipeline % "render", "a.yaml": MAP % 2})
    world.run(minutes=5)
    return world, [e.subject for e in world.journal if e.event == "synced"]


def test_two_runs_overtake_each_other_unless_a_group_says_no() -> None:
    world, synced = two_runners()
    with world:
        assert [s.rpartition(":")[2] for s in synced] == [
            deployer(world).history.get(2).commit,
            deployer(world).history.get(1).commit,
        ]
        assert page(world) == "1"  # older than Git, and both runs are green
        assert {run.state for run in deployer(world).history.all()} == {"success"}
    world, synced = two_runners(group="deploy")
    with world:
        assert page(world) == "2"


def test_a_newer_run_cancels_an_older_one_of_its_group_if_asked() -> None:
    world, _ = two_runners(group="{group: g, cancel-in-progress: true}")
    with world:
        assert deployer(world).history.get(1).state == "cancelled"
        assert page(world) == "2"


def test_a_file_that_cannot_be_read_is_an_error_of_that_commit_alone(world: Sandbox) -> None:
    world.commit("bad", {PATH: "jobs: {a: {steps: [aply]}}\n", "a.yaml": MAP % 1})
    world.run(minutes=1)
    run = deployer(world).history.get(1)
    assert run.state == "error"
    assert "did you mean 'apply'" in run.why
    (status,) = world.repository.statuses.of(run.commit)
    assert (status.context, status.state) == ("pipeline", "error")
    world.commit("good", {PATH: APPLY})
    world.run(minutes=1)
    assert page(world) == "1"


def test_a_run_can_be_cancelled_and_run_again(world: Sandbox) -> None:
    world.commit("begin", {PATH: APPLY, "a.yaml": MAP % 1})
    world.run(seconds=5)
    runs = deployer(world).history
    with pytest.raises(ForgeError, match="not over yet"):
        runs.request(1, "rerun", by="alex")
    runs.request(1, "cancel", by="alex")
    world.run(minutes=2)
    assert (runs.get(1).state, page(world)) == ("cancelled", None)
    with pytest.raises(ForgeError, match="over: cancelled"):
        runs.request(1, "cancel", by="alex")
    runs.request(1, "rerun", by="alex")
    world.run(minutes=2)
    assert (runs.get(2).state, runs.get(2).by, page(world)) == ("success", "alex", "1")
    with pytest.raises(UsageError, match="no pipeline run 9"):
        runs.get(9)


def test_a_missing_secret_is_named_and_a_given_one_is_masked(world: Sandbox) -> None:
    pipeline = (
        "jobs: {deploy: {when: push, secrets: [TOKEN], steps: [{smoke-test: {service: s3cr3t}}]}}\n"
    )
    world.commit("begin", {PATH: pipeline})
    world.run(minutes=1)
    assert "there is no secret 'TOKEN'" in deployer(world).history.get(1).why
    deployer(world).context.storage["secret/TOKEN"] = "s3cr3t"
    deployer(world).history.request(1, "rerun", by="learner")
    world.run(minutes=1)
    assert "no Service '***'" in log(world, 2)
    assert "s3cr3t" not in log(world, 2)


def test_a_runner_that_is_lost_fails_its_job_and_the_run_can_be_run_again(world: Sandbox) -> None:
    world.commit("begin", {PATH: APPLY, "a.yaml": MAP % 1})
    world.run(seconds=16)
    old = deployer(world)
    again = PipelineDeployer(old.context)  # another process
    again.step(world.clock.now())
    run = again.history.get(1)
    assert (run.state, run.jobs["deploy"].why) == ("failure", "its runner was lost in start")


def test_events_of_one_instant_have_a_run_each(world: Sandbox) -> None:
    for number in range(3):
        world.repository.commit(f"page {number}", {PATH: APPLY, "a.yaml": MAP % number})
    world.run(minutes=3)
    assert [run.state for run in deployer(world).history.all()] == ["success"] * 3
    assert page(world) == "2"


def test_a_commit_that_says_skip_ci_sets_nothing_off(world: Sandbox) -> None:
    world.commit("begin [skip ci]", {PATH: APPLY, "a.yaml": MAP % 1})
    world.run(minutes=2)
    assert deployer(world).history.all() == ()


def test_build_commit_and_promote_bring_a_version_to_the_next_environment(world: Sandbox) -> None:
    pipeline = """\
jobs:
  build:
    when: push
    steps:
    - build: {image: gitops-lab/shop}
    - commit: {file: envs/dev/version.yaml, image: gitops-lab/shop, message: "Deploy [skip ci]"}
  promote:
    when: push
    needs: [build]
    environment: dev
    steps: [{promote: {to: prod}}]
environments:
  dev: {path: envs/dev}
  prod: {path: envs/prod}
"""
    version = "image: gitops-lab/shop:0\n"
    files = {f"envs/{name}/version.yaml": version for name in ("dev", "prod")}
    files["envs/prod/replicas.yaml"] = "replicas: 9\n"
    revision = world.commit("begin", {PATH: pipeline, **files})
    world.run(minutes=5)
    run = deployer(world).history.get(1)
    tag = revision.short
    assert run.artifacts["image"] == f"gitops-lab/shop:{tag}"
    assert run.artifacts["digest"].startswith("gitops-lab/shop@sha256:")
    repository = world.repository
    assert repository.read("envs/dev/version.yaml") == f"image: gitops-lab/shop:{tag}\n".encode()
    assert repository.log()[0].author == "Update Bot <bot@example.org>"
    assert run.state == "success"


def test_runs_of_one_policy_start_no_sooner_than_its_runners(world: Sandbox) -> None:
    slow = ArmDescription("pipeline", PipelineDeployer, Policy(on_event=True, start=180))
    with Sandbox(slow, seed=1) as busy:
        busy.commit("begin", {PATH: APPLY, "a.yaml": MAP % 1})
        busy.run(seconds=179)
        assert page(busy) is None
        busy.run(seconds=10)
        assert page(busy) == "1"
