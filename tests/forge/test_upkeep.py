"""Nothing of a broken push stays, and a repository with many loose objects gets packed."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from gitops_lab.forge import Forge, Repository, upkeep
from gitops_lab.forge.command import git


def left(repository: Repository, name: str, *, age: float) -> Path:
    """A folder as Git keeps a push in until it is accepted."""
    folder = repository.path / "objects" / name
    pack = folder / "pack" / "tmp_pack_x"
    pack.parent.mkdir(parents=True)
    pack.write_bytes(b"PACK")
    for path in (pack, pack.parent, folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def counts(repository: Repository) -> dict[str, int]:
    lines = git("count-objects", "-v", cwd=repository.path).splitlines()
    return {key: int(value) for key, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize("name", ["tmp_objdir-incoming-a1", "incoming-b2"])
def test_what_a_broken_push_left_goes(forge: Forge, repository: Repository, name: str) -> None:
    revision = repository.commit("begin", {"a.yaml": "a: 1\n"})
    folder = left(repository, name, age=2 * upkeep.STILL)
    draft = repository.path / "objects" / "pack" / "tmp_pack_y"
    draft.parent.mkdir(exist_ok=True)
    draft.touch()
    os.utime(draft, (0, 0))
    upkeep.remove_left_over(repository.path, now=time.time())
    assert forge.open("app").tip() == revision.commit
    assert not folder.exists() and not draft.exists()
    git("fsck", "--strict", cwd=repository.path)


def test_what_a_push_stores_now_stays(repository: Repository) -> None:
    folder = left(repository, "tmp_objdir-incoming-a1", age=2 * upkeep.STILL)
    os.utime(folder / "pack" / "tmp_pack_x")  # Git still writes it
    upkeep.remove_left_over(repository.path, now=time.time())
    assert (folder / "pack" / "tmp_pack_x").exists()


def test_packing_keeps_every_object_and_readers_go_on(repository: Repository) -> None:
    first = repository.commit("one", {f"{number}.yaml": f"n: {number}\n" for number in range(50)})
    repository.commit("two", {"1.yaml": "changed\n"})
    alone = git("hash-object", "-w", "--stdin", cwd=repository.path, stdin=b"unreachable").strip()
    assert repository.read("2.yaml") == b"n: 2\n"  # a reader of Git's is running from here on
    before = counts(repository)["count"]
    asyncio.run(upkeep.pack(repository.path))
    after = counts(repository)
    assert (after["count"], after["in-pack"], after["packs"]) == (0, before, 1)
    assert repository.read("49.yaml", first) == b"n: 49\n"
    assert git("cat-file", "blob", alone, cwd=repository.path) == "unreachable"
    assert repository.commit("three", {"1.yaml": "again\n"}).commit == repository.tip()
    git("fsck", "--strict", cwd=repository.path)


def test_only_a_repository_with_many_loose_objects_needs_packing(repository: Repository) -> None:
    assert not upkeep.needs_packing(repository.path)
    folder = repository.path / "objects" / "17"
    folder.mkdir()
    for number in range(upkeep.LOOSE // 256):
        assert not upkeep.needs_packing(repository.path)
        (folder / f"{number:038x}").touch()
    assert upkeep.needs_packing(repository.path)
