"""How much larger than its input the value of an expression can become.

`["x"].map(a, a + a).map(a, a + a)…` doubles with each step, and would fill any memory within forty.
The real server counts what an evaluation costs and stops it; the evaluator here counts only the
turns of loops, so an expression that could blow up is refused when it is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubesim.cel.syntax import Expr

LIMIT = 10_000
"""The growth from which on an expression is refused."""

_MULTIPLY = frozenset({"replace", "join"})
_ADD = frozenset({"_+_", "add", "format"})


def growth(expr: Expr, known: Mapping[str, float] | None = None) -> float:
    """An upper bound of the value's size, in sizes of what the expression is given.

    Args:
        expr: the expression.
        known: the bounds of the variables that loops around it have bound.
    """
    known = known or {}
    if expr.kind == "name":
        return known.get(expr.name, 1)
    if expr.kind == "loop":
        run, first, condition, step, result = expr.children
        each = growth(run, known)
        inner = {**known, **dict.fromkeys(expr.bound, each)}
        # Turn by turn something is added to what is gathered: once around the whole range.
        inner[expr.bound[-1]] = growth(first, known)
        inner[expr.bound[-1]] = growth(step, inner)
        return max(growth(condition, inner), growth(result, inner))
    parts = [growth(child, known) for child in expr.children]
    if expr.kind == "call" and expr.name in _MULTIPLY:
        product = 1.0
        for part in parts:
            product *= part
        return 4 * product
    if expr.kind in ("list", "struct") or expr.name in _ADD:
        return max(1, sum(parts))
    return max(parts, default=1)
