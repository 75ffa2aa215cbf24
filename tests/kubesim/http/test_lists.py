"""How old a list may be is for its reader to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.kubesim.http.world import (
    CONFIG_MAPS,
    WINDOW,
    Client,
    Reply,
    Scenario,
    World,
    config_map,
)

Run = Callable[[Scenario[Any]], Any]


def names(reply: Reply) -> list[str]:
    assert reply.code == 200, reply.body
    return [each["metadata"]["name"] for each in reply.json["items"]]


def test_a_list_is_of_a_revision_or_of_that_and_all_since(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        first = await client.post(CONFIG_MAPS, config_map("a"))
        since = first.json["metadata"]["resourceVersion"]
        await client.post(CONFIG_MAPS, config_map("b"))
        at = f"{CONFIG_MAPS}?resourceVersion={since}"
        exact = await client.get(f"{at}&resourceVersionMatch=Exact")
        assert names(exact) == ["a"]
        assert exact.json["metadata"]["resourceVersion"] == since
        assert names(await client.get(f"{at}&resourceVersionMatch=NotOlderThan")) == ["a", "b"]
        assert names(await client.get(at)) == ["a", "b"]
        assert names(await client.get(f"{CONFIG_MAPS}?resourceVersion=0")) == ["a", "b"]

    run(scenario)


def test_a_revision_that_has_not_come_is_a_timeout_and_one_that_is_forgotten_is_expired(
    run: Run,
) -> None:
    async def scenario(world: World, client: Client) -> None:
        created = await client.post(CONFIG_MAPS, config_map("a"))
        since = int(created.json["metadata"]["resourceVersion"])
        for match in ("Exact", "NotOlderThan"):
            query = f"resourceVersion={since + 99}&resourceVersionMatch={match}"
            early = await client.get(f"{CONFIG_MAPS}?{query}")
            assert (early.code, early.json["reason"]) == (504, "Timeout")
            assert early.message.startswith("Timeout: Too large resource version")
            assert early.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
            assert early.headers["Retry-After"] == "1"
        for number in range(WINDOW + 1):
            await client.ask("PUT", f"{CONFIG_MAPS}/a", config_map("a", number=str(number)))
        late = await client.get(f"{CONFIG_MAPS}?resourceVersion={since}&resourceVersionMatch=Exact")
        assert (late.code, late.json["reason"]) == (410, "Expired")
        old = await client.get(f"{CONFIG_MAPS}?resourceVersion={since}")
        assert names(old) == ["a"]

    run(scenario)
