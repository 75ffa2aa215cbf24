"""The real kubectl, run where it is found, against a server whose cluster is alive."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
import yaml

from gitops_lab.apiserver.auth.kubeconfig import kubeconfig
from gitops_lab.apiserver.controllers import Controllers
from gitops_lab.apiserver.controllers.images import Catalogue
from tests.apiserver.http.world import DEPLOYMENT, World, authority

KUBECTL = shutil.which("kubectl")

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine"),
]

SPEED = 20
"""Seconds of the cluster's time in one of ours."""


class Kubectl:
    """Runs kubectl with a kubeconfig and a home of its own."""

    def __init__(self, world: World, home: Path) -> None:
        self.world, self.home = world, home

    async def fails(self, arguments: str, stdin: str = "", code: int = 1) -> str:
        """What it says when it ends with an exit code."""
        assert KUBECTL
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            *arguments.split(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={
                "HOME": str(self.home),
                "KUBECONFIG": str(self.home / "config"),
                "PATH": os.environ["PATH"],
            },
        )
        out, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        assert process.returncode == code, out.decode()
        return out.decode()

    async def __call__(self, arguments: str, stdin: str = "") -> str:
        return await self.fails(arguments, stdin, code=0)


async def live(world: World) -> None:
    """Let the cluster's time pass, faster than ours."""
    controllers = Controllers(world.api, images=Catalogue().steady(), rng=Random(3))
    begin, start = world.now, time.monotonic()
    while True:
        world.now = begin + (time.monotonic() - start) * SPEED
        controllers.step(world.now)
        await asyncio.sleep(0.01)


def run(folder: Path, home: Path, story: Callable[[Kubectl], Awaitable[None]]) -> None:
    """Tell a story to a cluster of its own."""

    async def whole() -> None:
        async with World(str(folder)).served() as world:
            certificate = authority().issue_client("admin", ["system:masters"])
            config = kubeconfig(world.url, authority().ca_pem, certificate=certificate)
            (home / "config").write_text(yaml.safe_dump(config))
            life = asyncio.create_task(live(world))
            try:
                await story(Kubectl(world, home))
            finally:
                life.cancel()

    asyncio.run(whole())


def manifest(image: str = "web:1", replicas: int = 2) -> str:
    obj = json.loads(json.dumps(DEPLOYMENT))
    obj["spec"]["replicas"] = replicas
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return json.dumps(obj)


def test_a_deployment_lives_its_life(folder: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        assert await kubectl("apply -f -", manifest()) == "deployment.apps/web created\n"
        done = await kubectl("rollout status deployment/web --timeout=30s")
        assert 'deployment "web" successfully rolled out' in done
        header, row = (await kubectl("get deployment web")).splitlines()
        assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
        assert row.split()[:4] == ["web", "2/2", "2", "2"]
        assert await kubectl("apply -f -", manifest()) == "deployment.apps/web unchanged\n"
        changed = await kubectl.fails("diff -f -", manifest("web:2"))
        assert "+      - image: web:2" in changed
        await kubectl("apply -f -", manifest("web:2"))
        await kubectl("rollout status deployment/web --timeout=30s")
        assert "web:2" in await kubectl("get pods -l app=web -o jsonpath={..image}")
        assert "2         <none>" in await kubectl("rollout history deployment/web")
        assert "rolled back" in await kubectl("rollout undo deployment/web")
        assert "scaled" in await kubectl("scale deployment/web --replicas=3")
        assert "condition met" in await kubectl(
            "wait --for=jsonpath={.status.availableReplicas}=3 deployment/web --timeout=30s"
        )
        described = await kubectl("describe deployment web")
        assert "Normal  ScalingReplicaSet" in described
        assert "started" in await kubectl("logs deployment/web --tail=1")
        assert "deleted" in await kubectl("delete deployment web --wait --timeout=30s")
        assert "No resources found" in await kubectl("get deployments")

    run(folder, tmp_path, story)


def test_server_side_apply_names_who_is_in_the_way(folder: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("apply --server-side --field-manager=one -f -", manifest())
        two = "apply --server-side --field-manager=two -f -"
        conflict = await kubectl.fails(two, manifest(replicas=5))
        assert 'conflict with "one": .spec.replicas' in conflict
        assert "serverside-applied" in await kubectl(
            f"{two} --force-conflicts", manifest(replicas=5)
        )
        assert await kubectl("get deployment web -o jsonpath={.spec.replicas}") == "5"

    run(folder, tmp_path, story)


def test_objects_are_made_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    """Typed commands send protobuf."""

    async def story(kubectl: Kubectl) -> None:
        for what in (
            "deployment web --image=web:1 --port=80",
            "configmap settings --from-literal=colour=blue",
            "secret generic password --from-literal=word=secret",
            "service clusterip web --tcp=80:8080",
            "job once --image=web:1",
            "cronjob often --image=web:1 --schedule=@hourly",
            "ingress front --rule=web.example/*=web:80",
            "role reader --verb=get --resource=pods",
            "rolebinding jane --role=reader --user=jane",
            "poddisruptionbudget web --selector=app=web --min-available=1",
            "namespace shop",
            "serviceaccount bot",
        ):
            assert "created" in await kubectl(f"create {what}")
        owners = await kubectl("get deployment web -o yaml --show-managed-fields")
        assert "manager: kubectl-create" in owners
        word = await kubectl("get secret password -o jsonpath={.data.word}")
        assert word == "c2VjcmV0"
        token = await kubectl("create token bot")
        assert token.count(".") == 2
        assert await kubectl("auth can-i get pods --as=jane") == "yes\n"
        assert await kubectl.fails("auth can-i delete pods --as=jane") == "no\n"
        assert "system:masters" in await kubectl("auth whoami")
        assert "labeled" in await kubectl("label configmap settings tier=front")
        assert "annotated" in await kubectl("annotate configmap settings note=a")
        patched = 'patch configmap settings --type=merge -p {"data":{"colour":"red"}}'
        assert "patched" in await kubectl(patched)
        assert "settings" in await kubectl("get configmaps --selector tier=front -o name")

    run(folder, tmp_path, story)


def test_what_is_served_is_known_and_explained(folder: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        served = await kubectl("api-resources --no-headers")
        assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in [
            line.split() for line in served.splitlines()
        ]
        assert "apps/v1" in (await kubectl("api-versions")).splitlines()
        assert "FIELD: strategy" in await kubectl("explain deployment.spec.strategy")
        assert "Server Version: v1.37" in await kubectl("version")
        assert "readyz check passed" in await kubectl("get --raw /readyz?verbose")

    run(folder, tmp_path, story)


def test_refusals_reach_the_user_in_the_servers_words(folder: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        missing = await kubectl.fails("get deployment web")
        assert missing == 'Error from server (NotFound): deployments.apps "web" not found\n'
        unknown = await kubectl.fails("get nonsense")
        assert 'the server doesn\'t have a resource type "nonsense"' in unknown
        typo = manifest().replace('"replicas"', '"replica"')
        assert 'unknown field "spec.replica"' in await kubectl.fails("apply -f -", typo)
        forbidden = await kubectl.fails("get pods --as=jane")
        assert 'User "jane" cannot list resource "pods"' in forbidden

    run(folder, tmp_path, story)
