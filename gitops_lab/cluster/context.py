"""Any cluster that the user's own kubeconfig names, and the care that it takes.

The user's kubeconfig is read and never written. A context that looks like production is not used
unless the user repeats its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.ownership import RBAC
from gitops_lab.cluster.rights import APPLIED
from gitops_lab.errors import LabError, UsageError

PRODUCTION = ("prod", "production", "prd", "live")
"""Words that people call production by."""

_NOT_PRODUCTION = re.compile(r"non?-?prod(uction)?", re.IGNORECASE)

CLOUDS = {
    "eks.amazonaws.com": "Amazon EKS",
    "gke.goog": "Google GKE",
    "azmk8s.io": "Azure AKS",
    "k8s.ondigitalocean.com": "DigitalOcean",
    "linodelke.net": "Linode",
    "openshiftapps.com": "OpenShift",
    "k8s.scw.cloud": "Scaleway",
}
"""Ends of the addresses that managed clusters have."""

_CLOUD_NAMES = {"arn:aws:eks:": "Amazon EKS", "gke_": "Google GKE"}
"""Beginnings of the names that the clouds' own tools give to clusters."""


@dataclass(frozen=True)
class Context:
    """One entry of a kubeconfig.

    Args:
        name: of the context.
        cluster: the name of its cluster.
        server: the URL of its API server; empty if the cluster is not defined.
        user: the name of its user.
        namespace: where commands work that name none.
    """

    name: str
    cluster: str
    server: str
    user: str
    namespace: str = "default"


@dataclass(frozen=True)
class Contexts:
    """What a kubeconfig offers.

    Args:
        path: where it is, as a `KubeconfigCluster` takes it; several files have `os.pathsep`
            between them.
        current: the name of the current context; empty if there is none.
        all: every context, by name.
    """

    path: Path
    current: str
    all: Mapping[str, Context]


def user_kubeconfig(environment: Mapping[str, str] | None = None) -> Path:
    """Where kubectl would look: in `$KUBECONFIG`, which may list several files, else at home."""
    variables = os.environ if environment is None else environment
    return Path(variables.get("KUBECONFIG") or Path.home() / ".kube" / "config")


def contexts(path: Path) -> Contexts:
    """The contexts of a kubeconfig; of several files the first that defines a name counts.

    Source: kubernetes.io, "Merging kubeconfig files". Files that do not exist are passed over.

    Raises:
        UsageError: a file is no kubeconfig, or none exists.
    """
    files = [Path(each) for each in str(path).split(os.pathsep) if each]
    read = [_read(file) for file in files if file.exists()]
    if not read:
        raise UsageError(
            "there is no kubeconfig", where=str(path), fix="set KUBECONFIG to yours, or name one"
        )
    clusters, found = _entries(read, "clusters"), _entries(read, "contexts")
    current = next((name for each in read if (name := each.get("current-context"))), "")
    return Contexts(path, current, {name: _context(name, each, clusters) for name, each in found})


def choose(offered: Contexts, name: str = "", *, confirmed: str = "") -> Context:
    """The context to use.

    Args:
        offered: the contexts there are.
        name: which; the current one if empty.
        confirmed: the name of a context that the user means although it looks like production.

    Raises:
        UsageError: there is no such context, or it looks like production and is not confirmed.
    """
    wanted = name or offered.current
    if wanted not in offered.all:
        what = f"there is no context {wanted!r}" if wanted else "there is no current context"
        names = ", ".join(offered.all) or "none"
        raise UsageError(what, where=str(offered.path), fix=f"choose from: {names}")
    context = offered.all[wanted]
    why = looks_like_production(context)
    if why and confirmed != wanted:
        raise UsageError(
            f"the context {wanted!r} looks like production: {why}",
            where=str(offered.path),
            fix=f"if you do mean it, say so: --confirm-context {wanted}",
        )
    return context


def looks_like_production(context: Context) -> str:
    """Why a context looks like production; empty if it does not.

    This errs on the side of caution, and can be wrong both ways: it knows no more than names.
    """
    host = urlsplit(context.server).hostname or ""
    for what, text in (
        ("its name", context.name),
        ("its cluster's name", context.cluster),
        ("its user's name", context.user),
        ("its server's name", host),
    ):
        words = re.findall(r"[a-z]+", _NOT_PRODUCTION.sub("", text.lower()))
        for word in words:
            if word in PRODUCTION:
                return f"{what} says {word!r}"
    for beginning, cloud in _CLOUD_NAMES.items():
        if context.name.startswith(beginning) or context.cluster.startswith(beginning):
            return f"it is a managed cluster of {cloud}"
    for end, cloud in CLOUDS.items():
        if host.endswith(f".{end}"):
            return f"it is a managed cluster of {cloud}"
    return ""


def require_rights(
    cluster: KubeconfigCluster,
    namespaces: Sequence[str] | None = None,
    *,
    rights: str = "application",
) -> None:
    """See that the user may set up a sandbox, and remove it again, before anything is written.

    A user can only grant what they have, so all that the deployers will do is asked for, too.

    Args:
        cluster: a connection with the user's credentials.
        namespaces: the namespaces to stay within; None to use the whole cluster.
        rights: what the deployers get.

    Raises:
        LabError: something is not allowed; says what.
    """
    scope = "" if namespaces is not None else "cluster"
    applied = [(group, name) for group, names in APPLIED.items() for name in names.split()]
    granted = [(RBAC, f"{scope}roles"), (RBAC, f"{scope}rolebindings")]
    made = [] if namespaces is not None else [("", "namespaces")]
    missing = [
        f"{verb} {resource}{f'.{group}' if group else ''}" + (f" in {place}" if place else "")
        for place in ([""] if namespaces is None else namespaces)
        for group, resource in (*made, *applied, *granted)
        for verb in ("create", "delete")
        if not cluster.may(verb, group, resource, namespace=place)
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise LabError(
            f"you may not {', '.join(missing[:3])}{more}",
            where=cluster.name,
            fix="have an administrator of the cluster allow it, or name namespaces that are yours",
        )
    if rights == "cluster-admin" and namespaces is None and not cluster.may("*", "*", "*"):
        raise LabError(
            "you may not give deployers the rights of a cluster-admin, for you do not have them",
            where=cluster.name,
            fix="give them fewer with --rights application",
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError("this kubeconfig cannot be read", where=str(path)) from error
    if found is None:
        return {}
    if not isinstance(found, dict) or found.get("kind", "Config") != "Config":
        raise UsageError("this is no kubeconfig", where=str(path), fix="name another file")
    return found


def _entries(read: Sequence[Mapping[str, Any]], part: str) -> list[tuple[str, Any]]:
    """The entries of one part of several kubeconfigs; of the same name, the first."""
    found: dict[str, Any] = {}
    for each in read:
        for entry in each.get(part) or ():
            found.setdefault(entry["name"], entry.get(part.removesuffix("s")) or {})
    return list(found.items())


def _context(name: str, found: Mapping[str, Any], clusters: list[tuple[str, Any]]) -> Context:
    cluster = found.get("cluster", "")
    server = dict(clusters).get(cluster, {}).get("server", "")
    return Context(
        name, cluster, server, found.get("user", ""), found.get("namespace") or "default"
    )
