from __future__ import annotations

import json
from typing import Any

import pytest

from gitops_lab.errors import RenderError
from gitops_lab.frontends.argocd.helm_values import merged_parameter, values
from gitops_lab.model import Artifact, Revision
from gitops_lab.renderers.charts import renderer
from tests.frontends.argocd.lab import Lab

FILES = {
    "chart/Chart.yaml": b"apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": b"colour: blue\nsize: {w: 1, h: 2}\n",
    "chart/prod.yaml": b"size: {h: 3}\n",
    "shared.yaml": b"from: root\n",
    "chart/templates/cm.yaml": b"apiVersion: v1\nkind: ConfigMap\n"
    b"metadata: {name: '{{ .Release.Name }}'}\ndata: {colour: '{{ .Values.colour }}'}\n",
}
CHART = Artifact(Revision("main", "a" * 40), FILES, "sha256:x")


def of(**options: Any) -> Any:
    return json.loads(values(options, CHART, "chart"))


def test_later_values_win() -> None:
    assert of() == {"colour": "blue", "size": {"w": 1, "h": 2}}
    assert of(valueFiles=["prod.yaml", "/shared.yaml"])["size"] == {"w": 1, "h": 3}
    assert of(valueFiles=["/shared.yaml"])["from"] == "root"
    assert of(values="colour: red")["colour"] == "red"
    assert of(values="colour: red", valuesObject={"colour": "green"})["colour"] == "green"
    parameters = [
        {"name": "size.w", "value": "9"},
        {"name": "colour", "value": "1", "forceString": True},
    ]
    assert of(parameters=parameters) == {"colour": "1", "size": {"w": 9, "h": 2}}


def test_a_missing_file_is_an_error_unless_it_may_be_missing() -> None:
    with pytest.raises(RenderError, match=r"open chart/no\.yaml: no such file or directory"):
        of(valueFiles=["no.yaml"])
    assert of(valueFiles=["no.yaml"], ignoreMissingValueFiles=True)["colour"] == "blue"
    with pytest.raises(RenderError, match="not simulated: values of another source"):
        of(valueFiles=["$values/prod.yaml"])


def test_the_paths_of_parameters() -> None:
    assert merged_parameter({}, "a.b[1].c", 1) == {"a": {"b": [None, {"c": 1}]}}
    assert merged_parameter({}, r"a\.b", 1) == {"a.b": 1}
    with pytest.raises(RenderError):
        merged_parameter({}, "a[99999999]", 1)


def test_a_chart_is_rendered_where_there_is_helm_and_else_says_what_is_missing() -> None:
    with Lab() as lab:
        lab.commit({name: content.decode() for name, content in FILES.items()})
        source = {"repoURL": "https://git.gitops-lab.example/app.git", "path": "chart"}
        lab.application(source={**source, "helm": {"values": "colour: red"}}, auto={})
        lab.run(5)
        if renderer() is not None:
            live = lab.get("ConfigMap/web")
            assert live is not None and live["data"] == {"colour": "red"}
            assert lab.status()["sourceType"] == "Helm"
        else:
            assert "there is no Helm to render it" in lab.condition("ComparisonError")
