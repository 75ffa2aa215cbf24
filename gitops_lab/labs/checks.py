"""What can be checked. Each check answers with what was expected, what was observed, where to look.

There are two kinds. An *edge* check says that the learner did something, and is judged from the
journal since the lab began (or, with `since: step`, since the step did). A *level* check says that
something holds now; it may come by itself, so it is asked again until it does. In a step the edges
count first: a level that held before the learner did anything proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gitops_lab.errors import LabError, UsageError
from gitops_lab.journal import Entry
from gitops_lab.labs.fields import ABSENT, managers, value
from gitops_lab.labs.format import CheckSpec, Lab, Step
from gitops_lab.labs.world import LabArm, LabWorld, declared, get, key

Mode = Literal["edge", "level"]


@dataclass(frozen=True)
class Result:
    """What a check found.

    Args:
        passed: whether what was expected was observed.
        title: what is checked, in a few words.
        expected: what should be so.
        observed: what is so.
        where: where to look: a command, or a place.
        waiting: it was not judged, for an edge of the same step has not happened yet.
    """

    passed: bool
    title: str
    expected: str
    observed: str
    where: str = ""
    waiting: bool = False


@dataclass
class Attempt:
    """One learner's attempt at one step: what checks, measurements and solutions are given.

    Args:
        lab: the lab.
        step: the step.
        world: the learner's.
        began: the journal's position when the lab began.
        step_began: the journal's position when the step began.
        prediction: what the learner predicted; empty if nothing.
        memory: what checks remember from one look to the next, as JSON values.
    """

    lab: Lab
    step: Step
    world: LabWorld
    began: int = 0
    step_began: int = 0
    prediction: str = ""
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, Any]:
        """What was drawn for this learner."""
        return self.lab.values

    def arm(self, name: str) -> LabArm:
        """An arm by name.

        Raises:
            UsageError: there is none.
        """
        if name not in self.world.arms:
            raise UsageError(
                f"there is no arm {name!r}", fix=f"choose from {', '.join(self.world.arms)}"
            )
        return self.world.arms[name]

    def entries(
        self,
        *,
        since: str = "lab",
        actor: str = "",
        event: str = "",
        subject: str = "",
        **data: Any,
    ) -> list[Entry]:
        """The journal's entries since the lab or the step began.

        Args:
            since: `lab` or `step`.
            actor: who did it; anyone if empty.
            event: what; anything if empty.
            subject: a part of what it was done to.
            data: what else an entry must say.
        """
        begin = self.step_began if since == "step" else self.began
        return [
            entry
            for entry in self.world.entries(begin)
            if actor in ("", entry.actor, entry.arm)
            and event in ("", entry.event)
            and subject in entry.subject
            and all(entry.data.get(name) == wanted for name, wanted in data.items())
        ]

    def wait(self, *, seconds: float = 0, minutes: float = 0) -> None:
        """Let the world's time pass."""
        self.world.wait(seconds + 60 * minutes)

    def until(self, holds: Callable[[], object], *, minutes: float = 10) -> bool:
        """Let the world's time pass until something holds; whether it does in the end."""
        for _ in range(int(minutes * 12)):
            self.world.look()
            if holds():
                return True
            self.world.wait(5)
        return bool(holds())

    def settle(self, *arms: str, minutes: float = 10) -> bool:
        """Let time pass until these arms, or all, are in sync and healthy; whether they are."""
        chosen = [self.arm(name) for name in arms or self.world.arms]
        return self.until(
            lambda: all(
                seen.in_sync and seen.health == "Healthy"
                for seen in (arm.observed() for arm in chosen)
            ),
            minutes=minutes,
        )


Function = Callable[..., "Result | Iterable[Result]"]


@dataclass(frozen=True)
class Check:
    """A check that steps can name."""

    run: Function
    mode: Mode


CHECKS: dict[str, Check] = {}
"""The checks that every lab can use, by name."""


def edge(run: Function) -> Function:
    """Mark a function as an edge check: something happened."""
    run.mode = "edge"  # type: ignore[attr-defined]
    return run


def level(run: Function) -> Function:
    """Mark a function as a level check: something holds now."""
    run.mode = "level"  # type: ignore[attr-defined]
    return run


def find(lab: Lab, spec: CheckSpec) -> Check:
    """The check that a step names: one of `CHECKS`, or a function of the lab's own.

    Raises:
        UsageError: there is none.
    """
    if spec.name in CHECKS:
        return CHECKS[spec.name]
    run = lab.functions("checks.py").get(spec.name)
    if run is None:
        raise UsageError(
            f"there is no check {spec.name!r}",
            where=str(lab.folder),
            fix=f"choose from {', '.join(CHECKS)}, or write it in checks.py",
        )
    return Check(run, getattr(run, "mode", "level"))


