"""What a request says in its query, and a deletion in its body.

Source: meta/v1 CreateOptions, UpdateOptions, PatchOptions, DeleteOptions and ListOptions with their
validation (apimachinery `apis/meta/v1/validation`, `apis/meta/internalversion/validation`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubesim import refusals
from kubesim.api import Options
from kubesim.api.watch import revision_of
from kubesim.auth.users import User
from kubesim.errors import ApiError
from kubesim.http.routes import is_true

_LONGEST_MANAGER = 128
_VALIDATIONS = ("Ignore", "Strict", "Warn")


class Query(dict[str, str]):
    """The parameters of a query; of one that is repeated, the first.

    Args:
        pairs: names and values, in the order of the query.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__()
        self.pairs = pairs
        for key, value in pairs:
            self.setdefault(key, value)

    def every(self, key: str) -> list[str]:
        """All values of a parameter."""
        return [value for name, value in self.pairs if name == key and value]

    def yes(self, key: str) -> bool:
        """Whether a parameter is there and says yes."""
        return is_true(self.get(key))

    def integer(self, key: str) -> int | None:
        """The number that a parameter is; None if it is not there.

        Raises:
            ApiError: 400 BadRequest if it is no whole number.
        """
        text = self.get(key)
        if not text:
            return None
        try:
            number = int(text) if _INTEGER.fullmatch(text) else None
        except ValueError:  # more digits than Python reads
            number = None
        if number is None:
            why = f'strconv.ParseInt: parsing "{text}": invalid syntax'
            raise refusals.bad_request(why)
        return number


_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def write_options(query: Query, kind: str, *, user: User) -> Options:
    """The options of a create, update or patch.

    Args:
        query: the query.
        kind: `CreateOptions`, `UpdateOptions` or `PatchOptions`.
        user: who asks.

    Raises:
        ApiError: 422 Invalid.
    """
    manager = query.get("fieldManager", "")
    validation = query.get("fieldValidation") or "Warn"
    causes = _dry_run_faults(query.every("dryRun"))
    if len(manager) > _LONGEST_MANAGER:
        why = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        causes.append(("FieldValueTooLong", why, "fieldManager"))
    bad = next((at for at, each in enumerate(manager) if not each.isprintable()), None)
    if bad is not None:
        where = f"invalid character U+{ord(manager[bad]):04X} (at position {bad})"
        why = f"Invalid value: {json.dumps(manager)}: {where}"
        causes.append(("FieldValueInvalid", why, "fieldManager"))
    if validation not in _VALIDATIONS:
        listed = ", ".join(f'"{each}"' for each in ("", *_VALIDATIONS))
        why = f'Unsupported value: "{validation}": supported values: {listed}'
        causes.append(("FieldValueNotSupported", why, "fieldValidation"))
    if causes:
        raise refusals.invalid("meta.k8s.io", kind, "", causes)
    return Options(
        field_manager=manager,
        dry_run=bool(query.every("dryRun")),
        force=query.yes("force"),
        field_validation=validation,
        user=user.name,
        groups=user.groups,
    )


def manager_of(agent: str) -> str:
    """The field manager of a client that names none: what its `User-Agent` begins with."""
    name = "".join(each for each in agent.partition("/")[0] if each.isprintable())
    return name[:_LONGEST_MANAGER] or "unknown"


