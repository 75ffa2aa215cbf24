"""The definitions: held against those that Flux 2.9.4 ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.errors import ApiError
from gitops_lab.frontends.flux.definitions import KINDS, definition, definitions
from kubesim.clock import SimClock
from tests.conftest import INSIDE

DATA = Path(__file__).parents[3].parent / "shared" / "data"
REAL = sorted((DATA / "crds" / "flux").glob("*.yaml"))
SAMPLES = sorted((DATA / "flux-samples").glob("*/*.yaml"))

needs_data = pytest.mark.skipif(not REAL, reason="the definitions of Flux are not at ../shared")


def shape(schema: Any) -> Any:
    """A schema without its prose, and with lists whose order means nothing sorted."""
    if isinstance(schema, dict):
        return {
            name: sorted(value) if name in ("required", "enum") else shape(value)
            for name, value in schema.items()
            if not (name == "description" and isinstance(value, str))
        }
    return [shape(each) for each in schema] if isinstance(schema, list) else schema


@needs_data
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_definition_says_what_that_of_flux_says(path: Path) -> None:
    real = yaml.safe_load(path.read_text())
    ours = definition(real["spec"]["names"]["kind"])
    assert shape(ours["spec"]) == shape(real["spec"])
    assert ours["metadata"]["name"] == real["metadata"]["name"]


@needs_data
def test_every_kind_of_flux_is_there() -> None:
    assert len(KINDS) == len(REAL)


@pytest.fixture
def flux(simulated: SimulatedCluster, clock: SimClock) -> Any:
    cluster = simulated.connect(INSIDE)
    for each in definitions():
        cluster.apply(each, manager="flux")
    clock.run(seconds=2)
    return cluster


@needs_data
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_of_flux_are_accepted(path: Path, flux: Any) -> None:
    for body in yaml.safe_load_all(path.read_text()):
        body["metadata"]["namespace"] = "default"
        made = flux.apply(body, manager="test", dry_run=True)
        assert made["kind"] == body["kind"]


def git_repository(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"url": "https://example.org/app.git", "interval": "1m", **spec},
    }


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"url": "git@example.org:app.git"}, "spec.url"),
        ({"interval": "1 minute"}, "spec.interval"),
        ({"timeout": "1h"}, "spec.timeout"),
        ({"serviceAccountName": "x"}, "serviceAccountName can only be set when provider is"),
        ({"verify": {}}, "spec.verify.secretRef: Required value"),
        ({"refs": {}}, "refs"),
    ],
)
def test_what_flux_refuses_is_refused(flux: Any, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        flux.apply(git_repository(**spec), manager="test")
    assert message in str(refusal.value)


def test_a_new_object_says_that_nobody_has_seen_it_yet(flux: Any) -> None:
    made = flux.apply(git_repository(), manager="test")
    assert made["spec"]["timeout"] == "60s"
    assert made["status"] == {"observedGeneration": -1}


def test_an_old_api_version_is_not_served(flux: Any) -> None:
    body = {**git_repository(), "apiVersion": "source.toolkit.fluxcd.io/v1beta2"}
    with pytest.raises(ApiError) as refusal:
        flux.apply(body, manager="test")
    assert refusal.value.code == 404
    assert 'no matches for kind "GitRepository" in version' in refusal.value.message
