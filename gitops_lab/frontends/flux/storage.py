"""The storage of source-controller: artifacts, which other controllers fetch from it over HTTP.

It is in the controller's pod: another pod starts with an empty one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_lab.model import Artifact

ADDRESS = "source-controller.flux-system.svc.cluster.local."
"""The host in the URLs of artifacts."""


class StorageError(Exception):
    """An artifact cannot be fetched. The text is what the HTTP client says."""


class ArtifactGone(StorageError):
    """The storage answers, but has no such artifact."""


@dataclass
class Storage:
    """Artifacts by path.

    Args:
        alive: whether source-controller runs, so that it answers requests.
    """

    alive: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        self._artifacts: dict[str, Artifact] = {}

    def put(self, path: str, artifact: Artifact) -> None:
        """Store an artifact."""
        self._artifacts[path] = artifact

    def has(self, path: str) -> bool:
        """Whether there is an artifact at that path."""
        return path in self._artifacts

    def fetch(self, path: str) -> Artifact:
        """An artifact, as another controller gets it.

        Raises:
            ArtifactGone: there is none at that path.
            StorageError: source-controller does not answer.
        """
        if not self.alive():
            raise StorageError(
                f"GET {self.url(path)} giving up after 10 attempt(s): dial tcp: connection refused"
            )
        if path not in self._artifacts:
            raise ArtifactGone(f"GET {self.url(path)}: 404 Not Found")
        return self._artifacts[path]

    def remove(self, folder: str, *, keep: int = 0) -> int:
        """Remove the artifacts of a folder but for the newest; how many went.

        Args:
            folder: such as `gitrepository/flux-system/app`.
            keep: how many to leave, the newest.
        """
        found = [path for path in self._artifacts if path.startswith(f"{folder}/")]
        old = found[: max(len(found) - keep, 0)]
        for path in old:
            del self._artifacts[path]
        return len(old)

    def clear(self) -> None:
        """Forget everything, as a new pod does."""
        self._artifacts.clear()

    @staticmethod
    def url(path: str) -> str:
        """The address of an artifact."""
        return f"http://{ADDRESS}/{path}"
