"""The command `gitops-lab secrets`: who holds which secret, CI's own, and plain ones in Git."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from gitops_lab.cli.escape import escaped
from gitops_lab.cli.pr import opened
from gitops_lab.errors import UsageError


def add(commands: Any) -> None:
    """Teach the command line these commands.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    group = commands.add_parser(
        "secrets",
        help="who holds which secret, able to do what; CI's own; plain ones in Git",
        description="The secrets of a live sandbox. Values are never printed.",
    )
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        parser.add_argument(
            "--name", default="default", help="which sandbox (default: default)", metavar="NAME"
        )
        parser.set_defaults(run=run)
        return parser

    listed = command("list", run_list, "list who holds which secret, where, able to do what")
    listed.add_argument("--json", action="store_true", help="print it as JSON")
    for name, run, text in (
        ("set", run_set, "give CI a secret, read from standard input"),
        ("remove", run_remove, "take a secret from CI"),
    ):
        parser = command(name, run, text)
        parser.add_argument("secret", metavar="SECRET", help="what jobs call it")
        parser.add_argument("--arm", default="", help="whose CI (default: all that run pipelines)")
        parser.add_argument(
            "--as", dest="account", default="learner", metavar="ACCOUNT", help="(default: learner)"
        )
    scanned = command("scan", run_scan, "look for plain secrets in Git, and in all of its history")
    scanned.add_argument("--json", action="store_true", help="print it as JSON")


def run_list(options: argparse.Namespace) -> int:
    """`gitops-lab secrets list`."""
    rows = _folder(options).ask("secrets")
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(escaped(f"{row['name']:<28} {row['holder']:<30} {row['where']:<24} {row['able']}"))
    return 0


def run_set(options: argparse.Namespace) -> int:
    """`gitops-lab secrets set`."""
    if sys.stdin.isatty():
        value = getpass.getpass(f"Value of {options.secret}: ")
    else:
        value = sys.stdin.read().rstrip("\n")
    if not value:
        raise UsageError(
            "the value is empty", fix=f"printf VALUE | gitops-lab secrets set {options.secret}"
        )
    _give(options, value)
    print(f"CI has the secret {options.secret} for the jobs that name it.")
    return 0


def run_remove(options: argparse.Namespace) -> int:
    """`gitops-lab secrets remove`."""
    _give(options, "")
    print(f"CI has no secret {options.secret} any more.")
    return 0


def run_scan(options: argparse.Namespace) -> int:
    """`gitops-lab secrets scan`: the exit code is 1 if there are any."""
    from gitops_lab.forge.scanner import scan

    with opened(options) as repository:
        found = scan(repository)
    if options.json:
        print(json.dumps([vars(each) for each in found], indent=2))
    else:
        for each in found:
            print(escaped(each))
        if not found:
            print("No plain secret found in the history of any branch.")
    return 1 if found else 0


def _give(options: argparse.Namespace, value: str) -> None:
    _folder(options).ask(
        "set_secret", secret=options.secret, value=value, by=options.account, arm=options.arm
    )


def _folder(options: argparse.Namespace) -> Any:
    from gitops_lab.state import StateFolder

    return StateFolder(options.name)
