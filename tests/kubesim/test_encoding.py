from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.encoding import base64_fault, json_fault


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("aGVsbG8", 4),
        ("YQ", 0),
        ("YQ=", 3),
        ("YWRtaW4==", 8),
        ("YQ==YQ==", 4),
        ("not base64", 3),
        ("a", 0),
        ("=", 0),
    ],
)
def test_a_fault_is_where_go_says_it_is(text: str, offset: int) -> None:
    assert base64_fault(text) == offset


@given(st.binary())
def test_what_is_encoded_has_no_fault(data: bytes) -> None:
    assert base64_fault(base64.b64encode(data).decode()) is None
    assert base64_fault(base64.encodebytes(data).decode()) is None  # with line ends
    bare = base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert base64_fault(bare, padded=False, urlsafe=True) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "unexpected end of JSON input"),
        ("[{", "unexpected end of JSON input"),
        ("{not json", "invalid character 'n' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("trve", "invalid character 'v' in literal true (expecting 'u')"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
    ],
)
def test_go_says_what_is_wrong_with_json(text: str, fault: str) -> None:
    assert json_fault(text) == fault


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_of_json_nothing_is_said(value: object) -> None:
    assert json_fault(json.dumps(value)) == ""
