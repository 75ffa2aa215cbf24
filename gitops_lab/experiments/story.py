"""The demo's story: one stream of commits and mishaps, told to every arm alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gitops_lab.errors import UsageError
from gitops_lab.forge import Repository
from gitops_lab.model import Manifest, Object, ObjectKey

SHOP = Path(__file__).parent / "shop"
"""The small application that the story is told with by default."""

SETTLING = 1.5
"""Minutes before the story: an agent that is installed this instant would look at this instant."""

HOTFIX = "hotfix"
"""The tag of the image that somebody puts in by hand."""

LARGEST = 4 * 1024 * 1024
"""A file that is larger, in bytes, is certainly no manifest."""

EXPENDABLE = (
    "Ingress", "NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Service",
)  # fmt: skip
"""Kinds whose file the story rather deletes than another's, best first."""


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

    Raises:
        UsageError: the folder cannot be read, or the story cannot be told with it.
    """

    def __init__(self, world: World, folder: Path = SHOP) -> None:
        self.world, self.files = world, read_folder(folder)
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

    def tell(self) -> Iterator[Chapter]:
        """Have one chapter happen after the other.

        Each is yielded when it has begun. Whoever asks lets its minutes pass, for only they know
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
        manifests = self.world.desired()
        self.workload = workload(manifests)
        self.expendable = expendable(manifests, besides=self.workload)

    def upgrade(self) -> None:
        """The workload moves to its next version."""
        self.change_image(next_version(self.image))

    def edit_by_hand(self) -> None:
        """Somebody replaces the live image, in a hurry and past Git."""
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
        path = self.expendable
        changes: dict[str, str | None] = {path: None}
        listing = self.files.get("kustomization.yaml")
        if listing is not None:
            line = rf"(?m)^[ \t]*-[ \t]*(\./)?{re.escape(path)}[ \t]*(#.*)?(\n|$)"
            changes["kustomization.yaml"] = re.sub(line, "", listing)
        self.world.commit(f"Delete {path}", changes)

    def break_image(self) -> None:
        """A commit asks for an image that nobody ever built."""
        self.change_image(with_tag(self.image, "does-not-exist"))

    def commit_while_down(self) -> None:
        """The deployers are down, and a commit lands."""
        self.world.stop()
        self.change_image(next_version(self.image))

    @property
    def image(self) -> str:
        """The workload's image as Git has it now."""
        key = self.workload.key
        now = next(manifest for manifest in self.world.desired() if manifest.key == key)
        return str(now.body["spec"]["template"]["spec"]["containers"][0]["image"])

    def change_image(self, image: str) -> None:
        """Commit another image for the workload, and nothing else."""
        path, _, _ = self.workload.origin.partition("#")
        old = self.image
        text = self.world.repository.read(path).decode()
        # Only where the whole value is the image: "shop:1" must not change "shop:10".
        changed = re.sub(rf"(image:\s*[\"']?){re.escape(old)}(?=[\"'\s]|$)", rf"\g<1>{image}", text)
        self.world.commit(f"Change {self.workload.key.name} from {old} to {image}", {path: changed})


def read_folder(folder: Path) -> dict[str, str]:
    """The text of each file below a folder by its path there, hidden ones left out.

    Raises:
        UsageError: there is no such folder, it is empty, or a file in it cannot be a manifest.
    """
    if not folder.is_dir():
        raise UsageError("this is no folder", where=str(folder), fix="name a folder of manifests")
    files: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in Path(name).parts) or not path.is_file():
            continue
        if path.suffix not in (".yaml", ".yml", ".json"):
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError("this link leaves the folder", where=str(path), fix="copy the file in")
        if path.stat().st_size > LARGEST:
            raise UsageError("this file is too large for a manifest", where=str(path))
        try:
            files[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError("this file is not UTF-8 text", where=str(path)) from None
    if not files:
        raise UsageError("there is no YAML or JSON file in it", where=str(folder))
    return files


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


def expendable(manifests: tuple[Manifest, ...], *, besides: Manifest) -> str:
    """The file that the story deletes.

    Raises:
        UsageError: everything stands in one file.
    """
    keep, _, _ = besides.origin.partition("#")
    kinds: dict[str, list[str]] = {}
    for manifest in manifests:
        kinds.setdefault(manifest.origin.partition("#")[0], []).append(manifest.key.kind)
    kinds.pop(keep, None)
    if not kinds:
        raise UsageError(
            "the story deletes a file, and there is only one", fix="name a folder with two or more"
        )

    def cost(path: str) -> tuple[int, str]:
        ranks = [EXPENDABLE.index(k) if k in EXPENDABLE else len(EXPENDABLE) for k in kinds[path]]
        return max(ranks), path

    return min(kinds, key=cost)


def versions(image: str) -> tuple[str, ...]:
    """The images that the story needs if it begins with this one, but for the one nobody built."""
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
