"""Flux and Argo CD in six rows: the same commits and the same edits, measured side by side."""

from __future__ import annotations

from collections.abc import Callable

from gitops_lab.experiments.experiment import (
    Experiment,
    Findings,
    Value,
    listed,
    seconds_until,
    those,
)
from gitops_lab.experiments.fighting_controllers import deployment
from gitops_lab.model import ObjectKey, named
from gitops_lab.sandbox import ARMS, Sandbox

LIMIT = 30 * 60
"""Seconds that each step is waited for."""

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n"
WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: late}\n"
DEFINITION = named(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com",
    spec={
        "group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [{"name": "v1", "served": True, "storage": True,
                      "schema": {"openAPIV3Schema": {"type": "object"}}}],
    },
)  # fmt: skip
LATE = ObjectKey("example.com", "Widget", "default", "late")
UNITS = {
    "flux": ObjectKey("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "app"),
    "argocd": ObjectKey("argoproj.io", "Application", "argocd", "app"),
}
"""What each arm deploys by: the object that names the repository's folder."""


EMPTY, ENDED = "empty folder deletes all", "its unit's end deletes all"


def labels(world: Sandbox, arm: str) -> dict[str, str]:
    """The labels of the live Deployment."""
    live = world[arm].get("Deployment/web")
    return dict((live or {}).get("metadata", {}).get("labels") or {})


def replicas(world: Sandbox, arm: str) -> int:
    """The replicas of the live Deployment."""
    live = world[arm].get("Deployment/web")
    return int(live["spec"]["replicas"]) if live else 0


def steps(world: Sandbox) -> Findings:
    """Six things happen, one after the other; after each, live state is Git's again."""
    found: dict[str, dict[str, Value]] = {arm: {} for arm in world.arms}
    files = {"web.yaml": deployment("web", 1), "settings.yaml": SETTINGS}
    world.commit("Deploy", {**files, "README.md": "A shop.\n"})
    world.run(minutes=10)
    wanted = {arm: replicas(world, arm) for arm in world.arms}

    def until(row: str, holds: Callable[[str], bool]) -> None:
        for arm, value in seconds_until(world, holds, limit=LIMIT, every=5).items():
            found[arm][row] = value

    world.chapter("hand edit")
    world.drift("Deployment/web", {"spec": {"replicas": 9}})
    until("edit undone, s", lambda arm: replicas(world, arm) == wanted[arm])
    world.chapter("extra label")
    world.drift("Deployment/web", {"metadata": {"labels": {"by": "hand"}}})
    until("label gone, s", lambda arm: "by" not in labels(world, arm))
    world.chapter("object deleted")
    world.drift("ConfigMap/settings", None)
    until("object back, s", lambda arm: world[arm].get("ConfigMap/settings") is not None)
    world.chapter("failed apply")
    world.commit("Of a kind that is not there", {"late.yaml": WIDGET})
    world.run(minutes=30)
    for arm in world.arms:
        world[arm].kubectl.apply(DEFINITION, manager="kubectl")
    world.run(seconds=5)
    until("applied once it can be, s",
          lambda arm: world[arm].get(LATE) is not None)  # fmt: skip
    world.chapter("empty folder")
    world.commit("Delete everything", dict.fromkeys((*files, "late.yaml")))
    world.run(minutes=30)
    for arm in world.arms:
        found[arm][EMPTY] = world[arm].get("Deployment/web") is None
    world.revert()
    world.run(minutes=30)
    world.chapter("unit deleted")
    for arm in world.arms:
        if arm in UNITS:
            world[arm].kubectl.delete(UNITS[arm])
    world.run(minutes=5)
    for arm in world.arms:
        gone = world[arm].get("Deployment/web") is None
        found[arm][ENDED] = gone if arm in UNITS else None
    return found


def verdict(findings: Findings) -> str:
    """Where the two differ, in the words of the measures."""
    undone = ", ".join(
        f"{arm} after {value:.0f} s" if isinstance(value, int | float) else f"{arm} never"
        for arm, value in ((arm, row["edit undone, s"]) for arm, row in findings.items())
    )
    label = [arm for arm, row in findings.items() if row["label gone, s"] is not None]
    late = [arm for arm, row in findings.items() if row["applied once it can be, s"] is not None]
    return (
        f"The edit was undone by {undone}. The extra label was removed by {listed(label)}. An "
        f"apply that had failed was repeated by {listed(late)} when it could succeed. An empty "
        f"folder emptied the cluster of {listed(those(findings, EMPTY))}, the end of its unit that "
        f"of {listed(those(findings, ENDED))}."
    )


EXPERIMENT = Experiment(
    name="front-ends",
    question="Where do Flux and Argo CD do different things with the same commits and edits?",
    hypothesis="Both restore what Git declares; they differ in when, in fields that Git does not "
    "declare, in how long they try, and in what they delete.",
    arms=(ARMS["flux"], ARMS["argocd"]),
    steps=steps,
    verdict=verdict,
    leaves_out="Sync waves that never become healthy: Flux has none to compare with.",
)
