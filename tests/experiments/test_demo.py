"""The demo: what it shows of push and pull, and that the same seed gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitops_lab.errors import LabError
from gitops_lab.experiments import demo
from gitops_lab.experiments.measure import Row, measure, to_json
from gitops_lab.journal import read
from gitops_lab.sandbox import ARMS, TWO

ROOT = Path(__file__).parents[2]
APPS = ROOT.parent / "shared" / "apps"


@pytest.fixture(scope="module")
def told() -> demo.Demo:
    return demo.run(list(ARMS))


def row(told: demo.Demo, chapter: str, arm: str) -> Row:
    return next(r for r in told.measurement.rows if (r.chapter, r.arm) == (chapter, arm))


def test_every_arm_deploys_and_upgrades(told: demo.Demo) -> None:
    for arm in ARMS:
        for chapter in ("first deploy", "upgrade"):
            found = row(told, chapter, arm)
            assert found.in_sync and found.health == "Healthy", (chapter, arm, found.why)
            assert found.applied_after is not None and found.healthy_after is not None
            assert 0 < found.applied_after < found.healthy_after


def test_a_hand_edit_is_undone_by_loops_that_write_and_by_nothing_else(told: demo.Demo) -> None:
    undone = {arm: row(told, "hand edit", arm).in_sync for arm in ARMS}
    assert undone == {
        "push-on-commit": False, "push-on-schedule": True, "pull": False, "pull+self-heal": True,
        "pull+webhook": False, "pipeline": False, "pipeline+parallel": False,
        "flux": False, "flux+webhook": False,  # their interval is ten minutes, the chapter has four
        "argocd": True,
    }  # fmt: skip
    for arm, in_time in undone.items():
        drift = row(told, "hand edit", arm).drift_seconds
        watches = arm == "argocd"  # it undoes an edit at the instant at which it sees it
        assert (0 < drift < 240 or (watches and drift == 0)) if in_time else drift == 240, arm


def test_a_deleted_file_leaves_orphans_where_nothing_keeps_an_inventory(told: demo.Demo) -> None:
    orphans = {arm: row(told, "file deleted", arm).orphans for arm in ARMS}
    left = ("Ingress default/shop",)
    assert orphans == {
        "push-on-commit": left, "push-on-schedule": left, "pull": (), "pull+self-heal": (),
        "pull+webhook": (), "pipeline": left, "pipeline+parallel": left,
        "flux": (), "flux+webhook": (), "argocd": (),
    }  # fmt: skip


def test_a_broken_commit_is_in_sync_and_not_healthy_everywhere(told: demo.Demo) -> None:
    # Argo CD compares every two to three minutes, with a revision that may be three minutes old.
    for arm in set(ARMS) - {"argocd"}:
        found = row(told, "image missing", arm)
        assert found.in_sync and found.health != "Healthy", arm
        assert row(told, "git revert", arm).health == "Healthy", arm


def test_a_missed_event_is_caught_up_with_by_loops_only(told: demo.Demo) -> None:
    caught_up = {arm: row(told, "back again", arm).in_sync for arm in ARMS}
    once_per_event = ("push-on-commit", "pipeline", "pipeline+parallel")
    assert caught_up == {arm: arm not in once_per_event for arm in ARMS}


def test_push_is_not_always_the_loser(told: demo.Demo) -> None:
    push, pull = (row(told, "upgrade", arm) for arm in ("push-on-commit", "pull"))
    assert push.applied_after is not None and pull.applied_after is not None
    hook = row(told, "upgrade", "pull+webhook").applied_after
    assert hook is not None and hook < push.applied_after < pull.applied_after + 60


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        demo.run(seed=7).write(tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["journal.jsonl", "report.html", "results.json", "timeline.png"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_another_seed_gives_another_journal() -> None:
    lines = [[entry.to_json() for entry in demo.run(seed=seed).journal] for seed in (1, 2)]
    assert lines[0] != lines[1]


def test_the_results_can_be_had_again_from_the_journal_alone(tmp_path: Path) -> None:
    told = demo.run()
    told.write(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    again = json.loads(json.dumps(to_json(measure(read(tmp_path / "journal.jsonl")))))
    assert {key: results[key] for key in again} == again


def test_the_report_needs_nothing_but_itself(tmp_path: Path) -> None:
    demo.run().write(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in text
    assert "http://" not in text and "https://" not in text and 'src="/' not in text


def test_nothing_in_the_results_names_a_place_on_this_machine(tmp_path: Path) -> None:
    told = demo.run()
    told.write(tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert b"/tmp" not in content and b"gitops-lab-" not in content, path.name


def test_the_picture_in_the_readme_is_of_todays_story() -> None:
    picture = (ROOT / "docs" / "timeline.png").read_bytes()
    assert demo.run().digest.encode() in picture, "run `make picture`, and look at it"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(LabError, match="--output"):
        demo.run().write(tmp_path / "taken")


@pytest.mark.parametrize("folder", ["podinfo/kustomize", "online-boutique/kubernetes-manifests"])
def test_the_story_is_told_with_real_applications(folder: str) -> None:
    manifests = APPS / folder
    if not manifests.is_dir():
        pytest.skip("the real applications' manifests are not beside this project")
    told = demo.run(manifests=manifests)
    for arm in TWO:
        assert row(told, "upgrade", arm).in_sync, arm
        assert row(told, "upgrade", arm).health == "Healthy", row(told, "upgrade", arm).why
    assert row(told, "back again", "pull+self-heal").in_sync
    assert row(told, "back again", "pull+self-heal").health == "Healthy"
    assert row(told, "file deleted", "push-on-commit").orphans
