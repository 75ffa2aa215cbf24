from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.engine import hooks, waves


def obj(**annotations: str) -> dict[str, Any]:
    names = {
        "wave": waves.WAVE, "weight": waves.HELM_WEIGHT,
        "hook": hooks.HOOK, "helm": hooks.HELM_HOOK,
        "policy": hooks.DELETE_POLICY, "helm_policy": hooks.HELM_POLICY,
    }  # fmt: skip
    written = {names[name]: value for name, value in annotations.items()}
    return {"kind": "Job", "metadata": {"name": "job", "annotations": written}}


@pytest.mark.parametrize(
    ("annotations", "wave"),
    [
        ({}, 0),
        ({"wave": "-5"}, -5),
        ({"weight": "3"}, 3),
        ({"wave": "2", "weight": "3"}, 2),
        ({"wave": "soon"}, 0),
        ({"wave": "soon", "weight": "3"}, 3),
    ],
)
def test_the_wave_is_the_annotation_then_helms_weight_then_zero(
    annotations: dict[str, str], wave: int
) -> None:
    assert waves.wave(obj(**annotations)) == wave


def test_kinds_that_others_need_come_first_and_custom_kinds_last() -> None:
    kinds = ["Certificate", "Job", "Deployment", "Service", "ConfigMap", "Namespace"]
    assert sorted(kinds, key=waves.kind_order) == kinds[::-1]


@given(st.lists(st.integers(-99, 99)))
def test_mirroring_twice_changes_nothing(found: list[int]) -> None:
    mirror = waves.mirrored(found)
    assert {mirror[mirror[wave]] for wave in found} == set(found)
    assert sorted(mirror) == sorted(set(found))


def test_mirroring_reverses_the_order() -> None:
    assert waves.mirrored([0, 5, -1, 5]) == {-1: 5, 0: 0, 5: -1}


@pytest.mark.parametrize(
    ("annotations", "types", "is_hook"),
    [
        ({}, (), False),
        ({"hook": "PreSync"}, ("PreSync",), True),
        ({"hook": "PreSync, PostSync"}, ("PreSync", "PostSync"), True),
        ({"hook": "Skip"}, ("Skip",), False),
        ({"hook": "Never"}, (), True),
        ({"helm": "pre-install,pre-upgrade"}, ("PreSync",), True),
        ({"helm": "post-delete"}, ("PostDelete",), True),
        ({"helm": "crd-install"}, (), False),
        ({"helm": "test"}, (), True),
        ({"hook": "PostSync", "helm": "pre-install"}, ("PostSync",), True),
    ],
)
def test_the_types_of_a_hook(
    annotations: dict[str, str], types: tuple[str, ...], is_hook: bool
) -> None:
    assert hooks.types(obj(**annotations)) == types
    assert hooks.is_hook(obj(**annotations)) is is_hook


@pytest.mark.parametrize(
    ("annotations", "policies"),
    [
        ({}, ("BeforeHookCreation",)),
        ({"policy": "HookSucceeded,HookFailed"}, ("HookSucceeded", "HookFailed")),
        ({"helm_policy": "hook-succeeded"}, ("HookSucceeded",)),
        ({"policy": "HookFailed", "helm_policy": "hook-succeeded"}, ("HookFailed",)),
    ],
)
def test_when_a_hook_is_deleted(annotations: dict[str, str], policies: tuple[str, ...]) -> None:
    assert hooks.delete_policies(obj(**annotations)) == policies


def test_a_hook_without_a_name_is_named_for_revision_phase_and_start() -> None:
    job = {"kind": "Job", "metadata": {"generateName": "migrate-"}}
    assert hooks.hook_name(job, "0123456789", "PreSync", 17.9) == "migrate-0123456-presync-17"
    assert hooks.hook_name(obj(), "0123456789", "PreSync", 17.9) == "job"
