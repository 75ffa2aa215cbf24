"""The command `gitops-lab pr`: pull requests of a live sandbox.

It reads and writes the sandbox's repository itself: all that a pull request is, is in Git.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gitops_lab.cli.escape import escaped
from gitops_lab.errors import ForgeError, UsageError

if TYPE_CHECKING:
    from gitops_lab.forge import PullRequest, Repository

MARKS = {"success": "ok", "failure": "FAILED", "error": "ERROR", "pending": "..."}


def add(commands: Any) -> None:
    """Teach the command line these commands.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    group = commands.add_parser(
        "pr",
        help="pull requests: open, review, merge, revert; protected branches",
        description="Pull requests of a live sandbox. They live in its Git repository: "
        "`git fetch origin pull/1/head` brings the commits of one.",
    )
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str, *, number: bool = True) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        if number:
            parser.add_argument("number", type=int, metavar="NUMBER", help="its number")
        parser.add_argument(
            "--name", default="default", help="which sandbox (default: default)", metavar="NAME"
        )
        parser.add_argument("--json", action="store_true", help="print it as JSON")
        parser.set_defaults(run=run)
        return parser

    def acting(name: str, run: Any, text: str, *, number: bool = True) -> argparse.ArgumentParser:
        parser = command(name, run, text, number=number)
        parser.add_argument(
            "--as",
            dest="account",
            default="learner",
            metavar="ACCOUNT",
            help="who does it (default: learner; `gitops-lab pr accounts` lists all)",
        )
        return parser

    made = acting("open", run_open, "open a pull request from a branch", number=False)
    made.add_argument(
        "branch", nargs="?", default="", help="(default: the branch of the clone that you are in)"
    )
    made.add_argument("--title", default="", help="(default: the subject of its newest commit)")
    made.add_argument("-m", "--message", default="", metavar="TEXT", help="why, in more words")
    made.add_argument("--target", default="", metavar="BRANCH", help="(default: main)")
    listed = command("list", run_list, "list the open pull requests", number=False)
    listed.add_argument("--all", action="store_true", help="the merged and closed ones, too")
    command("show", run_show, "show a pull request, and what it waits for")
    command("diff", run_diff, "show what a pull request changes in Git")
    review = acting("review", run_review, "review a pull request")
    verdict = review.add_mutually_exclusive_group(required=True)
    for name, word in (("approve", "approve"), ("request-changes", "refuse"), ("comment", "say")):
        verdict.add_argument(
            f"--{name}", dest="verdict", action="store_const", const=name, help=word
        )
    review.add_argument("-m", "--message", default="", metavar="TEXT", help="why")
    comment = acting("comment", run_comment, "comment on a pull request")
    comment.add_argument("-m", "--message", required=True, metavar="TEXT")
    merge = acting("merge", run_merge, "merge a pull request, if it meets the rules of its target")
    how = merge.add_mutually_exclusive_group()
    for method, text in (
        ("merge", "with a merge commit (default)"),
        ("squash", "as one commit"),
        ("rebase", "its commits one by one, without a merge commit"),
    ):
        how.add_argument(
            f"--{method}", dest="method", action="store_const", const=method, help=text
        )
    acting("close", run_close, "close a pull request without a merge")
    acting("revert", run_revert, "open a pull request that undoes a merged one")
    protect = acting("protect", run_protect, "protect a branch, or show the rules", number=False)
    protect.add_argument("branch", nargs="?", default="", help="its name; `*` is any text")
    protect.add_argument("--approvals", type=int, default=0, metavar="N", help="how many it takes")
    protect.add_argument(
        "--check", action="append", default=[], metavar="CONTEXT", help="must report success"
    )
    protect.add_argument("--code-owners", action="store_true", help="CODEOWNERS must approve")
    protect.add_argument(
        "--up-to-date", action="store_true", help="must have the branch's newest commit"
    )
    protect.add_argument(
        "--direct", action="append", default=[], metavar="ACCOUNT", help="may push all the same"
    )
    protect.add_argument("--off", action="store_true", help="take the protection away")
    status = acting("status", run_status, "report a commit status", number=False)
    status.add_argument("commit", help="a commit or a branch")
    status.add_argument("context", help="who says it, such as `manual/check`")
    status.add_argument("state", choices=["pending", "success", "failure", "error"])
    status.add_argument("-m", "--message", default="", metavar="TEXT", help="in one sentence")
    log = command("log", run_log, "list commits with their statuses and approvals", number=False)
    log.add_argument("branch", nargs="?", default="", help="(default: main)")
    log.add_argument("--limit", type=int, default=20, metavar="N", help="(default: 20)")
    command("accounts", run_accounts, "list the accounts, and what each may do", number=False)


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Repository]:
    """The repository of the sandbox that the options name; the sandbox runs."""
    from gitops_lab.forge import Repository
    from gitops_lab.state import StateFolder

    folder = StateFolder(options.name)
    found = folder.description()
    ahead = _lead(folder.path / "lead")
    path = Path(unquote(urlsplit(found["git_folder"]).path))
    repository = Repository(path, now=lambda: time.time() + ahead)
    try:
        yield repository
    finally:
        repository.close()


