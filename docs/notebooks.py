"""Run the notebooks: to check them (`make notebooks-check`) and to publish them (`make docs`)."""

from __future__ import annotations

import base64
import re
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

FOLDER = Path(__file__).parent.parent / "notebooks"
LIMIT = 300
"""Seconds that one cell may take, before the run is given up."""

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def paths() -> list[Path]:
    """The committed notebooks, in reading order."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    """The notebook as it is committed."""
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def execute(path: Path) -> Any:
    """The notebook with its outputs, run top to bottom in a new kernel.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = read(path)
    where = {"metadata": {"path": str(path.parent)}}
    with tempfile.TemporaryDirectory() as folder:
        # A kernel that is spoken to through files: no network, not even this machine's own.
        sockets = Config(ConnectionFileMixin={"transport": "ipc", "ip": f"{folder}/kernel"})
        NotebookClient(notebook, config=sockets, timeout=LIMIT, resources=where).execute()
    return notebook


def outputs(notebook: Any) -> list[Any]:
    """What the cells of a notebook show."""
    return [cell.get("outputs", []) for cell in notebook.cells if cell.cell_type == "code"]


def to_markdown(notebook: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook that was run as a Markdown page, and the pictures that belong beside it.

    Args:
        notebook: with its outputs.
        name: begins the pictures' file names.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(_fenced(cell.source, "python"))
            for output in cell.outputs:
                data = output.get("data", {"text/plain": output.get("text", "")})
                words = ANSI.sub("", data.get("text/plain", "")).rstrip()
                if "image/png" in data:
                    picture = f"{name}-{len(pictures) + 1}.png"
                    pictures[picture] = base64.b64decode(data["image/png"])
                    alt = re.sub(r"[\[\]\s]+", " ", words)
                    parts.append(f"![{alt}]({picture})")
                elif "text/html" in data:
                    parts.append(f'<div class="output">\n{data["text/html"]}\n</div>')
                elif "text/markdown" in data:
                    parts.append(data["text/markdown"])
                elif words:
                    parts.append(_fenced(words, "text"))
    return "\n\n".join(parts) + "\n", pictures


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text}\n````"


def main() -> int:
    """Check each notebook: committed without outputs, runs, and shows the same twice."""
    faults = []
    for path in paths():
        if any(outputs(read(path))):
            faults.append(f"{path.name} is committed with outputs: clear them, save, commit again")
        began = perf_counter()
        first = outputs(execute(path))
        print(f"{path.name}: ran in {perf_counter() - began:.1f} s", flush=True)
        for number, (one, other) in enumerate(zip(first, outputs(execute(path)), strict=True), 1):
            if one != other:
                faults.append(f"{path.name}, code cell {number}: a second run shows something else")
    print("\n".join(faults) or "The same again, in a second run", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
