"""Step 7 of a Kustomization's run: from the files of an artifact to the objects to apply.

The fields of the spec that change manifests are written into the folder's kustomization, then the
folder is built, variables are substituted, and labels are set.

Source: fluxcd/pkg/kustomize, as kustomize-controller 1.9 uses it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from posixpath import normpath
from typing import Any

import yaml

from gitops_lab.engine.collect import SUFFIXES, collect
from gitops_lab.engine.documents import read
from gitops_lab.engine.references import KUSTOMIZATIONS
from gitops_lab.errors import ApiError, RenderError
from gitops_lab.frontends.flux.api import KUSTOMIZE
from gitops_lab.frontends.flux.substitution import BadSyntax, Unset, substitute
from gitops_lab.model import Artifact, Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster

SUBSTITUTE = f"{KUSTOMIZE}/substitute"
EDITS = ("targetNamespace", "namePrefix", "nameSuffix", "images", "patches", "components",
         "buildMetadata")  # fmt: skip
"""The fields of the spec that are written into the kustomization."""


class PathNotFound(Exception):
    """The artifact has no such folder; the text is kustomize-controller's."""


class BuildFailed(Exception):
    """The folder cannot be built; the text is kustomize-controller's."""


def build(artifact: Artifact, obj: Object, cluster: Cluster) -> list[Object]:
    """The objects that a Kustomization asks for, with its owner labels.

    Args:
        artifact: of its source.
        obj: the Kustomization.
        cluster: tells the ConfigMaps and Secrets with variables.

    Raises:
        PathNotFound: the artifact lacks the folder.
        BuildFailed: the folder cannot be built.
    """
    spec, metadata = obj["spec"], obj["metadata"]
    folder = _folder(artifact, spec.get("path", ""))
    collected = collect(_edited(artifact, folder, spec), folder)
    if collected.faults:
        raise BuildFailed(_sentence(collected.faults[0]))
    bodies = [_checked(item.value, item.origin) for item in collected.found]
    variables = _variables(spec.get("postBuild") or {}, metadata["namespace"], cluster)
    if variables is not None:
        bodies = [_substituted(body, variables) for body in bodies]
    return [_labelled(body, spec.get("commonMetadata") or {}, metadata) for body in bodies]


def digest_of(bodies: list[Object]) -> str:
    """The digest of what was built, for the history."""
    text = json.dumps(bodies, sort_keys=True).encode()
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


# -- the folder and its kustomization ----------------------------------------------------------


def _folder(artifact: Artifact, path: str) -> str:
    """The folder of the artifact that `spec.path` means; a path cannot leave the artifact."""
    folder = normpath("/" + path).lstrip("/")
    if folder and not any(name.startswith(f"{folder}/") for name in artifact.files):
        raise PathNotFound(
            f"kustomization path not found: stat /tmp/kustomization/{folder}: "
            "no such file or directory"
        )
    return folder


def _edited(artifact: Artifact, folder: str, spec: Mapping[str, Any]) -> Artifact:
    """The artifact with the fields of the spec written into the folder's kustomization."""
    edits = {name: spec[name] for name in EDITS if spec.get(name)}
    if not edits:
        return artifact
    prefix = f"{folder}/" if folder else ""
    names = [name for name in KUSTOMIZATIONS if prefix + name in artifact.files]
    path = prefix + (names[0] if names else KUSTOMIZATIONS[0])
    if names:
        documents = read(artifact.files[path], path)
        fields = dict(documents[0].value) if documents else {}
    else:
        fields = {"resources": _resources(artifact, prefix)}
    text = yaml.safe_dump(_with_edits(fields, edits, spec), sort_keys=False).encode()
    mark = hashlib.sha256(artifact.digest.encode() + path.encode() + text).hexdigest()
    return replace(artifact, files={**artifact.files, path: text}, digest=f"sha256:{mark}")


def _with_edits(fields: Object, edits: Mapping[str, Any], spec: Mapping[str, Any]) -> Object:
    fields = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}
    if "targetNamespace" in edits:
        fields["namespace"] = edits["targetNamespace"]
    fields |= {name: edits[name] for name in ("namePrefix", "nameSuffix") if name in edits}
    if "images" in edits:
        own = {image["name"]: image for image in edits["images"]}
        others = [i for i in fields.get("images") or () if i.get("name") not in own]
        fields["images"] = [*others, *own.values()]
    for name in ("patches", "components", "buildMetadata"):
        if name in edits:
            fields[name] = [*(fields.get(name) or ()), *edits[name]]
    return fields


def _resources(artifact: Artifact, prefix: str) -> list[str]:
    """What a kustomization that is made up lists: all manifests below, and folders that have a
    kustomization of their own as one resource each."""
    below = sorted(name[len(prefix) :] for name in artifact.files if name.startswith(prefix))
    bases = {
        path.rpartition("/")[0]
        for path in below
        if path.rpartition("/")[2] in KUSTOMIZATIONS and "/" in path
    }
    outer = {base for base in bases if not any(base.startswith(f"{o}/") for o in bases - {base})}
    files = [
        path
        for path in below
        if path.endswith(SUFFIXES) and not any(path.startswith(f"{base}/") for base in outer)
    ]
    return sorted([*files, *outer])


