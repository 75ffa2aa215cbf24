"""A cluster with Argo CD in it and a repository, for tests: no Application to begin with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gitops_lab.frontends.argocd.control_plane import ControlPlane
from gitops_lab.frontends.argocd.deployer import ArgoCD
from gitops_lab.frontends.argocd.names import API_VERSION, GROUP, IN_CLUSTER, NAMESPACE
from gitops_lab.model import Object, ObjectKey, Revision, named
from gitops_lab.sandbox import URL, Arm, Sandbox

EPOCH = 1767603600.0
"""When virtual time begins."""


def deployment(name: str = "web", *, image: str = "nginx:1.27", replicas: int = 2) -> str:
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "web", "image": image}]},
                },
            },
        }
    )


def config(name: str, annotations: dict[str, str] | None = None, **data: str) -> str:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    if annotations:
        body["metadata"] = {"name": name, "annotations": annotations}
    return json.dumps(body)


def job(name: str, hook: str = "", *, image: str = "busybox:1.37", **annotations: str) -> str:
    written = {f"argocd.argoproj.io/{key.replace('_', '-')}": v for key, v in annotations.items()}
    if hook:
        written["argocd.argoproj.io/hook"] = hook
    container = {"name": "job", "image": image}
    return json.dumps(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "annotations": written},
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
            },
        }
    )


class Lab:
    """One cluster with Argo CD, driven by virtual time."""

    def __init__(self, seed: int = 1) -> None:
        self.world = Sandbox("argocd", seed=seed, observe=False)
        self.arm: Arm = self.world["argocd"]
        self.kubectl = self.arm.kubectl
        self.kubectl.delete(self.key("app"))
        self.run(0)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.close()

    @property
    def plane(self) -> ControlPlane:
        assert isinstance(self.arm.deployer, ArgoCD)
        return self.arm.deployer.control_plane

    @property
    def now(self) -> float:
        return self.world.clock.now()

    def key(self, name: str, kind: str = "Application") -> ObjectKey:
        return ObjectKey(GROUP, kind, NAMESPACE, name)

    def commit(self, files: Mapping[str, str | None]) -> str:
        return self.world.commit("change", files).commit

    def run(self, seconds: float = 0.0) -> None:
        self.world.run(seconds=seconds)

    def application(
        self,
        name: str = "web",
        *,
        path: str = ".",
        namespace: str = "default",
        auto: dict[str, Any] | None = None,
        options: list[str] | None = None,
        finalizers: list[str] | None = None,
        **spec: Any,
    ) -> None:
        policy: dict[str, Any] = {}
        if auto is not None:
            policy["automated"] = auto
        if options:
            policy["syncOptions"] = options
        if "retry" in spec:
            policy["retry"] = spec.pop("retry")
        body = named(
            API_VERSION, "Application", name, NAMESPACE,
            spec={
                "project": "default",
                "source": {"repoURL": URL, "path": path},
                "destination": {"server": IN_CLUSTER, "namespace": namespace},
                **({"syncPolicy": policy} if policy else {}),
                **spec,
            },
        )  # fmt: skip
        if finalizers:
            body["metadata"]["finalizers"] = finalizers
        self.kubectl.create(body, manager="kubectl")

    def app(self, name: str = "web") -> Object:
        found = self.kubectl.get(self.key(name))
        assert found is not None, f"there is no Application {name}"
        return found

    def status(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.app(name).get("status") or {}
        return found

    def words(self, name: str = "web") -> tuple[str, str]:
        """Sync status and health."""
        status = self.status(name)
        return status["sync"]["status"], status["health"]["status"]

    def state(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.status(name).get("operationState") or {}
        return found

    def condition(self, type_: str, name: str = "web") -> str:
        found = [
            c["message"] for c in self.status(name).get("conditions", ()) if c["type"] == type_
        ]
        return found[0] if found else ""

    def patch(self, patch: dict[str, Any], name: str = "web") -> None:
        self.kubectl.patch(self.key(name), patch, manager="kubectl-patch")

    def sync(self, name: str = "web", seconds: float = 0.0, **sync: Any) -> None:
        """Start a sync as `kubectl patch` does."""
        self.patch({"operation": {"sync": sync, "initiatedBy": {"username": "learner"}}}, name)
        self.run(seconds)

    def refresh(self, name: str = "web", how: str = "normal") -> None:
        self.patch({"metadata": {"annotations": {"argocd.argoproj.io/refresh": how}}}, name)
        self.run(0)

    def get(self, name: str) -> Object | None:
        return self.arm.get(name)

    def edit(self, name: str, patch: dict[str, Any]) -> None:
        self.kubectl.patch(self.arm.key(name), patch, manager="kubectl-edit")

    def events(self, name: str = "web") -> list[tuple[str, str]]:
        """Reason and message of each Event about an Application, in their order."""
        found = [
            e
            for e in self.kubectl.list("", "Event", namespace=NAMESPACE)
            if e["involvedObject"]["kind"] == "Application" and e["involvedObject"]["name"] == name
        ]
        found.sort(key=lambda e: int(e["metadata"]["name"].rpartition(".")[2], 16))
        return [(e["reason"], e["message"]) for e in found]


def revision(commit: str) -> str:
    return str(Revision("main", commit))
