"""How "Flux in five objects" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get, patch, replace

ARM = "flux"
KUSTOMIZATION = "Kustomization.kustomize.toolkit.fluxcd.io/flux-system/app"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"


def objects(attempt: Attempt) -> None:
    """Deploy another version through Git."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{old}", f"shop:{new}")


def miner(attempt: Attempt) -> None:
    """Add a container by hand, and ask for a run."""
    live = get(attempt.arm(ARM), "Deployment/shop")
    assert live is not None
    containers = live["spec"]["template"]["spec"]["containers"]
    more = [*containers, {"name": "miner", "image": "lab/miner:1"}]
    patch(
        attempt.arm(ARM), "Deployment/shop", {"spec": {"template": {"spec": {"containers": more}}}}
    )
    attempt.wait(seconds=20)
    now = {"metadata": {"annotations": {REQUESTED_AT: "now"}}}
    patch(attempt.arm(ARM), KUSTOMIZATION, now)


def suspend(attempt: Attempt) -> None:
    """Suspend the Kustomization, and delete a file."""
    patch(attempt.arm(ARM), KUSTOMIZATION, {"spec": {"suspend": True}})
    attempt.world.commit("Remove the settings", {"settings.yaml": None})
    attempt.wait(minutes=2)


def resume(attempt: Attempt) -> None:
    """Let it run again."""
    patch(attempt.arm(ARM), KUSTOMIZATION, {"spec": {"suspend": False}})


def typo(attempt: Attempt) -> None:
    """Commit a right change and a wrong one, wait for the failure, and revert."""
    files = {path: attempt.world.repository.read(path).decode() for path in
             ("deployment.yaml", "service.yaml")}  # fmt: skip
    attempt.world.commit(
        "Open another port",
        {
            "deployment.yaml": files["deployment.yaml"].replace("replicas:", "replica:"),
            "service.yaml": files["service.yaml"].replace(
                "port: 80\n", f"port: {attempt.values['port']}\n"
            ),
        },
    )
    attempt.wait(minutes=2)
    attempt.world.revert()
