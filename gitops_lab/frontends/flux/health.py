"""Step 11 of a Kustomization's run: wait until objects work, in the words of kstatus.

Source: fluxcd/cli-utils (kstatus) and fluxcd/pkg/runtime/statusreaders, kustomize-controller 1.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_lab.engine.kstatus import kstatus
from gitops_lab.model import Object
from kubesim.cel.programs import CompileError, EvaluationError, Program, program

POLL = 5.0
"""Seconds between two looks."""


class InvalidExpression(Exception):
    """An expression of `healthCheckExprs` does not compile."""


class Expressions:
    """The compiled `healthCheckExprs` of a Kustomization.

    Args:
        rules: the field of the spec.

    Raises:
        InvalidExpression: one of them does not compile.
    """

    def __init__(self, rules: Sequence[Mapping[str, Any]]) -> None:
        self._rules = [
            (rule, {name: _compiled(rule[name]) for name in ORDER if rule.get(name)})
            for rule in rules
        ]

    def status_of(self, live: Object | None) -> str:
        """The status of an object: by the expressions for its kind, if there are any."""
        if live is None or "deletionTimestamp" in live["metadata"]:
            return kstatus(live).status
        for rule, programs in self._rules:
            if rule["apiVersion"] == live["apiVersion"] and rule.get("kind") in (
                None,
                live["kind"],
            ):
                return _by_expressions(programs, live)
        return kstatus(live).status


ORDER = {"inProgress": "InProgress", "failed": "Failed", "current": "Current"}
"""The expressions in the order in which they are tried, and what each means if it holds."""


def _by_expressions(programs: Mapping[str, Program], live: Object) -> str:
    status = live.get("status") or {}
    observed = status.get("observedGeneration")
    if observed is not None and observed != live["metadata"].get("generation", observed):
        return "InProgress"
    for name, meaning in ORDER.items():
        if name in programs:
            try:
                if programs[name].evaluate(live) is True:
                    return meaning
            except EvaluationError:
                return "Unknown"
    return "InProgress"


def _compiled(text: str) -> Program:
    variables = ("apiVersion", "kind", "metadata", "spec", "status", "data")
    try:
        return program(text, variables)
    except CompileError as error:
        raise InvalidExpression(f"failed to parse the expression '{text}': {error}") from None