def evaluate(attempt: Attempt) -> list[Result]:
    """What every check of a step finds now."""
    specs = attempt.step.checks
    chosen = [find(attempt.lab, spec) for spec in specs]
    judged = [_run(check, attempt, spec) for check, spec in zip(chosen, specs, strict=True)]
    pending = any(
        check.mode == "edge" and not result.passed
        for check, results in zip(chosen, judged, strict=True)
        for result in results
    )
    return [
        replace(result, passed=False, waiting=True) if pending and check.mode == "level" else result
        for check, results in zip(chosen, judged, strict=True)
        for result in results
    ]


def _run(check: Check, attempt: Attempt, spec: CheckSpec) -> list[Result]:
    try:
        found = check.run(attempt, **spec.arguments)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise UsageError(
            f"the check {spec.name!r}: {error}", where=str(attempt.lab.folder)
        ) from error
    return [found] if isinstance(found, Result) else list(found)


def _register(mode: Mode) -> Callable[[Function], Function]:
    def register(run: Function) -> Function:
        CHECKS[run.__name__] = Check(run, mode)
        return run

    return register


# -- edges -----------------------------------------------------------------------------------------


@_register("edge")
def pushed(attempt: Attempt, count: int = 1, since: str = "lab") -> Result:
    """Commits were pushed to the branch, at least `count` times."""
    found = attempt.entries(since=since, event="pushed", branch=attempt.world.repository.branch)
    return Result(
        len(found) >= count,
        "you pushed to main" if count == 1 else f"you pushed to main {count} times",
        "1 push" if count == 1 else f"{count} pushes",
        f"{len(found)} so far",
        "git status; git ls-remote origin",
    )


@_register("edge")
def edited(attempt: Attempt, object: str, arms: Sequence[str] = ()) -> Iterable[Result]:
    """A declared field of an object moved without a commit: the observer saw drift."""
    for name in arms or attempt.world.arms:
        found = [
            entry
            for entry in attempt.entries(actor=name, event="observed", drifted=True)
            if entry.why.startswith(str(key(object)))
        ]
        yield Result(
            bool(found),
            f"{name}: you edited {object} by hand",
            f"drift of {object}",
            f"seen {len(found)} times" if found else "no drift seen yet",
            f"kubectl --context {name} …; then gitops-lab logs",
        )


@_register("level")
def happened(
    attempt: Attempt,
    title: str,
    actor: str = "",
    event: str = "",
    subject: str = "",
    why: str = "",
    count: int = 1,
    since: str = "lab",
    data: Mapping[str, Any] | None = None,
) -> Result:
    """The journal has entries like this one, at least `count`.

    What a deployer does comes by itself and may be waited for, so this is no edge.
    """
    found = [
        entry
        for entry in attempt.entries(
            since=since, actor=actor, event=event, subject=subject, **(data or {})
        )
        if why in entry.why
    ]
    return Result(
        len(found) >= count,
        title,
        f"{count} in the journal" if count > 1 else "in the journal",
        f"{len(found)} found" if found else "not in the journal yet",
        "gitops-lab logs",
    )


# -- levels ----------------------------------------------------------------------------------------


@_register("level")
def in_sync(attempt: Attempt, arms: Sequence[str] = ()) -> Iterable[Result]:
    """Live state is what Git's newest revision declares."""
    for name in arms or attempt.world.arms:
        seen = attempt.arm(name).observed()
        has_commit = bool(seen.revision)
        yield Result(
            seen.in_sync and has_commit,
            f"{name} is in sync",
            "live state is what Git declares",
            "no commit yet"
            if not has_commit
            else "it is"
            if seen.in_sync
            else f"it differs: {seen.why}",
            "gitops-lab status",
        )


@_register("level")
def healthy(attempt: Attempt, arms: Sequence[str] = ()) -> Iterable[Result]:
    """All objects that Git declares work, by the rules of their kinds."""
    for name in arms or attempt.world.arms:
        seen = attempt.arm(name).observed()
        why = f": {seen.why}" if seen.why else ""
        yield Result(
            seen.health == "Healthy" and bool(seen.revision),
            f"{name} is healthy",
            "Healthy",
            f"{seen.health}{why}" if seen.revision else "no commit yet",
            f"kubectl --context {name} get pods",
        )


@_register("level")
def orphans(attempt: Attempt, counts: Mapping[str, int]) -> Iterable[Result]:
    """So many live objects were applied once and are not in Git any more."""
    for name, wanted in counts.items():
        found = attempt.arm(name).observed().orphans
        names = f": {', '.join(found)}" if found else ""
        yield Result(
            len(found) == wanted,
            f"{name}: orphans",
            f"{wanted}",
            f"{len(found)}{names}",
            "gitops-lab status",
        )


