"""The typed APIs of the official Python client."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from tests.clients.conftest import Live, until
from tests.conftest import deployment


def config_map(name: str = "book", **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data or {"page": "1"})


def refusal(error: pytest.ExceptionInfo[ApiException]) -> tuple[int, str]:
    return error.value.status, json.loads(error.value.body)["reason"]


def test_an_object_lives_its_life(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(namespace, config_map())
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo is not None
    made.data = {"page": "2"}
    replaced = core.replace_namespaced_config_map("book", namespace, made)
    assert replaced.metadata.resource_version != made.metadata.resource_version
    assert core.read_namespaced_config_map("book", namespace).data == {"page": "2"}
    names = [each.metadata.name for each in core.list_namespaced_config_map(namespace).items]
    assert "book" in names
    assert core.delete_namespaced_config_map("book", namespace)["status"] == "Success"
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("book", namespace)
    assert refusal(gone) == (404, "NotFound")


def test_a_stale_object_replaces_nothing(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    stale = core.create_namespaced_config_map(namespace, config_map())
    core.patch_namespaced_config_map("book", namespace, {"data": {"page": "2"}})
    with pytest.raises(ApiException) as error:
        core.replace_namespaced_config_map("book", namespace, stale)
    assert refusal(error) == (409, "Conflict")
    assert "the object has been modified" in error.value.body


def test_a_name_is_given_once(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, config_map())
    with pytest.raises(ApiException) as error:
        core.create_namespaced_config_map(namespace, config_map())
    assert refusal(error) == (409, "AlreadyExists")


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        ("application/json-patch+json", [{"op": "add", "path": "/data/a", "value": "1"}]),
        ("application/merge-patch+json", {"data": {"a": "1"}}),
        ("application/strategic-merge-patch+json", {"data": {"a": "1"}}),
    ],
)
def test_every_kind_of_patch_is_understood(
    api: client.ApiClient, namespace: str, media: str, patch: Any
) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, config_map())
    patched = core.patch_namespaced_config_map("book", namespace, patch, _content_type=media)
    assert patched.data == {"page": "1", "a": "1"}


def test_apply_is_a_patch_with_a_field_manager(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "book"}, "data": {}}
    for page, manager, force in (("1", "one", None), ("2", "two", True)):
        applied = core.patch_namespaced_config_map(
            "book", namespace, {**body, "data": {"page": page}},
            field_manager=manager, force=force, _content_type="application/apply-patch+yaml",
        )  # fmt: skip
        assert applied.data == {"page": page}
    owners = [(each.manager, each.operation) for each in applied.metadata.managed_fields]
    assert owners == [("two", "Apply")]
    with pytest.raises(ApiException) as conflict:
        core.patch_namespaced_config_map(
            "book", namespace, {**body, "data": {"page": "3"}},
            field_manager="one", _content_type="application/apply-patch+yaml",
        )  # fmt: skip
    assert refusal(conflict) == (409, "Conflict")


def test_pages_hold_everything_once(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    for number in range(7):
        body = config_map(f"page-{number}")
        body.metadata.labels = {"of": "book"}
        core.create_namespaced_config_map(namespace, body)
    names, token, revisions = [], None, set()
    while True:
        page = core.list_namespaced_config_map(namespace, limit=3, _continue=token)
        names += [each.metadata.name for each in page.items]
        revisions.add(page.metadata.resource_version)
        token = page.metadata._continue
        if not token:
            break
        assert page.metadata.remaining_item_count > 0
    assert [name for name in names if name.startswith("page")] == [f"page-{n}" for n in range(7)]
    assert len(revisions) == 1


def test_a_collection_is_deleted_by_labels(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    for name, shelf in (("a", "x"), ("b", "y")):
        body = config_map(name)
        body.metadata.labels = {"shelf": shelf}
        core.create_namespaced_config_map(namespace, body)
    core.delete_collection_namespaced_config_map(namespace, label_selector="shelf=x")
    left = core.list_namespaced_config_map(namespace, label_selector="shelf in (x, y)").items
    assert [each.metadata.name for each in left] == ["b"]


def test_a_deployment_runs_is_scaled_and_goes(api: client.ApiClient, namespace: str) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(replicas=2))

    def available() -> Any:
        return apps.read_namespaced_deployment_status("web", namespace).status.available_replicas

    until(lambda: available() == 2, "two are available")
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
    scale.spec.replicas = 1
    assert apps.replace_namespaced_deployment_scale("web", namespace, scale).spec.replicas == 1
    until(lambda: available() == 1, "one is available")
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 3}})
    until(lambda: available() == 3, "three are available")
    (pod, *_) = core.list_namespaced_pod(namespace, label_selector="app=web").items
    assert "started" in core.read_namespaced_pod_log(pod.metadata.name, namespace)
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    until(lambda: not apps.list_namespaced_deployment(namespace).items, "it is gone")
    assert not apps.list_namespaced_replica_set(namespace).items


def test_status_is_written_apart(api: client.ApiClient, namespace: str) -> None:
    apps = client.AppsV1Api(api)
    body = deployment(replicas=0, paused=True)
    apps.create_namespaced_deployment(namespace, {**body, "status": {"replicas": 7}})
    condition = {"type": "Lucky", "status": "True", "reason": "Test", "message": ""}
    patch = {"status": {"conditions": [condition]}, "spec": {"replicas": 5}}
    done = apps.patch_namespaced_deployment_status("web", namespace, patch)
    assert "Lucky" in [each.type for each in done.status.conditions]
    assert done.spec.replicas == 0


def test_a_job_completes(api: client.ApiClient, namespace: str) -> None:
    batch = client.BatchV1Api(api)
    container = client.V1Container(name="work", image="busybox:1", command=["true"])
    pod = client.V1PodSpec(containers=[container], restart_policy="Never")
    batch.create_namespaced_job(
        namespace,
        client.V1Job(
            metadata=client.V1ObjectMeta(name="work"),
            spec=client.V1JobSpec(template=client.V1PodTemplateSpec(spec=pod)),
        ),
    )

    def conditions() -> list[str]:
        status = batch.read_namespaced_job_status("work", namespace).status
        return [each.type for each in status.conditions or () if each.status == "True"]

    until(lambda: "Complete" in conditions(), "the job is complete")


def test_a_cron_job_is_kept(api: client.ApiClient, namespace: str) -> None:
    batch = client.BatchV1Api(api)
    template = {"spec": {"containers": [{"name": "a", "image": "a:1"}], "restartPolicy": "Never"}}
    spec = {"schedule": "@yearly", "jobTemplate": {"spec": {"template": template}}}
    batch.create_namespaced_cron_job(namespace, {"metadata": {"name": "report"}, "spec": spec})
    (found,) = batch.list_namespaced_cron_job(namespace).items
    assert found.spec.concurrency_policy == "Allow"


def test_networking_autoscaling_and_policy_objects_come_back_typed(
    api: client.ApiClient, namespace: str
) -> None:
    networking = client.NetworkingV1Api(api)
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rule = {"host": "shop.example", "http": {"paths": [path]}}
    made = networking.create_namespaced_ingress(
        namespace, {"metadata": {"name": "web"}, "spec": {"rules": [rule]}}
    )
    assert made.spec.rules[0].http.paths[0].backend.service.port.number == 80
    policy = networking.create_namespaced_network_policy(
        namespace, {"metadata": {"name": "none"}, "spec": {"podSelector": {}}}
    )
    assert policy.spec.policy_types == ["Ingress"]
    scaling = client.AutoscalingV2Api(api).create_namespaced_horizontal_pod_autoscaler(
        namespace,
        {
            "metadata": {"name": "web"},
            "spec": {
                "maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        },
    )
    assert scaling.spec.min_replicas == 1
    assert scaling.spec.metrics[0].resource.target.average_utilization == 80
    budget = client.PolicyV1Api(api).create_namespaced_pod_disruption_budget(
        namespace,
        {
            "metadata": {"name": "web"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        },
    )
    assert budget.spec.min_available == 1


def test_an_eviction_must_wait_for_the_budget(api: client.ApiClient, namespace: str) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(replicas=1))
    budgets = client.PolicyV1Api(api)
    selector = {"matchLabels": {"app": "web"}}
    budgets.create_namespaced_pod_disruption_budget(
        namespace, {"metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": selector}}
    )

    def healthy() -> int:
        found = budgets.read_namespaced_pod_disruption_budget_status("web", namespace)
        return (found.status and found.status.current_healthy) or 0

    until(lambda: healthy() == 1, "the budget counts the pod")
    (pod,) = core.list_namespaced_pod(namespace, label_selector="app=web").items
    eviction = client.V1Eviction(
        metadata=client.V1ObjectMeta(name=pod.metadata.name, namespace=namespace)
    )
    with pytest.raises(ApiException) as error:
        core.create_namespaced_pod_eviction(pod.metadata.name, namespace, eviction)
    assert refusal(error) == (429, "TooManyRequests")
    budgets.delete_namespaced_pod_disruption_budget("web", namespace)
    core.create_namespaced_pod_eviction(pod.metadata.name, namespace, eviction)


def test_a_role_gives_a_service_account_what_it_says(
    api: client.ApiClient, namespace: str, live: Live
) -> None:
    core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "reader"}})
    token = core.create_namespaced_service_account_token(
        "reader", namespace, {"spec": {"expirationSeconds": 600}}
    )
    assert token.status.expiration_timestamp.tzinfo is not None
    who = client.AuthenticationV1Api(api).create_token_review(
        {"spec": {"token": token.status.token}}
    )
    assert who.status.user.username == f"system:serviceaccount:{namespace}:reader"

    configuration = client.Configuration(host=live.url)
    configuration.ssl_ca_cert = api.configuration.ssl_ca_cert
    configuration.proxy = None
    configuration.api_key["BearerToken"] = f"Bearer {token.status.token}"
    with client.ApiClient(configuration) as as_reader:
        theirs = client.CoreV1Api(as_reader)
        with pytest.raises(ApiException) as error:
            theirs.list_namespaced_config_map(namespace)
        assert refusal(error) == (403, "Forbidden")
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
        rbac.create_namespaced_role(namespace, {"metadata": {"name": "reader"}, "rules": rules})
        rbac.create_namespaced_role_binding(
            namespace,
            client.V1RoleBinding(
                metadata=client.V1ObjectMeta(name="reader"),
                role_ref=client.V1RoleRef(
                    api_group="rbac.authorization.k8s.io", kind="Role", name="reader"
                ),
                subjects=[client.RbacV1Subject(kind="ServiceAccount", name="reader")],
            ),
        )
        theirs.list_namespaced_config_map(namespace)
        review = client.AuthorizationV1Api(as_reader)

        def may(verb: str) -> bool:
            asked = {"verb": verb, "resource": "configmaps", "namespace": namespace}
            answer = review.create_self_subject_access_review(
                {"spec": {"resourceAttributes": asked}}
            )
            return bool(answer.status.allowed)

        assert may("list") and not may("delete")
        rules = review.create_self_subject_rules_review({"spec": {"namespace": namespace}})
        assert ["list"] in [
            each.verbs for each in rules.status.resource_rules if "configmaps" in each.resources
        ]
        as_reader.rest_client.pool_manager.clear()
    who = client.AuthenticationV1Api(api).create_self_subject_review({})
    assert who.status.user_info.username == "admin"


def test_custom_objects_follow_their_definition(api: client.ApiClient, namespace: str) -> None:
    definitions = client.ApiextensionsV1Api(api)
    group = f"{namespace}.example.com"
    page = {"type": "integer", "default": 1, "minimum": 1}
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object", "properties": {"page": page, "replicas": {"type": "integer"}},
            },
            "status": {"type": "object", "properties": {"read": {"type": "boolean"}}},
        },
    }  # fmt: skip
    version = client.V1CustomResourceDefinitionVersion(
        name="v1",
        served=True,
        storage=True,
        schema={"openAPIV3Schema": schema},
        subresources={"status": {}, "scale": {
            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
        }},
    )  # fmt: skip
    definitions.create_custom_resource_definition(
        client.V1CustomResourceDefinition(
            metadata=client.V1ObjectMeta(name=f"books.{group}"),
            spec=client.V1CustomResourceDefinitionSpec(
                group=group, scope="Namespaced", versions=[version],
                names={"plural": "books", "kind": "Book"},
            ),
        )
    )  # fmt: skip

    def established() -> bool:
        found = definitions.read_custom_resource_definition(f"books.{group}")
        conditions = (found.status and found.status.conditions) or ()
        return "Established" in [each.type for each in conditions if each.status == "True"]

    until(established, "the definition is established")
    custom = client.CustomObjectsApi(api)
    where = (group, "v1", namespace, "books")
    body = {"apiVersion": f"{group}/v1", "kind": "Book", "metadata": {"name": "a"}, "spec": {}}
    made = custom.create_namespaced_custom_object(*where, body)
    assert made["spec"] == {"page": 1}
    made["spec"]["page"] = 2
    assert custom.replace_namespaced_custom_object(*where, "a", made)["metadata"]["generation"] == 2
    done = custom.patch_namespaced_custom_object_status(*where, "a", {"status": {"read": True}})
    assert (done["status"], done["metadata"]["generation"]) == ({"read": True}, 2)
    with pytest.raises(ApiException) as error:
        custom.patch_namespaced_custom_object(*where, "a", {"spec": {"page": 0}})
    assert refusal(error) == (422, "Invalid")
    custom.patch_namespaced_custom_object_scale(*where, "a", {"spec": {"replicas": 4}})
    scale = custom.get_namespaced_custom_object_scale(*where, "a")
    assert scale["spec"]["replicas"] == 4
    assert len(custom.list_cluster_custom_object(group, "v1", "books")["items"]) == 1
    custom.delete_namespaced_custom_object(*where, "a")
    assert custom.list_namespaced_custom_object(*where)["items"] == []
    definitions.delete_custom_resource_definition(f"books.{group}")


def test_leases_and_events_are_objects(api: client.ApiClient, namespace: str) -> None:
    lease = client.CoordinationV1Api(api).create_namespaced_lease(
        namespace, {"metadata": {"name": "lead"}, "spec": {"holderIdentity": "me"}}
    )
    assert lease.spec.holder_identity == "me"
    regarding = {"kind": "Namespace", "name": namespace, "namespace": namespace}
    seen = client.EventsV1Event(
        metadata=client.V1ObjectMeta(generate_name="seen-"), regarding=regarding,
        event_time=datetime.now(UTC), reporting_controller="example.com/test",
        reporting_instance="test-1", action="Look", reason="Seen", type="Normal", note="hello",
    )  # fmt: skip
    made = client.EventsV1Api(api).create_namespaced_event(namespace, seen)
    assert made.metadata.name.startswith("seen-")
    (found,) = (
        client.CoreV1Api(api)
        .list_namespaced_event(
            namespace, field_selector="reason=Seen,involvedObject.kind=Namespace"
        )
        .items
    )
    assert (found.message, found.event_time) == ("hello", made.event_time)


def test_storage_is_claimed(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    classes = client.StorageV1Api(api).list_storage_class().items
    assert len(classes) == 1
    core.create_namespaced_persistent_volume_claim(
        namespace,
        {
            "metadata": {"name": "disk"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
    )
    found = core.read_namespaced_persistent_volume_claim_status("disk", namespace)
    assert found.status.phase in ("Pending", "Bound")
    assert found.spec.storage_class_name == classes[0].metadata.name


def test_the_server_says_what_it_is_and_what_it_has(api: client.ApiClient) -> None:
    assert client.VersionApi(api).get_code().git_version.startswith("v1.")
    groups = [group.name for group in client.ApisApi(api).get_api_versions().groups]
    assert {"apps", "batch", "rbac.authorization.k8s.io"} <= set(groups)
    resources = {each.name: each for each in client.AppsV1Api(api).get_api_resources().resources}
    assert resources["deployments"].short_names == ["deploy"]
    assert client.CoreApi(api).get_api_versions().versions == ["v1"]
    assert client.AppsApi(api).get_api_group().preferred_version.version == "v1"
    keys = client.WellKnownApi(api).get_service_account_issuer_open_id_configuration()
    assert "issuer" in keys


def test_what_is_refused_says_why_in_a_status(api: client.ApiClient, namespace: str) -> None:
    with pytest.raises(ApiException) as error:
        client.AppsV1Api(api).create_namespaced_deployment(namespace, deployment(replicas=-1))
    status = json.loads(error.value.body)
    assert (error.value.status, status["reason"]) == (422, "Invalid")
    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.replicas"


def test_a_dry_run_stores_nothing(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    seen = core.create_namespaced_config_map(namespace, config_map(), dry_run="All")
    assert seen.metadata.uid
    with pytest.raises(ApiException) as error:
        core.read_namespaced_config_map("book", namespace)
    assert error.value.status == 404
