"""The commands for live sandboxes: up, status, down, and what people do in between."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from gitops_lab.cli.printing import runnable
from gitops_lab.errors import LabError, UsageError
from gitops_lab.state import command as typed


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
        default="",
        metavar="NAME,…",
        help="arms, a cluster for each, or `all` (default: push-on-commit,pull+self-heal); an arm "
        "may be written NAME=KIND@BRANCH:FOLDER, such as dev=pull:envs/dev",
    )
    up.add_argument(
        "--rights",
        choices=("cluster-admin", "application"),
        help="what deployers may do in their clusters: everything (default), or only what "
        "applications consist of",
    )
    up.add_argument(
        "--speed",
        type=float,
        metavar="N",
        help="let time in the sandbox pass N times as fast (default: 1)",
    )
    up.add_argument(
        "--pace",
        type=float,
        metavar="N",
        help="let deployers wait 1/N of the time between two looks; clusters keep theirs",
    )
    add_backend(
        up,
        "where clusters come from: simulated here (default), made by kind, or a context of "
        "your kubeconfig",
    )
    status = command("status", run_status, "say what is true of each arm")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.add_argument("--watch", action="store_true", help="show it again when it changes")
    why = command(
        "why",
        run_why,
        "print what one deployer did and why",
        "Name an object to see only what concerns it.",
    )
    why.add_argument("arm", metavar="ARM")
    why.add_argument("object", nargs="?", default="", help="such as Deployment/web")
    down = command("down", run_down, "end a live sandbox and remove every trace of it")
    down.add_argument(
        "--yes", action="store_true", help="do not ask before objects of a shared cluster go"
    )
    down.add_argument("--all", action="store_true", help="every sandbox that you have")
    command(
        "reset",
        run_reset,
        "start a live sandbox again: the same arms, empty clusters and an empty repository",
    )
    config = command(
        "kubeconfig",
        run_kubeconfig,
        "print the path of the sandbox's kubeconfig",
        "For your shell: export KUBECONFIG=$(gitops-lab kubeconfig). Your own stays as it is.",
    )
    config.add_argument("arm", nargs="?", metavar="ARM", help="one with this cluster alone")
    # No prefix starts an option here: everything goes to kubectl as it stands, `--` as well.
    kubectl = commands.add_parser(
        "kubectl",
        help="run kubectl with the sandbox's kubeconfig",
        usage="gitops-lab kubectl [--name NAME] ARGS…",
        prefix_chars="\0",
        add_help=False,
    )
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    kubectl.set_defaults(run=run_kubectl)
    url = command("git-url", run_git_url, "print the repository's address")
    url.add_argument("--folder", action="store_true", help="by the file system, not by HTTPS")
    pause = command("pause", run_pause, "have deployers do nothing until they are resumed")
    pause.add_argument("arms", nargs="*", metavar="ARM", help="(default: all)")
    resume = command("resume", run_resume, "have paused deployers go on")
    resume.add_argument("arms", nargs="*", metavar="ARM", help="(default: all)")
    step = command("step", run_step, "run the next step of a deployer, and print what it did")
    step.add_argument("arm", metavar="ARM")
    cut = command("disconnect", run_disconnect, "cut clusters off from the network outside them")
    cut.add_argument("arms", nargs="*", metavar="ARM", help="(default: all)")
    reconnect = command("reconnect", run_reconnect, "connect clusters to the network again")
    reconnect.add_argument("arms", nargs="*", metavar="ARM", help="(default: all)")
    doctor = commands.add_parser("doctor", help="see that this machine has what is needed")
    doctor.add_argument(
        "--backend",
        choices=["simulated", "kind"],
        default="simulated",
        help="where clusters should come from (default: simulated)",
    )
    doctor.set_defaults(run=run_doctor)


def add_backend(parser: argparse.ArgumentParser, text: str) -> None:
    """Teach a command the options that say where clusters come from.

    Args:
        parser: the command's.
        text: what `--backend` is for.
    """
    parser.add_argument(
        "--backend",
        choices=("simulated", "kind", "context"),
        help=text,
    )
    parser.add_argument(
        "--agent",
        choices=("inside", "outside"),
        help="where pull deployers run: in a pod of their cluster, or in the sandbox's process "
        "(default: inside; outside for context)",
    )
    parser.add_argument("--node-image", metavar="IMAGE", help="for kind: what nodes are made from")
    parser.add_argument(
        "--context", metavar="NAME", help="for context: which (default: the current)"
    )
    parser.add_argument(
        "--namespace", metavar="NAME", help="for context: stay within this one, which exists"
    )
    parser.add_argument(
        "--confirm-context", metavar="NAME", help="use it although it looks like production"
    )


def run_up(options: argparse.Namespace) -> int:
    """`gitops-lab up`."""
    from gitops_lab.service.lifecycle import start

    folder, found = _folder(options), None
    arms = [name.strip() for name in options.arms.split(",") if name.strip()]
    parts = {"arms": arms, "speed": options.speed, "pace": options.pace, "rights": options.rights}
    try:
        found = start(folder, wanted(options, **parts), progress=_progress)
        return _report_up(options.name, folder, found)
    except KeyboardInterrupt as interruption:
        if found is None and str(interruption) == "" and not folder.is_alive:
            raise
        raise KeyboardInterrupt(
            str(interruption) or f"the sandbox runs, and `{typed('down', options.name)}` ends it"
        ) from None


def _report_up(name: str, folder: Any, found: dict[str, Any]) -> int:
    """What came of `up`; the exit code."""
    if found["found"] == "running":
        lab = folder.path / "lab"
        owner = f" It belongs to the lab {lab.read_text()!r}." if lab.is_file() else ""
        print(f"The sandbox {name!r} runs already, and stays as it is.{owner}")
    elif found["found"] == "stopped":
        print(f"The sandbox {name!r} goes on where it was.")
    elif found["found"] == "crashed":
        print(
            f"The sandbox {name!r} had ended unexpectedly; {folder.log} may say why. "
            "It goes on where it was.",
            file=sys.stderr,
        )
    for note in found["notes"]:
        print(f"Note: {note}", file=sys.stderr)
    _show(found)
    _guide(name)
    return 0


def run_status(options: argparse.Namespace) -> int:
    """`gitops-lab status`."""
    from gitops_lab.cli.status import lines, watch

    try:
        if options.watch:
            watch(_folder(options))
            return 0
        status = _folder(options).ask("status")
    except KeyboardInterrupt:  # how people stop watching
        return 130
    except LabError:
        _name_others(options.name)
        raise
    if options.json:
        print(json.dumps(status, indent=2, ensure_ascii=False))
    else:
        print(*lines(status), sep="\n")
        for trouble in status["troubles"]:
            print(f"Note: {trouble}", file=sys.stderr)
    return 0


def run_why(options: argparse.Namespace) -> int:
    """`gitops-lab why`."""
    from gitops_lab.cli.escape import escaped

    print(escaped(_folder(options).ask("why", arm=options.arm, object=options.object)))
    return 0


def run_down(options: argparse.Namespace) -> int:
    """`gitops-lab down`."""
    from gitops_lab.service.lifecycle import holdings, stop
    from gitops_lab.state import sandboxes

    names = sandboxes() if options.all else [options.name]
    for name in names:
        folder = _named(name)
        if found := holdings(folder):
            print("This removes:", *map(str, found), sep="\n  ")
            if not options.yes and not _agreed():
                raise LabError("nothing was removed", fix="answer `yes`, or say --yes")
        there = stop(folder, progress=_progress)
        print(f"The sandbox {name!r} is {'gone' if there else 'not there'}.")
    if not names:
        print("There is no sandbox.")
    elif not options.all:
        _name_others(options.name)
    return 0


def _name_others(name: str) -> None:
    """Say which other sandboxes there are."""
    from gitops_lab.state import sandboxes

    others = [other for other in sandboxes() if other != name]
    if others:
        print(f"Other sandboxes: {', '.join(others)} (--name NAME)", file=sys.stderr)


def run_reset(options: argparse.Namespace) -> int:
    """`gitops-lab reset`."""
    from gitops_lab.service.lifecycle import reset

    _show(reset(_folder(options), progress=_progress))
    return 0


def run_kubeconfig(options: argparse.Namespace) -> int:
    """`gitops-lab kubeconfig`."""
    folder = _folder(options)
    single = folder.description()["kubeconfigs"]
    if options.arm is None:
        print(folder.kubeconfig)
        return 0
    if options.arm not in single:
        raise UsageError(f"there is no arm {options.arm!r}", fix=f"choose from {', '.join(single)}")
    print(single[options.arm])
    return 0


def run_kubectl(options: argparse.Namespace) -> int:
    """`gitops-lab kubectl`: becomes kubectl, so that signals and exit codes are its own."""
    from gitops_lab.renderers.tools import kubectl
    from gitops_lab.state import StateFolder

    name, arguments = "default", options.arguments
    if arguments[:1] == ["--name"] and len(arguments) > 1:
        name, *arguments = arguments[1:]
    elif arguments and arguments[0].startswith("--name="):
        name, arguments = arguments[0].removeprefix("--name="), arguments[1:]
    folder = StateFolder(name)
    folder.description()
    program = kubectl().path
    environment = {
        **os.environ,
        "KUBECONFIG": str(folder.kubeconfig),
        "KUBECACHEDIR": str(folder.path / "kubectl"),  # else it keeps caches with the user's own
    }
    _say_if_cut_off(folder, arguments)
    sys.stdout.flush()
    os.execve(program, ["kubectl", *arguments], environment)


def _say_if_cut_off(folder: Any, arguments: list[str]) -> None:
    """Say how to reach a cluster again that `disconnect` cut off: kubectl only sees a time-out."""
    arms = folder.ask("status")["arms"]
    context = arms[0]["name"]
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word.startswith("--context"):
            context = word.partition("=")[2] or following
    if any(arm["name"] == context and not arm["reachable"] for arm in arms):
        reconnect = f"gitops-lab reconnect {context}"
        print(runnable(f"Note: {context} is cut off; `{reconnect}` ends that"), file=sys.stderr)


def run_git_url(options: argparse.Namespace) -> int:
    """`gitops-lab git-url`."""
    print(_folder(options).description()["git_folder" if options.folder else "git"])
    return 0


def run_pause(options: argparse.Namespace) -> int:
    """`gitops-lab pause`."""
    _folder(options).ask("pause", arms=options.arms)
    return run_status(argparse.Namespace(name=options.name, json=False, watch=False))


def run_resume(options: argparse.Namespace) -> int:
    """`gitops-lab resume`."""
    _folder(options).ask("resume", arms=options.arms)
    return run_status(argparse.Namespace(name=options.name, json=False, watch=False))


def run_disconnect(options: argparse.Namespace) -> int:
    """`gitops-lab disconnect`."""
    _folder(options).ask("disconnect", arms=options.arms)
    return run_status(argparse.Namespace(name=options.name, json=False, watch=False))


def run_reconnect(options: argparse.Namespace) -> int:
    """`gitops-lab reconnect`."""
    _folder(options).ask("reconnect", arms=options.arms)
    return run_status(argparse.Namespace(name=options.name, json=False, watch=False))


def run_step(options: argparse.Namespace) -> int:
    """`gitops-lab step`."""
    for line in _folder(options).ask("step", arm=options.arm):
        print(line)
    return 0


def run_doctor(options: argparse.Namespace) -> int:
    """`gitops-lab doctor`."""
    from gitops_lab.checkup import findings

    is_fit = True
    for finding in findings(options.backend):
        mark = "ok" if finding.is_fine else "needed" if finding.is_needed else "note"
        print(f"{mark:<8} {finding.what}")
        if not finding.is_fine:
            print(f"{'':<8} {finding.cure}")
            is_fit = is_fit and not finding.is_needed
    return 0 if is_fit else 1


def _show(description: dict[str, Any]) -> None:
    """Where everything is."""
    for name, url in description["clusters"].items():
        print(f"{name:<18} {url}")
    print(f"{'repository':<18} {description['git']}")


def _guide(sandbox: str) -> None:
    """What to do with a sandbox: to deploy, to look, to end it."""
    name = "" if sandbox == "default" else f" --name {sandbox}"
    folder = "shop" if sandbox == "default" else f"{sandbox}-shop"
    steps = f"""
