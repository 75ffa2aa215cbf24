"""Notebook 2: a reconcile loop that the learner writes, and ten histories that judge it.

Git is a real repository and the cluster is the simulated one. The loop sees only `Lab`: what Git
wants, what is live, and two ways to write.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.errors import LabError, SourceError
from gitops_lab.forge import Forge
from gitops_lab.lesson.story import Question
from gitops_lab.model import Object, ObjectKey, named
from gitops_lab.ports import ADMINISTRATORS, Credentials
from gitops_lab.sandbox import Text
from kubesim.clock import SimClock

Step = Callable[["Lab"], object]
"""One turn of a loop: look, compare, act. It is called once a minute."""

LOOP, PERSON, NAMESPACE = "your-loop", "kubectl-edit", "shop"
MINUTE = 60.0
TURNS = 3
"""How often the loop runs after each thing that happens: once is too few to see what settles."""


class Lab:
    """All that a loop can see and do. Objects are ConfigMaps, called by their name.

    Attributes:
        event: the commit that a webhook announced since the last turn; empty if none did.
        memory: text by key. It is kept in the cluster, so a new process finds it again.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._clock = SimClock()
        self._forge = Forge(folder, now=self._clock.now)
        self._repository = self._forge.create("app", branch="main")
        simulated = SimulatedCluster("loop", clock=self._clock, random=Random(seed))
        self._cluster = simulated.connect(Credentials(LOOP, inside=True, groups=ADMINISTRATORS))
        self._cluster.apply(named("v1", "Namespace", NAMESPACE), manager=PERSON)
        self._git_is_up = True
        self._refused = ""
        self.writes = self.refusals = 0
        self.event = ""
        self.memory: dict[str, str] = {}

    # -- what a loop may ask and do -------------------------------------------------------------

    def wanted(self) -> dict[str, dict[str, str]]:
        """The data of each ConfigMap that the newest commit declares, by name.

        Raises:
            SourceError: Git does not answer.
        """
        if not self._git_is_up:
            raise SourceError("Git does not answer", fix="try again in a minute")
        if not self._repository.tip():
            return {}
        bodies = (yaml.safe_load(text) for text in self._files().values())
        return {body["metadata"]["name"]: body["data"] for body in bodies}

    def live(self, name: str) -> dict[str, str] | None:
        """The data of a live ConfigMap; None if there is none."""
        found = self._cluster.get(_key(name))
        return None if found is None else dict(found.get("data") or {})

    def names(self) -> list[str]:
        """The names of all live ConfigMaps, no matter who created them."""
        found = self._cluster.list("", "ConfigMap", namespace=NAMESPACE)
        return [obj["metadata"]["name"] for obj in found]

    def apply(self, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap, or change it to have this data.

        Raises:
            LabError: the API server refuses it.
        """
        if name == self._refused:
            self.refusals += 1
            raise LabError(f"a policy refuses {name}", fix="go on with the other objects")
        self.writes += 1
        self._cluster.apply(_config_map(name, data), manager=LOOP)

    def delete(self, name: str) -> None:
        """Delete a ConfigMap. If it is gone already, this is no error."""
        self.writes += 1
        self._cluster.delete(_key(name))

    # -- what the histories do ------------------------------------------------------------------

    def commit(self, *, notify: bool = True, **objects: dict[str, str] | None) -> None:
        """Commit ConfigMaps by name, None to delete one; `notify` sends an event."""
        changes = {
            f"{name}.yaml": None if data is None else yaml.safe_dump(_config_map(name, data))
            for name, data in objects.items()
        }
        revision = self._repository.commit("change", changes)
        self.event = revision.commit if notify else self.event

    def edit(self, name: str, data: Mapping[str, str]) -> None:
        """Change a live ConfigMap by hand."""
        self._cluster.patch(_key(name), {"data": dict(data)}, manager=PERSON)

    def create(self, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap by hand that Git never had."""
        self._cluster.apply(_config_map(name, data), manager=PERSON)

    def remove(self, name: str) -> None:
        """Delete a live ConfigMap by hand."""
        self._cluster.delete(_key(name))

    def state(self) -> dict[str, dict[str, str]]:
        """The data of every live ConfigMap, by name."""
        return {name: self.live(name) or {} for name in self.names()}

    def turn(self, step: Step, times: int = TURNS) -> None:
        """Let the loop run, a minute apart."""
        for _ in range(times):
            self._clock.run(seconds=MINUTE)
            with suppress(LabError):  # a real controller logs an error and runs again
                step(self)
            self.event = ""

    def _files(self) -> dict[str, str]:
        return {path: self._repository.read(path).decode() for path in self._repository.files()}


@dataclass(frozen=True)
class History:
    """Something that happens to a loop, and what must be live at the end.

    Args:
        title: what happens.
        happens: does it; it calls `lab.turn(step)` where time passes.
        expected: the data of each live ConfigMap at the end, by name.
        look: where to look if the loop does not get there.
        writes: how many writes are allowed; None if it does not matter.
    """

    title: str
    happens: Callable[[Lab, Callable[[], Step]], None]
    expected: dict[str, dict[str, str]]
    look: str
    writes: int | None = None


def _first_commit(lab: Lab, new: Callable[[], Step]) -> None:
    lab.commit(a={"x": "1"})
    lab.turn(new())


def _second_commit(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"})
    lab.turn(step)
    lab.commit(a={"x": "2"}, b={"y": "1"})
    lab.turn(step)


def _quiet_hour(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"})
    lab.turn(step, 60)


def _manual_edit(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"})
    lab.turn(step)
    if lab.live("a") is not None:
        lab.edit("a", {"x": "9"})
    lab.turn(step)


def _manual_delete(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"}, b={"y": "1"})
    lab.turn(step)
    lab.remove("b")
    lab.turn(step)


def _file_deleted(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"}, b={"y": "1"})
    lab.turn(step)
    lab.commit(b=None)
    lab.turn(step)


def _foreign_object(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.create("foreign", {"of": "another team"})
    lab.commit(a={"x": "1"}, b={"y": "1"})
    lab.turn(step)
    lab.commit(b=None)
    lab.turn(step)


def _lost_webhook(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"})
    lab.turn(step)
    lab.commit(notify=False, a={"x": "2"})
    lab.turn(step)


def _restart(lab: Lab, new: Callable[[], Step]) -> None:
    lab.commit(a={"x": "1"}, b={"y": "1"})
    lab.turn(new())
    lab.commit(notify=False, b=None)
    lab.turn(new())


def _git_down(lab: Lab, new: Callable[[], Step]) -> None:
    step = new()
    lab.commit(a={"x": "1"})
    lab.turn(step)
    lab.commit(notify=False, a={"x": "2"}, refused={"z": "1"}, zebra={"z": "1"})
    lab._git_is_up, lab._refused = False, "refused"
    lab.turn(step)
    lab._git_is_up = True
    lab.turn(step)


HISTORIES = (
    History("a first commit", _first_commit, {"a": {"x": "1"}}, "apply what `lab.wanted()` has"),
    History(
        "a second commit changes one object and adds another", _second_commit,
        {"a": {"x": "2"}, "b": {"y": "1"}}, "compare `lab.live(name)` with what Git wants",
    ),
    History(
        "an hour in which nothing happens", _quiet_hour, {"a": {"x": "1"}},
        "write only if live and wanted differ", writes=1,
    ),
    History(
        "a hand edit", _manual_edit, {"a": {"x": "1"}}, "no event reports an edit: look each time",
    ),
    History(
        "an object is deleted by hand", _manual_delete, {"a": {"x": "1"}, "b": {"y": "1"}},
        "`lab.live(name)` is None for an object that is gone",
    ),
    History(
        "a file is deleted in Git", _file_deleted, {"a": {"x": "1"}},
        "remember the names that you applied; delete those that Git no longer has",
    ),
    History(
        "an object that another team created", _foreign_object,
        {"a": {"x": "1"}, "foreign": {"of": "another team"}},
        "delete only what is in your own list, never all of `lab.names()`",
    ),
    History(
        "the webhook for a commit is lost", _lost_webhook, {"a": {"x": "2"}},
        "`lab.event` may be empty although Git has something new",
    ),
    History(
        "the loop restarts, and meanwhile a file was deleted", _restart, {"a": {"x": "1"}},
        "a Python variable is lost in a restart; `lab.memory` is not",
    ),
    History(
        "Git is down for a while, and then one of three objects is refused", _git_down,
        {"a": {"x": "2"}, "zebra": {"z": "1"}},
        "catch LabError around each apply, so that one refusal does not stop the others",
    ),
)  # fmt: skip
"""What a loop must survive, from easy to hard."""


def judge(make: Callable[[], Step]) -> Text:
    """Run a loop through all ten histories, and say for each what was expected and observed.

    Args:
        make: creates a new loop, as a restart does: `lambda: step` for a plain function.
    """
    lines, passed = [], 0
    for number, history in enumerate(HISTORIES, 1):
        fault = _fault(history, make)
        passed += not fault
        lines.append(f"{'✓' if not fault else '✗'} {number:2} {history.title}")
        lines += [f"     {line}" for line in fault]
    return Text("\n".join([*lines, f"{passed} of {len(HISTORIES)} histories passed"]))


def _fault(history: History, make: Callable[[], Step]) -> list[str]:
    """What is wrong after a history, in lines; none if nothing is."""
    with tempfile.TemporaryDirectory(prefix="gitops-lab-") as folder:
        lab = Lab(1, Path(folder))
        try:
            history.happens(lab, make)
        except Exception as error:  # the learner's own code, which may raise anything
            return [f"your loop raised {type(error).__name__}: {error}", f"look: {history.look}"]
        found = lab.state()
        if found != history.expected:
            expected, observed = _words(history.expected), _words(found)
            return [f"expected {expected}", f"observed {observed}", f"look: {history.look}"]
        if history.writes is not None and lab.writes > history.writes:
            return [
                f"expected {history.writes} write, observed {lab.writes}",
                f"look: {history.look}",
            ]
    return []


def _passed(step: Step) -> set[str]:
    return {history.title for history in HISTORIES if not _fault(history, lambda: step)}


def _attempts(step: Step) -> int:
    """How often a loop tries to apply the object that is refused in the last history."""
    with tempfile.TemporaryDirectory(prefix="gitops-lab-") as folder:
        lab = Lab(1, Path(folder))
        HISTORIES[-1].happens(lab, lambda: step)
        return lab.refusals


HOW_MANY_MORE = Question[tuple[Step, Step]](
    "How many histories does the thermostat pass that the pipeline fails?",
    lambda loops: len(_passed(loops[1]) - _passed(loops[0])),
    "Compare the two lists of ✓ and ✗ above, line by line.",
)
HOW_MANY_ATTEMPTS = Question[Step](
    "How many times does the reconciler try to apply the object that is refused?",
    _attempts,
    f"The loop runs {TURNS} times after Git is back, and a level-triggered loop does not give up.",
)


def _words(state: Mapping[str, Mapping[str, str]]) -> str:
    objects = (
        f"{name} ({', '.join(f'{k}={v}' for k, v in data.items())})"
        for name, data in sorted(state.items())
    )
    return ", ".join(objects) or "no object"


# -- three loops to compare with yours ------------------------------------------------------------


def on_event(lab: Lab) -> None:
    """A pipeline: acts once per event, and applies everything."""
    if lab.event:
        for name, data in lab.wanted().items():
            lab.apply(name, data)


def thermostat(lab: Lab) -> None:
    """A thermostat: compares and acts each time, with no memory at all."""
    for name, data in lab.wanted().items():
        if lab.live(name) != data:
            lab.apply(name, data)


def reconciler(lab: Lab) -> None:
    """One loop that passes all ten: compares each time, and remembers what it applied."""
    wanted = lab.wanted()
    known = set(lab.memory.get("inventory", "").split())
    lab.memory["inventory"] = " ".join(sorted(known | set(wanted)))  # before the first write
    for name, data in wanted.items():
        with suppress(LabError):
            if lab.live(name) != data:
                lab.apply(name, data)
    for name in known - set(wanted):
        lab.delete(name)
    lab.memory["inventory"] = " ".join(sorted(wanted))


def _key(name: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", NAMESPACE, name)


def _config_map(name: str, data: Mapping[str, str]) -> Object:
    return named("v1", "ConfigMap", name, NAMESPACE, data=dict(data))
