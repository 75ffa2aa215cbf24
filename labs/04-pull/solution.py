"""How "Pull: an agent that looks" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get, replace


def clock(attempt: Attempt) -> None:
    """Pause, push, step until it is applied."""
    pull = attempt.arm("pull")
    pull.pause()
    replace(attempt.world, "Greet in the morning", "config.yaml", "Welcome", "Good morning")
    for _ in range(6):
        pull.step()
        if value(get(pull, "ConfigMap/shop"), "data.GREETING") == "Good morning":
            break


def five(attempt: Attempt) -> None:
    """Resume, and push five times within a few seconds."""
    attempt.arm("pull").resume()
    for number in range(1, 6):
        text = attempt.world.repository.read("config.yaml").decode()
        attempt.world.commit(f"Change {number}", {"config.yaml": f"{text}# change {number}\n"})
        attempt.wait(seconds=2)


def lost(attempt: Attempt) -> None:
    """Cut off, push, wait for the pipeline to fail, connect again."""
    for arm in attempt.world.arms.values():
        arm.disconnect()
    replace(attempt.world, "Greet at night", "config.yaml", "Good morning", "Good night")
    attempt.wait(seconds=40)
    for arm in attempt.world.arms.values():
        arm.reconnect()
    attempt.wait(minutes=2)


def behind(attempt: Attempt) -> None:
    """Move Git."""
    attempt.world.commit("Say what this is", {"README.md": "The shop\n"})
