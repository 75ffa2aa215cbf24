"""One arm of a world: a cluster, its deployer wherever that runs, and a watcher of both."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from gitops_lab.deployers.deployer import Context, Deployer, Needs
from gitops_lab.errors import UsageError
from gitops_lab.forge import GitSource
from gitops_lab.model import Object, ObjectKey, Revision
from gitops_lab.ports import ForgeEvent
from gitops_lab.worlds.arms import ArmDescription
from gitops_lab.worlds.cluster import LEARNER, OBSERVER, ArmCluster
from gitops_lab.worlds.watcher import Watched, Watcher, status_line

if TYPE_CHECKING:
    from gitops_lab.worlds.world import World


NOT_SYNCED = "out of sync"
"""How a report begins that only says that something differs, which the watcher says better."""


class ArmHost(Protocol):
    """What runs an arm's deployer, as the arm uses it."""

    paused: bool
    down: bool
    deployer: Any

    @property
    def is_busy(self) -> bool:
        """Whether the deployer is at work at this moment."""

    @property
    def has_news(self) -> bool:
        """Whether there is a revision that the deployer has not been told of yet."""

    def notify(self, revision: Revision) -> None:
        """Tell the deployer that the branch moved."""

    def changed(self, key: ObjectKey) -> None:
        """Tell the deployer that a live object changed that it watches."""

    def forge_changed(self, event: ForgeEvent) -> None:
        """Tell the deployer what happened at the forge beside pushes."""

    def wake(self) -> None:
        """Have it step now, if it would anyway."""

    def pause(self) -> None:
        """Have the deployer do nothing more."""

    def resume(self) -> None:
        """Have the deployer go on."""

    def stop(self) -> None:
        """Take the deployer down."""

    def start(self) -> None:
        """Bring the deployer back."""


