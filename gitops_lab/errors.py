"""One hierarchy of errors: each says what is wrong, where, and what to do next."""

from __future__ import annotations

import errno

from kubesim.errors import ApiError as ApiError
from kubesim.errors import LabError as LabError
from kubesim.errors import UsageError as UsageError


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


class PipelineError(LabError):
    """A pipeline file cannot be read, or a step of a pipeline failed."""


class ClusterUnreachable(LabError):
    """The API server does not answer at all; nothing is known of its state."""
