"""Two commits, the definition first: nothing fails, and nothing is learned."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt


def kinds(attempt: Attempt) -> None:
    """A good habit, but not this step."""
    files = attempt.lab.files("work")
    for path in ("definition.yaml", "backup.yaml"):
        attempt.world.commit(f"Add {path}", {path: files[path]})
        attempt.wait(minutes=2)
