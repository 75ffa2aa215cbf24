"""Selectors: which objects a list, a watch or a deletion is about.

Source: apimachinery `labels.Parse` and `fields.ParseSelector`; the fields that can be selected
are those of the registries (AddFieldLabelConversionFunc in pkg/apis, Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.model import Object

Labels = Mapping[str, str]
Predicate = Callable[[Object], bool]
"""Whether an object is selected."""


def label_selector(selector: Mapping[str, Any] | None) -> Callable[[Labels], bool]:
    """The predicate of a LabelSelector (meta/v1); None selects nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    tests = [_equals(key, value) for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        values = frozenset(each.get("values") or ())
        tests.append(_OPERATORS[each["operator"]](each["key"], values))
    return lambda labels: all(test(labels) for test in tests)


@lru_cache(maxsize=1024)
def labels(selector: str) -> Predicate:
    """The predicate of a selector in a query, such as `app=web,tier notin (cache),!canary`.

    Raises:
        ApiError: 400 BadRequest: it cannot be parsed.
    """
    tests = list(_Parser(selector).requirements())

    def matches(obj: Object) -> bool:
        own: Labels = obj["metadata"].get("labels") or {}
        return all(test(own) for test in tests)

    return matches


def fields(selector: str, group: str, plural: str, selectable: Sequence[str] = ()) -> Predicate:
    r"""The predicate of a field selector, such as `metadata.name=web,status.phase!=Running`.

    Args:
        selector: the terms, of which all must hold; `\` takes a comma's or equals sign's meaning.
        group: the API group of the resource.
        plural: the resource.
        selectable: fields of a custom resource that its definition makes selectable.

    Raises:
        ApiError: 400 BadRequest: it cannot be parsed, or the resource cannot be selected by it.
    """
    known = {**_METADATA, **SELECTABLE.get((group, plural), {}), **_paths(*selectable)}
    tests = [_field_test(*term, known, group, plural) for term in _terms(selector)]
    return lambda obj: all(test(obj) for test in tests)


def only_name(selector: str) -> str:
    """The one name that a field selector allows; empty if it allows others or cannot be parsed.

    Authorization goes by it: a rule for single names allows a list of just one of them. Source:
    apiserver `requestinfo.go` (`RequiresExactMatch`).
    """
    try:
        terms = list(_terms(selector))
    except ApiError:
        return ""
    found = (value for path, differs, value in terms if path == "metadata.name" and not differs)
    return next(found, "")


# -- Labels ----------------------------------------------------------------------------------------

_Test = Callable[[Labels], bool]


def _equals(key: str, value: str) -> _Test:
    return lambda labels: labels.get(key) == value


def _is_in(key: str, values: frozenset[str]) -> _Test:
    return lambda labels: labels.get(key) in values


def _is_not_in(key: str, values: frozenset[str]) -> _Test:
    return lambda labels: labels.get(key) not in values


def _exists(key: str, values: frozenset[str]) -> _Test:
    return lambda labels: key in labels


def _is_missing(key: str, values: frozenset[str]) -> _Test:
    return lambda labels: key not in labels


_OPERATORS: dict[str, Callable[[str, frozenset[str]], _Test]] = {
    "In": _is_in,
    "NotIn": _is_not_in,
    "Exists": _exists,
    "DoesNotExist": _is_missing,
}


def _compares(key: str, bound: str, sign: str) -> _Test:
    def test(labels: Labels) -> bool:
        text = labels.get(key, "")
        if not _INTEGER.fullmatch(text):
            return False
        return int(text) > int(bound) if sign == ">" else int(text) < int(bound)

    return test


_TOKENS = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+|$)")
_SIGNS = ("=", "==", "!=", "<", ">", "in", "notin")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)


