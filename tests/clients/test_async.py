"""The official client for asyncio, `kubernetes.aio`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubernetes.aio import client, config, watch


def test_an_object_lives_its_life_and_is_watched(kubeconfig: Path, namespace: str) -> None:
    async def story() -> None:
        configuration = client.Configuration()
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            core = client.CoreV1Api(api)
            since = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
            body = {"metadata": {"name": "book"}, "data": {"page": "1"}}
            await core.create_namespaced_config_map(namespace, body)
            await core.patch_namespaced_config_map("book", namespace, {"data": {"page": "2"}})
            await core.delete_namespaced_config_map("book", namespace)
            events = watch.Watch().stream(
                core.list_namespaced_config_map, namespace,
                resource_version=since, field_selector="metadata.name=book", timeout_seconds=1,
            )  # fmt: skip
            told = [event["type"] async for event in events]
            assert told == ["ADDED", "MODIFIED", "DELETED"]

    asyncio.run(story())