def run_open(options: argparse.Namespace) -> int:
    """`gitops-lab pr open`."""
    with opened(options) as repository:
        pull = repository.pulls.open(
            options.branch or _current_branch(),
            options.title,
            by=options.account,
            target=options.target,
            description=options.message,
        )
        if not options.json:
            print(f"Opened #{pull.number}: {escaped(pull.title)}")
        return _show(options, repository, pull.number)


def run_list(options: argparse.Namespace) -> int:
    """`gitops-lab pr list`."""
    with opened(options) as repository:
        pulls = repository.pulls.all(closed=options.all)
        if options.json:
            print(json.dumps([as_json(repository, pull) for pull in pulls], indent=2))
            return 0
        if not pulls:
            print("There is no open pull request. To open one, push a branch of a clone, then:")
            print(f"  gitops-lab pr open{_named(options)} BRANCH")
        for pull in pulls:
            way = f"{pull.source} → {pull.target}"
            title = escaped(pull.title)
            print(f"#{pull.number:<4} {pull.state:<7} {pull.author:<8} {escaped(way):<28} {title}")
    return 0


def run_show(options: argparse.Namespace) -> int:
    """`gitops-lab pr show`."""
    with opened(options) as repository:
        return _show(options, repository, options.number)


def run_diff(options: argparse.Namespace) -> int:
    """`gitops-lab pr diff`."""
    with opened(options) as repository:
        text = repository.pulls.diff(options.number)
        if options.json:
            print(json.dumps({"number": options.number, "diff": text}))
        else:
            print(escaped(text), end="")
    return 0


def run_review(options: argparse.Namespace) -> int:
    """`gitops-lab pr review`."""
    with opened(options) as repository:
        repository.pulls.review(
            options.number, options.verdict, options.message, by=options.account
        )
        return _show(options, repository, options.number)


def run_comment(options: argparse.Namespace) -> int:
    """`gitops-lab pr comment`."""
    with opened(options) as repository:
        repository.pulls.comment(options.number, options.message, by=options.account)
        return _show(options, repository, options.number)


def run_merge(options: argparse.Namespace) -> int:
    """`gitops-lab pr merge`."""
    with opened(options) as repository:
        pull = repository.pulls.merge(
            options.number, by=options.account, method=options.method or "merge"
        )
        assert pull.merge is not None
        if not options.json:
            print(f"Merged #{pull.number} to {pull.target} as {pull.merge.commit[:7]}.")
            print(f"To watch it arrive: gitops-lab status{_named(options)}")
            return 0
        return _show(options, repository, options.number)


def run_close(options: argparse.Namespace) -> int:
    """`gitops-lab pr close`."""
    with opened(options) as repository:
        repository.pulls.close(options.number, by=options.account)
        return _show(options, repository, options.number)


def run_revert(options: argparse.Namespace) -> int:
    """`gitops-lab pr revert`."""
    with opened(options) as repository:
        pull = repository.pulls.revert(options.number, by=options.account)
        return _show(options, repository, pull.number)


def run_protect(options: argparse.Namespace) -> int:
    """`gitops-lab pr protect`."""
    from gitops_lab.forge import Rule

    with opened(options) as repository:
        protection = repository.protection
        if options.off and options.branch:
            protection.unprotect(options.branch, by=options.account)
        elif options.branch:
            rule = Rule(
                options.branch,
                options.approvals,
                _words(options.check),
                options.code_owners,
                options.up_to_date,
                _words(options.direct),
            )
            protection.protect(rule, by=options.account)
        elif options.off or options.approvals or options.check or options.code_owners:
            raise UsageError("which branch?", fix="name it: gitops-lab pr protect main …")
        if options.json:
            print(json.dumps([vars(rule) for rule in protection.rules], indent=2))
            return 0
        for rule in protection.rules:
            print(rule)
        if not protection.rules:
            print("No branch is protected. To protect one:")
            print(f"  gitops-lab pr protect{_named(options)} main --approvals 1")
    return 0


def run_status(options: argparse.Namespace) -> int:
    """`gitops-lab pr status`."""
    from gitops_lab.forge.people import require

    require(options.account, "status", "report statuses")
    with opened(options) as repository:
        commit = repository.resolve(options.commit)
        repository.statuses.set(
            commit, options.context, options.state, options.message, by=options.account
        )
        statuses = repository.statuses.of(commit)
        if options.json:
            print(json.dumps([vars(status) for status in statuses], indent=2))
            return 0
        for line in _statuses(statuses):
            print(line)
    return 0


