"""`python -m kubesim`: a simulated cluster behind HTTPS, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kubesim.errors import LabError
from kubesim.http.listener import raise_file_limit
from kubesim.serving import Served


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a cluster; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m kubesim",
        description="Serve a simulated Kubernetes cluster on loopback until Ctrl-C.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free (default)")
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        default=Path("kubesim.kubeconfig"),
        metavar="FILE",
        help="where to write the administrator's kubeconfig (default: %(default)s)",
    )
    parser.add_argument("--nodes", type=int, default=1, help="how many nodes (default: 1)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how many times as fast as real time (default: 1)"
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 65_536:
        parser.error(f"argument --port: {options.port} is no port")
    if not 0 < options.nodes <= 1_000:
        parser.error(f"argument --nodes: {options.nodes} is not between 1 and 1000")
    try:
        asyncio.run(_serve(options))
    except LabError as error:
        print(f"kubesim: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"kubesim: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    raise_file_limit()
    served = Served(nodes=options.nodes, speed=options.speed)
    await served.start(port=options.port)
    try:
        path = served.kubeconfig(options.kubeconfig.absolute())
        print(f"Ready: Kubernetes v1.37 (simulated) at {served.url}", flush=True)
        print(f"export KUBECONFIG={path}", flush=True)
        await ended.wait()
    finally:
        await served.stop()


if __name__ == "__main__":
    sys.exit(main())
