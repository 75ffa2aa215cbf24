"""The command `gitops-lab flux`: what the `flux` CLI does, for sandboxes and other clusters."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gitops_lab.cli.escape import escaped
from gitops_lab.errors import UsageError

if TYPE_CHECKING:
    from gitops_lab.frontends.flux.client.kinds import Kind
    from gitops_lab.frontends.flux.client.session import Session

POLL = 0.1
"""Seconds on the wall between two looks at a sandbox while a command waits."""

EXAMPLES = """\
examples:
  gitops-lab flux get all                     everything that Flux has, and whether it is ready
  gitops-lab flux reconcile ks app --with-source
  gitops-lab flux tree ks app                 what a Kustomization applied
  gitops-lab flux trace deployment web -n default
  gitops-lab flux diff ks app --path ./deploy what a folder here would change
"""


def add(commands: Any) -> None:
    """Add this command to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    group = commands.add_parser(
        "flux",
        help="the commands of the flux CLI: get, reconcile, suspend, resume, tree, trace, diff, …",
        description="What the flux CLI (2.9) prints and does, for the arm `flux` of a sandbox. The "
        "real flux CLI works as well: flux --kubeconfig $(gitops-lab kubeconfig flux) get all",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str, words: str = "") -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        if words:
            parser.add_argument("words", nargs="+", metavar=words)
        _common(parser)
        parser.set_defaults(run=lambda options: _within(options, run))
        return parser

    shown = command("get", run_get, "list objects of Flux", "KIND [NAME]")
    shown.add_argument("-l", "--label-selector", default="", metavar="KEY=VALUE")
    shown.add_argument("--status-selector", default="", metavar="ready=false")
    shown.add_argument("--show-source", action="store_true", help="the source of Kustomizations")
    asked = command("reconcile", run_reconcile, "have an object reconciled now", "KIND NAME")
    asked.add_argument("--with-source", action="store_true", help="its source first")
    command("suspend", run_suspend, "suspend the reconciliation of objects", "KIND NAME")
    resumed = command("resume", run_resume, "resume the reconciliation of objects", "KIND NAME")
    resumed.add_argument("--wait", action="store_true", help="wait for each of several")
    tree = command("tree", run_tree, "show what a Kustomization applied", "ks NAME")
    tree.add_argument("--compact", action="store_true", help="only objects of Flux")
    command("trace", run_trace, "show where an object comes from", "KIND NAME")
    told = command("events", run_events, "show what the controllers said")
    told.add_argument("--for", dest="about", default="", metavar="Kind/name")
    command("stats", run_stats, "count the objects of each kind")
    command("export", run_export, "print objects as they would stand in Git", "KIND [NAME]")
    for name, run, text in (
        ("build", run_build, "build a folder as a Kustomization would"),
        ("diff", run_diff, "show what a folder would change in the cluster"),
    ):
        local = command(name, run, text, "ks NAME")
        local.add_argument("--path", type=Path, required=True, metavar="DIR", help="the folder")
    made = command("create", run_create, "create a source or a Kustomization", "KIND NAME")
    made.add_argument("--url", default="", help="source git: the repository's address")
    made.add_argument("--branch", default="", help="source git: the branch")
    made.add_argument("--tag", default="", help="source git: the tag")
    made.add_argument("--interval", default="1m", help="(default: 1m)")
    made.add_argument("--source", default="", help="kustomization: such as GitRepository/app")
    made.add_argument("--path", default="./", help="kustomization: the folder (default: ./)")
    made.add_argument("--prune", action="store_true", help="kustomization: delete what Git drops")
    made.add_argument("--wait", action="store_true", help="kustomization: wait for health")
    made.add_argument("--target-namespace", default="", help="kustomization: put objects there")
    made.add_argument("--depends-on", action="append", default=[], metavar="NAME")
    made.add_argument("--export", action="store_true", help="print the YAML, change nothing")
    gone = command("delete", run_delete, "delete an object", "KIND NAME")
    gone.add_argument("-s", "--silent", action="store_true", help="do not ask")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", default="flux-system", metavar="NAMESPACE")
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("--timeout", default="5m", help="how long to wait (default: 5m)")
    parser.add_argument("--name", default="default", metavar="SANDBOX", help="(default: default)")
    parser.add_argument("--arm", default="", help="(default: the first named flux…)")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="another cluster")


