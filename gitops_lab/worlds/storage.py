"""What CI keeps between two pipelines, in a file."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError
from kubesim.files import write_private


class Storage(MutableMapping[str, str]):
    """Names and texts; each change is in the file before anybody can count on it.

    Args:
        path: the file; it need not exist.

    Raises:
        LabError: the file is damaged; later, a change cannot be written, and then is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._texts = {str(name): str(text) for name, text in _pairs(path)}
        except FileNotFoundError:
            self._texts = {}
        except (ValueError, AttributeError) as error:
            raise LabError(
                f"what CI kept cannot be read: {error}",
                where=str(path),
                fix="remove the file: then nothing that Git dropped before now is pruned",
            ) from error

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __setitem__(self, name: str, text: str) -> None:
        self._write({**self._texts, name: text})

    def __delitem__(self, name: str) -> None:
        self._write({other: text for other, text in self._texts.items() if other != name})

    def _write(self, texts: dict[str, str]) -> None:
        try:
            write_private(self._path, json.dumps(texts))
        except OSError as error:
            raise LabError(
                f"what CI keeps cannot be written: {error.strerror}",
                where=str(self._path),
                fix="free some space, and run the pipeline again",
            ) from error
        self._texts = texts


def _pairs(path: Path) -> ItemsView[Any, Any]:
    found: ItemsView[Any, Any] = json.loads(path.read_text()).items()
    return found
