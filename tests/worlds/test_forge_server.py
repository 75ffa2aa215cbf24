"""The Git server, from a person's shell: no configuration of theirs is read or written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from gitops_lab.forge import PEOPLE, Forge
from gitops_lab.worlds.forge_server import LEARNER, ForgeServer


def server(folder: Path, *readers: str) -> ForgeServer:
    forge = Forge(folder / "git", now=lambda: 0.0)
    (forge.open if (folder / "git" / "app.git").exists() else forge.create)("app")
    return ForgeServer(forge, folder / 'git server\'s "keys"', readers=readers, wall=time.time())


async def git(home: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    process = await asyncio.create_subprocess_exec(
        "git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments,
        env={**inherited, "HOME": str(home), "GIT_TERMINAL_PROMPT": "0", **variables},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def test_a_clone_can_fetch_and_push_and_nothing_of_the_users_is_touched(tmp_path: Path) -> None:
    home, clone = tmp_path / "home", tmp_path / "clone"
    home.mkdir()
    own = "[credential]\n\thelper = store\n[http]\n\tproxy = http://127.0.0.1:9\n"
    (home / ".gitconfig").write_text(own)

    async def story() -> None:
        live = server(tmp_path)
        await live.start()
        include = f"include.path={live.configuration}"
        try:
            for arguments in (
                ("clone", "-q", "--config", include, live.url("app"), str(clone)),
                ("-C", str(clone), "commit", "-q", "--allow-empty", "-m", "one"),
                ("-C", str(clone), "push", "-q", "origin", "HEAD:main"),
                ("-C", str(clone), "fetch", "-q"),
            ):
                code, out = await git(home, *arguments)
                assert code == 0, out
            code, out = await git(home, "ls-remote", live.url("app"))
            assert (code != 0 and "proxy" in out.lower()) or "connect" in out.lower()
        finally:
            await live.stop()

    asyncio.run(story())
    assert sorted(path.name for path in home.iterdir()) == [".gitconfig"]
    assert (home / ".gitconfig").read_text() == own


def test_tokens_address_and_certificate_outlive_the_server(tmp_path: Path) -> None:
    async def story() -> None:
        first = server(tmp_path, "ci")
        await first.start()
        await first.stop()
        second = server(tmp_path, "ci", "agent")
        await second.start(first.port)
        await second.stop()
        assert second.url("app") == first.url("app")
        assert second.authority.ca_pem == first.authority.ca_pem
        assert first.tokens.items() < second.tokens.items()
        assert set(second.tokens) == {*PEOPLE, "ci", "agent"}

    asyncio.run(story())


@pytest.mark.parametrize(("account", "may_push"), [("ci", False), (LEARNER, True)])
def test_only_the_learner_may_push(tmp_path: Path, account: str, may_push: bool) -> None:
    async def story() -> None:
        live = server(tmp_path, "ci")
        await live.start()
        url = live.url("app").replace(LEARNER, f"{account}:{live.tokens[account]}")
        clone = tmp_path / "clone"
        try:
            include = f"include.path={live.configuration}"
            code, out = await git(tmp_path, "clone", "-q", "--config", include, url, str(clone))
            assert code == 0, out
            await git(tmp_path, "-C", str(clone), "commit", "-q", "--allow-empty", "-m", "one")
            code, out = await git(tmp_path, "-C", str(clone), "push", "-q", "origin", "HEAD:main")
            assert (code == 0) is may_push, out
        finally:
            await live.stop()

    asyncio.run(story())
