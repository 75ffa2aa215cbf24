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
from gitops_lab.cli import agent, live
from gitops_lab.errors import LabError, of_machine

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
        description="Tell one story to several arms in virtual time, and show where they part.",
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
    demo.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: 1)")
    demo.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help=f"(default: {OUTPUT}/)"
    )
    demo.add_argument("--json", action="store_true", help="print the results as JSON, and no table")
    demo.set_defaults(run=run_demo)
    live.add(commands)
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
    arms = list(ARMS) if chosen == ["all"] else chosen or list(demo.TWO)
    with ended_in_order(), table.Progress(quiet=options.json) as progress:
        told = demo.run(
            arms, seed=options.seed, manifests=options.manifests or SHOP, progress=progress.show
        )
        progress.show("drawing the picture")
        paths = told.write(options.output)
    if options.json:
        print(json.dumps(told.results, indent=2, ensure_ascii=False))
        return 0
    table.show(told.measurement)
    print("Seconds of virtual time; a dash is what did not come about while the step lasted.")
    if "push-on-schedule" not in arms:
        print("Is it the direction or the loop that makes the difference? Try --arms all.")
    print("Open", ", ".join(str(path) for path in paths))
    return 0
