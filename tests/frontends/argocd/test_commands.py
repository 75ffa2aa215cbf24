from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitops_lab.frontends.argocd.commands import argocd
from gitops_lab.sandbox import URL
from tests.frontends.argocd.lab import Lab, config, deployment, job


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def sh(lab: Lab, line: str) -> tuple[str, int]:
    return argocd(lab.plane.api, line, lab.run)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def created(lab: Lab, *, more: str = "") -> None:
    command = f"app create web --repo {URL} --path . --revision main --dest-namespace default"
    assert sh(lab, f"{command} {more}") == ("application 'web' created", 0)
    lab.run(1)


def test_from_out_of_sync_to_synced(lab: Lab) -> None:
    commit = lab.commit({"web.yaml": deployment()})[:7]
    created(lab)
    assert lines(sh(lab, "app list")[0]) == [
        "NAME        CLUSTER                         NAMESPACE  PROJECT  STATUS     HEALTH   "
        "SYNCPOLICY  CONDITIONS",
        "argocd/web  https://kubernetes.default.svc  default    default  OutOfSync  Missing  "
        "Manual      <none>",
    ]
    text, code = sh(lab, "app sync web")
    assert code == 0
    assert "Message:            successfully synced (all tasks run)" in text
    text, code = sh(lab, "app wait web --timeout 60")
    assert code == 0
    assert lines(sh(lab, "app get web")[0]) == [
        "Name:               argocd/web",
        "Project:            default",
        "Server:             https://kubernetes.default.svc",
        "Namespace:          default",
        "URL:                https://argocd.example.com/applications/web",
        "Source:",
        f"- Repo:             {URL}",
        "  Target:           main",
        "  Path:             .",
        "SyncWindow:         Sync Allowed",
        "Sync Policy:        Manual",
        f"Sync Status:        Synced to main ({commit})",
        "Health Status:      Healthy",
        "",
        "GROUP  KIND        NAMESPACE  NAME  STATUS  HEALTH   HOOK  MESSAGE",
        "apps   Deployment  default    web   Synced  Healthy        deployment.apps/web created",
    ]


