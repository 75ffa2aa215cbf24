"""That the server asks: what is tested apart elsewhere, once more through the front door."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.kubesim.auth.world import GROUP, binding, plain, role, rule
from tests.kubesim.http.world import CONFIG_MAPS, PODS, Client, World, authority

ROLES = f"/apis/{GROUP}/v1/namespaces/default/roles"
BINDINGS = f"/apis/{GROUP}/v1/namespaces/default/rolebindings"
CLUSTER_ROLES = f"/apis/{GROUP}/v1/clusterroles"
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


def test_rights_in_one_namespace_do_not_lead_to_another_by_its_url(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        for name in ("mine", "other"):
            await client.post("/api/v1/namespaces", plain("Namespace", name))
        own = f"/apis/{GROUP}/v1/namespaces/mine"
        await client.post(f"{own}/roles", role("all", rule("*", "*", "*")))
        await client.post(f"{own}/rolebindings", binding("all", {"kind": "User", "name": "jane"}))
        async with world.client("jane") as jane:
            assert (await jane.get("/api/v1/namespaces/mine")).code == 200
            assert (await jane.get("/api/v1/namespaces/other")).code == 403
            for method in ("GET", "DELETE"):
                reply = await jane.ask(method, "/api/v1/namespaces/mine/namespaces/other")
                assert reply.code == 404
            assert (await jane.get("/api/v1/namespaces/mine/namespaces")).code == 404
        assert (await client.get("/api/v1/namespaces/other")).json["status"]["phase"] == "Active"

    served(tmp_path, scenario)


def test_a_right_to_one_name_allows_no_selector_of_others(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(ROLES, role("one", rule("list watch", "configmaps", names=["mine"])))
        await client.post(BINDINGS, binding("one", {"kind": "User", "name": "jane"}))
        async with world.client("jane") as jane:

            async def code(selector: str) -> int:
                return (await jane.get(f"{CONFIG_MAPS}?fieldSelector={selector}")).code

            assert await code("metadata.name%3Dmine") == 200
            assert await code("metadata.name%3D%3Dmine,metadata.namespace%3Ddefault") == 200
            assert await code("metadata.namespace!%3D%5C,metadata.name%3Dmine") == 403
            assert await code("metadata.name!%3Dmine") == 403
            assert await code("metadata.name%3Dmine%5C,x") == 403
            assert await code("") == 403

    served(tmp_path, scenario)


def test_writing_a_certificate_takes_the_right_to_sign(tmp_path: Path) -> None:
    group = "certificates.k8s.io"
    path = f"/apis/{group}/v1/certificatesigningrequests"

    async def scenario(world: World, client: Client) -> None:
        key = generate_private_key(SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
        request = x509.CertificateSigningRequestBuilder(name).sign(key, SHA256())
        spec = {
            "request": b64encode(request.public_bytes(Encoding.PEM)).decode(),
            "signerName": "example.org/own",
            "usages": ["client auth"],
        }
        wanted = {**plain("CertificateSigningRequest", "c"), "apiVersion": f"{group}/v1"}
        await client.post(path, {**wanted, "spec": spec})
        rights = rule("get update patch", "certificatesigningrequests/status", group)
        await client.post(CLUSTER_ROLES, role("writer", rights, kind="ClusterRole"))
        jane = {"kind": "User", "name": "jane"}
        bound = binding("writer", jane, to="ClusterRole", everywhere=True)
        await client.post(f"/apis/{GROUP}/v1/clusterrolebindings", bound)
        pem = b64encode(authority().ca_pem.encode()).decode()
        patch = {"status": {"certificate": pem}}
        async with world.client("jane") as user:
            media = "application/merge-patch+json"
            refused = await user.ask("PATCH", f"{path}/c/status", patch, media=media)
            assert refused.code == 403
            assert 'user not permitted to sign requests with signerName "example.org/own"' in (
                refused.message
            )
            sign = rule("sign", "signers", group, names=["example.org/*"])
            await client.ask(
                "PUT", f"{CLUSTER_ROLES}/writer", role("writer", rights, sign, kind="ClusterRole")
            )
            assert (await user.ask("PATCH", f"{path}/c/status", patch, media=media)).code == 200

    served(tmp_path, scenario)
