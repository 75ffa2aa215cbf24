"""The `git` command, run so that the same input gives the same commits on every machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gitops_lab.errors import ForgeError

MINIMUM = (2, 32)
"""The first version of Git that can leave the user's configuration aside."""

_GET_GIT = "install git 2.32 or later (https://git-scm.com/downloads) and see that it is in PATH"


class GitFailed(ForgeError):
    """Git was started and gave up.

    Args:
        subcommand: what was asked of it, such as `push`.
        output: what it wrote to standard error.
    """

    def __init__(self, subcommand: str, output: str) -> None:
        self.output = output
        lines = [line for line in output.splitlines() if not line.startswith("hint:")]
        super().__init__(f"git {subcommand} failed: {' '.join(' '.join(lines).split())}")


def environment() -> dict[str, str]:
    """The variables that Git runs with: nobody's configuration and no surrounding repository."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **inherited,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        # What repositories are made of. Later versions of Git may have other defaults.
        "GIT_DEFAULT_HASH": "sha1",
        "GIT_DEFAULT_REF_FORMAT": "files",
        # What is deployed is what a clone shows: `refs/replace` could put other files in its place.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


@contextmanager
def without_surroundings() -> Iterator[None]:
    """Hide Git's variables from code in this process that reads them, as GitPython does.

    They are set where Git itself started this process: in a hook, for instance.
    """
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("GIT_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


def git(
    *arguments: str,
    cwd: Path | None = None,
    stdin: bytes = b"",
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run a Git command and give back what it printed.

    Args:
        arguments: the subcommand and its arguments.
        cwd: the folder to run it in.
        stdin: what it reads from standard input.
        variables: environment variables beside those of `environment`.

    Raises:
        ForgeError: git is not installed.
        GitFailed: git gave up.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            input=stdin,
            env={**environment(), **(variables or {})},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise ForgeError(
                "the repository's folder is gone", where=str(cwd), fix="create it again"
            ) from error
        raise ForgeError("git is not installed on this machine", fix=_GET_GIT) from error
    if done.returncode:
        subcommand = next(a for a in arguments if a[0] != "-" and "=" not in a)
        raise GitFailed(subcommand, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape")


def run_hook(repository: Path, name: str, line: str, variables: Mapping[str, str]) -> None:
    """Run a repository's hook as `git receive-pack` does (githooks(5)).

    Args:
        repository: the bare repository.
        name: `pre-receive` or `post-receive`.
        line: what moves: `<before> <after> <ref>`.
        variables: environment variables beside those of `environment`.

    Raises:
        GitFailed: it refuses; `output` says why.
    """
    program = repository / "hooks" / name
    if not program.exists():
        return
    done = subprocess.run(
        [str(program)],
        cwd=repository,
        input=f"{line}\n".encode(errors="surrogateescape"),
        env={**environment(), "GIT_DIR": ".", **variables},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise GitFailed("push", done.stderr.decode(errors="replace"))


def require_git() -> None:
    """See that Git is there, and young enough.

    Raises:
        ForgeError: it is not; says what to do.
    """
    version = git("version").strip()
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < MINIMUM:
        raise ForgeError(f"{version} is too old", fix=_GET_GIT)
