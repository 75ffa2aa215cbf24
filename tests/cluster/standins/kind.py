"""The stand-in for `kind`: its clusters are simulated ones, each in a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.standins import memory
from tests.cluster.standins.options import Call, Command, Wrong, parse

GLOBAL = {"loglevel": True, "verbosity": True, "quiet": False}
NAME = {**GLOBAL, "name": True}
SHORT = {"v": "verbosity", "q": "quiet"}
NAMED = {**SHORT, "n": "name"}

COMMANDS = {
    "create cluster": Command(
        {**NAME, "config": True, "image": True, "kubeconfig": True, "retain": False, "wait": True},
        NAMED,
    ),
    "delete cluster": Command({**NAME, "kubeconfig": True}, NAMED),
    "get clusters": Command(GLOBAL, SHORT),
    "get nodes": Command({**NAME, "all-clusters": False}, {**NAMED, "A": "all-clusters"}),
    "get kubeconfig": Command({**NAME, "internal": False}, NAMED),
    "load docker-image": Command({**NAME, "nodes": True}, NAMED, least=1, most=None),
    "load image-archive": Command({**NAME, "nodes": True}, NAMED, least=1, most=None),
    "export logs": Command(NAME, NAMED, most=1),
    "version": Command(GLOBAL, SHORT),
}

IMAGE = "kindest/node:v1.37.0"
PATIENCE = 60.0
"""How long a simulated cluster may take to answer, and to end, in seconds."""

CLUSTER = {"kind", "apiVersion", "name", "nodes", "networking", "featureGates", "runtimeConfig",
    "kubeadmConfigPatches", "kubeadmConfigPatchesJSON6902", "containerdConfigPatches",
    "containerdConfigPatchesJSON6902"}  # fmt: skip
NODE = {"role", "image", "labels", "extraMounts", "extraPortMappings", "kubeadmConfigPatches",
    "kubeadmConfigPatchesJSON6902"}  # fmt: skip
PORT = {"containerPort", "hostPort", "listenAddress", "protocol"}


class Failed(Exception):
    """What the real kind says after `ERROR: `."""


def main(words: Sequence[str]) -> int:
    """Do what kind is told; its exit code."""
    memory.record("kind", words)
    try:
        call = parse(COMMANDS, words)
        DOES[call.name](call)
    except (Wrong, Failed) as error:
        say(f"ERROR: {error}")
        return 1
    return 0


def say(line: str) -> None:
    """All that kind tells people goes to standard error."""
    print(line, file=sys.stderr, flush=True)


def engine() -> str:
    return os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "docker")


def folder(name: str) -> Path:
    return memory.HOME / "clusters" / name


def name_of(call: Call) -> str:
    return call["name"] or os.environ.get("KIND_CLUSTER_NAME", "") or "kind"


def nodes(name: str) -> list[str]:
    """The containers of a cluster; none if there is no such cluster."""
    filtered = f"label=io.x-k8s.kind.cluster={name}"
    refusal = memory.refusal(engine())
    if refusal:
        raise Failed(
            f'failed to list nodes: command "{engine()} ps -a --filter {filtered} --format '
            f"'{{{{.Names}}}}'\" failed with error: exit status 1\nCommand Output: {refusal}"
        )
    path = folder(name) / "nodes"
    return path.read_text().split() if path.exists() else []


# -- create ----------------------------------------------------------------------------------------


def create_cluster(call: Call) -> None:
    name = name_of(call)
    try:
        found = checked(call, name)
        if not call["kubeconfig"]:
            raise Failed("the stand-in writes nobody's own kubeconfig")
        if nodes(name):
            raise Failed(f'node(s) already exist for a cluster with the name "{name}"')
        say(f'Creating cluster "{name}" ...')
        try:
            started(call, name, found)
        except Failed:
            if "retain" not in call:
                removed(name, call["kubeconfig"])
            raise
    except Failed as error:
        raise Failed(f"failed to create cluster: {error}") from None
    say(f'Set kubectl context to "kind-{name}"')
    say(f"You can now use your cluster with:\n\nkubectl cluster-info --context kind-{name}")


def checked(call: Call, name: str) -> dict[str, Any]:
    """The config, which must be one that kind understands."""
    if not re.fullmatch(r"[a-z0-9.-]+", name):
        raise Failed(
            f"'{name}' is not a valid cluster name, cluster names must match `^[a-z0-9.-]+$`"
        )
    if call["wait"] and not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+|0", call["wait"]):
        raise Wrong(f'invalid argument "{call["wait"]}" for "--wait" flag: time: invalid duration')
    text = Path(call["config"]).read_text() if call["config"] else "kind: Cluster"
    config: dict[str, Any] = yaml.safe_load(text)
    if config.get("apiVersion") != "kind.x-k8s.io/v1alpha4" or config.get("kind") != "Cluster":
        raise Failed(f"unknown apiVersion: {config.get('apiVersion')}")
    config.setdefault("nodes", [{"role": "control-plane"}])
    known(config, CLUSTER, "Cluster")
    for node in config["nodes"]:
        known(node, NODE, "Node")
        if node.get("role", "control-plane") not in ("control-plane", "worker"):
            raise Failed(f'"{node["role"]}" is not a valid node role')
        for port in node.get("extraPortMappings", ()):
            known(port, PORT, "PortMapping")
            for side in ("containerPort", "hostPort"):
                if not -1 <= port.get(side, 0) <= 65535:
                    raise Failed(f"invalid {side}: invalid port number: {port[side]}")
    if not any(node.get("role") == "control-plane" for node in config["nodes"]):
        raise Failed("must have at least one control-plane node")
    return config


def known(found: dict[str, Any], fields: set[str], kind: str) -> None:
    for key in found.keys() - fields:
        raise Failed(f"unable to decode config: field {key} not found in type v1alpha4.{kind}")


def started(call: Call, name: str, config: dict[str, Any]) -> None:
    """Every step that kind tells of, and the ways in which it may fail."""
    image = call["image"] or config["nodes"][0].get("image", IMAGE)
    with step(f"Ensuring node image ({image}) 🖼"):
        if memory.fails("pull"):
            raise Failed(
                f'failed to pull image "{image}": command "{engine()} pull {image}" failed with '
                'error: exit status 1\nCommand Output: Error response from daemon: Get "https://'
                'registry.example.com/v2/": dial tcp: lookup registry.example.com: no such host'
            )
    with step(f"Preparing nodes {'📦 ' * len(config['nodes'])}"):
        for node in config["nodes"]:
            for port in node.get("extraPortMappings", ()):
                bound(name, port.get("listenAddress", "0.0.0.0"), port.get("hostPort", 0))
        folder(name).mkdir(parents=True)
        (folder(name) / "nodes").write_text("\n".join(node_names(name, config)))
        if memory.fails("disk"):
            raise Failed(
                f"{docker_run(name)} failed with error: exit status 125\nCommand Output: docker: "
                "Error response from daemon: mkdir /var/lib/docker/overlay2/x: no space left on "
                "device."
            )
    with step("Writing configuration 📜"):
        pass
    with step("Starting control-plane 🕹️"):
        init(name, config)
        serve(call, name, config)
    with step("Installing CNI 🔌"):
        pass
    with step("Installing StorageClass 💾"):
        pass
    if call["wait"]:
        with step(f"Waiting ≤ {call['wait']} for control-plane = Ready ⏳"):
            pass
        say(" • Ready after 1s 💚")


class step:
    """Tells of a step as kind does where there is no terminal."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        say(f" • {self.what}  ...")

    def __exit__(self, failed: object, *_: object) -> None:
        say(f" {'✗' if failed else '✓'} {self.what}")


