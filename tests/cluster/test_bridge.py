"""How what runs in kind's clusters reaches this machine."""

from __future__ import annotations

import asyncio

import pytest

from gitops_lab.cluster.bridge import gateways, way_back
from gitops_lab.cluster.kind import Kind
from gitops_lab.errors import LabError
from tests.cluster.conftest import Machine


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ({"IPAM": {"Config": [{"Subnet": "fc00::/64", "Gateway": "fc00::1"},
                              {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]}},
         ["172.18.0.1"]),
        ({"subnets": [{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}]}, ["10.89.0.1"]),
        ({"IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}, []),
        ({"IPAM": {"Config": None}}, []),
    ],
)  # fmt: skip
def test_a_gateway_is_found_as_each_engine_tells_it(
    network: dict[str, object], found: list[str]
) -> None:
    assert gateways(network) == found


@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.parametrize(
    ("gateway", "ours"),
    [("127.0.0.1", True), ("192.0.2.1", False)],  # the second is nobody's
)
def test_a_gateway_counts_only_if_it_is_this_machine(
    machine: Machine, tmp_path: object, monkeypatch: pytest.MonkeyPatch,
    engine: str, gateway: str, ours: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("STANDINS_GATEWAY", gateway)
    with pytest.raises(LabError, match="network"):
        asyncio.run(way_back(engine))  # there is no cluster, and so no network
    kind = Kind("bridge", machine.folder.parent / "sandbox", engine=engine)
    asyncio.run(kind.create("one"))
    host, bind = asyncio.run(way_back(engine))
    asyncio.run(kind.delete_all())
    names = {"docker": "host.docker.internal", "podman": "host.containers.internal"}
    assert (host, bind) == (gateway, gateway) if ours else (names[engine], "127.0.0.1")