def _within(options: argparse.Namespace, run: Any) -> int:
    """Run a command with a session."""
    from gitops_lab.cluster.kubeconfig import KubeconfigCluster
    from gitops_lab.frontends.flux.client.session import Session
    from gitops_lab.frontends.flux.durations import seconds

    with TemporaryDirectory(prefix="gitops-lab-flux-") as folder:
        cluster = KubeconfigCluster(
            "the cluster", _kubeconfig(options), cache=Path(folder) / "discovery.json"
        )
        session = Session(
            cluster,
            out=lambda text: print(escaped(text), end=""),
            err=lambda line: print(escaped(line), file=sys.stderr, flush=True),
            sleep=time.sleep,
            now=time.time,
            namespace="" if options.all_namespaces else options.namespace,
            timeout=seconds(options.timeout),
            poll=POLL,
            kinds=cluster.kinds,
        )
        try:
            return int(run(session, options))
        finally:
            cluster.close()


def _kubeconfig(options: argparse.Namespace) -> Path:
    from gitops_lab.state import StateFolder

    if options.kubeconfig is not None:
        return Path(options.kubeconfig)
    known = StateFolder(options.name).description()["kubeconfigs"]
    arm = options.arm or next((name for name in known if name.startswith("flux")), "")
    if arm not in known:
        raise UsageError(
            f"the sandbox {options.name!r} has no arm {arm or 'flux'!r}",
            fix="gitops-lab up --arms flux,pull+self-heal starts one that has",
        )
    return Path(known[arm])


def _kind_and_names(words: list[str]) -> tuple[Kind, list[str]]:
    """The kind that the words begin with, and what follows."""
    from gitops_lab.frontends.flux.client.kinds import kind_named

    length = 2 if words[0] in ("source", "sources", "artifacts") else 1
    return kind_named(*words[:length]), words[length:]


def _one(words: list[str]) -> tuple[Kind, str]:
    kind, names = _kind_and_names(words)
    if len(names) != 1:
        raise UsageError("name one object", fix="write it like: ks app, or source git app")
    return kind, names[0]


def _some(words: list[str]) -> tuple[Kind, list[str]]:
    kind, names = _kind_and_names(words)
    if not names:
        raise UsageError("name an object", fix="write it like: ks app, or source git app")
    return kind, names


def _pair(text: str) -> tuple[str, str] | None:
    name, separator, value = text.partition("=")
    if text and not separator:
        raise UsageError(f"{text!r} is no selector", fix="write it like ready=false")
    return (name, value) if text else None


