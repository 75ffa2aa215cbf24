from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from kubesim.auth.authentication import Authenticator, impersonate
from kubesim.auth.certificates import Authority
from kubesim.auth.tokens import TokenError, Tokens
from kubesim.auth.users import ADMIN, User
from tests.kubesim.auth.world import JANE, World, plain, refused, rule

AUTHORITY = Authority.create()


class Cluster(World):
    def __init__(self) -> None:
        super().__init__()
        self.create(plain("ServiceAccount", "agent"))
        self.tokens = Tokens(AUTHORITY.token_key, self.api.store, rng=Random(1))
        self.authenticator = Authenticator(self.tokens)
        self.token = self.tokens.issue("default", "agent", now=self.now)

    def who(self, certificate: Any = None, header: str = "") -> User | None:
        return self.authenticator.authenticate(certificate, header, self.now)

    def act(self, user: User, *headers: tuple[str, str]) -> User:
        return impersonate(user, Repeated(headers), self.authorizer)


class Repeated(dict[str, str]):
    """Headers of which some may be repeated, as in a multidict."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def items(self) -> Any:
        return self._pairs


def certificate(*parts: tuple[str, str]) -> dict[str, Any]:
    """A client's certificate as `ssl` tells it."""
    return {"subject": tuple((part,) for part in parts), "version": 3}


def test_a_certificate_names_user_and_groups() -> None:
    names = (("organizationName", "dev"), ("organizationName", "ops"), ("commonName", "jane"))
    user = Cluster().who(certificate(*names))
    assert user == User("jane", ("dev", "ops", "system:authenticated"))


def test_of_several_names_in_a_certificate_the_last_counts() -> None:
    found = Cluster().who(certificate(("commonName", "joe"), ("commonName", "jane")))
    assert found is not None and found.name == "jane"


def test_a_token_names_a_service_account() -> None:
    world = Cluster()
    for scheme in ("Bearer", "bearer", "BEARER"):
        user = world.who(header=f"{scheme} {world.token}")
        assert user is not None
        assert user.name == "system:serviceaccount:default:agent"


def test_a_certificate_counts_before_a_token() -> None:
    world = Cluster()
    found = world.who(certificate(("commonName", "jane")), "Bearer nonsense")
    assert found is not None and found.name == "jane"


def test_a_certificate_without_a_name_leaves_it_to_the_token() -> None:
    world = Cluster()
    unnamed = certificate(("organizationName", "system:masters"))
    assert world.who(unnamed) is None
    found = world.who(unnamed, f"Bearer {world.token}")
    assert found is not None and "system:masters" not in found.groups


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ", "nonsense"])
def test_a_request_without_credentials_is_anonymous(header: str) -> None:
    assert Cluster().who(header=header) is None


@given(st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip())))
def test_a_bad_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError) as error:
        Cluster().who(header=f"Bearer {text}")
    assert refused(error) == (401, "Unauthorized", "Unauthorized")


def test_without_a_header_one_is_oneself() -> None:
    assert Cluster().act(JANE, ("Accept", "*/*")) is JANE


def test_the_administrator_can_be_anybody() -> None:
    user = Cluster().act(
        ADMIN,
        ("Impersonate-User", "joe"),
        ("Impersonate-Group", "dev"),
        ("impersonate-group", "ops"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Example.com%2fProject", "one"),
        ("Impersonate-Extra-Example.com%2fProject", "two"),
    )
    groups = ("dev", "ops", "system:authenticated")
    assert user == User("joe", groups, "7", {"example.com/project": ("one", "two")})


def test_an_impersonated_service_account_has_its_groups() -> None:
    user = Cluster().act(ADMIN, ("Impersonate-User", "system:serviceaccount:shop:agent"))
    assert user.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        "system:authenticated",
    )


def test_an_impersonated_stranger_is_not_authenticated() -> None:
    user = Cluster().act(ADMIN, ("Impersonate-User", "system:anonymous"))
    assert user.groups == ("system:unauthenticated",)


def test_nobody_else_can_be_anybody() -> None:
    with pytest.raises(ApiError) as error:
        Cluster().act(JANE, ("Impersonate-User", "joe"))
    assert refused(error) == (
        403,
        "Forbidden",
        'users "joe" is forbidden: User "jane" cannot impersonate resource "users" in API group '
        '"" at the cluster scope',
    )


def test_user_groups_uid_and_extra_are_each_allowed_apart() -> None:
    world = Cluster()
    world.grant(rule("impersonate", "users", names=["joe"]), namespace="", name="users")
    world.act(JANE, ("Impersonate-User", "joe"))
    for more in (
        ("Impersonate-Group", "system:masters"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-scopes", "all"),
    ):
        with pytest.raises(ApiError, match="cannot impersonate"):
            world.act(JANE, ("Impersonate-User", "joe"), more)
    own = rule("impersonate", "userextras/scopes", "authentication.k8s.io", names=["all"])
    world.grant(own, namespace="", name="extras")
    world.act(JANE, ("Impersonate-User", "joe"), ("Impersonate-Extra-scopes", "all"))
    with pytest.raises(ApiError, match="userextras/scopes"):
        world.act(JANE, ("Impersonate-User", "joe"), ("Impersonate-Extra-scopes", "more"))


def test_a_service_account_is_impersonated_in_its_namespace() -> None:
    world = Cluster()
    world.grant(rule("impersonate", "serviceaccounts"))
    world.act(JANE, ("Impersonate-User", "system:serviceaccount:default:agent"))
    with pytest.raises(ApiError, match='"serviceaccounts" in API group "" in the namespace "shop"'):
        world.act(JANE, ("Impersonate-User", "system:serviceaccount:shop:agent"))


@pytest.mark.parametrize("name", ["Group", "Uid", "Extra-scopes"])
def test_nobody_is_impersonated_without_a_name(name: str) -> None:
    with pytest.raises(ApiError) as error:
        Cluster().act(ADMIN, (f"Impersonate-{name}", "x"))
    assert error.value.code == 400
