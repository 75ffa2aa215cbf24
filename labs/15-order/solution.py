"""How "Order and partial failure" is done."""

from __future__ import annotations

import re

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def _read(attempt: Attempt, path: str) -> str:
    return attempt.world.repository.read(path).decode()


def kinds(attempt: Attempt) -> None:
    """Push the kind and the object in one commit."""
    attempt.world.commit("Back the shop up", attempt.lab.files("work"))


def again(attempt: Attempt) -> None:
    """Any commit."""
    attempt.world.commit("Say what this is", {"README.md": "The shop\n"})


def third(attempt: Attempt) -> None:
    """Change three objects, one of them wrongly."""
    prices = re.sub(
        "coffee: .*", f'coffee: "{attempt.values["prices"]}"', _read(attempt, "prices.yaml")
    )
    texts = re.sub("season: .*", f"season: {attempt.values['texts']}", _read(attempt, "texts.yaml"))
    shop = _read(attempt, "shop.yaml").replace("replicas: 2", "replicas: -1")
    files = {"prices.yaml": prices, "texts.yaml": texts, "shop.yaml": shop}
    attempt.world.commit("New season", files)
    attempt.wait(minutes=2)


def syntax(attempt: Attempt) -> None:
    """Break a file, then change another one."""
    prices = _read(attempt, "prices.yaml").replace("data:", "data: [")
    shop = _read(attempt, "shop.yaml").replace("replicas: -1", "replicas: 2")
    attempt.world.commit("Two replicas", {"prices.yaml": prices, "shop.yaml": shop})
    attempt.wait(minutes=2)
    texts = re.sub("season: .*", "season: harvest", _read(attempt, "texts.yaml"))
    attempt.world.commit("Harvest", {"texts.yaml": texts})
    attempt.wait(minutes=2)


def right(attempt: Attempt) -> None:
    """Correct the file."""
    replace(attempt.world, "Correct the prices", "prices.yaml", "data: [", "data:")
