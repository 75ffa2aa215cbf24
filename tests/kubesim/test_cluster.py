"""The public face: a cluster in-process, and what `import kubesim` costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import kubesim
from kubesim import ApiError, Cluster, LabError, UsageError

MAP: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}


def test_objects_that_go_in_and_out_are_copies() -> None:
    cluster = Cluster()
    body = {**MAP, "data": {"a": "1"}}
    created = cluster.create(body)
    body["data"]["a"] = created["data"]["a"] = "changed"
    found = cluster.get("v1", "ConfigMap", "m")
    assert found is not None and found["data"] == {"a": "1"}
    found["data"]["a"] = "changed"
    assert cluster.list("v1", "ConfigMap", namespace="default")[-1]["data"] == {"a": "1"}


def test_the_verbs_do_what_their_names_say() -> None:
    cluster = Cluster()
    seen: list[str] = []
    cluster.subscribe(lambda event: seen.append(event.type))
    cluster.apply({**MAP, "data": {"a": "1"}})
    cluster.patch("v1", "ConfigMap", "m", {"data": {"b": "2"}})
    found = cluster.get("v1", "ConfigMap", "m")
    assert found is not None and found["data"] == {"a": "1", "b": "2"}
    cluster.delete("v1", "ConfigMap", "m")
    assert cluster.get("v1", "ConfigMap", "m") is None
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_refusals_are_those_of_the_api_server() -> None:
    with pytest.raises(ApiError, match='configmaps "m" already exists') as refused:
        cluster = Cluster()
        cluster.create(MAP)
        cluster.create(MAP)
    assert refused.value.code == 409
    with pytest.raises(ApiError, match='no matches for kind "Foo"'):
        cluster.get("v1", "Foo", "m")
    with pytest.raises(ApiError, match="an object needs apiVersion and kind"):
        cluster.create({})


def test_time_is_the_clusters_own_unless_it_is_given() -> None:
    cluster = Cluster()
    begin = cluster.now()
    cluster.run(90)
    assert cluster.now() == begin + 90
    with pytest.raises(LabError, match=r"never comes|did not come within 5 s"):
        cluster.until(lambda: False, seconds=5)
    with pytest.raises(UsageError, match="time is not its own"):
        Cluster(now=lambda: 0.0).run(1)


def test_two_clusters_of_the_same_program_are_the_same() -> None:
    def history() -> list[Any]:
        cluster = Cluster(nodes=2)
        cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"generateName": "p-"},
                "spec": {"containers": [{"name": "c", "image": "web:1"}]},
            }
        )
        cluster.run(60)
        return cluster.list("v1", "Pod")

    assert history() == history()


def test_importing_the_package_imports_nothing_until_a_name_is_used() -> None:
    program = (
        "import sys, kubesim; print(sorted(m for m in sys.modules if m.startswith('kubesim')))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.strip() == "['kubesim']"


def test_every_public_name_is_there() -> None:
    for name in kubesim.__all__:
        assert getattr(kubesim, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        kubesim.nothing  # noqa: B018
