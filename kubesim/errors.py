"""One hierarchy of errors: each says what is wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class LabError(Exception):
    """Anything a user can cause and correct.

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
        self._has_details = details is not None
        self.causes = [dict(cause) for cause in causes]
        self.is_plain = False
        """Whether it is answered as a plain text, as where no API is at all."""
        self.warnings: list[str] = []
        """What the server said before it refused; it is answered in `Warning` headers."""

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
            **({"reason": self.reason} if self.reason else {}),
            **({"details": details} if details or self._has_details else {}),
            "code": self.code,
        }
