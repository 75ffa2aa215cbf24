"""Accounts: a name and a token open what they are meant to open, and nothing else does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ForgeError
from gitops_lab.forge.accounts import EVERY, Accounts


def basic(name: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()


@pytest.fixture
def accounts() -> Accounts:
    accounts = Accounts()
    accounts.add("lena", "s3cret:ü", {"app": "write", EVERY: "read"})
    return accounts


def test_name_and_token_say_whose_they_are(accounts: Accounts) -> None:
    account = accounts.authenticate(basic("lena", "s3cret:ü"))
    assert account is not None and account.name == "lena"
    assert accounts.authenticate(basic("lena", "s3cret:ü").replace("Basic", "bASIC")) == account


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic ???",
        "Basic " + base64.b64encode(b"lena").decode(),
        "Basic " + base64.b64encode(b"lena:\xff").decode(),
        "Basic bGVuYTo\u00fc",
        "Bearer s3cret:ü",
        basic("lena", ""),
        basic("lena", "s3cret:u"),
        basic("Lena", "s3cret:ü"),
        basic("unknown", ""),
        basic("", ""),
    ],
)
def test_everything_else_is_refused(accounts: Accounts, header: str) -> None:
    assert accounts.authenticate(header) is None


@given(st.text() | st.binary().map(lambda said: "Basic " + base64.b64encode(said).decode()))
@settings(max_examples=50)
def test_no_header_breaks_anything(header: str) -> None:
    accounts = Accounts()
    accounts.add("lena", "s3cret:ü", {})
    assert accounts.authenticate(header) is None


def test_the_right_to_one_repository_goes_before_the_right_to_all(accounts: Accounts) -> None:
    (lena,) = accounts
    assert lena.may("write", "app") and lena.may("read", "app")
    assert lena.may("read", "other") and not lena.may("write", "other")
    bound = accounts.add("bound", "t", {"app": "read", EVERY: "write"})
    assert not bound.may("write", "app") and bound.may("write", "other")


def test_without_a_right_nothing_may_be_done(accounts: Accounts) -> None:
    idle = accounts.add("idle", "t", {"app": "read"})
    assert not idle.may("read", "other") and not idle.may("write", "other")


def test_a_removed_account_opens_nothing_any_more(accounts: Accounts) -> None:
    accounts.remove("lena")
    assert accounts.authenticate(basic("lena", "s3cret:ü")) is None
    with pytest.raises(ForgeError, match="no account 'lena'"):
        accounts.remove("lena")


def test_an_account_does_not_hold_its_token(accounts: Accounts) -> None:
    (lena,) = accounts
    assert "s3cret" not in repr(lena)
    assert Accounts([lena]).authenticate(basic("lena", "s3cret:ü")) == lena


@pytest.mark.parametrize("name", ["", "a:b", "-a", "a b", "a\n", "ü", "a" * 65, "../x"])
def test_a_name_that_cannot_be_used_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(ForgeError, match="no name of an account"):
        accounts.add(name, "t", {})


def test_a_name_that_is_taken_and_an_empty_token_are_refused(accounts: Accounts) -> None:
    with pytest.raises(ForgeError, match="already"):
        accounts.add("lena", "t", {})
    with pytest.raises(ForgeError, match="empty token"):
        accounts.add("max", "", {})
