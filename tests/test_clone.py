"""Where a clone goes, and what the sample puts into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.cli.clone import add_sample, beside_a_checkout


def test_a_clone_never_lies_in_another_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "product" / "docs"
    deep.mkdir(parents=True)
    (tmp_path / "product" / ".git").mkdir()
    monkeypatch.chdir(deep)
    assert beside_a_checkout(Path("shop")) == tmp_path / "shop"
    monkeypatch.chdir(tmp_path)
    assert beside_a_checkout(Path("shop")) == Path("shop")
    assert beside_a_checkout(deep / "shop") == deep / "shop"


def test_the_sample_leaves_files_alone_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text("mine")
    copied = add_sample(tmp_path)
    assert "deployment.yaml" in copied and "service.yaml" not in copied
    assert (tmp_path / "service.yaml").read_text() == "mine"
    assert add_sample(tmp_path) == []