@_register("level")
def live(
    attempt: Attempt,
    object: str,
    path: str,
    equals: Any = None,
    differs: Any = None,
    arms: Sequence[str] = (),
) -> Iterable[Result]:
    """A field of a live object has a value, by default the one that Git declares.

    Args:
        attempt: whose.
        object: such as `Deployment/web`.
        path: such as `spec.replicas`.
        equals: the value; Git's if left out.
        differs: a value that it must not have.
        arms: in which clusters; in all if empty.
    """
    from_git = equals is None and differs is None
    try:
        wanted = value(declared(attempt.world, object), path) if from_git else equals
    except LabError as error:  # files that cannot be rendered declare nothing
        yield Result(False, "Git's newest commit can be rendered", "manifests", str(error))
        return
    for name in arms or attempt.world.arms:
        found = value(get(attempt.arm(name), object), path)
        field = f"{name}: {object}: {path.rpartition('.')[2]}"
        if differs is not None:
            passed, title = found not in (differs, ABSENT), f"{field} is not {differs} any more"
            expected = f"anything but {differs}"
        elif from_git:
            passed, title = found == wanted != ABSENT, f"{field} is what Git declares"
            expected = f"{wanted}, as Git declares"
        else:
            passed, title = found == wanted, f"{field} is {wanted}"
            expected = f"{wanted}"
        yield Result(
            passed,
            title,
            expected,
            str(found),
            f"kubectl --context {name} get {_kubectl(object)} -o yaml",
        )


@_register("level")
def manager_of(
    attempt: Attempt, object: str, path: str, manager: str = "", arms: Sequence[str] = ()
) -> Iterable[Result]:
    """A field belongs to the arm's deployer alone: its value came through Git."""
    for name in arms or attempt.world.arms:
        arm = attempt.arm(name)
        wanted = manager or arm.owner
        found = managers(get(arm, object), path)
        yield Result(
            found == [wanted],
            f"{name}: {object}: {path.rpartition('.')[2]} was set by the deployer",
            f"the field manager {wanted}",
            ", ".join(found) or "no one: the field is not there",
            f"kubectl --context {name} get {_kubectl(object)} -o yaml --show-managed-fields",
        )


@_register("level")
def present(attempt: Attempt, object: str, arms: Sequence[str] = ()) -> Iterable[Result]:
    """An object exists."""
    for name in arms or attempt.world.arms:
        found = get(attempt.arm(name), object) is not None
        yield Result(
            found,
            f"{name} has {object}",
            "it exists",
            "it does" if found else "there is none",
            f"kubectl --context {name} get {_kubectl(object)}",
        )


@_register("level")
def absent(attempt: Attempt, object: str, arms: Sequence[str] = ()) -> Iterable[Result]:
    """An object is gone; it counts only if the journal or an earlier look shows that it was."""
    for name in arms or attempt.world.arms:
        place = f"{name}/{object}"
        found = get(attempt.arm(name), object) is not None
        if found:
            attempt.memory[place] = True
        was_there = attempt.memory.get(place) or any(
            entry.actor == name and entry.event == "applied" and entry.subject == str(key(object))
            for entry in attempt.world.entries()
        )
        yield Result(
            bool(was_there) and not found,
            f"{name} no longer has {object}",
            "it was there, and is gone",
            "it is there" if found else "it is gone" if was_there else "it was never there",
            f"kubectl --context {name} get {_kubectl(object)}",
        )


@_register("level")
def file(
    attempt: Attempt, path: str, contains: str = "", lacks: str = "", exists: bool = True
) -> Result:
    """A file of Git's newest revision exists, and has, or has not, a piece of text."""
    repository = attempt.world.repository
    there = bool(repository.tip()) and path in repository.files()
    text = repository.read(path).decode(errors="replace") if there else ""
    if not exists:
        return Result(
            not there, f"{path} is not in Git", "no such file", "it is there" if there else "gone"
        )
    says = f" with {contains!r}" if contains else f" without {lacks!r}" if lacks else ""
    fits = there and contains in text and (not lacks or lacks not in text)
    return Result(
        fits,
        f"Git has {path}{says}",
        f"on main{says}",
        "it is" if fits else "the file says something else" if there else "there is no such file",
        f"git show origin/main:{path}",
    )


def _kubectl(name: str) -> str:
    """An object as kubectl names it: `deployment web`."""
    kind, _, rest = name.partition("/")
    namespace, _, rest = rest.rpartition("/")
    return f"{kind.lower()} {rest}" + (f" -n {namespace}" if namespace else "")
