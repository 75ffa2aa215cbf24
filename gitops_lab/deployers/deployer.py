"""The contract between a deployer and the world that runs it.

A deployer is a class that says what it needs (`Deployer.needs`) and does its work in steps
(`Deployer.step`). A world, virtual or live, treats all of them alike:

1. It calls `needs(site)`, and applies what comes back: `objects` always, `workload` too where
   deployers run in pods.
2. It constructs the deployer with one `Context`: everything that it may touch is in there.
3. It calls `step(now)` at once, and then whenever the last answer said. Between two steps, it may
   call `notify(revision)` (a push), `changed(key)` (a live object of a kind in `watches`
   changed) and `forge_changed(event)` (a pull request, an approval). If one of them returns True,
   `step` is called again as soon as possible.
4. Its watcher compares live state with Git. It reads `applied` and `settled`, and asks `desired`,
   `expected` and `owns`, because each deployer renders and marks its objects in a way of its own.

All calls come from one thread at a time. A deployer never reads the time, sleeps, draws an
unseeded number, starts a thread or opens a socket. The context holds connections that do.

**Several controllers in one deployer**: `step(now)` runs each controller that is due and returns
the earliest next instant. Where deployers run in pods, each name in `Needs.controllers` is a
Deployment in `Needs.home`; `Context.pod(name)` is the uid of its ready pod, and empty while it has
none: then that controller does nothing. Another uid is a new process, which has forgotten
everything that is not in the cluster.

**A new kind of deployer** is a subclass in a file of its own and one line in
`gitops_lab.worlds.arms`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from gitops_lab.deployers.policy import Policy
from gitops_lab.engine.desired import owner_of, stamped
from gitops_lab.engine.fields import without_ignored
from gitops_lab.engine.plan import kept
from gitops_lab.engine.render import render
from gitops_lab.journal import ActorJournal
from gitops_lab.model import Artifact, Manifest, Object, ObjectKey, Revision
from gitops_lab.ports import Cluster, Credentials, ForgeEvent, Git, Source, Statuses

RIGHTS = ("cluster-admin", "application")
"""How much a deployer may do in its cluster.

- `cluster-admin`: everything, as Flux and Argo CD may by default.
- `application`: only what ordinary applications consist of; no roles and no definitions.
"""


EVERYTHING: frozenset[tuple[str, str]] = frozenset({("*", "*")})
"""What a deployer watches that keeps a cache of its whole cluster."""


@dataclass(frozen=True, kw_only=True)
class GitAccess:
    """How a pod in a cluster reads the world's repository.

    Args:
        url: its address, as seen from the cluster.
        username: the account at the Git server.
        token: the account's password.
        authority: the certificate that signed the Git server's own, in PEM; empty if none did.
    """

    url: str
    username: str = ""
    token: str = ""
    authority: str = ""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a deployer is going to work: what its needs may depend on.

    Args:
        name: the deployer's name in its cluster: field manager, owner label, prefix of names.
        user: as whom the API server knows it.
        policy: its dials.
        rights: one of `RIGHTS`.
        namespace: the only namespace that it may use; empty if it may use the whole cluster.
        git: how a pod in the cluster reads the repository.
        branch: the branch that it follows.
        path: the folder of the repository that it deploys.
    """

    name: str
    user: str
    policy: Policy
    git: GitAccess
    rights: str = RIGHTS[0]
    namespace: str = ""
    branch: str = "main"
    path: str = "."


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What must be there before a deployer can work, and what it wants to hear of.

    Args:
        objects: applied by an administrator, in this order, wherever the deployer runs: its
            namespace, account, definitions, roles and bindings.
        workload: applied as well where deployers run in pods: the Deployments of its controllers.
        controllers: the names of these Deployments.
        home: the namespace that it lives in and keeps its memory in; empty if it lives outside.
        served: what is applied in the clusters of other arms that it serves; `objects` if None.
        watches: group and kind of the objects whose changes cause a call of `changed`; `EVERYTHING`
            for all objects.
    """

    objects: tuple[Object, ...] = ()
    workload: tuple[Object, ...] = ()
    controllers: tuple[str, ...] = ()
    home: str = ""
    served: tuple[Object, ...] | None = None
    watches: frozenset[tuple[str, str]] = frozenset()

    def hears_of(self, key: ObjectKey) -> bool:
        """Whether the deployer wants to hear of a changed object."""
        return self.watches is EVERYTHING or (key.group, key.kind) in self.watches


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything that a deployer may touch.

    Args:
        name: its name in its cluster.
        source: the branch and folder that its arm deploys.
        cluster: the API server, reached with its own credentials.
        policy: its dials.
        journal: takes down what it does, and why.
        random: its draws, for example of jitter.
        git: opens other sources by URL and ref, for deployers whose own objects name one.
        statuses: where it reports what became of a commit.
        connect: the same API server as another user, such as `system:serviceaccount:shop:ci`. Only
            a deployer that runs inside may impersonate.
        clusters: the API servers of the other arms that it serves, by name of the arm.
        storage: what a deployer outside keeps between two runs; one inside uses its cluster.
        home: `Needs.home`.
        pod: the uid of the ready pod of a controller; empty while it has none.
    """

    name: str
    source: Source
    cluster: Cluster
    policy: Policy
    journal: ActorJournal
    random: Random
    git: Git
    statuses: Statuses
    connect: Callable[[str], Cluster]
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    storage: MutableMapping[str, str] = field(default_factory=dict)
    home: str = ""
    pod: Callable[[str], str] = lambda controller: "in-process"