def docker_run(name: str) -> str:
    return f'command "{engine()} run --name {name}-control-plane --hostname {name}-control-plane"'


def node_names(name: str, config: dict[str, Any]) -> list[str]:
    roles = [node.get("role", "control-plane") for node in config["nodes"]]
    return [
        f"{name}-{role}" + (str(n) if (n := roles[: i + 1].count(role)) > 1 else "")
        for i, role in enumerate(roles)
    ]


def bound(name: str, address: str, port: int) -> None:
    """See that a port is free, as an engine would."""
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
    except OSError:
        raise Failed(
            f"{docker_run(name)} failed with error: exit status 125\nCommand Output: docker: Error "
            "response from daemon: driver failed programming external connectivity on endpoint "
            f"{name}-control-plane: Bind for {address}:{port} failed: port is already allocated."
        ) from None


def init(name: str, config: dict[str, Any]) -> None:
    """What the kubelet and kubeadm would do."""
    command = f'command "{engine()} exec --privileged {name}-control-plane kubeadm init"'
    reserved = sorted(
        label
        for node in config["nodes"]
        for label in node.get("labels", {})
        if label.partition("/")[0].endswith(("kubernetes.io", "k8s.io"))
    )
    said = ""
    if reserved:
        said = (
            f"unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: {reserved}"
        )
    if memory.fails("init"):
        said = "couldn't initialize a Kubernetes cluster: timed out waiting for the condition"
    if memory.fails("inotify"):
        said = "Failed to create control group inotify object: Too many open files"
    if said:
        raise Failed(
            f"failed to init node with kubeadm: {command} failed with error: exit status 1\n"
            f"Command Output: {said}"
        )
    if memory.fails("slow"):
        time.sleep(PATIENCE)


