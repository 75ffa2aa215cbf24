"""The arm `flux` in a world: told, compared and measured like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gitops_lab.errors import UsageError
from gitops_lab.experiments import demo
from gitops_lab.sandbox import Sandbox
from gitops_lab.state import Setup
from gitops_lab.worlds.live import LiveWorld
from tests.conftest import config_map, deployment


def test_the_arm_brings_a_commit_into_the_cluster_and_says_so() -> None:
    with Sandbox("flux", "pull+self-heal", seed=1) as world:
        world.commit("first", {"web.yaml": yaml.safe_dump(deployment("web"))})
        world.run(minutes=3)
        assert str(world.status()) == "flux: in sync, Healthy\npull+self-heal: in sync, Healthy"
        told = str(world.why("flux"))
        assert "NewArtifact GitRepository flux-system/app" in told
        assert "ReconciliationSucceeded Kustomization flux-system/app" in told


def test_a_hand_edit_is_drift_until_flux_reverts_it() -> None:
    with Sandbox("flux", seed=1) as world:
        web = deployment("web", replicas=2)
        world.commit("first", {"web.yaml": yaml.safe_dump(web)})
        world.run(minutes=3)
        world.drift("Deployment/web", {"spec": {"replicas": 5}})
        assert str(world.status()).startswith("flux: drifted")
        world.run(minutes=11)
        assert str(world.status()) == "flux: in sync, Healthy"


def test_a_broken_commit_is_out_of_sync_with_the_reason() -> None:
    with Sandbox("flux", seed=1) as world:
        world.commit("first", {"a.yaml": yaml.safe_dump(config_map("a"))})
        world.run(minutes=3)
        world.commit("typo", {"a.yaml": "kind: ["})
        world.run(minutes=3)
        assert "out of sync" in str(world.status())
        assert "BuildFailed" in str(world.why("flux"))


def test_the_same_seed_gives_the_same_journal() -> None:
    def told() -> str:
        with Sandbox("flux", seed=3) as world:
            world.commit("first", {"web.yaml": yaml.safe_dump(deployment("web"))})
            world.run(minutes=15)
            return "\n".join(entry.to_json() for entry in world.journal)

    assert told() == told()


def test_flux_tells_the_story_beside_the_others() -> None:
    told = demo.run(("pull+self-heal", "flux"), seed=1)
    rows = [row for row in told.results["rows"] if row["arm"] == "flux"]
    assert rows and rows[-1]["in_sync"], json.dumps(rows[-1])
    assert all(row["applied_after"] is None or row["applied_after"] <= 700 for row in rows)


@pytest.mark.parametrize("backend", ["kind", "context"])
def test_on_a_real_cluster_people_are_sent_to_the_real_flux(backend: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="simulated clusters only") as refused:
        LiveWorld(tmp_path, Setup(("flux",), backend=backend))
    assert "flux install" in refused.value.fix
