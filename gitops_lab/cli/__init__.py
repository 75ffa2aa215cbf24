"""The command line: `gitops-lab`."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from gitops_lab import __version__
from gitops_lab.cli import (
    agent,
    argocd,
    clone,
    experiment,
    flux,
    lab,
    live,
    logs,
    pipeline,
    pr,
    render,
    secrets,
)
from gitops_lab.cli.escape import escaped
from gitops_lab.cli.printing import runnable
from gitops_lab.errors import LabError, UsageError, of_machine
from gitops_lab.state import Setup

OUTPUT = Path("gitops-lab-demo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.

    0 is success, 1 a fault, 2 a wrong use, 130 an interruption (as shells count them).
    """
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LabError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt as interruption:
        _complain(f"interrupted; {str(interruption) or 'nothing is left behind'}")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has closed its end of the pipe
        return 0
    except (OSError, ModuleNotFoundError) as error:
        _complain(str(of_machine(error)))
        return 1


def _complain(text: str) -> None:
    print(f"gitops-lab: {escaped(runnable(text))}", file=sys.stderr)


FIRST = """
Begin with one of these:

  one story, told to two clusters: a table and a picture
      gitops-lab demo
  the first lab: your own git and kubectl, eight minutes
      gitops-lab lab start first-commit
  two live clusters and a repository, in the background
      gitops-lab up
  what this machine lacks, and what to do about it
      gitops-lab doctor

gitops-lab -h lists all commands."""


def run_first(_: argparse.Namespace) -> int:
    """`gitops-lab` alone."""
    print("gitops-lab: learn, teach and demonstrate GitOps.")
    print(runnable(FIRST))
    return 0


class Parser(argparse.ArgumentParser):
    """A parser that proposes the word that was meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and exit with 2."""
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if found:
            choices = re.findall(r"[\w+.-]+", found[2])
            near = difflib.get_close_matches(found[1], choices, n=1)
            proposal = f". Do you mean `{self.prog} {near[0]}`?" if near else ""
            message = f"there is no {found[1]!r} here{proposal}"
            message += "" if near else f". Choose from {', '.join(choices)}"
            self.exit(2, f"gitops-lab: {runnable(message)}\n")
        self.print_usage(sys.stderr)
        self.exit(2, f"gitops-lab: {message}\n")


def parser() -> argparse.ArgumentParser:
    """What the command line understands. Commands import what they need when they run."""
    root = Parser(
        prog="gitops-lab",
        description="Learn, teach and demonstrate GitOps: push and pull deployers, side by side.",
    )
    root.add_argument("--version", action="version", version=f"gitops-lab {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND")
    root.set_defaults(run=run_first)

    demo = commands.add_parser(
        "demo",
        help="one stream of commits, deployed by push and by pull: a table and a picture",
        description="Tell one story to several arms, and show where they part: in virtual time, or "
        "live with --backend.",
    )
    demo.add_argument(
        "--arms",
        default="",
        metavar="NAME,…",
        help="standard arms, comma-separated, or `all` (default: push-on-commit,pull+self-heal)",
    )
    demo.add_argument(
        "--manifests", type=Path, metavar="DIR", help="tell the story with this folder of manifests"
    )
    demo.add_argument("--seed", type=int, help="same seed, same bytes (default: 1); not live")
    demo.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help=f"(default: {OUTPUT}/)"
    )
    demo.add_argument("--json", action="store_true", help="print the results as JSON, and no table")
    live.add_backend(
        demo,
        "tell it live, on the wall's clock: on simulated clusters, on some made by kind for it, or "
        "on one that a context of your kubeconfig names",
    )
    demo.add_argument(
        "--pace",
        type=float,
        metavar="N",
        help="live, make it N times as short: intervals, delays, chapters, and time in simulated "
        "clusters (default: 10; 2 on real ones, which keep their time)",
    )
    demo.set_defaults(run=run_demo)
    lab.add(commands)
    live.add(commands)
    clone.add(commands)
    logs.add(commands)
    experiment.add(commands)
    render.add(commands)
    pr.add(commands)
    flux.add(commands)
    argocd.add(commands)
    pipeline.add(commands)
    secrets.add(commands)
    agent.add(commands)
    return root


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Unwind when told to end (SIGTERM) as after Ctrl-C, so that nothing is left behind."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_demo(options: argparse.Namespace) -> int:
    """`gitops-lab demo`."""
    from gitops_lab.experiments import demo, table
    from gitops_lab.experiments.story import SHOP
    from gitops_lab.sandbox import ARMS

    chosen = [name.strip() for name in options.arms.split(",") if name.strip()]
    arms = list(ARMS) if chosen == ["all"] else chosen
    manifests, is_live = options.manifests or SHOP, options.backend is not None
    setup = _world(options, arms)
    with ended_in_order(), table.Progress(quiet=options.json) as progress:
        if is_live:
            finished = demo.run_live(setup, manifests=manifests, progress=progress.line)
        else:
            seed = 1 if options.seed is None else options.seed
            finished = demo.run(setup.arms, seed=seed, manifests=manifests, progress=progress.show)
        progress.show("drawing the picture")
        paths = finished.write(options.output)
    if options.json:
        print(json.dumps(finished.results, indent=2, ensure_ascii=False))
        return 0
    table.show(finished.measurement)
    time = f"the clusters' time; {finished.settings['real']}" if is_live else "virtual time"
    print(f"Seconds of {time}. A dash is what did not come about while the step lasted.")
    if "push-on-schedule" not in finished.arms and options.backend != "context":
        print("Is it the direction or the loop that makes the difference? Try --arms all.")
    print("Open", ", ".join(str(path) for path in paths))
    return 0


def _world(options: argparse.Namespace, arms: Sequence[str]) -> Setup:
    """What the demo's world is made of.

    Raises:
        UsageError: options that do not go together.
    """
    from gitops_lab.sandbox import TWO

    if options.backend is None:
        others = ("pace", "agent", "node_image", "context", "namespace", "confirm_context")
        for name in others:
            if getattr(options, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} is about a story that is told live",
                    fix="say with --backend on which clusters",
                )
        return Setup(tuple(arms or TWO))
    if options.seed is not None:
        raise UsageError(
            "no seed decides what happens live",
            fix="leave out --seed, or --backend for virtual time",
        )
    speeds = options.backend == "simulated"
    pace = options.pace if options.pace is not None else 10.0 if speeds else 2.0
    said = live.wanted(options, arms=arms, **{"speed" if speeds else "pace": pace})
    return Setup(**{**said, "arms": tuple(said.get("arms", TWO))})
