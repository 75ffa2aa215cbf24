"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_lab import __version__
from gitops_lab.cli import main, parser

ROOT = Path(__file__).parents[1]


def test_the_demo_prints_a_table_and_writes_four_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for word in ("first deploy", "hand edit", "push-on-commit", "pull+self-heal", "timeline.png"):
        assert word in out
    assert len(list(tmp_path.iterdir())) == 4


def test_json_goes_to_standard_output_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--json", "--arms", "pull", "--output", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "results.json").read_text())
    assert list(printed["arms"]) == ["pull"]


def test_progress_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", "--arms", "pull", "--output", str(tmp_path)])
    assert "hand edit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["demo", "--arms", "psuh"], 2, "there is no arm 'psuh'"),
        (["demo", "--manifests", "nowhere"], 2, "nowhere: this is no folder"),
    ],
)
def test_a_wrong_use_is_one_clear_message(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    err = capsys.readouterr().err
    assert text in err and "Traceback" not in err
    assert err.splitlines()[-1].startswith("gitops-lab: ")


@pytest.mark.parametrize("arguments", [["nonsense"], ["demo", "--seed", "x"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2


def test_a_machine_without_git_is_told_so(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, "-m", "gitops_lab", "demo", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "git" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "gitops_lab", "demo", "--output", str(tmp_path / "out")]
    place = tmp_path / "temporary"
    place.mkdir()
    with subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(place)}, cwd=ROOT, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as demo:  # fmt: skip
        assert demo.stderr is not None
        assert "first deploy" in demo.stderr.readline()
        assert list(place.iterdir())
        demo.send_signal(number)
        rest = demo.stderr.read()
    assert demo.returncode == code, rest
    assert "Traceback" not in rest
    assert not list(place.iterdir()) and not (tmp_path / "out").exists()


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"gitops-lab {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    heavy = ("matplotlib", "git", "yaml", "rich", "kubernetes")
    script = (
        "import sys; from gitops_lab.cli import parser; parser().format_help();"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command", ["up", "status", "down", "reset", "logs", "kubeconfig", "clone"]
)
def test_a_state_directory_that_is_none_is_one_clear_message(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert main([command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Not a directory" in line and "doctor" in line


@pytest.mark.parametrize(
    ("word", "told"), [("", "nothing is left behind"), ("it stays", "it stays")]
)
def test_an_interruption_says_what_is_left(
    word: str, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt(*([word] if word else []))

    monkeypatch.setattr("gitops_lab.cli.live.run_status", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == f"gitops-lab: interrupted; {told}\n"


def test_following_the_logs_ends_without_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "gitops-lab" / "default"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text("")
    monkeypatch.setattr("gitops_lab.cli.logs.entries", interrupted)
    assert main(["logs"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["exec", "deploy/web", "--", "wget", "-qO-", "http://web/"],
        ["--name", "shop", "get", "pods", "-A"],
        ["--help"],
        [],
    ],
)
def test_everything_goes_to_kubectl_as_it_stands(arguments: list[str]) -> None:
    assert parser().parse_args(["kubectl", *arguments]).arguments == arguments
