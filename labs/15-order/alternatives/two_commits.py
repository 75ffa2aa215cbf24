"""Start the second run by a change that matters, and correct the prices by writing them again."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace

PRICES = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: prices
data:
  coffee: "20"
"""


def again(attempt: Attempt) -> None:
    """Back up more often."""
    replace(attempt.world, "Twice a day", "backup.yaml", "24h", "12h")


def right(attempt: Attempt) -> None:
    """What the prices are is not what this is about."""
    attempt.world.commit("Write the prices again", {"prices.yaml": PRICES})
