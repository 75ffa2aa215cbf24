"""Kustomize, as it is inside kubectl: `kubectl kustomize DIR`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from gitops_lab.renderers.process import ToolFailed, workspace
from gitops_lab.renderers.tools import packaged_kubectl

ORIGIN = "config.kubernetes.io/origin"
"""Annotation in which kustomize says where an object comes from (`buildMetadata`)."""

WRAPPER = "wrapper"


def build(
    files: Mapping[str, bytes],
    links: Mapping[str, str],
    folder: str,
    *,
    origins: bool = True,
    helm: Path | None = None,
) -> bytes:
    """What a folder with a kustomization renders to, as YAML.

    Args:
        files: content by path; kustomize sees these and no others.
        links: symbolic links that stay among these files.
        folder: the folder to build.
        origins: also say in an annotation of each object which file it comes from.
        helm: the Helm program, for kustomizations with `helmCharts`.

    Raises:
        ToolFailed: kustomize's own words.
        RenderError: it took too long, or printed too much.
    """
    options = ["--enable-helm", f"--helm-command={helm}"] if helm else []
    with workspace(files) as place:
        place.write(files, links)
        command = packaged_kubectl()
        if origins:
            wrapper = place.root / WRAPPER
            wrapper.mkdir()
            asked = {"resources": [f"../files/{folder}"], "buildMetadata": ["originAnnotations"]}
            (wrapper / "kustomization.yaml").write_text(json.dumps(asked), encoding="utf-8")
            try:
                return place.run(command, ["kustomize", str(wrapper), *options])
            except ToolFailed:
                pass  # without the wrapper its words are plainer
        return place.run(command, ["kustomize", f"./{folder}", *options])


def origin_path(path: str) -> str:
    """The path in the repository that an origin annotation's `path` or `configuredIn` means."""
    return path.removeprefix("../files/")
