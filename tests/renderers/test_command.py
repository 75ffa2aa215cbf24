"""`gitops-lab render` prints what a folder renders to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitops_lab.cli import main
from gitops_lab.engine.documents import read


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    for path, text in {
        "base/kustomization.yaml": "resources: [a.yaml]",
        "base/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: 'yes'}",
        "over/kustomization.yaml": "namePrefix: east-\nresources: [../base]",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_it_prints_yaml_that_reads_as_the_objects(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(repository / "over")]) == 0
    text = capsys.readouterr().out
    (document,) = read(text.encode(), "out.yaml")
    assert document.value["metadata"]["name"] == "east-a"
    assert document.value["data"] == {"k": "yes"}
    assert "# from 'base/a.yaml'" in text


def test_it_prints_a_list_as_json(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(repository / "base"), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["metadata"]["name"] == "a"


def test_outside_a_repository_it_says_how_to_name_the_root(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / ".git").rmdir()
    assert main(["render", str(repository / "over")]) == 1
    assert "--root" in capsys.readouterr().err
    assert main(["render", str(repository / "over"), "--root", str(repository)]) == 0


def test_a_folder_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "no-such-folder"]) == 2
    assert "no-such-folder" in capsys.readouterr().err
