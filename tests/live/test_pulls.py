"""Pull requests of a live sandbox: from the command line, and by `git push` of each account."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.forge import PEOPLE, Repository, Rule
from gitops_lab.forge.people import RIGHTS
from gitops_lab.model import ObjectKey
from gitops_lab.worlds.forge_server import LEARNER
from tests.live.shell import BOOK, ROOT, Shell, eventually
from tests.worlds.test_forge_server import git, server


def test_each_account_pushes_what_it_may_over_https(tmp_path: Path) -> None:
    """Direct pushes to a protected branch, forced ones and deletions are refused to all."""

    async def story() -> None:
        live = server(tmp_path, "pull")
        repository = Repository(tmp_path / "git" / "app.git", now=lambda: 0.0)
        repository.commit("begin", {"a.yaml": "a: 1\n"})
        repository.commit("more", {"a.yaml": "a: 2\n"})
        repository.protection.protect(Rule("main"))
        tip = repository.tip()
        await live.start()
        try:
            for account in (*PEOPLE, "pull"):
                clone = tmp_path / account
                own, url = live.configuration, live.url("app", account=account)
                if account == "pull":  # a deployer's token
                    url = url.replace("pull@", f"pull:{live.tokens['pull']}@")
                elif account != LEARNER:
                    own = live.configuration_of(account)
                code, out = await git(
                    tmp_path, "clone", "-q", "--config", f"include.path={own}", url, str(clone)
                )
                assert code == 0, out
                at = ("-C", str(clone))
                await git(tmp_path, *at, "commit", "-q", "--allow-empty", "-m", "x")
                for spec in ("HEAD:main", "+HEAD~2:main", ":main"):
                    code, out = await git(tmp_path, *at, "push", "-q", "origin", spec)
                    assert code != 0, (account, spec)
                    assert repository.tip() == tip
                code, out = await git(tmp_path, *at, "push", "-q", "origin", f"HEAD:{account}")
                may = account in PEOPLE and "push" in RIGHTS[PEOPLE[account].role]
                assert (code == 0) is may, out
        finally:
            await live.stop()

    asyncio.run(story())


def test_a_wrong_token_takes_nothing_away(tmp_path: Path) -> None:
    async def story() -> None:
        live = server(tmp_path)
        Repository(tmp_path / "git" / "app.git", now=lambda: 0.0).commit("begin", {"a": "1"})
        await live.start()
        clone = tmp_path / "clone"
        include = f"include.path={live.configuration}"
        at = ("-C", str(clone))
        try:
            await git(tmp_path, "clone", "-q", "--config", include, live.url("app"), str(clone))
            wrong = live.url("app").replace(f"{LEARNER}@", f"{LEARNER}:typo@")
            assert (await git(tmp_path, *at, "ls-remote", wrong))[0] != 0
            assert (await git(tmp_path, *at, "ls-remote", "origin"))[0] == 0
            # The learner's token is not given to an address with another account.
            other = live.url("app", account="alex")
            assert (await git(tmp_path, *at, "ls-remote", other))[0] != 0
        finally:
            await live.stop()

    asyncio.run(story())


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, "forge-pulls")
    shell.told("up", "--arms", "push-on-commit", "--pace", "10")
    yield shell
    shell("down")


def test_a_pull_request_from_a_clone_to_the_cluster(shell: Shell) -> None:
    def pr(action: str, *arguments: str, fails: bool = False) -> str:
        whole = [sys.executable, "-m", "gitops_lab", "pr", action, "--name", shell.name, *arguments]
        done = subprocess.run(
            whole, cwd=ROOT, env=shell.environment, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else done.stdout

    shell.push("one", {"book.yaml": BOOK.format(page=1)})
    assert "main approvals=1" in pr("protect", "main", "--approvals", "1")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        shell.push("two", {"book.yaml": BOOK.format(page=2)})
    assert "main is protected: learner cannot push to it directly" in caught.value.stderr
    shell.git("-C", str(shell.folder / "clone-two"), "push", "-q", "origin", "HEAD:two")
    assert "Opened #1: two" in pr("open", "two")
    assert "0 of 1 approvals" in pr("merge", "1", fails=True)
    assert "learner's own" in pr("review", "1", "--approve", fails=True)
    pr("review", "1", "--approve", "--as", "rosa", "-m", "good")
    assert json.loads(pr("show", "1", "--json"))["obstacles"] == []
    assert "Merged #1" in pr("merge", "1", "--squash")
    client = shell.client("push-on-commit")
    book = ObjectKey("", "ConfigMap", "default", "book")
    eventually(lambda: (client.get(book) or {"data": {}})["data"].get("page") == "2")
    client.close()
    assert "two (#1) (approved by rosa)" in pr("log")
    clone = str(shell.folder / "clone-two")
    shell.git("-C", clone, "fetch", "-q")
    decided = shell.git("-C", clone, "log", "--oneline", "refs/forge/records")
    assert "rosa approves pull request 1" in decided
    assert "forge reviewed #1: rosa approves pull request 1" in shell.told("logs")
