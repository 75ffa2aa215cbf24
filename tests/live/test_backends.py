"""Clusters made by kind, and clusters of others: the whole way from `up` to `down`.

Stand-ins take the place of kind and the container engine (tests/cluster/standins): they check what
they are told as strictly as the real commands do, their clusters are simulated ones, and pods of
the agent's image run the real agent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gitops_lab.cluster.kind import config
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.ownership import SANDBOX_LABEL
from gitops_lab.model import ObjectKey, named
from tests.cluster.conftest import Machine, make_machine
from tests.cluster.standins.kind import end_process
from tests.live.shell import BOOK, ROOT, Shell, eventually

PACE = ("--pace", "30")
"""Look every two seconds, not every minute: real clusters know no other speed than the wall's."""

AGENT = ObjectKey("apps", "Deployment", "gitops-lab", "pull-self-heal")


class Person(Shell):
    """A person whose machine has stand-ins for kind and the engines."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        super().__init__(folder, name="real")
        self.machine = machine
        self.environment |= machine.environment
        self.environment |= {"HOME": str(self.home), "STANDINS_GATEWAY": "127.0.0.1"}
        for name in ("KIND_EXPERIMENTAL_PROVIDER", "KIND_CLUSTER_NAME"):
            self.environment.pop(name, None)

    def live(self, arm: str, key: ObjectKey) -> dict[str, object] | None:
        client = self.client(arm)
        found = client.get(key)
        client.close()
        return found


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """A person without a sandbox, who leaves none behind, and no process either."""
    person = Person(tmp_path, make_machine(tmp_path))
    try:
        yield person
    finally:
        person("down", "--yes")
        left = [place.name for place in person.machine.folder.glob("clusters/gitops-lab-*")]
        for place in person.machine.folder.glob("clusters/*"):
            end_process(place)
    assert left == []


def test_the_same_push_reaches_clusters_by_kind_from_outside_and_from_inside(
    person: Person,
) -> None:
    person.told("up", "--backend", "kind", *PACE)
    assert len(person.machine.processes()) == 2
    commit = person.push("one", {"book.yaml": BOOK.format(page=1)})
    for arm in ("push-on-commit", "pull+self-heal"):
        person.await_sync(arm, commit)
    assert {arm["name"]: arm["agent"] for arm in person.status()["arms"]} == {
        "push-on-commit": "outside",
        "pull+self-heal": "inside",
    }
    # The agent undoes what the pipeline does not see.
    for arm in ("push-on-commit", "pull+self-heal"):
        client = person.client(arm)
        client.patch(ObjectKey("", "ConfigMap", "default", "book"), {"data": {"page": "9"}},
                     manager="hand")  # fmt: skip
        client.close()
    eventually(lambda: person.arm("push-on-commit")["drifted"])
    person.told("pause", "pull+self-heal")
    deployment = person.live("pull+self-heal", AGENT)
    assert deployment is not None and deployment["spec"]["replicas"] == 0  # type: ignore[index]
    person.told("resume", "pull+self-heal")  # another pod looks at once
    eventually(lambda: person.arm("pull+self-heal")["in_sync"])
    assert person.arm("push-on-commit")["drifted"]
    stepped = person("step", "pull+self-heal")
    assert stepped.returncode == 2 and "--agent outside" in stepped.stderr
    assert "gone" in person.told("down")
    assert person.machine.processes() == []
    assert not person.state.path.exists()


def test_clusters_by_kind_outlive_the_sandboxs_process(person: Person) -> None:
    person.told("up", "--backend", "kind", "--arms", "pull+self-heal", *PACE)
    before = person.machine.processes()
    person.kill()
    again = person("up")
    assert again.returncode == 0 and "ended unexpectedly" in again.stderr
    assert person.machine.processes() == before
    commit = person.push("one", {"book.yaml": BOOK.format(page=1)})
    person.await_sync("pull+self-heal", commit)
    person.kill()
    assert "gone" in person.told("down")
    assert person.machine.processes() == []


def test_an_agent_may_run_here_instead(person: Person) -> None:
    person.told("up", "--backend", "kind", "--arms", "pull+webhook", "--agent", "outside", *PACE)
    commit = person.push("one", {"book.yaml": BOOK.format(page=1)})
    person.await_sync("pull+webhook", commit)
    assert "applied" in person.told("logs")
    assert not any('"build"' in call for call in person.machine.calls())


@pytest.mark.parametrize(
    ("fails", "text"),
    [("engine", "docker"), ("pull", "image"), ("init", "logs"), ("disk", "disk"), ("old", "old")],
)
def test_what_goes_wrong_is_told_and_nothing_is_left(person: Person, fails: str, text: str) -> None:
    person.environment["STANDINS_FAIL"] = fails
    done = person("up", "--backend", "kind", "--arms", "pull")
    assert done.returncode == 1
    assert text in done.stderr.lower() and "Traceback" not in done.stderr
    assert person.machine.processes() == []
    assert not person.state.path.exists()


def test_an_interrupted_start_removes_its_clusters(person: Person) -> None:
    command = [sys.executable, "-m", "gitops_lab", "up", "--name", person.name, "--backend", "kind"]
    with subprocess.Popen(
        command, cwd=ROOT, env=person.environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as up:  # fmt: skip
        eventually(lambda: any(person.machine.folder.glob("clusters/gitops-lab-*")))
        up.send_signal(signal.SIGINT)
        told = up.communicate()[1]
    assert up.returncode == 130, told
    assert told.endswith("gitops-lab: interrupted; nothing is left behind\n")
    assert not any(person.machine.folder.glob("clusters/gitops-lab-*"))
    assert not person.state.path.exists()


def test_parts_that_do_not_go_together_are_refused(person: Person) -> None:
    for arguments, text in (
        (("--backend", "kind", "--speed", "10"), "do not run 10 times as fast"),
        (
            ("--backend", "kind", "--arms", "pull+webhook"),
            "an agent inside a real cluster cannot",
        ),
    ):
        done = person("up", *arguments)
        assert done.returncode == 2 and text in done.stderr, done.stderr
        assert person.machine.processes() == []
        assert not person.state.path.exists()


@pytest.fixture
def theirs(person: Person) -> KubeconfigCluster:
    """A cluster of another person, which the user's own kubeconfig names, with something in it."""
    own = Path(person.environment["KUBECONFIG"])
    written = person.folder / "theirs.yaml"
    written.write_text(yaml.safe_dump(config("theirs", {})))
    subprocess.run(
        ["kind", "create", "cluster", "--name", "theirs", "--config", str(written),
            "--kubeconfig", str(own)],
        check=True, capture_output=True, env=person.environment,
    )  # fmt: skip
    client = KubeconfigCluster("theirs", own, cache=person.folder / "theirs.json")
    client.apply(named("v1", "ConfigMap", "precious", "default"), manager="another")
    return client


