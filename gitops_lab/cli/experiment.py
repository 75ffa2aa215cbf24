"""`gitops-lab experiment`: questions that a run in virtual time answers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

OUTPUT = Path("gitops-lab-experiments")


def add(commands: Any) -> None:
    """Add these commands to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    parser = commands.add_parser(
        "experiment",
        help="compare arms that differ in one dial: a table, a verdict, a picture",
        description="Compare ways of deploying that differ in one dial, in virtual time.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    lister = actions.add_parser("list", help="which experiments there are")
    lister.add_argument("--json", action="store_true", help="as JSON")
    lister.set_defaults(run=run_list)
    runner = actions.add_parser(
        "run",
        help="run some of them",
        epilog="example: gitops-lab experiment run extra-fields --arms pull+self-heal,flux",
    )
    runner.add_argument("names", nargs="*", metavar="NAME", help="see `gitops-lab experiment list`")
    runner.add_argument("--all", action="store_true", help="run all of them")
    runner.add_argument("--arms", default="", metavar="NAME,…", help="only these arms")
    runner.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: 1)")
    runner.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="N runs with N seeds: distributions"
    )
    runner.add_argument("--json", action="store_true", help="print the results as JSON")
    runner.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help=f"(default: {OUTPUT}/)"
    )
    runner.set_defaults(run=run_experiments)


def run_list(options: argparse.Namespace) -> int:
    """List them."""
    from gitops_lab.experiments.catalogue import EXPERIMENTS

    if options.json:
        found = {name: each.question for name, each in EXPERIMENTS.items()}
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    width = max(map(len, EXPERIMENTS))
    for name, experiment in EXPERIMENTS.items():
        print(f"{name:<{width}}  {experiment.question}")
    return 0


def run_experiments(options: argparse.Namespace) -> int:
    """Run some, and print and write what came out."""
    from gitops_lab.errors import UsageError
    from gitops_lab.experiments import findings_table
    from gitops_lab.experiments.catalogue import EXPERIMENTS, find
    from gitops_lab.experiments.experiment import run

    if bool(options.names) == options.all:
        raise UsageError("name experiments, or say --all", fix="see `gitops-lab experiment list`")
    if options.repeat < 1:
        raise UsageError("--repeat is at least 1")
    chosen = list(EXPERIMENTS.values()) if options.all else [find(n) for n in options.names]
    arms = [name.strip() for name in options.arms.split(",")]
    results = []
    for experiment in chosen:
        print(f"… {experiment.name}", file=sys.stderr)
        names = [name for name in arms if name]
        result = run(experiment, arms=names, seed=options.seed, repeat=options.repeat)
        paths = result.write(options.output)
        results.append(result.to_json())
        if not options.json:
            findings_table.show(result)
            print("Open", ", ".join(map(str, paths)), end="\n\n")
    if options.json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
    return 0
