from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gitops_lab.frontends.argocd import projects, windows
from gitops_lab.frontends.argocd.commands import argocd
from gitops_lab.frontends.argocd.names import API_VERSION, IN_CLUSTER, NAMESPACE
from gitops_lab.model import ObjectKey, named
from gitops_lab.sandbox import URL
from tests.frontends.argocd.lab import EPOCH, Lab, config, deployment, job

MONDAY_NINE = EPOCH
"""Monday, 5 January 2026, 9:00 UTC."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def project(lab: Lab, name: str = "team", **spec: Any) -> None:
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        **spec,
    }
    lab.kubectl.create(
        named(API_VERSION, "AppProject", name, NAMESPACE, spec=spec), manager="kubectl"
    )


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"sourceRepos": ["https://other/*"]},
         f"application repo {URL} is not permitted in project 'team'"),
        ({"destinations": [{"server": IN_CLUSTER, "namespace": "team-*"}]},
         f"application destination server '{IN_CLUSTER}' and namespace 'default' do not match any "
         "of the allowed destinations in project 'team'"),
        ({"destinations": [{"server": "*", "namespace": "*"},
                           {"server": "*", "namespace": "!default"}]},
         f"application destination server '{IN_CLUSTER}' and namespace 'default' do not match any "
         "of the allowed destinations in project 'team'"),
    ],
)  # fmt: skip
def test_what_a_project_does_not_permit_is_an_invalid_spec(
    lab: Lab, spec: dict[str, Any], message: str
) -> None:
    lab.commit({"cm.yaml": config("a")})
    project(lab, **spec)
    lab.application(auto={}, project="team")
    lab.run(5)
    assert lab.condition("InvalidSpecError") == message
    assert lab.words() == ("Unknown", "Unknown")
    assert lab.get("ConfigMap/a") is None


def test_an_application_of_no_project(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("a")})
    lab.application(project="none")
    lab.run(1)
    assert lab.condition("InvalidSpecError") == (
        "Application referencing project none which does not exist"
    )
    project(lab, "none")
    lab.run(1)
    assert lab.condition("InvalidSpecError") == ""


def test_a_fresh_project_allows_no_cluster_scoped_kind(lab: Lab) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "r"},
        "rules": [],
    }
    lab.commit({"cm.yaml": config("a"), "role.yaml": json.dumps(role)})
    project(lab)
    lab.application(project="team")
    lab.run(1)
    lab.sync(seconds=2)
    assert lab.state()["phase"] == "Failed"
    why = "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project team"
    assert why in lab.state()["message"]
    assert lab.get("ConfigMap/a") is None, "nothing is written"
    found = {r["kind"]: r["status"] for r in lab.status()["resources"]}
    assert found["ClusterRole"] == "Unknown"


def test_a_namespace_outside_the_project(lab: Lab) -> None:
    other = config("a").replace('"name": "a"', '"name": "a", "namespace": "kube-system"')
    lab.commit({"cm.yaml": other})
    project(lab, destinations=[{"server": "*", "namespace": "default"}])
    lab.application(project="team")
    lab.run(1)
    lab.sync(seconds=2)
    assert "namespace kube-system is not permitted in project 'team'" in lab.state()["message"]


def test_lists_of_kinds() -> None:
    def permits(spec: dict[str, Any], kind: str, *, namespaced: bool) -> bool:
        group, _, name = kind.rpartition("/")
        return projects.permits_kind(spec, ObjectKey(group, name, "", "x"), namespaced=namespaced)

    assert permits({}, "apps/Deployment", namespaced=True)
    assert not permits({}, "Namespace", namespaced=False)
    white = {"namespaceResourceWhitelist": [{"group": "apps", "kind": "*"}]}
    assert permits(white, "apps/Deployment", namespaced=True)
    assert not permits(white, "Secret", namespaced=True)
    black = {"namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]}
    assert not permits(black, "Secret", namespaced=True)
    assert permits(black, "ConfigMap", namespaced=True)


# -- sync windows ------------------------------------------------------------------------------


def window(
    kind: str, schedule: str = "0 9 * * *", duration: str = "1h", **more: Any
) -> dict[str, Any]:
    return {"kind": kind, "schedule": schedule, "duration": duration, "applications": ["*"], **more}


ALLOW, DENY = window("allow"), window("deny")
LATER = {"schedule": "0 20 * * *"}


@pytest.mark.parametrize(
    ("found", "automated", "manual"),
    [
        ([], True, True),
        ([ALLOW], True, True),
        ([DENY], False, False),
        ([{**DENY, "manualSync": True}], False, True),
        ([DENY, {**DENY, "manualSync": True}], False, False),
        ([ALLOW, DENY], False, False),
        ([{**ALLOW, **LATER}], False, False),
        ([{**ALLOW, **LATER, "manualSync": True}], False, True),
        ([{**DENY, **LATER}], True, True),
        ([{**ALLOW, **LATER}, ALLOW], True, True),
        ([{**ALLOW, "timeZone": "Europe/Berlin"}], False, False),
        ([{**DENY, "schedule": "nonsense"}], True, True),
    ],
)
def test_who_may_sync_at_nine_thirty(
    found: list[dict[str, Any]], automated: bool, manual: bool
) -> None:
    now = MONDAY_NINE + 1800
    assert windows.can_sync(found, now, manual=False) is automated
    assert windows.can_sync(found, now, manual=True) is manual


def test_a_sync_that_began_outside_may_end_if_the_window_says_so() -> None:
    now, began = MONDAY_NINE + 60, MONDAY_NINE - 60
    assert not windows.can_sync([DENY], now, manual=False, began=began)
    assert windows.can_sync([{**DENY, "syncOverrun": True}], now, manual=False, began=began)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"kind": "maybe"}, "kind 'maybe' mismatch: can only be allow or deny"),
        ({"schedule": "x"}, "cannot parse schedule 'x'"),
        ({"duration": "long"}, "cannot parse duration 'long'"),
    ],
)
def test_what_is_wrong_with_a_window(given: dict[str, str], fault: str) -> None:
    (found,) = windows.faults({**ALLOW, **given}, MONDAY_NINE)
    assert found.startswith(fault)


def test_which_applications_a_window_is_about() -> None:
    app = {"metadata": {"name": "web"}, "spec": {"destination": {"namespace": "shop"}}}
    both = {**ALLOW, "applications": ["web"], "namespaces": ["other"]}
    assert windows.assigned([both], app, "s", "c") == [both], "either is enough"
    assert windows.assigned([{**both, "andOperator": True}], app, "s", "c") == []


def test_a_closed_window_stops_automation_and_people(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("a")})
    project(lab, syncWindows=[DENY])
    lab.application(auto={}, project="team")
    lab.run(600)
    assert lab.words()[0] == "OutOfSync" and lab.state() == {}
    text, code = argocd(lab.plane.api, "app sync web", lab.run)
    assert code == 1
    assert text == "rpc error: code = PermissionDenied desc = cannot sync: blocked by sync window"
    text, _ = argocd(lab.plane.api, "app get web", lab.run)
    assert "SyncWindow:         Sync Denied" in text
    assert "Assigned Windows:   deny:0 9 * * *:1h" in text
    lab.sync(seconds=1)
    assert lab.state()["message"] == "Sync operation blocked by sync window"
    lab.run(3600)
    assert lab.words()[0] == "Synced", "it runs when the window opens"


# -- deletion ----------------------------------------------------------------------------------

CASCADE = ["resources-finalizer.argocd.argoproj.io"]


def test_kubectl_delete_leaves_the_objects(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("a")})
    lab.application(auto={})
    lab.run(5)
    lab.kubectl.delete(lab.key("web"))
    lab.run(30)
    assert lab.get("ConfigMap/a") is not None


def test_a_finalizer_deletes_the_highest_wave_first(lab: Lab) -> None:
    wave = "argocd.argoproj.io/sync-wave"
    keep = {"argocd.argoproj.io/sync-options": "Delete=false"}
    lab.commit(
        {
            "a.yaml": config("first", {wave: "-1"}),
            "b.yaml": config("last", {wave: "5"}),
            "k.yaml": config("kept", keep),
            "web.yaml": deployment(),
        }
    )
    lab.application(auto={}, finalizers=CASCADE)
    lab.run(60)
    gone: list[str] = []
    lab.arm.cluster.on_change(
        lambda key: gone.append(key.name) if key.kind in ("ConfigMap", "Deployment") else None
    )
    lab.kubectl.delete(lab.key("web"))
    lab.run(60)
    assert lab.kubectl.get(lab.key("web")) is None
    assert lab.get("ConfigMap/kept") is not None
    order = [name for name in dict.fromkeys(reversed(gone)) if name in ("first", "last", "web")]
    assert order[::-1] == ["last", "web", "first"]


def test_hooks_before_and_after_a_deletion(lab: Lab) -> None:
    lab.commit(
        {
            "cm.yaml": config("a"),
            "before.yaml": job("backup", "PreDelete"),
            "after.yaml": job("bye", "PostDelete"),
        }
    )
    lab.application(auto={}, finalizers=CASCADE)
    lab.run(5)
    assert set(lab.app()["metadata"]["finalizers"]) == {
        *CASCADE,
        "pre-delete-finalizer.argocd.argoproj.io",
        "pre-delete-finalizer.argocd.argoproj.io/cleanup",
        "post-delete-finalizer.argocd.argoproj.io",
        "post-delete-finalizer.argocd.argoproj.io/cleanup",
    }
    lab.kubectl.delete(lab.key("web"))
    lab.run(2)
    assert lab.get("Job/backup") is not None and lab.get("ConfigMap/a") is not None
    lab.run(60)
    assert lab.kubectl.get(lab.key("web")) is None
    assert lab.get("ConfigMap/a") is None and lab.get("Job/bye") is not None


def test_the_cluster_is_gone(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("a")})
    lab.application(finalizers=CASCADE, destination={"name": "nowhere", "namespace": "default"})
    lab.run(1)
    assert lab.condition("InvalidSpecError") == "there are no clusters with this name: nowhere"
    lab.kubectl.delete(lab.key("web"))
    lab.run(5)
    assert lab.kubectl.get(lab.key("web")) is None


def child(name: str, *, finalizers: bool) -> str:
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
    if finalizers:
        metadata["finalizers"] = CASCADE
    spec = {
        "project": "default",
        "source": {"repoURL": URL, "path": name},
        "destination": {"server": IN_CLUSTER, "namespace": "default"},
        "syncPolicy": {"automated": {}},
    }
    return json.dumps(
        {"apiVersion": API_VERSION, "kind": "Application", "metadata": metadata, "spec": spec}
    )


def test_app_of_apps(lab: Lab) -> None:
    lab.commit(
        {
            "apps/a.yaml": child("a", finalizers=True),
            "apps/b.yaml": child("b", finalizers=False),
            "a/cm.yaml": config("one"),
            "b/cm.yaml": config("two"),
        }
    )
    lab.application("parent", path="apps", namespace=NAMESPACE, auto={}, finalizers=CASCADE)
    lab.run(30)
    assert lab.words("parent") == ("Synced", "Healthy")
    assert lab.status("parent")["summary"]["isAppOfApps"] is True
    assert lab.get("ConfigMap/one") is not None and lab.get("ConfigMap/two") is not None
    lab.kubectl.delete(lab.key("parent"))
    lab.run(60)
    assert lab.kubectl.list("argoproj.io", "Application") == []
    assert lab.get("ConfigMap/one") is None, "its Application had the finalizer"
    assert lab.get("ConfigMap/two") is not None, "its Application had none"
