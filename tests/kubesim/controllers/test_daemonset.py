"""DaemonSets: one pod a node, following labels, taints and templates."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.controllers.daemonset import wanted_on
from kubesim.controllers.pods import is_ready
from tests.kubesim.controllers.bench import Bench


def agent(image: str = "agent:1", pod: dict[str, Any] | None = None, **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "agent", "image": image}], **(pod or {})},
            },
            **spec,
        },
    }


def image(name: str) -> dict[str, Any]:
    containers = [{"name": "agent", "image": name}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def node(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    for name in ("one", "two", "three"):
        made.create(node(name))
    return made


def meant_for(pod: Object) -> str:
    terms = pod["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    return str(terms[0]["matchFields"][0]["values"][0])


def places(bench: Bench) -> dict[str, list[str]]:
    """Images by node."""
    found: dict[str, list[str]] = {}
    for pod in bench.pods():
        found.setdefault(meant_for(pod), []).append(pod["spec"]["containers"][0]["image"])
    return found


def versions(bench: Bench) -> list[str]:
    return [image for images in places(bench).values() for image in images]


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def test_a_taint_that_keeps_new_pods_away_lets_old_ones_stay() -> None:
    assert wanted_on({}, node("n", taints=[TAINT])) == (False, True)
    assert wanted_on({}, node("n", taints=[{**TAINT, "effect": "NoExecute"}])) == (False, False)
    assert wanted_on({"nodeSelector": {"disk": "ssd"}}, node("n")) == (False, False)


def test_every_node_gets_one_pod(bench: Bench) -> None:
    bench.create(agent())
    assert places(bench) == {"one": ["agent:1"], "three": ["agent:1"], "two": ["agent:1"]}
    bench.create(node("four"))
    assert set(places(bench)) == {"one", "two", "three", "four"}


def test_only_selected_nodes_get_a_pod_and_lose_it_with_their_label(bench: Bench) -> None:
    bench.create(node("fast", labels={"disk": "ssd"}))
    bench.create(agent(pod={"nodeSelector": {"disk": "ssd"}}))
    assert set(places(bench)) == {"fast"}
    bench.edit("Node", "fast", {"metadata": {"labels": {"disk": None}}})
    bench.reap()
    assert places(bench) == {}


def test_pods_of_a_removed_node_are_deleted(bench: Bench) -> None:
    bench.create(agent())
    bench.delete("Node", "two")
    bench.reap()
    assert set(places(bench)) == {"one", "three"}


def test_pods_tolerate_the_troubles_of_their_node(bench: Bench) -> None:
    bench.create(agent())
    tolerated = {each["key"] for each in bench.pods()[0]["spec"]["tolerations"]}
    assert "node.kubernetes.io/disk-pressure" in tolerated
    assert "node.kubernetes.io/unschedulable" in tolerated


def test_a_rolling_update_replaces_one_node_at_a_time(bench: Bench) -> None:
    bench.create(agent())
    bench.settle()
    bench.edit("DaemonSet", "agent", image("agent:2"))
    bench.reap()
    for done in (1, 2, 3):
        assert sorted(versions(bench)).count("agent:2") == done
        assert sum(is_ready(pod) for pod in bench.pods()) == 2
        bench.start()
        bench.reap()
    assert sum(is_ready(pod) for pod in bench.pods()) == 3


def test_with_a_surge_the_new_pod_is_there_before_the_old_one_goes(bench: Bench) -> None:
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    bench.create(agent(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling}))
    bench.settle()
    bench.edit("DaemonSet", "agent", image("agent:2"))
    assert sorted(len(pods) for pods in places(bench).values()) == [1, 1, 2]
    assert sum(is_ready(pod) for pod in bench.pods()) == 3
    bench.settle()
    assert places(bench) == {"one": ["agent:2"], "three": ["agent:2"], "two": ["agent:2"]}


def test_on_delete_waits_for_a_person_to_delete_the_pod(bench: Bench) -> None:
    bench.create(agent(updateStrategy={"type": "OnDelete"}))
    bench.settle()
    bench.edit("DaemonSet", "agent", image("agent:2"))
    bench.settle()
    assert versions(bench) == ["agent:1"] * 3


def test_a_failed_pod_is_replaced_ever_more_slowly(bench: Bench) -> None:
    bench.create(agent())
    bench.settle()
    pod = next(each for each in bench.pods() if meant_for(each) == "one")
    bench.report(pod, "Failed")
    bench.reap()
    assert len(bench.pods()) == 3
    assert "FailedDaemonPod" in [reason for reason, _ in bench.events("agent")]
    pod = next(each for each in bench.pods() if meant_for(each) == "one")
    bench.report(pod, "Failed")
    assert len(bench.pods()) == 2
    bench.run(1)
    bench.reap()
    assert len(bench.pods()) == 3


def test_the_status_counts(bench: Bench) -> None:
    bench.create(agent())
    bench.start(*bench.pods()[:2])
    assert bench.get("DaemonSet", "agent")["status"] == {
        "currentNumberScheduled": 3,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 3,
        "numberReady": 2,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
        "numberAvailable": 2,
        "numberUnavailable": 1,
    }
