"""The live world: the sandbox on the wall's clock, its clusters and its repository behind HTTPS."""

from gitops_lab.live.arm import LiveArm
from gitops_lab.live.world import LiveWorld

__all__ = ["LiveArm", "LiveWorld"]
