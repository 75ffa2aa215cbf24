"""Pull requests: open, review, merge, revert; and every way around the rules is closed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge import Forge, Repository, Rule
from gitops_lab.forge.command import GitFailed, git
from gitops_lab.forge.people import PEOPLE, RIGHTS
from gitops_lab.forge.pull_request import PullRequest
from tests.forge.conftest import Person


@pytest.fixture
def repository(repository: Repository) -> Repository:
    """One commit on main, which is drained."""
    repository.commit("begin", {"web.yaml": "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n"})
    list(repository.deliver())
    return repository


def change(repository: Repository, branch: str = "change", line: str = "a: 2") -> PullRequest:
    text = "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n".replace(f"{line[0]}: 1", line)
    repository.commit(f"Set {line}", {"web.yaml": text}, branch=branch, account="alex")
    return repository.pulls.open(branch, by="alex")


def test_a_pull_request_has_its_branchs_newest_commit_and_subject(repository: Repository) -> None:
    pull = change(repository)
    assert (pull.number, pull.title, pull.author, pull.state) == (1, "Set a: 2", "alex", "open")
    assert pull.head == repository.tip("change")
    ref = git("rev-parse", "refs/pull/1/head", cwd=repository.path).strip()
    assert ref == pull.head
    assert "-a: 1\n+a: 2" in repository.pulls.diff(1)
    later = repository.commit("more", {"x": "1"}, branch="change")
    list(repository.deliver())
    assert repository.pulls.get(1).head == later.commit
    assert git("rev-parse", "refs/pull/1/head", cwd=repository.path).strip() == later.commit


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_each_way_of_merging_brings_the_same_files(method: str, repository: Repository) -> None:
    change(repository)
    repository.commit("Elsewhere", {"other": "1"})
    before = repository.tip()
    pull = repository.pulls.merge(1, by="alex", method=method)  # type: ignore[arg-type]
    assert repository.read("web.yaml").startswith(b"a: 2")
    assert repository.read("other") == b"1"
    assert pull.merge is not None
    assert (pull.state, pull.merge.before, pull.merge.commit) == (
        "merged",
        before,
        repository.tip(),
    )
    parents = git("log", "-1", "--format=%P", cwd=repository.path).split()
    assert parents == ([before, pull.head] if method == "merge" else [before])
    subject = repository.log()[0].message.partition("\n")[0]
    assert (
        subject
        == {
            "merge": "Merge pull request #1 from change",
            "squash": "Set a: 2 (#1)",
            "rebase": "Set a: 2",
        }[method]
    )
    git("fsck", "--strict", cwd=repository.path)
    assert [event.branch for event in repository.deliver()] == ["change", "main", "main"]


def test_both_sides_of_one_file_are_merged_line_by_line(repository: Repository) -> None:
    change(repository, line="a: 2")
    change(repository, "other", line="e: 9")
    for number in (1, 2):
        repository.pulls.merge(number, by="alex")
    assert repository.read("web.yaml") == b"a: 2\nb: 1\nc: 1\nd: 1\ne: 9\n"


def test_conflicts_are_named_and_nothing_moves(repository: Repository) -> None:
    change(repository)
    change(repository, "other", "a: 3")
    repository.pulls.merge(1, by="alex")
    tip = repository.tip()
    with pytest.raises(ForgeError, match=r"conflicts with main in web\.yaml"):
        repository.pulls.merge(2, by="alex")
    assert (repository.tip(), repository.pulls.get(2).state) == (tip, "open")


def test_a_revert_is_a_pull_request_and_can_be_reverted(repository: Repository) -> None:
    change(repository)
    repository.pulls.merge(1, by="alex")
    revert = repository.pulls.revert(1, by="rosa")
    assert (revert.number, revert.title) == (2, 'Revert "Set a: 2"')
    repository.pulls.merge(2, by="rosa")
    assert repository.read("web.yaml").startswith(b"a: 1")
    with pytest.raises(ForgeError, match="undone already"):
        repository.pulls.revert(1, by="rosa")
    repository.pulls.merge(repository.pulls.revert(2, by="rosa").number, by="rosa")
    assert repository.read("web.yaml").startswith(b"a: 2")


def test_what_cannot_be_opened_is_refused(repository: Repository) -> None:
    with pytest.raises(ForgeError, match="no branch 'nothing'"):
        repository.pulls.open("nothing", by="alex")
    with pytest.raises(ForgeError, match="no commit that main has not"):
        repository.pulls.open("main", by="alex")
    change(repository)
    with pytest.raises(ForgeError, match="open already"):
        repository.pulls.open("change", by="alex")
    with pytest.raises(UsageError, match="no pull request 7"):
        repository.pulls.get(7)
    with pytest.raises(UsageError, match="no account 'eve'"):
        repository.pulls.open("change", by="eve")


# -- rules -----------------------------------------------------------------------------------------


def test_a_rule_is_met_step_by_step(repository: Repository) -> None:
    repository.commit("own", {"CODEOWNERS": "web.yaml @omar\n"})
    rule = Rule("main", approvals=1, checks=("validate",), code_owners=True, up_to_date=True)
    repository.protection.protect(rule)
    assert repository.protection.of("main") == rule
    pull = change(repository)
    for word in ("0 of 1 approvals", "validate has not reported", "owner of web.yaml"):
        with pytest.raises(ForgeError, match=word):
            repository.pulls.merge(1, by="rosa")
    repository.statuses.set(pull.head, "validate", "failure", "no kind")
    assert any("says failure: no kind" in each for each in repository.pulls.obstacles(1))
    repository.statuses.set(pull.head, "validate", "success")
    repository.pulls.review(1, "approve", by="rosa")
    assert repository.pulls.obstacles(1) == ("no owner of web.yaml approves (omar)",)
    repository.pulls.review(1, "request-changes", "smaller", by="omar")
    assert "omar requests changes: smaller" in repository.pulls.obstacles(1)
    repository.pulls.review(1, "approve", by="omar")
    assert repository.pulls.obstacles(1) == ()
    assert repository.pulls.merge(1, by="alex").state == "merged"
    assert "Approved-by: omar\nApproved-by: rosa" in repository.log()[0].message


def test_a_new_commit_makes_approvals_stale(repository: Repository) -> None:
    repository.protection.protect(Rule("main", approvals=1))
    change(repository)
    repository.pulls.review(1, "approve", by="rosa")
    repository.commit("sneak", {"x": "1"}, branch="change", account="alex")
    with pytest.raises(ForgeError, match=r"0 of 1 approvals of \w+ \(stale: rosa\)"):
        repository.pulls.merge(1, by="alex")


def test_a_change_of_codeowners_counts_only_once_it_is_merged(repository: Repository) -> None:
    repository.commit("own", {"CODEOWNERS": "* @omar\n"})
    repository.protection.protect(Rule("main", code_owners=True))
    repository.commit("grab", {"CODEOWNERS": "* @rosa\n"}, branch="grab", account="alex")
    repository.pulls.open("grab", by="alex")
    repository.pulls.review(1, "approve", by="rosa")
    with pytest.raises(ForgeError, match=r"no owner of CODEOWNERS approves \(omar\)"):
        repository.pulls.merge(1, by="rosa")


def test_an_outdated_branch_waits_for_the_newest_commit(repository: Repository) -> None:
    repository.protection.protect(Rule("main", up_to_date=True, direct=("bot",)))
    change(repository)
    repository.commit("meanwhile", {"other": "1"}, account="bot")
    with pytest.raises(ForgeError, match="change lacks the newest commit of main"):
        repository.pulls.merge(1, by="alex")


def test_nobody_reviews_their_own(repository: Repository) -> None:
    repository.commit("x", {"x": "1"}, branch="mine")
    repository.pulls.open("mine", by="rosa")
    with pytest.raises(ForgeError, match="rosa's own"):
        repository.pulls.review(1, "approve", by="rosa")


def test_a_review_of_a_commit_that_is_old_by_now_is_refused(repository: Repository) -> None:
    pull = change(repository)
    repository.commit("later", {"x": "1"}, branch="change")
    with pytest.raises(ForgeError, match="moved from"):
        repository.pulls.review(1, "approve", by="rosa", commit=pull.head)


ACTIONS = {
    "open": lambda r, by: r.pulls.open("other", by=by),
    "comment": lambda r, by: r.pulls.comment(1, "hm", by=by),
    "review": lambda r, by: r.pulls.review(1, "comment", "hm", by=by),
    "merge": lambda r, by: r.pulls.merge(1, by=by),
    "protect": lambda r, by: r.protection.protect(Rule("main"), by=by),
}


@pytest.mark.parametrize(("action", "account"), [*itertools.product(ACTIONS, PEOPLE)])
def test_each_role_can_do_what_it_may_and_nothing_else(
    action: str, account: str, repository: Repository
) -> None:
    repository.commit("y", {"y": "1"}, branch="other")
    change(repository)
    tip = repository.records.tip()
    if action in RIGHTS[PEOPLE[account].role]:
        ACTIONS[action](repository, account)
        assert repository.records.tip() != tip
    else:
        with pytest.raises(ForgeError, match=f"{account} .* may not"):
            ACTIONS[action](repository, account)
        assert repository.records.tip() == tip


# -- the hook --------------------------------------------------------------------------------------


def test_git_push_to_a_protected_branch_is_refused_in_gits_own_way(
    person: Person, repository: Repository
) -> None:
    repository.protection.protect(Rule("main"))
    tip = repository.tip()
    person.git("pull", "--quiet")
    person.commit("web.yaml", "x")
    for arguments in (
        ("origin", "HEAD:main"),
        ("--force", "origin", "HEAD~2:main"),
        ("origin", ":main"),
    ):
        with pytest.raises(GitFailed, match="main is protected") as caught:
            person.git("push", *arguments)
        assert "[remote rejected]" in caught.value.output
        assert "pre-receive hook declined" in caught.value.output
    assert repository.tip() == tip
    person.git("push", "--quiet", "origin", "HEAD:elsewhere")
    assert [event.branch for event in repository.deliver()] == ["elsewhere"]
    refused = [event for event in repository.news() if event.name == "refused"]
    assert len(refused) == 3
    assert "learner cannot push to it directly" in refused[0].text
    assert refused[0].data["branch"] == "main"


@pytest.mark.parametrize(
    "ref", ["refs/forge/records", "refs/pull/1/head", "refs/replace/x", "refs/notes/a"]
)
def test_only_branches_and_tags_can_be_pushed(ref: str, person: Person) -> None:
    with pytest.raises(GitFailed, match=r"only branches and tags|hidden ref"):
        person.git("push", "origin", f"HEAD:{ref}")
    person.git("push", "--quiet", "origin", "HEAD:refs/tags/v1")


def test_patterns_protect_and_named_accounts_may_push(repository: Repository) -> None:
    repository.protection.protect(Rule("release/*", direct=("bot",)))
    repository.commit("first", {"x": "1"}, branch="release/1")
    with pytest.raises(ForgeError, match="release/1 is protected: learner cannot push"):
        repository.commit("second", {"x": "2"}, branch="release/1")
    repository.commit("second", {"x": "2"}, branch="release/1", account="bot")
    repository.commit("free", {"x": "2"}, branch="releases")
    repository.protection.unprotect("release/*")
    repository.commit("third", {"x": "3"}, branch="release/1")


def test_git_push_with_an_option_opens_a_pull_request(
    person: Person, repository: Repository
) -> None:
    person.git("checkout", "--quiet", "-b", "mine")
    person.commit("b.yaml", "b: 1\n", "Add b")
    title = "pull_request.title=Add b; $(rm -rf ~) 'x'"
    person.git("push", "-o", "pull_request.create", "-o", title, "origin", "mine")
    list(repository.deliver())
    (pull,) = repository.pulls.all()
    assert (pull.title, pull.source, pull.target) == ("Add b; $(rm -rf ~) 'x'", "mine", "main")
    person.commit("c.yaml", "c: 1\n", "Add c")
    person.git("push", "-o", "merge_request.create", "origin", "mine")
    list(repository.deliver())
    assert "open already" in [event.text for event in repository.news()][-1]


# -- what goes on by itself ------------------------------------------------------------------------


def test_commits_that_come_to_the_target_by_a_push_end_the_pull_request(
    repository: Repository,
) -> None:
    pull = change(repository)
    repository.push(pull.head, "main")
    list(repository.deliver())
    ended = repository.pulls.get(1)
    assert ended.merge is not None
    assert (ended.state, ended.merge.method) == ("merged", "push")


@pytest.mark.parametrize("pushed", [True, False])
def test_a_merge_that_was_cut_off_is_finished_or_given_up(
    pushed: bool, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.protection.protect(Rule("main"))
    change(repository)
    push = repository.push

    def cut_off(commit: str, branch: str, *, account: str = "") -> None:
        if pushed:
            push(commit, branch, account=account)
        raise KeyboardInterrupt

    write = repository.records.write

    def no_more(by: str, name: str, *rest: object, **data: object) -> None:
        if name in ("merging", "opened"):
            write(by, name, *rest, **data)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(repository, "push", cut_off)
        patch.setattr(repository.records, "write", no_more)
        with pytest.raises(KeyboardInterrupt):
            repository.pulls.merge(1, by="alex")
    assert repository.records.names("merges")
    list(repository.deliver())
    assert repository.records.names("merges") == ()
    assert repository.pulls.get(1).state == ("merged" if pushed else "open")


def test_a_clone_can_fetch_a_pull_request_after_its_branch_is_gone(
    repository: Repository, tmp_path: Path
) -> None:
    pull = change(repository)
    clone = Person(repository, tmp_path / "clone")
    clone.git("push", "--quiet", "origin", ":change")
    clone.git("fetch", "--quiet", "origin", "pull/1/head")
    assert clone.git("rev-parse", "FETCH_HEAD") == pull.head
    assert repository.pulls.obstacles(1) == ("its branch change was deleted",)


def test_the_same_steps_give_the_same_records(tmp_path: Path) -> None:
    tips = []
    for name in "ab":
        forge = Forge(tmp_path / name, now=lambda: 1e9)
        repository = forge.create("app")
        repository.commit("begin", {"web.yaml": "a: 1\n"})
        change(repository)
        repository.pulls.review(1, "approve", by="rosa")
        repository.pulls.merge(1, by="alex")
        tips.append((repository.records.tip(), repository.tip()))
        forge.close()
    assert tips[0] == tips[1]
