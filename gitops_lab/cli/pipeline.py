"""The command `gitops-lab pipeline`: runs of a live sandbox, and pipeline files.

Runs are in the sandbox's repository; what a person asks for is left there, for the runner to take.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_lab.cli.escape import escaped
from gitops_lab.cli.pr import opened
from gitops_lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from gitops_lab.pipeline import Run, Runs

LOOK = 0.3
"""Time between two looks for new lines of a log, in seconds."""


def add(commands: Any) -> None:
    """Teach the command line these commands.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    group = commands.add_parser(
        "pipeline",
        help="runs of pipelines: list, logs, approve, cancel, rerun; check a pipeline file",
        description="Pipelines of a live sandbox. The arm `pipeline` runs what the repository "
        "describes in .gitops-lab/pipeline.yaml.",
    )
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str, *, number: bool = True) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        if number:
            parser.add_argument(
                "number", type=int, nargs="?", metavar="RUN", help="its number (default: newest)"
            )
        parser.add_argument(
            "--name", default="default", help="which sandbox (default: default)", metavar="NAME"
        )
        parser.set_defaults(run=run)
        return parser

    listed = command("list", run_list, "list the newest runs", number=False)
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="(default: 20)")
    listed.add_argument("--json", action="store_true", help="print it as JSON")
    shown = command("show", run_show, "show the jobs of a run")
    shown.add_argument("--json", action="store_true", help="print it as JSON")
    logs = command("logs", run_logs, "print the log of a run")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run is over")
    for action, text in (
        ("approve", "approve a job that waits for an approval"),
        ("cancel", "cancel a run"),
        ("rerun", "run a pipeline again for the same commit"),
    ):
        asked = command(action, run_request, text)
        asked.add_argument("--as", dest="account", default="learner", metavar="ACCOUNT",
                           help="who asks (default: learner)")  # fmt: skip
        asked.set_defaults(action=action)
        if action == "approve":
            asked.add_argument("--job", default="", help="which job (default: the one that waits)")
    images = command("images", run_images, "list the images that were built", number=False)
    images.add_argument("--json", action="store_true", help="print it as JSON")
    check = actions.add_parser("check", help="check a pipeline file, without running it")
    check.add_argument(
        "file", nargs="?", type=Path, default=Path(".gitops-lab/pipeline.yaml"),
        help="(default: .gitops-lab/pipeline.yaml)",
    )  # fmt: skip
    check.set_defaults(run=run_check)
    schema = actions.add_parser("schema", help="print the JSON schema of a pipeline file")
    schema.set_defaults(run=run_schema)


def run_list(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline list`."""
    with opened(options) as repository:
        runs = _runs(repository).all(limit=options.limit)
    if options.json:
        print(json.dumps([run.to_json() for run in runs], indent=2))
        return 0
    for run in runs:
        jobs = " ".join(f"{name}:{job.state}" for name, job in run.jobs.items())
        print(
            f"{run.number:>4} {run.state:<9} {_time(run.created)} {escaped(run.title):<28} {jobs}"
        )
    if not runs:
        print(
            "No pipeline has run yet. The arm `pipeline` runs them: gitops-lab up --arms pipeline"
        )
    return 0


def run_show(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline show`."""
    with opened(options) as repository:
        run = _chosen(_runs(repository), options.number)
    if options.json:
        print(json.dumps({**run.to_json(), "log": run.log}, indent=2))
        return 0
    for line in _lines(run, "" if options.name == "default" else f" --name {options.name}"):
        print(escaped(line))
    return 0


def run_logs(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline logs`."""
    with opened(options) as repository:
        runs = _runs(repository)
        run = _chosen(runs, options.number)
        shown = 0
        try:
            while True:
                for line in run.log[shown:]:
                    print(escaped(line), flush=True)
                shown = len(run.log)
                if not options.follow or run.is_over:
                    break
                if run.state == "waiting":
                    print("A job waits for an approval; see gitops-lab pipeline show")
                    break
                time.sleep(LOOK)
                run = runs.get(run.number)
        except KeyboardInterrupt:  # how people stop following
            return 130
    if not shown:
        print(f"Run {run.number} is {run.state}; it has no log yet.")
    return 0


def run_request(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline approve`, `cancel` and `rerun`."""
    with opened(options) as repository:
        runs = _runs(repository)
        run = _chosen(runs, options.number)
        job = getattr(options, "job", "")
        runs.request(run.number, options.action, by=options.account, job=job)
    print(f"Asked to {options.action} run {run.number} ({escaped(run.title)}).")
    return 0


def run_images(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline images`."""
    from gitops_lab.pipeline.registry import Registry

    with opened(options) as repository:
        registry = Registry(repository.records)
        found = {image: registry.tags(image) for image in registry.images()}
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for image, tags in found.items():
        for tag, digest in tags.items():
            print(f"{image}:{tag:<20} {digest}")
    if not found:
        print("No image was built yet: a `build` step of a pipeline does.")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline check`."""
    from gitops_lab.pipeline import parse

    if not options.file.is_file():
        raise UsageError("there is no such file", where=str(options.file), fix="name another")
    if options.file.stat().st_size > 1 << 20:
        raise LabError("a pipeline file has 1 MiB at most", where=str(options.file))
    pipeline = parse(options.file.read_bytes(), str(options.file))
    for job in pipeline.jobs.values():
        steps = ", ".join(step.action for step in job.steps)
        after = f" after {', '.join(job.needs)}" if job.needs else ""
        gate = ", waits for an approval" if job.approval else ""
        print(escaped(f"{job.name}: at {' and '.join(job.events)}{after}{gate}: {steps}"))
    return 0


def run_schema(options: argparse.Namespace) -> int:
    """`gitops-lab pipeline schema`."""
    from gitops_lab.pipeline import SCHEMA

    print(json.dumps(SCHEMA, indent=2))
    return 0


def _runs(repository: Any) -> Runs:
    from gitops_lab.pipeline import Runs

    return Runs(repository.records)


def _chosen(runs: Runs, number: int | None) -> Run:
    return runs.get(number if number is not None else runs.last())


def _lines(run: Run, name: str) -> Iterator[str]:
    """A run for people."""
    yield f"Run {run.number}: {run.state}, {run.event} of {run.title}, {_time(run.created)}"
    if run.why:
        yield f"  {run.why}"
    for job_name, job in run.jobs.items():
        took = f" in {job.ended - job.started:.0f} s" if job.started and job.ended else ""
        at = f" at {job.step}" if job.state in ("running", "failure") and job.step else ""
        attempt = f", attempt {job.attempt}" if job.attempt > 1 else ""
        by = f", approved by {job.approved_by}" if job.approved_by else ""
        why = f": {job.why}" if job.why else ""
        yield f"  {job_name:<16} {job.state}{at}{took}{attempt}{by}{why}"
        if job.state == "waiting":
            command = f"gitops-lab pipeline approve{name} {run.number} --job {job_name}"
            yield f"  {'':<16} {command}"
    for artifact, value in run.artifacts.items():
        shown = value if "\n" not in value else f"{len(value.splitlines())} lines"
        yield f"  artifact {artifact}: {shown}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
