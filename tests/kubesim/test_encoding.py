from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.encoding import base64_fault


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
