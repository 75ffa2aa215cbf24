"""The sandbox: a world in virtual time, for Python programs and notebooks.

with Sandbox("push-on-commit", "pull+self-heal", seed=1) as world:
    world.commit("first deploy", {"web.yaml": text})
    world.run(minutes=3)
    world.drift("Deployment/web", {"spec": {"replicas": 9}})
    print(world.status())
"""

from __future__ import annotations

from gitops_lab.worlds.arm import Arm as Arm
from gitops_lab.worlds.arms import ARMS as ARMS
from gitops_lab.worlds.arms import BRANCH as BRANCH
from gitops_lab.worlds.arms import ArmDescription as ArmDescription
from gitops_lab.worlds.virtual import TWO as TWO
from gitops_lab.worlds.virtual import URL as URL
from gitops_lab.worlds.virtual import VirtualWorld
from gitops_lab.worlds.world import Text as Text


class Sandbox(VirtualWorld):
    """A world in virtual time; see `gitops_lab.worlds` for what it can do."""
