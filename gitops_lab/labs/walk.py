"""A walk through a lab as a learner goes it: every command that a step shows is run in a shell.

Used by `lab verify --live`. Commands run in the learner's clone, with the sandbox's kubeconfig.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from gitops_lab.cluster.commands import CommandFailed, run
from gitops_lab.errors import LabError
from gitops_lab.labs.format import Commands, Step
from gitops_lab.labs.session import Session

LIMIT = 120.0
"""How long the commands of one block may take, in seconds."""

PATIENCE = 600.0
"""How long to wait for checks, in seconds of the sandbox."""

_COMMAND = re.compile(r"`([^`]+)`")


def walk(session: Session, clone: Path, kubeconfig: Path, scratch: Path) -> Iterator[str]:
    """Go through a lab by the commands in its text; what went wrong.

    Args:
        session: at the lab's beginning.
        clone: the learner's clone.
        kubeconfig: the sandbox's.
        scratch: an empty folder, for a command `gitops-lab` that is this very program.
    """
    program = scratch / "gitops-lab"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitops_lab "$@"\n')
    program.chmod(0o755)
    variables = {"KUBECONFIG": str(kubeconfig), "GIT_SSL_CAINFO": "", "NO_COLOR": "1"}
    for step in session.lab.steps:
        for block in commands(step):
            try:
                _shell(block, clone, scratch, variables)
            except CommandFailed as error:
                if not block.fails:
                    yield f"step {step.id!r}: {error}"
                    return
            else:
                if block.fails:
                    yield f"step {step.id!r}: this was to fail: {block.text}"
                    return
        report = session.check(step, patience=PATIENCE)
        if report.question is not None:
            session.answer(step, _words(session.truth(step)))
            report = session.check(step)
        if not report.passed:
            yield f"step {step.id!r}: its commands do not solve it: {report.missing}"
            return


def commands(step: Step) -> tuple[Commands, ...]:
    """What a learner types in a step: what the text shows, or else what the last hint gives."""
    if step.commands or not step.checks:
        return step.commands
    return tuple(map(Commands, _COMMAND.findall(step.hints[-1])))


def _shell(block: Commands, clone: Path, scratch: Path, variables: Mapping[str, str]) -> None:
    """Run a block; its first failure ends it, unless it is meant to fail."""
    script = f'unset GIT_SSL_CAINFO; PATH="{scratch}:$PATH"; cd "$1" || exit; {block.text}'
    strict = () if block.fails else ("-e",)
    command = ("bash", *strict, "-c", script, "lab", str(clone))
    asyncio.run(run(*command, timeout=LIMIT, variables=variables))


def _words(truth: object) -> str:
    if truth is None:
        raise LabError("the question has no answer")
    if isinstance(truth, set | frozenset | list | tuple):
        return ", ".join(sorted(map(str, truth))) or "none"
    return str(truth)
