"""Who may do what, asked and changed with the real kubectl where it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apiserver.http.test_kubectl import KUBECTL, Kubectl, run

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine"),
]


def test_kubectl_asks_who_one_is_and_what_one_may(tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        assert "system:masters" in await kubectl("auth whoami")
        assert (await kubectl("auth can-i delete nodes")).endswith("yes\n")
        assert await kubectl.fails("auth can-i list pods --as jane") == "no\n"
        await kubectl("create role reader --verb=get,list --resource=pods,pods/log")
        await kubectl("create rolebinding reader --role=reader --user=jane")
        assert await kubectl("auth can-i list pods --as jane") == "yes\n"
        assert await kubectl("auth can-i get pods --subresource=log --as jane") == "yes\n"
        assert await kubectl.fails("auth can-i list pods -A --as jane") == "no\n"
        assert await kubectl("auth can-i get /version --as jane") == "yes\n"
        listed = await kubectl("auth can-i --list --as jane")
        assert ["pods/log", "[]", "[]", "[get", "list]"] in map(str.split, listed.splitlines())
        refused = await kubectl.fails("get secrets --as jane")
        assert refused == (
            'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list '
            'resource "secrets" in API group "" in the namespace "default"\n'
        )

    run(tmp_path, tmp_path, story)


def test_kubectl_gives_out_the_default_roles(tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("create rolebinding team --clusterrole=edit --group=team")
        as_joe = "--as joe --as-group team"
        await kubectl(f"create configmap settings --from-literal=a=b {as_joe}")
        await kubectl(f"create deployment web --image=web:1 {as_joe}")
        await kubectl(f"scale deployment web --replicas=2 {as_joe}")
        await kubectl(f"get pods {as_joe}")
        assert "forbidden" in await kubectl.fails(f"get roles {as_joe}")
        assert "forbidden" in await kubectl.fails(f"get configmaps -n kube-system {as_joe}")
        described = await kubectl("describe clusterrole view")
        assert "deployments.apps/scale" in described

    run(tmp_path, tmp_path, story)


def test_kubectl_makes_tokens_that_work_until_their_account_goes(tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("create serviceaccount bot")
        await kubectl("create rolebinding bot --clusterrole=view --serviceaccount=default:bot")
        token = (await kubectl("create token bot --duration=1h")).strip()
        await kubectl(f"config set-credentials bot --token={token}")
        await kubectl("config set-context bot --cluster=gitops-lab --user=bot")
        await kubectl("get pods --context bot")
        assert "system:serviceaccount:default:bot" in await kubectl("auth whoami --context bot")
        assert "cannot delete resource" in await kubectl.fails("delete pod web --context bot")
        assert "cannot list" in await kubectl.fails("get secrets --context bot")
        await kubectl("delete serviceaccount bot")
        assert "must be logged in" in await kubectl.fails("get pods --context bot")

    run(tmp_path, tmp_path, story)


def test_kubectl_reconciles_roles_and_is_told_of_escalation(tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("create rolebinding team --clusterrole=admin --user=jane")
        role = """
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
             "metadata": {"name": "own", "namespace": "default"},
             "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}"""
        assert "reconciled" in await kubectl("auth reconcile -f - --as jane", role)
        assert "reconciled" in await kubectl("auth reconcile -f - --as jane", role)
        refused = await kubectl.fails(
            "create role more --verb=create --resource=resourcequotas --as jane"
        )
        assert "is attempting to grant RBAC permissions not currently held:\n" in refused
        assert '{APIGroups:[""], Resources:["resourcequotas"], Verbs:["create"]}' in refused

    run(tmp_path, tmp_path, story)
