"""What the repo server makes of a folder: which tool it takes, and the objects it renders.

Source: Argo CD 3.5, `reposerver/repository/repository.go`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.engine.render import build
from gitops_lab.errors import LabError, RenderError
from gitops_lab.frontends.argocd.globs import matches
from gitops_lab.frontends.argocd.helm_values import values
from gitops_lab.model import Artifact, Object

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MANIFESTS = (".yaml", ".yml", ".json")
SKIP_MARKER = b"+argocd:skip-file-rendering"

NOT_SIMULATED = (
    ("plugin", "config management plugins"),
    ("directory.jsonnet", "jsonnet"),
    ("chart", "charts from a Helm repository"),
    ("kustomize.components", "components of an Application"),
    ("kustomize.commonAnnotationsEnvsubst", "substitution of variables"),
)
"""Fields of a source that are accepted and do nothing here."""


class GenerationError(LabError):
    """The desired state cannot be rendered; the message is the repo server's gRPC error."""

    def __init__(self, what: str, code: str = "Unknown") -> None:
        super().__init__(f"rpc error: code = {code} desc = {what}")


@dataclass(frozen=True)
class Rendered:
    """The objects of one source.

    Args:
        objects: as the repository has them, in the order in which they were found.
        type: Directory, Kustomize or Helm.
        origins: the place in the repository where each is written.
    """

    objects: tuple[Object, ...]
    type: str
    origins: tuple[str, ...] = ()


def not_simulated(source: Mapping[str, Any]) -> list[str]:
    """The fields of a source that are set and that this simulation does not carry out."""
    found = []
    for path, _ in NOT_SIMULATED:
        value: Any = source
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value:
            found.append(path)
    return found


def source_type(source: Mapping[str, Any], names: Sequence[str]) -> str:
    """Which tool renders a source: the one it names, else what its folder looks like."""
    for field, tool in (("kustomize", "Kustomize"), ("helm", "Helm"), ("directory", "Directory")):
        if source.get(field):
            return tool
    if "Chart.yaml" in names:
        return "Helm"
    return "Kustomize" if any(name in names for name in KUSTOMIZATIONS) else "Directory"


def generate(
    source: Mapping[str, Any],
    fetch: Callable[[str], Artifact],
    release: str = "release",
) -> Rendered:
    """Render one source.

    Args:
        source: the Application's source.
        fetch: the files of the commit below a folder.
        release: the name under which a chart is rendered, unless the source says another.

    Raises:
        GenerationError: in the repo server's words.
    """
    path = (source.get("path") or ".").strip("/")
    if path.startswith("..") or "/../" in f"/{path}/":
        raise GenerationError(f"{path}: app path outside root")
    try:
        artifact = fetch("" if path == "." else path)
    except LabError as error:
        if "has no folder" in error.what:
            raise GenerationError(f"{path}: app path does not exist") from None
        raise GenerationError(error.what) from None
    names = {name.partition("/")[0] for name in artifact.files}
    tool = source_type(source, sorted(names))
    if tool == "Helm":
        root = artifact if path == "." else fetch("")
        found = _charted(source, root, "" if path == "." else path, release)
    elif tool == "Kustomize":
        root = artifact if path == "." else fetch("")
        found = _kustomized(source, root, "" if path == "." else path)
    else:
        found = list(_directory(source.get("directory") or {}, artifact))
    return Rendered(tuple(obj for _, obj in found), tool, tuple(origin for origin, _ in found))


# -- directories --------------------------------------------------------------------------------


def _directory(options: Mapping[str, Any], artifact: Artifact) -> Iterator[tuple[str, Object]]:
    for path in sorted(artifact.files):
        if not path.endswith(MANIFESTS) or ("/" in path and not options.get("recurse")):
            continue
        exclude, include = options.get("exclude"), options.get("include")
        if (exclude and matches(exclude, path)) or (include and not matches(include, path)):
            continue
        content = artifact.files[path]
        if SKIP_MARKER in content:
            continue
        yield from objects(content, path)


def objects(content: bytes, path: str) -> Iterator[tuple[str, Object]]:
    """The objects of one file, each after the place where it is written; a List is taken apart.

    Raises:
        GenerationError: the file is not a set of objects.
    """
    name = path.rpartition("/")[2]

    def fault(why: str) -> GenerationError:
        return GenerationError(f'Failed to unmarshal "{name}": {why}', "FailedPrecondition")

    try:
        documents = read(content, path)
    except RenderError as error:
        raise fault(str(error)) from None
    for document in documents:
        for obj in _taken_apart(document.value, fault):
            yield f"{path}#{document.number}", obj


