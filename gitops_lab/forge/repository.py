"""Bare repositories, and commits in them that take the same way as a person's `git push`."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_lab.errors import ForgeError, LabError, SourceError
from gitops_lab.forge.command import GitFailed, git, require_git, run_hook
from gitops_lab.forge.commits import LEARNER, Commit, Edit, checked_path, identity, write
from gitops_lab.forge.kept import Kept
from gitops_lab.forge.protection import Protection
from gitops_lab.forge.pulls import PullRequests
from gitops_lab.forge.records import Event, Records
from gitops_lab.forge.spool import NOTHING, PushEvent, Spool
from gitops_lab.forge.statuses import Statuses
from gitops_lab.model import Artifact, Revision
from kubesim.files import write_private

if TYPE_CHECKING:
    from gitops_lab.forge.objects import Entry

HOOKS = tuple(Path(__file__).with_name(name) for name in ("pre-receive", "post-receive"))

# Without protection a push may force and delete, as on a forge, and nothing runs in the background.
# What the pusher has configured for hooks and attributes does not count here. Pushed objects are
# checked; the faults that are ignored are in the history of many old projects.
CONFIGURATION = f"""\
[core]
\thooksPath = hooks
\tattributesFile = {os.devnull}
[receive]
\tadvertisePushOptions = true
\tdenyDeleteCurrent = ignore
\tautogc = false
\tfsckObjects = true
\thideRefs = refs/forge
\thideRefs = refs/pull
[receive "fsck"]
\tbadTimezone = ignore
\tmissingSpaceBeforeDate = ignore
\tzeroPaddedFilemode = ignore
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""

ROOM, ENTRY = 16 << 20, 128
"""Bytes of artifacts that are remembered, and how many a file takes beside its content."""

