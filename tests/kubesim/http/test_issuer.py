"""With the keys that the API server shows, its tokens can be told from others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt

from kubesim.auth.tokens import ISSUER
from tests.kubesim.http.world import Client, World


def test_a_token_is_checked_with_the_keys_that_the_issuer_names(run: Callable[..., Any]) -> None:
    async def scenario(world: World, client: Client) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}}
        await client.post("/api/v1/namespaces/default/serviceaccounts", account)
        token = world.tokens.issue("default", "agent", now=world.now)
        found = await client.get("/.well-known/openid-configuration")
        assert found.headers["Cache-Control"] == "public, max-age=3600"
        assert found.json["issuer"] == ISSUER
        keys = await client.get(found.json["jwks_uri"].removeprefix(world.url))
        assert keys.headers["Content-Type"] == "application/jwk-set+json"
        (key,) = jwt.PyJWKSet.from_dict(keys.json).keys
        assert key.key_id == jwt.get_unverified_header(token)["kid"]
        claims = jwt.decode(
            token, key, audience=ISSUER,
            algorithms=found.json["id_token_signing_alg_values_supported"],
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )  # fmt: skip
        assert claims["sub"] == "system:serviceaccount:default:agent"
        assert "d" not in keys.json["keys"][0]

    run(scenario)


def test_not_everybody_is_shown_the_keys(run: Callable[..., Any]) -> None:
    async def scenario(world: World, client: Client) -> None:
        async with world.client("jane") as jane:
            assert (await jane.get("/openid/v1/jwks")).code == 403
        async with world.client("agent", "system:serviceaccounts") as agent:
            assert (await agent.get("/openid/v1/jwks")).code == 200

    run(scenario)
