"""What "Environments and promotion" checks and measures."""

from __future__ import annotations

import yaml

from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get

IMAGE = "spec.template.spec.containers[shop].image"


def _prod(attempt: Attempt, path: str) -> object:
    return value(get(attempt.arm("pipeline"), "Deployment/prod/shop"), path)


def _below(attempt: Attempt, folder: str, revision: str = "") -> dict[str, bytes]:
    """The files below a folder of Git."""
    repository = attempt.world.repository
    names = [name for name in repository.files(revision) if name.startswith(f"{folder}/")]
    return {name.removeprefix(f"{folder}/"): repository.read(name, revision) for name in names}


@edge
def merged(attempt: Attempt) -> Result:
    """A pull request was merged."""
    found = attempt.entries(event="merged")
    return Result(
        bool(found), "you merged a pull request", "one", str(len(found)), "gitops-lab pr list --all"
    )


@level
def setting_in_staging(attempt: Attempt) -> Result:
    """Staging has another number of pods in Git, and prod has not."""
    staging = _below(attempt, "envs/staging").get("settings.yaml", b"")
    pods = value(yaml.safe_load(staging) or {}, "spec.replicas")
    is_so = isinstance(pods, int) and pods != 1
    return Result(
        is_so,
        "staging has a setting of its own in Git",
        "another number of pods",
        f"replicas: {pods}",
        "envs/staging/settings.yaml on main",
    )


@edge
def branch_merged(attempt: Attempt) -> Result:
    """The branch `production` was pushed, and has what main has for staging."""
    repository = attempt.world.repository
    there = "production" in repository.branches
    same = there and _below(attempt, "envs/staging", "production") == _below(
        attempt, "envs/staging"
    )
    changed = {"version.yaml", "settings.yaml"} <= _travelled(attempt)
    return Result(
        same and changed,
        "you merged main into the branch production",
        "both of staging's changes on that branch",
        ", ".join(sorted(_travelled(attempt))) or ("not merged yet" if there else "no such branch"),
        "git log --oneline --graph origin/production",
    )


def _travelled(attempt: Attempt) -> set[str]:
    """The files of staging that pushes brought to the branch production after its first."""
    repository = attempt.world.repository
    pushes = [e for e in attempt.entries(event="pushed") if e.data.get("branch") == "production"]
    if len(pushes) < 2:
        return set()
    before = _below(attempt, "envs/staging", pushes[0].subject)
    after = _below(attempt, "envs/staging", repository.tip("production"))
    return {name for name, content in after.items() if before.get(name) != content}


def prod_runs(attempt: Attempt) -> str:
    """Which version prod runs."""
    image = str(_prod(attempt, IMAGE))
    tags = {attempt.values["tag"]: "the old version", attempt.values["next"]: "the new version"}
    return tags.get(image.rpartition(":")[2], "nothing")


def files_that_differ(attempt: Attempt) -> int:
    """How many files of the two environments differ."""
    staging, prod = _below(attempt, "envs/staging"), _below(attempt, "envs/prod")
    return len([name for name in staging | prod if staging.get(name) != prod.get(name)])


def fields_of_prod(attempt: Attempt) -> str:
    """What the promotion changed in prod."""
    image = str(_prod(attempt, IMAGE)).endswith(attempt.values["next"])
    pods = _prod(attempt, "spec.replicas") != attempt.values["replicas"]
    return "the image and the number of pods" if image and pods else "the image" if image else ""


def travelled(attempt: Attempt) -> str:
    """What the merge brought."""
    words = {0: "nothing", 1: "only the version"}
    return words.get(len(_travelled(attempt)), "the version and the setting")


def files_that_travelled(attempt: Attempt) -> set[str]:
    """The names of the files that the merge brought."""
    return _travelled(attempt)
