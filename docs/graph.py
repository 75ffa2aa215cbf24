"""The picture of the architecture page: packages in their layers, and who imports whom.

The layers come from the import contract in pyproject.toml, the arrows and sizes from the code.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).parent.parent
PACKAGE, BELOW = "gitops_lab", "kubesim"
COLUMNS = 4
BASE = ("journal", "ports", "model", "state", "errors")
"""Modules that nearly every other one imports: drawn as one row, without arrows."""


def layers() -> list[list[str]]:
    """The layers of the package, highest first, each with the modules that exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(
        each
        for each in project["tool"]["importlinter"]["contracts"]
        if each.get("containers") == [PACKAGE]
    )
    named = [re.split(r"\s*\|\s*", re.sub(r"[()]", "", layer)) for layer in contract["layers"]]
    rows = [[name for name in names if _path(name) is not None] for names in named]
    upper = [row for row in rows if row and row[0] not in (*BASE, "__main__")]
    return [*upper, [name for row in rows for name in row if name in BASE], [BELOW]]


def imports() -> Counter[tuple[str, str]]:
    """How often a module of the package imports another one, or kubesim."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        own = path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                top, _, rest = name.partition(".")
                target = BELOW if top == BELOW else rest.partition(".")[0]
                if top in (PACKAGE, BELOW) and target not in ("", own):
                    found[own, target] += 1
    return found


def size(name: str) -> int:
    """How many lines of Python a module or package has."""
    path = ROOT / BELOW if name == BELOW else _path(name)
    assert path is not None, f"there is no module {name}"
    files = path.rglob("*.py") if path.is_dir() else [path]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def picture() -> bytes:
    """The layers as a PNG."""
    rows = layers()
    figure = Figure(figsize=(11, 0.86 * len(rows)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(0, COLUMNS)
    axes.set_ylim(len(rows), 0)
    axes.axis("off")
    places: dict[str, tuple[float, float]] = {}
    for y, row in enumerate(rows):
        # Rows of one stand left and right in turn, so that arrows do not run through them.
        aside = (0.55 if y % 2 else -0.55) if len(row) == 1 and row != [BELOW] else 0.0
        for x, name in enumerate(row):
            left = (COLUMNS - len(row) * 0.8) / 2 + 0.8 * x + aside
            places[name] = (left + 0.36, y + 0.5)
    for (source, target), count in sorted(imports().items()):
        if source in places and target in places and target not in BASE and source not in BASE:
            (x1, y1), (x2, y2) = places[source], places[target]
            axes.add_patch(
                FancyArrowPatch(
                    (x1, y1 + 0.28), (x2, y2 - 0.28), arrowstyle="-|>", mutation_scale=9,
                    linewidth=min(0.4 + count / 12, 2.2), color="#8899bb", alpha=0.55,
                    connectionstyle="arc3,rad=0.08",
                )
            )  # fmt: skip
    for name, (middle, height) in places.items():
        own = name == BELOW
        box = FancyBboxPatch(
            (middle - 0.33, height - 0.25), 0.66, 0.5, boxstyle="round,pad=0.02",
            facecolor="#fff3d6" if own else "#eef2fb", edgecolor="#3f51b5", linewidth=1.2,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(
            middle, height - 0.06, name, ha="center", va="center", fontsize=12, fontweight="bold"
        )
        axes.text(
            middle, height + 0.15, f"{size(name):,} lines", ha="center", va="center", fontsize=8
        )
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _path(name: str) -> Path | None:
    folder, file = ROOT / PACKAGE / name, ROOT / PACKAGE / f"{name}.py"
    return folder if folder.is_dir() else file if file.is_file() else None