@dataclass(frozen=True)
class Activity:
    """What a deployer does at this moment.

    Args:
        doing: in a few words, such as `waits for the rollout`; empty if it rests.
        until: when it gives up at the latest, in seconds since the Unix epoch; None if never.
        next_look: when it looks at Git next, unasked; infinity if never.
    """

    doing: str = ""
    until: float | None = None
    next_look: float = float("inf")


class Deployer(ABC):
    """Brings one source, or several, to one cluster, or several.

    Args:
        context: everything that it may touch.
    """

    credentials: ClassVar[Credentials]
    """Who it is to the API server, and whether it lives inside the cluster or outside."""
    only_simulated: ClassVar[str] = ""
    """What to do instead on a real cluster, if this deployer stands in for a program that people
    install there; empty if it runs on real clusters too."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.name, self.policy = context.name, context.policy
        self.source, self.cluster = context.source, context.cluster
        self.journal, self.random = context.journal, context.random
        self.applied = ""
        """The revision that it applied in full last, such as `main@sha1:<hash>`; empty if none."""
        self.next_look = float("inf")
        """When it looks at Git next unasked."""

    @classmethod
    @abstractmethod
    def needs(cls, site: Site) -> Needs:
        """What must be there before it can work."""

    @abstractmethod
    def step(self, now: float) -> float | None:
        """Do the next bounded piece of work.

        Args:
            now: the present instant, in seconds since the Unix epoch.

        Returns:
            When to be called again; infinity or None to sleep until the next event.
        """

    def hurry(self, now: float) -> None:
        """A person asks for the next piece of work now: do not wait for the end of an interval."""
        if self.policy.interval is not None:
            self.next_look = min(self.next_look, now)

    def notify(self, revision: Revision) -> bool:
        """A branch moved in Git; whether this deployer takes notice, and wants to step now."""
        return False

    def changed(self, key: ObjectKey) -> bool:
        """A live object of a kind in `Needs.watches` changed; whether to step now."""
        return False

    is_at_work = False
    """Whether it is in the middle of something, such as waiting for a rollout."""

    def forge_changed(self, event: ForgeEvent) -> bool:
        """Something happened to a pull request, or a person asked for something; step now?"""
        return False

    def activity(self, now: float) -> Activity:
        """What it does at this moment, and when it looks at Git next."""
        return Activity("is at work" if self.is_at_work else "", next_look=self.next_look)

    # -- What the watcher asks -------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether `applied` is applied in full: only then can live state drift from it."""
        return bool(self.applied)

    @property
    def field_manager(self) -> str:
        """The field manager of what it applies."""
        return self.name

    def expected(self, body: Object) -> Object:
        """A desired object as this deployer sends it: with its labels and annotations."""
        return stamped(body, self.name)

    def desired(self, artifact: Artifact, cluster: Cluster) -> tuple[Manifest, ...]:
        """The objects that a revision asks for, as this deployer renders them.

        Args:
            artifact: the files of its own source's folder.
            cluster: tells which kinds live in namespaces.

        Raises:
            RenderError: the files are not a set of Kubernetes objects.
        """
        manifests = render(
            artifact,
            self.policy.path,
            namespace=self.policy.namespace,
            is_namespaced=cluster.is_namespaced,
            release=self.name,
        )
        return kept(manifests, self.policy.order)

    def compared(self, obj: Object, key: ObjectKey) -> Object:
        """A live object, or what a dry run made of it, without the fields that are no drift."""
        return without_ignored(obj, key, self.policy.ignore)

    def rule(self, *, is_orphan: bool) -> str:
        """What this deployer does about an object that is not as Git has it; empty: it depends.

        Args:
            is_orphan: Git does not have the object any more.
        """
        return ""

    def owns(self, live: Object) -> bool:
        """Whether a live object bears this deployer's mark."""
        return owner_of(live) == self.name
