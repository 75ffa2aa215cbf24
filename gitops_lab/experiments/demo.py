"""The demo: the story told to some arms, and what is written about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gitops_lab import __version__
from gitops_lab.deployers.policy import Policy
from gitops_lab.errors import LabError
from gitops_lab.experiments import measure
from gitops_lab.experiments.story import SETTLING, SHOP, Story
from gitops_lab.journal import Journal
from gitops_lab.sandbox import TWO, Sandbox
from gitops_lab.state import Setup


@dataclass(frozen=True)
class Demo:
    """A story that has run.

    Args:
        arms: the policy of each arm by name, in order.
        settings: how it ran: with which seed, or live in which world.
        journal: everything that happened.
        measurement: what that comes to.
    """

    arms: Mapping[str, Policy]
    settings: Mapping[str, Any]
    journal: Journal
    measurement: measure.Measurement

    @property
    def results(self) -> dict[str, Any]:
        """What `results.json` holds; docs/results.md explains it."""
        return {
            "version": __version__,
            **self.settings,
            "arms": {name: asdict(policy) for name, policy in self.arms.items()},
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
            time = "virtual time" if "seed" in self.settings else "the clusters' time"
            drawn = picture.timeline(self.measurement, time=time)
            picture.save(drawn, paths[0], source=self.digest)
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
    """Tell the story in virtual time.

    Args:
        arms: names of standard arms.
        seed: every draw follows from it.
        manifests: the folder to run it with.
        progress: called with each chapter's title when it has begun.

    Raises:
        UsageError: an unknown arm, or a folder that the story cannot be run with.
    """
    with Sandbox(*arms, seed=seed) as world:
        first = next(iter(world.arms.values()))
        story = Story(world, manifests, is_namespaced=first.kubectl.is_namespaced)
        world.run(minutes=SETTLING)
        for chapter in story.run():
            progress(chapter.title)
            world.run(minutes=chapter.minutes)
        policies = {name: arm.policy for name, arm in world.arms.items()}
        return Demo(policies, {"seed": seed}, world.journal, measure.measure(world.journal))


def run_live(
    setup: Setup, *, manifests: Path = SHOP, progress: Callable[[str], None] = lambda line: None
) -> Demo:
    """Run the story live, in a world of its own of which nothing remains.

    Args:
        setup: what that world is made of.
        manifests: the folder to run it with.
        progress: called with a line for each thing that happens.

    Raises:
        UsageError: parts that do not go together, or a folder that the story cannot be run with.
        LabError: a cluster cannot be made, or not be removed.
    """
    from gitops_lab.experiments import live  # slow to import, as all that speaks HTTPS is

    world = live.run(setup, manifests=manifests, progress=progress)
    settings = {
        "backend": setup.backend,
        "speed": setup.speed,
        "pace": setup.pace,
        "real": live.real(setup),
    }
    policies = {name: arm.policy for name, arm in world.arms.items()}
    return Demo(policies, settings, world.journal, measure.measure(world.journal))
