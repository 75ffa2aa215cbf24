from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from gitops_lab.errors import ApiError
from gitops_lab.frontends.argocd.applicationsets.generators import GeneratorError, Generators
from gitops_lab.frontends.argocd.applicationsets.templates import application
from gitops_lab.frontends.argocd.destinations import OWN, Registered
from gitops_lab.frontends.argocd.names import API_VERSION, GROUP, IN_CLUSTER, NAMESPACE
from gitops_lab.model import Object, ObjectKey, named
from gitops_lab.sandbox import URL
from tests.frontends.argocd.lab import Lab, config
from tests.frontends.argocd.shared import shared

STAGING = Registered(
    "staging", "https://1.2.3.4", "", {}, {"environment": "staging",
    "argocd.argoproj.io/secret-type": "cluster"}, {}, "cluster-staging",
)  # fmt: skip


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


# -- the published examples --------------------------------------------------------------------

TREE = (
    "list-generator/guestbook/engineering-dev", "list-generator/guestbook/engineering-prod",
    "git-generator-directory/cluster-addons/argo-workflows",
    "git-generator-directory/cluster-addons/prometheus-operator",
    "git-generator-directory/excludes/cluster-addons/argo-workflows",
    "git-generator-directory/excludes/cluster-addons/prometheus-operator",
    "git-generator-directory/excludes/cluster-addons/exclude-helm-guestbook",
    "matrix/cluster-addons/argo-workflows", "matrix/cluster-addons/prometheus-operator",
)  # fmt: skip
FILES = {f"applicationset/examples/{folder}/x.yaml": b"" for folder in TREE}