To deploy  gitops-lab clone{name} {folder} --with-sample
To look    gitops-lab status{name}
           gitops-lab logs{name} -f
           gitops-lab kubectl{name} get pods -A
To end it  gitops-lab down{name}"""
    print(runnable(steps))


def wanted(options: argparse.Namespace, **others: Any) -> dict[str, Any]:
    """What a sandbox is to be made of, by the names of `Setup`; nothing of what is left out.

    Args:
        options: those of `add_backend`.
        others: what other options say.
    """
    said = {
        **others,
        "backend": options.backend,
        "agent": options.agent or ("outside" if options.backend == "context" else None),
        "node_image": options.node_image,
        "context": options.context,
        "confirmed": options.confirm_context,
        "namespace": options.namespace,
    }
    made_of = {part: value for part, value in said.items() if value or value == 0}
    if options.backend == "context":
        from gitops_lab.cluster.context import choose, contexts, user_kubeconfig

        path = user_kubeconfig()
        confirmed = options.confirm_context or ""
        found = choose(contexts(path), options.context or "", confirmed=confirmed)
        made_of |= {"kubeconfig": str(path), "context": found.name}
        made_of.setdefault("arms", ["pull+self-heal"])
    return made_of


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _agreed() -> bool:
    """Whether the person at the terminal says yes; without a terminal the answer is no."""
    return sys.stdin.isatty() and input("Remove them? (yes/no) ").strip().lower() in ("yes", "y")


def _folder(options: argparse.Namespace) -> Any:
    return _named(options.name)


def _named(name: str) -> Any:
    from gitops_lab.state import StateFolder

    return StateFolder(name)
