"""Notebook 4: how long it takes from a push until live state is what the commit says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from random import Random
from statistics import quantiles

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gitops_lab.deployers.policy import Policy
from gitops_lab.errors import UsageError
from gitops_lab.experiments import picture
from gitops_lab.lesson.story import Picture, Question, number
from gitops_lab.sandbox import ARMS, ArmDescription, Sandbox, Text

COMMITS = 20
PAUSE = (300.0, 900.0)
"""The shortest and the longest time between two commits, in seconds. It is drawn at random, so that
commits come at every moment of an interval."""

STYLES = ("-", "--", "-.", ":")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def variant(name: str, base: str, **dials: float | bool | None) -> ArmDescription:
    """A standard arm under another name, with some dials turned.

    Args:
        name: what to call it.
        base: the standard arm, such as `pull`.
        dials: fields of `Policy`; times in seconds.

    Raises:
        UsageError: a standard arm or a dial that does not exist.
    """
    if base not in ARMS:
        raise UsageError(f"there is no arm {base!r}", fix=f"choose from {', '.join(ARMS)}")
    arm = ARMS[base]
    unknown = [dial for dial in dials if dial not in Policy.__dataclass_fields__]
    if unknown:
        raise UsageError(
            f"there is no dial {unknown[0]!r}",
            fix=f"choose from {', '.join(Policy.__dataclass_fields__)}",
        )
    return replace(arm, name=name, policy=replace(arm.policy, **dials))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Waits:
    """How long each commit took until it was applied.

    Args:
        seconds: by arm, for each commit in its order; None if a newer one came first.
        interval: seconds between two looks at Git, by arm; None for an arm that never looks.
    """

    seconds: Mapping[str, tuple[float | None, ...]]
    interval: Mapping[str, float | None]

    def percentile(self, arm: str, percent: int) -> float | None:
        """The time within which so many percent of the commits were applied; None for never.

        Raises:
            UsageError: an arm that does not exist.
        """
        if arm not in self.seconds:
            raise UsageError(f"there is no arm {arm!r}", fix=f"write {', '.join(self.seconds)}")
        waits = sorted(float("inf") if wait is None else wait for wait in self.seconds[arm])
        found = quantiles(waits, n=100, method="inclusive")[percent - 1]
        return None if found in (float("inf"),) or found != found else found

    def __repr__(self) -> str:
        lines = [f"{'arm':<24}{'p50':>8}{'p95':>8}{'overtaken':>11}{'looks per hour':>16}"]
        for arm, waits in self.seconds.items():
            interval = self.interval[arm]
            looks = 0 if interval is None else round(3600 / interval)
            p50, p95 = (_seconds(self.percentile(arm, percent)) for percent in (50, 95))
            lines.append(f"{arm:<24}{p50:>8}{p95:>8}{waits.count(None):>11}{looks:>16}")
        return "\n".join(lines)

    def compare(self, guesses: Mapping[str, float | str | None], *, percent: int = 95) -> Text:
        """Guessed seconds beside what was measured."""
        lines = [f"{'arm':<24}{'you guessed':>14}{f'p{percent}':>10}"]
        for arm, guess in guesses.items():
            found = self.percentile(arm, percent)
            lines.append(f"{arm:<24}{_seconds(number(guess)):>14}{_seconds(found):>10}")
        return Text("\n".join(lines))


def until_live(
    arms: Iterable[str | ArmDescription], *, commits: int = COMMITS, seed: int = 1
) -> Waits:
    """Push commits at random moments, and measure for each arm how long it took to apply them.

    Args:
        arms: standard arms by name, or variants of them.
        commits: how many.
        seed: decides the moments, and all other draws.
    """
    pauses = Random(f"{seed}/pauses")
    with Sandbox(*arms, seed=seed) as world:
        world.run(minutes=1.5)
        for number in range(commits):
            world.commit(f"change {number}", {"settings.yaml": _settings(number)})
            world.run(seconds=pauses.uniform(*PAUSE))
        intervals = {arm.name: arm.deployer.policy.interval for arm in world.arms.values()}
        return Waits({name: tuple(_waits(world, name)) for name in world.arms}, intervals)


def _waits(world: Sandbox, arm: str) -> Iterable[float | None]:
    """For each push, the seconds until this arm was seen in sync with it."""
    entries = list(world.journal)
    pushes = [entry for entry in entries if entry.event == "pushed"]
    seen: dict[str, float] = {}
    for entry in entries:
        if entry.event == "observed" and entry.actor == arm and entry.data["in_sync"]:
            seen.setdefault(entry.subject.rpartition(":")[2][:7], entry.at)
    for push in pushes:
        at = seen.get(push.subject)
        yield None if at is None else at - push.at


def distribution(waits: Waits) -> Picture:
    """For each arm, the share of commits that were applied within a time."""
    figure = Figure(figsize=(12, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (arm, seconds) in enumerate(waits.seconds.items()):
        known = sorted(wait for wait in seconds if wait is not None)
        shares = [100 * count / len(seconds) for count in range(1, len(known) + 1)]
        style, colour = STYLES[place % len(STYLES)], COLOURS[place % len(COLOURS)]
        axes.step(
            [0, *known],
            [0, *shares],
            where="post",
            linewidth=2.5,
            label=arm,
            linestyle=style,
            color=colour,
        )
    axes.set_xlabel("seconds from push until applied", fontsize=13)
    axes.set_ylabel("commits applied, in percent", fontsize=13)
    axes.set_ylim(0, 103)
    axes.set_xlim(left=0)
    axes.grid(color="#dddddd")
    axes.legend(fontsize=12, loc="lower right")
    file = BytesIO()
    picture.save(figure, file)
    return Picture(file.getvalue(), repr(waits))


def _settings(number: int) -> str:
    return (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"
        f"data:\n  number: '{number}'\n"
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f} s"


def _longer(waits: Waits) -> int:
    pull, push = waits.percentile("pull", 50), waits.percentile("push-on-commit", 50)
    return round(pull or 0) - round(push or 0)


PULL_IS_LONGER_BY = Question[Waits](
    "By how many seconds is the p50 of `pull` longer than that of `push-on-commit`?",
    _longer,
    "Print `waits`, and subtract one p50 from the other.",
)
LOOKS_PER_HOUR = Question[Waits](
    "How many looks per hour does the agent with the shortest interval make?",
    lambda waits: round(3600 / min(i for i in waits.interval.values() if i is not None)),
    "The last column of the table has it.",
)
