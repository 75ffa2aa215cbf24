"""The demo's story: one stream of commits and mishaps, told to every arm alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from gitops_lab.engine.ignoring import IGNORE_FILE
from gitops_lab.engine.references import KUSTOMIZATIONS
from gitops_lab.engine.render import IsNamespaced, render
from gitops_lab.errors import RenderError, UsageError
from gitops_lab.experiments.editing import (
    Files,
    Step,
    documents_of,
    kustomizations,
    with_image,
    with_scalar,
    without_file,
)
from gitops_lab.forge import Repository
from gitops_lab.model import Artifact, Manifest, Object, ObjectKey, Revision

SHOP = Path(__file__).parent / "shop"
"""The small application that the story is told with by default."""

SETTLING = 1.5
"""Minutes before the story: an agent that is installed this instant would look at this instant."""

HOTFIX = "hotfix"
"""The tag of the image that is put in by hand."""

LARGEST = 4 * 1024 * 1024
"""A file that is larger, in bytes, is certainly no manifest."""

EXPENDABLE = (
    "Ingress", "NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Service",
    "ConfigMap", "Secret", "CronJob", "Job",
)  # fmt: skip
"""Kinds whose file the story rather deletes than another's, best first."""

REFERENCES = {
    "configMap": "ConfigMap", "configMapRef": "ConfigMap", "configMapKeyRef": "ConfigMap",
    "secret": "Secret", "secretRef": "Secret", "secretKeyRef": "Secret",
    "imagePullSecrets": "Secret", "subjects": "", "roleRef": "", "scaleTargetRef": "",
}  # fmt: skip
"""Fields in which an object names another one, and that one's kind; empty if it is said there."""

NAMES = {
    "serviceAccountName": "ServiceAccount", "claimName": "PersistentVolumeClaim",
    "storageClassName": "StorageClass", "priorityClassName": "PriorityClass",
    "ingressClassName": "IngressClass", "secretName": "Secret",
}  # fmt: skip
"""Fields whose value is the name of another object, and that one's kind."""

IMAGE = ("spec", "template", "spec", "containers", 0, "image")
"""Where the image of a Deployment's first container stands."""


class Arm(Protocol):
    """One cluster of a world, and the deployer that serves it."""

    @property
    def name(self) -> str:
        """What people call it."""

    def get(self, key: ObjectKey, /) -> Object | None:
        """A live object; None if there is none."""


class World(Protocol):
    """Where a story happens: a sandbox in virtual time, or a live one."""

    @property
    def arms(self) -> Mapping[str, Arm]:
        """Its arms by name."""

    @property
    def repository(self) -> Repository:
        """The repository that all of them deploy."""

    def commit(self, message: str, changes: Mapping[str, str | bytes | None], /) -> object:
        """Commit files to the branch, and push them."""

    def revert(self) -> object:
        """Revert the branch's newest commit with a new one."""

    def desired(self) -> tuple[Manifest, ...]:
        """The objects that the branch's newest revision asks for."""

    def drift(self, key: ObjectKey, patch: Mapping[str, Any], /, *arms: str) -> None:
        """Edit a live object by hand in these arms."""

    def stop(self) -> None:
        """Take every deployer down."""

    def start(self) -> None:
        """Bring every deployer back."""

    def chapter(self, title: str, /) -> None:
        """Begin a chapter."""


@dataclass(frozen=True)
class Chapter:
    """One thing that happens, and the minutes it is given to play out."""

    title: str
    happens: Callable[[], object]
    minutes: float = 4