@pytest.mark.parametrize(
    ("example", "names"),
    [
        ("list-generator/list-example",
         ["engineering-dev-guestbook", "engineering-prod-guestbook"]),
        ("git-generator-directory/git-directories-example",
         ["argo-workflows", "prometheus-operator"]),
        ("git-generator-directory/excludes/git-directories-exclude-example",
         ["argo-workflows", "prometheus-operator"]),
        ("cluster/cluster-example", ["in-cluster-guestbook", "staging-guestbook"]),
        ("matrix/list-and-git",
         [f"{tool}-engineering-{stage}" for tool in ("argo-workflows", "prometheus-operator")
          for stage in ("dev", "prod")]),
        ("matrix/cluster-and-git", ["argo-workflows-staging", "prometheus-operator-staging"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["", "-fasttemplate"])
def test_the_published_examples_give_their_applications(
    example: str, names: list[str], language: str
) -> None:
    place = shared("argocd-fixtures/applicationset-examples") / f"{example}{language}.yaml"
    spec = yaml.safe_load(place.read_text())["spec"]
    go = bool(spec.get("goTemplate"))
    assert go == (language == "")
    options = spec.get("goTemplateOptions") or ()
    generators = Generators(lambda: [OWN, STAGING], lambda url, rev: FILES, go=go, options=options)
    sets = [params for entry in spec["generators"] for params in generators.generate(entry)]
    apps = [application(spec["template"], "", p, go=go, options=options) for p in sets]
    assert sorted(app["metadata"]["name"] for app in apps) == sorted(names)
    text = json.dumps(apps)
    assert "{{" not in text and "<no value>" not in text


# -- generators --------------------------------------------------------------------------------


def generate(
    spec: Mapping[str, Any], *, go: bool = False, files: Mapping[str, bytes] | None = None
) -> list[dict[str, Any]]:
    return Generators(lambda: [OWN, STAGING], lambda url, rev: files or {}, go=go).generate(spec)


def lists(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"list": {"elements": list(elements)}}


def test_the_git_file_generator_reads_the_files() -> None:
    files = {"clusters/a/config.json": b'{"cluster": {"owner": "x"}, "n": 1}', "other.json": b"{}"}
    spec = {"git": {"repoURL": URL, "revision": "HEAD", "files": [{"path": "clusters/**/*.json"}]}}
    assert generate(spec, files=files) == [
        {
            "cluster.owner": "x", "n": "1", "path": "clusters/a", "path.basename": "a",
            "path.basenameNormalized": "a", "path[0]": "clusters", "path[1]": "a",
            "path.filename": "config.json", "path.filenameNormalized": "config.json",
        }
    ]  # fmt: skip
    (params,) = generate(spec, files=files, go=True)
    assert params["cluster"] == {"owner": "x"} and params["path"]["filename"] == "config.json"


def test_a_cluster_without_a_secret_is_left_out_by_a_selector() -> None:
    assert [p["name"] for p in generate({"clusters": {}})] == ["in-cluster", "staging"]
    selector = {"matchLabels": {"environment": "staging"}}
    assert [p["name"] for p in generate({"clusters": {"selector": selector}})] == ["staging"]


def test_values_may_use_the_parameters() -> None:
    (params,) = generate(
        {"clusters": {"selector": {"matchLabels": {"environment": "staging"}},
                      "values": {"host": "{{name}}.example.com"}}}
    )  # fmt: skip
    assert params["values.host"] == "staging.example.com"


def test_the_second_of_a_matrix_uses_the_first() -> None:
    matrix = {"matrix": {"generators": [
        lists({"env": "dev"}), lists({"host": "{{env}}.example.com"}),
    ]}}  # fmt: skip
    assert generate(matrix) == [{"env": "dev", "host": "dev.example.com"}]


def test_a_matrix_whose_keys_collide() -> None:
    matrix = {"matrix": {"generators": [lists({"k": "x"}), lists({"k": "y"})]}}
    with pytest.raises(
        GeneratorError, match="found duplicate key k with different value, a: x ,b: y"
    ):
        generate(matrix)
    assert generate(matrix, go=True) == [{"k": "x"}], "with Go templates the first one wins"


def test_a_merge_overrides_by_its_keys() -> None:
    merge = {"merge": {"mergeKeys": ["name"], "generators": [
        lists({"name": "a", "tier": "1"}, {"name": "b", "tier": "1"}),
        lists({"name": "b", "tier": "2"}, {"name": "c", "tier": "9"}),
    ]}}  # fmt: skip
    assert generate(merge) == [{"name": "a", "tier": "1"}, {"name": "b", "tier": "2"}]


def test_a_selector_filters_what_was_generated() -> None:
    spec = {**lists({"env": "a"}, {"env": "b"}), "selector": {"matchLabels": {"env": "b"}}}
    assert generate(spec) == [{"env": "b"}]


def test_generators_that_need_a_network_say_that_they_are_not_simulated() -> None:
    with pytest.raises(GeneratorError, match="not simulated: generator scmProvider"):
        generate({"scmProvider": {}})


# -- the controller ----------------------------------------------------------------------------


def appset(lab: Lab, *generators: Mapping[str, Any], name: str = "{{name}}", **spec: Any) -> None:
    body = named(
        API_VERSION, "ApplicationSet", "all", NAMESPACE,
        spec={
            "generators": list(generators),
            "template": {
                "metadata": {"name": name},
                "spec": {
                    "project": spec.pop("project", "default"),
                    "source": {"repoURL": URL, "path": spec.pop("path", "{{name}}")},
                    "destination": {"server": IN_CLUSTER, "namespace": "default"},
                    "syncPolicy": {"automated": {}},
                },
            },
            **spec,
        },
    )  # fmt: skip
    lab.kubectl.create(body, manager="kubectl")
    lab.run(1)


def names(lab: Lab) -> list[str]:
    return [a["metadata"]["name"] for a in lab.kubectl.list(GROUP, "Application")]


def conditions(lab: Lab) -> dict[str, tuple[str, str, str]]:
    found = lab.kubectl.get(lab.key("all", "ApplicationSet"))
    assert found is not None
    return {
        c["type"]: (c["status"], c["reason"], c["message"]) for c in found["status"]["conditions"]
    }


def of_set(lab: Lab) -> Object:
    found = lab.kubectl.get(lab.key("all", "ApplicationSet"))
    assert found is not None
    return found


def test_a_set_keeps_its_applications(lab: Lab) -> None:
    lab.commit({"a/cm.yaml": config("one"), "b/cm.yaml": config("two")})
    appset(lab, lists({"name": "a"}, {"name": "b"}))
    assert names(lab) == ["a", "b"]
    assert conditions(lab) == {
        "ErrorOccurred": ("False", "ApplicationSetUpToDate",
                          "All applications have been generated successfully"),
        "ParametersGenerated": ("True", "ParametersGenerated",
                                "Successfully generated parameters for all Applications"),
        "ResourcesUpToDate": ("True", "ApplicationSetUpToDate",
                              "All applications have been generated successfully"),
    }  # fmt: skip
    app = lab.app("a")
    assert app["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert app["metadata"]["ownerReferences"][0]["name"] == "all"
    lab.run(10)
    assert lab.get("ConfigMap/one") is not None and lab.get("ConfigMap/two") is not None
    key = lab.key("all", "ApplicationSet")
    lab.kubectl.patch(key, {"spec": {"generators": [lists({"name": "b"})]}}, manager="kubectl")
    lab.run(10)
    assert names(lab) == ["b"]
    assert lab.get("ConfigMap/one") is None, "the finalizer took the objects along"
    lab.kubectl.delete(key)
    lab.run(30)
    assert names(lab) == [] and lab.get("ConfigMap/two") is None


def test_a_hand_edit_of_a_generated_application_is_reverted(lab: Lab) -> None:
    lab.commit({"a/cm.yaml": config("one")})
    appset(lab, lists({"name": "a"}))
    lab.patch({"spec": {"syncPolicy": {"automated": None}}}, "a")
    lab.run(5)
    assert "automated" in lab.app("a")["spec"]["syncPolicy"]


def test_a_folder_more_is_an_application_more(lab: Lab) -> None:
    lab.commit({"apps/a/cm.yaml": config("one")})
    git = {"git": {"repoURL": URL, "revision": "HEAD", "directories": [{"path": "apps/*"}]}}
    appset(lab, git, name="{{path.basename}}", path="{{path}}")
    assert names(lab) == ["a"]
    lab.commit({"apps/b/cm.yaml": config("two")})
    lab.run(400)
    assert names(lab) == ["a", "b"] and lab.get("ConfigMap/two") is not None


def test_a_generator_that_fails_deletes_nothing(lab: Lab) -> None:
    lab.commit({"apps/a/cm.yaml": config("one")})
    git = {"git": {"repoURL": URL, "revision": "HEAD", "directories": [{"path": "apps/*"}]}}
    appset(lab, git, name="{{path.basename}}", path="{{path}}")
    lab.world.repository.reachable = False
    lab.run(600)
    assert names(lab) == ["a"]
    status, reason, _ = conditions(lab)["ErrorOccurred"]
    assert (status, reason) == ("True", "ApplicationGenerationFromParamsError")


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"name": "same"}, "ApplicationValidationError",
         "ApplicationSet all contains applications with duplicate name: same"),
        ({"project": "none"}, "ApplicationValidationError",
         "application references project none which does not exist"),
        ({"name": "{{.nome}}", "goTemplate": True, "goTemplateOptions": ["missingkey=error"]},
         "RenderTemplateParamsError",
         'failed to execute go template: map has no entry for key "nome"'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_set(
    lab: Lab, spec: dict[str, Any], reason: str, message: str
) -> None:
    appset(lab, lists({"name": "a"}, {"name": "b"}), **spec)
    assert conditions(lab)["ErrorOccurred"] == ("True", reason, message)
    assert names(lab) == []


def test_an_unknown_name_stays_as_it_is_written(lab: Lab) -> None:
    appset(lab, lists({"name": "a"}), path="{{nome}}")
    assert lab.app("a")["spec"]["source"]["path"] == "{{nome}}"


@pytest.mark.parametrize(
    ("policy", "changed", "left"),
    [
        ("sync", True, ["b"]),
        ("create-only", False, ["a", "b"]),
        ("create-update", True, ["a", "b"]),
        ("create-delete", False, ["b"]),
    ],
)
def test_policies(lab: Lab, policy: str, changed: bool, left: list[str]) -> None:
    appset(lab, lists({"name": "a"}, {"name": "b"}), syncPolicy={"applicationsSync": policy})
    spec = of_set(lab)["spec"]
    spec["template"]["spec"]["source"]["path"] = "other"
    patch = {"spec": {"generators": [lists({"name": "b"})], "template": spec["template"]}}
    lab.kubectl.patch(lab.key("all", "ApplicationSet"), patch, manager="kubectl")
    lab.run(5)
    assert names(lab) == left
    assert (lab.app("b")["spec"]["source"]["path"] == "other") is changed


def test_the_schema_refuses_an_unknown_policy(lab: Lab) -> None:
    with pytest.raises(ApiError, match="Unsupported value"):
        appset(lab, lists({"name": "a"}), syncPolicy={"applicationsSync": "never"})


def test_a_template_patch_changes_single_applications(lab: Lab) -> None:
    patch = '{{- if eq .name "a" }}\nspec:\n  source:\n    path: special\n{{- end }}\n'
    appset(
        lab, lists({"name": "a"}, {"name": "b"}), name="{{.name}}", path="{{.name}}",
        goTemplate=True, templatePatch=patch,
    )  # fmt: skip
    assert lab.app("a")["spec"]["source"]["path"] == "special"
    assert lab.app("b")["spec"]["source"]["path"] == "b"


def test_a_registered_cluster_becomes_an_application(lab: Lab) -> None:
    appset(lab, {"clusters": {}}, path="x")
    assert names(lab) == ["in-cluster"]
    data = {"name": "east", "server": "https://east.example", "config": "{}"}
    secret = named(
        "v1", "Secret", "east", NAMESPACE,
        data={k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    )  # fmt: skip
    secret["metadata"]["labels"] = {"argocd.argoproj.io/secret-type": "cluster"}
    lab.kubectl.create(secret, manager="kubectl")
    lab.run(1)
    assert names(lab) == ["east", "in-cluster"]
    assert lab.kubectl.get(ObjectKey(GROUP, "Application", NAMESPACE, "east")) is not None
