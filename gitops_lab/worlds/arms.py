"""The arms: which ways of deploying there are, and how their dials are set.

To add one, write its deployer (`gitops_lab.deployers.deployer` says how) and a line in `ARMS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from gitops_lab.deployers.deployer import Deployer, GitAccess, Site
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.errors import UsageError
from gitops_lab.frontends.argocd.deployer import POLICY as ARGOCD
from gitops_lab.frontends.argocd.deployer import ArgoCD
from gitops_lab.frontends.flux.deployer import FluxDeployer
from gitops_lab.pipeline import PipelineDeployer

BRANCH = "main"
"""The branch that arms follow unless they say otherwise."""

LONGEST = 40
"""How long the name of a deployer in its cluster may be: its objects' names add to it."""


@dataclass(frozen=True)
class ArmDescription:
    """One way of deploying: a kind of deployer, and its dials.

    Args:
        name: what people call the arm.
        deployer: the kind of deployer.
        policy: its dials.
        branch: the branch that it follows.
        path: the folder of the repository that it deploys.
        cluster: the name of the arm whose cluster it shares; a cluster of its own if empty.
        serves: the names of other arms whose clusters its deployer can reach from outside.
    """

    name: str
    deployer: type[Deployer]
    policy: Policy
    branch: str = BRANCH
    path: str = "."
    cluster: str = ""
    serves: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The deployer's name in its cluster: what a label and an object's name may be."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")[:LONGEST].strip("-")

    def site(self, user: str, git: GitAccess, *, rights: str, namespace: str = "") -> Site:
        """Where its deployer is going to work; see `Site`."""
        return Site(
            name=self.identity, user=user, policy=self.policy, git=git, rights=rights,
            namespace=namespace, branch=self.branch, path=self.path,
        )  # fmt: skip


# A pipeline as people usually set it up keeps no inventory; every agent that is in use does.
PUSH = Policy(on_event=True, prune=False, start=15)
PULL = Policy(interval=60)

ARMS = {
    arm.name: arm
    for arm in (
        ArmDescription("push-on-commit", PushDeployer, PUSH),
        ArmDescription(
            "push-on-schedule",
            PushDeployer,
            replace(PUSH, on_event=False, interval=180, self_heal=True),
        ),
        ArmDescription("pull", PullDeployer, PULL),
        ArmDescription("pull+self-heal", PullDeployer, replace(PULL, self_heal=True)),
        ArmDescription("pull+webhook", PullDeployer, replace(PULL, on_event=True)),
        ArmDescription("pipeline", PipelineDeployer, PUSH),
        ArmDescription(
            "pipeline+parallel", PipelineDeployer, replace(PUSH, concurrency="parallel")
        ),
        ArmDescription("flux", FluxDeployer, PULL),
        ArmDescription("flux+webhook", FluxDeployer, replace(PULL, on_event=True)),
        ArmDescription("argocd", ArgoCD, ARGOCD),
    )
}
"""The standard arms. Each differs from a neighbour in as few dials as it can."""

VARIANTS = {
    arm.name: arm
    for arm in (
        ArmDescription("push+no-order", PushDeployer, replace(PUSH, order="none")),
        ArmDescription("pull+validate-first", PullDeployer, replace(PULL, validate_first=True)),
        ArmDescription("argocd+webhook", ArgoCD, replace(ARGOCD, on_event=True)),
        ArmDescription("pull+take-over", PullDeployer, replace(PULL, take_over=True)),
    )
}
"""Arms with one dial set otherwise than a standard arm. `all` does not mean them."""

FORM = re.compile(r"(?:([^=]+)=)?([^=@:]+)(?:@([^:]+))?(?::(.+))?")
"""How people write an arm: `KIND`, or `NAME=KIND@BRANCH:FOLDER`, each part but KIND optional."""


def parsed(text: str) -> ArmDescription:
    """The arm that a text means, such as `pull`, `pull:envs/dev` or `prod=pull@release:envs/prod`.

    Without a name, it is called after what it deploys.

    Raises:
        UsageError: there is no standard arm of this kind.
    """
    found = FORM.fullmatch(text)
    name, kind, branch, path = found.groups() if found else ("", text, None, None)
    known = {**ARMS, **VARIANTS}
    if kind not in known:
        near = get_close_matches(kind, known, 1)
        hint = f"did you mean {near[0]}? Arms: " if near else "choose from "
        raise UsageError(f"there is no arm {kind!r}", fix=f"{hint}{', '.join(known)}")
    after = "-".join(part.replace("/", "-") for part in (branch, path) if part)
    return replace(
        known[kind],
        name=name or (f"{kind}-{after}" if after else kind),
        branch=branch or BRANCH,
        path=path or ".",
    )


def described(arms: Sequence[str | ArmDescription]) -> list[ArmDescription]:
    """The descriptions of arms as people write them (see `parsed`), and of your own.

    Raises:
        UsageError: an arm that does not exist, or two that cannot be told apart.
    """
    chosen = [parsed(arm) if isinstance(arm, str) else arm for arm in arms]
    _check_names(chosen)
    own = {arm.name for arm in chosen if not arm.cluster}
    for arm in chosen:
        for other in (*([arm.cluster] if arm.cluster else ()), *arm.serves):
            if other not in own:
                raise UsageError(
                    f"the arm {arm.name!r} names {other!r}, which has no cluster of its own",
                    fix=f"name one of {', '.join(sorted(own))}",
                )
    return chosen


def _check_names(chosen: Sequence[ArmDescription]) -> None:
    names: dict[str, str] = {}
    for arm in chosen:
        if not arm.identity:
            raise UsageError(
                f"{arm.name!r} is no name of an arm", fix="use letters and digits, such as pull-2"
            )
        if arm.identity in names:
            raise UsageError(
                f"two arms have the name {arm.identity!r} in their clusters: "
                f"{names[arm.identity]!r} and {arm.name!r}",
                fix="give each a name of its own",
            )
        names[arm.identity] = arm.name
