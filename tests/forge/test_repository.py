"""Commits: what they hold, what they refuse, and that nothing outside changes their hashes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gitops_lab.errors import ForgeError
from gitops_lab.forge import Forge, Repository
from gitops_lab.forge.command import git
from kubesim.clock import EPOCH
from tests.forge.conftest import Person


def test_a_commit_can_be_read_back_with_its_author_time_and_message(
    repository: Repository,
) -> None:
    revision = repository.commit(
        "Say hello\n\nat length", {"deploy/web.yaml": "a: 1\n"}, author="Ann O'Dea <ann@b.example>"
    )
    assert repository.read("deploy/web.yaml") == b"a: 1\n"
    assert repository.tip() == revision.commit
    (commit,) = repository.log()
    assert (commit.revision, commit.at) == (revision, EPOCH)
    assert (commit.author, commit.message) == (
        "Ann O'Dea <ann@b.example>",
        "Say hello\n\nat length",
    )
    assert str(commit) == f"{revision.short} Say hello"


def test_git_itself_finds_nothing_wrong_with_what_was_written(repository: Repository) -> None:
    repository.commit("one", {"b/c/d": "1", "b.yaml": "2", "b-c": "3", "ä": "4"})
    repository.commit("two", {"b/c/d": None, "b/e": "5"})
    git("fsck", "--strict", cwd=repository.path)
    assert repository.files() == ("b-c", "b.yaml", "b/e", "ä")


def test_the_same_changes_at_the_same_time_have_the_same_hash(tmp_path: Path) -> None:
    forges = [Forge(tmp_path / name, now=lambda: EPOCH) for name in "ab"]
    first, second = (
        forge.create("app").commit("begin", {"x/y": "1", "a": b"\x00\xff"}) for forge in forges
    )
    assert first == second
    later = Forge(tmp_path / "c", now=lambda: EPOCH + 1).create("app")
    assert later.commit("begin", {"x/y": "1", "a": b"\x00\xff"}) != first


def test_nothing_that_the_user_has_configured_gets_into_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Forge(tmp_path / "plain", now=lambda: EPOCH).create("app")
    expected = plain.commit("ümlaut", {"a": "1"}), plain.commit("b", {"b": "1"}), plain.revert()
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    for hook in ("post-receive", "pre-receive", "pre-commit", "post-checkout", "pre-push"):
        (home / "hooks" / hook).write_text("#!/bin/sh\nexit 1\n")
        (home / "hooks" / hook).chmod(0o755)
    config = (
        "[user]\nname = X\nemail = x@x\nsigningkey = 0\n[commit]\ngpgsign = true\n"
        f"[core]\nhooksPath = {home}/hooks\nautocrlf = true\n[i18n]\ncommitEncoding = latin1\n"
        f"[init]\ntemplateDir = {home}\ndefaultBranch = trunk\n[push]\ngpgSign = true\n"
    )
    (home / ".gitconfig").write_text(config)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Another Person")
    repository = Forge(tmp_path / "odd", now=lambda: EPOCH).create("app")
    made = (
        repository.commit("ümlaut", {"a": "1"}),
        repository.commit("b", {"b": "1"}),
        repository.revert(),
    )
    assert made == expected
    assert repository.read("a") == b"1"
    assert len(list(repository.spool.drain())) == 3


def test_none_deletes_a_file_and_the_others_stay(repository: Repository) -> None:
    repository.commit("two", {"a": "1", "b": "1"})
    repository.commit("one", {"a": None})
    assert repository.files() == ("b",)


def test_a_changed_file_stays_executable(person: Person, repository: Repository) -> None:
    (person.folder / "run").write_text("1")
    (person.folder / "run").chmod(0o755)
    person.git("add", "run")
    person.git("commit", "--message", "run")
    person.git("push")
    repository.commit("change it", {"run": "2"})
    assert git("ls-tree", "main", "run", cwd=repository.path).startswith("100755")


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "a b", "ä/ö", "-dash", "#x", "'"])
def test_odd_names_of_files_are_kept(name: str, repository: Repository) -> None:
    repository.commit("odd", {name: "1"})
    assert repository.files() == (name,)
    repository.commit("gone", {name: None})
    assert repository.files() == ()


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", ".", "a\nb", "a\x00b"],
)
def test_a_path_that_leads_out_of_the_repository_is_refused(
    path: str, repository: Repository
) -> None:
    with pytest.raises(ForgeError, match="no path within the repository"):
        repository.commit("out", {path: "1"})
    assert repository.tip() == ""


@pytest.mark.parametrize("path", [".git/hooks/x", ".GIT/config", "a/.git", ".git /x", "git~1/x"])
def test_a_path_into_gits_own_folder_is_refused(path: str, repository: Repository) -> None:
    with pytest.raises(ForgeError, match="Git's own folder"):
        repository.commit("in", {path: "1"})


def test_a_commit_that_changes_nothing_is_refused(repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    for changes in ({"a": "1"}, {}):
        with pytest.raises(ForgeError, match="would change nothing on main"):
            repository.commit("again", changes)


def test_an_unchanged_file_beside_a_changed_one_is_no_fault(repository: Repository) -> None:
    repository.commit("one", {"a": "1", "b": "1"})
    repository.commit("two", {"a": "1", "b": "2"})
    assert repository.read("b") == b"2"


def test_a_file_that_does_not_exist_cannot_be_deleted(repository: Repository) -> None:
    with pytest.raises(ForgeError, match="no such file to delete") as caught:
        repository.commit("gone", {"a": None})
    assert caught.value.where == "a"


def test_a_file_is_never_put_in_the_place_of_a_folder_or_below_a_file(
    repository: Repository,
) -> None:
    repository.commit("one", {"a/b": "1"})
    with pytest.raises(ForgeError, match="this is a folder"):
        repository.commit("two", {"a": "1"})
    with pytest.raises(ForgeError, match="a/b is a file"):
        repository.commit("two", {"a/b/c": "1"})
    with pytest.raises(ForgeError, match="x is a file"):
        repository.commit("two", {"x": "1", "x/y": "1"})
    repository.commit("two", {"a/b": None, "a/b/c": "1"})
    assert repository.files() == ("a/b/c",)


@pytest.mark.parametrize("message", ["", " \n"])
def test_a_commit_needs_a_message(message: str, repository: Repository) -> None:
    with pytest.raises(ForgeError, match="needs a message"):
        repository.commit(message, {"a": "1"})


@pytest.mark.parametrize("author", ["Ann", "Ann <a", "<a@b>", "Ann <a>\ncommitter X <x>"])
def test_an_author_is_a_name_and_an_address(author: str, repository: Repository) -> None:
    with pytest.raises(ForgeError, match="is no author"):
        repository.commit("one", {"a": "1"}, author=author)


def test_a_new_branch_begins_at_the_default_branch(repository: Repository) -> None:
    base = repository.commit("one", {"a": "1"})
    revision = repository.commit("two", {"b": "1"}, branch="feature/x")
    assert (revision.branch, repository.branches) == ("feature/x", ("feature/x", "main"))
    assert repository.files(revision) == ("a", "b")
    assert [c.revision.commit for c in repository.log("feature/x")] == [
        revision.commit,
        base.commit,
    ]
    assert repository.tip() == base.commit


def test_a_branch_that_git_cannot_name_is_refused(forge: Forge, repository: Repository) -> None:
    with pytest.raises(ForgeError, match=r"bad\.\.name"):
        repository.commit("one", {"a": "1"}, branch="bad..name")
    with pytest.raises(ForgeError, match="invalid initial branch name"):
        forge.create("other", branch="bad..name")


@pytest.mark.parametrize("name", ["", "App", "a/b", "../a", ".a", "app.git"])
def test_a_repository_needs_a_plain_name(name: str, forge: Forge) -> None:
    with pytest.raises(ForgeError, match="no name of a repository"):
        forge.create(name)


def test_a_name_is_given_once(forge: Forge, repository: Repository) -> None:
    with pytest.raises(ForgeError, match="already"):
        forge.create(repository.name)


def test_revert_undoes_the_newest_commit_with_a_new_one(repository: Repository) -> None:
    repository.commit("good", {"a": "1", "b": "1"})
    repository.commit("bad", {"a": "2", "b": None, "c": "1"})
    revision = repository.revert()
    assert repository.tip() == revision.commit
    assert (repository.files(), repository.read("a")) == (("a", "b"), b"1")
    assert repository.log()[0].message.startswith('Revert "bad"')
    assert repository.log()[0].at == EPOCH
    assert len(repository.log()) == 3


def test_revert_undoes_an_older_commit_and_keeps_what_came_after(repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    bad = repository.commit("bad", {"b": "1"})
    repository.commit("three", {"c": "1"})
    repository.revert(bad)
    assert repository.files() == ("a", "c")
    repository.revert(repository.log()[0].revision.short)
    assert repository.files() == ("a", "b", "c")


def test_reverting_the_first_commit_leaves_no_file(repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    repository.revert()
    assert repository.files() == ()


def test_reverting_a_merge_undoes_what_it_brought(person: Person, repository: Repository) -> None:
    person.git("switch", "--create", "feature")
    person.commit("b", "1")
    person.git("switch", "main")
    person.commit("c", "1")
    person.git("merge", "--no-ff", "--no-edit", "feature")
    person.git("push")
    assert repository.files() == ("a.yaml", "b", "c")
    repository.revert()
    assert repository.files() == ("a.yaml", "c")


def test_a_revert_that_conflicts_names_the_file_and_changes_nothing(
    repository: Repository,
) -> None:
    repository.commit("one", {"a": "1\n"})
    bad = repository.commit("bad", {"a": "2\n"})
    tip = repository.commit("three", {"a": "3\n"})
    with pytest.raises(ForgeError, match="later commits changed the same lines") as caught:
        repository.revert(bad)
    assert caught.value.where == "a"
    assert repository.tip() == tip.commit


def test_a_commit_that_is_undone_already_is_not_reverted_again(repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    bad = repository.commit("bad", {"b": "1"})
    repository.revert()
    with pytest.raises(ForgeError, match="undone already"):
        repository.revert(bad)


def test_revert_leaves_nothing_behind(repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    before = sorted(path.name for path in repository.path.parent.iterdir())
    repository.revert()
    assert sorted(path.name for path in repository.path.parent.iterdir()) == before
    assert git("worktree", "list", cwd=repository.path).count("\n") == 1


def test_no_file_of_the_repository_runs_as_a_hook(
    person: Person, repository: Repository, tmp_path: Path
) -> None:
    for hook in ("post-checkout", "prepare-commit-msg", "post-commit"):
        person.commit(f"hooks/{hook}", f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
        (person.folder / "hooks" / hook).chmod(0o755)
    person.commit("b", "1")
    person.git("push")
    repository.revert()
    assert repository.files()[0] == "a.yaml"
    assert not (tmp_path / "ran").exists()


def test_what_does_not_exist_cannot_be_reverted_read_or_listed(repository: Repository) -> None:
    with pytest.raises(ForgeError, match="no commits in app"):
        repository.revert()
    repository.commit("one", {"d/a": "1"})
    with pytest.raises(ForgeError, match="no commit 1234567 in app"):
        repository.revert("1234567")
    with pytest.raises(ForgeError, match="no commit --all"):
        repository.read("d/a", "--all")
    for path in ("b", "d/a/x"):
        with pytest.raises(ForgeError, match="no such file"):
            repository.read(path)
    with pytest.raises(ForgeError, match="this is a folder"):
        repository.read("d")
    with pytest.raises(ForgeError, match="Branches: main"):
        repository.log("other")


def test_a_clone_pushes_back_without_any_configuration(
    person: Person, repository: Repository
) -> None:
    commit = person.commit("b.yaml", "1")
    person.git("push")
    assert repository.tip() == commit
    assert repository.log()[0].author.startswith("Lena Learner <")


def test_a_clone_of_an_empty_repository_is_on_its_default_branch(
    forge: Forge, tmp_path: Path
) -> None:
    repository = forge.create("empty", branch="trunk")
    person = Person(repository, tmp_path / "clone")
    commit = person.commit("a", "1")
    person.git("push")
    assert repository.tip("trunk") == commit


def test_a_clone_never_overwrites_a_folder(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(ForgeError, match="not an empty directory"):
        repository.checkout(tmp_path / "full")


def test_the_url_can_be_cloned(person: Person, repository: Repository, tmp_path: Path) -> None:
    person.git("clone", "--quiet", repository.url, str(tmp_path / "another"))
    assert (tmp_path / "another" / "a.yaml").read_text() == "a: 1\n"


def test_only_the_owner_can_read_and_run_the_hooks(forge: Forge) -> None:
    mask = os.umask(0)
    try:
        hooks = forge.create("open").path / "hooks"
    finally:
        os.umask(mask)
    modes = {hook.name: stat.S_IMODE(hook.stat().st_mode) for hook in hooks.iterdir()}
    assert modes == {"pre-receive": 0o700, "post-receive": 0o700}
