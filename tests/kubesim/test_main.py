"""`python -m kubesim`, as a user runs it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.model import ObjectKey
from kubesim.__main__ import main


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_when_it_is_ready_and_ends_on_ctrl_c(number: int, tmp_path: Path) -> None:
    config = tmp_path / "k.yaml"
    command = [sys.executable, "-m", "kubesim", "--port", "0", "--kubeconfig", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    try:
        assert process.stdout.readline().startswith(b"Ready: Kubernetes v1.37 (simulated) at https")
        assert process.stdout.readline() == f"export KUBECONFIG={config}\n".encode()
        assert config.stat().st_mode & 0o077 == 0
        cluster = KubeconfigCluster("own", config, cache=tmp_path / "cache.json")
        assert cluster.get(ObjectKey("", "Node", "", "node-1")) is not None
        process.send_signal(number)
        assert process.wait(20) == 0
        cluster.close()
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "k.yaml"
        assert main(["--port", str(port), "--kubeconfig", str(config)]) == 1
    assert f"127.0.0.1:{port}: cannot listen" in capsys.readouterr().err
    assert not config.exists()


@pytest.mark.parametrize("wrong", [["--port", "70000"], ["--nodes", "0"], ["--nodes", "x"]])
def test_a_wrong_option_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2


def test_a_folder_that_does_not_exist_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--kubeconfig", str(tmp_path / "no" / "k.yaml")]) == 1
    assert str(tmp_path / "no") in capsys.readouterr().err
