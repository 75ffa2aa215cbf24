"""`gitops-lab clone`: a clone of a sandbox's repository in which fetch and push work."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gitops_lab.cli.printing import runnable
from gitops_lab.errors import LabError, UsageError

AUTHORITIES = "GIT_SSL_CAINFO"
"""The variable that names the only certificates for Git to trust, before all configuration."""

PULL_REQUESTS = (
    # `git log origin/pull/1`, and `git log refs/forge/records`: what was decided, by whom.
    "remote.origin.fetch=+refs/pull/*/head:refs/remotes/origin/pull/*",
    "remote.origin.fetch=+refs/forge/*:refs/forge/*",
)


def add(commands: Any) -> None:
    """Add this command to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    clone = commands.add_parser(
        "clone",
        help="git clone the sandbox's repository, so that git fetch and git push work in it",
        description="Clone the sandbox's repository. The clone knows the sandbox's certificate and "
        "your token. Your own git configuration stays as it is. Example: gitops-lab clone shop "
        "--with-sample",
    )
    clone.add_argument("--name", default="default", help="which sandbox (default: default)")
    clone.add_argument("folder", nargs="?", default="app", help="(default: app)")
    clone.add_argument(
        "--with-sample",
        action="store_true",
        help="put a small application into it, ready for you to commit",
    )
    clone.add_argument(
        "--as",
        dest="account",
        default="learner",
        metavar="ACCOUNT",
        help="whose token it gets (default: learner; `gitops-lab pr accounts` lists all)",
    )
    clone.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """`gitops-lab clone`."""
    from gitops_lab.state import StateFolder

    found = StateFolder(options.name).description()
    program = shutil.which("git")
    if program is None:
        raise LabError("git is not installed on this machine", fix="install git 2.32 or later")
    folder = beside_a_checkout(Path(options.folder))
    url, settings = _account(found, options.account)
    given = [word for setting in settings for word in ("--config", setting)]
    # Git warns of an empty repository: this one is meant to be empty.
    command = ["git", "clone", "--quiet", *given, "--", url, str(folder)]
    environment = {name: text for name, text in os.environ.items() if name != AUTHORITIES}
    sys.stdout.flush()
    code = os.spawnve(os.P_WAIT, program, command, environment)
    if code:
        return code
    samples = add_sample(folder) if options.with_sample else []
    moved = folder != Path(options.folder)
    why = " (beside this checkout, so that Git does not mix the two)" if moved else ""
    sample = f", with a sample of {len(samples)} files" if samples else ""
    print(f"Cloned into {folder}{why}{sample}")
    _guide(folder, samples=bool(samples), name=options.name)
    return 0


def beside_a_checkout(folder: Path) -> Path:
    """Where to clone to: a folder inside another Git checkout would be mixed up with it.

    Args:
        folder: what the user asked for; an absolute path is taken as it is.

    Returns:
        The folder, or one of the same name beside the checkout that it would lie in.
    """
    if folder.is_absolute():
        return folder
    here = Path.cwd()
    checkout = next((each for each in (here, *here.parents) if (each / ".git").exists()), None)
    return folder if checkout is None else checkout.parent / folder


def add_sample(folder: Path) -> list[str]:
    """Copy the sample application into a clone; a file that is there stays as it is.

    Returns:
        The names of the files that were copied.
    """
    from gitops_lab.experiments.story import SHOP

    copied = []
    for path in sorted(SHOP.glob("*.yaml")):
        if not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
            copied.append(path.name)
    return copied


def _account(found: dict[str, Any], account: str) -> tuple[str, list[str]]:
    """The repository's address for an account, and what the clone's configuration must say.

    Raises:
        UsageError: there is no such account.
    """
    from gitops_lab.forge.people import PEOPLE

    url, configuration = found["git"], Path(found["git_configuration"])
    if account == "learner":
        return url, [f"include.path={configuration}", *PULL_REQUESTS]
    if account not in PEOPLE:
        raise UsageError(f"there is no account {account!r}", fix=f"accounts: {', '.join(PEOPLE)}")
    name, _, address = PEOPLE[account].author.partition(" <")
    configuration = configuration.parent / "people" / account / "gitconfig"
    person = [f"user.name={name}", f"user.email={address[:-1]}"]
    url = url.replace("//learner@", f"//{account}@")
    return url, [f"include.path={configuration}", *PULL_REQUESTS, *person]


def _guide(folder: Path, *, samples: bool, name: str) -> None:
    """What to type next."""
    unset = f"unset {AUTHORITIES}   # else git trusts no other certificate\n" if os.environ.get(
        AUTHORITIES
    ) else ""  # fmt: skip
    add = "" if samples else "# add manifests, and then\n"
    status = "gitops-lab status" + ("" if name == "default" else f" --name {name}")
    print(
        runnable(
            f"\ncd {folder}\n{unset}{add}git add . && git commit -m 'First deploy'\n"
            f"git push origin HEAD:main\n{status}"
        )
    )
