"""Kustomization: the steps of a run, one after the other, and how each of them fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gitops_lab.frontends.conditions import find
from gitops_lab.model import ObjectKey, named
from tests.conftest import config_map, deployment, namespace
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization, world


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def settle(flux: FluxWorld, **spec: Any) -> str:
    """Deploy the newest commit by a Kustomization `apps`; the revision."""
    flux.apply(git_repository(), kustomization(**spec))
    flux.run(seconds=20)
    status, _, message = flux.ready("Kustomization", "apps")
    assert status == "True", message
    return str(flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"])


def sync(flux: FluxWorld, seconds: float = 70) -> None:
    """Let the source be looked at, and the Kustomization follow."""
    flux.run(seconds=seconds)


# -- What a watcher sees -----------------------------------------------------------------------


def test_a_good_commit_event_by_event(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web"))
    settle(flux, wait=True, timeout="2m")
    flux.run(seconds=30)
    flux.history.clear()
    begun = flux.now
    revision = flux.commit(web=deployment("web", image="shop:2"), new=config_map("new"))
    sync(flux, 100)
    limit = "with a timeout of 2m0s"
    running = f"Running health checks for revision {revision} {limit}"
    passed = find(flux.get("Kustomization", "apps"), "Healthy")
    assert passed is not None and passed["message"].startswith("Health check passed in ")
    seen = flux.conditions("Kustomization", "apps")
    repeated = [entry for entry in seen if entry[0] != "Healthy" or entry[1] != "True"]
    assert [e for e in repeated if revision in e[3] or e[0] == "Ready"][:6] == [
        ("Reconciling", "True", "Progressing",
         f"Fetching manifests for revision {revision} {limit}"),
        ("Ready", "Unknown", "Progressing", "Reconciliation in progress"),
        ("Reconciling", "True", "Progressing",
         f"Building manifests for revision {revision} {limit}"),
        ("Reconciling", "True", "Progressing",
         f"Detecting drift for revision {revision} {limit}"),
        ("Reconciling", "True", "Progressing", running),
        ("Healthy", "Unknown", "Progressing", running),
    ]  # fmt: skip
    assert seen[-2:] == [
        ("Ready", "True", "ReconciliationSucceeded", f"Applied revision: {revision}"),
        ("Healthy", "True", "Succeeded", passed["message"]),
    ]
    status = flux.get("Kustomization", "apps")["status"]
    assert find(flux.get("Kustomization", "apps"), "Reconciling") is None
    assert status["lastAppliedRevision"] == status["lastAttemptedRevision"] == revision
    told = flux.events("Kustomization", since=begun)
    assert told[0] == (
        "Normal", "Progressing", "ConfigMap/default/new created\nDeployment/default/web configured",
    )  # fmt: skip
    assert told[1] == ("Normal", "Progressing", passed["message"])
    assert told[2][1] == "ReconciliationSucceeded"
    assert told[2][2].startswith("Reconciliation finished in ")
    assert told[2][2].endswith(", next run in 10m0s")
    first, second = status["history"]
    assert first["metadata"] == {"revision": revision} and first["totalReconciliations"] == 1
    assert second["lastReconciledStatus"] == "ReconciliationSucceeded"


def test_an_image_that_does_not_start_event_by_event(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web"))
    good = settle(flux, wait=True, timeout="2m")
    bad = flux.commit(web=deployment("web", image="missing.invalid/x:1"))
    sync(flux, 240)
    obj = flux.get("Kustomization", "apps")
    late = "timeout waiting for: [Deployment/default/web status: 'InProgress']"
    running = f"Running health checks for revision {bad} with a timeout of 2m0s"
    assert flux.ready("Kustomization", "apps") == (
        "False", "HealthCheckFailed", f"health check failed after 2m0s: {late}",
    )  # fmt: skip
    healthy, reconciling = find(obj, "Healthy"), find(obj, "Reconciling")
    assert healthy is not None and reconciling is not None
    assert (healthy["status"], healthy["reason"], healthy["message"]) == (
        "False", "HealthCheckFailed", late,
    )  # fmt: skip
    assert (reconciling["reason"], reconciling["message"]) == ("ProgressingWithRetry", running)
    assert obj["status"]["lastAppliedRevision"] == good
    assert obj["status"]["lastAttemptedRevision"] == bad
    live = flux.live("Deployment", "web")  # the new object is applied and stays
    assert live is not None
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "missing.invalid/x:1"
    told = ("Warning", "HealthCheckFailed", f"health check failed after 2m0s: {late}")
    assert told in flux.events("Kustomization")


def test_a_typing_error_event_by_event(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web"))
    good = settle(flux)
    inventory = flux.get("Kustomization", "apps")["status"]["inventory"]
    flux.commit(web="apiVersion: v1\nkind: [\n")
    sync(flux)
    status, reason, message = flux.ready("Kustomization", "apps")
    assert (status, reason) == ("False", "BuildFailed")
    assert "web.yaml" in message
    found = flux.get("Kustomization", "apps")["status"]
    assert found["lastAppliedRevision"] == good and found["inventory"] == inventory
    assert flux.live("Deployment", "web") is not None
    assert any(event[:2] == ("Warning", "BuildFailed") for event in flux.events("Kustomization"))


# -- 2, 3: the source ---------------------------------------------------------------------------


def test_a_source_that_is_missing_is_no_event(flux: FluxWorld) -> None:
    flux.apply(kustomization())
    flux.run(seconds=2)
    assert flux.ready("Kustomization", "apps") == (
        "False", "ArtifactFailed", 'gitrepositories.source.toolkit.fluxcd.io "app" not found',
    )  # fmt: skip
    assert flux.events("Kustomization") == []


def test_a_source_without_an_artifact_is_looked_at_again_in_30_seconds(flux: FluxWorld) -> None:
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=2)
    told = ("False", "ArtifactFailed", "Source artifact not found, retrying in 30s")
    assert flux.ready("Kustomization", "apps") == told
    flux.commit(a=config_map("a"))
    flux.run(minutes=2)
    assert flux.ready("Kustomization", "apps")[0] == "True"


def test_a_source_elsewhere_may_be_forbidden(flux: FluxWorld) -> None:
    flux.deployer.controllers["kustomize-controller"][0].cross_namespace = False
    source = {"kind": "GitRepository", "name": "app", "namespace": "default"}
    flux.apply(kustomization(sourceRef=source))
    flux.run(seconds=2)
    text = "can't access 'GitRepository/default/app', cross-namespace references have been blocked"
    assert flux.ready("Kustomization", "apps") == ("False", "AccessDenied", text)
    assert find(flux.get("Kustomization", "apps"), "Stalled") is not None


def test_while_source_controller_is_down_nothing_can_be_fetched(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    settle(flux)
    flux.deployer.storage.alive = lambda: False
    flux.request("Kustomization", "apps")
    flux.run(seconds=2)
    status, reason, message = flux.ready("Kustomization", "apps")
    assert (status, reason) == ("False", "ArtifactFailed")
    assert "connection refused" in message


# -- 4: dependencies ----------------------------------------------------------------------------


def test_what_depends_on_something_waits_for_it_at_the_same_revision(flux: FluxWorld) -> None:
    flux.commit_files({"a/a.yaml": config_map("a"), "b/b.yaml": config_map("b")})
    flux.apply(
        git_repository(),
        kustomization("b", path="./b", dependsOn=[{"name": "a"}]),
    )
    flux.run(seconds=10)
    missing = 'kustomizations.kustomize.toolkit.fluxcd.io "a" not found'
    assert flux.ready("Kustomization", "b") == (
        "False", "DependencyNotReady", f"dependency 'flux-system/a' not found: {missing}",
    )  # fmt: skip
    text = "Dependencies do not meet ready condition, retrying in 30s"
    assert ("Normal", "DependencyNotReady", text) in flux.events("Kustomization", "b")
    flux.apply(kustomization("a", path="./a", suspend=True))
    flux.run(seconds=31)
    told = ("False", "DependencyNotReady", "dependency 'flux-system/a' is not ready")
    assert flux.ready("Kustomization", "b") == told
    flux.edit("Kustomization", "a", {"spec": {"suspend": False}})
    flux.run(seconds=31)
    assert flux.ready("Kustomization", "b")[0] == "True"
    flux.edit("Kustomization", "a", {"spec": {"suspend": True}})
    flux.run(seconds=1)
    flux.commit_files({"b/b.yaml": config_map("b", x="y")})
    sync(flux)
    assert flux.ready("Kustomization", "b")[2] == (
        "dependency 'flux-system/a' revision is not up to date"
    )


def test_a_cycle_of_dependencies_never_ends_and_says_so(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    flux.apply(
        git_repository(),
        kustomization("a", dependsOn=[{"name": "b"}]),
        kustomization("b", dependsOn=[{"name": "a"}]),
    )
    flux.run(minutes=5)
    for name, other in (("a", "b"), ("b", "a")):
        told = ("False", "DependencyNotReady", f"dependency 'flux-system/{other}' is not ready")
        assert flux.ready("Kustomization", name) == told


def test_a_ready_expression_takes_the_place_of_the_built_in_test(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    expression = "dep.metadata.labels['go'] == 'yes'"
    waits = kustomization("b", dependsOn=[{"name": "a", "readyExpr": expression}])
    flux.apply(git_repository(), kustomization("a"), waits)
    flux.run(seconds=10)
    text = "dependency 'flux-system/a' is not ready according to readyExpr eval"
    assert flux.ready("Kustomization", "b")[2] == text
    flux.edit("Kustomization", "a", {"metadata": {"labels": {"go": "yes"}}})
    flux.run(seconds=31)
    assert flux.ready("Kustomization", "b")[0] == "True"


def test_a_broken_expression_stalls(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    rule = {"apiVersion": "v1", "kind": "ConfigMap", "current": "status.("}
    flux.apply(git_repository(), kustomization(healthCheckExprs=[rule]))
    flux.run(seconds=10)
    obj = flux.get("Kustomization", "apps")
    status, reason, message = flux.ready("Kustomization", "apps")
    assert (status, reason) == ("False", "InvalidCELExpression")
    assert message.startswith("Reconciliation failed terminally due to configuration error: ")
    assert find(obj, "Stalled") is not None and obj["status"]["observedGeneration"] == 1


# -- 7: build -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "spec", "reason", "message"),
    [
        (
            {"a.yaml": config_map("a")}, {"path": "./deploy"}, "ArtifactFailed",
            "kustomization path not found: stat /tmp/kustomization/deploy: "
            "no such file or directory",
        ),
        (
            {"notes.yaml": "just: notes\n"}, {"targetNamespace": None}, "BuildFailed",
            "failed to decode Kubernetes apiVersion, kind and name from: notes.yaml",
        ),
        (
            {"kustomization.yaml": "resources: [missing.yaml]\n"}, {}, "BuildFailed",
            "kustomize build failed: ",
        ),
        (
            {"a.yaml": config_map("a", key="${color}")},
            {"postBuild": {"substitute": {"size": "1"}}}, "BuildFailed",
            "post build failed for 'v1_ConfigMap/a': envsubst error: variable substitution failed: "
            'variable not set (strict mode): "color"',
        ),
        (
            {"a.yaml": config_map("a")},
            {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]}},
            "BuildFailed",
            "post build failed: failed to get ConfigMap 'flux-system/vars': "
            'configmaps "vars" not found',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_built_says_why(
    flux: FluxWorld, files: dict[str, Any], spec: dict[str, Any], reason: str, message: str
) -> None:
    flux.commit_files(files)
    flux.apply(git_repository(), kustomization(**spec))
    flux.run(seconds=10)
    status, found, text = flux.ready("Kustomization", "apps")
    assert (status, found) == ("False", reason)
    assert text.startswith(message), text
    assert find(flux.get("Kustomization", "apps"), "Reconciling") is not None


def test_variables_come_from_config_maps_and_secrets_and_the_spec_wins(flux: FluxWorld) -> None:
    secret = named("v1", "Secret", "more", "flux-system", stringData={"color": "red", "b": "2"})
    flux.apply(config_map("vars", "flux-system", color="blue", a="1"), secret)
    text = "${a}${b}${c} ${color} ${shade:=dark} $${kept} $plain"
    flux.commit(a=config_map("a", text=text))
    sources = [{"kind": "ConfigMap", "name": "vars"}, {"kind": "Secret", "name": "more"},
               {"kind": "Secret", "name": "absent", "optional": True}]  # fmt: skip
    settle(flux, postBuild={"substitute": {"c": "3"}, "substituteFrom": sources})
    live = flux.live("ConfigMap", "a")
    assert live is not None
    assert live["data"]["text"] == "123 red dark ${kept} $plain"


def test_a_watched_config_map_brings_a_run_and_another_does_not(flux: FluxWorld) -> None:
    flux.apply(config_map("vars", "flux-system", color="blue"))
    flux.commit(a=config_map("a", color="${color}"))
    settle(flux, postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]})

    def color() -> str:
        flux.run(seconds=5)
        return str((flux.live("ConfigMap", "a") or {})["data"]["color"])

    key = ObjectKey("", "ConfigMap", "flux-system", "vars")
    flux.kubectl.patch(key, {"data": {"color": "red"}}, manager="kubectl-edit")
    assert color() == "blue"
    labels = {"metadata": {"labels": {"reconcile.fluxcd.io/watch": "Enabled"}}}
    flux.kubectl.patch(key, labels, manager="kubectl-edit")
    assert color() == "red"


def test_the_fields_of_the_spec_change_the_manifests(flux: FluxWorld) -> None:
    flux.commit_files({"base/web.yaml": deployment("web"),
                       "base/kustomization.yaml": "resources: [web.yaml]\n"})  # fmt: skip
    patch = "- {op: add, path: /spec/replicas, value: 3}"
    settle(
        flux,
        path="./base",
        namePrefix="a-",
        images=[{"name": "shop", "newTag": "7"}],
        patches=[{"patch": patch, "target": {"kind": "Deployment"}}],
        commonMetadata={"labels": {"team": "shop"}},
    )
    live = flux.live("Deployment", "a-web")
    assert live is not None
    assert live["spec"]["replicas"] == 3
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:7"
    assert live["metadata"]["labels"] == {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        "team": "shop",
    }


# -- 8: apply ------------------------------------------------------------------------------------


def test_one_bad_object_keeps_its_stage_from_being_written(flux: FluxWorld) -> None:
    bad = deployment("web", replicas=-1)
    flux.commit_files({"a.yaml": [namespace("shop"), config_map("a", "shop")], "b.yaml": bad})
    flux.apply(git_repository(), kustomization(targetNamespace=None))
    flux.run(seconds=10)
    status, reason, message = flux.ready("Kustomization", "apps")
    assert (status, reason) == ("False", "ReconciliationFailed")
    assert message == (
        "Deployment/web namespace not specified: the server could not find the requested resource"
        "\nNamespace/shop created"
    )
    assert flux.live("ConfigMap", "a", "shop") is None
    assert "inventory" not in flux.get("Kustomization", "apps")["status"]


def test_a_refused_object_is_named_with_its_reason(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", replicas=-1))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    message = flux.ready("Kustomization", "apps")[2]
    expected = 'Deployment/default/web dry-run failed (Invalid): Deployment.apps "web" is invalid: '
    assert message.startswith(expected)


def test_what_kubectl_added_is_removed_at_the_next_run(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web"))
    settle(flux)
    flux.sandbox.drift("Deployment/web", {"metadata": {"labels": {"by": "kubectl"}}})
    flux.request("Kustomization", "apps")
    flux.run(seconds=5)
    live = flux.live("Deployment", "web")
    assert live is not None and "by" not in live["metadata"]["labels"]
    told = ("Normal", "Progressing", "Deployment/default/web configured")
    assert told in flux.events("Kustomization")


def test_what_another_manager_added_stays(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web"))
    settle(flux)
    key = ObjectKey("apps", "Deployment", "default", "web")
    labels = {"metadata": {"labels": {"by": "operator"}}}
    flux.kubectl.patch(key, labels, manager="operator")
    flux.request("Kustomization", "apps")
    flux.run(seconds=5)
    live = flux.live("Deployment", "web")
    assert live is not None and live["metadata"]["labels"]["by"] == "operator"


def test_a_hand_edit_stays_until_the_interval_is_over(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", replicas=2))
    settle(flux)
    flux.sandbox.drift("Deployment/web", {"spec": {"replicas": 5}})
    flux.run(minutes=9)
    live = flux.live("Deployment", "web")
    assert live is not None and live["spec"]["replicas"] == 5
    flux.run(minutes=2)
    live = flux.live("Deployment", "web")
    assert live is not None and live["spec"]["replicas"] == 2


def test_marked_objects_are_skipped(flux: FluxWorld) -> None:
    def marked(name: str, mark: str, value: str) -> Any:
        body = config_map(name, color="git")
        body["metadata"]["annotations"] = {f"kustomize.toolkit.fluxcd.io/{mark}": value}
        return body

    flux.commit_files({"a.yaml": [
        marked("once", "ssa", "IfNotPresent"), marked("never", "ssa", "Ignore"),
        marked("off", "reconcile", "disabled"), config_map("always", color="git"),
    ]})  # fmt: skip
    settle(flux)
    for name in ("once", "always"):
        flux.sandbox.drift(f"ConfigMap/default/{name}", {"data": {"color": "hand"}})
    flux.request("Kustomization", "apps")
    flux.run(seconds=5)
    found = {
        name: (live or {}).get("data", {}).get("color")
        for name in ("once", "never", "off", "always")
        for live in [flux.live("ConfigMap", name)]
    }
    assert found == {"once": "hand", "never": None, "off": None, "always": "git"}
    entries = flux.get("Kustomization", "apps")["status"]["inventory"]["entries"]
    assert len(entries) == 4


def test_ignored_fields_are_neither_compared_nor_applied(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", replicas=2))
    rule = {"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}
    settle(flux, ignore=[rule])
    key = ObjectKey("apps", "Deployment", "default", "web")
    flux.kubectl.patch(key, {"spec": {"replicas": 5}}, manager="operator")
    flux.request("Kustomization", "apps")
    flux.run(seconds=5)
    live = flux.live("Deployment", "web")
    assert live is not None and live["spec"]["replicas"] == 5
    assert not any("configured" in text for _, _, text in flux.events("Kustomization"))


def test_force_recreates_what_cannot_be_changed(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web"))
    settle(flux)
    other = deployment("web")
    other["spec"]["selector"]["matchLabels"] = {"app": "other"}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    flux.commit(web=other)
    sync(flux)
    assert "field is immutable" in flux.ready("Kustomization", "apps")[2]
    before = (flux.live("Deployment", "web") or {})["metadata"]["uid"]
    flux.edit("Kustomization", "apps", {"spec": {"force": True}})
    flux.run(seconds=30)
    live = flux.live("Deployment", "web")
    assert live is not None and live["metadata"]["uid"] != before
    assert flux.ready("Kustomization", "apps")[0] == "True"


def test_two_that_own_one_object_fight_without_a_word(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization("one"), kustomization("two"))
    flux.run(seconds=10)

    def owner() -> str:
        live = flux.live("ConfigMap", "a")
        assert live is not None
        return str(live["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"])

    before = owner()
    loser = {"one": "two", "two": "one"}[before]
    flux.request("Kustomization", loser)
    flux.run(seconds=5)
    assert owner() == loser
    flux.sandbox.drift(f"Kustomization/flux-system/{before}", None)
    flux.run(seconds=5)
    assert flux.live("ConfigMap", "a") is not None  # its labels are the other's by now
    assert flux.ready("Kustomization", loser)[0] == "True"


# -- 9, 10: inventory and prune --------------------------------------------------------------------


def test_what_git_drops_is_pruned(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"), b=config_map("b"))
    settle(flux)
    flux.commit(b=None)
    sync(flux)
    assert flux.live("ConfigMap", "b") is None
    assert ("Normal", "Progressing", "ConfigMap/default/b deleted") in flux.events("Kustomization")
    entries = flux.get("Kustomization", "apps")["status"]["inventory"]["entries"]
    assert entries == [{"id": "default_a__ConfigMap", "v": "v1"}]


def test_a_folder_that_is_emptied_is_pruned_as_a_whole(flux: FluxWorld) -> None:
    flux.commit_files({"deploy/a.yaml": config_map("a"), "deploy/keep.txt": "x"})
    settle(flux, path="./deploy")
    flux.commit_files({"deploy/a.yaml": None})
    sync(flux)
    assert flux.live("ConfigMap", "a") is None
    assert flux.ready("Kustomization", "apps")[0] == "True"


def test_what_was_dropped_while_prune_was_off_is_never_pruned(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"), b=config_map("b"))
    settle(flux, prune=False)
    flux.commit(b=None)
    sync(flux)
    flux.edit("Kustomization", "apps", {"spec": {"prune": True}})
    flux.run(minutes=15)
    assert flux.live("ConfigMap", "b") is not None


def test_an_annotation_keeps_an_object_from_being_pruned(flux: FluxWorld) -> None:
    kept = config_map("b")
    kept["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
    flux.commit(a=config_map("a"), b=kept)
    settle(flux)
    flux.commit(b=None)
    sync(flux)
    assert flux.live("ConfigMap", "b") is not None


# -- 11: health ---------------------------------------------------------------------------------


def test_a_failed_object_ends_the_wait_early(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", image="missing.invalid/x:1", progressDeadlineSeconds=20))
    flux.apply(git_repository(), kustomization(wait=True, timeout="5m"))
    flux.run(minutes=2)
    status, reason, message = flux.ready("Kustomization", "apps")
    assert (status, reason) == ("False", "HealthCheckFailed")
    text = "failed early due to stalled resources: [Deployment/default/web status: 'Failed']"
    assert message.endswith(text)


def test_a_new_commit_waits_for_the_end_of_a_health_check(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", image="missing.invalid/x:1"))
    flux.apply(git_repository(), kustomization(wait=True, timeout="4m"))
    flux.run(seconds=20)
    fix = flux.commit(web=deployment("web"))
    flux.run(seconds=180)
    status = flux.get("Kustomization", "apps")["status"]
    assert status["lastAttemptedRevision"] != fix  # it is known for two minutes by now
    flux.run(seconds=90)
    assert flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"] == fix


def test_only_named_objects_are_waited_for(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", image="missing.invalid/x:1"), ok=deployment("ok"))
    check = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ok", "namespace": "default"}
    flux.apply(git_repository(), kustomization(healthChecks=[check]))
    flux.run(seconds=30)
    assert flux.ready("Kustomization", "apps")[0] == "True"


def test_expressions_say_when_a_custom_object_works(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a", state="starting"))
    rule = {"apiVersion": "v1", "kind": "ConfigMap", "current": "data.state == 'running'"}
    flux.apply(git_repository(), kustomization(wait=True, timeout="1m", healthCheckExprs=[rule]))
    flux.run(seconds=70)
    assert flux.ready("Kustomization", "apps")[1] == "HealthCheckFailed"
    flux.commit(a=config_map("a", state="running"))
    flux.run(minutes=2)
    assert flux.ready("Kustomization", "apps")[0] == "True"


def test_a_timeout_is_at_least_30_seconds(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", image="missing.invalid/x:1"))
    flux.apply(git_repository(), kustomization(wait=True, timeout="1s"))
    flux.run(seconds=40)
    assert flux.ready("Kustomization", "apps")[2].startswith("health check failed after 30s: ")


# -- 12, and what triggers a run ---------------------------------------------------------------


def test_a_failure_is_retried_after_the_retry_interval(flux: FluxWorld) -> None:
    flux.commit(web=deployment("web", replicas=-1))
    flux.apply(git_repository(), kustomization(retryInterval="20s"))
    flux.run(seconds=95)
    events = flux.kubectl.list("", "Event", namespace="flux-system")
    failed = next(event for event in events if event["reason"] == "ReconciliationFailed")
    assert failed["count"] == 5


def test_a_request_is_answered_and_echoed(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    settle(flux)
    flux.request("Kustomization", "apps", "again")
    flux.run(seconds=2)
    status = flux.get("Kustomization", "apps")["status"]
    assert status["lastHandledReconcileAt"] == "again"
    assert status["history"][0]["totalReconciliations"] == 2


def test_a_failed_change_of_the_spec_is_not_observed_yet(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    settle(flux)
    flux.edit("Kustomization", "apps", {"spec": {"path": "./missing"}})
    flux.run(seconds=2)
    obj = flux.get("Kustomization", "apps")
    assert (obj["metadata"]["generation"], obj["status"]["observedGeneration"]) == (2, 1)


# -- deletion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        ({}, False),
        ({"prune": False}, True),
        ({"prune": False, "deletionPolicy": "Delete"}, False),
        ({"deletionPolicy": "Orphan"}, True),
        ({"deletionPolicy": "WaitForTermination"}, False),
    ],
)
def test_what_becomes_of_objects_when_their_kustomization_goes(
    flux: FluxWorld, spec: dict[str, Any], stays: bool
) -> None:
    flux.commit(a=config_map("a"))
    settle(flux, **spec)
    flux.sandbox.drift("Kustomization/flux-system/apps", None)
    flux.run(seconds=10)
    assert flux.live("Kustomization", "apps", "flux-system") is None
    assert (flux.live("ConfigMap", "a") is not None) is stays


def test_objects_of_a_suspended_kustomization_stay(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    settle(flux)
    flux.edit("Kustomization", "apps", {"spec": {"suspend": True}})
    flux.run(seconds=1)
    flux.sandbox.drift("Kustomization/flux-system/apps", None)
    flux.run(seconds=5)
    assert flux.live("Kustomization", "apps", "flux-system") is None
    assert flux.live("ConfigMap", "a") is not None


def test_a_root_takes_its_children_and_their_objects_along(flux: FluxWorld) -> None:
    child = kustomization("child", path="./apps")
    flux.commit_files({"root/child.yaml": child, "apps/a.yaml": config_map("a")})
    flux.apply(git_repository(), kustomization("root", path="./root", targetNamespace=None))
    flux.run(seconds=15)
    assert flux.live("ConfigMap", "a") is not None
    flux.sandbox.drift("Kustomization/flux-system/root", None)
    flux.run(seconds=15)
    assert flux.live("ConfigMap", "a") is None
    assert flux.live("Kustomization", "child", "flux-system") is None


# -- multi-tenancy ------------------------------------------------------------------------------


def test_a_tenant_may_do_what_its_account_may(flux: FluxWorld) -> None:
    group = "rbac.authorization.k8s.io"
    account = named("v1", "ServiceAccount", "tenant", "flux-system")
    role = named(f"{group}/v1", "Role", "tenant", "default")
    role["rules"] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]
    binding = named(f"{group}/v1", "RoleBinding", "tenant", "default")
    binding["roleRef"] = {"apiGroup": group, "kind": "Role", "name": "tenant"}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "tenant", "namespace": "flux-system"}]
    flux.apply(account, role, binding)
    flux.commit(a=config_map("a"))
    settle(flux, serviceAccountName="tenant")
    flux.commit(web=deployment("web"))
    sync(flux)
    message = flux.ready("Kustomization", "apps")[2]
    assert message.startswith("Deployment/default/web dry-run failed (Forbidden): ")
    assert "system:serviceaccount:flux-system:tenant" in message
