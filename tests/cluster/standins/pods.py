"""What a stand-in's kubelet does more than a simulated one: it runs pods of our agent's image.

The program is the real one, with the arguments that the pod has. Only the places are others, for
there is no container: what the pod mounts is written into a folder, and the way to the API server,
which a pod finds in its environment, is a kubeconfig.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gitops_lab.agent.manifests import GIT, IMAGE, WORK
from gitops_lab.apiserver.auth.kubeconfig import write
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Credentials

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
        self._kubelet = cluster.connect(Credentials("kubelet", inside=True))
        self._folder, self._access = folder, access
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ending: list[subprocess.Popen[bytes]] = []

    def look(self) -> None:
        """Start what should run, and end what should not.

        It waits for nobody: an agent that ends may wait for an answer of this very process.
        """
        self._ending = [process for process in self._ending if process.poll() is None]
        wanted = {
            pod["metadata"]["uid"]: pod
            for pod in self._kubelet.list("", "Pod")
            if pod["spec"]["containers"][0]["image"] == IMAGE
            and pod["status"].get("phase") == "Running"
            and "deletionTimestamp" not in pod["metadata"]
        }
        for uid in [*self._running]:
            if uid not in wanted or self._running[uid].poll() is not None:
                self._end(uid)
        for uid, pod in wanted.items():
            if uid not in self._running:
                self._running[uid] = self._start(uid, pod)

    def end(self) -> None:
        """End all of them, and wait for it."""
        for uid in [*self._running]:
            self._end(uid)
        for process in self._ending:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, uid: str, pod: Object) -> subprocess.Popen[bytes]:
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
        command = [sys.executable, "-m", "gitops_lab", *arguments, f"--kubeconfig={kubeconfig}"]
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

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