def _sentence(fault: RenderError) -> str:
    """A fault as kustomize-controller words it."""
    if "kustomiz" in fault.what or fault.where.endswith(KUSTOMIZATIONS):
        return f"kustomize build failed: {fault.what}"
    file = fault.where.partition("#")[0].partition(",")[0]
    return f"failed to decode Kubernetes YAML from {file}: {fault.what}"


def _checked(body: Any, origin: str) -> Object:
    """An object that says its apiVersion, kind and name."""
    if (
        isinstance(body, dict)
        and all(isinstance(body.get(name), str) for name in ("apiVersion", "kind"))
        and isinstance(body.get("metadata"), dict)
        and isinstance(body["metadata"].get("name"), str)
    ):
        return body
    raise BuildFailed(
        "failed to decode Kubernetes apiVersion, kind and name from: " + origin.partition("#")[0]
    )


# -- variables -----------------------------------------------------------------------------------


def _variables(
    post_build: Mapping[str, Any], namespace: str, cluster: Cluster
) -> Mapping[str, str] | None:
    """The values of variables by name; None if there is nothing to substitute."""
    sources = post_build.get("substituteFrom") or ()
    own = post_build.get("substitute") or {}
    if not sources and not own and post_build.get("substituteStrategy") != "Always":
        return None
    variables: dict[str, str] = {}
    for source in sources:
        kind, name = source["kind"], source["name"]
        found = cluster.get(ObjectKey("", kind, namespace, name))
        if found is None:
            if source.get("optional"):
                continue
            plural = f"{kind.lower()}s"
            raise BuildFailed(
                f"post build failed: failed to get {kind} '{namespace}/{name}': "
                f'{plural} "{name}" not found'
            )
        variables |= _decoded(found)
    return {**variables, **own}


def _decoded(found: Object) -> dict[str, str]:
    """The values of a ConfigMap, or of a Secret, which are encoded."""
    from base64 import b64decode

    data = found.get("data") or {}
    if found["kind"] == "Secret":
        return {name: b64decode(value).decode(errors="replace") for name, value in data.items()}
    return dict(data)


def _substituted(body: Object, variables: Mapping[str, str]) -> Object:
    """An object with its variables replaced, in its text: types follow the text that results."""
    metadata = body["metadata"]
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    if str(marks.get(SUBSTITUTE, "")).lower() == "disabled":
        return body
    text = yaml.safe_dump(body, sort_keys=False, width=2**31)
    if "${" not in text:
        return body
    group, version = split_api_version(body["apiVersion"])
    name = f"{group}_{version}_{body['kind']}/{metadata['name']}"
    if not group:
        name = f"{version}_{body['kind']}/{metadata['name']}"
    try:
        changed = substitute(text, variables)
    except Unset as error:
        raise BuildFailed(
            f"post build failed for '{name}': envsubst error: variable substitution failed: "
            f'variable not set (strict mode): "{error}"'
        ) from None
    except BadSyntax as error:
        raise BuildFailed(
            f"post build failed for '{name}': envsubst error: variable substitution failed: {error}"
        ) from None
    try:
        return _checked(read(changed.encode(), "substituted")[0].value, name)
    except (RenderError, IndexError) as error:
        raise BuildFailed(f"post build failed for '{name}': YAMLToJSON: {error}") from None


# -- labels ---------------------------------------------------------------------------------------


def _labelled(body: Object, common: Mapping[str, Any], owner: Mapping[str, Any]) -> Object:
    """The object with the Kustomization's labels and common metadata, which win."""
    metadata = body["metadata"]
    labels = {
        **(metadata.get("labels") or {}),
        f"{KUSTOMIZE}/name": owner["name"],
        f"{KUSTOMIZE}/namespace": owner["namespace"],
        **(common.get("labels") or {}),
    }
    annotations = {**(metadata.get("annotations") or {}), **(common.get("annotations") or {})}
    marked = {**metadata, "labels": labels}
    if annotations:
        marked["annotations"] = annotations
    return {**body, "metadata": marked}


def owner_of(live: Mapping[str, Any]) -> tuple[str, str] | None:
    """Namespace and name of the Kustomization that a live object bears the labels of."""
    labels = live["metadata"].get("labels") or {}
    name, namespace = labels.get(f"{KUSTOMIZE}/name"), labels.get(f"{KUSTOMIZE}/namespace")
    return (namespace, name) if name and namespace else None


def is_namespaced(cluster: Cluster, body: Object) -> bool | None:
    """Whether the object's kind lives in namespaces; None if the cluster does not know it."""
    group, _ = split_api_version(body["apiVersion"])
    try:
        return cluster.is_namespaced(group, body["kind"])
    except ApiError as error:
        if error.code != 404:
            raise
        return None
