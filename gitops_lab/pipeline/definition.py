"""A pipeline as the repository describes it: jobs, what they wait for, and the steps they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.errors import PipelineError
from gitops_lab.pipeline.schema import check

PATH = ".gitops-lab/pipeline.yaml"
"""Where a repository describes its pipeline."""

DEFAULT = """\
jobs:
  deploy:
    when: push
    concurrency: deploy
    steps:
    - apply
    - rollout-status
"""
"""The pipeline of a repository that describes none: what the push deployer does."""

LONGEST = 600.0
"""How long a job may take that does not say so itself, in seconds."""


@dataclass(frozen=True)
class Step:
    """One action of a job.

    Args:
        action: what to do, one of `schema.ACTIONS`.
        options: how.
    """

    action: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Environment:
    """Where a job deploys to.

    Args:
        name: what it is called; empty for the place of a pipeline without environments.
        path: the folder with its manifests; empty for the repository's root.
        namespace: where objects go that do not say so themselves; the policy's if empty.
        cluster: the arm whose cluster it is; the runner's own if empty.
        approvers: the accounts that may approve; every reviewer if empty.
    """

    name: str = ""
    path: str = ""
    namespace: str = ""
    cluster: str = ""
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """A row of steps that one runner takes.

    Args:
        name: its name, and the context of its commit status.
        steps: what it does, in order.
        events: what sets it off: `push`, `pull_request`.
        branches: patterns of the branch pushed to, or of the pull request's target; all if empty.
        needs: the jobs that must have succeeded before.
        environment: where it deploys to.
        approval: whether a person must approve before it starts.
        group: jobs of one group never run at once; no group if empty.
        cancel: whether a newer job of the group ends the older one.
        timeout: how long it may take, in seconds.
        retries: further attempts after a failure.
        secrets: the names of the secrets that it needs.
        on_failure: steps to take after one failed.
    """

    name: str
    steps: tuple[Step, ...]
    events: tuple[str, ...] = ("push", "pull_request")
    branches: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    environment: Environment = field(default_factory=Environment)
    approval: bool = False
    group: str = ""
    cancel: bool = False
    timeout: float = LONGEST
    retries: int = 0
    secrets: tuple[str, ...] = ()
    on_failure: tuple[Step, ...] = ()

    def is_for(self, event: str, branch: str) -> bool:
        """Whether an event sets it off.

        Args:
            event: `push` or `pull_request`.
            branch: the branch pushed to, or the pull request's target.
        """
        fits = any(fnmatchcase(branch, pattern) for pattern in self.branches)
        return event in self.events and (not self.branches or fits)


@dataclass(frozen=True)
class Pipeline:
    """The jobs of a pipeline, each after those it needs, and the environments.

    Args:
        jobs: by name.
        environments: by name.
    """

    jobs: Mapping[str, Job]
    environments: Mapping[str, Environment]

    def chosen(self, event: str, branch: str) -> tuple[Job, ...]:
        """The jobs that an event sets off. What needs a job that is left out is left out, too."""
        names: set[str] = set()
        found = []
        for job in self.jobs.values():
            if job.is_for(event, branch) and names.issuperset(job.needs):
                names.add(job.name)
                found.append(job)
        return tuple(found)


def parse(content: bytes, where: str = PATH) -> Pipeline:
    """The pipeline that a file describes.

    Args:
        content: of the file.
        where: its path, for errors.

    Raises:
        PipelineError: it is not YAML, not a pipeline, or its jobs need each other in a circle.
    """
    documents = read(content, where)
    if len(documents) != 1:
        raise PipelineError("a pipeline file holds one document", where=where, fix="keep one")
    raw = documents[0].value
    check(raw, where)
    environments = {
        name: Environment(
            name, each.get("path", ""), each.get("namespace", ""), each.get("cluster", ""),
            tuple(each.get("approvers", ())),
        )
        for name, each in (raw.get("environments") or {}).items()
    }  # fmt: skip
    jobs = {name: _job(name, each, environments, where) for name, each in raw["jobs"].items()}
    return Pipeline(_ordered(jobs, where), environments)


def _job(
    name: str, raw: Mapping[str, Any], environments: Mapping[str, Environment], where: str
) -> Job:
    place = raw.get("environment", "")
    if place and place not in environments:
        there = ", ".join(environments) or "none"
        raise PipelineError(
            f"jobs.{name}: there is no environment {place!r}",
            where=where,
            fix=f"environments: {there}",
        )
    events, concurrency = raw.get("when", ["push", "pull_request"]), raw.get("concurrency", "")
    grouped = concurrency if isinstance(concurrency, dict) else {"group": concurrency}
    return Job(
        name=name,
        steps=_steps(raw["steps"]),
        events=(events,) if isinstance(events, str) else tuple(events),
        branches=tuple(raw.get("branches", ())),
        needs=tuple(raw.get("needs", ())),
        environment=environments[place] if place else Environment(),
        approval=raw.get("approval", False),
        group=grouped["group"],
        cancel=grouped.get("cancel-in-progress", False),
        timeout=float(raw.get("timeout", LONGEST)),
        retries=raw.get("retries", 0),
        secrets=tuple(raw.get("secrets", ())),
        on_failure=_steps(raw.get("on-failure", ())),
    )


def _steps(raw: Any) -> tuple[Step, ...]:
    return tuple(
        Step(each) if isinstance(each, str) else Step(*next(iter(each.items()))) for each in raw
    )


def _ordered(jobs: Mapping[str, Job], where: str) -> dict[str, Job]:
    """The jobs, each after those it needs."""
    for job in jobs.values():
        for need in job.needs:
            if need not in jobs:
                raise PipelineError(
                    f"jobs.{job.name} needs {need!r}, and there is no such job",
                    where=where,
                    fix=f"jobs: {', '.join(jobs)}",
                )
    ordered: dict[str, Job] = {}
    while len(ordered) < len(jobs):
        ready = [j for j in jobs.values() if j.name not in ordered and {*j.needs} <= {*ordered}]
        if not ready:
            left = ", ".join(name for name in jobs if name not in ordered)
            raise PipelineError(
                f"these jobs need each other in a circle: {left}",
                where=where,
                fix="take one of their needs away",
            )
        ordered |= {job.name: job for job in ready}
    return ordered
