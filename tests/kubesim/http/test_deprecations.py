from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.kubesim.http.world import CONFIG_MAPS, Client, Scenario, World


def test_answers_about_a_deprecated_resource_warn(run: Callable[[Scenario[Any]], Any]) -> None:
    async def scenario(world: World, client: Client) -> None:
        listed = await client.get("/api/v1/namespaces/default/endpoints")
        assert listed.warnings == [
            '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
        ]
        assert not (await client.get(CONFIG_MAPS)).warnings

    run(scenario)
