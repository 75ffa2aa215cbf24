"""A pytest plugin: the fixture `kubesim`, a fresh cluster behind HTTPS for one test.

pytest finds it by itself where this package is installed. It costs nothing until a test asks for
the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kubesim.serving import Served

SPEED = 20.0
"""How many times as fast as real time the cluster runs: a pod is ready within half a second."""


@pytest.fixture
def kubesim() -> Iterator[Served]:
    """A simulated cluster: `kubesim.url`, `kubesim.kubeconfig(path)`, `kubesim.call(work)`."""
    from kubesim.serving import serve  # costs a third of a second, so only where it is used

    with serve(speed=SPEED, seed=1) as served:
        yield served
