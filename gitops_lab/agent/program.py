"""The program: a pull deployer, a wall clock, a Git server and the cluster that it lives in.

Started in a pod, it finds the API server and its ServiceAccount's token where every pod does. What
it does and why goes to standard output, a line each, for `kubectl logs`.

Source: Kubernetes, "Accessing the Kubernetes API from a Pod".
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom

import yaml

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.deployers.deployer import Context
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.workload import NAMESPACE
from gitops_lab.errors import UsageError
from gitops_lab.forge.access import address, configure
from gitops_lab.forge.remote import RemoteGit
from gitops_lab.journal import Journal
from gitops_lab.ports import Cluster, CommitState
from kubesim.clock import WallClock
from kubesim.files import write_private

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its ServiceAccount's token, and by what to recognise the API server."""

CREDENTIALS = ("username", "password", "ca.crt")
"""The keys of a Secret with credentials for Git, which are those that Flux takes, too."""


async def run(
    name: str,
    url: str,
    *,
    branch: str,
    path: str,
    policy: Policy,
    credentials: Path,
    work: Path,
    kubeconfig: Path | None = None,
    home: str = NAMESPACE,
) -> None:
    """Deploy until this process gets a signal to end.

    Args:
        name: the agent's name in the cluster: field manager and owner label.
        url: the repository's address.
        branch: the branch to follow.
        path: the folder of it to deploy.
        policy: what the agent may do, and when.
        credentials: a folder with a file for each of `CREDENTIALS`.
        work: a folder for its copy of the repository; what is in it may get lost.
        kubeconfig: how to reach the cluster; as a pod does if None.
        home: the namespace that it keeps its memory in.

    Raises:
        LabError: something that it needs is not there.
    """
    clock = WallClock()
    journal = Journal(clock)
    git = RemoteGit(url, work, _access(url, credentials, work))
    config = kubeconfig or in_cluster(work)
    agent = PullDeployer(
        Context(
            name=name,
            source=git.open(url, branch=branch, path=path),
            cluster=KubeconfigCluster("the cluster", config, cache=work / "discovery.json"),
            policy=policy,
            journal=journal.by(name),
            random=SystemRandom(),
            git=git,
            statuses=NoStatuses(),
            connect=_refused,
            home=home,
        )
    )
    printed = 0

    def report(_: float) -> None:
        nonlocal printed
        for entry in journal.since(printed):
            print(entry, flush=True)
            printed += 1

    clock.after_each.append(report)
    clock.drive(name, agent.step, apart=True)
    running = asyncio.ensure_future(clock.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        print(f"{name} got a signal to end", flush=True)


class NoStatuses:
    """An agent in a pod reports in its cluster, not to the Git server, where it may only read."""

    def set(
        self, commit: str, context: str, state: CommitState, description: str = "", url: str = ""
    ) -> None:
        """Do nothing."""


def _refused(user: str) -> Cluster:
    raise UsageError(f"this agent cannot act as {user}", fix="run a deployer that impersonates")


def in_cluster(
    work: Path, environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT
) -> Path:
    """A kubeconfig for a pod that this runs in.

    Args:
        work: the folder that it is written to.
        environment: tells where the API server is.
        account: the folder with the ServiceAccount's token.

    Raises:
        UsageError: this does not run in a pod.
    """
    host, port = (environment.get(f"KUBERNETES_SERVICE_{each}", "") for each in ("HOST", "PORT"))
    if not host or not (account / "token").exists():
        raise UsageError(
            "this does not run in a pod",
            where=str(account),
            fix="say how to reach the cluster with --kubeconfig",
        )
    host = f"[{host}]" if ":" in host else host
    name = "in-cluster"
    cluster = {
        "server": f"https://{host}:{port or 443}",
        "certificate-authority": str(account / "ca.crt"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"tokenFile": str(account / "token")}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path = work / "kubeconfig"
    write_private(path, yaml.safe_dump(config))
    return path


def _access(url: str, credentials: Path, work: Path) -> Path:
    """Git's configuration file for the credentials that a Secret holds."""
    missing = [name for name in CREDENTIALS if not (credentials / name).exists()]
    if missing:
        raise UsageError(
            f"credentials for Git lack {', '.join(missing)}",
            where=str(credentials),
            fix="mount a Secret with these keys there",
        )
    account, token, _ = ((credentials / name).read_text().strip() for name in CREDENTIALS)
    return configure(
        work,
        address=address(url),
        authority=credentials / "ca.crt",
        account=account,
        token=token,
    )
