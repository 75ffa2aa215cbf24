"""The command line of `argocd`: its commands and options, as far as they are simulated.

Source: Argo CD 3.5, `docs/user-guide/commands`.
"""

from __future__ import annotations

import argparse


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add `app`, `proj`, `appset` and `cluster` with their own commands."""
    groups = parser.add_subparsers(dest="group", metavar="GROUP", required=True)
    _app(groups.add_parser("app", help="Applications"))
    _proj(groups.add_parser("proj", help="projects"))
    _appset(groups.add_parser("appset", help="ApplicationSets"))
    cluster = groups.add_parser("cluster", help="clusters that Applications can go to")
    cluster.add_subparsers(dest="command", required=True).add_parser("list", help="list them")


def _app(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, help: str, *, named: bool = True) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=help, description=help)
        if named:
            found.add_argument("name", metavar="APPNAME")
        return found

    listed = command("list", "list Applications", named=False)
    listed.add_argument("-o", "--output", choices=("wide", "name", "yaml", "json"), default="")
    listed.add_argument("-p", "--project", default="", help="only those of this project")
    got = command("get", "show an Application and its objects")
    got.add_argument("-o", "--output", choices=("tree", "yaml", "json"), default="")
    got.add_argument("--refresh", action="store_true", help="compare with what Git says now first")
    got.add_argument("--hard-refresh", action="store_true", help="and render everything again")
    diff = command("diff", "compare live with desired state, object by object")
    diff.add_argument("--revision", default="", help="compare with this revision")
    diff.add_argument("--refresh", action="store_true")
    diff.add_argument(
        "--exit-code", choices=("true", "false"), default="true", help="1 if there are differences"
    )
    _sync(command("sync", "bring live state to desired state"))
    wait = command("wait", "wait until an Application is synced and healthy")
    wait.add_argument("--timeout", type=float, default=0, help="give up after so many seconds")
    for name in ("sync", "health", "operation"):
        wait.add_argument(f"--{name}", action="store_true", help=f"wait for {name} only")
    command("history", "list what was deployed")
    rollback = command("rollback", "go back to an entry of the history")
    rollback.add_argument(
        "id", type=int, nargs="?", default=-1, metavar="ID", help="(default: the last but one)"
    )
    rollback.add_argument("--prune", action="store_true")
    rollback.add_argument("--timeout", type=float, default=0)
    resources = command("resources", "list the objects of an Application")
    resources.add_argument("--orphaned", action="store_true", help="only those of no Application")
    deleted = command("delete", "delete an Application and what it manages")
    deleted.add_argument("--cascade", choices=("true", "false"), default="true")
    deleted.add_argument(
        "-p", "--propagation-policy", choices=("foreground", "background"), default="foreground"
    )
    deleted.add_argument("-y", "--yes", action="store_true", help="do not ask")
    manifests = command("manifests", "print the objects of an Application")
    manifests.add_argument("--source", choices=("git", "live"), default="git")
    manifests.add_argument("--revision", default="")
    command("terminate-op", "end the operation that runs")
    created = command("create", "create an Application")
    created.add_argument("--upsert", action="store_true", help="replace one of that name")
    _spec(created)
    _spec(command("set", "change an Application"))


def _sync(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--revision", default="", help="sync to this revision")
    parser.add_argument("--prune", action="store_true", help="delete what Git does not have")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--force", action="store_true", help="delete and create what cannot change")
    parser.add_argument("--strategy", choices=("hook", "apply"), default="hook")
    parser.add_argument(
        "--resource", action="append", default=[], metavar="GROUP:KIND:NAME", help="only this one"
    )
    parser.add_argument("--sync-option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--retry-limit", type=int, default=None)
    parser.add_argument("--async", dest="asynchronous", action="store_true", help="do not wait")
    parser.add_argument("--timeout", type=float, default=0)


def _spec(parser: argparse.ArgumentParser) -> None:
    for name in ("repo", "path", "revision", "dest-server", "dest-name", "dest-namespace"):
        parser.add_argument(f"--{name}", default=None)
    parser.add_argument("--project", default=None)
    parser.add_argument("--directory-recurse", action="store_true", default=None)
    parser.add_argument("--sync-policy", choices=("none", "manual", "automated", "auto"))
    parser.add_argument("--auto-prune", action="store_true", default=None)
    parser.add_argument("--self-heal", action="store_true", default=None)
    parser.add_argument("--allow-empty", action="store_true", default=None)
    parser.add_argument("--sync-option", action="append", default=None, metavar="NAME=VALUE")
    parser.add_argument("--sync-retry-limit", type=int, default=None)


def _proj(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("list", help="list projects")
    commands.add_parser("get", help="show a project").add_argument("name", metavar="PROJECT")
    windows = commands.add_parser("windows", help="sync windows of a project")
    listed = windows.add_subparsers(dest="window_command", required=True)
    listed.add_parser("list", help="list them").add_argument("name", metavar="PROJECT")


def _appset(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("list", help="list ApplicationSets")
    got = commands.add_parser("get", help="show an ApplicationSet")
    got.add_argument("name", metavar="APPSETNAME")
