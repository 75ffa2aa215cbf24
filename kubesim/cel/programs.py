"""Programs: expressions in CEL that have been compiled, and may be evaluated any number of times.

The language itself is the work of `cel_expr_python`, Google's implementation. It bounds how deep an
expression may nest and how often its loops may run (10,000 times in all); how much one may blow up
its input is bounded here.

Source: apiserver `pkg/cel/{environment,errors}` (Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from kubesim.cel import syntax
from kubesim.cel.growth import LIMIT, growth


class CompileError(Exception):
    """An expression is none, or not one that may be evaluated here; says why as the server does."""


class EvaluationError(Exception):
    """An expression has no value for what it was given; says why as cel-go does."""


class Program:
    """A compiled expression. Make it with `program`.

    Args:
        text: the expression.
        compiled: as the compiler made it.
    """

    def __init__(self, text: str, compiled: Any) -> None:
        self.text, self._compiled = text, compiled
        self.type: str = compiled.return_type().name().lower()
        """The type of its value: `bool`, `string`, …; `dyn` if only the values will tell."""

    @cached_property
    def tree(self) -> syntax.Expr:
        """What it says."""
        return syntax.tree(self._compiled.serialize())

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that it uses."""
        return frozenset(each.name for each in self.tree.walk() if each.kind == "name")

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value of the expression.

        Args:
            values: of the variables; as JSON has them, or bytes.

        Raises:
            EvaluationError: it has none.
        """
        try:
            result = self._compiled.eval(data={name: values[name] for name in self._used(values)})
            kind = result.type().name()
            if kind == "ERROR":
                raise EvaluationError(_reason(str(result.value())))
            return None if kind == "NULL" else result.plain_value()
        except RuntimeError as error:
            raise EvaluationError(_reason(str(error))) from None

    def _used(self, values: Mapping[str, Any]) -> list[str]:
        return [name for name in values if name in self.names]


@lru_cache(maxsize=1024)
def program(text: str, variables: tuple[str, ...]) -> Program:
    """Compile an expression, or take it from memory.

    Args:
        text: the expression.
        variables: the names that it may use; of any type.

    Raises:
        CompileError: it is none.
    """
    try:
        made = Program(text, _environment(variables).compile(text))
    except RuntimeError as error:
        said = _DOTTED.sub(_at_the_root, _unwrapped(str(error)))
        raise CompileError(f"compilation failed: {said}") from None
    if growth(made.tree) > LIMIT:
        raise CompileError(
            "compilation failed: the value of the expression may be more than "
            f"{LIMIT} times as large as what it is made from"
        )
    return made


def failure(text: str, at: int, what: str) -> CompileError:
    """A fault that the compiler does not find, worded as if it had.

    Args:
        text: the expression.
        at: where in it, in characters from its start.
        what: the fault.
    """
    start = text.rfind("\n", 0, at) + 1
    row, column = text.count("\n", 0, at) + 1, at - start
    line = text[start:].partition("\n")[0]
    return CompileError(
        f"compilation failed: ERROR: <input>:{row}:{column + 1}: {what}\n"
        f" | {line}\n | {'.' * column}^"
    )


@lru_cache(maxsize=16)
def _environment(variables: tuple[str, ...]) -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_optional, ext_strings

    from kubesim.cel.functions import WITHOUT_COMPARISONS, comparisons, extension

    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(WITHOUT_COMPARISONS),
        functions=comparisons(),
        variables=dict.fromkeys(variables, cel.Type.DYN),
        extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings(), extension()],
    )


_CODE = re.compile(r"^[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)

_DOTTED = re.compile(
    r"(?P<place><input>:\d+:)(?P<column>\d+)(?P<words>: undeclared reference to ')(?P<name>[\w.]+)"
    r"\.\w+(?P<line>'[^\n]*\n \| [^\n]*\n \| )\.*\^"
)
"""A variable that there is not, told by the fields that are asked of it."""


def _at_the_root(found: re.Match[str]) -> str:
    """The fault as cel-go tells it: the variable itself, and where it stands."""
    column, name = int(found["column"]) - len(found["name"]), found["name"].partition(".")[0]
    place, words, line = found["place"], found["words"], found["line"]
    return f"{place}{column}{words}{name}{line}{'.' * (column - 1)}^"


_REASONS = (
    (re.compile(r'Key not found in map : "(.*)"', re.DOTALL), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+).*"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"No matching overloads found : .*", re.DOTALL), "no such overload"),
    (re.compile(r"Applying SELECT to non-message type"), "no such overload"),
    (
        re.compile(r"Iteration budget exceeded"),
        "operation cancelled: actual cost limit exceeded",
    ),
)
"""What the evaluator says, and what the Go implementation of the real server says instead."""


def _unwrapped(message: str) -> str:
    """An error without the evaluator's status code around it."""
    found = _CODE.match(message)
    return found[1] if found else message


def _reason(message: str) -> str:
    message = _unwrapped(message)
    for pattern, words in _REASONS:
        if pattern.fullmatch(message):
            return pattern.sub(words, message)
    return message
