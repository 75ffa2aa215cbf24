"""The story can be told with any folder that it can be told with, and says so of any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.experiments.story import SHOP, Story, next_version, read_folder, with_tag
from gitops_lab.sandbox import Sandbox
from tests.conftest import config_map, deployment, dump


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
        list(Story(world, folder).tell())


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