class Arm:
    """One cluster and the deployer that serves it.

    Args:
        description: which deployer, and its policy.
        cluster: where it deploys to.
        world: the world that it is a part of.
        in_pods: whether a deployer that lives inside runs in pods of its cluster.
    """

    host: ArmHost

    def __init__(
        self, description: ArmDescription, cluster: ArmCluster, world: World, *, in_pods: bool
    ) -> None:
        self.name, self.cluster, self.world = description.name, cluster, world
        policy = world.adapted(description.policy)
        namespace = cluster.home or policy.namespace
        self.description = replace(description, policy=replace(policy, namespace=namespace))
        self.policy = self.description.policy
        self.journal = world.journal.by(self.name)
        self.in_pods = in_pods and description.deployer.credentials.inside
        self.watches = True
        """Whether the watcher looks after each change; for a large fleet it need not."""

    def set_up(self) -> None:
        """Apply what the deployer needs, and set it to work. The cluster answers."""
        self.kubectl = self.cluster.connect(LEARNER)
        self.needs = self._needs(self.cluster)
        for obj in (*self.needs.objects, *(self.needs.workload if self.in_pods else ())):
            self.kubectl.apply(obj, manager="installer")
            if obj["kind"] == "CustomResourceDefinition" and self.cluster.step is not None:
                self.cluster.step(self.world.clock.now())  # the next object may be of that kind
        self.host = self.world.host(self)
        self.watcher = Watcher(
            self.host.deployer,
            self.source(),
            self.cluster.connect(OBSERVER),
            self.journal,
            failure=self.failure,
        )
        self.cluster.on_change(self._changed)

    # -- what people do --------------------------------------------------------------------------

    def get(self, name: str | ObjectKey) -> Object | None:
        """A live object, named like `Deployment/web` or `Deployment/shop/web`; None if absent."""
        return self.kubectl.get(self.key(name))

    def key(self, name: str | ObjectKey) -> ObjectKey:
        """The key of an object that is named like `Deployment/web` or `Deployment/shop/web`.

        Raises:
            UsageError: the name has another form, or no such kind exists.
        """
        if isinstance(name, ObjectKey):
            return name
        kind, _, rest = name.partition("/")
        found = self.kubectl.find_kind(kind) if rest else None
        if found is None:
            raise UsageError(
                f"{name!r} names no object",
                fix="write it as Kind/name, or Kind/namespace/name, such as Deployment/web",
            )
        group, kind, namespaced = found
        namespace, _, name = rest.rpartition("/")
        return ObjectKey(
            group, kind, (namespace or self.policy.namespace) if namespaced else "", name
        )

    def edit(self, name: str | ObjectKey, patch: Mapping[str, Any] | None) -> None:
        """Edit a live object past Git, as a person with kubectl does.

        Args:
            name: the object.
            patch: a JSON merge patch; None deletes the object.
        """
        key = self.key(name)
        if patch is None:
            self.kubectl.delete(key)
            what = "deleted by hand"
        else:
            self.kubectl.patch(key, patch, manager="kubectl-edit")
            what = f"edited by hand: {json.dumps(masked(key, patch))}"
        self.world.journal.record("learner", "edited", key, what, arm=self.name)
        self.look_soon()

    def stop(self) -> None:
        """Take the deployer down; its cluster goes on without it."""
        self.host.stop()

    def start(self) -> None:
        """Bring the deployer back. It does not hear of what it missed."""
        self.host.start()

    def disconnect(self) -> None:
        """Cut the cluster off from everything outside; what is inside still reaches it."""
        if self.cluster.is_reachable():
            self.cluster.disconnect()
            self.journal.record("outage", "cluster", "cannot be reached from outside")

    def reconnect(self) -> None:
        """Let those outside reach the cluster again."""
        if not self.cluster.is_reachable():
            self.cluster.reconnect()
            self.journal.record("restored", "cluster", "can be reached from outside again")

    def step(self) -> Any:
        """Have the deployer do its next bounded piece of work now; see `World.step`."""
        return self.world.step(self.name)

    # -- what people look at ---------------------------------------------------------------------

    @property
    def deployer(self) -> Any:
        """The deployer, or what one sees of it from here."""
        return self.host.deployer

    @deployer.setter
    def deployer(self, deployer: Deployer) -> None:
        self.host.deployer = deployer

    @property
    def line(self) -> str:
        """What is true of this arm, in one line."""
        return " ".join((status_line(self.name, self.watcher.last), *self._marks()))

    def state(self) -> dict[str, Any]:
        """What is true of this arm, as JSON values."""
        seen, at = self.watcher.last, self.deployer.activity(self.world.clock.now())
        looks = math.isfinite(at.next_look) and not (self.host.paused or self.host.down)
        return {
            "name": self.name,
            "server": self.cluster.url,
            "agent": "inside" if self.in_pods else "outside",
            "paused": self.host.paused,
            "reachable": self.cluster.is_reachable(),
            "applied": self.deployer.applied,
            "commit": self.world.commit_line(self.watcher.head),
            "doing": self.doing(),
            "next_look": at.next_look if looks else None,
            "line": self.line,
            **(asdict(seen) if seen is not None else {}),
        }

    def failure(self, revision: str) -> str:
        """Why the deployer failed at a revision, if that is the last that it reported of it."""
        report = self.world.journal.last.get((self.name, "reported"))
        if report is None or report.data.get("state") != "failure":
            return ""
        is_about_it = report.subject in ("", revision)
        return report.why if is_about_it and not report.why.startswith(NOT_SYNCED) else ""

    def doing(self) -> str:
        """What the deployer does now and until when, or when it looks again."""
        if self.host.down:
            return "down"
        if self.host.paused:
            return "paused"
        if self.needs.controllers and self._without_pods() == [*self.needs.controllers]:
            return "nothing: it has no pod to run in"
        now = self.world.clock.now()
        at = self.deployer.activity(now)
        until = "" if at.until is None else f", until {clock_time(at.until)} at the latest"
        if at.doing:
            return f"{at.doing}{until}"
        if at.next_look == float("inf"):
            listens = self.policy.on_event
            return "waits for the next push" if listens else "does nothing unless it is told to"
        return f"looks at Git at {clock_time(max(at.next_look, now))}"

    # -- what goes on by itself ------------------------------------------------------------------

    def moved(self) -> None:
        """The branch moved, and so did what the watcher compares with."""
        self.watcher.moved()

    def take_over(self) -> None:
        """An older process was here: find out what it knew."""
        self.watcher.recover()
        self.moved()

    def look_soon(self) -> None:
        """Something may have changed: look, or have the watcher's thread look."""
        self.look()

    def look(self) -> None:
        """Compare what is true with what should be, if this arm is watched after each change."""
        if self.watches:
            self.look_now()

    def rule(self, key: ObjectKey) -> list[str]:
        """Which of the deployer's rules decides about an object; none if it does not say."""
        seen = self.watcher.last
        is_orphan = seen is not None and str(key) in seen.orphans
        said = self.watched().rule(is_orphan=is_orphan)
        return [f"rule: {said}"] if said else []

    def look_now(self) -> None:
        """Compare what is true with what should be, unless the deployer is at work just now."""
        if not self.host.is_busy:
            self.watcher.deployer = self.watched()
            self.watcher.look()

    def watched(self) -> Watched:
        """What the watcher asks about the deployer."""
        found: Watched = self.host.deployer
        return found

    def source(self) -> GitSource:
        """What this arm deploys, from a repository that nothing else reads."""
        repository = self.world.open_repository()
        return GitSource(repository, self.description.branch, self.description.path)

    def make_deployer(self) -> Deployer:
        """A new deployer, which knows only what its memory tells it."""
        holder = self.description.deployer.credentials
        folder = self.world.folder_of(self)
        connection = self.cluster.deployer_connection(holder, folder)
        storage = self.world.storage(self)

        def pod(controller: str) -> str:
            if not self.in_pods:
                return "in-process"
            return self.cluster.pod_of(self.needs.home, controller)

        source = self.source()
        deployer = self.description.deployer(
            Context(
                name=self.description.identity,
                source=source,
                cluster=connection,
                policy=self.policy,
                journal=self.journal,
                random=self.world.random(f"{self.name}/deployer"),
                git=self.world.open_git(),
                statuses=self.world.statuses(source.repository),
                connect=connection.impersonate,
                clusters=self._served(),
                storage=storage,
                home=self.needs.home,
                pod=pod,
            )
        )
        deployer.applied = storage.get("revision", "")
        return deployer

    def _served(self) -> Mapping[str, Any]:
        """The clusters of other arms that the deployer may reach from outside, by arm."""
        holder = replace(self.description.deployer.credentials, inside=False)
        found = {}
        for name in self.description.serves:
            cluster = self.world.clusters[name]
            administrator = cluster.connect(LEARNER)
            needs = self._needs(cluster)
            for obj in needs.objects if needs.served is None else needs.served:
                administrator.apply(obj, manager="installer")
            found[name] = cluster.deployer_connection(holder, self.world.folder_of(self, name))
        return found

    def _needs(self, cluster: ArmCluster) -> Needs:
        """What the deployer needs in a cluster."""
        kind = self.description.deployer
        return kind.needs(
            self.description.site(
                cluster.user(kind.credentials),
                self.world.git_access(self.description.identity),
                rights=self.world.rights,
                namespace=cluster.home,
            )
        )

    def _marks(self) -> Iterator[str]:
        if self.host.down:
            yield "[down]"
        if self.host.paused:
            yield "[paused]"
        elif not self.host.down:
            several = len(self.needs.controllers) > 1
            for name in self._without_pods():
                yield f"[{name if several else 'agent'} has no pod]"
        if not self.cluster.is_reachable():
            yield "[cut off]"

    def _without_pods(self) -> list[str]:
        """The controllers of the deployer that should have a pod and have none that is ready."""
        if not self.in_pods or not self.cluster.reports_changes:
            return []
        home = self.needs.home
        return [name for name in self.needs.controllers if not self.cluster.pod_of(home, name)]

    def _changed(self, key: ObjectKey) -> None:
        is_pod = key.kind == "Pod" and key.namespace == self.needs.home
        if self.in_pods and is_pod:
            self.host.wake()
        if self.needs.hears_of(key):
            self.host.changed(key)
        self.watcher.changed(key)


def clock_time(at: float) -> str:
    """An instant as people read it."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def masked(key: ObjectKey, patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """A patch as people may read it: without the values of a Secret."""
    if (key.group, key.kind) != ("", "Secret"):
        return patch
    return {
        name: dict.fromkeys(value, "***")
        if name in ("data", "stringData") and isinstance(value, Mapping)
        else value
        for name, value in patch.items()
    }
