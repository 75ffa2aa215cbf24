from __future__ import annotations

import pytest

from kubesim.regex import PatternError, compiled, matches


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"^(?i)web$", "WEB", True),
        (r"^\p{L}+$", "žába", True),
        (r"^\p{Greek}+$", "λx", False),
        (r"x$", "x\n", False),
        (r"(?m)x$", "x\n", True),
        (r"^\d+\z", "12", True),
        (r"^[[:alpha:]]+$", "ab", True),
        (r"b", "abc", True),
    ],
)
def test_a_pattern_means_what_it_means_in_go(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "error parsing regexp: missing closing ): `(`"),
        ("(?!a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?!`"),
        ("[a", "error parsing regexp: missing closing ]: `[a`"),
        ("*", "error parsing regexp: missing argument to repetition operator: `*`"),
        (r"\1", r"error parsing regexp: invalid escape sequence: `\1`"),
    ],
)
def test_what_is_no_pattern_is_refused_in_the_words_of_go(pattern: str, said: str) -> None:
    with pytest.raises(PatternError) as refusal:
        compiled(pattern)
    assert str(refusal.value) == said


@pytest.mark.timeout(5)
def test_no_pattern_takes_for_ever() -> None:
    assert not matches("^(a+)+$", "a" * 50_000 + "b")
