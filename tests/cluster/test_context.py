"""The user's own kubeconfig: read, never written, and refused if it looks like production."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_lab.cluster.context import (
    Context,
    Contexts,
    choose,
    contexts,
    looks_like_production,
    user_kubeconfig,
)
from gitops_lab.errors import UsageError


def written(path: Path, *names: str, current: str = "", server: str = "https://10.0.0.1") -> Path:
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}} for name in names],
        "users": [{"name": "jane", "user": {"token": "secret"}}],
        "contexts": [{"name": n, "context": {"cluster": n, "user": "jane"}} for n in names],
        "current-context": current,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_kubeconfigs_contexts_are_listed(tmp_path: Path) -> None:
    path = written(tmp_path / "config", "dev", "test", current="test")
    before = path.read_bytes()
    offered = contexts(path)
    assert list(offered.all) == ["dev", "test"]
    assert offered.all["dev"] == Context("dev", "dev", "https://10.0.0.1", "jane", "default")
    assert choose(offered).name == "test"
    assert choose(offered, "dev").name == "dev"
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["config"]


def test_of_several_files_the_first_that_defines_a_name_counts(tmp_path: Path) -> None:
    one = written(tmp_path / "one", "dev", server="https://one")
    two = written(tmp_path / "two", "dev", "test", current="test", server="https://two")
    missing = tmp_path / "missing"
    offered = contexts(Path(os.pathsep.join(map(str, (missing, one, two)))))
    assert {name: each.server for name, each in offered.all.items()} == {
        "dev": "https://one",
        "test": "https://two",
    }
    assert offered.current == "test"


def test_the_kubeconfig_is_where_kubectl_looks() -> None:
    assert user_kubeconfig({"KUBECONFIG": "/a:/b"}) == Path("/a:/b")
    assert user_kubeconfig({}) == user_kubeconfig({"KUBECONFIG": ""})
    assert user_kubeconfig({}).parts[-2:] == (".kube", "config")


@pytest.mark.parametrize(("name", "what"), [("nonsense", "no context 'nonsense'"), ("", "current")])
def test_a_context_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, name: str, what: str
) -> None:
    offered = contexts(written(tmp_path / "config", "dev", "test"))
    with pytest.raises(UsageError) as caught:
        choose(offered, name)
    assert what in str(caught.value) and "dev, test" in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "kind: Pod", "a: b: c", "kind: [", "\x00"])
def test_what_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        contexts(path)
    assert caught.value.where == str(path)


def test_no_kubeconfig_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no kubeconfig"):
        contexts(tmp_path / "missing")


def test_a_context_may_lack_everything(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("contexts: [{name: bare}, {name: lost, context: {cluster: gone}}]")
    offered = contexts(path)
    assert offered.all["bare"] == Context("bare", "", "", "")
    assert offered.all["lost"].server == ""
    path.write_text("")
    assert contexts(path).all == {}


# -- production ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "why"),
    [
        (Context("prod", "c", "", ""), "its name says 'prod'"),
        (Context("eu-prod-1", "c", "", ""), "'prod'"),
        (Context("PRODUCTION", "c", "", ""), "'production'"),
        (Context("shop_prd2", "c", "", ""), "'prd'"),
        (Context("x", "live.eu", "", ""), "its cluster's name says 'live'"),
        (Context("x", "c", "", "admin@prod"), "its user's name"),
        (Context("x", "c", "https://api.prod.example.com:6443", ""), "its server's name"),
        (Context("arn:aws:eks:eu-west-1:1:cluster/dev", "c", "", ""), "Amazon EKS"),
        (Context("x", "gke_project_zone_dev", "https://10.0.0.1", ""), "Google GKE"),
        (Context("x", "c", "https://ab.gr7.eu-west-1.eks.amazonaws.com", ""), "Amazon EKS"),
        (Context("x", "c", "https://dev-dns-1.hcp.westeurope.azmk8s.io:443", ""), "Azure AKS"),
    ],
)
def test_what_looks_like_production_is_refused_unless_it_is_confirmed_by_name(
    tmp_path: Path, context: Context, why: str
) -> None:
    assert why in looks_like_production(context)
    offered = Contexts(tmp_path, context.name, {context.name: context})
    for confirmed in ("", "yes", context.name.upper() + "!"):
        with pytest.raises(UsageError, match="looks like production") as caught:
            choose(offered, confirmed=confirmed)
        assert f"--confirm-context {context.name}" in str(caught.value)
    assert choose(offered, confirmed=context.name) is context


@pytest.mark.parametrize(
    "context",
    [
        Context("kind-demo", "kind-demo", "https://127.0.0.1:4321", "kind-demo"),
        Context("dev", "product-catalogue", "https://10.0.0.1", "delivery"),
        Context("non-prod", "nonprod", "https://api.nonprod.example.com", "jane"),
        Context("minikube", "minikube", "https://192.168.49.2:8443", "minikube"),
        Context("oliver", "reproduction", "", ""),
    ],
)
def test_what_does_not_look_like_production_is_taken(context: Context) -> None:
    assert looks_like_production(context) == ""


def test_a_confirmation_holds_for_one_context_only(tmp_path: Path) -> None:
    offered = contexts(written(tmp_path / "config", "prod-a", "prod-b"))
    with pytest.raises(UsageError):
        choose(offered, "prod-a", confirmed="prod-b")
