"""Rolling out, waiting, and reading what went on: rollout, wait, logs, events."""

from __future__ import annotations

import pytest

from tests.kubectl.live import Kubectl
from tests.kubectl.objects import config_map, deployment, pod

DONE = 'deployment "web" successfully rolled out\n'
STATUS = "rollout status deployment/web --timeout 60s"


def image(kubectl: Kubectl) -> str:
    return kubectl("get deployment web -o", "jsonpath={..image}")


def test_a_rollout_is_followed_to_its_end(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    assert kubectl(STATUS).endswith(DONE)
    kubectl("set image deployment/web web=web:2")
    told = kubectl(STATUS)
    assert told.endswith(DONE) and 'Waiting for deployment "web" rollout to finish' in told
    assert kubectl(f"{STATUS} --watch=false") == DONE


def test_a_rollout_that_gets_stuck_is_not_waited_for(kubectl: Kubectl) -> None:
    stuck = deployment("does-not-exist:1")
    stuck["spec"]["progressDeadlineSeconds"] = 20
    kubectl.create(stuck)
    told = kubectl.fails(STATUS)
    assert told.endswith('error: deployment "web" exceeded its progress deadline\n')


def test_revisions_are_listed_shown_and_gone_back_to(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    kubectl(STATUS)
    kubectl("set image deployment/web web=web:2")
    kubectl("annotate deployment web kubernetes.io/change-cause=second")
    kubectl(STATUS)
    history = [line.split() for line in kubectl("rollout history deployment/web").splitlines()]
    assert history[:4] == [
        ["deployment.apps/web"],
        ["REVISION", "CHANGE-CAUSE"],
        ["1", "<none>"],
        ["2", "second"],
    ]
    assert "web:1" in kubectl("rollout history deployment/web --revision 1")
    assert "rolled back (server dry run)" in kubectl("rollout undo deployment/web --dry-run=server")
    assert image(kubectl) == "web:2"
    assert kubectl("rollout undo deployment/web") == "deployment.apps/web rolled back\n"
    assert image(kubectl) == "web:1"
    kubectl(STATUS)
    kubectl("rollout undo deployment/web --to-revision 2")
    assert image(kubectl) == "web:2"
    assert "unable to find specified revision 9" in kubectl.fails(
        "rollout undo deployment/web --to-revision 9"
    )


def test_a_paused_deployment_waits(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    kubectl(STATUS)
    assert kubectl("rollout pause deployment/web") == "deployment.apps/web paused\n"
    assert "is already paused" in kubectl.fails("rollout pause deployment/web")
    kubectl("set image deployment/web web=web:2")
    assert kubectl("get pods -o", "jsonpath={..spec.containers..image}") == "web:1 web:1"
    assert kubectl("rollout resume deployment/web") == "deployment.apps/web resumed\n"
    assert kubectl(STATUS).endswith(DONE)
    assert kubectl("get rs -o", "jsonpath={.items[?(@.spec.replicas==2)]..image}") == "web:2"


def test_a_restart_makes_new_pods_of_the_same_template(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    kubectl(STATUS)
    before = set(kubectl("get pods -o name").split())
    assert kubectl("rollout restart deployment/web") == "deployment.apps/web restarted\n"
    kubectl(STATUS)
    kubectl.cluster.until(lambda: len(kubectl("get pods -o name").split()) == 2)
    assert not before & set(kubectl("get pods -o name").split())


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
def test_other_workloads_roll_out_and_back_too(kubectl: Kubectl, kind: str) -> None:
    workload = deployment()
    workload["kind"] = "StatefulSet" if kind == "statefulset" else "DaemonSet"
    if kind == "daemonset":
        del workload["spec"]["replicas"]
    kubectl.create(workload)
    status = f"rollout status {kind}/web --timeout 60s"
    kubectl(status)
    kubectl(f"set image {kind}/web web=web:2")
    kubectl(status)
    assert kubectl(f"rollout history {kind}/web").splitlines()[2:4] == [
        "1         <none>",
        "2         <none>",
    ]
    assert kubectl(f"rollout undo {kind}/web") == f"{kind}.apps/web rolled back\n"
    assert kubectl(f"get {kind} web -o", "jsonpath={..image}") == "web:1"
    assert kubectl(f"rollout restart {kind}/web") == f"{kind}.apps/web restarted\n"


def test_conditions_and_deletions_are_waited_for(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    kubectl("wait deployment/web --for condition=Available --timeout 60s")
    told = kubectl("wait pods -l app=web --for condition=Ready --timeout 60s")
    assert told.count("condition met") == 2
    timed_out = kubectl.fails("wait deployment/web --for condition=Nonsense --timeout 1s")
    assert timed_out == "error: timed out waiting for the condition on deployments/web\n"
    with kubectl.started("wait --for delete deployment/web --timeout 60s -v 6") as line:
        while "watch=true" not in line():
            pass
        kubectl("delete deployment web --wait=false")
        while (said := line()).startswith("I"):
            pass
        assert said == "deployment.apps/web condition met\n"


@pytest.mark.since(25)
def test_values_are_waited_for(kubectl: Kubectl) -> None:
    kubectl.create(deployment())
    path = "--for=jsonpath={.status.availableReplicas}=2"
    told = kubectl(f"wait deployment/web {path} --timeout 60s")
    assert told == "deployment.apps/web condition met\n"


@pytest.mark.since(31)
def test_creations_are_waited_for(kubectl: Kubectl) -> None:
    with kubectl.started("wait --for create configmap/book --timeout 60s") as line:
        kubectl.create(config_map())
        assert line() == "configmap/book condition met\n"


def test_a_job_is_waited_for(kubectl: Kubectl) -> None:
    kubectl("create job once --image task:1")
    kubectl("wait --for condition=complete job/once --timeout 60s")
    assert "started" in kubectl("logs job/once")


def test_what_a_container_says_is_read(stage: Kubectl) -> None:
    assert "started" in stage("logs db-0")
    assert "started" in stage("logs deployment/web -c web --tail 1")
    assert stage("logs -l app=web --all-containers --prefix").count("[pod/web-") >= 4
    assert "container unknown is not valid for pod db-0" in stage.fails("logs db-0 -c unknown")
    assert 'pods "unknown" not found' in stage.fails("logs unknown")
    stamped = stage("logs db-0 --timestamps --tail 1")
    assert stamped.startswith("2026-01-05T09:")
    assert "started" in stage("logs crash --previous")
    assert stage.fails("logs db-0 --previous") == (
        'Error from server (BadRequest): previous terminated container "db" in pod "db-0" '
        "not found\n"
    )


def test_events_are_read_by_the_object_they_are_about(kubectl: Kubectl) -> None:
    kubectl.create(pod())
    kubectl("wait pod/web --for condition=Ready --timeout 60s")
    reasons = [row[2] for row in kubectl.rows("get events --no-headers")]
    assert {"Scheduled", "Pulled", "Created", "Started"} <= set(reasons)
    chosen = "get events --field-selector involvedObject.name=web,reason=Scheduled -o name"
    assert len(kubectl(chosen).split()) == 1
    assert "Successfully assigned" in kubectl("describe pod web")


@pytest.mark.since(26)
def test_events_have_a_command_of_their_own(kubectl: Kubectl) -> None:
    kubectl.create(pod(), pod("other"))
    kubectl("wait pods --all --for condition=Ready --timeout 60s")
    header, *rows = kubectl.rows("events --for pod/web --types Normal")
    assert header == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {row[3] for row in rows} == {"Pod/web"}
