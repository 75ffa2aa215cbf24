"""One object of five is refused: what is live then?"""

from __future__ import annotations

from dataclasses import replace

from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.experiments.experiment import Experiment, Findings, listed, reports, those
from gitops_lab.sandbox import ArmDescription, Sandbox
from gitops_lab.worlds.arms import PULL, PUSH

NAMES = ("one", "two", "three", "four", "five")
REFUSED = "three"


def manifest(number: int, *, good: bool = True) -> str:
    """One of the five objects; its wave is its number."""
    key = "greeting" if good else '"no such key!"'
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {NAMES[number]}
  annotations: {{argocd.argoproj.io/sync-wave: "{number}"}}
data: {{{key}: hello}}
"""


def files(*, good: bool) -> dict[str, str]:
    """The five files."""
    return {
        f"{number}.yaml": manifest(number, good=good or name != REFUSED)
        for number, name in enumerate(NAMES)
    }


def live(world: Sandbox, arm: str) -> list[str]:
    """Which of the five are live."""
    return [name for name in NAMES if world[arm].get(f"ConfigMap/{name}") is not None]


def steps(world: Sandbox) -> Findings:
    """Commit the five, one of them bad; wait; correct it; wait."""
    mark = len(world.journal)
    world.chapter("one of five is bad")
    world.commit("Add five objects", files(good=False))
    world.run(minutes=6)
    before = {arm: live(world, arm) for arm in world.arms}
    failed = {arm: reports(world, arm, "failure", mark) for arm in world.arms}
    world.chapter("corrected")
    world.commit("Correct the third", files(good=True))
    world.run(minutes=6)
    return {
        arm: {
            "live of 5": len(before[arm]),
            "which": ", ".join(before[arm]) or "none",
            "all or nothing": len(before[arm]) in (0, 5),
            "said that it failed": failed[arm] > 0,
            "live of 5 once corrected": len(live(world, arm)),
        }
        for arm in world.arms
    }


def verdict(findings: Findings) -> str:
    """Who leaves half of a commit live."""
    whole = those(findings, "all or nothing")
    parts = [f"{arm} left {found['live of 5']} of 5" for arm, found in findings.items()
             if not found["all or nothing"]]  # fmt: skip
    said = f"All or nothing: {listed(whole)}. " if whole else ""
    all_in = those(findings, "live of 5 once corrected", 5)
    left = "; ".join(parts) or "No arm left a part"
    return f"{said}{left}. Corrected, all five went live with {listed(all_in)}."


EXPERIMENT = Experiment(
    name="partial-failure",
    question="Object 3 of 5 is refused: what is live?",
    hypothesis="kubectl's way writes what can be written. Validation first writes nothing. Waves "
    "stop at the wave that failed.",
    arms=(
        ArmDescription("push:none", PushDeployer, replace(PUSH, order="none")),
        ArmDescription("push:validate-first", PushDeployer, replace(PUSH, validate_first=True)),
        ArmDescription("push:waves", PushDeployer, replace(PUSH, order="waves")),
        ArmDescription("pull", PullDeployer, PULL),
        ArmDescription("pull:validate-first", PullDeployer, replace(PULL, validate_first=True)),
    ),
    steps=steps,
    verdict=verdict,
    leaves_out="Refusals that a dry run does not see, such as a webhook without dry-run support.",
)
