"""Who one is, and what one may do."""

from __future__ import annotations

import pytest

from tests.kubectl.live import Kubectl
from tests.kubectl.objects import config_map


def test_one_asks_what_one_may_do(kubectl: Kubectl) -> None:
    assert kubectl("auth can-i delete nodes").endswith("yes\n")
    assert kubectl.fails("auth can-i list pods --as jane") == "no\n"
    kubectl("create role reader --verb get,list --resource pods,pods/log")
    kubectl("create rolebinding reader --role reader --user jane")
    assert kubectl("auth can-i list pods --as jane") == "yes\n"
    assert kubectl("auth can-i get pods --subresource log --as jane") == "yes\n"
    assert kubectl.fails("auth can-i list pods -A --as jane") == "no\n"
    assert kubectl("auth can-i get /version --as jane") == "yes\n"
    rows = kubectl.rows("auth can-i --list --as jane")
    assert " ".join(rows[0]) == "Resources Non-Resource URLs Resource Names Verbs"
    assert ["pods/log", "[]", "[]", "[get", "list]"] in rows


def test_who_may_not_is_told_what_he_lacks(kubectl: Kubectl) -> None:
    assert kubectl.fails("get secrets --as jane") == (
        'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list resource '
        f'"secrets" in API group "" in the namespace "{kubectl.namespace}"\n'
    )


@pytest.mark.since(28)
def test_one_asks_who_one_is(kubectl: Kubectl) -> None:
    rows = kubectl.rows("auth whoami")
    assert rows[:2] == [["ATTRIBUTE", "VALUE"], ["Username", "admin"]]
    assert "jane" in kubectl("auth whoami --as jane --as-group team")


def test_the_default_roles_can_be_given(kubectl: Kubectl) -> None:
    kubectl("create rolebinding team --clusterrole edit --group team")
    as_joe = "--as joe --as-group team"
    kubectl(f"create configmap settings --from-literal a=b {as_joe}")
    kubectl(f"create deployment web --image web:1 {as_joe}")
    kubectl(f"scale deployment web --replicas 2 {as_joe}")
    assert "forbidden" in kubectl.fails(f"get roles {as_joe}")
    assert "forbidden" in kubectl.fails(f"get configmaps -n kube-system {as_joe}")


@pytest.mark.since(24)
def test_a_token_proves_who_one_is_until_the_account_goes(kubectl: Kubectl) -> None:
    kubectl("create serviceaccount bot")
    account = f"{kubectl.namespace}:bot"
    kubectl(f"create rolebinding bot --clusterrole view --serviceaccount {account}")
    token = kubectl("create token bot --duration 1h").strip()
    kubectl(f"config set-credentials bot --token {token}")
    kubectl(
        f"config set-context bot --cluster gitops-lab --user bot --namespace {kubectl.namespace}"
    )
    kubectl("get pods --context bot")
    assert "cannot delete resource" in kubectl.fails("delete pod web --context bot")
    assert "cannot list" in kubectl.fails("get secrets --context bot")
    kubectl("delete serviceaccount bot")
    assert "must be logged in" in kubectl.fails("get pods --context bot")


def test_roles_are_reconciled_and_nobody_gives_what_he_has_not(kubectl: Kubectl) -> None:
    kubectl("create rolebinding team --clusterrole admin --user jane")
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "own", "namespace": kubectl.namespace},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    file = kubectl.file("role.yaml", role)
    assert "reconciled" in kubectl(f"auth reconcile -f {file} --as jane")
    refused = kubectl.fails("create role more --verb create --resource resourcequotas --as jane")
    assert "is attempting to grant RBAC permissions not currently held:\n" in refused
    assert '{APIGroups:[""], Resources:["resourcequotas"], Verbs:["create"]}' in refused


def test_who_may_only_update_cannot_create_by_applying(kubectl: Kubectl) -> None:
    kubectl("create role writer --verb get,patch,update --resource configmaps")
    kubectl("create rolebinding writer --role writer --user jane")
    file = kubectl.file("book.yaml", config_map())
    for how in ("", "--server-side"):
        refused = kubectl.fails(f"apply {how} -f {file} --as jane")
        assert 'cannot create resource "configmaps"' in refused or "cannot patch" in refused
