"""The dynamic client, and what applies manifests through it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kubernetes import client, config, utils
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError
from kubernetes.utils.create_from_yaml import FailToCreateError

from tests.clients.conftest import Live, until
from tests.conftest import config_map, deployment


@pytest.fixture
def dynamic(api: client.ApiClient, tmp_path: Path) -> DynamicClient:
    return DynamicClient(api, cache_file=str(tmp_path / "cache.json"))


def test_kinds_are_found_by_name_and_by_short_name(dynamic: DynamicClient) -> None:
    resources = dynamic.resources
    assert resources.get(api_version="apps/v1", kind="Deployment").name == "deployments"
    assert resources.get(short_names=["deploy"]).kind == "Deployment"
    assert resources.get(api_version="v1", kind="Node").namespaced is False
    with pytest.raises(ResourceNotFoundError):
        resources.get(api_version="v1", kind="Sandwich")


def test_what_was_discovered_is_kept_in_a_file(api: client.ApiClient, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    DynamicClient(api, cache_file=str(cache)).resources.get(api_version="v1", kind="Pod")
    assert cache.stat().st_size > 1_000
    again = DynamicClient(api, cache_file=str(cache))
    assert again.resources.get(api_version="v1", kind="Pod").name == "pods"


def test_an_object_lives_its_life(dynamic: DynamicClient, namespace: str) -> None:
    books = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    made = books.create(body=config_map("book", page="1"), namespace=namespace)
    assert made.data.page == "1"
    body = made.to_dict()
    body["data"]["page"] = "2"
    assert books.replace(body=body, namespace=namespace).data.page == "2"
    patched = books.patch(
        body={"metadata": {"name": "book"}, "data": {"page": "3"}}, namespace=namespace,
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert patched.data.page == "3"
    found = books.get(namespace=namespace, field_selector="metadata.name=book")
    assert [each.data.page for each in found.items] == ["3"]
    with pytest.raises(ConflictError):
        books.replace(body=body, namespace=namespace)
    assert books.delete(name="book", namespace=namespace).status == "Success"
    with pytest.raises(NotFoundError):
        books.get(name="book", namespace=namespace)


def test_apply_takes_a_field_from_another_only_by_force(
    dynamic: DynamicClient, namespace: str
) -> None:
    books = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    books.server_side_apply(
        body=config_map("book", page="1"), namespace=namespace, field_manager="one"
    )
    mine = {"body": config_map("book", page="2"), "namespace": namespace, "field_manager": "two"}
    with pytest.raises(ConflictError, match="Apply failed with 1 conflict"):
        books.server_side_apply(**mine)
    applied = books.server_side_apply(**mine, force_conflicts=True)
    assert (applied.data.page, applied.metadata.managedFields[0].manager) == ("2", "two")


def test_subresources_are_resources_of_a_resource(dynamic: DynamicClient, namespace: str) -> None:
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    deployments.create(body=deployment(replicas=0), namespace=namespace)
    deployments.scale.patch(
        body={"spec": {"replicas": 2}}, name="web", namespace=namespace,
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert deployments.scale.get(name="web", namespace=namespace).spec.replicas == 2
    until(
        lambda: (
            deployments.status.get(name="web", namespace=namespace).status.availableReplicas == 2
        ),
        "two are available",
    )


def test_a_watch_tells_of_one_object(dynamic: DynamicClient, namespace: str) -> None:
    books = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    for name in ("a", "b"):
        books.create(body=config_map(name), namespace=namespace)
    events = [
        (event["type"], event["object"].metadata.name)
        for event in books.watch(namespace=namespace, name="b", timeout=1)
    ]
    assert events == [("ADDED", "b")]


def test_a_list_begins_as_a_watch(dynamic: DynamicClient, namespace: str) -> None:
    books = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    books.create(body=config_map("a"), namespace=namespace)
    events = list(
        books.watch(
            namespace=namespace, name="a", timeout=1, allow_watch_bookmarks=True,
            send_initial_events=True, resource_version_match="NotOlderThan",
        )
    )  # fmt: skip
    assert [each["type"] for each in events[:2]] == ["ADDED", "BOOKMARK"]
    marks = events[1]["raw_object"]["metadata"]["annotations"]
    assert marks == {"k8s.io/initial-events-end": "true"}


def test_a_new_kind_is_found_though_the_cache_is_older(
    api: client.ApiClient, dynamic: DynamicClient, namespace: str
) -> None:
    group = f"{namespace}.example.com"
    dynamic.resources.get(api_version="v1", kind="Pod")  # the groups are discovered
    definitions = dynamic.resources.get(
        api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"
    )
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definitions.create(
        body={
            "metadata": {"name": f"notes.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "notes", "kind": "Note"},
                "versions": [version],
            },
        }
    )
    until(
        lambda: "Established" in str(definitions.get(name=f"notes.{group}").status), "established"
    )
    notes = dynamic.resources.get(api_version=f"{group}/v1", kind="Note")
    body = {"apiVersion": f"{group}/v1", "kind": "Note", "metadata": {"name": "a"}, "text": "hello"}
    assert notes.create(body=body, namespace=namespace).text == "hello"
    definitions.delete(name=f"notes.{group}")


def test_manifests_are_created_from_a_file_and_a_folder(
    api: client.ApiClient, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "app.yaml").write_text(
        yaml.safe_dump_all([config_map("settings", page="1"), deployment(replicas=0)])
    )
    utils.create_from_yaml(api, str(tmp_path / "app.yaml"), namespace=namespace)
    assert client.AppsV1Api(api).read_namespaced_deployment("web", namespace).spec.replicas == 0
    with pytest.raises(FailToCreateError, match="AlreadyExists"):
        utils.create_from_directory(api, str(tmp_path), namespace=namespace)
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(config_map("settings", page="2")))
    utils.create_from_yaml(
        api, str(tmp_path / "app.yaml"), namespace=namespace, apply=True, force_conflicts=True
    )
    found = client.CoreV1Api(api).read_namespaced_config_map("settings", namespace)
    assert found.data == {"page": "2"}


def test_a_kubeconfig_names_a_user_and_a_cluster(kubeconfig: Path) -> None:
    contexts, current = config.list_kube_config_contexts(str(kubeconfig))
    assert [each["name"] for each in contexts] == [current["name"]]
    made = config.new_client_from_config(str(kubeconfig), persist_config=False)
    made.configuration.proxy = None
    with made:
        assert client.CoreV1Api(made).list_namespace().items
        made.rest_client.pool_manager.clear()


@pytest.fixture
def in_a_pod(
    api: client.ApiClient,
    namespace: str,
    live: Live,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> client.Configuration:
    """What a process in a pod finds: two variables of its environment, and two files."""
    core = client.CoreV1Api(api)
    token = core.create_namespaced_service_account_token("default", namespace, {"spec": {}})
    (tmp_path / "token").write_text(token.status.token)
    bundle = until(
        lambda: (
            core.list_namespaced_config_map(
                namespace, field_selector="metadata.name=kube-root-ca.crt"
            ).items
        ),
        "the certificate is there",
    )
    (tmp_path / "ca.crt").write_text(bundle[0].data["ca.crt"])
    host, _, port = live.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    loader = config.incluster_config
    monkeypatch.setattr(loader, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(loader, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    made = client.Configuration()
    config.load_incluster_config(made)
    made.proxy = None
    return made


def test_a_pod_is_its_service_account(in_a_pod: client.Configuration, namespace: str) -> None:
    with client.ApiClient(in_a_pod) as inside:
        who = client.AuthenticationV1Api(inside).create_self_subject_review({})
        name = f"system:serviceaccount:{namespace}:default"
        assert who.status.user_info.username == name
        with pytest.raises(ApiException) as error:
            client.CoreV1Api(inside).list_namespaced_secret(namespace)
        assert error.value.status == 403
        assert f'User \\"{name}\\" cannot list resource \\"secrets\\"' in error.value.body
        inside.rest_client.pool_manager.clear()
