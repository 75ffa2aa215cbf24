"""`gitops-lab render`: what a folder renders to, without any cluster."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add this command to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    parser = commands.add_parser(
        "render",
        help="print the objects that a folder renders to",
        description="Print the objects that a folder renders to, as a deployer would see them: "
        "with kustomize if it has a kustomization, with Helm if it is a chart, else all YAML "
        "files below it.",
        epilog="example: gitops-lab render overlays/dev",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="the folder that it may use files of (default: its Git repository, else DIR)",
    )
    parser.add_argument(
        "--release", default="release", metavar="NAME", help="name of a chart's release"
    )
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml")
    parser.set_defaults(run=run_render)


def run_render(options: argparse.Namespace) -> int:
    """Render a folder and print it."""
    from gitops_lab.engine.documents import dump
    from gitops_lab.engine.render import render
    from gitops_lab.errors import RenderError, UsageError
    from gitops_lab.renderers.folder import artifact_of, root_of

    folder = options.folder.resolve()
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=str(options.folder), fix="name a folder")
    root = options.root.resolve() if options.root else root_of(folder)
    if not folder.is_relative_to(root):
        raise UsageError(f"{options.folder} is not below {root}", fix="name another --root")
    path = folder.relative_to(root).as_posix()
    try:
        found = render(
            artifact_of(root),
            "" if path == "." else path,
            namespace="",
            is_namespaced=lambda group, kind: True,
            release=options.release,
        )
    except RenderError as error:
        if "leads out" in error.what and options.root is None:
            error.fix = "name the folder that holds both with --root"
        raise
    if options.output == "json":
        items = [manifest.body for manifest in found]
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2))
    else:
        for manifest in found:
            print(f"---\n# from {manifest.origin!r}\n{dump(manifest.body)}", end="")
    return 0
