"""A small image registry: tags can be moved, digests never change.

It is kept among the forge's records, a document for each image, so that it survives the process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gitops_lab.errors import PipelineError
from gitops_lab.forge.records import Records

_IMAGE = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Build:
    """An image that was built.

    Args:
        digest: `sha256:…` of what it was built from: the same files give the same image.
        commit: what it was built from.
        at: when, in seconds since the Unix epoch.
    """

    digest: str
    commit: str
    at: float


class Registry:
    """The images of one sandbox.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def push(self, image: str, tag: str, *, commit: str, content: str, by: str = "ci") -> Build:
        """Build an image and point a tag to it, which may point to another one before.

        Args:
            image: its name, without a tag.
            tag: the tag.
            commit: what it is built from.
            content: a digest of the files that it is built from.
            by: the account that builds.

        Raises:
            PipelineError: the name or the tag cannot be used.
        """
        if not _IMAGE.fullmatch(image) or not _TAG.fullmatch(tag):
            raise PipelineError(f"{image}:{tag} is no name of an image", fix="use a-z, 0-9, '-'")
        digest = _digest(image, content)
        with self._records.locked():
            known = self._document(image)
            build = Build(digest, commit, self._records.now())
            builds = {**known["builds"]}
            builds.setdefault(digest, asdict(build))
            tags = {**known["tags"], tag: digest}
            moved = known["tags"].get(tag, digest) != digest
            said = f"{by} {'moves' if moved else 'pushes'} {image}:{tag} to {digest[:19]}"
            document = {"tags": tags, "builds": builds}
            self._records.write(by, "image", said, {_path(image): document}, image=image, tag=tag)
        return Build(**builds[digest])

    def knows(self, image: str, content: str) -> bool:
        """Whether an image was built from the same files before."""
        return _digest(image, content) in self._document(image)["builds"]

    def resolve(self, image: str, tag: str) -> str:
        """The digest that a tag points to now.

        Raises:
            PipelineError: there is no such tag.
        """
        tags: Mapping[str, str] = self._document(image)["tags"]
        if tag not in tags:
            there = ", ".join(tags) or "none"
            raise PipelineError(f"{image} has no tag {tag!r}", fix=f"tags: {there}")
        return tags[tag]

    def images(self) -> tuple[str, ...]:
        """The names of the images, sorted."""
        names = self._records.names("registry")
        return tuple(name.removesuffix(".json").replace("%", "/") for name in names)

    def tags(self, image: str) -> Mapping[str, str]:
        """The tags of an image, and the digest that each points to, the oldest build first."""
        known = self._document(image)
        at = {digest: build["at"] for digest, build in known["builds"].items()}
        return dict(sorted(known["tags"].items(), key=lambda each: (at[each[1]], each[0])))

    def _document(self, image: str) -> Mapping[str, Any]:
        return self._records.read(_path(image)) or {"tags": {}, "builds": {}}


def _path(image: str) -> str:
    return f"registry/{image.replace('/', '%')}.json"


def _digest(image: str, content: str) -> str:
    return "sha256:" + hashlib.sha256(f"{image}\n{content}".encode()).hexdigest()
