"""The forge: real Git repositories on this machine, what was pushed to them, and what is in them.

Whoever pushes, `Repository.commit` or a person with `git push`, takes the same way: Git updates
the branch and runs the repository's `post-receive` hook, which spools an event.
"""

from gitops_lab.forge.commits import Commit
from gitops_lab.forge.repository import Forge, Repository
from gitops_lab.forge.source import GitSource
from gitops_lab.forge.spool import PushEvent, Spool

__all__ = ["Commit", "Forge", "GitSource", "PushEvent", "Repository", "Spool"]
