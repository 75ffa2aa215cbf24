"""The command line: `gitops-lab`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gitops_lab import __version__
from gitops_lab.cli import agent, argocd, experiment, flux, lab, live, pipeline, pr, render, secrets
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
        print(f"gitops-lab: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as interruption:
        print(
            f"gitops-lab: interrupted; {str(interruption) or 'nothing is left behind'}",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone: nobody wants the rest
        return 0
    except (OSError, ModuleNotFoundError) as error:
        print(f"gitops-lab: {of_machine(error)}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """What the command line understands. Commands import what they need when they run."""
    root = argparse.ArgumentParser(
        prog="gitops-lab",
        description="Learn, teach and demonstrate GitOps: push and pull deployers, side by side.",
    )
    root.add_argument("--version", action="version", version=f"gitops-lab {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)

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
            told = demo.run_live(setup, manifests=manifests, progress=progress.tell)
        else:
            seed = 1 if options.seed is None else options.seed
            told = demo.run(setup.arms, seed=seed, manifests=manifests, progress=progress.show)
        progress.show("drawing the picture")
        paths = told.write(options.output)
    if options.json:
        print(json.dumps(told.results, indent=2, ensure_ascii=False))
        return 0
    table.show(told.measurement)
    time = f"the clusters' time; {told.told['real']}" if is_live else "virtual time"
    print(f"Seconds of {time}. A dash is what did not come about while the step lasted.")
    if "push-on-schedule" not in told.arms and options.backend != "context":
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
