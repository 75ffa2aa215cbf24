"""What a stand-in's kubelet does more than a simulated one: it runs pods of our agent's image.

The program is the real one, with the arguments that the pod has. Only the places are others, for
there is no container: what the pod mounts is written into a folder, and the way to the API server,
which a pod finds in its environment, is a kubeconfig. What it imports is imported once, for all
agents of a cluster: a container would start in less time than Python imports its libraries.
"""

from __future__ import annotations

import base64
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from gitops_lab.cli import main
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.deployers.workload import GIT, IMAGE, WORK
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import ADMINISTRATORS, Credentials
from kubesim.auth.kubeconfig import write

IMPORTED = ("gitops_lab.agent.program", "gitops_lab.forge.database", "kubernetes.dynamic")
"""What an agent imports, and takes its time."""

PATIENCE = 10.0
"""How long an agent may take to end, in seconds."""


class Pods:
    """The agents that run for the pods of one cluster.

    Args:
        cluster: has the pods.
        folder: where each pod has a folder.
        access: a kubeconfig with the token of a ServiceAccount, by its namespace and name.
    """

    def __init__(
        self, cluster: SimulatedCluster, folder: Path, access: Callable[[str, str], Object]
    ) -> None:
        self._kubelet = cluster.connect(Credentials("kubelet", inside=True, groups=ADMINISTRATORS))
        self._folder, self._access = folder, access
        self._running: dict[str, ForkServerProcess] = {}
        self._ending: list[ForkServerProcess] = []
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([*IMPORTED])

    def look(self) -> None:
        """Start what should run, and end what should not.

        It does not wait: an agent that ends may wait for an answer of this very process.
        """
        self._ending = [process for process in self._ending if process.is_alive()]
        wanted = {
            pod["metadata"]["uid"]: pod
            for pod in self._kubelet.list("", "Pod")
            if pod["spec"]["containers"][0]["image"] == IMAGE
            and pod["status"].get("phase") == "Running"
            and "deletionTimestamp" not in pod["metadata"]
        }
        for uid in [*self._running]:
            if uid not in wanted or not self._running[uid].is_alive():
                self._end(uid)
        for uid, pod in wanted.items():
            if uid not in self._running:
                self._running[uid] = self._start(uid, pod)

    def end(self) -> None:
        """End all of them, and wait for it."""
        for uid in [*self._running]:
            self._end(uid)
        for process in self._ending:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    def _start(self, uid: str, pod: Object) -> ForkServerProcess:
        folder = self._folder / uid
        mounts, kubeconfig = self._mounted(pod, folder), folder / "kubeconfig"
        account = pod["spec"]["serviceAccountName"]
        write(self._access(pod["metadata"]["namespace"], account), kubeconfig)
        places = {GIT: str(mounts), WORK: str(folder / "work")}
        arguments = [
            "=".join((name, places.get(value, value)) if value else (name,))
            for name, _, value in (
                text.partition("=") for text in pod["spec"]["containers"][0]["args"]
            )
        ]
        command = [*arguments, f"--kubeconfig={kubeconfig}"]
        process = self._processes.Process(target=run, args=(command, folder / "log"))
        process.start()
        return process

    def _mounted(self, pod: Object, folder: Path) -> Path:
        """The pod's Secret, as files."""
        (name,) = (v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v)
        secret = self._kubelet.get(ObjectKey("", "Secret", pod["metadata"]["namespace"], name))
        assert secret is not None
        mounted = folder / "secret"
        mounted.mkdir(parents=True)
        for key, value in secret["data"].items():
            (mounted / key).write_bytes(base64.b64decode(value))
        return mounted

    def _end(self, uid: str) -> None:
        process = self._running.pop(uid)
        process.terminate()
        self._ending.append(process)


def run(arguments: Sequence[str], log: Path) -> None:
    """Be `gitops-lab` with these arguments; what it says goes into a file."""
    tempfile.tempdir = str(log.parent)  # a container's files go with it
    with log.open("wb") as file:
        for output in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), output.fileno())
    sys.exit(main(arguments))
