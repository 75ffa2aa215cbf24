"""`dependsOn`: which Kustomizations must be ready before another is applied.

Source: kustomize-controller 1.9, checkDependencies; fluxcd/pkg/runtime/dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gitops_lab.frontends.conditions import is_true
from gitops_lab.frontends.flux.api import key_of
from gitops_lab.frontends.flux.definitions import group_resource
from gitops_lab.model import Object, ObjectKey
from kubesim.cel.programs import CompileError, EvaluationError, program


class NotReady(Exception):
    """A dependency does not meet its condition; the text is kustomize-controller's."""


class InvalidExpression(Exception):
    """A `readyExpr` does not compile."""


def check(obj: Object, source: Object, get: Callable[[ObjectKey], Object | None]) -> None:
    """See that the dependencies are ready, in the order of the list.

    Args:
        obj: the Kustomization.
        source: its source object.
        get: reads a Kustomization, past any cache.

    Raises:
        NotReady: the first that is not.
        InvalidExpression: a `readyExpr` does not compile.
    """
    for each in obj["spec"].get("dependsOn") or ():
        namespace = each.get("namespace") or obj["metadata"]["namespace"]
        name = f"{namespace}/{each['name']}"
        other = get(key_of("Kustomization", namespace, each["name"]))
        if other is None:
            what = f'{group_resource("Kustomization")} "{each["name"]}" not found'
            raise NotReady(f"dependency '{name}' not found: {what}")
        if expression := each.get("readyExpr"):
            if not _holds(expression, obj, other):
                raise NotReady(f"dependency '{name}' is not ready according to readyExpr eval")
            continue
        status = other.get("status") or {}
        observed, generation = status.get("observedGeneration"), other["metadata"]["generation"]
        if observed != generation or not is_true(other, "Ready"):
            raise NotReady(f"dependency '{name}' is not ready")
        revision = ((source.get("status") or {}).get("artifact") or {}).get("revision")
        if _source(other) == _source(obj) and status.get("lastAppliedRevision") != revision:
            raise NotReady(f"dependency '{name}' revision is not up to date")


def ordered(objects: Iterable[Object]) -> list[ObjectKey]:
    """The keys of Kustomizations, each after those it depends on as far as there is no cycle."""
    keys = {ObjectKey.of(obj): obj for obj in objects}
    done: dict[ObjectKey, None] = {}

    def add(key: ObjectKey, above: frozenset[ObjectKey]) -> None:
        if key in done or key in above or key not in keys:
            return
        obj = keys[key]
        for each in obj["spec"].get("dependsOn") or ():
            namespace = each.get("namespace") or key.namespace
            add(key_of("Kustomization", namespace, each["name"]), above | {key})
        done[key] = None

    for key in sorted(keys):
        add(key, frozenset())
    return list(done)


def _source(obj: Object) -> tuple[Any, ...]:
    ref: Mapping[str, Any] = obj["spec"]["sourceRef"]
    return ref["kind"], ref.get("namespace") or obj["metadata"]["namespace"], ref["name"]


def _holds(expression: str, obj: Object, other: Object) -> bool:
    try:
        return program(expression, ("self", "dep")).evaluate({"self": obj, "dep": other}) is True
    except CompileError as error:
        raise InvalidExpression(f"failed to parse expression '{expression}': {error}") from error
    except EvaluationError:
        return False
