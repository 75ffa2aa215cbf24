"""Notebook 3: who owns each field of a live object, and which changes a deployer sees at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gitops_lab.errors import UsageError
from gitops_lab.experiments import picture
from gitops_lab.experiments.story import SHOP, read_folder
from gitops_lab.lesson.story import Picture, Question
from gitops_lab.model import Object
from gitops_lab.sandbox import Arm, Sandbox, Text
from kubesim import fieldsets

DECLARED, CONTROLLER, EXTRA = "declared", "controller", "extra"
COLOURS = {DECLARED: "#009E73", CONTROLLER: "#999999", EXTRA: "#D55E00"}
MARKS = {DECLARED: "o", CONTROLLER: ".", EXTRA: "X"}

SHOP_DEPLOYMENT = "Deployment/shop"


@dataclass(frozen=True)
class Owned:
    """One field of a live object and the field manager that owns it.

    Args:
        path: the field, such as `.spec.minReadySeconds`.
        manager: the name that wrote it, as `metadata.managedFields` keeps it.
        kind: `declared` (the deployer wrote it, from Git), `controller` (the cluster itself) or
            `extra` (anybody else).
    """

    path: str
    manager: str
    kind: str


def owners(arm: Arm, name: str = SHOP_DEPLOYMENT) -> tuple[Owned, ...]:
    """The fields of a live object that are no containers of others, each with its owner.

    Args:
        arm: the cluster, and the deployer whose fields count as declared.
        name: the object, such as `Deployment/shop`.

    Raises:
        UsageError: there is no such object.
    """
    live = arm.get(name)
    if live is None:
        raise UsageError(f"{arm.name} has no {name}", fix="commit it, and let time pass")
    return tuple(
        Owned(path, entry["manager"], _kind(entry, arm.deployer.name))
        for entry in live["metadata"]["managedFields"]
        for path in _leaves(entry["fieldsV1"])
    )


def _kind(entry: Mapping[str, Any], deployer: str) -> str:
    if entry["manager"] == deployer and entry["operation"] == "Apply":
        return DECLARED
    controllers = ("kube-controller-manager", "kubelet", "kube-scheduler")
    return CONTROLLER if entry["manager"].startswith(controllers) else EXTRA


def _leaves(fields: Mapping[str, Any]) -> Iterator[str]:
    """The paths of a FieldsV1 that have nothing below them."""
    found = sorted(fieldsets.paths(dict(fields)))
    for path, following in zip(found, [*found[1:], ""], strict=True):
        if not following.startswith((f"{path}.", f"{path}[")):
            yield path


def owner_picture(arm: Arm, name: str = SHOP_DEPLOYMENT) -> Picture:
    """A map of a live object: a row for each field, a column for each field manager.

    Fields of `status` are left out, for only controllers write them.
    """
    rows = [row for row in owners(arm, name) if not row.path.startswith(".status")]
    managers = list(dict.fromkeys(row.manager for row in rows))
    paths = list(dict.fromkeys(row.path for row in sorted(rows, key=lambda row: row.path)))
    figure = Figure(figsize=(12, 1.4 + 0.26 * len(paths)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for kind in COLOURS:
        points = [(managers.index(r.manager), paths.index(r.path)) for r in rows if r.kind == kind]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(x, y, s=70, c=COLOURS[kind], marker=MARKS[kind], label=kind)
    axes.set_xticks(range(len(managers)), managers, fontsize=12, rotation=20, ha="left")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(paths)), paths, fontsize=9, family="monospace")
    axes.set_xlim(-0.6, len(managers) - 0.4)
    axes.set_ylim(len(paths) - 0.4, -0.6)
    axes.grid(axis="y", color="#dddddd")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=11, title="written by")
    file = BytesIO()
    picture.save(figure, file)
    counts = {kind: sum(row.kind == kind for row in rows) for kind in COLOURS}
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return Picture(file.getvalue(), f"{name} in {arm.name}: {said} fields, by manager")


# -- four edits by hand, in every arm --------------------------------------------------------------


def _sidecar(live: Object) -> dict[str, Any]:
    containers = live["spec"]["template"]["spec"]["containers"]
    miner = {"name": "miner", "image": "gitops-lab/shop:1.0.0"}
    return {"spec": {"template": {"spec": {"containers": [*containers, miner]}}}}


@dataclass(frozen=True)
class Edit:
    """A change by hand, past Git.

    Args:
        name: the object that is changed.
        patch: makes a merge patch from the live object; None deletes it.
        is_there: whether the edit is still visible in the live object, if that exists.
    """

    name: str
    patch: Callable[[Object], dict[str, Any] | None]
    is_there: Callable[[Object | None], bool]


EDITS = {
    "a declared field": Edit(
        SHOP_DEPLOYMENT,
        lambda live: {"spec": {"minReadySeconds": 30}},
        lambda live: live is not None and live["spec"]["minReadySeconds"] == 30,
    ),
    "a new label": Edit(
        SHOP_DEPLOYMENT,
        lambda live: {"metadata": {"labels": {"team": "night"}}},
        lambda live: live is not None and "team" in live["metadata"]["labels"],
    ),
    "a second container": Edit(
        SHOP_DEPLOYMENT,
        _sidecar,
        lambda live: live is not None and len(live["spec"]["template"]["spec"]["containers"]) == 2,
    ),
    "a deletion": Edit("Service/shop", lambda live: None, lambda live: live is None),
}
"""The edits of the grid."""

MINUTES = 10
"""Minutes that each arm has to undo an edit: longer than every interval."""


@dataclass(frozen=True)
class Grid:
    """What became of each edit in each arm.

    Args:
        arms: their names, in order.
        undone: whether an edit was gone after `MINUTES`, by edit and arm.
        seen: whether status said that the arm was not in sync while the edit was there.
    """

    arms: tuple[str, ...]
    undone: dict[str, dict[str, bool]]
    seen: dict[str, dict[str, bool]]

    def __repr__(self) -> str:
        return "\n".join(self._lines(lambda edit, arm: self.word(edit, arm)))

    def compare(self, guesses: Mapping[str, Sequence[str]]) -> Text:
        """A guess beside what was measured.

        Args:
            guesses: for each edit the arms that you think undo it.

        Raises:
            UsageError: an edit or an arm that does not exist.
        """
        for edit, arms in guesses.items():
            if edit not in self.undone:
                raise UsageError(f"there is no edit {edit!r}", fix=f"write {', '.join(EDITS)}")
            for arm in arms:
                if arm not in self.arms:
                    raise UsageError(f"there is no arm {arm!r}", fix=f"write {self.arms}")

        def cell(edit: str, arm: str) -> str:
            right = (arm in guesses.get(edit, ())) == self.undone[edit][arm]
            return f"{'✓' if right else '✗'} {self.word(edit, arm)}"

        right = sum(
            (arm in guesses.get(edit, ())) == self.undone[edit][arm]
            for edit in self.undone
            for arm in self.arms
        )
        total = len(self.undone) * len(self.arms)
        return Text("\n".join([*self._lines(cell), f"{right} of {total} guesses were right"]))

    def word(self, edit: str, arm: str) -> str:
        """What became of an edit in an arm."""
        if self.undone[edit][arm]:
            return "undone"
        return "stays, drifted" if self.seen[edit][arm] else "stays, in sync"

    def _lines(self, cell: Callable[[str, str], str]) -> Iterator[str]:
        yield f"{'':<20}" + "".join(f"{arm:<18}" for arm in self.arms)
        for edit in self.undone:
            yield f"{edit:<20}" + "".join(f"{cell(edit, arm):<18}" for arm in self.arms)


def drift_grid(*arms: str, seed: int = 1) -> Grid:
    """Make each edit in a new world, in every arm at once, and see what is left of it.

    Args:
        arms: names of standard arms.
        seed: of the worlds.
    """
    undone: dict[str, dict[str, bool]] = {}
    seen: dict[str, dict[str, bool]] = {}
    for title, edit in EDITS.items():
        with Sandbox(*arms, seed=seed) as world:
            world.run(minutes=1.5)
            world.commit("Deploy the shop", read_folder(SHOP))
            world.run(minutes=5)
            mark = len(world.journal)
            for arm in world.arms.values():
                live = arm.get(edit.name)
                assert live is not None, f"{arm.name} has no {edit.name} after five minutes"
                world.drift(edit.name, edit.patch(live), arm.name)
            world.run(minutes=MINUTES)
            undone[title] = {
                arm.name: not edit.is_there(arm.get(edit.name)) for arm in world.arms.values()
            }
            entries = [e for e in world.journal.since(mark) if e.event == "observed"]
            seen[title] = {
                arm: any(not e.data["in_sync"] for e in entries if e.actor == arm)
                for arm in world.arms
            }
    return Grid(tuple(arms), undone, seen)


def _count(grid: Grid, word: str) -> int:
    return sum(word in grid.word(edit, arm) for edit in grid.undone for arm in grid.arms)


HOW_MANY_UNDONE = Question[Grid](
    "How many cells of the grid say that the edit was undone?",
    lambda grid: _count(grid, "undone"),
    "Count in the grid above.",
)
HOW_MANY_IN_SYNC = Question[Grid](
    "How many cells of the grid say that the edit stays, and that the arm is in sync?",
    lambda grid: _count(grid, "in sync"),
    "Count in the grid above. Git does not declare the fields of these edits.",
)
