"""The ports: what the engine and the deployers ask of Git, of a cluster and of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gitops_lab.model import Artifact, Object, ObjectKey, Revision

ADMINISTRATORS = ("system:masters",)
"""The group whose members may do everything in a cluster."""


@dataclass(frozen=True)
class Credentials:
    """Who a deployer is to the API server, and from which side it comes.

    Args:
        user: the name that the API server authenticates.
        inside: whether the holder lives in the cluster and uses its internal address; from
            outside, the credentials lie outside too, and the cluster must be reachable.
        groups: the groups that the API server takes the holder for a member of, beside those that
            follow from being authenticated or a ServiceAccount.
    """

    user: str
    inside: bool
    groups: tuple[str, ...] = ()

    @property
    def account(self) -> tuple[str, str] | None:
        """Namespace and name of the ServiceAccount that the user is; None if it is none."""
        return account_of(self.user)


def account_of(user: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user name means; None if it means none."""
    prefix = "system:serviceaccount:"
    namespace, _, name = user.removeprefix(prefix).partition(":")
    return (namespace, name) if user.startswith(prefix) and namespace and name else None


class Source(Protocol):
    """One branch and folder of a repository, as a deployer sees it."""

    def head(self) -> Revision:
        """The branch's newest commit, without fetching its files (`git ls-remote`).

        Raises:
            SourceError: Git does not answer, or the branch does not exist.
        """

    def fetch(self, revision: Revision) -> Artifact:
        """The files of a revision.

        Raises:
            SourceError: Git does not answer, or the commit does not exist.
        """


class Git(Protocol):
    """A Git server, as a client that knows URLs sees it."""

    @property
    def url(self) -> str:
        """The address of the world's own repository, as objects in a cluster name it."""

    def open(
        self, url: str, *, branch: str = "", tag: str = "", commit: str = "", path: str = "."
    ) -> Source:
        """A source by its address and one ref; the default branch if none is named.

        Args:
            url: of the repository.
            branch: follow this branch.
            tag: stay at this tag.
            commit: stay at this commit; with a branch, one that is written `branch@sha1:commit`.
            path: the folder to deploy.

        Raises:
            SourceError: the path leads out of the repository. The source's own methods say what
                else is wrong, such as a URL that leads nowhere.
        """

    def refs(self, url: str) -> Mapping[str, str]:
        """The commit of each branch and tag, by full name such as `refs/tags/v1` (`git ls-remote`).

        Raises:
            SourceError: the repository does not exist or does not answer.
        """


CommitState = Literal["pending", "success", "failure", "error"]
"""The states of a commit status, as GitHub's REST API has them."""


class ForgeEvent(Protocol):
    """Something that happened at the forge beside a push: to a pull request, for instance."""

    @property
    def name(self) -> str:
        """What happened, such as `opened`, `merged` or `requested`."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The same for programs, as JSON values."""


class Statuses(Protocol):
    """Where commit statuses are kept."""

    def set(
        self, commit: str, context: str, state: CommitState, description: str = "", url: str = ""
    ) -> None:
        """Set one status of a commit, in place of an older one of the same context.

        Args:
            commit: the full hash.
            context: who says it, such as the name of a deployer.
            state: what became of the commit.
            description: why, in one sentence.
            url: where to read more; empty for nowhere.
        """


class Cluster(Protocol):
    """A Kubernetes API server, reached with one client's credentials.

    Every method raises `ApiError` when the server refuses and `ClusterUnreachable` when it does
    not answer. Objects that come back belong to the caller.
    """

    name: str

    def is_namespaced(self, group: str, kind: str) -> bool:
        """Whether a kind lives in namespaces; a kind the server lacks is an ApiError 404."""

    def get(self, key: ObjectKey, *, version: str = "") -> Object | None:
        """The live object, in the given or the preferred API version; None if there is none."""

    def list(
        self, group: str, kind: str, *, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Live objects of a kind, by key; without a namespace, of all of them."""

    def apply(
        self, body: Object, *, manager: str, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Server-side apply; the object as it is, or with `dry_run` as it would be."""

    def create(self, body: Object, *, manager: str) -> Object:
        """Create an object; one that exists already is an ApiError 409."""

    def patch(
        self, key: ObjectKey, patch: Mapping[str, Any], *, manager: str, subresource: str = ""
    ) -> Object:
        """JSON merge patch (RFC 7386), as a person's or a script's edit."""

    def delete(self, key: ObjectKey, *, propagation: str = "Background", uid: str = "") -> None:
        """Delete; with `uid` only that very object. An object that is gone already is no error."""

    def ask(self, namespace: str, service: str, path: str) -> tuple[int, str]:
        """What the application behind a Service answers, through the API server's proxy.

        Args:
            namespace: the Service's.
            service: its name, or `name:port`.
            path: the path to ask for, beginning with a slash.

        Returns:
            The HTTP status code, 503 if no pod is ready, and the body.
        """


class Clock(Protocol):
    """The time, in seconds since the Unix epoch."""

    def now(self) -> float:
        """The present instant."""
