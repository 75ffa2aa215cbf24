"""What a policy says of a request.

Source: apiserver `pkg/admission/plugin/policy/validating/validator.go` and
`pkg/admission/plugin/cel/{activation,composition}.go` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubesim.admission.validation.admission_policies import compiled, variables_of
from kubesim.cel import CompileError, EvaluationError, Program
from kubesim.model import Object

_LONGEST_MESSAGE = 5 * 1024


@dataclass(frozen=True, slots=True)
class Denial:
    """A reason to refuse a request.

    Args:
        message: what is wrong, in the policy's words.
        reason: of the refusal, such as `Invalid` or `Forbidden`.
    """

    message: str
    reason: str = "Invalid"


class Evaluation:
    """One policy, asked about one request.

    Args:
        spec: of the policy.
        seen: the values of `object`, `oldObject`, `request`, `namespaceObject` and `params`.
    """

    def __init__(self, spec: Object, seen: Mapping[str, Any]) -> None:
        self._spec, self._seen = spec, seen
        self._names = variables_of(spec)
        self._texts = {each["name"]: each["expression"] for each in spec.get("variables") or ()}
        self._known: dict[str, Any] = {}
        self._faults: dict[str, str] = {}

    def denials(self) -> Iterator[Denial]:
        """What the policy has against the request; nothing if it does not concern it."""
        ignores = self._spec.get("failurePolicy") == "Ignore"
        concerns, fault = self._concerns()
        if fault and not ignores:
            yield Denial(fault)
        if fault or not concerns:
            return
        for validation in self._spec.get("validations") or ():
            try:
                holds = self._value(validation["expression"])
            except EvaluationError as error:
                if not ignores:
                    yield Denial(str(error))
                continue
            if holds is not True:
                yield Denial(self._message(validation), validation.get("reason") or "Invalid")

    def _concerns(self) -> tuple[bool, str]:
        """Whether all match conditions hold, and what keeps one of them from being answered.

        One that does not hold counts for more than one that has no answer.
        """
        faults = []
        for condition in self._spec.get("matchConditions") or ():
            try:
                holds = self._evaluated(condition["expression"].strip(), None)
            except EvaluationError as error:
                faults.append(str(error))
                continue
            if holds is not True:
                return False, ""
        listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        return not faults, listed if faults else ""

    def _message(self, validation: Object) -> str:
        said = ""
        if validation.get("messageExpression"):
            try:
                value = self._value(validation["messageExpression"])
            except EvaluationError:
                value = None
            said = value.strip() if isinstance(value, str) else ""
            if "\n" in said or len(said) > _LONGEST_MESSAGE:
                said = ""
        said = said or validation.get("message", "").strip()
        return said or f"failed expression: {validation['expression'].strip()}"

    def _value(self, text: str) -> Any:
        return self._evaluated(text, self._names)

    def _evaluated(self, text: str, names: list[str] | None) -> Any:
        """The value of an expression.

        Raises:
            EvaluationError: it has none; says which expression.
        """
        try:
            return self._answer(text, names)
        except (CompileError, EvaluationError) as error:
            raise EvaluationError(f"expression '{text}' resulted in error: {error}") from None

    def _answer(self, text: str, names: list[str] | None) -> Any:
        made = compiled(text, self._spec, earlier=names)
        if "variables" not in made.names:
            return made.evaluate(self._seen)
        values = {**self._seen, "variables": self._variables(made)}
        try:
            return made.evaluate(values)
        except EvaluationError as error:
            # A variable counts only where the evaluation came upon it: it is missing until then.
            name = str(error).removeprefix("no such key: ")
            if name not in self._faults:
                raise
            said = f'composited variable "{name}" fails to evaluate: {self._faults[name]}'
            raise EvaluationError(said) from None

    def _variables(self, made: Program) -> dict[str, Any]:
        """The values of the variables that an expression names, as far as they have one."""
        wanted = [
            each.name
            for each in made.tree.walk()
            if each.kind == "select"
            and each.children[0].kind == "name"
            and each.children[0].name == "variables"
        ]
        for name in wanted:
            if name in self._known or name in self._faults:
                continue
            names = list(self._texts)
            try:
                earlier = names[: names.index(name)]
                self._known[name] = self._answer(self._texts[name], earlier)
            except (CompileError, EvaluationError) as error:
                self._faults[name] = str(error)
        return {name: self._known[name] for name in wanted if name in self._known}
