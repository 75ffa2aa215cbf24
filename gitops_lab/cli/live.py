"""The commands for live sandboxes: up, status, down, and what people do in between."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from gitops_lab.errors import LabError, UsageError

ARMS = "push-on-commit,pull+self-heal"


def add(commands: Any) -> None:
    """Teach the command line these commands.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """

    def command(name: str, run: Any, text: str, more: str = "") -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip()
        )
        parser.add_argument(
            "--name", default="default", help="which sandbox (default: default)", metavar="NAME"
        )
        parser.set_defaults(run=run)
        return parser

    up = command(
        "up",
        run_up,
        "start a live sandbox in the background, for kubectl and git",
        "It returns when everything answers. If the sandbox runs already, it stays as it is.",
    )
    up.add_argument(
        "--arms",
        "--clusters",
        default=ARMS,
        metavar="NAME,…",
        help=f"standard arms, a cluster for each, or `all` (default: {ARMS})",
    )
    up.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="let time in the sandbox pass N times as fast (default: 1)",
    )
    status = command("status", run_status, "say what is true of each arm")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    command("down", run_down, "end a live sandbox and remove every trace of it")
    command(
        "reset",
        run_reset,
        "begin a live sandbox anew: the same arms, empty clusters and an empty repository",
    )
    config = command(
        "kubeconfig",
        run_kubeconfig,
        "print the path of the sandbox's kubeconfig",
        "For your shell: export KUBECONFIG=$(gitops-lab kubeconfig). Your own stays as it is.",
    )
    config.add_argument("arm", nargs="?", metavar="ARM", help="one with this cluster alone")
    # No prefix starts an option here: everything goes to kubectl as it stands.
    kubectl = commands.add_parser(
        "kubectl",
        help="run your kubectl with the sandbox's kubeconfig",
        usage="gitops-lab kubectl [--name NAME] ARGS…",
        prefix_chars="\0",
        add_help=False,
    )
    kubectl.add_argument("arguments", nargs="*", metavar="ARGS")
    kubectl.set_defaults(run=run_kubectl)
    command("git-url", run_git_url, "print the address for git clone and git push")
    logs = command("logs", run_logs, "print what happened, by whom and why")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    pause = command("pause", run_pause, "have deployers do nothing until they are resumed")
    pause.add_argument("arms", nargs="*", metavar="ARM", help="(default: all)")
    resume = command("resume", run_resume, "have paused deployers go on")
    resume.add_argument("arms", nargs="*", metavar="ARM", help="(default: all)")
    step = command("step", run_step, "have a deployer do its next piece of work, and tell of it")
    step.add_argument("arm", metavar="ARM")
    doctor = commands.add_parser("doctor", help="see that this machine has what is needed")
    doctor.set_defaults(run=run_doctor)


def run_up(options: argparse.Namespace) -> int:
    """`gitops-lab up`."""
    from gitops_lab.daemon import start

    folder = _folder(options)
    arms = [name.strip() for name in options.arms.split(",") if name.strip()]
    found = start(folder, arms, speed=options.speed)
    if found["found"] == "running":
        print(f"The sandbox {options.name!r} runs already, and stays as it is.")
    elif found["found"] == "crashed":
        print(
            f"The last sandbox {options.name!r} ended unexpectedly; {folder.log} may say why. "
            "Its repository is still there, its clusters are new.",
            file=sys.stderr,
        )
    _show(found)
    return 0


def run_status(options: argparse.Namespace) -> int:
    """`gitops-lab status`."""
    status = _folder(options).ask("status")
    if options.json:
        print(json.dumps(status, indent=2, ensure_ascii=False))
    else:
        for arm in status["arms"]:
            print(arm["line"])
    return 0


def run_down(options: argparse.Namespace) -> int:
    """`gitops-lab down`."""
    from gitops_lab.daemon import stop

    there = stop(_folder(options))
    print(f"The sandbox {options.name!r} is {'gone' if there else 'not there'}.")
    return 0


def run_reset(options: argparse.Namespace) -> int:
    """`gitops-lab reset`."""
    from gitops_lab.daemon import start, stop

    folder = _folder(options)
    before = folder.description()
    stop(folder)
    _show(start(folder, list(before["clusters"]), speed=before["speed"]))
    return 0


def run_kubeconfig(options: argparse.Namespace) -> int:
    """`gitops-lab kubeconfig`."""
    folder = _folder(options)
    clusters = folder.description()["clusters"]
    if options.arm is None:
        print(folder.kubeconfig)
        return 0
    if options.arm not in clusters:
        raise UsageError(
            f"there is no arm {options.arm!r}", fix=f"choose from {', '.join(clusters)}"
        )
    print(folder.path / "clusters" / options.arm / "kubeconfig")
    return 0


def run_kubectl(options: argparse.Namespace) -> int:
    """`gitops-lab kubectl`: becomes kubectl, so that signals and exit codes are its own."""
    from gitops_lab.state import StateFolder

    name, arguments = "default", options.arguments
    if arguments[:1] == ["--name"] and len(arguments) > 1:
        name, *arguments = arguments[1:]
    folder = StateFolder(name)
    folder.description()
    program = shutil.which("kubectl")
    if program is None:
        raise LabError(
            "kubectl is not installed on this machine",
            fix="install it (https://kubernetes.io/docs/tasks/tools/) and see that it is in PATH",
        )
    environment = {
        **os.environ,
        "KUBECONFIG": str(folder.kubeconfig),
        "KUBECACHEDIR": str(folder.path / "kubectl"),  # else it keeps caches with the user's own
    }
    sys.stdout.flush()
    os.execve(program, ["kubectl", *arguments], environment)


def run_git_url(options: argparse.Namespace) -> int:
    """`gitops-lab git-url`."""
    print(_folder(options).description()["git"])
    return 0


def run_logs(options: argparse.Namespace) -> int:
    """`gitops-lab logs`."""
    folder = _folder(options)
    if not options.follow and folder.journal.exists():
        is_alive = False  # what there is, is all we want; a crashed sandbox tells, too
    else:
        folder.description()
        is_alive = True
    for line in _lines(folder, follow=is_alive):
        print(line, flush=options.follow)
    return 0


def run_pause(options: argparse.Namespace) -> int:
    """`gitops-lab pause`."""
    _folder(options).ask("pause", arms=options.arms)
    return run_status(argparse.Namespace(name=options.name, json=False))


def run_resume(options: argparse.Namespace) -> int:
    """`gitops-lab resume`."""
    _folder(options).ask("resume", arms=options.arms)
    return run_status(argparse.Namespace(name=options.name, json=False))


def run_step(options: argparse.Namespace) -> int:
    """`gitops-lab step`."""
    for line in _folder(options).ask("step", arm=options.arm):
        print(line)
    return 0


def run_doctor(options: argparse.Namespace) -> int:
    """`gitops-lab doctor`."""
    from gitops_lab.checkup import findings

    is_fit = True
    for finding in findings():
        mark = "ok" if finding.is_fine else "needed" if finding.is_needed else "missing"
        print(f"{mark:<8} {finding.what}")
        if not finding.is_fine:
            print(f"{'':<8} {finding.cure}")
            is_fit = is_fit and not finding.is_needed
    return 0 if is_fit else 1


def _show(description: dict[str, Any]) -> None:
    """Where everything is, and what to do with it."""
    for name, url in description["clusters"].items():
        print(f"{name:<18} {url}")
    print(f"{'repository':<18} {description['git']}")
    option = "" if description["name"] == "default" else f" --name {description['name']}"
    print(f"Next: gitops-lab kubectl{option} get pods -A; git clone $(gitops-lab git-url{option})")


def _folder(options: argparse.Namespace) -> Any:
    from gitops_lab.state import StateFolder

    return StateFolder(options.name)


def _lines(folder: Any, *, follow: bool) -> Iterator[str]:
    """The journal, readable; with `follow` until its sandbox ends."""
    import time

    from gitops_lab.journal import Entry

    while follow and not folder.journal.exists() and folder.is_alive:
        time.sleep(0.2)
    if not folder.journal.exists():
        return
    with folder.journal.open(encoding="utf-8") as file:
        rest = ""
        while True:
            *whole, rest = (rest + file.read()).split("\n")
            yield from (str(Entry.from_json(line)) for line in whole)
            if not follow or not folder.is_alive:
                return
            time.sleep(0.2)
