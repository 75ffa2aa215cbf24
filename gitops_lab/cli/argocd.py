"""The command `gitops-lab argocd`: what the `argocd` CLI does, for sandboxes and other clusters."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitops_lab.cli.escape import escaped
from gitops_lab.errors import UsageError

if TYPE_CHECKING:
    from gitops_lab.frontends.argocd.api_server import ApiServer
    from gitops_lab.frontends.argocd.destinations import Registered
    from gitops_lab.ports import Cluster, Git

EXAMPLES = """\
examples:
  gitops-lab argocd app list
  gitops-lab argocd app get app --refresh       compare with Git now, and show what differs
  gitops-lab argocd app diff app                live on the left, Git on the right
  gitops-lab argocd app sync app --prune
  gitops-lab argocd app set app --sync-policy none
  gitops-lab argocd app rollback app 0
"""


def add(commands: Any) -> None:
    """Add this command to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    from gitops_lab.frontends.argocd.arguments import add_commands

    group: argparse.ArgumentParser = commands.add_parser(
        "argocd",
        help="the commands of the argocd CLI: app list, get, diff, sync, wait, rollback, …",
        description="What the argocd CLI (3.5) prints and does with --core, for the arm `argocd` "
        "of a sandbox.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group.add_argument("--name", dest="sandbox", default="default", metavar="SANDBOX",
                       help="(default: default)")  # fmt: skip
    group.add_argument("--arm", default="", help="(default: the first named argocd…)")
    group.add_argument("--kubeconfig", type=Path, metavar="FILE", help="another cluster")
    add_commands(group)
    group.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry one command out."""
    from gitops_lab.frontends.argocd.commands import Commands

    with _api(options) as api:
        commands = Commands(api, lambda text: print(escaped(text), flush=True), time.sleep)
        return commands.run(options)


@contextmanager
def _api(options: argparse.Namespace) -> Iterator[ApiServer]:
    """An API server of this command's own, as `argocd --core` starts one."""
    from gitops_lab.cluster.kubeconfig import KubeconfigCluster
    from gitops_lab.frontends.argocd.api_server import ApiServer
    from gitops_lab.frontends.argocd.destinations import Destinations
    from gitops_lab.frontends.argocd.names import Settings
    from gitops_lab.frontends.argocd.repo_server import RepoServer
    from gitops_lab.state import StateFolder

    known: dict[str, str] = {}
    repositories: Path | None = None
    if options.kubeconfig is None:
        folder = StateFolder(options.sandbox)
        known = folder.description()["kubeconfigs"]
        repositories = folder.path / "git"
    with TemporaryDirectory(prefix="gitops-lab-argocd-") as place:
        opened: list[KubeconfigCluster] = []

        def connect(path: Path, name: str) -> KubeconfigCluster:
            cache = Path(place) / f"{len(opened)}.json"
            opened.append(KubeconfigCluster(name, path, cache=cache))
            return opened[-1]

        def registered(cluster: Registered) -> Cluster:
            if cluster.name not in known:
                raise UsageError(f"this command cannot reach the cluster {cluster.name!r}")
            return connect(Path(known[cluster.name]), cluster.name)

        own = connect(_kubeconfig(options, known), "the cluster")
        try:
            git = _git(repositories, own)
            repo = RepoServer(git, time.time, Settings())
            yield ApiServer(own, repo, Destinations(own, registered), time.time, is_notified=False)
        finally:
            for each in opened:
                each.close()


def _kubeconfig(options: argparse.Namespace, known: dict[str, str]) -> Path:
    if options.kubeconfig is not None:
        return Path(options.kubeconfig)
    arm = options.arm or next((name for name in known if name.startswith("argocd")), "")
    if arm not in known:
        raise UsageError(
            f"the sandbox {options.sandbox!r} has no arm {arm or 'argocd'!r}",
            fix="gitops-lab up --arms argocd,pull+self-heal starts one that has",
        )
    return Path(known[arm])


def _git(folder: Path | None, cluster: Cluster) -> Git:
    """The sandbox's repositories, under the addresses by which Applications name them."""
    from gitops_lab.forge import ForgeGit, Repository
    from gitops_lab.frontends.argocd.app import sources
    from gitops_lab.frontends.argocd.names import GROUP

    def open_repository(name: str) -> Repository:
        if folder is None:
            raise UsageError("the repositories of this cluster cannot be read from here")
        return Repository(folder / f"{name}.git", now=time.time)

    apps = cluster.list(GROUP, "Application")
    urls = [source["repoURL"] for app in apps for source in sources(app["spec"])]
    hosts = {urlsplit(url).netloc.rpartition("@")[2].lower() for url in urls}
    return ForgeGit(next(iter(urls), ""), repository=open_repository, hosts=sorted(hosts))
