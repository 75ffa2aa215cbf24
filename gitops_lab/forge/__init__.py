"""The forge: real Git repositories on this machine, what was pushed to them, and what is in them.

`Repository.commit`, a merged pull request and a person's `git push` take the same way: Git asks
the repository's `pre-receive` hook, updates the branch, and runs its `post-receive` hook, which
spools an event. Pull requests, commit statuses and the rules of branches are in Git, too.
"""

from gitops_lab.forge.commits import Commit
from gitops_lab.forge.people import PEOPLE, Person
from gitops_lab.forge.protection import Rule
from gitops_lab.forge.pull_request import PullRequest
from gitops_lab.forge.records import Event
from gitops_lab.forge.repository import Forge, Repository
from gitops_lab.forge.source import GitSource
from gitops_lab.forge.sources import ForgeGit
from gitops_lab.forge.spool import PushEvent, Spool
from gitops_lab.forge.statuses import Status, Statuses

__all__ = [
    "PEOPLE",
    "Commit",
    "Event",
    "Forge",
    "ForgeGit",
    "GitSource",
    "Person",
    "PullRequest",
    "PushEvent",
    "Repository",
    "Rule",
    "Spool",
    "Status",
    "Statuses",
]
