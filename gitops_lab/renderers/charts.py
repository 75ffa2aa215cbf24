"""Helm, if it is there: the program `helm` on PATH, or the extra `gitops-lab[helm]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from gitops_lab.renderers.process import workspace
from gitops_lab.renderers.tools import helm

Renderer = Callable[[Mapping[str, bytes], Mapping[str, str], str, str], bytes]
"""From files, links, a chart's folder and the release's name to YAML."""

LIBRARY = "helm_python"

# A process of its own: a fault in the library, or a template without end, ends that alone.
PROGRAM = """
import sys
from helm_python import Chart
from helm_python.errors import HelmError
folder, release, namespace = sys.argv[1:]
try:
    chart = Chart.load(folder)
    parts = [crd["data"] for crd in chart.crds]
    rendered = chart.render(name=release, namespace=namespace, is_install=True)
    parts += [text for path, text in sorted(rendered.items()) if not path.endswith("NOTES.txt")]
except HelmError as error:
    sys.exit(str(error))
print("\\n---\\n".join(parts))
"""

NAMESPACE = "default"
"""`.Release.Namespace`. Objects without a namespace go where the deployer's policy says."""


def renderer() -> Renderer | None:
    """What renders charts on this machine; None if nothing does."""
    if helm() is not None:
        return _by_program
    return _by_library if find_spec(LIBRARY) else None


def _by_program(
    files: Mapping[str, bytes], links: Mapping[str, str], folder: str, release: str
) -> bytes:
    program = helm()
    assert program is not None
    options = ["--include-crds", "--namespace", NAMESPACE]
    with workspace(files) as place:
        place.write(files, links)
        return place.run(program, ["template", release, f"./{folder}", *options])


def _by_library(
    files: Mapping[str, bytes], links: Mapping[str, str], folder: str, release: str
) -> bytes:
    with workspace(files) as place:
        place.write(files, links)
        chart = f"./{folder}"
        return place.run(Path(sys.executable), ["-I", "-c", PROGRAM, chart, release, NAMESPACE])