def delete_options(query: Query, body: Any, *, user: User) -> Options:
    """The options of a deletion: those in the body, or without a body those in the query.

    Raises:
        ApiError: 400 BadRequest for a body that is none, 422 Invalid.
    """
    if body is None:
        body = {
            "gracePeriodSeconds": query.integer("gracePeriodSeconds"),
            "propagationPolicy": query.get("propagationPolicy"),
            "orphanDependents": query.yes("orphanDependents")
            if "orphanDependents" in query
            else None,
            "dryRun": query.every("dryRun"),
        }
    if not isinstance(body, dict):
        raise _not_options("the body is no object")
    grace, preconditions = body.get("gracePeriodSeconds"), body.get("preconditions") or {}
    orphan, propagation = body.get("orphanDependents"), body.get("propagationPolicy") or ""
    dry_run = body.get("dryRun") or []
    if body.get("kind", "DeleteOptions") not in ("DeleteOptions", ""):
        raise _not_options(f'no kind "{body["kind"]}" is registered for it')
    if not isinstance(preconditions, dict) or not isinstance(propagation, str):
        raise _not_options("preconditions are an object, propagationPolicy is a string")
    if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int)):
        raise _not_options("gracePeriodSeconds is a whole number")
    if not isinstance(dry_run, list) or not all(isinstance(each, str) for each in dry_run):
        raise _not_options("dryRun is a list of strings")
    causes = _dry_run_faults(dry_run)
    if orphan is not None and propagation:
        both = "orphanDependents and deletionPropagation cannot be both set"
        why = f'Invalid value: "{propagation}": {both}'
        causes.append(("FieldValueInvalid", why, "propagationPolicy"))
    if causes:
        raise refusals.invalid("meta.k8s.io", "DeleteOptions", "", causes)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    return Options(
        dry_run=bool(dry_run),
        propagation=propagation,
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
        grace_period=grace,
        user=user.name,
        groups=user.groups,
    )


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or a watch is about.

    Args:
        labels: a label selector.
        fields: a field selector.
        limit: how many objects at most; 0 for all.
        continue_: where an earlier list ended.
        since: the resourceVersion, or empty.
        match: how exactly the resourceVersion is meant: `Exact`, `NotOlderThan` or empty.
        bookmarks: whether a watch is to say from time to time how far it has come.
        initial: whether a watch is to begin with the objects that there are; None if not said.
        timeout: after how many seconds a watch ends; None for the server's choice.
    """

    labels: str = ""
    fields: str = ""
    limit: int = 0
    continue_: str = ""
    since: str = ""
    match: str = ""
    bookmarks: bool = False
    initial: bool | None = None
    timeout: int | None = None


def list_options(query: Query, *, watch: bool, name: str = "") -> ListOptions:
    """The options of a list or watch.

    Args:
        query: the query.
        watch: whether it is for a watch.
        name: the object that the URL names, as a watch's may.

    Raises:
        ApiError: 400 BadRequest, 422 Invalid.
    """
    fields = query.get("fieldSelector", "")
    if name:
        fields = f"{fields},metadata.name={name}" if fields else f"metadata.name={name}"
    initial = query.yes("sendInitialEvents") if "sendInitialEvents" in query else None
    options = ListOptions(
        labels=query.get("labelSelector", ""),
        fields=fields,
        limit=max(query.integer("limit") or 0, 0),
        continue_=query.get("continue", ""),
        since=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
        bookmarks=query.yes("allowWatchBookmarks"),
        initial=initial,
        timeout=query.integer("timeoutSeconds"),
    )
    causes = _watch_faults(options) if watch else _list_faults(options)
    if causes:
        raise refusals.invalid("meta.k8s.io", "ListOptions", "", causes)
    if options.since:
        try:
            revision_of(options.since)
        except ApiError as error:
            if watch:
                raise
            raise refusals.bad_request(f"invalid resource version: {error.message}") from None
    return options


_Cause = tuple[str, str, str]


def _list_faults(options: ListOptions) -> list[_Cause]:
    causes: list[_Cause] = []
    match, field = options.match, "resourceVersionMatch"
    if match:
        if not options.since:
            causes.append(
                _forbidden(field, f"{field} is forbidden unless resourceVersion is provided")
            )
        if options.continue_:
            causes.append(_forbidden(field, f"{field} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            causes.append(_unsupported(field, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and options.since == "0":
            why = f'{field} "exact" is forbidden for resourceVersion "0"'
            causes.append(_forbidden(field, why))
    if options.initial is not None:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return causes


def _watch_faults(options: ListOptions) -> list[_Cause]:
    match, field = options.match, "resourceVersionMatch"
    if options.initial is None:
        if options.continue_:
            return [_forbidden(field, f"{field} is forbidden when continue is provided")]
        if not match:
            return []
        why = f"{field} is forbidden for watch unless sendInitialEvents is provided"
        return [_forbidden(field, why)]
    causes: list[_Cause] = []
    if not match:
        why = f"sendInitialEvents requires setting {field} to NotOlderThan"
        causes.append(_forbidden(field, why))
    elif match != "NotOlderThan":
        causes.append(_unsupported(field, match, ("NotOlderThan",)))
    if options.continue_:
        causes.append(_forbidden(field, f"{field} is forbidden when continue is provided"))
    return causes


def _forbidden(field: str, why: str) -> _Cause:
    return ("FieldValueForbidden", f"Forbidden: {why}", field)


def _unsupported(field: str, value: str, supported: Sequence[str]) -> _Cause:
    listed = ", ".join(f'"{each}"' for each in supported)
    return (
        "FieldValueNotSupported",
        f'Unsupported value: "{value}": supported values: {listed}',
        field,
    )


def _dry_run_faults(values: Sequence[str]) -> list[_Cause]:
    if all(each == "All" for each in values):
        return []
    listed = ", ".join(f'"{each}"' for each in values)
    why = f'Unsupported value: [{listed}]: supported values: "All"'
    return [("FieldValueNotSupported", why, "dryRun")]


def _not_options(why: str) -> ApiError:
    return refusals.bad_request(f"the body cannot be handled as DeleteOptions: {why}")
