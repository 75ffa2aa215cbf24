"""The command that an agent's pod runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Teach the command line this command.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    parser = commands.add_parser(
        "agent",
        help="run a pull deployer by itself, as in a pod of its cluster",
        description="Run a pull deployer until it is told to end. What it does goes to standard "
        "output, a line each.",
    )
    parser.add_argument("--name", required=True, help="its name in the cluster")
    parser.add_argument("--url", required=True, help="the repository's address")
    parser.add_argument("--branch", default="main", help="(default: main)")
    parser.add_argument("--path", default=".", help="the folder to deploy (default: all)")
    parser.add_argument(
        "--credentials",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="access to Git: files username, password and ca.crt",
    )
    parser.add_argument(
        "--work", type=Path, required=True, metavar="FOLDER", help="where it may write"
    )
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="(default: what every pod has)"
    )
    parser.add_argument(
        "--interval", type=float, default=60.0, metavar="S", help="between two looks (default: 60)"
    )
    parser.add_argument(
        "--namespace", default="default", help="for manifests that name none (default: default)"
    )
    parser.add_argument("--self-heal", action="store_true", help="undo drift")
    parser.add_argument("--no-prune", action="store_true", help="leave what Git dropped")
    parser.set_defaults(run=run_agent)


def run_agent(options: argparse.Namespace) -> int:
    """`gitops-lab agent`."""
    import asyncio

    from gitops_lab.agent.program import run
    from gitops_lab.deployers.policy import Policy

    policy = Policy(
        interval=options.interval,
        self_heal=options.self_heal,
        prune=not options.no_prune,
        namespace=options.namespace,
        fetch=0.0,
    )
    options.work.mkdir(parents=True, exist_ok=True)
    asyncio.run(
        run(
            options.name,
            options.url,
            branch=options.branch,
            path=options.path,
            policy=policy,
            credentials=options.credentials,
            work=options.work,
            kubeconfig=options.kubeconfig,
        )
    )
    return 0
