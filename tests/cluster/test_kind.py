"""Clusters by kind, on a machine where kind and the container engines are stand-ins."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
import yaml

from gitops_lab.cluster import kind as module
from gitops_lab.cluster.commands import CommandFailed, CommandMissing
from gitops_lab.cluster.containers import choose, look, variables
from gitops_lab.cluster.kind import Kind, Port, Shape, at_once, config, preflight
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.machine import GIB
from gitops_lab.errors import LabError, UsageError
from gitops_lab.model import ObjectKey
from tests.cluster.conftest import Machine
from tests.conftest import deployment

T = TypeVar("T")


def do(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def kind(machine: Machine, tmp_path: Path) -> Kind:
    return Kind("demo", tmp_path / "sandbox", engine="docker")


def fail(monkeypatch: pytest.MonkeyPatch, *how: str) -> None:
    monkeypatch.setenv("STANDINS_FAIL", ",".join(how))


def connected(kind: Kind, cluster: str) -> KubeconfigCluster:
    path = kind.kubeconfig_path(cluster)
    return KubeconfigCluster(cluster, path, cache=path.with_name("discovery.json"))


# -- from nothing to nothing -----------------------------------------------------------------------


def test_a_cluster_is_made_used_and_removed_without_a_trace(kind: Kind, machine: Machine) -> None:
    assert do(kind.clusters()) == []
    path = do(kind.create("pull"))
    assert do(kind.clusters()) == ["pull"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not Path(machine.environment["KUBECONFIG"]).exists()
    assert not (Path(machine.environment["HOME"]) / ".kube").exists()

    cluster = connected(kind, "pull")
    (node,) = cluster.list("", "Node", labels={"gitops-lab/sandbox": "demo"})
    assert node["metadata"]["labels"]["gitops-lab/cluster"] == "pull"
    web = deployment()
    web["metadata"]["namespace"] = "default"
    cluster.apply(web, manager="test")
    assert cluster.get(ObjectKey("apps", "Deployment", "default", "web"))
    cluster.close()

    assert len(machine.processes()) == 1
    server = yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"]
    assert do(kind.delete_all()) == ["pull"]
    assert machine.processes() == []
    assert [*machine.folder.glob("clusters/*")] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(server).port or 0))


def test_several_clusters_are_made_at_once(
    kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "available_memory", lambda: 8 * GIB)
    paths = do(kind.create_all(["push", "pull"]))
    assert paths == [kind.kubeconfig_path("push"), kind.kubeconfig_path("pull")]
    assert do(kind.clusters()) == ["pull", "push"]
    do(kind.delete_all())
    assert machine.processes() == []


def test_if_one_of_several_fails_none_remains(
    kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "available_memory", lambda: None)  # one after the other
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = Shape(ports=[Port(30080, host=taken.getsockname()[1])])
        do(kind.create("first"))
        with pytest.raises(UsageError):
            do(kind.create_all(["second", "No Name"]))
        assert do(kind.clusters()) == ["first"]
        with pytest.raises(CommandFailed, match="port"):
            do(kind.create_all(["third", "fourth"], busy))
    assert do(kind.clusters()) == ["first"]
    assert len(machine.processes()) == 1


# -- names -----------------------------------------------------------------------------------------


def test_only_the_sandboxs_own_clusters_are_listed_and_removed(
    machine: Machine, tmp_path: Path
) -> None:
    for name in (
        "kind",
        "gitops-lab-demo-pull",
        "gitops-lab-demo-pull-000000",
        Kind("demo-pull", tmp_path / "demo-pull").name("x"),
        Kind("demo", tmp_path / "elsewhere" / "demo").name("pull"),
    ):
        place = machine.folder / "clusters" / name
        place.mkdir(parents=True)
        (place / "nodes").write_text(f"{name}-control-plane")
    kind = Kind("demo", tmp_path / "demo")
    assert do(kind.clusters()) == []
    assert do(kind.delete_all()) == []
    assert len([*machine.folder.glob("clusters/*")]) == 5


@pytest.mark.parametrize("name", ["", "pull+self-heal", "Pull", "-pull", "pull-", "a b", "../x"])
def test_a_cluster_needs_a_name_that_kind_takes(kind: Kind, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a cluster"):
        do(kind.create(name))


def test_a_name_must_leave_room_for_the_nodes(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than 49 characters"):
        Kind("x" * 40, tmp_path).name("pull")


def test_a_name_that_is_taken_is_told_and_its_cluster_stays(kind: Kind, machine: Machine) -> None:
    do(kind.create("pull"))
    with pytest.raises(LabError, match="exists already"):
        do(kind.create("pull"))
    assert do(kind.clusters()) == ["pull"]
    assert len(machine.processes()) == 1


def test_a_cluster_that_somebody_else_makes_just_then_is_not_removed(
    kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(kind.create("pull"))

    async def nothing() -> list[str]:
        return []

    monkeypatch.setattr(kind, "clusters", nothing)
    with pytest.raises(CommandFailed, match="exists already"):
        do(kind.create("pull"))
    assert len(machine.processes()) == 1


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("engine", "the container engine does not run"),
        ("forbidden", "you may not use the container engine"),
        ("pull", "an image cannot be pulled"),
        ("disk", "the disk is full"),
        ("init", "Kubernetes did not start"),
        ("inotify", "too many open files"),
    ],
)
def test_a_failure_names_its_likely_cause_and_leaves_nothing(
    kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch, how: str, what: str
) -> None:
    fail(monkeypatch, how)
    with pytest.raises(CommandFailed) as caught:
        do(kind.create("pull"))
    text = str(caught.value)
    assert what in text
    assert "exit code 1" in text and "ERROR: failed to" in text
    assert text.startswith("`kind ")
    fail(monkeypatch)
    assert do(kind.clusters()) == []
    assert machine.processes() == []


def test_a_port_in_use_is_told(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shape = Shape(ports=[Port(30080, host=taken.getsockname()[1])])
        with pytest.raises(CommandFailed, match="a port of this machine is in use already"):
            do(kind.create("pull", shape))


def test_the_logs_of_a_cluster_that_did_not_start_are_kept(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "init")
    with pytest.raises(CommandFailed) as caught:
        do(kind.create("pull"))
    assert f"Its logs: {kind.logs / 'pull'}" in str(caught.value)
    assert [*kind.logs.rglob("kubelet.log")]


def test_what_cannot_be_removed_is_told_with_the_command_that_does(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "init", "delete")
    with pytest.raises(CommandFailed) as caught:
        do(kind.create("pull"))
    assert f"kind delete cluster -n {kind.name('pull')}" in str(caught.value)


def test_a_cluster_that_takes_too_long_is_removed(
    kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "slow")
    monkeypatch.setattr(module, "CREATE", 1.5)
    with pytest.raises(CommandFailed, match="not done after"):
        do(kind.create("pull"))
    assert do(kind.clusters()) == []
    assert machine.processes() == []


def test_a_cluster_that_nobody_waits_for_any_more_is_removed(
    kind: Kind, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "slow")

    async def story() -> None:
        work = asyncio.ensure_future(kind.create_all(["push", "pull"]))
        while not [*machine.folder.glob("clusters/*/nodes")]:
            await asyncio.sleep(0.02)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    do(story())
    assert do(kind.clusters()) == []


def test_progress_is_told_line_by_line(machine: Machine, tmp_path: Path) -> None:
    told: list[str] = []
    kind = Kind("demo", tmp_path / "sandbox", progress=told.append)
    do(kind.create("pull"))
    assert told[0].startswith("$ kind create cluster --name gitops-lab-demo-pull-")
    assert any("Ensuring node image" in line for line in told)


# -- kubeconfigs, images, logs ---------------------------------------------------------------------


def test_there_is_a_kubeconfig_for_each_side(kind: Kind) -> None:
    do(kind.create("pull"))
    outside, inside = (
        yaml.safe_load(do(kind.kubeconfig("pull", internal=i))) for i in (False, True)
    )
    assert outside["current-context"] == f"kind-{kind.name('pull')}"
    assert outside["clusters"] != inside["clusters"]


@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl"])
def test_images_reach_the_nodes_whichever_engine_has_them(
    machine: Machine, tmp_path: Path, engine: str
) -> None:
    kind = Kind("demo", tmp_path / "sandbox", engine=engine)
    (machine.folder / "images").write_text("agent:1\nshop:2\n")
    do(kind.create("pull"))
    do(kind.load("pull", "agent:1", "shop:2"))
    loaded = machine.folder / "clusters" / kind.name("pull") / "images"
    assert loaded.read_text().split() == ["agent:1", "shop:2"]
    assert not [*tmp_path.rglob("*.tar")]
    with pytest.raises(CommandFailed, match="not on this machine"):
        do(kind.load("pull", "nonsense:1"))
    assert not [*tmp_path.rglob("*.tar")]


# -- what kind reads -------------------------------------------------------------------------------


def test_the_config_says_what_was_asked_for() -> None:
    shape = Shape(workers=1, image="kindest/node:v1.37.0", ports=[Port(30080, host=8080)])
    labels = {"gitops-lab/sandbox": "demo"}
    assert config("x", labels, shape) == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": "x",
        "nodes": [
            {
                "role": "control-plane",
                "labels": labels,
                "image": "kindest/node:v1.37.0",
                "extraPortMappings": [
                    {
                        "containerPort": 30080,
                        "hostPort": 8080,
                        "listenAddress": "127.0.0.1",
                        "protocol": "TCP",
                    }
                ],
            },
            {"role": "worker", "labels": labels, "image": "kindest/node:v1.37.0"},
        ],
    }


def test_nodes_have_no_label_that_the_kubelet_refuses(kind: Kind) -> None:
    do(kind.create("pull", Shape(workers=1)))
    written = yaml.safe_load(kind.kubeconfig_path("pull").with_name("kind.yaml").read_text())
    for node in written["nodes"]:
        assert node["labels"] and not re.search("kubernetes.io|k8s.io", json.dumps(node["labels"]))


@pytest.mark.parametrize(
    ("clusters", "nodes", "available", "expected"),
    [(5, 1, None, 1), (5, 1, 0, 1), (5, 1, 3 * GIB, 3), (2, 1, 64 * GIB, 2), (3, 2, 4 * GIB, 2)],
)
def test_as_many_are_made_at_once_as_memory_allows(
    clusters: int, nodes: int, available: int | None, expected: int
) -> None:
    assert at_once(clusters, nodes, available) == expected


# -- before anything is made -----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl"])
def test_an_engine_that_runs_passes_the_preflight(machine: Machine, engine: str) -> None:
    found = do(preflight(engine))
    assert (found.name, found.memory, found.cgroups, found.rootless) == (engine, 8 * GIB, 2, False)


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("engine", "does not run"),
        ("forbidden", "may not use"),
        ("old", "kind v0.23.0 go1.24.6 linux/amd64 is too old"),
        ("rootless,cgroups", "control groups"),
    ],
)
@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl"])
def test_what_would_fail_later_fails_in_the_preflight(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, engine: str, how: str, what: str
) -> None:
    if how == "rootless,cgroups" and engine == "nerdctl":
        engine = "docker"
    fail(monkeypatch, how)
    with pytest.raises(LabError) as caught:
        do(preflight(engine))
    assert what in str(caught.value) and caught.value.fix


def test_without_kind_the_preflight_says_how_to_get_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandMissing, match="kind is not installed"):
        do(preflight("docker"))


def test_an_answer_that_is_none_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(machine.environment["HOME"]) / "bin" / "docker").write_text("#!/bin/sh\necho '[]'\n")
    with pytest.raises(LabError, match="we do not understand"):
        do(look("docker"))


def test_the_engine_is_the_one_that_is_named_or_kinds_or_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose() == "docker"
    assert choose("podman") == "podman"
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "nerdctl")
    assert choose() == "nerdctl"
    assert variables("nerdctl") == {}
    assert variables("docker") == {"KIND_EXPERIMENTAL_PROVIDER": "docker"}
    with pytest.raises(UsageError, match="no container engine 'lxc'"):
        choose("lxc")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CommandMissing):
        choose()


def test_names_do_not_depend_on_chance(machine: Machine, tmp_path: Path) -> None:
    names = {Kind("demo", tmp_path).name("pull") for _ in range(3)}
    assert len(names) == 1
