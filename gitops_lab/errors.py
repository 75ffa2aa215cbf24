"""One hierarchy of errors: each says what is wrong, where, and what to do next."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any


class LabError(Exception):
    """Anything a user can cause and can mend.

    Args:
        what: the fault, in one sentence.
        where: the file, object or address that it concerns; empty if that is obvious.
        fix: what to do next; empty if nothing better than the fault itself can be said.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.fix[0].upper()}{self.fix[1:]}" if self.fix else text


class UsageError(LabError):
    """A command or a description of a sandbox asks for something that does not exist."""

    exit_code = 2


def of_machine(error: OSError | ModuleNotFoundError) -> LabError:
    """What the machine refused, as an error that says where that was and what to do next.

    Args:
        error: from the operating system, or of a library that is not installed.
    """
    if isinstance(error, ModuleNotFoundError):
        return LabError(
            f"the library {error.name!r} is not installed",
            fix="install gitops-lab again, as its README says",
        )
    cures = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space",
        errno.EMFILE: "let this shell open more files: ulimit -n 4096",
        errno.ENFILE: "end some programs",
    }
    cure = cures.get(error.errno or 0, "`gitops-lab doctor` looks for usual causes")
    return LabError(error.strerror or str(error), where=str(error.filename or ""), fix=cure)


class ForgeError(LabError):
    """Git, a repository, a branch or a hook cannot do what was asked."""


class SourceError(LabError):
    """A deployer cannot obtain the revision it should deploy."""


class NoCommits(SourceError):
    """There is nothing to deploy yet, and that is nobody's fault."""


class RenderError(LabError):
    """The files of a revision are not a set of Kubernetes objects."""


class SyncError(LabError):
    """A plan must not, or could not, be carried out."""


class ClusterUnreachable(LabError):
    """The API server does not answer at all; nothing is known of its state."""


class ApiError(LabError):
    """A Kubernetes API server's refusal, as its `Status` object states it.

    Source: Kubernetes API conventions, "Response Status Kind" (meta/v1 Status).

    Args:
        code: the HTTP status code.
        reason: the machine-readable reason, such as `NotFound` or `Conflict`.
        message: the server's sentence, worded as the real server words it.
        details: name, group, kind, uid, retryAfterSeconds of the object concerned.
        causes: one `{reason, message, field}` for each fault found.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        causes: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details = dict(details or {})
        self.causes = [dict(cause) for cause in causes]

    @property
    def status(self) -> dict[str, Any]:
        """This refusal as a meta/v1 Status object."""
        details = {**self.details, **({"causes": self.causes} if self.causes else {})}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": details} if details else {}),
            "code": self.code,
        }
