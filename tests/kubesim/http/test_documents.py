"""The documents over HTTPS, read by those who ask for them: the official Python client, and kubectl
by way of both versions of OpenAPI."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import yaml
from kubernetes import config as kubernetes_config
from kubernetes import dynamic

from kubesim.auth.kubeconfig import kubeconfig
from kubesim.controllers import Controllers
from kubesim.controllers.images import Catalogue
from tests.kubesim.http.world import DEPLOYMENT, Client, Scenario, World, authority

Run = Callable[[Scenario[None]], None]

KUBECTL = shutil.which("kubectl")
CRON_TAB = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "crontabs.stable.example.com"},
    "spec": {
        "group": "stable.example.com",
        "scope": "Namespaced",
        "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "additionalPrinterColumns": [
                    {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"}
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "description": "What is wanted.",
                                "properties": {"cronSpec": {"type": "string"}},
                            }
                        },
                    }
                },
            }
        ],
    },
}
MINE = {
    "apiVersion": "stable.example.com/v1",
    "kind": "CronTab",
    "metadata": {"name": "mine"},
    "spec": {"cronSpec": "* * * * */5"},
}


def credentials(world: World) -> dict[str, object]:
    certificate = authority().issue_client("admin", ["system:masters"])
    return kubeconfig(world.url, authority().ca_pem, certificate=certificate)


async def define(world: World, client: Client) -> None:
    """Have custom resources defined and served."""
    made = await client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRON_TAB)
    assert made.code == 201, made.message
    Controllers(world.api, images=Catalogue().steady(), rng=Random(3)).step(world.now)


def test_the_python_client_discovers_all_that_is_served(run: Run, tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        def discover() -> dynamic.DynamicClient:
            api = kubernetes_config.new_client_from_config_dict(credentials(world))
            found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovery.json"))
            list(found.resources.search())
            api.rest_client.pool_manager.clear()
            return found

        known = (await asyncio.to_thread(discover)).resources
        for resource in world.api.registry.all():
            found = known.get(
                api_version=resource.api_version, kind=resource.kind, name=resource.plural
            )
            assert found.namespaced == resource.namespaced
            assert tuple(found.verbs) == resource.verbs
            assert set(found.subresources) == set(resource.subresources)
        pods = known.get(api_version="v1", kind="Pod")
        assert pods.subresources["eviction"].kind == "Eviction"

    run(scenario)


def test_every_url_of_the_index_leads_to_its_document(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        index = (await client.get("/openapi/v3")).json["paths"]
        for entry in index.values():
            document = await client.get(entry["serverRelativeURL"])
            assert document.code == 200 and document.json["openapi"] == "3.0.0"
            assert "immutable" in document.headers["Cache-Control"]

    run(scenario)


def test_a_definition_is_in_every_document_as_soon_as_it_is_served(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        before = (await client.get("/openapi/v2")).json["definitions"]
        await define(world, client)
        after = (await client.get("/openapi/v2")).json["definitions"]
        new = {name for name in set(after) - set(before) if "metrics" not in name}
        assert new == {"com.example.stable.v1.CronTab", "com.example.stable.v1.CronTabList"}
        protobuf = await client.get(
            "/openapi/v2",
            Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        )
        assert b"com.example.stable.v1.CronTab" in protobuf.body
        assert "apis/stable.example.com/v1" in (await client.get("/openapi/v3")).json["paths"]
        groups = (await client.get("/apis")).json["groups"]
        assert groups[-1]["name"] == "stable.example.com"

    run(scenario)


@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine")
def test_kubectl_explains_from_either_version(run: Run, tmp_path: Path) -> None:
    async def scenario(world: World, client: Client) -> None:
        (tmp_path / "config").write_text(yaml.safe_dump(credentials(world)))

        async def kubectl(arguments: str) -> str:
            assert KUBECTL
            process = await asyncio.create_subprocess_exec(
                KUBECTL,
                *arguments.split(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={
                    "HOME": str(tmp_path),
                    "KUBECONFIG": str(tmp_path / "config"),
                    "PATH": os.environ["PATH"],
                },
            )
            out, _ = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0, out.decode()
            return out.decode()

        await define(world, client)
        await client.post("/apis/stable.example.com/v1/namespaces/default/crontabs", MINE)
        await client.post("/apis/apps/v1/namespaces/default/deployments", DEPLOYMENT)
        for form in ("plaintext", "plaintext-openapiv2"):
            told = await kubectl(f"explain crontab.spec --output {form}")
            assert "What is wanted." in told and "cronSpec" in told
            told = await kubectl(f"explain deployment.spec.strategy.rollingUpdate --output {form}")
            assert "maxSurge" in told
        header, row = (await kubectl("get ct")).splitlines()
        assert header.split() == ["NAME", "SPEC"]
        assert row.split() == ["mine", *"* * * * */5".split()]
        header, row = (await kubectl("get deployment web -o wide")).splitlines()
        assert header.split()[-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
        assert row.split()[-3:] == ["web", "web:1", "app=web"]

    run(scenario)
