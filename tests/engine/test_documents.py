"""YAML and JSON read as kubectl reads them, and what is refused instead of guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.engine.documents import CACHED_BYTES, MAX_DEPTH, MAX_NODES, dump, read
from gitops_lab.errors import RenderError


def values(text: str | bytes, name: str = "a.yaml") -> list[Any]:
    content = text.encode() if isinstance(text, str) else text
    return [document.value for document in read(content, name)]


def fault(text: str | bytes, name: str = "a.yaml") -> RenderError:
    with pytest.raises(RenderError) as caught:
        values(text, name)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # words
        *((word, True) for word in ("y", "Y", "yes", "YES", "on", "On", "true", "TRUE")),
        *((word, False) for word in ("n", "N", "no", "No", "off", "OFF", "false")),
        ("yEs", "yEs"),
        # integers
        *(("0", 0), ("-0", 0), ("+7", 7), ("1_000", 1000), ("0x1F", 31), ("0b101", 5)),
        *(("0644", 420), ("0o644", 420), ("-0644", -420), ("9223372036854775807", 2**63 - 1)),
        # floats, and what becomes of them
        *(("1.5", 1.5), (".5", 0.5), ("1e3", 1000), ("1.0", 1), ("5.", 5), ("1.5e-3", 0.0015)),
        *(("089", 89), ("9223372036854775808", 2.0**63), ("1e40", 1e40), ("9" * 300, 1e300)),
        # strings, some of which YAML 1.1 as such takes for something else
        *(("2024-01-01", "2024-01-01"), ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z")),
        *(("12:30:45", "12:30:45"), ("22:22", "22:22"), ("=", "="), ("1e999", "1e999")),
        *(("1.2.3", "1.2.3"), ("100m", "100m"), ("0x", "0x"), ("1_a", "1_a"), ("-", None)),
        *(("9" * 5000, "9" * 5000), ("'1'", "1"), ('"yes"', "yes"), ("'~'", "~")),
        # tags
        *(("!!str 1", "1"), ("!!int '1'", 1), ("!!float 1.5", 1.5), ("! 1", "1")),
        ("!!bool 'on'", True),
    ],
)
def test_a_scalar_means_what_it_means_to_kubectl(text: str, value: Any) -> None:
    if text == "-":
        assert values("- ") == [[None]]
        return
    (read_value,) = values(f"a: {text}\n")
    assert read_value == {"a": value}
    assert type(read_value["a"]) is type(value)


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL", "!!null ''"])
def test_nothing_is_null(text: str) -> None:
    assert values(f"a: {text}\n") == [{"a": None}]


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN"])
def test_a_number_that_json_cannot_hold_is_refused(text: str) -> None:
    assert "not a number that JSON can hold" in fault(f"a: {text}").what


def test_documents_are_counted_as_an_editor_sees_them_and_empty_ones_left_out() -> None:
    text = b"# only a comment\n---\n---\na: 1\n---\n\n\nb: 2\n---\n"
    found = [(d.number, d.line, d.value) for d in read(text, "a.yaml")]
    assert found == [(2, 4, {"a": 1}), (3, 8, {"b": 2})]
    for empty in ("", "\n \n", "---\n", "# nothing\n", "null"):
        assert values(empty) == []


def test_an_alias_stands_for_a_copy_of_its_own() -> None:
    ((first, second),) = values("[&a {x: [1]}, *a]")
    assert first == second == {"x": [1]}
    assert first is not second
    assert first["x"] is not second["x"]


def test_an_anchor_ends_with_its_document() -> None:
    assert "no anchor before it" in fault("a: &x 1\n---\nb: *x\n").what


def test_a_merge_key_brings_in_what_is_not_there() -> None:
    text = "base: &b {p: 1, q: 1}\nother: &o {q: 2, r: 2}\nweb: {<<: [*b, *o], p: 0}\n"
    assert values(text)[0]["web"] == {"p": 0, "q": 1, "r": 2}
    assert values("a: {'<<': 1}") == [{"a": {"<<": 1}}]
    assert "merges mappings" in fault("a: {<<: 1}").what


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "{a: 1, a: 1}", "x: [{a: 1, 'a': 2}]"])
def test_a_key_that_occurs_twice_is_refused(text: str) -> None:
    assert "the key 'a' occurs twice" in fault(text).what


@pytest.mark.parametrize("key", ["1", "on", "~", "1.5", "[a]", "{a: b}"])
def test_a_key_that_is_not_a_string_is_refused(key: str) -> None:
    error = fault(f"? {key}\n: x\n")
    assert "is not a string" in error.what
    assert "quotes" in error.fix
    assert values("'on': x") == [{"on": "x"}]


@pytest.mark.parametrize(
    "text", ["!!binary aGk=", "!!timestamp 2024-01-01", "!Ref x", "!!set {a}", "!!python/none x"]
)
def test_a_tag_that_json_has_no_type_for_is_refused(text: str) -> None:
    assert "has no meaning in a manifest" in fault(f"a: {text}").what


def test_a_tag_that_its_value_belies_is_refused() -> None:
    assert "'x' is no int" in fault("a: !!int x").what


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n b: 2\n", 2),
        ("a: [1, 2\n", 2),
        ("a: 'open\n", 2),
        ("a:\n\t- b\n", 2),
        ("{{ .Values.image }}: 1\n", 1),
        ("a: %x\n", 1),
        ("a: 1\n---\nb: @x\n", 3),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, line: int) -> None:
    error = fault(text)
    assert error.where.startswith(f"a.yaml, line {line}, column ")
    assert error.fix


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert values("\ufeffa: 1".encode()) == [{"a": 1}]


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0", "a: 1".encode("utf-16"), b"a: \xe4"])
def test_a_binary_file_or_another_encoding_is_refused(content: bytes) -> None:
    error = fault(content)
    assert "this is not text: byte" in error.what
    assert error.where == "a.yaml"


def test_control_characters_are_refused() -> None:
    assert "control characters are not allowed" in fault("a: \0").what


def test_an_alias_bomb_is_refused_before_it_is_spelled_out() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    error = fault("\n".join(lines))
    assert f"more than {MAX_NODES:,} values" in error.what


def test_an_alias_within_its_own_anchor_is_refused() -> None:
    assert "stands within its own" in fault("a: &a [*a]").what


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000])
def test_what_is_nested_far_too_deep_is_refused(text: str) -> None:
    assert "deep" in fault(text).what or "nesting" in fault(text).what


def test_what_is_nested_too_deep_is_refused_in_yaml_json_and_through_aliases() -> None:
    fits = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    for name in ("a.yaml", "a.json"):
        assert values(fits, name)
        assert "levels deep" in fault(f"[{fits}]", name).what
        assert "levels deep" in fault("[" * 990 + "]" * 990, name).what
    half = MAX_DEPTH // 2 + 1
    deep = f"- &a {'[' * half}{']' * half}\n- {'[' * half}*a{']' * half}\n"
    assert "levels deep" in fault(deep).what


def test_json_is_read_as_json() -> None:
    text = '\n\n{"a": "\\ud83d\\ude00", "t": [1, 1.5, 9223372036854775808, null, true]}\n'
    (document,) = read(text.encode(), "a.json")
    assert (document.number, document.line) == (1, 3)
    assert document.value == {"a": "😀", "t": [1, 1.5, 2.0**63, None, True]}
    assert values("  \n", "a.json") == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": 1,}', "this is not JSON"),
        ("{a: 1}", "this is not JSON"),
        ('{"a": 1} {"b": 1}', "this is not JSON: Extra data"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "1e999 is not a number"),
        ('{"a": ' + "9" * 5000 + "}", "is not a number"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("[" * 100_000, "levels deep"),
    ],
)
def test_faults_in_json_are_told(text: str, what: str) -> None:
    assert what in fault(text, "a.json").what


def test_the_place_of_a_fault_in_json_is_told() -> None:
    assert fault('{\n "a": x}', "d/a.json").where == "d/a.json, line 2, column 7"


def test_the_same_text_is_read_once_and_a_large_one_is_not_kept() -> None:
    small = b"a: [1]"
    assert read(small, "a.yaml") is read(bytes(bytearray(small)), "b.yaml")
    large = b"a: " + b"x" * CACHED_BYTES
    assert read(large, "a.yaml") is not read(large, "a.yaml")
    assert read(b"[1]", "a.json")[0].line == 1


# A YAML line break within quotes is folded; control characters and U+FFFE must be escaped.
TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Zl", "Zp"),
        exclude_characters="\ufeff\ufffe\uffff",
    )
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
).filter(lambda value: value is not None)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_json_text_means_the_same_read_as_json_and_as_yaml(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert values(text, "a.json") == [value]
    assert values(text, "a.yaml") == [value]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`?, \n\t01.eE_~<=y", max_size=60) | st.text())
def test_any_text_is_either_json_values_or_one_clear_error(text: str) -> None:
    for name in ("a.yaml", "a.json"):
        try:
            found = values(text.encode(errors="replace"), name)
        except RenderError as error:
            assert error.where.startswith(name)
        else:
            assert json.loads(json.dumps(found)) == found


LEAVES: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-(2**40), 2**40)
LEAVES |= st.text("aynoe1.:-+~\n '\"#0x_", max_size=8)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abyn", min_size=1), inner, max_size=3)
    ),
)


@given(NESTED)
def test_what_is_dumped_reads_as_itself(value: Any) -> None:
    (document,) = read(dump({"value": value}).encode(), "a.yaml")
    assert document.value == {"value": value}


def test_a_byte_order_mark_is_skipped_before_any_document() -> None:
    text = '\ufeffa: 1\n---\n\ufeffb: 2\n\ufeff---\nc: "\ufeff"\n'
    assert [d.value for d in read(text.encode(), "a.yaml")] == [{"a": 1}, {"b": 2}, {"c": "\ufeff"}]
