"""Kustomizations render as kubectl renders them, from the repository's files alone."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_lab.engine.collect import collect
from gitops_lab.engine.documents import read
from gitops_lab.engine.render import render
from gitops_lab.model import Artifact, Manifest, Revision
from gitops_lab.renderers import process
from gitops_lab.renderers.tools import packaged_kubectl
from tests.engine.test_render import Files, artifact, fault, is_namespaced, names, obj, rendered

SHARED = Path(__file__).parents[2].parent / "shared"
OVERLAYS = sorted(
    path
    for root in (SHARED / "apps", SHARED / "data" / "repos")
    for path in (root.rglob("kustomization.yaml") if root.is_dir() else ())
)


def by_kubectl(root: Path, folder: str) -> list[Any]:
    """What the packaged kubectl prints for a folder."""
    done = subprocess.run(
        [packaged_kubectl(), "kustomize", str(root / folder)], check=True, capture_output=True
    )
    return [document.value for document in read(done.stdout, "output")]


def ordered(objects: list[Any]) -> list[str]:
    return sorted(map(repr, objects))


# -- the same as kubectl kustomize --------------------------------------------------------------


@pytest.mark.skipif(not OVERLAYS, reason="the example repositories are not on this machine")
@pytest.mark.parametrize(
    "path", OVERLAYS, ids=lambda path: str(path.parent.relative_to(SHARED)) if path else ""
)
def test_every_overlay_of_the_examples_is_what_kubectl_prints(path: Path) -> None:
    root = SHARED.joinpath(*path.relative_to(SHARED).parts[: 2 if "apps" in path.parts else 3])
    files = {
        str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()
    }
    folder = str(path.parent.relative_to(root))
    found = collect(Artifact(Revision("main", ""), files, ""), folder)
    assert not found.faults
    assert ordered([item.value for item in found.found]) == ordered(by_kubectl(root, folder))
    assert all(item.origin in files for item in found.found)


NAMES = st.sampled_from(["a", "b-1", "web"])
RESOURCES = st.lists(
    st.builds(
        lambda kind, name, image: {
            "apiVersion": "apps/v1" if kind == "Deployment" else "v1",
            "kind": kind,
            "metadata": {"name": name},
            **(
                {
                    "spec": {
                        "selector": {"matchLabels": {"app": name}},
                        "template": {
                            "metadata": {"labels": {"app": name}},
                            "spec": {
                                "containers": [{"name": "c", "image": image}],
                                "volumes": [{"name": "v", "configMap": {"name": "made"}}],
                            },
                        },
                    }
                }
                if kind == "Deployment"
                else {}
            ),
        },
        st.sampled_from(["Deployment", "ConfigMap", "Namespace", "ServiceAccount"]),
        NAMES,
        st.sampled_from(["shop:1", "registry.example/shop"]),
    ),
    max_size=3,
    unique_by=lambda o: (o["kind"], o["metadata"]["name"]),
)
LAYERS = st.fixed_dictionaries(
    {},
    optional={
        "namespace": NAMES,
        "namePrefix": st.sampled_from(["p-", "q"]),
        "nameSuffix": st.just("-s"),
        "commonAnnotations": st.dictionaries(st.just("note"), st.text("ab:#1 ", max_size=5)),
        "labels": st.just([{"pairs": {"tier": "front"}, "includeSelectors": True}]),
        "images": st.just([{"name": "shop", "newTag": "2"}]),
        "replicas": st.builds(lambda n: [{"name": "web", "count": n}], st.integers(0, 3)),
        "configMapGenerator": st.builds(
            lambda v: [{"name": "made", "literals": [f"k={v}"]}], st.text("ab=1", max_size=4)
        ),
        "generatorOptions": st.just({"labels": {"made": "by-kustomize"}}),
        "buildMetadata": st.just(["managedByLabel"]),
    },
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(RESOURCES, LAYERS, LAYERS)
def test_a_random_kustomization_is_what_kubectl_prints(
    resources: list[Any], below: dict[str, Any], above: dict[str, Any]
) -> None:
    files: Files = {
        "base/all.yaml": yaml.safe_dump_all(resources),
        "base/kustomization.yaml": yaml.safe_dump({"resources": ["all.yaml"], **below}),
        "over/kustomization.yaml": yaml.safe_dump({"resources": ["../base"], **above}),
    }
    found = collect(artifact(files), "over")
    with tempfile.TemporaryDirectory() as folder:
        for path, text in artifact(files).files.items():
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            (Path(folder) / path).write_bytes(text)
        try:
            expected = by_kubectl(Path(folder), "over")
        except subprocess.CalledProcessError:
            assert found.faults
            return
    assert not found.faults
    assert ordered([item.value for item in found.found]) == ordered(expected)


# -- which folders it concerns ------------------------------------------------------------------


def test_a_kustomization_on_the_way_counts_there() -> None:
    files: Files = {
        "a.yaml": obj("a"),
        "d/kustomization.yaml": "resources: [b.yaml]",
        "d/b.yaml": obj("b"),
        "d/c.yaml": "x",
    }
    assert names(files) == ["ConfigMap default/a", "ConfigMap default/b"]


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomization_has_one_of_three_names(name: str) -> None:
    files: Files = {name: "resources: [a.yaml]", "a.yaml": obj("a"), "b.yaml": "x"}
    assert names(files) == ["ConfigMap default/a"]
    assert rendered(files)[0].origin == "a.yaml"


def test_an_overlay_uses_a_base_outside_its_folder() -> None:
    files: Files = {
        "east/kustomization.yaml": "namespace: east\nresources: [../base, space.yaml]",
        "east/space.yaml": obj("placeholder", "Namespace"),
        "base/kustomization.yaml": "resources: [a.yaml]",
        "base/a.yaml": obj("a"),
    }
    found = collect(artifact(files), "east")
    assert [(item.origin, item.value["metadata"]["name"]) for item in found.found] == [
        ("east/space.yaml", "east"),
        ("base/a.yaml", "a"),
    ]


def test_a_file_of_an_artifact_may_be_a_link() -> None:
    files: Files = {"kustomization.yaml": "resources: [current/a.yaml]", "v2/a.yaml": obj("a")}
    assert names(files, {"current": "v2"}) == ["ConfigMap default/a"]


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("resources: [missing.yaml]", "no such file"),
        ("resources: [part]", "unable to find one of 'kustomization.yaml'"),
        ("resources: [/etc/passwd]", "leads out of the folder"),
        ("resources: [../../outside]", "leads out of the folder"),
        ("resources: [link.yaml]", "leads out of the folder"),
        ("resources: [.]", "cycle detected"),
        ("resources: a.yaml", "invalid Kustomization"),
        ("a: [", "yaml"),
        ("resources: [https://example.org/a.yaml]", "is a remote base"),
        ("resources: ['github.com/acme/shop//deploy?ref=v1']", "is a remote base"),
        ("components: ['git@github.com:acme/shop.git']", "is a remote base"),
        ("configMapGenerator: [{name: a, files: ['k=http://localhost/x']}]", "is a remote base"),
        ("patches: [{path: 'https://example.org/p.yaml'}]", "is a remote base"),
        ("helmCharts: [{name: web, repo: 'https://example.org/charts'}]", "remote repository"),
        ("generators: [exec.yaml]", "unable to load"),
        ("resources: [big.yaml]", "Git LFS pointer"),
        ("resources: [module/a.yaml]", "submodule app/module"),
    ],
)
def test_what_cannot_be_built_is_refused_with_paths_of_the_repository(text: str, what: str) -> None:
    files: Files = {
        "app/kustomization.yaml": text,
        "app/part/a.yaml": obj("a"),
        "app/big.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "app/exec.yaml": yaml.safe_dump(
            {
                **obj("x", "Runner", "example.org/v1"),
                "metadata": {
                    "name": "x",
                    "annotations": {"config.kubernetes.io/function": "exec: {path: /bin/true}"},
                },
            }
        ),
    }
    wanted = artifact(files, {"app/link.yaml": "../../etc/passwd"})
    wanted = Artifact(wanted.revision, wanted.files, "", wanted.links, ("app/module",))
    found = collect(wanted, "app")
    assert not found.found
    (error,) = found.faults
    assert what in error.what
    assert error.where.startswith("app/")
    assert "gitops-lab-render" not in str(error) and error.fix


def test_kustomizations_that_fan_out_without_end_are_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "SECONDS", 0.3)
    files: dict[str, str] = {
        f"f{n}/kustomization.yaml": f"resources: [../f{n + 1}, ../g{n}]" for n in range(40)
    }
    files |= {f"g{n}/kustomization.yaml": f"resources: [../f{n + 1}]" for n in range(40)}
    files["f40/kustomization.yaml"] = "namespace: x"
    error = fault({**files, "kustomization.yaml": "resources: [f0]"})
    assert "longer than" in error.what


def test_output_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_OUTPUT", 100)
    files: Files = {"kustomization.yaml": "resources: [a.yaml]", "a.yaml": obj("a" * 200)}
    assert "more than" in fault(files).what


def test_a_render_is_remembered_by_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    files: Files = {"kustomization.yaml": "namePrefix: p-\nresources: [a.yaml]", "a.yaml": obj()}
    first = rendered(files)

    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("rendered twice")

    monkeypatch.setattr("gitops_lab.renderers.kustomize.build", never)
    assert rendered(files) is first
    assert [m.key.namespace for m in rendered(files, namespace="other")] == ["other"]


def test_only_a_chart_is_rendered_again_for_another_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def chart(files: object, links: object, folder: str, release: str) -> bytes:
        return yaml.safe_dump(obj(f"of-{release}")).encode()

    monkeypatch.setattr("gitops_lab.renderers.charts.renderer", lambda: chart)

    def of(files: Files, release: str) -> tuple[Manifest, ...]:
        return render(artifact(files), is_namespaced=is_namespaced, release=release)

    plain: Files = {"a.yaml": obj("a-plain-one")}
    assert of(plain, "one") is of(plain, "two")
    charts: Files = {"Chart.yaml": "apiVersion: v2\nname: named\nversion: 1.0.0\n"}
    for release in ("one", "two", "one"):
        assert [m.key.name for m in of(charts, release)] == [f"of-{release}"]


def test_a_chart_without_helm_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops_lab.renderers.charts.renderer", lambda: None)
    monkeypatch.setattr("gitops_lab.renderers.tools.helm", lambda: None)
    chart: Mapping[str, str] = {
        "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "templates/a.yaml": "metadata: {{ .Values.name }}\n",
    }
    assert "this folder is a Helm chart" in fault(dict(chart)).what
    inflated: Files = {
        "kustomization.yaml": "helmCharts: [{name: web}]",
        **{f"charts/web/{path}": text for path, text in chart.items()},
    }
    error = fault(inflated)
    assert "no Helm" in error.what and "gitops-lab[helm]" in error.fix
