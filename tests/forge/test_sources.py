"""Sources by URL and ref."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import SourceError
from gitops_lab.forge import Forge, ForgeGit
from gitops_lab.forge.command import git

URL = "https://git.example/app.git"


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    found = Forge(tmp_path, now=lambda: 0.0)
    found.create("app")
    return found


@pytest.fixture
def server(forge: Forge) -> ForgeGit:
    return ForgeGit(URL, repository=lambda name: forge.repositories.get(name) or forge.open(name))


def test_a_branch_moves_and_a_tag_and_a_commit_stay(forge: Forge, server: ForgeGit) -> None:
    app = forge.repositories["app"]
    first = app.commit("one", {"a.yaml": "a: 1\n"}).commit
    git("tag", "v1", first, cwd=app.path)
    second = app.commit("two", {"a.yaml": "a: 2\n"}).commit
    for url in (URL, "https://learner@git.example/app.git", "https://git.example/app"):
        assert server.open(url).head().commit == second
    for fixed in (server.open(URL, tag="v1"), server.open(URL, branch="main", commit=first)):
        assert fixed.head().commit == first
        assert fixed.fetch(fixed.head()).files == {"a.yaml": b"a: 1\n"}
    assert str(server.open(URL, tag="v1").head()) == f"v1@sha1:{first}"
    assert server.refs(URL) == {"refs/heads/main": second, "refs/tags/v1": first}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://elsewhere.example/app.git", "reaches only its own Git server"),
        ("https://git.example/other.git", "repository not found"),
        ("https://git.example/../app.git", "repository not found"),
    ],
)
def test_what_is_not_here_is_an_error_of_the_source(server: ForgeGit, url: str, why: str) -> None:
    source = server.open(url)
    with pytest.raises(SourceError, match=why):
        source.head()
    with pytest.raises(SourceError, match=why):
        server.refs(url)


def test_a_tag_or_commit_that_does_not_exist_is_an_error(forge: Forge, server: ForgeGit) -> None:
    forge.repositories["app"].commit("one", {"a.yaml": "a: 1\n"})
    for source in (server.open(URL, tag="v9"), server.open(URL, commit="1" * 40)):
        with pytest.raises(SourceError, match="there is no commit"):
            source.head()
    forge.repositories["app"].reachable = False
    with pytest.raises(SourceError, match="does not answer"):
        server.open(URL, tag="v1").head()
