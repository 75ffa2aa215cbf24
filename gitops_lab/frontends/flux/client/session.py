"""What every command has: a cluster, a namespace, two outputs, and patience."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gitops_lab.errors import ApiError, LabError
from gitops_lab.frontends.flux.api import NAMESPACE
from gitops_lab.frontends.flux.client.kinds import Kind
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster

ACTION, GENERATE, WAIT, DONE, WARNING, FAILURE = "►", "✚", "◎", "✔", "⚠️", "✗"
"""The symbols in front of a line of the standard error."""

_DIGEST = re.compile(r"(sha1|sha256):([0-9a-f]{8})[0-9a-f]{32,}")


class CommandFailed(LabError):
    """The command cannot go on; the text is that of the `flux` CLI."""


@dataclass
class Session:
    """One run of a command.

    Args:
        cluster: the cluster, with the user's own rights.
        namespace: where to look; empty for all namespaces.
        out: takes text for the standard output.
        err: takes a line for the standard error.
        sleep: waits so many seconds of the cluster's time.
        now: the cluster's time, in seconds since the Unix epoch.
        timeout: how long to wait at most, in seconds.
        poll: seconds between two looks while a command waits.
        kinds: group and kind of everything that the cluster has.
    """

    cluster: Cluster
    out: Callable[[str], None]
    err: Callable[[str], None]
    sleep: Callable[[float], None]
    now: Callable[[], float]
    namespace: str = NAMESPACE
    timeout: float = 300.0
    poll: float = 2.0
    kinds: Callable[[], Sequence[tuple[str, str]]] = tuple

    def say(self, symbol: str, text: str) -> None:
        """One line with a symbol on the standard error."""
        self.err(f"{symbol} {text}")

    def get(self, kind: Kind, name: str) -> Object:
        """An object of Flux.

        Raises:
            CommandFailed: there is none.
        """
        found = self.cluster.get(kind.key(self.namespace, name))
        if found is None:
            raise CommandFailed(f'{kind.resource} "{name}" not found')
        return found

    def list(self, kind: Kind) -> list[Object]:
        """The objects of a kind in the namespace.

        Raises:
            CommandFailed: the cluster does not have the kind.
        """
        try:
            return self.cluster.list(kind.group, kind.kind, namespace=self.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            raise CommandFailed(
                f'no matches for kind "{kind.kind}" in version "{kind.api_version}"',
                fix="this cluster has no Flux; gitops-lab up --arms flux starts one that has",
            ) from error

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            CommandFailed: it takes too long.
        """
        end = self.now() + self.timeout
        while not ready():
            if self.now() >= end:
                raise CommandFailed("context deadline exceeded")
            self.sleep(self.poll)


def shortened(text: str) -> str:
    """Text in which digests are cut to eight digits."""
    return _DIGEST.sub(r"\1:\2", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as `flux` prints it: cells padded to their column, and tabs after those of a row."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    ]
    head, *body = ["\t".join(line) for line in padded]
    return "".join([f"{head} \n", *(f"{line}\t\n" for line in body)])


def key_name(key: ObjectKey) -> str:
    """An object as `flux` names it: `Deployment/shop/web`."""
    return "/".join(part for part in (key.kind, key.namespace, key.name) if part)
