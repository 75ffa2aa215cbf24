"""A second container is added by hand: which arm shows it, and which removes it?"""

from __future__ import annotations

from dataclasses import replace

from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.experiments.experiment import Experiment, Findings, listed, seconds_until, those
from gitops_lab.experiments.fighting_controllers import deployment
from gitops_lab.sandbox import ARMS, ArmDescription, Sandbox
from gitops_lab.worlds.arms import PULL

MINER = {"name": "miner", "image": "gitops-lab/shop:1.0.0"}
MINUTES = 30


def containers(world: Sandbox, arm: str) -> list[dict[str, object]]:
    """The containers of the live Deployment."""
    live = world[arm].get("Deployment/web")
    return list(live["spec"]["template"]["spec"]["containers"]) if live else []


def has_miner(world: Sandbox, arm: str) -> bool:
    """Whether the second container is still there."""
    return any(container["name"] == MINER["name"] for container in containers(world, arm))


def steps(world: Sandbox) -> Findings:
    """Deploy, add a container with kubectl, and wait; then a commit changes something else."""
    world.chapter("deploy")
    world.commit("Deploy", {"web.yaml": deployment("web", 1)})
    world.run(minutes=6)
    world.chapter("miner added")
    for arm in world.arms:
        pod = {"containers": [*containers(world, arm), MINER]}
        world.drift("Deployment/web", {"spec": {"template": {"spec": pod}}}, arm)
    gone = seconds_until(world, lambda arm: not has_miner(world, arm), limit=MINUTES * 60, every=10)
    seen = {arm: world[arm].watcher.last for arm in world.arms}
    named = {arm: any("miner" in x for x in s.extra) if s else False for arm, s in seen.items()}
    world.chapter("next commit")
    world.commit("Change something else", {"web.yaml": deployment("web", 2)})
    world.run(minutes=6)
    return {
        arm: {
            "removed after, s": gone[arm],
            "still there": has_miner(world, arm),
            "status names it": named[arm] if gone[arm] is None else None,
        }
        for arm in world.arms
    }


def verdict(findings: Findings) -> str:
    """Where the extra container still runs."""
    there, gone = those(findings, "still there"), those(findings, "still there", value=False)
    named = those(findings, "status names it")
    return (
        f"The extra container still runs with {listed(there)}, also after another commit. The "
        f"status of {listed(named)} names it. {listed(gone)} removed it."
    )


EXPERIMENT = Experiment(
    name="extra-fields",
    question="A container that Git does not declare is added by hand: who removes it?",
    hypothesis="Self-heal restores what Git declares, and Git does not declare this. Only a "
    "deployer that takes kubectl's fields over removes it, as Flux does.",
    arms=(
        ARMS["push-on-commit"],
        ARMS["push-on-schedule"],
        ARMS["pull+self-heal"],
        ArmDescription(
            "self-heal:take-over", PullDeployer, replace(PULL, self_heal=True, take_over=True)
        ),
        ARMS["flux"],
        ARMS["argocd"],
    ),
    steps=steps,
    verdict=verdict,
    leaves_out="Admission policies, which would have refused the container.",
)