class _Parser:
    """A label selector's grammar: requirements between commas."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKENS.finditer(text)]
        self._at = 0

    def requirements(self) -> Iterator[_Test]:
        if self._next == "":
            return
        while True:
            if self._next in ("=", "==", "!=", "(", ")", ",", "<", ">"):
                raise _unexpected(self._next, "!, identifier, or 'end of string'")
            yield self._requirement()
            token = self._take()
            if token == "":
                return
            if token != ",":
                raise _unexpected(token, "',' or 'end of string'")
            if self._next == "" or (self._next != "!" and not _is_identifier(self._next)):
                raise _unexpected(self._next, "identifier after ','")

    def _requirement(self) -> _Test:
        is_absent = self._next == "!"
        if is_absent:
            self._take()
        key = self._take()
        if not _is_identifier(key):
            raise _unparsed(_unexpected(key, "identifier").message)
        _check_key(key)
        if is_absent:
            return _is_missing(key, frozenset())
        if self._next in ("", ","):
            return _exists(key, frozenset())
        sign = self._take()
        if sign not in _SIGNS:
            raise _unparsed(_unexpected(sign, "in, notin, =, ==, !=, gt, lt").message)
        if sign in ("in", "notin"):
            values = frozenset(self._values(key))
            return _is_in(key, values) if sign == "in" else _is_not_in(key, values)
        value = "" if self._next in ("", ",") else self._take()
        if value and not _is_identifier(value):
            raise _unparsed(_unexpected(value, "identifier").message)
        if sign in ("<", ">"):
            if not _INTEGER.fullmatch(value):
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise _unparsed(f'values[0]: Invalid value: "{value}": {why}')
            return _compares(key, value, sign)
        _check_value(key, 0, value)
        if sign == "!=":
            return _is_not_in(key, frozenset((value,)))
        return _equals(key, value)

    def _values(self, key: str) -> Iterator[str]:
        token = self._take()
        if token != "(":
            raise _unparsed(f"found '{token}' expected: '('")
        value, index = "", 0
        while True:
            token = self._take()
            if token in (",", ")"):
                _check_value(key, index, value)
                yield value
                if token == ")":
                    return
                value, index = "", index + 1
            elif not value and _is_identifier(token):
                value = token
            else:
                expected = "',', or ')'" if value else "',', ')' or identifier"
                raise _unparsed(_unexpected(token, expected).message)

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._tokens[self._at]
        if token:  # the end of the string is not passed
            self._at += 1
        return token


def _is_identifier(token: str) -> bool:
    return bool(token) and token[0] not in "=!(),<>"


def _unexpected(token: str, expected: str) -> ApiError:
    return refusals.bad_request(f"found '{token}', expected: {expected}")


def _unparsed(why: str) -> ApiError:
    return refusals.bad_request(f"unable to parse requirement: {why}")


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        why = (
            "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
            "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') "
            "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
    elif slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253):
        why = "prefix part must be a lowercase RFC 1123 subdomain"
    elif len(name) > 63:
        why = "name part must be no more than 63 bytes"
    elif not _NAME.fullmatch(name):
        why = (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
            "and end with an alphanumeric character"
        )
    else:
        return
    raise _unparsed(f'<nil>: Invalid value: "{key}": {why}')


def _check_value(key: str, index: int, value: str) -> None:
    if len(value) > 63:
        why = "must be no more than 63 bytes"
    elif value and not _NAME.fullmatch(value):
        why = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', "
            "'_' or '.', and must start and end with an alphanumeric character"
        )
    else:
        return
    raise _unparsed(f'values[{index}][{key}]: Invalid value: "{value}": {why}')


# -- Fields ----------------------------------------------------------------------------------------

Value = Callable[[Object], Any]
"""What a field label stands for in an object."""


def _at(path: str, absent: Any = "") -> Value:
    """The value at a path of field names, or what stands for it if it is not there."""
    steps = path.split(".")

    def value(obj: Object) -> Any:
        found: Any = obj
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
        return absent if found is None else found

    return value


def _paths(*paths: str) -> dict[str, Value]:
    return {path: _at(path) for path in paths}


def _event_source(event: Object) -> Any:
    return _at("source.component")(event) or _at("reportingComponent")(event)


_METADATA = _paths("metadata.name", "metadata.namespace")

_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

SELECTABLE: dict[tuple[str, str], dict[str, Value]] = {
    ("", "events"): {
        **{f"involvedObject.{each}": _at(f"involvedObject.{each}") for each in _REFERENCE},
        **_paths("reason", "reportingComponent", "type"),
        "source": _event_source,
    },
    ("events.k8s.io", "events"): {  # as it is served; it is stored as the one above
        **{f"regarding.{each}": _at(f"involvedObject.{each}") for each in _REFERENCE},
        **_paths("reason", "type"),
        "reportingController": _at("reportingComponent"),
    },
    ("", "namespaces"): _paths("status.phase"),
    ("", "nodes"): {"spec.unschedulable": _at("spec.unschedulable", False)},
    ("", "pods"): {
        **_paths(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
        "spec.hostNetwork": _at("spec.hostNetwork", False),
    },
    ("", "replicationcontrollers"): {"status.replicas": _at("status.replicas", 0)},
    ("", "secrets"): _paths("type"),
    ("", "services"): _paths("spec.clusterIP", "spec.type"),
    ("batch", "jobs"): {"status.successful": _at("status.succeeded", 0)},
    ("certificates.k8s.io", "certificatesigningrequests"): _paths("spec.signerName"),
}
"""What can be selected beside metadata.name and metadata.namespace, and where it stands."""


def _terms(selector: str) -> Iterator[tuple[str, bool, str]]:
    """Path, whether it must differ, and value of each term."""
    for part in re.findall(r"(?:\\.|[^,\\])+|\\$", selector, re.DOTALL):
        match = re.match(r"((?:\\.|[^\\=!])*)(!=|==|=)(.*)", part, re.DOTALL)
        if match is None:
            raise refusals.bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        path, sign, value = match.groups()
        yield path, sign == "!=", re.sub(r"\\([\\,=])", r"\1", value)


def _field_test(
    path: str, differs: bool, wanted: str, known: Mapping[str, Value], group: str, plural: str
) -> Predicate:
    value = known.get(path)
    if value is None:
        if set(known) - set(_METADATA) - set(SELECTABLE.get((group, plural), ())):
            raise refusals.bad_request(f"field label not supported: {path}")
        if (group, plural) == ("batch", "jobs"):
            raise refusals.bad_request(f'field label "{path}" not supported for batchv1.Job')
        if (group, plural) in SELECTABLE:
            raise refusals.bad_request(f"field label not supported: {path}")
        raise refusals.bad_request(
            f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )
    return lambda obj: (_text(value(obj)) == wanted) is not differs


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
