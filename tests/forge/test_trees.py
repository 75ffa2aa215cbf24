"""Merging folders agrees with git's own merge, and picks and reverts by the same rule."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.forge import Forge
from gitops_lab.forge.command import GitFailed, git
from gitops_lab.forge.database import Database
from gitops_lab.forge.trees import edit, merge
from kubesim.clock import EPOCH

LINES = [f"line {n}\n" for n in range(6)]
PATHS = ["a", "b/c", "b/d/e", "f.txt"]


def contents() -> st.SearchStrategy[dict[str, bytes]]:
    """Some files, whose lines are changed here and there."""
    changed = st.lists(st.sampled_from(range(6)), max_size=2, unique=True).map(
        lambda at: "".join(f"changed {n}\n" if n in at else LINES[n] for n in range(6)).encode()
    )
    # Each path has lines of its own, so that git takes none for another one's new name.
    return st.dictionaries(st.sampled_from(PATHS), changed, max_size=4).map(
        lambda files: {
            path: text.replace(b"line", f"the line of {path}".encode() * 3)
            for path, text in files.items()
        }
    )


def tree(database: Database, files: Mapping[str, bytes]) -> bytes:
    return edit(database, None, files)


@settings(max_examples=25, deadline=None)
@given(base=contents(), ours=contents(), theirs=contents())
def test_it_agrees_with_git_merge_recursive(
    base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        forge = Forge(Path(name), now=lambda: EPOCH)
        repository = forge.create("app")
        database = Database(repository.path)
        trees = [tree(database, files) for files in (base, ours, theirs)]
        merged, conflicts = merge(database, *trees)
        root = _commit(repository.path, trees[0])
        sides = [_commit(repository.path, each, root) for each in trees[1:]]
        try:
            told = git(
                "merge-tree", "--write-tree", *sides,
                cwd=repository.path,
            )  # fmt: skip
        except GitFailed:
            assert conflicts
        else:
            assert not conflicts
            assert merged.hex() == told.split()[0]
        database.close()
        forge.close()


@settings(max_examples=20, deadline=None)
@given(files=contents(), changes=st.dictionaries(st.sampled_from(PATHS), st.binary(max_size=9)))
def test_picking_a_change_and_reverting_it_gives_the_same_folder(
    files: dict[str, bytes], changes: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        forge = Forge(Path(name), now=lambda: EPOCH)
        database = Database(forge.create("app").path)
        before, after = tree(database, files), tree(database, {**files, **changes})
        assert merge(database, before, before, after) == (after, ())
        assert merge(database, after, after, before) == (before, ())
        database.close()
        forge.close()


def _commit(repository: Path, tree: bytes, *parents: str) -> str:
    who = {f"GIT_{r}_{f}": "x" for r in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
    options = [word for parent in parents for word in ("-p", parent)]
    return git(
        "commit-tree", *options, "-m", "x", tree.hex(), cwd=repository, variables=who
    ).strip()
