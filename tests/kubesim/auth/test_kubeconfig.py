from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
import yaml
from kubernetes import config as loader

from gitops_lab.errors import UsageError
from kubesim.auth.certificates import Authority
from kubesim.auth.kubeconfig import kubeconfig, write

SERVER = "https://127.0.0.1:6443"
AUTHORITY = Authority.create()


def test_only_its_owner_can_read_a_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("an old one that anybody can read")
    path.chmod(0o644)
    config = kubeconfig(SERVER, AUTHORITY.ca_pem, token="secret")
    write(config, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text()) == config
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


def test_the_official_client_understands_a_kubeconfig(tmp_path: Path) -> None:
    pems = AUTHORITY.issue_client("admin", ["system:masters"])
    write(
        kubeconfig(SERVER, AUTHORITY.ca_pem, certificate=pems, namespace="shop", cluster="pull"),
        tmp_path / "config",
    )
    contexts, active = loader.list_kube_config_contexts(str(tmp_path / "config"))
    assert contexts == [active]
    assert active["name"] == "pull"
    assert active["context"] == {"cluster": "pull", "user": "admin", "namespace": "shop"}
    client = loader.new_client_from_config(str(tmp_path / "config"))
    settings = client.configuration
    assert settings.host == SERVER
    assert Path(settings.ssl_ca_cert).read_text() == AUTHORITY.ca_pem
    assert Path(settings.cert_file).read_text() == pems[0]


def test_a_token_is_written_as_it_is() -> None:
    config = kubeconfig(SERVER, AUTHORITY.ca_pem, token="secret", user="agent")
    assert config["users"] == [{"name": "agent", "user": {"token": "secret"}}]
    data = config["clusters"][0]["cluster"]["certificate-authority-data"]
    assert base64.b64decode(data).decode() == AUTHORITY.ca_pem


def test_what_an_interrupted_write_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".config.new").write_text("half a")
    write(kubeconfig(SERVER, AUTHORITY.ca_pem, token="secret"), tmp_path / "config")
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


@pytest.mark.parametrize("both", [True, False])
def test_one_proves_who_one_is_in_exactly_one_way(both: bool) -> None:
    pems = AUTHORITY.issue_client("admin")
    with pytest.raises(UsageError):
        kubeconfig(
            SERVER,
            AUTHORITY.ca_pem,
            certificate=pems if both else None,
            token="secret" if both else "",
        )
