"""Declared image behaviours: what a container does, since no container really runs.

A catalogue is an ordered list of patterns. The first one that matches an image's reference says
how long the image takes to pull and to get ready, whether it crashes, and what it answers. An
image without a declaration behaves well: two seconds to pull, three to get ready. Five words in
the name or the tag of an image are enough to make it misbehave (`MAGIC`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from random import Random
from typing import Any

from kubesim.errors import UsageError

PULL_ERRORS = ("", "not found", "denied", "timeout")
"""Why a pull can fail; the empty string is a pull that succeeds."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What an image does. All times are in seconds.

    Args:
        pull_seconds: how long a node takes to pull it for the first time.
        pull_error: why pulling fails: `not found`, `denied`, `timeout`; empty if it succeeds.
        ready_seconds: from the start of the container until it answers its probes.
        ready: whether it ever answers them.
        fails_after: from the start until it stops to answer its probes, if it does.
        crash_after: from the start until it ends with `exit_code`, if it does.
        exit_code: with what a crash ends.
        completes_after: from the start until it ends well, if it does so of its own accord.
        task_seconds: from the start until it ends well, where it is run as a task: as an init
            container, or in a pod that is not to be restarted always (those of a Job).
        stop_seconds: from being told to stop until it has stopped.
        answer: what it says on its port; see `Catalogue.answer`.
        cpu: what one container uses, in millicores, for the autoscaler and for `kubectl top`;
            None leaves it undeclared, and then the autoscaler does nothing, while `top` shows half
            of what is requested.
        memory: what one container uses, in MiB, for `kubectl top`; None likewise.
        jitter: by which part of themselves the times to pull and to get ready vary.
    """

    pull_seconds: float = 2.0
    pull_error: str = ""
    ready_seconds: float = 3.0
    ready: bool = True
    fails_after: float | None = None
    crash_after: float | None = None
    exit_code: int = 1
    completes_after: float | None = None
    task_seconds: float = 5.0
    stop_seconds: float = 1.0
    answer: str = "{image} {tag}"
    cpu: float | None = None
    memory: float | None = None
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if self.pull_error not in PULL_ERRORS:
            raise UsageError(
                f'"{self.pull_error}" is no reason for a pull to fail',
                where="pull_error",
                fix=f"choose one of {', '.join(repr(each) for each in PULL_ERRORS)}",
            )
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, float | int) and value < 0:
                raise UsageError(f"{value} is less than zero", where=each.name)

    def varied(self, seconds: float, rng: Random) -> float:
        """One draw of a time that varies by the behaviour's jitter."""
        if not self.jitter or not seconds:
            return seconds
        return seconds * rng.uniform(1 - self.jitter, 1 + self.jitter)


MAGIC: tuple[tuple[str, Behaviour], ...] = (
    ("*does-not-exist*", Behaviour(pull_error="not found", pull_seconds=1)),
    ("*missing*", Behaviour(pull_error="not found", pull_seconds=1)),
    ("*crash*", Behaviour(crash_after=1)),
    ("*unready*", Behaviour(ready=False)),
    ("*slow*", Behaviour(ready_seconds=45)),
)
"""What the words mean that make an image misbehave, wherever they stand in its name or tag."""


@dataclass(frozen=True)
class Reference:
    """The name of an image, taken apart.

    Source: the distribution project's grammar of references, with Docker Hub's two defaults.

    Args:
        full: with registry, path, and tag or digest: `docker.io/library/web:1`.
        name: the last part of the path: `web`.
        tag: the tag, `latest` if there is neither tag nor digest, empty with a digest alone.
    """

    full: str
    name: str
    tag: str

    @property
    def digest(self) -> str:
        """The content's digest: as given, else made up, the same for the same reference."""
        _, at, given = self.full.partition("@")
        return given if at else f"sha256:{hashlib.sha256(self.full.encode()).hexdigest()}"

    @property
    def repository(self) -> str:
        """Registry and path, without tag and digest."""
        path = self.full.partition("@")[0]
        return path[: -len(self.tag) - 1] if self.tag else path


@lru_cache(maxsize=1024)
def parse(image: str) -> Reference | None:
    """The parts of an image's name; None if it is not a valid one."""
    if not _REFERENCE.fullmatch(image):
        return None
    path, at, digest = image.partition("@")
    first, slash, _ = path.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        path = f"docker.io/{path}" if slash else f"docker.io/library/{path}"
    name, colon, tag = path.rpartition("/")[2].partition(":")
    if not colon and not at:
        path, tag = f"{path}:latest", "latest"
    return Reference(f"{path}{at}{digest}", name, tag)