_DELIVERED = "refs/forge/delivered"
"""The newest record that `news` has given out."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class Forge:
    """A folder of repositories.

    Args:
        root: the folder; it is made if it does not exist.
        now: returns the time of commits, in seconds since the Unix epoch.

    Raises:
        ForgeError: git is missing or too old.
    """

    def __init__(self, root: Path, *, now: Callable[[], float]) -> None:
        require_git()
        self.root, self.now = root, now
        self.repositories: dict[str, Repository] = {}
        root.mkdir(parents=True, exist_ok=True)

    def create(self, name: str, branch: str = "main") -> Repository:
        """A new, empty, bare repository with the `post-receive` hook in place.

        Args:
            name: what it is called.
            branch: its default branch.

        Raises:
            ForgeError: the name cannot be used or is taken, or git refuses the branch's name.
        """
        if not NAME.fullmatch(name) or name.endswith(".git"):
            raise ForgeError(
                f"{name!r} is no name of a repository",
                fix="use lower-case letters, digits, '.', '_' and '-'; '.git' is added",
            )
        path = self.root / f"{name}.git"
        if path.exists():
            raise ForgeError(
                f"there is a repository {name!r} already", where=str(path), fix="choose another"
            )
        draft = path.with_name(f".{path.name}")
        shutil.rmtree(draft, ignore_errors=True)
        git("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(draft))
        with (draft / "config").open("a") as config:
            config.write(CONFIGURATION)
        (draft / "hooks").mkdir()
        for hook in HOOKS:
            write_private(draft / "hooks" / hook.name, hook.read_text())
            (draft / "hooks" / hook.name).chmod(0o700)
        draft.rename(path)  # there with all of it, or not there
        return self.open(name, branch)

    def open(self, name: str, branch: str = "main") -> Repository:
        """A repository that is in the folder already.

        Raises:
            ForgeError: it is not there, or is none.
        """
        self.repositories[name] = Repository(self.root / f"{name}.git", now=self.now, branch=branch)
        return self.repositories[name]

    def close(self) -> None:
        """Let go of what the repositories hold open."""
        for repository in self.repositories.values():
            repository.close()


class Repository:
    """A bare repository.

    Args:
        path: where it is.
        now: returns the time of commits, in seconds since the Unix epoch.
        branch: its default branch.
    """

    def __init__(self, path: Path, *, now: Callable[[], float], branch: str = "main") -> None:
        # Not above: GitPython cannot be imported before git is known to be there.
        from gitops_lab.forge.database import Database

        self.path, self.branch = path.resolve(), branch
        self.name = path.name.removesuffix(".git")
        self.reachable = True
        """Set it to False, and no source can reach the repository: an outage."""
        self.pushes = 0
        """How many pushes are being received over the network."""
        self.spool = Spool(self.path.with_name(f"{path.name}.spool"), self.name)
        self._now = now
        self._database = Database(self.path)
        self.records = Records(self.path, self._database, now)
        self.statuses = Statuses(self.records)
        self.protection = Protection(self.records)
        self.pulls = PullRequests(self, self._database)
        self._artifacts: Kept[tuple[Revision, str], Artifact] = Kept(ROOM, _size)

    @property
    def url(self) -> str:
        """The address for `git clone`."""
        return self.path.as_uri()

    @property
    def branches(self) -> tuple[str, ...]:
        """The names of the branches, sorted."""
        return self._database.branches()

    def close(self) -> None:
        """Let go of Git's reader process; using the repository again starts another."""
        self._database.close()

    # -- what people do -------------------------------------------------------------------------

    def commit(
        self,
        message: str,
        changes: Mapping[str, str | bytes | None],
        *,
        author: str = LEARNER,
        branch: str = "",
        account: str = "",
    ) -> Revision:
        """Commit changes on top of a branch and push the commit.

        Args:
            message: says why.
            changes: new content by path; None deletes the file.
            author: `Name <address>`.
            branch: the default branch if empty. One that does not exist yet begins at the
                default branch's newest commit.
            account: who pushes; the learner if empty.

        Raises:
            ForgeError: the commit would change nothing, a path leads out of the repository or
                into Git's own folder, a file to delete does not exist, or the push is refused.
        """
        branch = branch or self.branch
        parent = self.tip(branch) or self.tip(self.branch)
        edits = {
            checked_path(path): content.encode() if isinstance(content, str) else content
            for path, content in sorted(changes.items())
        }
        changed = []
        for path, content in edits.items():
            old = self._replaced(parent, path, edits)
            if content is None and old is None:
                raise ForgeError(
                    "there is no such file to delete", where=path, fix="look at `files()`"
                )
            is_file = old is not None and old.is_file
            if old is None or not is_file or self._database.content(old.sha) != content:
                changed.append(Edit(path, content, old.mode if old and is_file else 0o100644))
        if not changed:
            raise ForgeError(
                f"this commit would change nothing on {branch}", fix="change something"
            )
        commit = write(self.path, message, author, self._now(), parent, changed)
        self.push(commit, branch, account=account)
        return Revision(branch, commit)

    def revert(self, revision: Revision | str = "", *, branch: str = "") -> Revision:
        """Undo a commit with a new commit, by `git revert`, and push it.

        Args:
            revision: the commit to undo; the branch's newest if empty. Of a merge, what it
                brought to the branch is undone.
            branch: the default branch if empty.

        Raises:
            ForgeError: there is no such commit, undoing it conflicts with later commits or
                changes nothing, or the push is refused.
        """
        branch = branch or self.branch
        tip = self.resolve("", branch=branch)
        undone = self.resolve(revision, branch=branch)
        is_merge = " " in git("log", "-1", "--format=%P", undone, cwd=self.path).strip()
        mainline = ["--mainline=1"] if is_merge else []
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix="revert-") as parent:
            folder = Path(parent) / "tree"
            # The files are the repository's own: none of them may run as a hook.
            quietly = ("-c", f"core.hooksPath={os.devnull}")
            git(*quietly, "worktree", "add", "--quiet", "--detach", str(folder), tip, cwd=self.path)
            try:
                git(
                    *quietly, "revert", "--no-edit", *mainline, undone,
                    cwd=folder, variables=identity(LEARNER, self._now()),
                )  # fmt: skip
                commit = git("rev-parse", "HEAD", cwd=folder).strip()
            except GitFailed as error:
                torn = git("diff", "--name-only", "--diff-filter=U", cwd=folder).split("\n")[:-1]
                if not torn and "empty" not in error.output and error.output.strip():
                    raise
                raise ForgeError(
                    f"{undone[:7]} cannot be reverted: "
                    + ("later commits changed the same lines" if torn else "it is undone already"),
                    where=", ".join(torn),
                    fix="commit what the files should hold instead" if torn else "",
                ) from error
            finally:
                git("worktree", "remove", "--force", str(folder), cwd=self.path)
        self.push(commit, branch)
        return Revision(branch, commit)

    def checkout(self, directory: Path) -> Path:
        """Clone the repository for work with git; `git push` takes the commits back.

        The clone has an author configured, so that `git commit` works on a fresh machine.

        Raises:
            ForgeError: the directory exists and is not empty.
        """
        name, _, address = LEARNER.partition(" <")
        git(
            "clone", "--quiet", "--no-hardlinks",
            "--config", f"user.name={name}", "--config", f"user.email={address[:-1]}",
            str(self.path), str(directory),
        )  # fmt: skip
        return directory

    def push(self, commit: str, branch: str, *, account: str = "") -> None:
        """Move a branch to a commit that is in the repository and stands on the branch's newest.

        The steps are those of `git push`: the `pre-receive` hook may refuse, then the branch moves
        unless it has moved meanwhile, then the `post-receive` hook spools the event.

        Args:
            commit: the full hash.
            branch: the branch's name.
            account: who pushes; the learner if empty.

        Raises:
            ForgeError: a hook or Git refuses, and why.
        """
        variables = {"GITOPS_LAB_ACCOUNT": account} if account else {}
        before, ref = self.tip(branch) or NOTHING, f"refs/heads/{branch}"
        line = f"{before} {commit} {ref}"
        try:
            run_hook(self.path, "pre-receive", line, variables)
        except GitFailed as error:
            said = [each.partition("gitops-lab: ")[2] for each in error.output.splitlines()]
            if not any(said):
                raise
            reasons = "; ".join(each for each in said if each)
            raise ForgeError(reasons, fix="push another branch and open a pull request") from error
        git("update-ref", ref, commit, before, cwd=self.path)
        run_hook(self.path, "post-receive", line, variables)

    # -- what people look at --------------------------------------------------------------------

    def tip(self, branch: str = "") -> str:
        """The newest commit of a branch, or of the default branch; empty if there is none."""
        return self._database.tip(branch or self.branch)

    def resolve(self, revision: Revision | str = "", *, branch: str = "") -> str:
        """The full hash of a commit.

        Args:
            revision: a revision, a branch, or a hash, abbreviated too; a branch's newest commit
                if empty.
            branch: the default branch if empty.

        Raises:
            ForgeError: there is no such commit.
        """
        name = revision.commit if isinstance(revision, Revision) else revision
        name = name or self.tip(branch)
        try:
            return git("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}",
                       cwd=self.path).strip()  # fmt: skip
        except GitFailed:
            missing = f"there is no commit {name}" if name else "there are no commits"
            raise ForgeError(
                f"{missing} in {self.name}", fix=f"branches: {', '.join(self.branches) or 'none'}"
            ) from None

    def log(self, branch: str = "", *, limit: int = 100) -> tuple[Commit, ...]:
        """The commits of a branch, the newest first.

        Args:
            branch: the default branch if empty.
            limit: how many at most.

        Raises:
            ForgeError: the branch does not exist.
        """
        branch = branch or self.branch
        tip = self.resolve("", branch=branch)
        output = git(
            "log", "-z", f"--max-count={limit}", "--format=%H%n%an <%ae>%n%ct%n%B", tip,
            cwd=self.path,
        )  # fmt: skip
        commits = []
        for entry in output.split("\0")[:-1]:
            commit, author, at, message = entry.split("\n", 3)
            commits.append(Commit(Revision(branch, commit), author, float(at), message.strip()))
        return tuple(commits)

    def message(self, commit: str) -> str:
        """The message of a commit, by its full hash.

        Raises:
            ForgeError: there is no such commit.
        """
        return self._database.commit(commit).message

    def files(self, revision: Revision | str = "") -> tuple[str, ...]:
        """The paths of all files and links of a revision, or of the default branch, sorted.

        Raises:
            ForgeError: there is no such commit.
        """
        root = self._entry(self.resolve(revision), "")
        return tuple(sorted(path for path, _ in self._database.walk(root)))

    def read(self, path: str, revision: Revision | str = "") -> bytes:
        """The content of a file in a revision, or in the default branch.

        Raises:
            ForgeError: there is no such commit, or no such file in it.
        """
        entry = self._entry(self.resolve(revision), path)
        if entry.is_folder:
            raise ForgeError("this is a folder", where=path, fix="name a file in it")
        return self._database.content(entry.sha)

    def blob(self, sha: str) -> bytes:
        """The content of a file, by the hash of its blob.

        Raises:
            ForgeError: there is no such blob.
        """
        return self._database.content(bytes.fromhex(sha))

    def has_blob(self, commit: str, path: str, sha: str) -> bool:
        """Whether a commit has a file with this content at this path."""
        entry = self._database.find(commit, path)
        return entry is not None and entry.sha.hex() == sha

    def artifact(self, revision: Revision, folder: str = "") -> Artifact:
        """The files of a revision below a folder; the root folder if empty.

        Submodules are named only, for their files are in other repositories.

        Raises:
            SourceError: the commit does not exist (any more), or has no such folder.
        """
        return self._artifacts.get((revision, folder), self._fetch)

    # -- what happened --------------------------------------------------------------------------

    def deliver(self) -> Iterator[PushEvent]:
        """The pushes since the last call, each once; pull requests are brought in step with them.

        Raises:
            ForgeError: after all others: some events could not be read.
        """
        self.pulls.recover()
        for event in self.spool.drain():
            if event.refused:
                why = "; ".join(event.options)
                text = f"a push of {event.after[:7]} is refused: {why}"
                self.records.write(event.by, "refused", text, {}, branch=event.branch)
                continue
            try:
                self.pulls.follow(event)
            except LabError as error:
                text = f"no pull request is opened from {event.branch}: {error.what}"
                self.records.write(event.by, "refused", text, {})
            yield event

    def news(self) -> tuple[Event, ...]:
        """What happened to pull requests, statuses and rules since the last call, each once."""
        with self.records.locked():
            tip, delivered = self.records.tip(), self._database.reference(_DELIVERED)
            if tip == delivered:
                return ()
            self._database.set_reference(_DELIVERED, tip)
            return self.records.since(delivered)

    # -- how it is done -------------------------------------------------------------------------

    def _fetch(self, place: tuple[Revision, str]) -> Artifact:
        revision, folder = place
        files: dict[str, bytes] = {}
        links: dict[str, str] = {}
        submodules: list[str] = []
        digest = hashlib.sha256()
        try:
            top = self._database.find(revision.commit, folder)
            if top is None or not top.is_folder:
                raise SourceError(
                    f"{revision} has no folder {folder}",
                    where=self.name,
                    fix="correct the source's path, or commit files into the folder",
                )
            for path, entry in self._database.walk(top):
                if not (entry.is_file or entry.is_link):
                    submodules.append(path)
                    digest.update(b"submodule %s\n" % path.encode())
                    continue
                content = self._database.content(entry.sha)
                name = path.encode()
                digest.update(b"%o %d %d\n" % (entry.mode >> 12, len(name), len(content)))
                digest.update(name + content)
                if entry.is_link:
                    links[path] = content.decode(errors="backslashreplace")
                else:
                    files[path] = content
        except LookupError:
            raise SourceError(
                f"the commit {revision.short} does not exist (any more)",
                where=self.name,
                fix=f"fetch what {revision.branch} is at now; a forced push may have removed it",
            ) from None
        message = self._database.message(revision.commit)
        checksum = f"sha256:{digest.hexdigest()}"
        return Artifact(revision, files, checksum, links, tuple(submodules), message)

    def _entry(self, commit: str, path: str) -> Entry:
        entry = self._database.find(commit, path)
        if entry is None:
            raise ForgeError(
                f"there is no such file in {commit[:7]}", where=path, fix="look at `files()`"
            )
        return entry

    def _replaced(self, parent: str, path: str, edits: Mapping[str, bytes | None]) -> Entry | None:
        """What a path holds so far; a file can neither replace a folder nor lie within a file."""
        above = path.rpartition("/")[0]
        while above:
            entry = self._database.find(parent, above) if parent else None
            if edits.get(above) is not None or (
                entry is not None and not entry.is_folder and above not in edits
            ):
                raise ForgeError(f"{above} is a file", where=path, fix="delete that file first")
            above = above.rpartition("/")[0]
        old = self._database.find(parent, path) if parent else None
        if old is not None and old.is_folder:
            raise ForgeError("this is a folder", where=path, fix="name a file in it")
        return old


def _size(artifact: Artifact) -> int:
    """About how much memory it takes, in bytes."""
    return sum(ENTRY + len(content) for content in artifact.files.values())
