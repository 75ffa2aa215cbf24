from __future__ import annotations

import asyncio

import pytest

from gitops_lab.errors import ApiError
from kubesim.http import bodies

LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n".encode()
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        b"&a [*a]",
        b"[" * 5_000,
        b"- " * 5_000 + b"x",
        b"a: !!python/name:os.system",
        b"\xff",
    ],
    ids=["billion laughs", "itself", "deep brackets", "deep dashes", "python", "no utf-8"],
)
def test_hostile_yaml_is_a_bad_request(text: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        bodies.decode("application/yaml", text, "ConfigMap")
    assert refused.value.code == 400


def test_yaml_is_read_as_json_would_spell_it() -> None:
    text = b"a: 2026-01-05\nb: &x {c: 1}\nd: *x\n1: yes\n"
    assert bodies.decode("application/yaml; charset=utf-8", text, "ConfigMap") == {
        "a": "2026-01-05",
        "b": {"c": 1},
        "d": {"c": 1},
        "1": True,
    }


@pytest.mark.parametrize(
    ("media", "text"),
    [
        ("application/json", b"[" + b"1," * bodies.MOST_VALUES + b"1]"),
        ("application/json", b'{"a":' + b"[" + b"{}," * bodies.MOST_VALUES + b"{}]}"),
        ("application/yaml", b"- 1\n" * (bodies.MOST_VALUES + 1)),
        ("application/apply-patch+yaml", b"- 1\n" * (bodies.MOST_VALUES + 1)),
    ],
)
def test_a_body_of_too_many_values_is_too_large(media: str, text: bytes) -> None:
    body = bodies.Body(media, text)
    asyncio.run(body.read_ahead())
    with pytest.raises(ApiError) as refused:
        body.decode_patch("ConfigMap") if "patch" in media else body.decode("ConfigMap")
    assert refused.value.code == 413


def test_commas_in_a_text_are_no_values() -> None:
    text = b'{"a":"' + b"," * 2 * bodies.MOST_VALUES + b'"}'
    assert bodies.decode("application/json", text, "ConfigMap")["a"].strip(",") == ""


def test_a_large_body_that_cannot_be_read_is_refused_as_a_small_one() -> None:
    body = bodies.Body("application/yaml", b"#" * 2 * bodies.SMALL + b"\na: [")
    asyncio.run(body.read_ahead())
    with pytest.raises(ApiError, match="did not find expected node content") as refused:
        body.decode("ConfigMap")
    assert refused.value.code == 400


@pytest.mark.parametrize("text", [b"", b"nul", b'{"a":NaN}', b"[" * 100_000, b'"\\ud800"'])
def test_hostile_json_is_a_bad_request(text: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        bodies.decode("application/json", text, "ConfigMap")
    assert refused.value.code == 400


def test_a_body_without_a_type_is_json() -> None:
    assert bodies.decode("", b'{"a":1}', "ConfigMap") == {"a": 1}


@pytest.mark.parametrize("media", bodies.PATCHES)
def test_a_patch_is_understood_by_its_type(media: str) -> None:
    assert bodies.decode_patch(media, b"{}", "ConfigMap") == (bodies.PATCHES[media], {})


def test_what_is_nested_too_deeply_is_a_bad_request_in_every_form() -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    for media in ("application/json", "application/yaml"):
        with pytest.raises(ApiError, match="exceeded max depth") as refused:
            bodies.decode(media, deep, "ConfigMap")
        assert refused.value.code == 400
