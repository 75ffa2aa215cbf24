from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    at_least,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_long,
)
from kubesim.admission.validation.jobs import schedule_fault
from kubesim.selectors import label_selector

TEXTS = st.text(alphabet="abzAZ09-._/ é", max_size=70)


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (required("a.b"), "FieldValueRequired", "a.b: Required value"),
        (required("a", "why"), "FieldValueRequired", "a: Required value: why"),
        (invalid("a", 1, "no"), "FieldValueInvalid", "a: Invalid value: 1: no"),
        (invalid("a", True, "no"), "FieldValueInvalid", "a: Invalid value: true: no"),
        (invalid("a", 'x"y', "no"), "FieldValueInvalid", 'a: Invalid value: "x\\"y": no'),
        (invalid("a", None, "no"), "FieldValueInvalid", "a: Invalid value: null: no"),
        (
            invalid("a", {"b": [1], "a": "é"}, "no"),
            "FieldValueInvalid",
            'a: Invalid value: {"a":"é","b":[1]}: no',
        ),
        (
            not_supported("a", "x", ("b", "c")),
            "FieldValueNotSupported",
            'a: Unsupported value: "x": supported values: "b", "c"',
        ),
        (duplicate("a", "x"), "FieldValueDuplicate", 'a: Duplicate value: "x"'),
        (not_found("a", "x"), "FieldValueNotFound", 'a: Not found: "x"'),
        (forbidden("a", "no"), "FieldValueForbidden", "a: Forbidden: no"),
        (too_long("a", 5), "FieldValueTooLong", "a: Too long: may not be more than 5 bytes"),
    ],
)
def test_a_field_error_reads_as_the_server_writes_it(error: object, reason: str, text: str) -> None:
    assert str(error) == text
    assert getattr(error, "reason", "") == reason


def test_a_number_that_is_not_given_is_not_too_small() -> None:
    assert list(at_least("a", None)) == []
    assert list(at_least("a", 0)) == []
    assert [str(error) for error in at_least("a", 0, 1)] == [
        "a: Invalid value: 0: must be greater than or equal to 1"
    ]


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "*/15 0-6,22,23 1 jan,MAR-dec mon-fri",
        "0 3 ? * 0",
        "5/10 * * * *",
        "59 23 31 12 6",
        "@hourly",
        "@midnight",
        "@every 1h30m",
        "  0  3 * * *  ",
    ],
)
def test_a_schedule_that_cron_understands(schedule: str) -> None:
    assert schedule_fault(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ("off", "expected exactly 5 fields, found 1: [off]"),
        ("0 0 3 * * *", "expected exactly 5 fields, found 6: [0 0 3 * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("10-5 * * * *", "beginning of range (10) beyond end of range (5): 10-5"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        (
            "x * * * *",
            'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
        ),
        ("@often", "unrecognized descriptor: @often"),
        ("@every now", 'failed to parse duration @every now: time: invalid duration "now"'),
    ],
)
def test_a_schedule_that_cron_does_not_understand(schedule: str, fault: str) -> None:
    assert schedule_fault(schedule) == fault


def _is_label(text: str, first: str) -> bool:
    """The same rule, told another way."""
    inner = string.ascii_lowercase + string.digits + "-"
    return (
        0 < len(text) <= 63
        and all(char in inner for char in text)
        and text[0] in first
        and text[-1] != "-"
    )


@given(TEXTS)
def test_a_dns_label_is_lower_case_and_ends_in_letters_or_digits(text: str) -> None:
    alphanumeric = string.ascii_lowercase + string.digits
    assert (names.dns_label(text) == ()) == _is_label(text, alphanumeric)
    assert (names.rfc1035_label(text) == ()) == _is_label(text, string.ascii_lowercase)


@given(st.lists(st.text(alphabet="ab1-", max_size=4), max_size=4))
def test_a_dns_subdomain_is_labels_with_dots_between(labels: list[str]) -> None:
    alphanumeric = string.ascii_lowercase + string.digits
    good = bool(labels) and all(_is_label(label, alphanumeric) for label in labels)
    assert (names.dns_subdomain(".".join(labels)) == ()) == good


@given(TEXTS)
def test_a_label_value_begins_and_ends_in_letters_or_digits(text: str) -> None:
    ends = string.ascii_letters + string.digits
    good = not text or (
        len(text) <= 63
        and text[0] in ends
        and text[-1] in ends
        and all(char in ends + "-_." for char in text)
    )
    assert (names.label_value(text) == ()) == good


def test_length_is_counted_in_bytes() -> None:
    assert names.no_longer("é" * 31, 63) == ()
    assert names.no_longer("é" * 32, 63) == ("must be no more than 63 bytes",)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.path_segment, "a:b", ".."),
        (names.wildcard_subdomain, "*.a.b", "*.*.b"),
        (names.config_key, "a..b", "..a"),
        (names.environment_name, "A-1 ~", "Ä"),
        (names.environment_name, "1", ""),
        (names.port_name, "http-2", "http--2"),
        (names.port_name, "a", "-a"),
        (names.percent, "0%", "5"),
        (names.http_header, "X-A", "X A"),
        (names.http_path, "/a%20b", "/a b"),
        (names.ip, "2001:db8::1", "10.0.0"),
        (names.ip, "10.0.0.1", "010.0.0.1"),
        (names.cidr, "10.0.0.1/8", "10.0.0.1"),
        (names.cidr, "::/0", "10.0.0.0/33"),
        (names.relative_path, "a/..b", "a/../b"),
        (names.no_backsteps, "/a", "/.."),
        (names.label_key, "a.b/c", "a.b/"),
    ],
)
def test_a_format_tells_good_from_bad(check: names.Format, good: str, bad: str) -> None:
    assert check(good) == ()
    assert check(bad) != ()


def test_a_port_is_a_name_or_a_number() -> None:
    assert names.port("http") == () == names.port(80)
    assert names.port(0) == ("must be between 1 and 65535, inclusive",)
    assert names.port("") != ()


@pytest.mark.parametrize(
    ("operator", "values", "tier", "selected"),
    [
        ("In", ["a", "b"], "a", True),
        ("In", ["a", "b"], "c", False),
        ("In", ["a", "b"], None, False),
        ("NotIn", ["a"], "a", False),
        ("NotIn", ["a"], "b", True),
        ("NotIn", ["a"], None, True),
        ("Exists", None, "a", True),
        ("Exists", None, None, False),
        ("DoesNotExist", None, None, True),
        ("DoesNotExist", None, "a", False),
    ],
)
def test_a_selector_selects_as_its_operator_says(
    operator: str, values: list[str] | None, tier: str | None, selected: bool
) -> None:
    requirement = {"key": "tier", "operator": operator, **({"values": values} if values else {})}
    labels = {"app": "web", **({"tier": tier} if tier else {})}
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": [requirement]}
    assert label_selector(selector)(labels) is selected
    assert not label_selector(selector)({**labels, "app": "api"})


def test_an_empty_selector_selects_everything() -> None:
    assert label_selector({})({})
    assert label_selector({})({"app": "web"})