def test_a_diff_goes_from_live_to_desired_and_has_an_exit_code(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    created(lab)
    sh(lab, "app sync web")
    assert sh(lab, "app diff web") == ("", 0)
    lab.edit("ConfigMap/settings", {"data": {"a": "2", "extra": "x"}})
    lab.run(1)
    text, code = sh(lab, "app diff web")
    assert code == 1
    assert lines(text) == [
        "",
        "===== /ConfigMap default/settings ======",
        "3c3",
        "<   a: '2'",
        "---",
        ">   a: '1'",
    ]
    assert sh(lab, "app diff web --exit-code false")[1] == 0


def test_a_rollback_is_refused_while_automation_is_on(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    created(lab, more="--sync-policy automated")
    lab.run(5)
    lab.commit({"cm.yaml": config("settings", a="2")})
    sh(lab, "app get web --refresh")
    lab.run(5)
    assert sh(lab, "app rollback web 0") == (
        "rpc error: code = FailedPrecondition desc = "
        "rollback cannot be initiated when auto-sync is enabled",
        1,
    )
    sh(lab, "app set web --sync-policy none")
    text, code = sh(lab, "app rollback web 7")
    assert text.endswith("application web does not have deployment with id 7") and code == 1
    assert sh(lab, "app rollback web 0")[1] == 0
    live = lab.get("ConfigMap/settings")
    assert live is not None and live["data"] == {"a": "1"}
    assert lab.words()[0] == "OutOfSync"


def test_a_rollback_without_an_id_goes_to_the_entry_before_the_newest(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    created(lab)
    sh(lab, "app sync web")
    text, code = sh(lab, "app rollback web")
    assert "at least two successful deployments" in text and code != 0
    lab.commit({"cm.yaml": config("settings", a="2")})
    sh(lab, "app sync web")
    assert sh(lab, "app rollback web")[1] == 0
    live = lab.get("ConfigMap/settings")
    assert live is not None and live["data"] == {"a": "1"}


def test_a_failed_sync_ends_the_command_with_its_phase(lab: Lab) -> None:
    lab.commit({"bad.yaml": config("bad").replace('"data"', '"dat"')})
    created(lab)
    text, code = sh(lab, "app sync web")
    assert code == 1
    assert lines(text)[-1] == "Operation has completed with phase: Failed"
    assert 'strict decoding error: unknown field "dat"' in text


def test_waiting_in_vain_ends_after_the_timeout(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment(image="nginx:missing")})
    created(lab)
    sh(lab, "app sync web")
    text, code = sh(lab, "app wait web --timeout 60")
    assert code == 1
    assert "This is the state of the app after wait timed out:" in text
    assert lines(text)[-1] == 'timed out (60s) waiting for app "web" match desired state'


def test_another_revision_is_refused_while_automation_is_on(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings", a="1")})
    created(lab, more="--sync-policy automated")
    text, code = sh(lab, "app sync web --revision other")
    assert code == 1
    assert text.endswith("Cannot sync to other: auto-sync currently set to main")


def test_an_operation_that_hangs_can_be_ended(lab: Lab) -> None:
    hang = job("hang", "PreSync", image="busybox:missing")
    lab.commit({"cm.yaml": config("settings"), "hook.yaml": hang})
    created(lab)
    assert sh(lab, "app sync web --async")[1] == 0
    lab.run(60)
    assert sh(lab, "app sync web")[0].endswith("another operation is already in progress")
    text, _ = sh(lab, "app terminate-op web")
    assert text == "Application 'web' operation terminating"
    lab.run(5)
    assert (lab.state()["phase"], lab.state()["message"]) == ("Failed", "Operation terminated")
    assert lab.get("Job/hang") is None and lab.get("ConfigMap/settings") is None
    text, _ = sh(lab, "app terminate-op web")
    assert text.endswith("Unable to terminate operation. No operation is in progress")


def test_deleting_takes_the_objects_along_unless_told_otherwise(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings")})
    created(lab)
    sh(lab, "app sync web")
    assert sh(lab, "app delete web --cascade false") == ("application 'web' deleted", 0)
    lab.run(10)
    assert lab.get("ConfigMap/settings") is not None
    created(lab)
    sh(lab, "app sync web")
    sh(lab, "app delete web")
    lab.run(10)
    assert lab.get("ConfigMap/settings") is None
    assert lab.kubectl.get(lab.key("web")) is None


def test_creating_twice_asks_for_upsert(lab: Lab) -> None:
    lab.commit({"cm.yaml": config("settings")})
    created(lab)
    command = f"app create web --repo {URL} --path other --revision main --dest-namespace default"
    assert sh(lab, command)[0].endswith(
        "existing application spec is different, use upsert flag to force update"
    )
    assert sh(lab, f"{command} --upsert") == ("application 'web' updated", 0)
    assert sh(lab, command) == ("application 'web' unchanged", 0)


def test_the_tree_shows_what_came_of_the_objects(lab: Lab) -> None:
    lab.commit({"web.yaml": deployment(replicas=1)})
    created(lab)
    sh(lab, "app sync web")
    sh(lab, "app wait web --timeout 60")
    text, _ = sh(lab, "app get web -o tree")
    rows = lines(text)[lines(text).index("") + 1 :]
    assert [row.split()[0] for row in rows[1:2]] == ["Deployment/web"]
    assert rows[2].startswith("└─ReplicaSet/web-") and rows[3].startswith("  └─Pod/web-")
    assert sh(lab, "app resources web")[0].splitlines()[0].split() == [
        "GROUP", "KIND", "NAMESPACE", "NAME", "ORPHANED",
    ]  # fmt: skip


def test_secrets_are_masked(lab: Lab) -> None:
    lab.commit(
        {"secret.yaml": config("token").replace("ConfigMap", "Secret").replace(
            '"data": {}', '"stringData": {"password": "hunter2"}')}
    )  # fmt: skip
    created(lab)
    sh(lab, "app sync web")
    for line in ("app manifests web", "app manifests web --source live"):
        text, _ = sh(lab, line)
        assert "hunter2" not in text and "aHVudGVyMg" not in text and "++++++++" in text
