"""The experiments find what they are there to show, and say it from what they found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitops_lab.cli import main
from gitops_lab.errors import UsageError
from gitops_lab.experiments.catalogue import EXPERIMENTS, find
from gitops_lab.experiments.experiment import listed, run, typical
from gitops_lab.experiments.findings_table import in_words


def column(name: str, measure: str, *arms: str) -> dict[str, object]:
    result = run(find(name), arms=arms)
    return {arm: found[measure] for arm, found in result.findings.items()}


def test_a_pipeline_that_does_not_wait_for_a_definition_loses_its_object() -> None:
    result = run(find("ordering"))
    arrived = {arm: found["arrived"] for arm, found in result.findings.items()}
    assert arrived == {
        "push:none": False, "push:kinds": False, "push:stages": True, "push:waves": True,
        "pull:none": True, "pull:stages": True,
    }  # fmt: skip
    assert result.findings["pull:none"]["runs that failed"] == 1
    assert "pull:none needed a second run" in result.verdict


def test_validation_first_writes_all_or_nothing() -> None:
    assert column("partial-failure", "which") == {
        "push:none": "one, two, four, five",
        "push:validate-first": "none",
        "push:waves": "one, two",
        "pull": "one, two, four, five",
        "pull:validate-first": "none",
    }


def test_self_heal_fights_with_an_autoscaler_unless_it_ignores_the_field() -> None:
    result = run(find("fighting-controllers"), arms=["pull+self-heal", "self-heal:ignore", "pull"])
    rates = {arm: found["changes per minute"] for arm, found in result.findings.items()}
    assert isinstance(rates["pull+self-heal"], float) and rates["pull+self-heal"] > 1
    assert rates["pull"] == rates["self-heal:ignore"] == 0
    dropped = {a: found["after dropping the field"] for a, found in result.findings.items()}
    assert dropped["pull"] == "4 → 1 → 2"
    assert result.verdict.startswith("pull+self-heal and the autoscaler undo each other's work")


def test_only_who_keeps_an_inventory_prunes_and_flux_empties_everything() -> None:
    assert column("deletion", "left after emptying", "push-on-commit", "pull", "flux") == {
        "push-on-commit": "a, b, b-2, c", "pull": "b-2, c", "flux": "nothing",
    }  # fmt: skip


def test_only_who_takes_over_removes_a_container_that_git_does_not_declare() -> None:
    arms = ("pull+self-heal", "self-heal:take-over")
    result = run(find("extra-fields"), arms=arms)
    assert [result.findings[arm]["still there"] for arm in arms] == [True, False]
    assert result.findings["pull+self-heal"]["status names it"] is True
    assert "self-heal:take-over removed it" in result.verdict


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in "ab":
        paths = run(find("partial-failure"), arms=["pull"], seed=3).write(tmp_path / name)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


def test_every_experiment_says_what_it_asks_expects_and_leaves_out() -> None:
    for name, experiment in EXPERIMENTS.items():
        assert experiment.name == name and experiment.question.endswith("?")
        assert experiment.hypothesis.endswith(".") and experiment.leaves_out.endswith(".")
        assert len({arm.identity for arm in experiment.arms}) == len(experiment.arms)


def test_many_runs_make_a_distribution() -> None:
    result = run(find("partial-failure"), arms=["pull"], seed=5, repeat=2)
    assert result.seeds == (5, 6)
    assert len(result.to_json()["arms"]["pull"]["live of 5"]) == 2
    assert in_words([1, 3, 8]) == "3 (1 … 8)"
    assert in_words([True, False, True]) == "yes: 2, no: 1"
    assert (in_words([None, None]), in_words([2.0])) == ("–", "2")
    assert (typical([None, 2, 4]), typical([None, None, 4]), typical(["a", "b", "a"])) == (
        3, None, "a",
    )  # fmt: skip
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("no arm", "a", "a, b and c")


def test_the_command_prints_a_table_or_json_and_writes_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["experiment", "run", "partial-failure", "--arms", "pull,push:waves"]
    assert main([*command, "--output", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Verdict: " in text and "Left out: " in text and "push:waves" in text
    assert (tmp_path / "partial-failure" / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert main([*command, "--json", "--output", str(tmp_path)]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["arms"]["push:waves"]["which"] == ["one, two"]
    assert main(["experiment", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(EXPERIMENTS)


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "no-such"], ["run", "deletion", "--arms", "x"],
                  ["run", "deletion", "--all"], ["run", "deletion", "--repeat", "0"]],
)  # fmt: skip
def test_a_wrong_use_is_one_clear_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", *arguments]) == 2
    assert capsys.readouterr().err.count("gitops-lab: ") == 1
    with pytest.raises(UsageError):
        find("no-such")


def test_flux_and_argo_cd_part_in_six_rows() -> None:
    result = run(find("front-ends"))
    flux, argocd = result.findings["flux"], result.findings["argocd"]
    by_flux, by_argocd = flux["edit undone, s"], argocd["edit undone, s"]
    assert isinstance(by_flux, float | int) and isinstance(by_argocd, float | int)
    assert by_argocd <= 10 < by_flux <= 630, "at once, or somewhere within the interval"
    assert flux["label gone, s"] is not None and argocd["label gone, s"] is None
    assert flux["applied once it can be, s"] is not None
    assert argocd["applied once it can be, s"] is None, "one attempt per revision"
    for measure in ("empty folder deletes all", "its unit's end deletes all"):
        assert (flux[measure], argocd[measure]) == (True, False)
    assert "The extra label was removed by flux." in result.verdict
