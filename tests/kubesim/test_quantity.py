from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from kubesim.quantity import Quantity, canonical, parse


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("2k", "2000"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1e18"),
        ("-2M", "-2000000"),
        ("100n", "1e-7"),
    ],
)
def test_a_quantity_stands_for_a_number(text: str, number: str) -> None:
    assert parse(text) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        (1, "1"),
        (0.1, "100m"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("0.3Ki", "307200m"),
        ("1.0001Ki", "1024102400u"),
        ("1000k", "1M"),
        ("1024", "1024"),
        ("12e6", "12e6"),
        ("1E2", "100"),
        ("00", "0"),
        ("-1.5", "-1500m"),
    ],
)
def test_the_server_stores_the_canonical_spelling(text: str | float, spelling: str) -> None:
    assert canonical(text) == spelling


def test_what_is_finer_than_a_nano_is_rounded_up() -> None:
    assert canonical("0.1n") == "1n"
    assert canonical("-0.1n") == "-1n"


def test_no_binary_quantity_is_larger_than_an_int64() -> None:
    assert parse("16Ei") == 2**63 - 1
    assert canonical("100000000000000000000") == "100E"  # a decimal one may be


@pytest.mark.parametrize("text", ["", "a", "1Xi", "1 Gi", "one", "1.Gi.", "+", "\uff11"])
def test_what_is_no_quantity_is_quoted_the_pattern(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse(text)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    assert refused.value.message == (
        "quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


@pytest.mark.parametrize("text", ["1e", "1i", "1ee", "1mm", "1.2.3"])
def test_an_unknown_suffix_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="unable to parse quantity's suffix"):
        parse(text)


amounts = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.decimals(-(10**6), 10**6, places=3).map(lambda number: f"{number:f}"),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2"]),
)


@settings(max_examples=100)
@given(amounts)
def test_a_canonical_spelling_is_its_own(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@settings(max_examples=100)
@given(amounts)
def test_the_spelling_rounds_up_by_less_than_one(text: str) -> None:
    assert abs(parse(text)) <= abs(parse(canonical(text))) < abs(parse(text)) + 1


@pytest.mark.parametrize(
    ("one", "other", "total"),
    [
        ("500m", "700m", "1200m"),
        ("500m", "500m", "1"),
        ("1Gi", "512Mi", "1536Mi"),
        ("0", "1Gi", "1Gi"),
        ("100M", "1Mi", "101048576"),
    ],
)
def test_a_sum_is_spelled_like_what_came_first(one: str, other: str, total: str) -> None:
    assert str(Quantity.of(one) + Quantity.of(other)) == total


def test_quantities_compare_as_the_numbers_that_they_are() -> None:
    assert Quantity.of("1Gi") == Quantity.of("1024Mi")
    assert Quantity.of("999m") < Quantity.of("1")
    assert str(Quantity.of("1Gi") - Quantity.of("1Mi")) == "1023Mi"
    assert not Quantity()
