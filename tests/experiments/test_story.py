"""The story can be told with any folder that it can be told with, and says so of any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gitops_lab.errors import UsageError
from gitops_lab.experiments.story import SHOP, Story, next_version, read_folder, with_tag
from gitops_lab.sandbox import Sandbox
from tests.conftest import config_map, deployment, dump, namespace


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("shop:1.0.0", "shop:1.0.1"),
        ("shop:1.9", "shop:1.10"),
        ("shop", "shop:v2"),
        ("shop:latest", "shop:v2"),
        ("registry:5000/team/shop", "registry:5000/team/shop:v2"),
        ("registry:5000/team/shop:v7-alpine", "registry:5000/team/shop:v8-alpine"),
        ("shop:1.0@sha256:abc", "shop:1.1"),
    ],
)
def test_the_next_version_of_an_image(image: str, expected: str) -> None:
    assert next_version(image) == expected


def test_another_tag_leaves_the_registrys_port_alone() -> None:
    assert with_tag("registry:5000/shop", "x") == "registry:5000/shop:x"


def test_only_the_workloads_own_image_changes(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(
        dump(deployment("web", "shop:1"), deployment("zoo", "shop:10"))
    )
    (tmp_path / "b.yaml").write_text(dump(config_map("b")))
    with Sandbox("pull") as world:
        story = Story(world, tmp_path)
        story.deploy()
        story.upgrade()
        images = {
            m.key.name: m.body["spec"]["template"]["spec"]["containers"][0]["image"]
            for m in world.desired() if m.key.kind == "Deployment"
        }  # fmt: skip
        assert images == {"web": "shop:2", "zoo": "shop:10"}


def test_a_file_that_a_kustomization_lists_leaves_the_list_too(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources:\n  - web.yaml\n  - b.yaml # spare\n")
    (tmp_path / "web.yaml").write_text(dump(deployment()))
    (tmp_path / "b.yaml").write_text(dump(config_map("b")))
    with Sandbox("pull") as world:
        story = Story(world, tmp_path)
        story.deploy()
        story.delete_file()
        assert [manifest.key.name for manifest in world.desired()] == ["web"]


def test_the_story_would_rather_delete_an_ingress_than_a_config(tmp_path: Path) -> None:
    with Sandbox("pull") as world:
        story = Story(world, SHOP)
        story.deploy()
        assert story.expendable == "ingress.yaml"


def test_only_manifests_are_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.yaml").write_text("a: 1")
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.yaml").write_text("b: 1")
    assert read_folder(tmp_path) == {"deep/b.yaml": "b: 1"}


def tell(folder: Path) -> None:
    with Sandbox("pull") as world:
        list(Story(world, folder).run())


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        tell(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no YAML"):
        tell(tmp_path)


def test_a_folder_without_a_deployment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(dump(config_map("a")))
    (tmp_path / "b.yaml").write_text(dump(config_map("b")))
    with pytest.raises(UsageError, match="needs a Deployment"):
        tell(tmp_path)


def test_a_folder_with_a_single_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(dump(deployment()))
    with pytest.raises(UsageError, match="only one"):
        tell(tmp_path)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UsageError, match="not UTF-8"):
        tell(tmp_path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    with pytest.raises(UsageError, match="too large"):
        tell(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("a: 1")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(UsageError, match="leaves the folder"):
        tell(folder)


# -- forms in which people write ------------------------------------------------------------------

TILL = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: till}
spec:
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      containers:
      - name: till
        %s
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: till}\nspec: {ports: [{port: 80}]}\n"


def told(folder: Path, files: dict[str, str]) -> tuple[list[str], list[str]]:
    """The workload's images at each chapter, and the names of the objects at the end."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    images = []
    with Sandbox("pull", observe=False) as world:
        for _ in (story := Story(world, folder)).run():
            images.append(story.image)
        return images, [manifest.key.name for manifest in world.desired()]


IMAGES = [f"till:{tag}" for tag in (1, 2, 2, 2, "does-not-exist", 2, 3, 3)]


@pytest.mark.parametrize(
    "form",
    [
        "image: till:1", 'image: "till:1"', "image: 'till:1'  # of the till", '"image": "till:1"',
        "image: &img till:1\n        env: [{name: IMAGE, value: x}]", "image: >-\n          till:1",
        "image: !!str till:1",
    ],
)  # fmt: skip
def test_the_image_changes_in_whatever_form_it_is_written(tmp_path: Path, form: str) -> None:
    images, left = told(tmp_path, {"till.yaml": TILL % form, "svc.yaml": SERVICE})
    assert (images, left) == (IMAGES, ["till"])


def test_a_manifest_may_be_json(tmp_path: Path) -> None:
    (value,) = yaml.safe_load_all(TILL % "image: till:1")
    files = {"till.json": json.dumps(value), "svc.yaml": SERVICE, "package.json": '{"name": "x"}'}
    assert told(tmp_path, files)[0] == IMAGES


@pytest.mark.parametrize(
    "files",
    [
        {"kustomization.yaml": "resources: [till.yaml, svc.yaml]"},
        {"kustomization.yml": "resources:\n- till.yaml\n- svc.yaml\n"},
        {"Kustomization": 'resources:\n- "till.yaml"\n- ./svc.yaml\n'},
    ],
)
def test_a_kustomization_may_list_files_in_any_form(tmp_path: Path, files: dict[str, str]) -> None:
    images, left = told(
        tmp_path, {**files, "till.yaml": TILL % "image: till:1", "svc.yaml": SERVICE}
    )
    assert (images, left) == (IMAGES, ["till"])


def test_the_file_and_the_image_may_be_of_a_base_that_an_overlay_changes(tmp_path: Path) -> None:
    files = {
        "kustomization.yaml": "resources: [base]\nimages: [{name: till, newTag: '1'}]\n",
        "base/kustomization.yaml": "namePrefix: big-\nresources: [till.yaml, svc.yaml]\n",
        "base/till.yaml": TILL % "image: till:0",
        "base/svc.yaml": SERVICE,
    }
    images, left = told(tmp_path, files)
    assert (images, left) == (IMAGES, ["big-till"])


def test_what_others_need_is_never_deleted(tmp_path: Path) -> None:
    till = yaml.safe_load(TILL % "image: till:1")
    till["metadata"]["namespace"] = "hall"
    volume = {"name": "v", "configMap": {"name": "needed"}}
    till["spec"]["template"]["spec"]["volumes"] = [volume]
    files = {
        "00-space.yaml": dump(namespace("hall")),
        "05-needed.yaml": dump(config_map("needed", "hall")),
        "10-conf.yaml": dump(config_map("till", "hall")),
        "20-till.yaml": dump(till),
    }
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    with Sandbox("pull") as world:
        assert Story(world, tmp_path).expendable == "10-conf.yaml"
        (tmp_path / "10-conf.yaml").unlink()
        with pytest.raises(UsageError, match="others need"):
            Story(world, tmp_path)


def test_what_the_folder_lacks_is_said_before_the_story_begins(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]")
    with Sandbox("pull") as world, pytest.raises(UsageError, match=r"missing\.yaml"):
        Story(world, tmp_path)
    assert not world.repository.branches
