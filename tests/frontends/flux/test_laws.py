"""Laws: after any faults Flux converges; it deletes nothing but its own, and it repeats."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_lab.frontends.flux.install import CONTROLLERS
from gitops_lab.model import Object
from tests.conftest import config_map
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization

NAMES = ("a", "b", "c")

Deed = tuple[str, Any]

deeds = st.lists(
    st.one_of(
        st.tuples(
            st.just("commit"),
            st.dictionaries(st.sampled_from(NAMES), st.sampled_from("xyz"), min_size=1),
        ),
        st.tuples(st.just("edit"), st.sampled_from(NAMES)),
        st.tuples(st.just("delete"), st.sampled_from(NAMES)),
        st.tuples(st.just("restart"), st.sampled_from(tuple(CONTROLLERS))),
        st.tuples(st.just("outage"), st.booleans()),
        st.tuples(st.just("run"), st.integers(1, 200)),
    ),
    max_size=8,
)


def do(flux: FluxWorld, deed: Deed, wanted: dict[str, str]) -> None:
    match deed:
        case ("commit", files):
            if files != wanted:
                gone = {f"{name}.yaml": None for name in wanted if name not in files}
                new = {f"{n}.yaml": config_map(n, v=v) for n, v in files.items()
                       if wanted.get(n) != v}  # fmt: skip
                flux.commit_files({**gone, **new})
                wanted.clear()
                wanted.update(files)
        case ("edit" | "delete" as what, name):
            if flux.live("ConfigMap", name) is not None:
                patch = {"data": {"v": "hand", "extra": "1"}} if what == "edit" else None
                flux.sandbox.drift(f"ConfigMap/default/{name}", patch)
        case ("restart", controller):
            flux.deployer.restart(controller)
        case ("outage", is_out):
            flux.sandbox.repository.reachable = not is_out
        case ("run", seconds):
            flux.run(seconds=seconds)


def own(flux: FluxWorld) -> dict[str, Object]:
    label = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    found = flux.kubectl.list("", "ConfigMap", namespace="default", labels=label)
    return {obj["metadata"]["name"]: obj for obj in found}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deeds)
def test_after_faults_end_the_cluster_is_what_git_says(deeds: list[Deed]) -> None:
    flux, wanted = FluxWorld(seed=1), {"a": "x"}
    try:
        revision = flux.commit_files({"a.yaml": config_map("a", v="x")})
        flux.apply(
            git_repository(),
            kustomization(interval="5m"),
            config_map("foreign", "default", v="1"),
        )
        for deed in deeds:
            do(flux, deed, wanted)
        flux.sandbox.repository.reachable = True
        flux.run(minutes=30)
        live = own(flux)
        assert {name: obj["data"] for name, obj in live.items()} == {
            name: {"v": value} for name, value in wanted.items()
        }
        assert flux.live("ConfigMap", "foreign") is not None
        revision = f"main@sha1:{flux.sandbox.repository.tip()}"
        told = ("True", "ReconciliationSucceeded", f"Applied revision: {revision}")
        assert flux.ready("Kustomization", "apps") == told
    finally:
        flux.close()


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**16))
def test_a_kill_between_any_two_writes_is_made_good(steps: int, seed: int) -> None:
    flux = FluxWorld(seed=1)
    try:
        files = {f"{name}.yaml": config_map(name, v="1") for name in NAMES}
        flux.commit_files(files)
        flux.apply(git_repository(), kustomization(retryInterval="30s", interval="5m"))
        flux.run(seconds=20)
        flux.commit_files({"a.yaml": None, "b.yaml": config_map("b", v="2")})
        step, left, random = flux.deployer.step, [steps], Random(seed)

        def interrupted(now: float) -> Any:
            left[0] -= 1
            if left[0] == 0:
                flux.deployer.restart(*random.sample(sorted(CONTROLLERS), 2))
            return step(now)

        flux.deployer.step = interrupted
        flux.run(minutes=15)
        assert left[0] < 0  # it was interrupted
        assert {name: obj["data"]["v"] for name, obj in own(flux).items()} == {"b": "2", "c": "1"}
        assert flux.ready("Kustomization", "apps")[0] == "True"
    finally:
        flux.close()
