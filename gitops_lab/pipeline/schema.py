"""The schema of a pipeline file (JSON Schema 2020-12), and errors that say what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from gitops_lab.errors import PipelineError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_PATH = r"^(?!/)(?!.*(^|/)\.\.(/|$)).+$"


def _object(required: Iterable[str] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {name.replace("_", "-"): value for name, value in properties.items()},
    }


def _text(about: str, **rules: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": about, **rules}


def _seconds(about: str) -> dict[str, Any]:
    return {"type": "number", "exclusiveMinimum": 0, "maximum": 86400, "description": about}


def _list_of(item: dict[str, Any], about: str) -> dict[str, Any]:
    return {"type": "array", "items": item, "description": about}


ACTIONS: dict[str, dict[str, Any]] = {
    "render": _object(),
    "validate": _object(),
    "diff": _object(),
    "scan-secrets": _object(),
    "build": _object(
        ["image"],
        image=_text("the image's name, without a tag"),
        tag=_text("its tag; the first seven digits of the commit if left out"),
    ),
    "apply": _object(prune={"type": "boolean", "description": "delete what Git dropped"}),
    "rollout-status": _object(timeout=_seconds("how long to wait for health, in seconds")),
    "smoke-test": _object(
        ["service"],
        service=_text("the Service to ask, as name or name:port"),
        path=_text("the path to ask for; `/` if left out"),
        contains=_text("what the answer must contain"),
        status={"type": "integer", "minimum": 100, "maximum": 599, "description": "200 if not set"},
        times={
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "description": "how many right answers in a row it takes; 3 if left out",
        },
        timeout=_seconds("how long wrong answers are borne, in seconds; 30 if left out"),
    ),
    "rollback": _object(),
    "promote": _object(
        ["to"],
        to=_text("the environment that gets the version"),
        files=_list_of(_text("a file"), "what to copy, in the folder; `version.yaml` if left out"),
    ),
    "commit": _object(
        ["file", "image"],
        file=_text("the file to change", pattern=_PATH),
        image=_text("the image whose tag becomes the one just built"),
        message=_text("the commit's message"),
    ),
}
"""The options of each action that a step may be."""

_STEP = {
    "description": "an action, or an action with its options",
    "anyOf": [
        {"type": "string", "enum": list(ACTIONS)},
        {**_object(**ACTIONS), "minProperties": 1,
         "maxProperties": 1},
    ],
}  # fmt: skip
_EVENT = {"type": "string", "enum": ["push", "pull_request"]}

_JOB = _object(
    ["steps"],
    when={
        "description": "the events that set it off; both if left out",
        "anyOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1}],
    },
    branches=_list_of(
        _text("a branch, or a pattern"), "the branches pushed to, or the targets of pull requests"
    ),
    needs=_list_of(_text("a job", pattern=_NAME), "the jobs that must have succeeded before"),
    environment=_text("one of `environments`", pattern=_NAME),
    approval={"type": "boolean", "description": "a person must approve before it starts"},
    concurrency={
        "description": "jobs of one group never run at once; the oldest goes first",
        "anyOf": [
            _text("the group"),
            _object(
                ["group"],
                group=_text("the group"),
                cancel_in_progress={"type": "boolean", "description": "the newest goes first"},
            ),
        ],
    },
    timeout=_seconds("how long the job may take, in seconds; 600 if left out"),
    retries={"type": "integer", "minimum": 0, "maximum": 5, "description": "further attempts"},
    secrets=_list_of(_text("a name"), "the secrets that its steps need"),
    steps={**_list_of(_STEP, "what it does, in order"), "minItems": 1},
    on_failure=_list_of(_STEP, "what it does after a step failed"),
)

_ENVIRONMENT = _object(
    path=_text("the folder to deploy; the repository's root if left out", pattern=_PATH),
    namespace=_text("where objects go that do not say so themselves", pattern=_NAME),
    cluster=_text("the arm whose cluster it is; the runner's own if left out"),
    approvers=_list_of(_text("an account"), "who may approve; every reviewer if left out"),
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A pipeline of gitops-lab",
    **_object(
        ["jobs"],
        jobs={
            "type": "object",
            "propertyNames": {"pattern": _NAME},
            "minProperties": 1,
            "maxProperties": 50,
            "additionalProperties": _JOB,
        },
        environments={
            "type": "object",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": _ENVIRONMENT,
        },
    ),
}
"""The schema of `.gitops-lab/pipeline.yaml`, for editors too."""


def check(value: Any, where: str) -> None:
    """See that a pipeline file says what a pipeline can be.

    Args:
        value: the file's content, as JSON values.
        where: the file's path, for the error.

    Raises:
        PipelineError: it does not: every fault, each with its place and what was probably meant.
    """
    from jsonschema import Draft202012Validator  # slow to import; most worlds have no pipeline

    faults = sorted(set(_faults(Draft202012Validator(SCHEMA).iter_errors(value))))
    if faults:
        raise PipelineError(
            "; ".join(faults[:10]),
            where=where,
            fix="`gitops-lab pipeline schema` prints what can stand in it",
        )


def _faults(errors: Iterable[ValidationError]) -> Iterator[str]:
    for error in errors:
        if error.validator == "anyOf" and error.context:
            yield from _faults(_likeliest(error))
            continue
        place = ".".join(map(str, error.absolute_path)) or "the file"
        yield f"{place}: {_words(error)}"


def _likeliest(error: ValidationError) -> list[ValidationError]:
    """The faults of the alternative that was probably meant: the one of the value's own type."""
    assert error.context is not None
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [
        each
        for each in branches.values()
        if not any(e.validator == "type" and e.path == error.path for e in each)
        and not any(e.validator == "type" and not e.relative_path for e in each)
    ]
    return fitting[0] if fitting else [*branches.values()][-1]


def _words(error: ValidationError) -> str:
    value, schema = error.instance, error.schema
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            unknown = [name for name in value if name not in known]
            return "; ".join(f"there is no {name!r}{_meant(name, known)}" for name in unknown)
        case "enum":
            if value == "run":
                return "shell steps are not part of this sandbox; use the actions it declares"
            return f"there is no {value!r}{_meant(value, error.validator_value)}"
        case "required":
            return str(error.message).replace(" is a required property", " is missing")
        case "pattern":
            return f"{value!r} cannot be used here"
        case "type":
            return f"this must be of type {error.validator_value}, not {value!r:.40}"
        case _:
            return str(error.message)[:200]


def _meant(name: Any, known: Iterable[str]) -> str:
    words = list(known)
    close = get_close_matches(str(name), words, 1, 0.5)
    return f"; did you mean {close[0]!r}?" if close else f" (there is {', '.join(words)})"
