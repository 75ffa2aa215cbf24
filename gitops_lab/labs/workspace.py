"""The learner's clone: made for them, brought up to date for them, and never thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitops_lab.errors import UsageError
from gitops_lab.forge.command import GitFailed, git

AUTHOR = {"user.name": "Learner", "user.email": "learner@example.org"}
"""Who commits in a clone: no name of a person ends up in a lab's history or its exports."""

BRANCH = "main"
KEPT = "my-work"
"""What the branches are called that keep a learner's work: `my-work-1`, `my-work-2`, …"""


class Workspace:
    """A clone of a sandbox's repository, in a folder of the learner's.

    Args:
        folder: the clone's folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Whether the clone is there."""
        return (self.folder / ".git").exists()

    def make(self, url: str, configuration: str) -> None:
        """Clone a repository, unless that was done before; its address may have changed since.

        Args:
            url: the repository's address.
            configuration: a file with what Git must know of the server.

        Raises:
            UsageError: something else is in the folder.
        """
        if self.exists:
            if "gitops-lab.lab" not in self._git("config", "--list", "--local", "--name-only"):
                raise UsageError(
                    "this is a repository of yours",
                    where=str(self.folder),
                    fix="start the lab in another folder, or say which: --folder NAME",
                )
            self._git("remote", "set-url", "origin", url)
            self._git("config", "include.path", configuration)
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(
                "this folder is not empty",
                where=str(self.folder),
                fix="start the lab in another folder, or say which: --folder NAME",
            )
        settings = {
            "include.path": configuration,
            "gitops-lab.lab": "true",
            "push.default": "current",
            "init.defaultBranch": BRANCH,
            "pull.ff": "only",
            **AUTHOR,
        }
        options = [f"--config={name}={value}" for name, value in settings.items()]
        git("clone", "--quiet", *options, "--", url, str(self.folder))
        self._git("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")

    def keep_work(self, *, pushed: bool = False) -> str:
        """Keep the learner's work on a branch; its name, or empty if there is nothing to keep.

        Args:
            pushed: keep also what was pushed, for the server is about to forget it.
        """
        mine = self._git(
            "rev-list", f"--author={AUTHOR['user.email']}", "HEAD", "--not",
            f"--glob=refs/heads/{KEPT}-*", *([] if pushed else ["--remotes=origin"]),
        ) if self._resolve("HEAD") else ""  # fmt: skip
        if not (mine.strip() or self._git("status", "--porcelain").strip()):
            return ""
        taken = self._git("branch", "--list", f"{KEPT}-*", "--format=%(refname:short)").split()
        name = next(n for n in (f"{KEPT}-{i}" for i in range(1, 10_000)) if n not in taken)
        self._git("checkout", "--quiet", "--no-track", "-b", name)
        self._git("add", "--all")
        if self._git("status", "--porcelain").strip():
            self._git("commit", "--quiet", "--no-verify", "-m", "Keep my work")
        return name

    def follow(self, files: Mapping[str, str] | None = None) -> str:
        """Be at what the server has, with these files beside it; the branch that keeps the rest.

        Args:
            files: what else lies in the folder, not committed, by path.
        """
        kept = self.keep_work()
        self._git("fetch", "--quiet", "--prune", "origin")
        if self._resolve(f"origin/{BRANCH}"):
            self._git("checkout", "--quiet", "-B", BRANCH, f"origin/{BRANCH}")
        else:  # the server has nothing yet, and so has the branch
            if self._resolve(BRANCH):
                self._git("update-ref", "-d", f"refs/heads/{BRANCH}")
            self._git("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
            self._git("rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
        for path, text in (files or {}).items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        return kept

    def _resolve(self, name: str) -> str:
        """The commit that a name stands for; empty if there is none."""
        try:
            return self._git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").strip()
        except GitFailed:
            return ""

    def _git(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.folder)
