"""The spool: what the `post-receive` hook left behind, handed out in order, each event once.

A message can get lost: the program that waits for it may be down, or end while it works. So the
hook writes each event to a file, and the file stays until the program that drains the spool is done
with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_lab.errors import ForgeError

NOTHING = "0" * 40
"""What Git writes instead of a commit where a branch begins or ends."""

_NAME = re.compile(r"(\d+)-(\d+)-(\d+)")
_EVENT = re.compile(
    r"([0-9a-f]{40}) ([0-9a-f]{40}) (forward|forced|refused) ([^\n]+)\n"
    r"(?:by ([^\n]*)\n)?((?:option [^\n]*\n)*)"
)


@dataclass(frozen=True)
class PushEvent:
    """A branch that a push moved.

    Args:
        id: names this event and no other in the repository. It holds real time and a process
            id, so keep it out of anything that should be the same in every run.
        repository: the repository's name.
        branch: the branch's name.
        before: the commit it stood at; forty zeros if the push made the branch.
        after: the commit it stands at; forty zeros if the push deleted the branch.
        forced: whether `before` is not part of the branch's history any more.
        by: the account that pushed.
        options: what the push said with `git push -o`; of a refused one, the reason.
        refused: whether the branch did not move, because a rule forbids it.
    """

    id: str
    repository: str
    branch: str
    before: str
    after: str
    forced: bool = False
    by: str = ""
    options: tuple[str, ...] = ()
    refused: bool = False

    @property
    def created(self) -> bool:
        """Whether the push made the branch."""
        return self.before == NOTHING

    @property
    def deleted(self) -> bool:
        """Whether the push deleted the branch."""
        return self.after == NOTHING


class Spool:
    """The folder that a repository's hook writes to.

    Args:
        path: the folder; it need not exist yet.
        repository: the repository's name.
    """

    def __init__(self, path: Path, repository: str) -> None:
        self.path, self.repository = path, repository
        self._log = path / ".delivered"
        log = self._log.read_bytes() if self._log.exists() else b""
        self._delivered = set(log.decode(errors="replace").split())  # damage costs an id at most

    def drain(self) -> Iterator[PushEvent]:
        """The events that wait, in the order in which the pushes ended.

        An event counts as delivered when the next one is asked for. If the caller falls over
        before that, it comes again: at least once after a crash, and otherwise exactly once. A
        delivered event that turns up again is recognised by its id and left out.

        Raises:
            ForgeError: after all readable events: some were not readable, and are set aside.
        """
        unreadable = []
        for file in self._waiting():
            if file.name in self._delivered:
                file.unlink()
                continue
            event = self._read(file)
            if event is None:
                unreadable.append(self._set_aside(file))
                continue
            yield event
            self._acknowledge(file)
        if unreadable:
            raise ForgeError(
                f"{len(unreadable)} events could not be read and are set aside: a push may have "
                "gone unheard",
                where=", ".join(map(str, unreadable)),
                fix="compare the branch's newest commit with what is deployed",
            )

    def _waiting(self) -> list[Path]:
        if not self.path.exists():
            return []
        return sorted((f for f in self.path.iterdir() if not f.name.startswith(".")), key=_age)

    def _read(self, file: Path) -> PushEvent | None:
        match = _EVENT.fullmatch(file.read_bytes().decode(errors="replace"))
        if match is None or not _NAME.fullmatch(file.name):
            return None
        before, after, how, branch, by, said = match.groups()
        options = tuple(line.removeprefix("option ") for line in said.split("\n")[:-1])
        return PushEvent(
            file.name, self.repository, branch, before, after, how == "forced", by or "", options,
            how == "refused",
        )  # fmt: skip

    def _set_aside(self, file: Path) -> Path:
        aside = self.path / ".unreadable"
        aside.mkdir(exist_ok=True)
        return file.rename(aside / file.name)

    def _acknowledge(self, file: Path) -> None:
        # The line before each id ends what a crash may have left half-written.
        with self._log.open("a") as log:
            log.write(f"\n{file.name}\n")
        self._delivered.add(file.name)
        file.unlink()


def _age(file: Path) -> tuple[int, tuple[int, ...], str]:
    """Sorts by the time of writing, which is finer than the seconds that a shell has."""
    match = _NAME.fullmatch(file.name)
    return file.stat().st_mtime_ns, tuple(map(int, match.groups() if match else ())), file.name
