"""The image registry: tags move, digests do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import PipelineError
from gitops_lab.forge import Forge
from gitops_lab.pipeline.registry import Registry


def test_tags_move_and_digests_do_not(tmp_path: Path) -> None:
    forge = Forge(tmp_path, now=lambda: 5.0)
    registry = Registry(forge.create("app").records)
    first = registry.push("org/shop", "latest", commit="a" * 40, content="x")
    assert registry.resolve("org/shop", "latest") == first.digest
    assert registry.push("org/shop", "1", commit="b" * 40, content="x") == first
    second = registry.push("org/shop", "latest", commit="b" * 40, content="y")
    assert second.digest != first.digest == registry.resolve("org/shop", "1")
    assert registry.tags("org/shop") == {"1": first.digest, "latest": second.digest}
    assert "moves org/shop:latest" in forge.repositories["app"].records.since("")[-1].text
    with pytest.raises(PipelineError, match="no tag '2'"):
        registry.resolve("org/shop", "2")
    with pytest.raises(PipelineError, match="no name of an image"):
        registry.push("Org Shop", "1", commit="", content="")
    forge.close()
