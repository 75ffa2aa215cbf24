"""Arms as people write them."""

from __future__ import annotations

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.sandbox import Sandbox
from gitops_lab.worlds.arms import described, parsed
from tests.conftest import config_map, dump


@pytest.mark.parametrize(
    ("text", "name", "branch", "path"),
    [
        ("pull+self-heal", "pull+self-heal", "main", "."),
        ("pull:envs/dev", "pull-envs-dev", "main", "envs/dev"),
        ("pull@next", "pull-next", "next", "."),
        ("prod=pull@release/1:envs/prod", "prod", "release/1", "envs/prod"),
        ("west=push-on-commit", "west", "main", "."),
    ],
)
def test_each_part_but_the_kind_may_be_left_out(
    text: str, name: str, branch: str, path: str
) -> None:
    found = parsed(text)
    assert (found.name, found.branch, found.path) == (name, branch, path)


@pytest.mark.parametrize("text", ["pul", "dev=pul:x", "=pull", "", ":x", "pull+self-heel"])
def test_an_arm_that_does_not_exist_is_refused_and_the_nearest_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="there is no arm") as refused:
        parsed(text)
    assert "pull" in refused.value.fix


def test_two_arms_of_one_kind_need_two_names() -> None:
    with pytest.raises(UsageError, match="two arms have the name"):
        described(["pull", "pull"])
    assert [each.name for each in described(["pull", "two=pull"])] == ["pull", "two"]


def test_environments_are_folders() -> None:
    with Sandbox("dev=pull:envs/dev", "prod=push-on-commit:envs/prod") as world:
        world.commit(
            "both",
            {f"envs/{each}/a.yaml": dump(config_map("a", env=each)) for each in ("dev", "prod")},
        )
        world.run(minutes=3)
        for name in ("dev", "prod"):
            live = world[name].get("ConfigMap/a")
            assert live is not None and live["data"] == {"env": name}
