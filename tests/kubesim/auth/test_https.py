"""That the server asks: what is tested apart elsewhere, once more through the front door."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.kubesim.auth.world import GROUP, binding, plain, role, rule
from tests.kubesim.http.world import CONFIG_MAPS, PODS, Client, World

ROLES = f"/apis/{GROUP}/v1/namespaces/default/roles"
BINDINGS = f"/apis/{GROUP}/v1/namespaces/default/rolebindings"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def served(folder: Path, scenario: Callable[[World, Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with World(str(folder)).served() as world, world.client() as client:
            await scenario(world, client)

    asyncio.run(main())


def test_nobody_grants_over_https_what_they_have_not(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        author = role("author", rule("create patch", "roles", GROUP), rule("get", "pods"))
        await client.post(ROLES, author)
        await client.post(BINDINGS, binding("author", {"kind": "User", "name": "jane"}))
        async with world.client("jane", "dev") as jane:
            assert (await jane.post(ROLES, role("own", rule("get", "pods")))).code == 201
            refused = await jane.post(ROLES, role("more", rule("get", "secrets")))
            assert refused.code == 403
            assert 'user "jane" (groups=["dev" "system:authenticated"])' in refused.message
            patched = await jane.ask(
                "PATCH",
                f"{ROLES}/own",
                {"rules": [rule("*", "*", "*")]},
                media="application/merge-patch+json",
            )
            assert patched.code == 403
            applied = await jane.ask(
                "PATCH",
                f"{ROLES}/own?fieldManager=jane&force=true",
                role("own", rule("get", "secrets")),
                media="application/apply-patch+yaml",
            )
            assert applied.code == 403
        assert (await client.get(f"{ROLES}/own")).json["rules"] == [rule("get", "pods")]

    served(tmp_path, scenario)


def test_an_apply_that_creates_must_be_allowed_to_create(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(ROLES, role("patcher", rule("patch", "configmaps")))
        await client.post(BINDINGS, binding("patcher", {"kind": "User", "name": "jane"}))
        await client.post(CONFIG_MAPS, plain("ConfigMap", "old"))
        async with world.client("jane") as jane:
            codes = [
                (
                    await jane.ask(
                        "PATCH",
                        f"{CONFIG_MAPS}/{name}?fieldManager=jane",
                        plain("ConfigMap", name),
                        media="application/apply-patch+yaml",
                    )
                ).code
                for name in ("old", "new")
            ]
        assert codes == [200, 403]

    served(tmp_path, scenario)


def test_a_tokens_end_is_noticed_on_an_open_connection(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(ACCOUNTS, plain("ServiceAccount", "bot"))
        await client.post(ROLES, role("reader", rule("list", "pods")))
        subject = {"kind": "ServiceAccount", "name": "bot", "namespace": "default"}
        await client.post(BINDINGS, binding("reader", subject))
        spec = {"spec": {"expirationSeconds": 600}}
        issued = await client.post(f"{ACCOUNTS}/bot/token", spec)
        bearer = f"Bearer {issued.json['status']['token']}"
        async with world.client("") as bot:
            assert (await bot.get(PODS, Authorization=bearer)).code == 200
            world.now += 600
            assert (await bot.get(PODS, Authorization=bearer)).code == 401
            world.now -= 600
            await client.ask("DELETE", f"{ACCOUNTS}/bot")
            assert (await bot.get(PODS, Authorization=bearer)).code == 401

    served(tmp_path, scenario)


def test_rights_end_with_their_binding(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(ROLES, role("reader", rule("list", "pods")))
        await client.post(BINDINGS, binding("reader", {"kind": "Group", "name": "dev"}))
        async with world.client("jane", "dev") as jane:
            assert (await jane.get(PODS)).code == 200
            await client.ask("DELETE", f"{BINDINGS}/reader")
            assert (await jane.get(PODS)).code == 403

    served(tmp_path, scenario)
