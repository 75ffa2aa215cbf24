from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.kubesim.http.world import Scenario, World

T = TypeVar("T")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture
def run(folder: Path) -> Callable[[Scenario[T]], T]:
    """Runs a scenario against a server of its own."""

    def runs(scenario: Scenario[T]) -> T:
        async def whole() -> T:
            async with World(str(folder)).served() as world, world.client() as client:
                return await scenario(world, client)

        return asyncio.run(whole())

    return runs
