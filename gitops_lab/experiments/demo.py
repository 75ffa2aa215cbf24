"""The demo: the story told to some arms, and what is written about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gitops_lab import __version__
from gitops_lab.errors import LabError
from gitops_lab.experiments import measure
from gitops_lab.experiments.story import SHOP, Story
from gitops_lab.journal import Journal
from gitops_lab.sandbox import ARMS, Sandbox

TWO = ("push-on-commit", "pull+self-heal")
"""The arms that are told apart at a glance; `ARMS` has the ones between them."""


@dataclass(frozen=True)
class Demo:
    """A story that has been told.

    Args:
        arms: the names of the arms, in order.
        seed: the seed of the world.
        journal: everything that happened.
        measurement: what that comes to.
    """

    arms: tuple[str, ...]
    seed: int
    journal: Journal
    measurement: measure.Measurement

    @property
    def results(self) -> dict[str, Any]:
        """What `results.json` holds; docs/results.md explains it."""
        return {
            "version": __version__,
            "seed": self.seed,
            "arms": {name: asdict(ARMS[name].policy) for name in self.arms},
            **measure.to_json(self.measurement),
        }

    @property
    def digest(self) -> str:
        """What tells whether a picture or a report is of this very story."""
        return f"sha256:{sha256(json.dumps(self.results).encode()).hexdigest()}"

    def write(self, directory: Path) -> list[Path]:
        """Write the picture, the report, the results and the journal; the files written.

        Raises:
            LabError: the folder cannot be written.
        """
        from gitops_lab.experiments import picture, report  # matplotlib is slow to import

        paths = [
            directory / name
            for name in ("timeline.png", "report.html", "results.json", "journal.jsonl")
        ]
        try:
            directory.mkdir(parents=True, exist_ok=True)
            picture.save(picture.timeline(self.measurement), paths[0], source=self.digest)
            paths[1].write_text(
                report.render(self.results, self.measurement, self.journal, paths[0].read_bytes()),
                encoding="utf-8",
            )
            paths[2].write_text(
                json.dumps(self.results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            self.journal.write(paths[3])
        except OSError as error:
            raise LabError(
                f"cannot write: {error.strerror}", where=str(error.filename or directory),
                fix="name another folder with --output",
            ) from error  # fmt: skip
        return paths


def run(
    arms: Sequence[str] = TWO,
    *,
    seed: int = 1,
    manifests: Path = SHOP,
    progress: Callable[[str], None] = lambda title: None,
) -> Demo:
    """Tell the story.

    Args:
        arms: names of standard arms.
        seed: every draw follows from it.
        manifests: the folder to tell it with.
        progress: called with each chapter's title as it begins.

    Raises:
        UsageError: an unknown arm, or a folder that the story cannot be told with.
    """
    with Sandbox(*arms, seed=seed) as world:
        for chapter in Story(world, manifests).tell():
            progress(chapter.title)
        return Demo(tuple(world.arms), seed, world.journal, measure.measure(world.journal))
