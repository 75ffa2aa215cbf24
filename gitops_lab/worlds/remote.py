"""An agent in a pod of a real cluster, as far as one sees it from here: by what it wrote down."""

from __future__ import annotations

from collections.abc import Callable

from gitops_lab.deployers.deployer import Activity
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.workload import NAMESPACE
from gitops_lab.engine.desired import owner_of, stamped
from gitops_lab.engine.fields import without_ignored
from gitops_lab.engine.plan import kept
from gitops_lab.engine.render import render
from gitops_lab.errors import UsageError
from gitops_lab.journal import ActorJournal
from gitops_lab.model import Artifact, Manifest, Object, ObjectKey, Revision
from gitops_lab.ports import Cluster, ForgeEvent


class RemotePod:
    """An agent that runs by itself.

    Args:
        name: its name in the cluster, and its Deployment's.
        policy: what it was started with.
        cluster: what it wrote down is read by this connection, in the watcher's thread.
        scale: has its Deployment run so many pods.
        journal: the arm's.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        *,
        cluster: Cluster,
        scale: Callable[[int], None],
        journal: ActorJournal,
    ) -> None:
        self.name, self.policy, self._journal = name, policy, journal
        self._cluster, self._scale = cluster, scale
        self.applied, self.paused, self._reported = "", False, ("", "")
        self.deployer = self

    def activity(self, now: float) -> Activity:
        """It does not say: its own log does."""
        return Activity("runs in its cluster; `kubectl logs` shows what it does")

    @property
    def settled(self) -> bool:
        """It writes a revision down once it is applied in full."""
        return bool(self.applied)

    @property
    def field_manager(self) -> str:
        """The field manager of what it applies."""
        return self.name

    def desired(self, artifact: Artifact, cluster: Cluster) -> tuple[Manifest, ...]:
        """The objects that a revision asks for."""
        manifests = render(
            artifact,
            self.policy.path,
            namespace=self.policy.namespace,
            is_namespaced=cluster.is_namespaced,
            release=self.name,
        )
        return kept(manifests, self.policy.order)

    def expected(self, body: Object) -> Object:
        """A desired object as it sends it."""
        return stamped(body, self.name)

    def compared(self, obj: Object, key: ObjectKey) -> Object:
        """An object without the fields that are no drift."""
        return without_ignored(obj, key, self.policy.ignore)

    def rule(self, *, is_orphan: bool) -> str:
        """The same as of an agent in this process."""
        return self.policy.rule(is_orphan=is_orphan)

    def owns(self, live: Object) -> bool:
        """Whether a live object bears its mark."""
        return owner_of(live) == self.name

    is_busy = has_news = down = is_at_work = False

    def look(self) -> None:
        """Read what the agent wrote down since."""
        applied = self._read("inventory").get("revision", "")
        if applied != self.applied:
            self.applied = applied
        status = self._read("status")
        told = (status.get("revision", ""), status.get("message", ""))
        if told not in (self._reported, ("", "")):
            self._reported = told
            waits = "failure" if told[0] else "waiting"  # as the agent itself calls it
            state = "success" if status.get("ready") == "True" else waits
            self._journal.record("reported", *told, state=state, elsewhere=True)

    def notify(self, revision: Revision) -> None:
        """It looks by itself."""

    def changed(self, key: ObjectKey) -> None:
        """It watches by itself."""

    def forge_changed(self, event: ForgeEvent) -> None:
        """It is not told of the forge."""

    def wake(self) -> None:
        """It wakes by itself."""

    def pause(self) -> None:
        """Have its Deployment run no pod."""
        self._scale(0)
        self.paused = True
        self._journal.record("outage", "deployer", "paused: its Deployment has no replicas")

    def resume(self) -> None:
        """Have its Deployment run its pod again."""
        self._scale(1)
        self.paused = False
        self._journal.record("restored", "deployer", "resumed: its Deployment has a replica")

    def stop(self) -> None:
        """Take it down: its Deployment runs no pod."""
        self._scale(0)
        self._journal.record("outage", "deployer", "its Deployment has no replicas")

    def start(self) -> None:
        """Bring it back: its Deployment runs its pod again."""
        self._scale(1)
        self._journal.record("restored", "deployer", "its Deployment has a replica")

    async def step(self) -> None:
        """Refuse: what runs elsewhere cannot be stepped.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{self.name} runs in its cluster, and by itself",
            fix="start the sandbox with --agent outside, and it can be stepped by hand",
        )

    def _read(self, what: str) -> dict[str, str]:
        key = ObjectKey("", "ConfigMap", NAMESPACE, f"{self.name}-{what}")
        found: dict[str, str] = (self._cluster.get(key) or {}).get("data") or {}
        return found