def test_in_a_cluster_of_others_exactly_what_is_ours_comes_and_goes(
    person: Person, theirs: KubeconfigCluster
) -> None:
    own = Path(person.environment["KUBECONFIG"])
    before = own.read_bytes()

    def everything() -> set[str]:
        return {
            str(ObjectKey.of(obj))
            for group, kind in theirs.kinds()
            if kind not in ("Event", "Lease", "PodMetrics", "NodeMetrics")
            for obj in theirs.list(group, kind)
        }

    there = everything()
    person.told("up", "--backend", "context", "--context", "kind-theirs", *PACE)
    commit = person.push("one", {"book.yaml": BOOK.format(page=1)})
    person.await_sync("pull+self-heal", commit)
    book = theirs.get(ObjectKey("", "ConfigMap", "default", "book"))
    assert book is not None and book["metadata"]["labels"][SANDBOX_LABEL].startswith("real-")
    os.kill(person.state.description()["pid"], signal.SIGTERM)
    eventually(lambda: not person.state.is_alive)
    asked = person("down")
    assert asked.returncode == 1 and "ConfigMap default/book" in asked.stdout
    assert "nothing was removed" in asked.stderr
    assert theirs.get(ObjectKey("", "ConfigMap", "default", "book")) is not None
    assert "ConfigMap default/book" in person.told("down", "--yes")
    eventually(lambda: everything() == there)
    assert own.read_bytes() == before
    theirs.close()


def test_with_rights_in_one_namespace_it_stays_in_it(
    person: Person, theirs: KubeconfigCluster
) -> None:
    team = named("v1", "Namespace", "team")
    dev = named("v1", "ServiceAccount", "dev", "team")
    rbac = {"apiGroup": "rbac.authorization.k8s.io"}
    binding = named(
        "rbac.authorization.k8s.io/v1", "RoleBinding", "dev", "team",
        roleRef={**rbac, "kind": "ClusterRole", "name": "admin"},
        subjects=[{"kind": "ServiceAccount", "namespace": "team", "name": "dev"}],
    )  # fmt: skip
    for obj in (team, dev, binding):
        theirs.apply(obj, manager="admin")
    own = Path(person.environment["KUBECONFIG"])
    users = yaml.safe_load(own.read_text())
    token = theirs.request_token("team", "dev", seconds=3600)
    users["users"][0]["user"] = {"token": token}
    own.write_text(yaml.safe_dump(users))

    refused = person("up", "--backend", "context")
    assert refused.returncode == 1 and "you may not create namespaces" in refused.stderr
    person.told("up", "--backend", "context", "--namespace", "team", *PACE)
    commit = person.push("one", {"book.yaml": BOOK.format(page=1)})
    person.await_sync("pull+self-heal", commit)
    assert theirs.get(ObjectKey("", "ConfigMap", "team", "book")) is not None
    assert theirs.get(ObjectKey("", "ConfigMap", "default", "book")) is None
    assert "RoleBinding team/" in person.told("down", "--yes")
    eventually(lambda: theirs.get(ObjectKey("", "ConfigMap", "team", "book")) is None)
    kept = {ObjectKey.of(obj).name for obj in theirs.list("", "ServiceAccount", namespace="team")}
    assert kept == {"default", "dev"}
    theirs.close()


def test_a_context_that_looks_like_production_must_be_named_twice(
    person: Person, theirs: KubeconfigCluster
) -> None:
    own = Path(person.environment["KUBECONFIG"])
    users = yaml.safe_load(own.read_text())
    users["contexts"][0]["name"] = users["current-context"] = "shop-production"
    own.write_text(yaml.safe_dump(users))
    done = person("up", "--backend", "context")
    assert done.returncode == 2 and "looks like production" in done.stderr
    assert not person.state.path.exists()
    person.told("up", "--backend", "context", "--confirm-context", "shop-production")
    assert [arm["name"] for arm in person.status()["arms"]] == ["pull+self-heal"]
    theirs.close()
    person.told("down", "--yes")