def serve(call: Call, name: str, config: dict[str, Any]) -> None:
    """Start the simulated cluster, and write its kubeconfig."""
    place = folder(name)
    labels = [node.get("labels", {}) for node in config["nodes"]]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.standins.cluster",
                name, str(place), json.dumps(labels)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while not (place / "ready").exists():
        if process.poll() is not None or time.monotonic() > end:
            raise Failed(f"the simulated cluster did not start: {(place / 'log').read_text()}")
        time.sleep(0.02)
    path = Path(call["kubeconfig"])
    shutil.copyfile(place / "kubeconfig", path)
    path.chmod(0o600)


# -- the rest --------------------------------------------------------------------------------------


def delete_cluster(call: Call) -> None:
    name = name_of(call)
    say(f'Deleting cluster "{name}" ...')
    try:
        if memory.fails("delete"):
            raise Failed(f'command "{engine()} rm -f -v {name}" failed with error: exit status 1')
        removed(name, call["kubeconfig"])
    except Failed as error:
        raise Failed(f'failed to delete cluster "{name}": {error}') from None


def removed(name: str, kubeconfig: str) -> None:
    """End a cluster's process, and forget the cluster."""
    there = nodes(name)
    place = folder(name)
    end_process(place)
    if there:
        shutil.rmtree(place)
        say("Deleted nodes: [" + " ".join(f'"{each}"' for each in there) + "]")
    if kubeconfig and Path(kubeconfig).exists():
        Path(kubeconfig).write_text("apiVersion: v1\nkind: Config\n")


def end_process(place: Path) -> None:
    """End the process of a cluster, if it has one: its lock tells that the number is its own."""
    end = time.monotonic() + PATIENCE
    while pid := process_of(place):
        os.kill(pid, signal.SIGKILL if time.monotonic() > end - PATIENCE / 2 else signal.SIGTERM)
        time.sleep(0.02)
        if time.monotonic() > end:
            raise Failed(f"the process {pid} does not end")


def process_of(place: Path) -> int:
    """The number of a cluster's process; 0 if it has none."""
    path = place / "process"
    if not path.exists():
        return 0
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return 0


def get_clusters(call: Call) -> None:
    refusal = memory.refusal(engine())
    if refusal:
        raise Failed(f"failed to list clusters: command failed\nCommand Output: {refusal}")
    found = sorted(path.parent.name for path in memory.HOME.glob("clusters/*/nodes"))
    if not found:
        say("No kind clusters found.")
    for name in found:
        print(name)


def get_nodes(call: Call) -> None:
    for node in nodes(name_of(call)):
        print(node)


def get_kubeconfig(call: Call) -> None:
    if not nodes(name_of(call)):
        raise Failed(
            f"could not locate any control plane nodes for cluster named '{name_of(call)}'"
        )
    kind = "internal" if "internal" in call else "kubeconfig"
    print((folder(name_of(call)) / kind).read_text())


def load_docker_image(call: Call) -> None:
    for image in call.arguments:
        if engine() != "docker" or image not in memory.images():
            raise Failed(f'image: "{image}" not present locally')
    loaded(call, call.arguments)


def load_image_archive(call: Call) -> None:
    for path in call.arguments:
        if not Path(path).exists():
            raise Failed(f"stat {path}: no such file or directory")
        loaded(call, Path(path).read_text().splitlines())


def loaded(call: Call, images: Sequence[str]) -> None:
    name = name_of(call)
    if not nodes(name):
        raise Failed(f'no nodes found for cluster "{name}"')
    with (folder(name) / "images").open("a") as file:
        for image in images:
            digest = memory.image_id(image)
            say(f'Image: "{image}" with ID "{digest}" not yet present on node, loading...')
            file.write(f"{image}\n")


def export_logs(call: Call) -> None:
    name = name_of(call)
    if not nodes(name):
        raise Failed(f'unknown cluster "{name}"')
    place = Path(call.arguments[0]) / f"{name}-control-plane"
    place.mkdir(parents=True)
    (place / "kubelet.log").write_text("the kubelet's last words\n")
    say(f'Exporting logs for cluster "{name}" to:')
    print(call.arguments[0])


def version(call: Call) -> None:
    number = "0.23.0" if memory.fails("old") else "0.30.0"
    print(number if "quiet" in call else f"kind v{number} go1.24.6 linux/amd64")


DOES = {
    "create cluster": create_cluster,
    "delete cluster": delete_cluster,
    "get clusters": get_clusters,
    "get nodes": get_nodes,
    "get kubeconfig": get_kubeconfig,
    "load docker-image": load_docker_image,
    "load image-archive": load_image_archive,
    "export logs": export_logs,
    "version": version,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
