"""Which secrets a world has: who holds each, where it lies, and what its holder can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_lab.errors import ApiError, ClusterUnreachable, UsageError
from gitops_lab.forge import Event
from gitops_lab.forge.people import PEOPLE, RIGHTS, require
from gitops_lab.pipeline import PipelineDeployer

if TYPE_CHECKING:
    from gitops_lab.worlds.world import World


@dataclass(frozen=True)
class Holding:
    """One secret. Its value is not in here.

    Args:
        name: what it is.
        holder: who has it.
        where: where it lies: `CI`, `forge`, or a cluster.
        able: what it can be used for.
    """

    name: str
    holder: str
    where: str
    able: str


def holdings(world: World) -> tuple[Holding, ...]:
    """The secrets of the forge, of CI, of agents, and those in the clusters."""
    return (*_accounts(), *_deployers(world), *_pipelines(world), *_clusters(world))


def set_secret(world: World, name: str, value: str, *, by: str, arm: str = "") -> None:
    """Give CI a secret for the jobs that name it; an empty value removes it.

    Args:
        world: the world.
        name: what jobs call it.
        value: the value. It goes to CI's own storage, and nowhere else.
        by: the account that does it.
        arm: the arm whose CI gets it; every arm that runs pipelines if empty.

    Raises:
        ForgeError: the account may not.
        UsageError: no arm runs pipelines, or the name cannot be used.
    """
    require(by, "secrets", "set secrets")
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise UsageError(f"{name!r} is no name of a secret", fix="use letters, digits and '_'")
    chosen = [world[arm]] if arm else list(world.arms.values())
    able = [each for each in chosen if issubclass(each.description.deployer, PipelineDeployer)]
    if not able:
        raise UsageError("no arm runs pipelines here", fix="gitops-lab up --arms pipeline")
    event = Event("secret", by, world.clock.now(), "", {"name": name, "value": value})
    for each in able:
        each.host.forge_changed(event)


def _accounts() -> Iterator[Holding]:
    for person in PEOPLE.values():
        able = sorted(RIGHTS[person.role] - {"read", "comment"})
        yield Holding(
            f"Git token of {person.account}", person.full_name, "forge", f"{', '.join(able)}"
        )


def _deployers(world: World) -> Iterator[Holding]:
    for arm in world.arms.values():
        credentials = arm.description.deployer.credentials
        where = f"cluster {arm.cluster.name}" if credentials.inside else "CI, outside the cluster"
        for name in (arm.cluster.name, *arm.description.serves):
            yield Holding(
                f"key of {credentials.user}",
                f"the deployer of {arm.name}",
                where,
                f"{world.rights} in the cluster {name}",
            )
        yield Holding(f"Git token of {arm.name}", f"the deployer of {arm.name}", where, "read")


def _pipelines(world: World) -> Iterator[Holding]:
    for arm in world.arms.values():
        storage = getattr(getattr(arm.host.deployer, "context", None), "storage", {})
        for key in sorted(storage):
            if key.startswith("secret/"):
                name = key.removeprefix("secret/")
                yield Holding(name, f"jobs of {arm.name} that name it", "CI", "what it is for")


def _clusters(world: World) -> Iterator[Holding]:
    for arm in world.arms.values():
        try:
            found = arm.kubectl.list("", "Secret")
        except (ApiError, ClusterUnreachable):
            continue
        for secret in found:
            metadata = secret["metadata"]
            keys = ", ".join(sorted(secret.get("data") or {})) or "no keys"
            yield Holding(
                f"Secret {metadata['namespace']}/{metadata['name']}",
                "everyone who may read Secrets there",
                f"cluster {arm.cluster.name}",
                f"{secret.get('type', 'Opaque')}: {keys}",
            )
