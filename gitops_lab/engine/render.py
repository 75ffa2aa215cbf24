"""Render: from the files of a revision to desired objects; file names do not matter.

All faults of a folder are found at once and reported in one error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from gitops_lab.engine.collect import Collected, Found, collect
from gitops_lab.errors import ApiError, RenderError
from gitops_lab.model import Artifact, Manifest, Object, ObjectKey, split_api_version

IsNamespaced = Callable[[str, str], bool]
"""Whether a kind, given by group and kind, lives in namespaces; an ApiError 404 if unknown."""

MAX_SHOWN = 20
"""Faults that one error spells out; it counts the others."""

REMEMBERED = 64
"""Renders that are kept in memory."""

RBAC = "rbac.authorization.k8s.io"
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[^/%]+")
_API_VERSION = re.compile(r"([^/]+/)?[^/]+")

Scopes = Mapping[tuple[str, str], bool]
"""Group and kind → whether the kind lives in namespaces."""

_remembered: dict[tuple[object, ...], tuple[Manifest, ...]] = {}


def render(
    artifact: Artifact,
    path: str = "",
    *,
    namespace: str = "default",
    is_namespaced: IsNamespaced,
    release: str = "release",
) -> tuple[Manifest, ...]:
    """The desired objects that a folder of a revision holds, by key.

    A render is remembered by the artifact's digest: for all clusters and all looks at the same
    files, the tools run once.

    Args:
        artifact: the files of the revision.
        path: the folder to deploy; the root if empty. It may use files of other folders.
        namespace: where namespaced objects go that do not say so themselves.
        is_namespaced: asks the cluster for the scope of a kind.
        release: the name under which a Helm chart is rendered.

    Raises:
        RenderError: every fault in the files, the first of them in `what` and `where`.
        ApiError, ClusterUnreachable: the cluster does not tell the scope of a kind.
    """
    collected = collect(artifact, path, release=release)
    scopes = _scopes(collected, is_namespaced)
    place = (artifact.digest, path, collected.release, namespace, frozenset(scopes.items()))
    known = _remembered.get(place) if artifact.digest else None
    if known is None:
        known = _manifests(collected, namespace, scopes)
        if artifact.digest:
            _remembered[place] = known
            for oldest in list(_remembered)[:-REMEMBERED]:
                _remembered.pop(oldest, None)
    return known


def build(artifact: Artifact, path: str = "", *, release: str = "release") -> tuple[Found, ...]:
    """What a folder holds before anything is made of it; for deployers that still change it.

    Raises:
        RenderError: every fault in the files.
    """
    collected = collect(artifact, path, release=release)
    if collected.faults:
        raise _all(collected.faults)
    return collected.found


def manifests(
    found: Sequence[Found], *, namespace: str = "default", is_namespaced: IsNamespaced
) -> tuple[Manifest, ...]:
    """Desired objects out of what `build` found, by key; arguments and errors as of `render`."""
    collected = Collected(tuple(found), ())
    return _manifests(collected, namespace, _scopes(collected, is_namespaced))


def _scopes(collected: Collected, is_namespaced: IsNamespaced) -> Scopes:
    """The scope of each kind that occurs; one that the cluster does not know is left out."""
    scopes = _defined(collected.found)
    for kind in collected.kinds - scopes.keys():
        try:
            scopes[kind] = is_namespaced(*kind)
        except ApiError as error:
            if error.code != 404:
                raise
    return scopes


def _manifests(collected: Collected, namespace: str, scopes: Scopes) -> tuple[Manifest, ...]:
    faults = list(collected.faults)
    manifests: dict[ObjectKey, Manifest] = {}
    for item in collected.found:
        try:
            manifest = _manifest(item, namespace, scopes)
            if twin := manifests.get(manifest.key):
                raise RenderError(
                    f"{manifest.key} is written twice, here and in {twin.origin}",
                    where=item.where,
                    fix="keep one of the two",
                )
            manifests[manifest.key] = manifest
        except RenderError as fault:
            faults.append(fault)
    if faults:
        raise _all(faults)
    return tuple(manifests[key] for key in sorted(manifests))


def _all(faults: Sequence[RenderError]) -> RenderError:
    """One error that lists them all."""
    first, *others = faults
    if not others:
        return first
    shown = [f"- {fault}" for fault in others[: MAX_SHOWN - 1]]
    if left := len(others) - len(shown):
        shown.append(f"- and {left} more")
    more = "\n".join((f"{len(others)} more to correct:", *shown))
    fix = f"{first.fix}\n{more}" if first.fix else more
    return RenderError(first.what, where=first.where, fix=fix)


def _defined(found: Sequence[Found]) -> dict[tuple[str, str], bool]:
    """The kinds that the revision itself brings along, and whether they live in namespaces."""
    scopes = {}
    for item in found:
        match item.value:
            case {
                "apiVersion": str(api_version),
                "kind": str(kind),
                "spec": {"group": str(group), "names": {"kind": str(name)}, "scope": str(scope)},
            } if (split_api_version(api_version)[0], kind) == CRD:
                scopes[group, name] = scope == "Namespaced"
    return scopes


def _manifest(item: Found, namespace: str, scopes: Scopes) -> Manifest:
    """One desired object, with its namespace filled in as far as its kind has one."""

    def fault(what: str, fix: str = "") -> RenderError:
        return RenderError(what, where=item.where, fix=fix)

    body = item.value
    if not isinstance(body, dict):
        raise fault(
            f"a manifest is a mapping, and this is a {_JSON_TYPES[type(body)]}",
            "begin with apiVersion and kind",
        )
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str) or not body[field]:
            raise fault(
                f"the manifest does not say its {field}",
                f"add {field}, or keep what is no manifest in another folder",
            )
    if not _API_VERSION.fullmatch(body["apiVersion"]):
        raise fault(
            f"apiVersion {body['apiVersion']!r} is not of the form group/version",
            "write it as group/version, such as apps/v1",
        )
    kind, metadata = body["kind"], body.get("metadata")
    group, _ = split_api_version(body["apiVersion"])
    if not isinstance(metadata, dict):
        raise fault(f"this {kind} has no metadata", "give it a name under metadata")
    name = metadata.get("name")
    if not name and metadata.get("generateName"):
        raise fault(
            f"this {kind} has a generateName, so each apply would make another object",
            "give it a name",
        )
    _check_name(name, kind, group, fault)
    own = metadata.get("namespace")
    if own not in (None, "") and not (isinstance(own, str) and _NAMESPACE.fullmatch(own)):
        raise fault(f"{own!r} is no name of a namespace", _NAME_RULE)
    if (group, kind) not in scopes:
        raise fault(
            f"the cluster has no kind {kind} in {group or 'the core group'}",
            "correct apiVersion and kind, or add the CustomResourceDefinition",
        )
    place = (own or namespace) if scopes[group, kind] else ""
    return Manifest(_placed(body, place), item.origin)


_NAME_RULE = "use lower-case letters, digits and '-' only"
_JSON_TYPES: dict[type, str] = {
    list: "list",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}


def _check_name(
    name: object, kind: str, group: str, fault: Callable[[str, str], RenderError]
) -> None:
    """Refuse what cannot be a name of any kind; what a single kind asks for, the API says."""
    if name is None or name == "":
        raise fault(f"this {kind} has no name", "give it a name under metadata")
    if not isinstance(name, str):
        raise fault(f"the name {name!r} is not a string", "put it in quotes")
    # Names of roles may be like `system:node`: only what breaks a URL is forbidden.
    pattern = _PATH_SEGMENT if group == RBAC else _SUBDOMAIN
    if not pattern.fullmatch(name):
        raise fault(f"{name!r} is not a valid name", _NAME_RULE)


def _placed(body: Object, namespace: str) -> Object:
    """The object in a namespace, or in none: the API server too drops what a kind cannot have."""
    metadata = body["metadata"]
    if metadata.get("namespace", "") == namespace:
        return body
    placed = {**metadata, "namespace": namespace}
    if not namespace:
        del placed["namespace"]
    return {**body, "metadata": placed}
