"""The small parts: durations, versions, refs, substitution, inventory ids, history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.frontends.flux import records, semver
from gitops_lab.frontends.flux.durations import duration, seconds
from gitops_lab.frontends.flux.refs import RefNotFound, resolve
from gitops_lab.frontends.flux.substitution import BadSyntax, Unset, substitute


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0s"), (0.04, "40ms"), (1.2, "1.2s"), (60, "1m0s"), (120.02, "2m0.02s"),
        (600, "10m0s"), (3600, "1h0m0s"), (5.01, "5.01s"),
    ],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(span: float, text: str) -> None:
    assert duration(span) == text


@given(st.integers(0, 10**8))
def test_a_duration_is_read_back(milliseconds: int) -> None:
    assert seconds(duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("expression", "newest"),
    [
        (">=1.0.0 <2.0.0", "v1.10.0"), ("1.x", "v1.10.0"), ("~1.2", "1.2.3"), ("^0.3", "0.3.1"),
        ("*", "2.0.0"), (">=1.0.0-0", "2.1.0-rc.1"), ("1.2.3 || 2.x", "2.0.0"), ("=1.2.3", "1.2.3"),
        ("9.x", None), ("nonsense", None), (">1.2.3, <=1.10", "v1.10.0"), ("1.2 - 1.5", "1.2.3"),
    ],
)  # fmt: skip
def test_the_newest_version_in_a_range(expression: str, newest: str | None) -> None:
    tags = ["v1.10.0", "1.2.3", "0.3.1", "2.0.0", "2.1.0-rc.1", "latest", "0.4.0"]
    assert semver.newest(expression, tags) == newest


def test_a_commit_beats_a_name_beats_a_tag_beats_a_range_beats_a_branch() -> None:
    refs = {"refs/heads/main": "a", "refs/heads/master": "f", "refs/tags/v1": "b",
            "refs/tags/1.2.3": "c"}  # fmt: skip
    ref = {"commit": "d", "name": "refs/heads/main", "tag": "v1", "semver": "1.x", "branch": "main"}
    found = []
    for field in list(ref):
        found.append(resolve(ref, refs)[0])
        del ref[field]
    found.append(resolve(ref, refs)[0])
    assert found == [
        "main@sha1:d", "refs/heads/main@sha1:a", "v1@sha1:b", "1.2.3@sha1:c", "main@sha1:a",
        "master@sha1:f",
    ]  # fmt: skip
    assert resolve({"commit": "d"}, refs)[0] == "sha1:d"
    with pytest.raises(RefNotFound):
        resolve({"name": "refs/heads/other"}, refs)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${a}", "one"), ("$a ${a}", "$a one"), ("$${a}", "${a}"), ("${b:-two}", "two"),
        ("${b:=two}", "two"), ("${b-two}", "two"), ("${empty-two}", ""), ("${empty:-two}", "two"),
        ("${#a}", "3"), ("${a^^}", "ONE"), ("${a^}", "One"), ("${up,,}", "loud"),
        ("${a:0:2}", "on"), ("${a:1}", "ne"), ("${a/n/N}", "oNe"), ("${up//L/l}", "lOUD"),
        ("${b:-${a}}", "one"), ("${a:+set}", "set"), ("${b:+set}", ""), ("${path##*/}", "c"),
        ("${path%/*}", "a/b"), ("no variables", "no variables"),
    ],
)  # fmt: skip
def test_variables_are_substituted(text: str, result: str) -> None:
    variables = {"a": "one", "empty": "", "up": "LOUD", "path": "a/b/c"}
    assert substitute(text, variables) == result


@pytest.mark.parametrize(
    ("text", "error"),
    [("${b}", Unset), ("${a", BadSyntax), ("${a b}", BadSyntax), ("${}", BadSyntax)],
)
def test_what_cannot_be_substituted_is_an_error(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        substitute(text, {"a": "one"})


@given(st.text(st.characters(exclude_characters="$", codec="utf-8")))
def test_text_without_a_dollar_sign_stays_as_it_is(text: str) -> None:
    assert substitute(text, {}) == text


def test_the_history_has_an_entry_for_each_build_and_outcome_newest_first() -> None:
    history: list[dict[str, object]] = []
    for number, (digest, outcome) in enumerate(
        [("a", "ok"), ("a", "ok"), ("b", "bad"), ("a", "ok"), *((str(n), "ok") for n in range(4))]
    ):
        history = records.add_history(
            history, digest, outcome, began=number, ended=number + 1.5, metadata={}
        )
    assert [entry["digest"] for entry in history] == ["3", "2", "1", "0", "a"]
    assert history[-1]["totalReconciliations"] == 3
    assert history[-1]["lastReconciledDuration"] == "1.5s"
