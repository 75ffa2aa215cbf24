"""A cluster with Flux, and shorthand for its objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from gitops_lab.deployers.policy import Policy
from gitops_lab.frontends.conditions import find
from gitops_lab.frontends.flux.api import NAMESPACE, key_of
from gitops_lab.frontends.flux.deployer import FluxDeployer
from gitops_lab.model import Object, ObjectKey, named
from gitops_lab.sandbox import URL, ArmDescription, Sandbox

GITOPS = "kustomize.toolkit.fluxcd.io/v1"


class FluxWorld:
    """A sandbox with one arm, `flux`, and what it does in order.

    Args:
        bare: without the GitRepository and Kustomization that an arm begins with.
        options: of the Sandbox.
    """

    def __init__(self, *, bare: bool = True, **options: Any) -> None:
        policy = Policy(interval=60, fetch=1.0)
        self.sandbox = Sandbox(ArmDescription("flux", FluxDeployer, policy), **options)
        self.arm = self.sandbox["flux"]
        self.kubectl = self.arm.kubectl
        self.deployer = cast(Any, self.arm.deployer)
        if bare:
            self.deployer.install = lambda: True
            self.deployer._begin_at = 0.0
        self.history: list[tuple[ObjectKey, str, str, str, str]] = []
        self.arm.cluster.on_change(self._note)
        self.run(seconds=2)  # the definitions are served by now

    def close(self) -> None:
        self.sandbox.close()

    def run(self, **span: float) -> None:
        self.sandbox.run(**span)

    @property
    def now(self) -> float:
        return self.sandbox.clock.now()

    def commit(self, message: str = "change", /, **files: Any) -> str:
        """Commit files; `__` in a name stands for `/`, and `.yaml` is added."""
        return self.commit_files(
            {f"{name.replace('__', '/')}.yaml": content for name, content in files.items()}, message
        )

    def commit_files(self, files: dict[str, Any], message: str = "change") -> str:
        import yaml

        texts = {
            path: content if content is None or isinstance(content, str)
            else yaml.safe_dump_all(content if isinstance(content, list) else [content])
            for path, content in files.items()
        }  # fmt: skip
        return str(self.sandbox.commit(message, texts))

    def apply(self, *bodies: Object) -> None:
        for body in bodies:
            self.kubectl.apply(body, manager="kubectl")

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> Object:
        found = self.kubectl.get(key_of(kind, namespace, name))
        assert found is not None, f"there is no {kind} {namespace}/{name}"
        return found

    def ready(self, kind: str, name: str, namespace: str = NAMESPACE) -> tuple[str, str, str]:
        """Status, reason and message of the Ready condition."""
        condition = find(self.get(kind, name, namespace), "Ready")
        assert condition is not None
        return condition["status"], condition["reason"], condition["message"]

    def live(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        return self.arm.get(f"{kind}/{namespace}/{name}" if namespace else f"{kind}/{name}")

    def events(
        self, kind: str = "", name: str = "", since: float = 0
    ) -> list[tuple[str, str, str]]:
        """Type, reason and message of Events since an instant, in the order in which they came."""
        found = self.kubectl.list("", "Event", namespace=NAMESPACE)
        found.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [
            (event["type"], event["reason"], event["message"])
            for event in found
            if kind in ("", event["involvedObject"]["kind"])
            and name in ("", event["involvedObject"]["name"])
            and datetime.fromisoformat(event["lastTimestamp"]).timestamp() >= since
        ]

    def edit(self, kind: str, name: str, patch: Any, namespace: str = NAMESPACE) -> None:
        self.kubectl.patch(key_of(kind, namespace, name), patch, manager="kubectl-edit")

    def request(self, kind: str, name: str, token: str = "now") -> None:
        patch = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}}
        self.edit(kind, name, patch)

    def conditions(self, kind: str, name: str) -> list[tuple[str, str, str, str]]:
        """Every state of the conditions Ready, Reconciling and Healthy that a watcher could see."""
        return [
            entry[1:] for entry in self.history if (entry[0].kind, entry[0].name) == (kind, name)
        ]

    def _note(self, key: ObjectKey) -> None:
        if key.kind not in ("GitRepository", "Kustomization"):
            return
        live = self.kubectl.get(key) or {}
        for condition in (live.get("status") or {}).get("conditions") or ():
            told = (key, condition["type"], condition["status"], condition["reason"],
                    condition["message"])  # fmt: skip
            last = next((e for e in reversed(self.history) if e[:2] == told[:2]), None)
            if last != told:
                self.history.append(told)


def world(**options: Any) -> Iterator[FluxWorld]:
    made = FluxWorld(**options)
    try:
        yield made
    finally:
        made.close()


def git_repository(name: str = "app", **spec: Any) -> Object:
    whole = {"interval": "1m", "url": URL, "ref": {"branch": "main"}, **spec}
    return named("source.toolkit.fluxcd.io/v1", "GitRepository", name, NAMESPACE, spec=whole)


def kustomization(name: str = "apps", source: str = "app", **spec: Any) -> Object:
    whole = {
        "interval": "10m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": source},
        "targetNamespace": "default",
        **spec,
    }
    whole = {name: value for name, value in whole.items() if value is not None}
    return named(GITOPS, "Kustomization", name, NAMESPACE, spec=whole)