class Story:
    """Tells the story of a folder of manifests.

    Args:
        world: where it happens.
        folder: manifests with at least one Deployment and a second file.
        is_namespaced: tells which kinds the clusters know, and whether they live in namespaces.

    Raises:
        UsageError: the folder cannot be read, or the story cannot be told with it.
    """

    def __init__(
        self, world: World, folder: Path = SHOP, *, is_namespaced: IsNamespaced = lambda *_: True
    ) -> None:
        self.world, self.is_namespaced = world, is_namespaced
        self.files: dict[str, str] = read_folder(folder)
        files = encoded(self.files)
        manifests = self.render(files, str(folder))
        self.workload = workload(manifests)
        self.expendable = self.spared(files, manifests)
        self.with_image(files, next_version(image_of(manifests, self.workload.key)))
        self.chapters = (
            Chapter("first deploy", self.deploy),
            Chapter("upgrade", self.upgrade),
            Chapter("hand edit", self.edit_by_hand),
            Chapter("file deleted", self.delete_file),
            Chapter("image missing", self.break_image),
            Chapter("git revert", world.revert),
            Chapter("deployers down", self.commit_while_down),
            Chapter("back again", world.start),
        )

    def run(self) -> Iterator[Chapter]:
        """Run one chapter after the other.

        Each is yielded when it has begun. The caller lets its minutes pass, since only it knows
        what time is; and `SETTLING` before the first.
        """
        for chapter in self.chapters:
            self.world.chapter(chapter.title)
            chapter.happens()
            yield chapter
        self.world.chapter("end")

    def deploy(self) -> None:
        """The whole folder is committed."""
        self.world.commit("Deploy the application", self.files)

    def upgrade(self) -> None:
        """The workload moves to its next version."""
        self.change_image(next_version(self.image))

    def edit_by_hand(self) -> None:
        """The live image is replaced by hand, in a hurry and past Git."""
        for arm in self.world.arms.values():
            live = arm.get(self.workload.key)
            if live is None:
                continue
            containers = live["spec"]["template"]["spec"]["containers"]
            hotfix = {**containers[0], "image": with_tag(self.image, HOTFIX)}
            spec = {"template": {"spec": {"containers": [hotfix, *containers[1:]]}}}
            self.world.drift(self.workload.key, {"spec": spec}, arm.name)

    def delete_file(self) -> None:
        """A file, with all that it declares, leaves Git."""
        changes = without_file(self.current(), self.expendable)
        self.world.commit(f"Delete {self.expendable}", changes)

    def break_image(self) -> None:
        """A commit asks for an image that does not exist."""
        self.change_image(with_tag(self.image, "does-not-exist"))

    def commit_while_down(self) -> None:
        """The deployers are down, and a commit lands."""
        self.world.stop()
        self.change_image(next_version(self.image))

    @property
    def image(self) -> str:
        """The workload's image as Git has it now."""
        return image_of(self.world.desired(), self.workload.key)

    def change_image(self, image: str) -> None:
        """Commit another image for the workload, and nothing else."""
        changes = self.with_image(self.current(), image)
        name = self.workload.key.name
        self.world.commit(f"Change {name} from {self.image} to {image}", changes)

    # -- how files are changed ------------------------------------------------------------------

    def current(self) -> dict[str, bytes]:
        """The story's files as the repository has them now."""
        there = self.world.repository.files()
        return {path: self.world.repository.read(path) for path in self.files if path in there}

    def render(self, files: Files, where: str = "") -> tuple[Manifest, ...]:
        """The objects that files render to.

        Raises:
            UsageError: they do not render, so the story cannot be told with them.
        """
        digest = sha256(repr(sorted(files.items())).encode()).hexdigest()
        artifact = Artifact(Revision("", ""), files, f"sha256:{digest}")
        try:
            return render(artifact, is_namespaced=self.is_namespaced)
        except RenderError as error:
            raise UsageError(
                f"the story cannot be told with these files: {error}", where=where
            ) from None

    def with_image(self, files: Files, image: str) -> dict[str, bytes | None]:
        """The changes after which the workload has another image, and nothing else is different.

        Raises:
            UsageError: no edit of a file has this effect.
        """
        key = self.workload.key
        before = {m.key: m.body for m in self.render(files)}
        for changes in self.image_edits(files, image):
            try:
                after = {m.key: m.body for m in self.render(changed(files, changes))}
            except UsageError:
                continue
            others = {k for k in {*before, *after} - {key} if before.get(k) != after.get(k)}
            if key in after and not others and image_in(after[key]) == image:
                return changes
        raise UsageError(
            f"cannot change the image of {key} in {self.workload.origin}",
            fix="write it as `image: name:tag` in the file of the Deployment",
        )

    def image_edits(self, files: Files, image: str) -> Iterator[dict[str, bytes | None]]:
        """Edits that may give the workload another image, the plainest first."""
        path = self.workload.origin.partition("#")[0]
        if path in files:
            text = files[path].decode()
            for number, value in enumerate(documents_of(files, path), 1):
                for steps in _deployments(value):
                    if edited := with_scalar(text, number, (*steps, *IMAGE), image):
                        yield {path: edited.encode()}
        name = image_in(self.workload.body).partition("@")[0].rpartition(":")[0]
        for place, _ in kustomizations(files):
            yield with_image(files, place, name, image)

    def spared(self, files: Files, manifests: Sequence[Manifest]) -> str:
        """The file that the story deletes: nothing that is left needs what is in it.

        Raises:
            UsageError: there is no such file.
        """
        for path in candidates(manifests, besides=self.workload):
            gone = {m.key for m in manifests if m.origin.partition("#")[0] == path}
            try:
                left = {m.key for m in self.render(changed(files, without_file(files, path)))}
            except UsageError:
                continue
            if left == {m.key for m in manifests} - gone:
                return path
        raise UsageError(
            "the story deletes a file, and every file holds something that others need",
            fix="add one with a Service, an Ingress or a ConfigMap of its own",
        )


