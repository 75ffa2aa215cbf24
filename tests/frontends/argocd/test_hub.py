"""One Argo CD for several clusters: it holds the keys of all of them."""

from __future__ import annotations

import base64
import json

from gitops_lab.deployers.push import PushDeployer
from gitops_lab.frontends.argocd.deployer import POLICY, ArgoCD
from gitops_lab.frontends.argocd.names import API_VERSION, GROUP, NAMESPACE
from gitops_lab.model import ObjectKey, named
from gitops_lab.sandbox import URL, ArmDescription, Sandbox
from gitops_lab.worlds.arms import PUSH
from tests.frontends.argocd.lab import config


def hub() -> Sandbox:
    spokes = ("east", "west")
    return Sandbox(
        ArmDescription("hub", ArgoCD, POLICY, path="hub", serves=spokes),
        *(ArmDescription(name, PushDeployer, PUSH, branch="none") for name in spokes),
        seed=1,
    )


def test_an_applicationset_deploys_to_every_cluster() -> None:
    with hub() as world:
        world.run(seconds=1)
        secrets = world["hub"].kubectl.list(
            "", "Secret", namespace=NAMESPACE,
            labels={"argocd.argoproj.io/secret-type": "cluster"},
        )  # fmt: skip
        names = [base64.b64decode(secret["data"]["name"]).decode() for secret in secrets]
        assert sorted(names) == ["east", "west"]
        template = {
            "metadata": {"name": "web-{{name}}"},
            "spec": {
                "project": "default",
                "source": {"repoURL": URL, "path": "web", "targetRevision": "main"},
                "destination": {"name": "{{name}}", "namespace": "default"},
                "syncPolicy": {"automated": {"selfHeal": True}},
            },
        }
        selector = {"matchLabels": {"argocd.argoproj.io/secret-type": "cluster"}}
        appset = named(
            API_VERSION, "ApplicationSet", "web", NAMESPACE,
            spec={"generators": [{"clusters": {"selector": selector}}], "template": template},
        )  # fmt: skip
        world.commit(
            "first",
            {"web/cm.yaml": config("settings", a="1"), "hub/set.yaml": json.dumps(appset)},
        )
        world.run(minutes=10)
        for spoke in ("east", "west"):
            live = world[spoke].get("ConfigMap/settings")
            assert live is not None and live["data"] == {"a": "1"}
        assert world["hub"].get("ConfigMap/settings") is None
        world.drift("ConfigMap/settings", {"data": {"a": "2"}}, "east")
        world.run(seconds=20)
        live = world["east"].get("ConfigMap/settings")
        assert live is not None and live["data"] == {"a": "1"}, "healed from afar"


def test_a_spoke_that_is_cut_off_is_not_known() -> None:
    with hub() as world:
        app = named(
            API_VERSION, "Application", "far", NAMESPACE,
            spec={
                "project": "default",
                "source": {"repoURL": URL, "path": "web", "targetRevision": "main"},
                "destination": {"name": "east", "namespace": "default"},
                "syncPolicy": {"automated": {}},
            },
        )  # fmt: skip
        world.commit("first", {"web/cm.yaml": config("settings"), "hub/app.yaml": json.dumps(app)})
        world.run(minutes=10)
        assert world["east"].get("ConfigMap/settings") is not None
        world.disconnect("east")
        world.run(minutes=5)
        found = world["hub"].kubectl.get(ObjectKey(GROUP, "Application", NAMESPACE, "far"))
        assert found is not None and found["status"]["sync"]["status"] == "Unknown"
        (condition,) = found["status"]["conditions"]
        assert condition["type"] == "ComparisonError"
        assert condition["message"].startswith("Failed to load live state: ")
        world.reconnect("east")
        world.run(minutes=5)
        found = world["hub"].kubectl.get(ObjectKey(GROUP, "Application", NAMESPACE, "far"))
        assert found is not None and found["status"]["sync"]["status"] == "Synced"