def run_get(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux get`."""
    from gitops_lab.frontends.flux.client import tables
    from gitops_lab.frontends.flux.client.kinds import KINDS

    words = options.words
    labels = _pair(options.label_selector)
    every = words == ["all"] or words in (["sources", "all"], ["source", "all"])
    kinds, names = list(KINDS), list[str]()
    if every and words != ["all"]:
        kinds = [kind for kind in KINDS if kind.source]
    elif not every:
        kind, names = _kind_and_names(words)
        kinds = [kind]
    return tables.get(
        session,
        kinds,
        names,
        labels=dict([labels]) if labels else None,
        status=_pair(options.status_selector),
        show_source=options.show_source,
        with_kind=every,
    )


def run_reconcile(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux reconcile`."""
    from gitops_lab.frontends.flux.client import actions

    kind, name = _one(options.words)
    return actions.reconcile(session, kind, name, with_source=options.with_source)


def run_suspend(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux suspend`."""
    from gitops_lab.frontends.flux.client import actions

    return actions.suspend(session, *_some(options.words))


def run_resume(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux resume`."""
    from gitops_lab.frontends.flux.client import actions

    return actions.resume(session, *_some(options.words), wait=options.wait)


def run_tree(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux tree`."""
    from gitops_lab.frontends.flux.client import graph

    return graph.tree(session, _kustomization(options.words), compact=options.compact)


def run_trace(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux trace`."""
    from gitops_lab.frontends.flux.client import graph

    words = "/".join(options.words).split("/")
    if len(words) != 2:
        raise UsageError("name one object", fix="write it like: trace deployment web -n default")
    return graph.trace(session, *words, namespace=session.namespace)


def run_events(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux events`."""
    from gitops_lab.frontends.flux.client import tables

    return tables.events(session, options.about)


def run_stats(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux stats`."""
    from gitops_lab.frontends.flux.client import tables

    return tables.stats(session)


def run_export(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux export`."""
    from gitops_lab.frontends.flux.client import tables

    return tables.export(session, *_kind_and_names(options.words))


def run_build(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux build`."""
    from gitops_lab.frontends.flux.client import diff

    return diff.build_folder(session, _kustomization(options.words), *_local(options.path))


def run_diff(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux diff`."""
    from gitops_lab.frontends.flux.client import diff

    return diff.diff_folder(session, _kustomization(options.words), *_local(options.path))


def _kustomization(words: list[str]) -> str:
    kind, name = _one(words)
    if kind.kind != "Kustomization":
        raise UsageError(f"this is for Kustomizations, not for {kind.kind}", fix="write: ks NAME")
    return name


def _local(path: Path) -> tuple[Any, str]:
    """The files around a folder of this machine, and the folder's path among them."""
    from gitops_lab.renderers.folder import artifact_of, root_of

    folder = path.resolve()
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=str(path), fix="name a folder")
    root = root_of(folder)
    inner = folder.relative_to(root).as_posix()
    return artifact_of(root), "" if inner == "." else inner


def run_create(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux create`."""
    from gitops_lab.frontends.flux.client import actions
    from gitops_lab.model import named

    kind, name = _one(options.words)
    if kind.kind == "GitRepository":
        spec = _git_spec(options)
    elif kind.kind == "Kustomization":
        spec = _kustomization_spec(options)
    else:
        raise UsageError(
            f"{kind.kind} cannot be created by this command", fix="kubectl apply its YAML"
        )
    body = named(kind.api_version, kind.kind, name, session.namespace, spec=spec)
    return actions.create(session, kind, body, export=options.export)


def _git_spec(options: argparse.Namespace) -> dict[str, Any]:
    if not options.url:
        raise UsageError("--url is missing", fix="gitops-lab git-url prints the repository's")
    ref = {name: getattr(options, name) for name in ("branch", "tag") if getattr(options, name)}
    return {"interval": options.interval, "ref": ref or {"branch": "main"}, "url": options.url}


def _kustomization_spec(options: argparse.Namespace) -> dict[str, Any]:
    kind, _, source = options.source.rpartition("/")
    if not source:
        raise UsageError("--source is missing", fix="write --source GitRepository/app")
    spec: dict[str, Any] = {
        "interval": options.interval,
        "path": options.path,
        "prune": options.prune,
        "sourceRef": {"kind": kind or "GitRepository", "name": source},
    }
    if options.wait:
        spec["wait"] = True
    if options.target_namespace:
        spec["targetNamespace"] = options.target_namespace
    if options.depends_on:
        spec["dependsOn"] = [{"name": name} for name in options.depends_on]
    return spec


def run_delete(session: Session, options: argparse.Namespace) -> int:
    """`gitops-lab flux delete`."""
    from gitops_lab.frontends.flux.client import actions

    kind, name = _one(options.words)
    question = f"Are you sure you want to delete this {kind.human}? (y/N) "
    if not options.silent and not (sys.stdin.isatty() and input(question).lower() == "y"):
        print("aborting", file=sys.stderr)
        return 1
    return actions.delete(session, kind, name)
