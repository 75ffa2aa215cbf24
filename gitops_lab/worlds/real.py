"""A cluster that was there before, or that kind made, by a kubeconfig whose holder may do all.

An agent has a ServiceAccount anyway. A pipeline gets one, too, as is usual where no one signs
certificates for it; its token leaves the cluster, and that is the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.ownership import SANDBOX_LABEL, SharedCluster
from gitops_lab.deployers.workload import NAMESPACE
from gitops_lab.errors import LabError, UsageError
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Credentials, account_of
from gitops_lab.worlds.served import TOKEN_SECONDS
from kubesim.auth.kubeconfig import write
from kubesim.auth.users import account_name
from kubesim.http.metrics import Family


class RealCluster:
    """One cluster that others made.

    Args:
        name: what people call it.
        folder: where its kubeconfigs go.
        kubeconfig: the file whose context may do everything; it is only read.
        context: which context; the current one if empty.
        sandbox: if others use the cluster, too: everything that is put there is labelled as this
            sandbox's, and what is there already is not touched. Empty for a cluster of ours.
        home: the namespace to stay within, which exists; if empty, the whole cluster is used, and
            an agent has its own namespace.
    """

    reports_changes, step, troubles = False, None, ()

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        kubeconfig: Path,
        context: str = "",
        sandbox: str = "",
        home: str = "",
    ) -> None:
        self.name, self.folder, self.sandbox, self.home = name, folder, sandbox, home
        self._kubeconfig, self._context = kubeconfig, context
        self._connections: list[KubeconfigCluster] = []
        self.ports = (0, 0)
        self.metrics: list[Callable[[], Iterable[Family]]] = []
        """Not shown anywhere: the API server is not ours."""

    async def start(self, ports: tuple[int, int] = (0, 0)) -> None:
        """See that the cluster answers, and that no other sandbox is in it.

        Raises:
            LabError: it does not answer, or another sandbox has its agent there.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        admin = self.connect()
        self._url = admin.server
        if self.home:
            return
        there = admin.get(ObjectKey("", "Namespace", "", NAMESPACE))
        whose = (there or {}).get("metadata", {}).get("labels", {}).get(SANDBOX_LABEL)
        if self.sandbox and there is not None and whose != self.sandbox:
            raise LabError(
                f"there is a namespace {NAMESPACE} already, of "
                f"{f'the sandbox {whose!r}' if whose else 'somebody else'}",
                where=f"cluster {self.name}",
                fix="remove it first, or choose another cluster",
            )

    @property
    def url(self) -> str:
        """The address of its API server."""
        return self._url

    async def stop(self) -> None:
        """End every connection."""
        for connection in self._connections:
            connection.close()

    def connect(self, holder: Credentials | None = None) -> KubeconfigCluster:
        """A connection of its own, for one thread, with all rights."""
        return self._connection(self._kubeconfig, self._context)

    def deployer_connection(self, holder: Credentials, folder: Path | None) -> KubeconfigCluster:
        """A connection with a deployer's own credentials, which a file keeps."""
        assert folder is not None
        path = folder / "deployer.kubeconfig"
        write(self.credentials(holder), path)
        return self._connection(path)

    def pod_of(self, namespace: str, controller: str) -> str:
        """Nothing here asks: deployers in pods of real clusters run by themselves."""
        return ""

    def _connection(self, kubeconfig: Path, context: str = "") -> KubeconfigCluster:
        cache = self.folder / f"discovery-{len(self._connections)}.json"
        cache.unlink(missing_ok=True)  # an older process's
        connection = (
            SharedCluster(self.name, kubeconfig, context=context, cache=cache, sandbox=self.sandbox)
            if self.sandbox
            else KubeconfigCluster(self.name, kubeconfig, context=context, cache=cache)
        )
        self._connections.append(connection)
        return connection

    def user(self, holder: Credentials) -> str:
        """As whom the cluster knows the holder: always a ServiceAccount."""
        namespace, name = holder.account or (NAMESPACE, holder.user)
        return account_name(self.home or namespace, name)

    def admin(self) -> Object:
        """A kubeconfig with the one context whose holder may do everything."""
        config = _read(self._kubeconfig, self._context)
        return _renamed(config, self.name, f"{self.name}-admin", config["user"])

    def credentials(self, holder: Credentials) -> Object:
        """A kubeconfig for a deployer, with a ServiceAccount's token."""
        account = account_of(self.user(holder))
        assert account is not None
        token = self.connect().request_token(*account, seconds=TOKEN_SECONDS)
        config = _read(self._kubeconfig, self._context)
        return _renamed(config, self.name, self.user(holder), {"token": token})

    def on_change(self, listener: Callable[[ObjectKey], None]) -> None:
        """It reports none."""

    def is_reachable(self) -> bool:
        """It cannot be cut off from here."""
        return True

    def disconnect(self) -> None:
        """Refuse: it cannot be cut off from here.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"the cluster {self.name} cannot be cut off from here",
            fix="only simulated clusters have that switch",
        )

    reconnect = disconnect


FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""What a kubeconfig may name as files, which it does relative to its own folder."""


def _read(path: Path, context: str) -> dict[str, Any]:
    """The cluster and the user of one context of a kubeconfig, which may be several files."""
    from kubernetes.config.kube_config import KubeConfigMerger

    whole = KubeConfigMerger(str(path)).config.value
    chosen = _entry(whole, "contexts", context or whole["current-context"])
    return {
        "cluster": _entry(whole, "clusters", chosen["cluster"]),
        "user": _entry(whole, "users", chosen["user"]),
    }


def _entry(whole: Mapping[str, Any], part: str, name: str) -> dict[str, Any]:
    node = next(each for each in whole[part] if each.value["name"] == name)
    found = dict(node.value[part.removesuffix("s")])
    for key in FILES:
        if key in found:
            found[key] = str(Path(node.path).parent.resolve() / found[key])
    return found


def _renamed(config: dict[str, Any], name: str, user: str, proof: Any) -> Object:
    """A kubeconfig with this one cluster and this one user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": config["cluster"]}],
        "users": [{"name": user, "user": proof}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
        "preferences": {},
    }
