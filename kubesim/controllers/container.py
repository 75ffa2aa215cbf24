"""One container: how it gets its image, starts, runs, ends and is started again.

Source: Kubernetes 1.37, pkg/kubelet (kuberuntime_manager.go, images/image_manager.go) and
client-go util/flowcontrol/backoff.go; reasons and messages are the kubelet's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from kubesim.clock import timestamp
from kubesim.controllers.environment import Missing, TooLong
from kubesim.controllers.images import Behaviour, Catalogue, Reference, parse
from kubesim.controllers.timeline import Moment, Turn, timeline

BACKOFF_BASE, BACKOFF_MAX = 10.0, 300.0
"""Seconds before a crashed container, or a failed pull, is tried again: 10, 20, 40 … 300."""

SYNC = 1.0
"""Seconds until the kubelet sees that a container ended or a pull failed (its relist period)."""

GRACE = 30.0
"""Seconds that a container has to stop when it alone is to be restarted."""

LOOKUP = 0.2
"""Seconds to ask the registry whether an image that is here already is still the same."""


class Tell(Protocol):
    """Records an Event about the pod."""

    def __call__(
        self, reason: str, message: str, type: str = "Normal", *, field_path: str = ""
    ) -> None:
        """Tell it now."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container needs of its pod and its node to go on.

    Args:
        now: the present instant, in seconds since the Unix epoch.
        pod: name, namespace and uid of the pod, as the kubelet's messages write them.
        images: how images behave.
        disk: the node's images, by full reference, and from when on each is there.
        rng: draws container ids and variations.
        tell: records an Event about the pod.
        environment: reads the container's environment; raises Missing.
    """

    now: float
    pod: str
    images: Catalogue
    disk: dict[str, float]
    rng: Random
    tell: Tell
    environment: Callable[[Mapping[str, Any]], dict[str, str]]


@dataclass
class Backoff:
    """How long to wait before the next try: twice as long each time, reset after ten minutes."""

    delay: float = 0.0
    since: float = 0.0

    def over(self, ended: float) -> float:
        """When to try again what ended at an instant."""
        return ended if self._is_forgotten(ended) else ended + self.delay

    def next(self, now: float, ended: float) -> None:
        """Count one more try of what ended at an instant."""
        is_first = self._is_forgotten(ended)
        self.delay = BACKOFF_BASE if is_first else min(2 * self.delay, BACKOFF_MAX)
        self.since = now

    def _is_forgotten(self, ended: float) -> bool:
        return not self.delay or ended - self.since > 2 * BACKOFF_MAX


class Container:
    """One container of a pod, as the node's runtime knows it.

    At any time it knows the one step that comes next, and when (`due`).

    Args:
        spec: its part of the pod's spec.
        policy: when it is restarted: `Always`, `OnFailure`, `Never`.
        is_init: whether it stands among the init containers.
        is_task: whether it is to end by itself.
        is_ephemeral: whether it has joined the pod later, to look around.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        policy: str,
        *,
        is_init: bool = False,
        is_task: bool = False,
        is_ephemeral: bool = False,
    ) -> None:
        self.spec, self.policy = spec, policy
        self.is_init, self.is_task, self.is_ephemeral = is_init, is_task, is_ephemeral
        self.state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
        self.last: dict[str, Any] = {}
        self.restarts = 0
        self.is_ready = self.is_started = False
        self.image: str = spec["image"]
        self.image_id = self.container_id = ""
        self.environment: dict[str, str] = {}
        self.due: float | None = 0.0
        self.waits_for_configuration = False
        self._step: Callable[[Surroundings], None] = self._fetch
        self._moments: list[Moment] = []
        self._pulls, self._starts = Backoff(), Backoff()
        self._ended = 0.0
        self._exit_code = 0
        self._is_stopping = False

    @property
    def name(self) -> str:
        """Its name in the pod."""
        name: str = self.spec["name"]
        return name

    @property
    def field_path(self) -> str:
        """Its place in the pod, as Events name it."""
        kind = "initContainers" if self.is_init else "containers"
        return f"spec.{'ephemeralContainers' if self.is_ephemeral else kind}{{{self.name}}}"

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """With what it ended; None if it runs, or is still to run."""
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    @property
    def is_done(self) -> bool:
        """Whether it has ended and will not be started again."""
        code = self.exit_code
        return code is not None and (
            self.policy == "Never" or (self.policy == "OnFailure" and code == 0)
        )

    def advance(self, around: Surroundings) -> None:
        """Do what is due."""
        while self.due is not None and self.due <= around.now:
            self._step(around)

    def wake(self, now: float) -> None:
        """Look again at configuration that was missing."""
        if self.waits_for_configuration:
            self.due = now

    def stop(self, around: Surroundings, grace: float, message: str) -> None:
        """Have the process end within a grace period, in seconds; sooner, if asked again.

        A process that does not make it in time gets SIGKILL and exits with 137. One that does
        exits well if it is a server, and with 143 (SIGTERM) if it was to end by itself.
        """
        if not self.is_running:
            self.due = None
            return
        behaviour = around.images.behaviour(self.spec["image"])
        hook = (self.spec.get("lifecycle") or {}).get("preStop") or {}
        takes = (hook.get("sleep") or {}).get("seconds", 0) + behaviour.stop_seconds
        at = around.now + min(takes, grace)
        if self._is_stopping and self.due is not None and self.due <= at:
            return
        if not self._is_stopping:
            around.tell("Killing", message, field_path=self.field_path)
        self._is_stopping = True
        self._exit_code = 137 if takes > grace else 143 if self.is_task else 0
        self._later(at, self.end)

    def change(self, spec: Mapping[str, Any], around: Surroundings) -> None:
        """Follow a change of the spec: another image means another process.

        Other amounts do not, unless the container's resizePolicy says so.
        """
        is_other, needs_restart = (
            spec["image"] != self.spec["image"],
            _needs_restart(self.spec, spec),
        )
        self.spec = spec
        if needs_restart and self.is_running and not is_other:
            self.stop(around, GRACE, f"Container {self.name} resize requires restart")
        if not is_other:
            return
        self._pulls, self._starts = Backoff(), Backoff()
        if self.is_running:
            text = f"Container {self.name} definition changed, will be restarted"
            self.stop(around, GRACE, text)
        elif not self.is_done:
            self._later(around.now, self._fetch)

    def resume(self, status: Mapping[str, Any], started: float, around: Surroundings) -> None:
        """Take over from a former kubelet, by what it last reported.

        Args:
            status: the container's entry in the pod's status.
            started: when it was started, in seconds since the Unix epoch, if it runs.
            around: its surroundings.
        """
        self.state, self.last = status.get("state") or self.state, status.get("lastState") or {}
        self.restarts = status.get("restartCount", 0)
        self.image, self.image_id = status.get("image", self.image), status.get("imageID", "")
        self.container_id = status.get("containerID", "")
        self.is_ready, self.is_started = bool(status.get("ready")), bool(status.get("started"))
        if not self.is_running:
            self.due = None if self.is_done else around.now
            return
        try:
            self.environment = around.environment(self.spec)
        except (Missing, TooLong):
            self.environment = {}  # it went away while the container ran on
        behaviour = around.images.behaviour(self.spec["image"])
        moments = timeline(self.spec, behaviour, started, around.rng, is_task=self.is_task)
        self._moments = [
            moment
            for moment in moments
            if moment.at > around.now or moment.turn is not Turn.UNHEALTHY
        ]
        self._wait_for_moment()

    # Each step does one thing and says which step comes next, and when.

    def _later(self, at: float | None, step: Callable[[Surroundings], None]) -> None:
        self.due, self._step = at, step

    def _wait(self, reason: str, message: str = "") -> None:
        if "terminated" in self.state:
            self.last = self.state
        waiting = {"reason": reason, **({"message": message} if message else {})}
        self.state = {"waiting": waiting}

    def _fetch(self, around: Surroundings) -> None:
        """See that the image is on the node, and pull it if not."""
        image = self.spec["image"]
        policy = self.spec.get("imagePullPolicy", "IfNotPresent")
        reference = parse(image)
        if reference is None:
            text = f'couldn\'t parse image name "{image}": invalid reference format'
            self._refuse("InspectFailed", "InvalidImageName", text, around)
            return
        there = around.disk.get(reference.full)
        if there is not None and there <= around.now and policy != "Always":
            around.tell(
                "Pulled",
                f'Container image "{image}" already present on machine and can be accessed by '
                "the pod",
                field_path=self.field_path,
            )
            self._create(around)
        elif policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            self._refuse("ErrImageNeverPull", "ErrImageNeverPull", text, around)
        else:
            around.tell("Pulling", f'Pulling image "{image}"', field_path=self.field_path)
            self._pull(reference, there, around)

    def _pull(self, reference: Reference, there: float | None, around: Surroundings) -> None:
        behaviour, began = around.images.behaviour(self.spec["image"]), around.now
        if behaviour.pull_error:
            text = pull_failure(reference, behaviour.pull_error)
            takes = behaviour.varied(behaviour.pull_seconds, around.rng)
            self._later(began + takes, lambda then: self._miss(text, then))
            return
        if there is None:
            there = began + behaviour.varied(behaviour.pull_seconds, around.rng)
            around.disk[reference.full] = there
        elif there <= began:
            there = began + LOOKUP
        takes = there - began
        self._later(there, lambda then: self._pulled(reference, takes, then))

    def _pulled(self, reference: Reference, takes: float, around: Surroundings) -> None:
        self._pulls = Backoff()
        size = 20_000_000 + int(reference.digest[-6:], 16) * 5
        around.tell(
            "Pulled",
            f'Successfully pulled image "{self.spec["image"]}" in {span(takes)} '
            f"({span(takes)} including waiting). Image size: {size} bytes.",
            field_path=self.field_path,
        )
        self._create(around)

    def _miss(self, why: str, around: Surroundings) -> None:
        """Report a pull that failed, and soon after that it will be tried again later."""
        text = f'Failed to pull image "{self.spec["image"]}": {why}'
        around.tell("Failed", text, "Warning", field_path=self.field_path)
        around.tell("Failed", "Error: ErrImagePull", "Warning", field_path=self.field_path)
        self._wait("ErrImagePull", why)
        self._pulls.next(around.now, around.now)
        again = self._pulls.over(around.now)
        self._later(around.now + SYNC, lambda then: self._back_off(why, again, then))

    def _back_off(self, why: str, again: float, around: Surroundings) -> None:
        text = f'Back-off pulling image "{self.spec["image"]}"'
        around.tell("BackOff", text, field_path=self.field_path)
        around.tell("Failed", "Error: ImagePullBackOff", "Warning", field_path=self.field_path)
        self._wait("ImagePullBackOff", f"{text}: ErrImagePull: {why}")
        self._later(again, self._fetch)

    def _refuse(self, event: str, reason: str, message: str, around: Surroundings) -> None:
        """Report an image that waiting does not repair: only a change of the spec will."""
        around.tell(event, message, "Warning", field_path=self.field_path)
        around.tell("Failed", f"Error: {reason}", "Warning", field_path=self.field_path)
        self._wait(reason, message)
        self._later(None, self._fetch)

    def _create(self, around: Surroundings) -> None:
        """Read the configuration, then start the process."""
        reference = parse(self.spec["image"])
        assert reference is not None, "an image that is here has a valid name"
        self.image, self.image_id = reference.full, f"{reference.repository}@{reference.digest}"
        try:
            self.environment = around.environment(self.spec)
        except Missing as missing:
            text = str(missing)
            around.tell("Failed", f"Error: {text}", "Warning", field_path=self.field_path)
            self._wait("CreateContainerConfigError", text)
            self.waits_for_configuration = True
            self._later(None, self._create)
            return
        except TooLong as fault:
            text = str(fault)
            around.tell("Failed", f"Error: {text}", "Warning", field_path=self.field_path)
            self._wait("RunContainerError", text)
            self._later(None, self._create)
            return
        self.waits_for_configuration = False
        if "terminated" in self.state:
            self.last = self.state
        if self.container_id:
            self.restarts += 1
        self.container_id = f"containerd://{around.rng.getrandbits(256):064x}"
        self.state = {"running": {"startedAt": timestamp(around.now)}}
        around.tell("Created", "Container created", field_path=self.field_path)
        around.tell("Started", "Container started", field_path=self.field_path)
        behaviour: Behaviour = around.images.behaviour(self.spec["image"])
        self._moments = timeline(self.spec, behaviour, around.now, around.rng, is_task=self.is_task)
        self._wait_for_moment()

    def _wait_for_moment(self) -> None:
        self._later(self._moments[0].at if self._moments else None, self._live)

    def _live(self, around: Surroundings) -> None:
        moment = self._moments.pop(0)
        if moment.turn is Turn.EXITED:
            self._exit_code = moment.exit_code
            self.end(around)
            return
        if moment.turn is Turn.KILLED:
            text = f"Container {self.name} {moment.message}, will be restarted"
            self.stop(around, GRACE, text)
            return
        if moment.turn is Turn.STARTED:
            self.is_started = True
        elif moment.turn is Turn.UNHEALTHY:
            around.tell("Unhealthy", moment.message, "Warning", field_path=self.field_path)
        else:
            self.is_ready = moment.turn is Turn.READY
        self._wait_for_moment()

    def end(self, around: Surroundings) -> None:
        """Let the process end now."""
        self.state = {
            "terminated": {
                "exitCode": self._exit_code,
                "reason": "Error" if self._exit_code else "Completed",
                "startedAt": self.state["running"]["startedAt"],
                "finishedAt": timestamp(around.now),
                "containerID": self.container_id,
            }
        }
        self.is_ready = self.is_started = self._is_stopping = False
        self._ended = around.now
        self._later(None if self.is_done else around.now + SYNC, self._restart)

    def _restart(self, around: Surroundings) -> None:
        """Start the process again, after a wait if it has ended before."""
        again = self._starts.over(self._ended)
        if again <= around.now:
            self._again(around)
            return
        around.tell(
            "BackOff",
            f"Back-off restarting failed container {self.name} in pod {around.pod}",
            "Warning",
            field_path=self.field_path,
        )
        delay = span(self._starts.delay)
        text = f"back-off {delay} restarting failed container={self.name} pod={around.pod}"
        self._wait("CrashLoopBackOff", text)
        self._later(again, self._again)

    def _again(self, around: Surroundings) -> None:
        self._starts.next(around.now, self._ended)
        self._fetch(around)


def pull_failure(reference: Reference, error: str) -> str:
    """What containerd says of a pull that fails."""
    code, why = {
        "not found": ("NotFound", f"{reference.full}: not found"),
        "denied": (
            "Unknown",
            "pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed",
        ),
        "timeout": (
            "DeadlineExceeded",
            f'failed to do request: Head "https://{reference.full.partition("/")[0]}/v2/": '
            "dial tcp: i/o timeout",
        ),
    }[error]
    return (
        f"rpc error: code = {code} desc = failed to pull and unpack image "
        f'"{reference.full}": failed to resolve reference "{reference.full}": {why}'
    )


def span(seconds: float) -> str:
    """A span of time as Go prints it, to the millisecond: `230ms`, `1.5s`, `2m40s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"


def _needs_restart(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a container has to be restarted to get what it is given now."""
    before, after = old.get("resources") or {}, new.get("resources") or {}
    return any(
        (before.get(kind) or {}).get(each["resourceName"])
        != (after.get(kind) or {}).get(each["resourceName"])
        for each in new.get("resizePolicy") or ()
        if each.get("restartPolicy") == "RestartContainer"
        for kind in ("requests", "limits")
    )