def _taken_apart(value: Any, fault: Callable[[str], GenerationError]) -> Iterator[Object]:
    if not isinstance(value, dict):
        raise fault(
            "error unmarshaling JSON: json: cannot unmarshal into Go value of type "
            "map[string]interface {}"
        )
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for field, named in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not isinstance(value.get(field), str) or not value[field]:
            raise fault(f"Object '{named}' is missing in '{text}'")
    if value["kind"].endswith("List") and isinstance(value.get("items"), list):
        for item in value["items"]:
            yield from _taken_apart(item, fault)
        return
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or not (
        isinstance(metadata.get("name"), str) or isinstance(metadata.get("generateName"), str)
    ):
        raise fault(f"resource name may not be empty in '{text}'")
    yield value


# -- Helm ---------------------------------------------------------------------------------------


def _charted(
    source: Mapping[str, Any], artifact: Artifact, path: str, release: str
) -> list[tuple[str, Object]]:
    options = source.get("helm") or {}
    try:
        name = f"{path}/values.yaml".lstrip("/")
        content = values(options, artifact, path)
        files = {**artifact.files, name: content}
        digest = f"{artifact.digest}+{json.dumps(options, sort_keys=True)}"
        chart = replace(artifact, files=files, digest=digest)
        found = build(chart, path, release=options.get("releaseName") or release)
    except RenderError as error:
        raise GenerationError(
            f"`helm template . --name-template {release}` failed: {error}"
        ) from None
    return [
        (item.origin, item.value)
        for item in found
        if not (options.get("skipCrds") and item.value.get("kind") == "CustomResourceDefinition")
    ]


# -- kustomize ----------------------------------------------------------------------------------


def _kustomized(
    source: Mapping[str, Any], artifact: Artifact, path: str
) -> list[tuple[str, Object]]:
    options = source.get("kustomize") or {}
    try:
        if options:
            artifact = edited(artifact, path, options)
        found = build(artifact, path)
    except RenderError as error:
        raise GenerationError(f"`kustomize build <path>/{path}` failed: {error}") from None
    return [(item.origin, item.value) for item in found]


def edited(artifact: Artifact, path: str, options: Mapping[str, Any]) -> Artifact:
    """The files after `kustomize edit set …` for what the Application's source asks for.

    Raises:
        RenderError: the kustomization cannot be read.
    """
    places = [f"{path}/{name}".lstrip("/") for name in KUSTOMIZATIONS]
    name = next((place for place in places if place in artifact.files), places[0])
    documents = read(artifact.files.get(name, b"{}"), name)
    value = dict(documents[0].value) if documents else {}
    for field in ("namePrefix", "nameSuffix", "namespace"):
        if options.get(field):
            value[field] = options[field]
    if images := [_image(text) for text in options.get("images") or ()]:
        replaced = {image["name"] for image in images}
        kept = [old for old in value.get("images") or () if old.get("name") not in replaced]
        value["images"] = [*kept, *images]
    if replicas := [dict(each) for each in options.get("replicas") or ()]:
        replaced = {each["name"] for each in replicas}
        kept = [old for old in value.get("replicas") or () if old.get("name") not in replaced]
        value["replicas"] = [*kept, *replicas]
    if labels := options.get("commonLabels"):
        without = options.get("labelWithoutSelector")
        templates = {"includeTemplates": True} if options.get("labelIncludeTemplates") else {}
        entry = {"pairs": dict(labels), "includeSelectors": not without, **templates}
        value["labels"] = [*(value.get("labels") or ()), entry]
    if annotations := options.get("commonAnnotations"):
        value["commonAnnotations"] = {**(value.get("commonAnnotations") or {}), **annotations}
    if patches := options.get("patches"):
        value["patches"] = [*(value.get("patches") or ()), *(dict(each) for each in patches)]
    files = {**artifact.files, name: json.dumps(value).encode()}
    return replace(artifact, files=files, digest=f"{artifact.digest}+{json.dumps(options)}")


def _image(text: str) -> dict[str, str]:
    """An image override `[old=]new[:tag|@digest]` as a kustomization says it."""
    old, equals, new = text.partition("=")
    if not equals:
        old, new = "", text
    new, at, digest = new.partition("@")
    head, slash, last = new.rpartition("/")
    base, colon, tag = last.partition(":")
    name = f"{head}{slash}{base}"
    result = {"name": old or name}
    if old and name != old:
        result["newName"] = name
    if at:
        result["digest"] = digest
    elif colon:
        result["newTag"] = tag
    return result