def _deployments(value: Any) -> Iterator[tuple[Step, ...]]:
    """Where in a document Deployments stand: it may be one, or a list of objects."""
    if isinstance(value, dict):
        if value.get("kind") == "Deployment":
            yield ()
        items = value.get("items")
        for number, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict) and item.get("kind") == "Deployment":
                yield ("items", number)


def changed(files: Files, changes: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Files after a commit."""
    return {path: text for path, text in {**files, **changes}.items() if text is not None}


def encoded(files: Mapping[str, str]) -> dict[str, bytes]:
    """Files as Git stores them."""
    return {path: text.encode() for path, text in files.items()}


def image_in(deployment: Object) -> str:
    """The image of a Deployment's first container."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def image_of(manifests: Sequence[Manifest], key: ObjectKey) -> str:
    """The image of the first container of one of these Deployments."""
    return image_in(next(m.body for m in manifests if m.key == key))


def read_folder(folder: Path) -> dict[str, str]:
    """The text of each manifest below a folder by its path there.

    Where a kustomization is among them, it may use any file, so all of them are read. A JSON
    manifest that no kustomization lists becomes a YAML file: deployers read no other.

    Raises:
        UsageError: there is no such folder, it is empty, or a file in it cannot be a manifest.
    """
    if not folder.is_dir():
        raise UsageError("this is no folder", where=str(folder), fix="name a folder of manifests")
    with_all = any(path.name in KUSTOMIZATIONS for path in folder.rglob("*"))
    files: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or not _counts(name, with_all=with_all):
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError("this link leaves the folder", where=str(path), fix="copy the file in")
        if path.stat().st_size > LARGEST:
            raise UsageError("this file is too large for a manifest", where=str(path))
        try:
            files[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            if path.suffix in (".yaml", ".yml", ".json"):
                raise UsageError("this file is not UTF-8 text", where=str(path)) from None
    if not any(name.endswith((".yaml", ".yml", ".json")) for name in files):
        raise UsageError("there is no YAML or JSON file in it", where=str(folder))
    return files if with_all else _json_as_yaml(files)


def _counts(name: str, *, with_all: bool) -> bool:
    """Whether a file may be part of what is deployed."""
    if name.rpartition("/")[2] == IGNORE_FILE:
        return True
    if any(part.startswith(".") for part in name.split("/")):
        return False
    return with_all or name.endswith((".yaml", ".yml", ".json"))


def _json_as_yaml(files: dict[str, str]) -> dict[str, str]:
    """JSON manifests under names that count in a folder without a kustomization."""
    result = {}
    for name, text in files.items():
        values = documents_of(encoded({name: text}), name) if name.endswith(".json") else []
        is_manifest = any(isinstance(v, dict) and "kind" in v for v in values)
        result[f"{name}.yaml" if is_manifest else name] = text
    return result


def workload(manifests: tuple[Manifest, ...]) -> Manifest:
    """The Deployment that the story is about: the first by name.

    Raises:
        UsageError: there is none.
    """
    deployments = (m for m in manifests if m.key.group == "apps" and m.key.kind == "Deployment")
    found = min(deployments, key=lambda manifest: manifest.key, default=None)
    if found is None:
        raise UsageError(
            "the story needs a Deployment, whose image it changes",
            fix="name a folder that has one",
        )
    return found


def candidates(manifests: Sequence[Manifest], *, besides: Manifest) -> list[str]:
    """The files that the story may delete, best first.

    Raises:
        UsageError: everything stands in one file.
    """
    keep, _, _ = besides.origin.partition("#")
    contents: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        contents.setdefault(manifest.origin.partition("#")[0], []).append(manifest)
    contents.pop(keep, None)
    if not contents:
        raise UsageError(
            "the story deletes a file, and there is only one", fix="name a folder with two or more"
        )

    def may_go(path: str) -> bool:
        left = [m for m in manifests if m.origin.partition("#")[0] != path]
        return not any(_needs(other, gone) for gone in contents[path] for other in left)

    def cost(path: str) -> tuple[int, str]:
        kinds = (m.key.kind for m in contents[path])
        ranks = [EXPENDABLE.index(k) if k in EXPENDABLE else len(EXPENDABLE) for k in kinds]
        return max(ranks), path

    return sorted(filter(may_go, contents), key=cost)


def _needs(one: Manifest, other: Manifest) -> bool:
    """Whether one object cannot do without another."""
    name = other.key.name
    if other.key.kind == "Namespace":
        return one.key.namespace == name
    if other.key.kind == "CustomResourceDefinition":
        return name.endswith(f".{one.key.group}")
    return _refers_to(other.key, one.body)


def _refers_to(key: ObjectKey, value: Any) -> bool:
    """Whether an object names another one."""
    if isinstance(value, list):
        return any(_refers_to(key, item) for item in value)
    if not isinstance(value, dict):
        return False
    for field, item in value.items():
        if NAMES.get(field) == key.kind and item == key.name:
            return True
        if field in REFERENCES:
            for referred in item if isinstance(item, list) else (item,):
                if isinstance(referred, dict):
                    kind = REFERENCES[field] or referred.get("kind")
                    if (kind, referred.get("name")) == (key.kind, key.name):
                        return True
    return any(_refers_to(key, item) for item in value.values())


def versions(image: str) -> tuple[str, ...]:
    """The images that exist in a story that begins with this one."""
    second = next_version(image)
    return image, second, next_version(second), with_tag(image, HOTFIX)


def with_tag(image: str, tag: str) -> str:
    """The same image with another tag (and without a digest)."""
    name, _, _ = image.partition("@")
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}:{tag}"


def next_version(image: str) -> str:
    """The same image one version on: the last number of its tag goes up; no tag becomes `v2`."""
    _, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    numbers = list(re.finditer(r"\d+", tag))
    if not numbers:
        return with_tag(image, "v2")
    last = numbers[-1]
    return with_tag(image, f"{tag[: last.start()]}{int(last.group()) + 1}{tag[last.end() :]}")
