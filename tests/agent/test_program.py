"""The agent as a program: what it needs from its pod, and what it says when that is missing."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitops_lab.agent.program import in_cluster
from gitops_lab.errors import UsageError


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.96.0.1", "https://10.96.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")],
)
def test_a_pod_finds_its_api_server_as_every_pod_does(
    tmp_path: Path, host: str, server: str
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("t")
    variables = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"}
    path = in_cluster(tmp_path, variables, account)
    config = yaml.safe_load(path.read_text())
    assert config["clusters"][0]["cluster"]["server"] == server
    assert config["clusters"][0]["cluster"]["certificate-authority"] == str(account / "ca.crt")
    # The file, not what is in it: the kubelet renews the token.
    assert config["users"][0]["user"] == {"tokenFile": str(account / "token")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("variables", [{}, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}])
def test_outside_a_pod_it_asks_for_a_kubeconfig(tmp_path: Path, variables: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="does not run in a pod") as error:
        in_cluster(tmp_path, variables, tmp_path)
    assert "--kubeconfig" in error.value.fix


def test_credentials_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("agent")
    done = subprocess.run(
        [sys.executable, "-m", "gitops_lab", "agent", "--name=a", "--url=https://127.0.0.1:9/a.git",
            f"--credentials={tmp_path}", f"--work={tmp_path / 'work'}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "lack password, ca.crt" in done.stderr and "Traceback" not in done.stderr
