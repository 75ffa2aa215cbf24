"""Data beside the checkout that tests may read where it is."""

from __future__ import annotations

from pathlib import Path

import pytest


def shared(path: str) -> Path:
    """A folder of the shared data; the test is skipped where there is none."""
    for parent in Path(__file__).resolve().parents:
        if (found := parent / "shared" / "data" / path).exists():
            return found
    pytest.skip(f"{path} of the shared data is not beside this checkout")
