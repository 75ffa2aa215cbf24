"""Pipeline files: what they may say, and errors that say what was meant."""

from __future__ import annotations

import pytest

from gitops_lab.errors import LabError, PipelineError
from gitops_lab.pipeline import DEFAULT, parse
from gitops_lab.pipeline.actions import ACTIONS
from gitops_lab.pipeline.schema import ACTIONS as OPTIONS

WHOLE = """\
jobs:
  prod:
    needs: [build]
    when: push
    branches: [main, release/*]
    environment: prod
    approval: true
    concurrency: {group: prod, cancel-in-progress: true}
    timeout: 60
    retries: 2
    secrets: [TOKEN]
    steps: [apply, {rollout-status: {timeout: 30}}, {smoke-test: {service: web, contains: hello}}]
    on-failure: [rollback]
  build:
    steps:
    - build: {image: shop}
environments:
  prod: {path: envs/prod, namespace: prod, approvers: [omar]}
"""


def test_a_file_with_everything_is_read() -> None:
    pipeline = parse(WHOLE.encode())
    assert list(pipeline.jobs) == ["build", "prod"]  # each after those it needs
    job = pipeline.jobs["prod"]
    assert (job.group, job.cancel, job.timeout, job.retries) == ("prod", True, 60, 2)
    assert job.environment.path == "envs/prod"
    assert [step.action for step in job.steps] == ["apply", "rollout-status", "smoke-test"]
    assert job.steps[1].options == {"timeout": 30}
    assert [each.name for each in pipeline.chosen("push", "release/1")] == ["build", "prod"]
    assert [each.name for each in pipeline.chosen("push", "other")] == ["build"]
    assert [each.name for each in pipeline.chosen("pull_request", "main")] == ["build"]


def test_the_default_applies_and_waits() -> None:
    (job,) = parse(DEFAULT.encode()).chosen("push", "any")
    assert [step.action for step in job.steps] == ["apply", "rollout-status"]
    assert parse(DEFAULT.encode()).chosen("pull_request", "main") == ()


def test_each_action_of_the_schema_is_there_and_no_other() -> None:
    assert ACTIONS.keys() == OPTIONS.keys()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("jobs: {a: {steps: [aply]}}", r"a\.steps\.0: there is no 'aply'; did you mean 'apply'"),
        ("jobs: {a: {step: [apply]}}", r"there is no 'step'; did you mean 'steps'"),
        ("jobs: {a: {steps: [{biuld: {image: x}}]}}", "did you mean 'build'"),
        ("jobs: {a: {steps: [{build: {}}]}}", "'image' is missing"),
        ("jobs: {a: {steps: [{build: {image: x, tga: y}}]}}", "did you mean 'tag'"),
        ("jobs: {a: {steps: [run]}}", "shell steps are not part"),
        ("jobs: {a: {steps: [apply], when: merge}}", "no 'merge'"),
        ("jobs: {a: {steps: [apply], timeout: fast}}", r"jobs\.a\.timeout: .*number"),
        ("jobs: {a: {steps: [apply], retries: 99}}", "99"),
        ("jobs: {}", "jobs"),
        ("job: {}", r"did you mean 'jobs'.*'jobs' is missing|'jobs' is missing"),
        ("- a", "must be of type object"),
        ("jobs: {a: {steps: [apply], needs: [b]}}", "needs 'b', and there is no such job"),
        (
            "jobs: {a: {steps: [apply], needs: [b]}, b: {steps: [apply], needs: [a]}}",
            "in a circle: a, b",
        ),
        ("jobs: {a: {steps: [apply], needs: [a]}}", "in a circle: a"),
        ("jobs: {a: {steps: [apply], environment: prod}}", "no environment 'prod'"),
        (
            "jobs: {a: {steps: [apply]}}\nenvironments: {x: {path: ../../etc}}",
            "cannot be used here",
        ),
        ("a: 1\n---\nb: 1", "one document"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(text: str, told: str) -> None:
    with pytest.raises(PipelineError, match=told) as caught:
        parse(text.encode())
    assert caught.value.where == ".gitops-lab/pipeline.yaml"


@pytest.mark.parametrize("text", ["jobs: [", "a: &a [*a]", "jobs: !!python/object:x {}", ""])
def test_what_is_no_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(LabError):
        parse(text.encode())
