"""Chapters of a notebook that can be run again and again, in any order.

Virtual time is cheap, and the same seed gives the same world. So a cell that runs for the second
time goes back: a new world plays the chapters before it again, and then its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from gitops_lab.errors import LabError
from gitops_lab.sandbox import ArmDescription, Sandbox

Chapter = Callable[[Sandbox], object]
"""What happens in a chapter: commits, edits by hand, and time that passes."""


class Chapters:
    """A story in a notebook: one function for each chapter.

    Args:
        arms: standard arms by name, or descriptions of your own.
        seed: of every world that is played.
        settle: minutes that pass before the first chapter.
    """

    def __init__(self, *arms: str | ArmDescription, seed: int = 1, settle: float = 1.5) -> None:
        self._arms, self._seed, self._settle = arms, seed, settle
        self._told: dict[str, Chapter] = {}
        self.world = self._new_world()

    def chapter(self, title: str) -> Callable[[Chapter], Chapter]:
        """Play a chapter after those that were played before it.

        If it was played already, the story goes back to where it began, and what came later is
        forgotten: run those cells again.

        Args:
            title: its name; the pictures and tables show it.
        """

        def play(happens: Chapter) -> Chapter:
            if title in self._told:
                titles = [*self._told]
                self._go_back(titles[: titles.index(title)])
            try:
                self._play(title, happens)
            except BaseException:
                self._go_back([*self._told])  # what it did in part is undone
                raise
            self._told[title] = happens
            return happens

        return play

    def close(self) -> None:
        """Remove everything that the world has put on disk."""
        self.world.close()

    def _new_world(self) -> Sandbox:
        world = Sandbox(*self._arms, seed=self._seed)
        world.run(minutes=self._settle)
        return world

    def _go_back(self, titles: list[str]) -> None:
        """Start a new world, and play only these chapters in it."""
        self._told = {title: self._told[title] for title in titles}
        self.world.close()
        self.world = self._new_world()
        for title, happens in self._told.items():
            self._play(title, happens)

    def _play(self, title: str, happens: Chapter) -> None:
        self.world.chapter(title)
        happens(self.world)


def show_errors_plainly() -> None:
    """In a notebook, show an error of the lab as one sentence instead of a traceback."""
    if "IPython" not in sys.modules:
        return
    shell = sys.modules["IPython"].get_ipython()
    if shell is not None:
        shell.set_custom_exc((LabError,), lambda _shell, _type, error, _tb, **_: print(error))
