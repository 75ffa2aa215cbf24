"""The process behind a cluster of the stand-in for kind: a simulated cluster on the wall's clock.

`python -m tests.cluster.standins.cluster NAME FOLDER LABELS` runs until it is ended, until its
folder is gone, or for ten minutes: it is not needed longer, and one that is forgotten does no harm.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from random import Random

from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import ADMINISTRATORS, Credentials
from kubesim.auth import Authenticator, Authority, Authorizer, Tokens
from kubesim.auth.kubeconfig import kubeconfig, write
from kubesim.auth.roles import bootstrap_rbac
from kubesim.clock import WallClock
from kubesim.http.server import Server
from tests.cluster.standins.pods import Pods

LIFE = 600.0
"""How long the process lives at most, in seconds."""

SPEED = float(os.environ.get("STANDINS_SPEED", "20"))
"""How many times as fast time passes in the cluster."""


async def serve(name: str, folder: Path, labels: list[dict[str, str]]) -> None:
    """Serve a simulated cluster until told to end.

    Args:
        name: of the cluster.
        folder: where its kubeconfigs go.
        labels: of each of its nodes.
    """
    clock, random = WallClock(speed=SPEED), Random(1)
    authority = Authority.create(now=clock.now())
    simulated = SimulatedCluster(
        name, clock=clock, random=random, nodes=len(labels), certificate=authority.ca_pem
    )
    task = clock.drive("cluster", simulated.step)
    simulated.on_change(lambda _: clock.wake(task))
    bootstrap_rbac(simulated.api)
    kubelet = simulated.connect(Credentials("kubelet", inside=True, groups=ADMINISTRATORS))
    for node, ours in zip(kubelet.list("", "Node"), labels, strict=True):
        kubelet.patch(ObjectKey.of(node), {"metadata": {"labels": ours}}, manager="kubelet")
    store = simulated.api.store
    tokens = Tokens(authority.token_key, store, rng=random)
    servers = [
        Server(
            simulated.api,
            authority=authority,
            authenticator=Authenticator(tokens),
            authorizer=Authorizer(store),
            now=clock.now,
        )
        for _ in ("outside", "inside")
    ]
    for file, server in zip(("kubeconfig", "internal"), servers, strict=True):
        config = kubeconfig(
            f"https://127.0.0.1:{await server.start()}",
            authority.ca_pem,
            certificate=authority.issue_client("kubernetes-admin", ["system:masters"]),
            cluster=f"kind-{name}",
            user=f"kind-{name}",
        )
        write(config, folder / file)

    def access(namespace: str, account: str) -> Object:
        token = tokens.issue(namespace, account, now=clock.now())
        server = config["clusters"][0]["cluster"]["server"]
        return kubeconfig(server, authority.ca_pem, token=token, cluster="c", user=account)

    pods = Pods(simulated, folder / "pods", access)
    running = asyncio.ensure_future(clock.run())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, running.cancel)
    (folder / "ready").touch()
    end = loop.time() + LIFE
    while not running.done() and folder.exists() and loop.time() < end:
        pods.look()
        await asyncio.wait([running], timeout=0.2)
    await asyncio.to_thread(pods.end)
    running.cancel()
    await asyncio.wait([running])
    for server in servers:
        await server.stop()


def main() -> None:
    name, folder, labels = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    tempfile.tempdir = "/tmp"  # for sockets, whose path must be short
    with (folder / "process").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        asyncio.run(serve(name, folder, labels))


if __name__ == "__main__":
    main()