def run_log(options: argparse.Namespace) -> int:
    """`gitops-lab pr log`."""
    from gitops_lab.forge.statuses import combined

    with opened(options) as repository:
        merged = {
            pull.merge.commit: pull
            for pull in repository.pulls.all(closed=True)
            if pull.merge is not None
        }
        rows: list[dict[str, Any]] = []
        for commit in repository.log(options.branch, limit=options.limit):
            statuses = repository.statuses.of(commit.revision.commit)
            pull = merged.get(commit.revision.commit)
            rows.append(
                {
                    "commit": commit.revision.commit,
                    "author": commit.author,
                    "subject": commit.message.partition("\n")[0],
                    "pull_request": pull.number if pull else None,
                    "approved_by": sorted(pull.approvals) if pull else [],
                    "state": combined(statuses),
                    "statuses": [vars(status) for status in statuses],
                }
            )
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        mark = MARKS.get(str(row["state"]), "-")
        by = f"#{row['pull_request']}" if row["pull_request"] else ""
        approved = f" (approved by {', '.join(row['approved_by'])})" if row["approved_by"] else ""
        print(f"{row['commit'][:7]} {mark:<7} {by:<5} {escaped(row['subject'])}{approved}")
    return 0


def run_accounts(options: argparse.Namespace) -> int:
    """`gitops-lab pr accounts`."""
    from gitops_lab.forge.people import PEOPLE, RIGHTS

    rows: list[dict[str, Any]] = [
        {"account": p.account, "role": p.role, "name": p.full_name, "may": sorted(RIGHTS[p.role])}
        for p in PEOPLE.values()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['account']:<9} {row['role']:<9} {row['name']:<15} may {', '.join(row['may'])}")
    print(f"To push as one of them: gitops-lab clone{_named(options)} --as alex FOLDER")
    return 0


# -- how it is shown -------------------------------------------------------------------------------


def as_json(repository: Repository, pull: PullRequest) -> dict[str, Any]:
    """A pull request as JSON values, with what it waits for."""
    return {
        **pull.to_json(),
        "approvals": sorted(pull.approvals),
        "obstacles": list(repository.pulls.obstacles(pull.number)),
        "statuses": [vars(status) for status in repository.statuses.of(pull.head)],
    }


def _show(options: argparse.Namespace, repository: Repository, number: int) -> int:
    pull = repository.pulls.get(number)
    if options.json:
        print(json.dumps(as_json(repository, pull), indent=2))
        return 0
    for line in _lines(repository, pull, _named(options)):
        print(escaped(line))
    return 0


def _lines(repository: Repository, pull: PullRequest, name: str) -> Iterator[str]:
    """A pull request for people."""
    yield f"#{pull.number} {pull.title} ({pull.state})"
    yield f"{pull.author} asks to merge {pull.source} into {pull.target}, at {pull.head[:7]}"
    if pull.merge is not None:
        merge = pull.merge
        yield f"Merged by {merge.by} ({merge.method}) as {merge.commit[:7]}, {_time(merge.at)}"
    if pull.description:
        yield from ("", pull.description)
    if pull.reviews:
        yield from ("", "Reviews")
    for review in pull.reviews:
        stale = "" if review.commit == pull.head else f" (of {review.commit[:7]}: stale)"
        why = f": {review.text}" if review.text else ""
        yield f"  {review.by:<8} {review.verdict}{stale}{why}"
    statuses = repository.statuses.of(pull.head)
    if statuses:
        yield from ("", "Checks", *(f"  {line}" for line in _statuses(statuses)))
    for comment in pull.comments:
        yield from ("", f"{comment.by}, {_time(comment.at)}:")
        yield from (f"  {line}" for line in comment.text.splitlines())
    obstacles = repository.pulls.obstacles(pull.number)
    if pull.state == "open" and obstacles:
        yield from ("", "It waits for", *(f"  - {each}" for each in obstacles))
        yield f"To approve: gitops-lab pr review{name} {pull.number} --approve --as rosa"
    elif pull.state == "open":
        yield from ("", f"It can be merged: gitops-lab pr merge{name} {pull.number}")


def _statuses(statuses: Any) -> list[str]:
    return [
        f"{MARKS[status.state]:<7} {status.context}"
        + (f": {status.description}" if status.description else "")
        for status in statuses
    ]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _named(options: argparse.Namespace) -> str:
    return "" if options.name == "default" else f" --name {options.name}"


def _words(values: list[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in value.split(",") if word)


def _current_branch() -> str:
    """The branch of the clone that this runs in."""
    from gitops_lab.forge.command import git

    try:
        return git("symbolic-ref", "--short", "HEAD", cwd=Path.cwd()).strip()
    except ForgeError:
        raise UsageError(
            "which branch?", fix="name it, or run this in a clone that is on a branch"
        ) from None


def _lead(path: Path) -> float:
    """How far the sandbox's clock is ahead of this machine's, in seconds."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0
