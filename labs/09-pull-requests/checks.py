"""What "Pull requests and protection" checks and measures."""

from __future__ import annotations

from gitops_lab.forge import PullRequest
from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get

GREETING = "Welcome"


def _pulls(attempt: Attempt) -> tuple[PullRequest, ...]:
    return attempt.world.repository.pulls.all(closed=True)


@level
def protected(attempt: Attempt) -> Result:
    """The branch is protected, and takes an approval."""
    rule = attempt.world.repository.protection.of("main")
    return Result(
        rule is not None and rule.approvals > 0,
        "main is protected",
        "a rule with one approval or more",
        str(rule) if rule else "no rule",
        "gitops-lab pr protect",
    )


@edge
def refused_push(attempt: Attempt) -> Result:
    """Git refused a direct push."""
    found = attempt.entries(event="refused", branch="main")
    return Result(
        bool(found),
        "Git refused a push to main",
        "a refused push",
        found[-1].why if found else "none yet",
        "git push origin HEAD:main",
    )


@edge
def branch_pushed(attempt: Attempt) -> Result:
    """Another branch was pushed, with the change."""
    repository, wanted = attempt.world.repository, f"replicas: {attempt.values['more']}\n"
    pushed = [str(e.data.get("branch")) for e in attempt.entries(event="pushed")]
    others = [name for name in repository.branches if name in pushed and name != "main"]
    good = [name for name in others if wanted in repository.read("deployment.yaml", name).decode()]
    return Result(
        bool(good),
        "you pushed a branch with your change",
        f"a branch beside main, with {wanted.strip()}",
        ", ".join(others) or "only main",
        "git push origin HEAD:more-pods",
    )


@edge
def opened(attempt: Attempt) -> Result:
    """A pull request was opened."""
    found = attempt.entries(event="opened")
    return Result(
        bool(found), "you opened a pull request", "one", str(len(found)), "gitops-lab pr list"
    )


@level
def checked(attempt: Attempt) -> Result:
    """The check has reported, and commented."""
    pulls = _pulls(attempt)
    statuses = attempt.world.repository.statuses.of(pulls[0].head) if pulls else ()
    good = [status for status in statuses if (status.context, status.state) == ("check", "success")]
    commented = bool(pulls) and any(comment.topic for comment in pulls[0].comments)
    told = ", ".join(f"{status.context}: {status.state}" for status in statuses)
    return Result(
        bool(good) and commented,
        "the check reported what would change",
        "check: success, and a comment",
        told or "no status yet",
        "gitops-lab pr show 1",
    )


@edge
def merged_with_approval(attempt: Attempt) -> Result:
    """A pull request was merged that another account had approved."""
    good = [pull for pull in _pulls(attempt) if pull.state == "merged" and pull.approvals]
    direct = [e for e in attempt.entries(event="pushed", branch="main") if not _merge(attempt, e)]
    return Result(
        bool(good) and not direct,
        "the change came by a merge with an approval",
        "a merged pull request, and no direct push",
        f"{len(good)} merged with approval, {len(direct)} pushed directly",
        "gitops-lab pr log",
    )


@edge
def reverted(attempt: Attempt) -> Result:
    """A revert was merged, with an approval."""
    good = [
        pull
        for pull in _pulls(attempt)
        if pull.state == "merged" and pull.approvals and pull.title.startswith("Revert")
    ]
    return Result(
        bool(good),
        "a revert was merged with an approval",
        "a merged pull request that reverts",
        f"{len(good)} of them",
        "gitops-lab pr revert 1",
    )


def _merge(attempt: Attempt, entry: object) -> bool:
    """Whether a push to main was the merge of a pull request."""
    commits = [pull.merge.commit for pull in _pulls(attempt) if pull.merge is not None]
    subject = str(getattr(entry, "subject", ""))
    return any(commit.startswith(subject) for commit in commits)


def refused_pushes(attempt: Attempt) -> str:
    """Which pushes were refused."""
    direct = bool(attempt.entries(event="refused", branch="main"))
    return "a direct push to main" if direct else "neither"


def objects_changed(attempt: Attempt) -> str:
    """What the check says of the pull request, and what has changed in the cluster by now."""
    pulls = _pulls(attempt)
    comments = [comment.text for comment in pulls[0].comments if comment.topic] if pulls else []
    deployed = attempt.entries(since="step", event="applied")
    if deployed or not comments:
        return "one at once"
    one = "this changes 1 object." in comments[-1]
    return "none before it is merged, and one after that" if one else "all of them"


def changed_field(attempt: Attempt) -> str:
    """The field that the pull request changes in the cluster."""
    texts = [c.text for pull in _pulls(attempt) for c in pull.comments if c.topic]
    return "replicas" if texts and "spec.replicas is" in texts[0] else ""


def approver(attempt: Attempt) -> str:
    """Who approved the newest merge."""
    merged = [pull for pull in _pulls(attempt) if pull.state == "merged"]
    return ", ".join(sorted(merged[0].approvals)) if merged else ""


def edit_survives_in(attempt: Attempt) -> str:
    """In which clusters the edit by hand is still live."""
    left = {
        name
        for name, arm in attempt.world.arms.items()
        if value(get(arm, "ConfigMap/shop"), "data.GREETING") != GREETING
    }
    words = {
        frozenset(): "what Git says, in both clusters",
        frozenset({"pull"}): "the edit, in the pull cluster only",
        frozenset({"pull", "pipeline"}): "the edit, in both clusters",
    }
    return words.get(frozenset(left), "what Git says, in the pipeline's cluster only")