_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?",
    re.ASCII,
)


@dataclass(frozen=True)
class Catalogue:
    """Which image behaves how. The first pattern that matches decides.

    A pattern is a glob (`*`, `?`, `[…]`) over the reference as the pod spells it. A pattern
    without a tag stands for every tag: `web` is `web`, `web:1` and `web:2`.

    Args:
        rules: patterns and behaviours, in the order in which they are tried.
        otherwise: how an image behaves that no pattern matches.
    """

    rules: tuple[tuple[str, Behaviour], ...] = MAGIC
    otherwise: Behaviour = field(default_factory=Behaviour)

    @classmethod
    def of(cls, declared: Mapping[str, Mapping[str, Any]], *, where: str = "images") -> Catalogue:
        """The default catalogue, preceded by behaviours declared in YAML.

        Args:
            declared: fields of a Behaviour by pattern, in the order in which they are tried;
                what a pattern leaves out is as in an undeclared image.
            where: the file, to name it in an error.

        Raises:
            UsageError: a field does not exist or has a wrong type.
        """
        rules = [
            (pattern, _behaviour(given, f"{where}: {pattern}"))
            for pattern, given in declared.items()
        ]
        return cls((*rules, *MAGIC))

    def with_(self, pattern: str, behaviour: Behaviour | None = None, **changed: Any) -> Catalogue:
        """A catalogue in which a pattern comes first.

        Args:
            pattern: which images it is about.
            behaviour: how they behave; as the pattern's name does so far, if it is None.
            changed: single fields of the behaviour to set.
        """
        behaviour = replace(behaviour or self.behaviour(pattern), **changed)
        return Catalogue(((pattern, behaviour), *self.rules), self.otherwise)

    def steady(self) -> Catalogue:
        """The same catalogue without jitter: every time is met to the instant."""
        rules = tuple((pattern, replace(each, jitter=0)) for pattern, each in self.rules)
        return Catalogue(rules, replace(self.otherwise, jitter=0))

    def behaviour(self, image: str) -> Behaviour:
        """How an image behaves."""
        for pattern, behaviour in self.rules:
            if _matches(pattern, image):
                return behaviour
        return self.otherwise

    def answer(self, image: str, values: Mapping[str, str]) -> str:
        """What a container of an image says on its port.

        Args:
            image: the image's reference.
            values: what else can stand in braces in a behaviour's `answer`, such as the
                container's environment; `{image}` and `{tag}` are the image's name and tag. What
                is not given is empty.
        """
        reference = parse(image)
        known = {"image": reference.name, "tag": reference.tag} if reference else {"image": image}
        known = {**values, **known}
        return _PLACEHOLDER.sub(lambda word: known.get(word[1], ""), self.behaviour(image).answer)


@lru_cache(maxsize=4096)
def _matches(pattern: str, image: str) -> bool:
    name, _, digest = image.partition("@")
    if ":" not in name.rpartition("/")[2] and not digest:
        name = f"{name}:latest"
    if ":" not in pattern.rpartition("/")[2] and "@" not in pattern:
        untagged = name[: name.rindex(":")] if ":" in name.rpartition("/")[2] else name
        if fnmatchcase(untagged, pattern):
            return True
    return fnmatchcase(name, pattern) or fnmatchcase(image, pattern)


def _behaviour(given: Any, where: str) -> Behaviour:
    if not isinstance(given, Mapping):
        raise UsageError("a behaviour is a mapping of fields", where=where)
    default = Behaviour()
    known = {each.name for each in fields(Behaviour)}
    for name, value in given.items():
        if name not in known:
            raise UsageError(
                f'a behaviour has no field "{name}"',
                where=where,
                fix=f"the fields are {', '.join(sorted(known))}",
            )
        expected: type | tuple[type, ...] = type(getattr(default, name))
        if expected in (float, type(None)):
            expected = (int, float)
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise UsageError(f"{value!r} cannot be the {name} of an image", where=where)
    try:
        return Behaviour(**given)
    except UsageError as error:
        raise UsageError(error.what, where=f"{where}: {error.where}", fix=error.fix) from None
