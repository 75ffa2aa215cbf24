"""A cluster with every controller and kubelet, in the namespace `default`, at one's fingertips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal

import yaml

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api import Api, Options, bootstrap
from kubesim.clock import EPOCH
from kubesim.controllers import Controllers
from kubesim.controllers.images import Catalogue
from kubesim.resources import Resource
from kubesim.store import Store

STEADY = Catalogue().steady()
"""Two seconds to pull, three to get ready, to the instant."""


class World:
    """What tests do with a cluster, in few words."""

    def __init__(
        self,
        images: Catalogue = STEADY,
        *,
        nodes: int = 1,
        seed: int = 1,
        start: float = EPOCH,
        store: Store | None = None,
    ) -> None:
        self.now = start
        self.api = Api(now=lambda: self.now, rng=Random(seed), store=store)
        bootstrap(self.api)
        self.controllers = Controllers(self.api, images=images, rng=Random(seed), nodes=nodes)
        self.kubelet = self.controllers.kubelet
        self.run()

    def run(self, seconds: float = 0) -> None:
        """Let time pass, through every instant at which anything is due."""
        end = self.now + seconds
        due = self.controllers.step(self.now)
        while due is not None and due <= end:
            self.now = due
            due = self.controllers.step(self.now)
        self.now = end
        self.controllers.step(self.now)

    def until(self, holds: Callable[[], Any], limit: float = 600) -> float:
        """Let time pass until something holds; how many seconds that took."""
        begun = self.now
        while not holds():
            due = self.controllers.step(self.now)
            if holds():
                break
            assert due is not None, "it never will: nothing is due any more"
            assert due <= begun + limit, f"not within {limit} seconds"
            self.now = due
        return self.now - begun

    def resource(self, kind: str) -> Resource:
        found = [each for each in self.api.registry.all() if each.kind == kind]
        return self.api.registry.preferred(found[0].group, kind)

    def create(self, text: str, *, namespace: str = "default", **changes: Any) -> Object:
        """Create an object from YAML and have the controllers see it."""
        body = {**yaml.safe_load(text), **changes}
        resource = self.api.registry.by_kind(body["apiVersion"], body["kind"])
        place = namespace if resource.namespaced else ""
        created = self.api.create(resource, body, namespace=place)
        self.run()
        return created

    def find(self, kind: str, name: str, *, namespace: str = "default") -> Object | None:
        resource = self.resource(kind)
        try:
            place = namespace if resource.namespaced else ""
            return self.api.get(resource, name, namespace=place)
        except ApiError as error:
            assert error.code == 404
            return None

    def get(self, kind: str, name: str, *, namespace: str = "default") -> Object:
        found = self.find(kind, name, namespace=namespace)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def all(self, kind: str, *, namespace: str | None = "default") -> list[Object]:
        resource = self.resource(kind)
        place = namespace if resource.namespaced else None
        return self.api.store.list(resource.group, resource.plural, place)

    def patch(
        self,
        kind: str,
        name: str,
        patch: Object,
        *,
        type: Literal["merge", "strategic"] = "merge",
        subresource: str = "",
        namespace: str = "default",
    ) -> Object:
        """Patch an object and have the controllers see it."""
        resource = self.resource(kind)
        patched = self.api.patch(
            resource,
            name,
            patch,
            type=type,
            namespace=namespace if resource.namespaced else "",
            subresource=subresource,
        )
        self.run()
        return patched

    def delete(self, kind: str, name: str, *, namespace: str = "default", **options: Any) -> None:
        """Delete an object and have the controllers see it."""
        resource = self.resource(kind)
        place = namespace if resource.namespaced else ""
        self.api.delete(resource, name, namespace=place, options=Options(**options))
        self.run()

    def pod(self, name: str = "web") -> Object:
        return self.get("Pod", name)

    def container(self, name: str = "web") -> Object:
        """The status of a pod's first container."""
        status: Object = self.pod(name)["status"]["containerStatuses"][0]
        return status

    def state(self, name: str = "web") -> str:
        """What a pod's first container does: `running`, or why it does not."""
        state = self.container(name)["state"]
        kind = next(iter(state))
        return kind if kind == "running" else str(state[kind]["reason"])

    def told(self, name: str, *, kind: str = "Pod") -> list[str]:
        """`Reason: message` of an object's Events, in the order in which they began."""
        found = [
            each
            for each in self.all("Event", namespace=None)
            if each["involvedObject"]["name"] == name and each["involvedObject"]["kind"] == kind
        ]
        found.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [f"{each['reason']}: {each['message']}" for each in found]

    def reasons(self, name: str, *, kind: str = "Pod") -> list[str]:
        return [each.partition(":")[0] for each in self.told(name, kind=kind)]


def condition(obj: Object, type: str) -> Object:
    """A condition of an object; empty if it is not there."""
    conditions: Sequence[Object] = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == type), {})
