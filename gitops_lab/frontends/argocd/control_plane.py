"""Argo CD as a whole: its programs, wired together and driven by one step function."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gitops_lab.errors import ApiError
from gitops_lab.frontends.argocd.api_server import ApiServer
from gitops_lab.frontends.argocd.application_controller import ApplicationController, Listener
from gitops_lab.frontends.argocd.applicationsets.controller import ApplicationSetController
from gitops_lab.frontends.argocd.destinations import Connect, Destinations
from gitops_lab.frontends.argocd.names import (
    API_SERVER,
    APPLICATION_SET_CONTROLLER,
    CONTROLLER,
    REPO_SERVER,
    Settings,
)
from gitops_lab.frontends.argocd.projects import DEFAULT
from gitops_lab.frontends.argocd.repo_server import RepoServer
from gitops_lab.model import ObjectKey, copied
from gitops_lab.ports import Cluster, Git


class ControlPlane:
    """The repo server, the application controller and the API server.

    Args:
        cluster: where they run, reached with the controller's credentials.
        git: opens repositories.
        now: the time, in seconds since the Unix epoch.
        random: draws the jitter.
        settings: how long things take.
        connect: opens connections to registered clusters.
        listener: is called with what happens to Applications.
    """

    def __init__(
        self,
        cluster: Cluster,
        git: Git,
        *,
        now: Callable[[], float],
        random: Random,
        settings: Settings | None = None,
        connect: Connect,
        listener: Listener = lambda app, event, why, data: None,
    ) -> None:
        self.cluster, self.now = cluster, now
        self.settings = settings or Settings()
        self.repo = RepoServer(git, now, self.settings)
        self.destinations = Destinations(cluster, connect)
        self._random, self._listener = random, listener
        self.controller = self._new_controller()
        self.sets = self._new_sets()
        self.stopped: set[str] = set()
        """The programs that do not run just now."""
        self.api = ApiServer(cluster, self.repo, self.destinations, now)
        self._started = False

    def _new_controller(self) -> ApplicationController:
        return ApplicationController(
            self.cluster, self.repo, self.destinations, self.settings, self._random,
            self._listener,
        )  # fmt: skip

    def _new_sets(self) -> ApplicationSetController:
        return ApplicationSetController(self.cluster, self.repo, self.destinations, self.settings)

    def stop(self, program: str) -> None:
        """Take one of the programs down, as when its pod is deleted."""
        self.stopped.add(program)
        self.repo.running = REPO_SERVER not in self.stopped

    def start(self, program: str) -> None:
        """Bring one of the programs up: it knows what is in the cluster, and nothing else."""
        self.stopped.discard(program)
        self.repo.running = REPO_SERVER not in self.stopped
        if program == CONTROLLER:
            self.destinations.forget()
            self.controller = self._new_controller()
        elif program == REPO_SERVER:
            self.repo.forget()
        elif program == APPLICATION_SET_CONTROLLER:
            self.sets = self._new_sets()
        elif program == API_SERVER:
            self._started = False

    def changed(self, key: ObjectKey) -> bool:
        """An object of Argo CD's own cluster changed; whether `step` is to be called soon."""
        ours = self.sets.changed(key)
        return self.controller.changed(key) or ours

    def webhook(self, url: str, branch: str) -> None:
        """A Git server says that a branch moved; without an API server, this is lost."""
        if API_SERVER not in self.stopped:
            self.api.webhook(url, branch)

    def step(self, now: float) -> float | None:
        """Do what is due; when to be called again."""
        if not self._started and API_SERVER not in self.stopped:
            self._start()
        times = []
        if APPLICATION_SET_CONTROLLER not in self.stopped:
            times.append(self.sets.step(now))
        if CONTROLLER not in self.stopped:
            times.append(self.controller.step(now))
        return min((each for each in times if each is not None), default=None)

    def _start(self) -> None:
        """The API server creates the default project when it starts."""
        if self.cluster.get(ObjectKey.of(DEFAULT)) is None:
            try:
                self.cluster.create(copied(DEFAULT), manager=API_SERVER)
            except ApiError as error:
                if error.code != 409:
                    raise
        self._started = True
