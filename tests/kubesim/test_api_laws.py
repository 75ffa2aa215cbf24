"""What holds for the API in answer to every request."""

from __future__ import annotations

import marshal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api import Watch
from kubesim.store import Event
from tests.kubesim.world import World, deployment

Place = tuple[str, str]
NAMES = st.sampled_from(["a", "b", "c"])
COUNTS = st.integers(0, 2)
MANAGERS = st.sampled_from(["flux", "kubectl"])
DRY = st.sampled_from([False, False, True])


def followed(events: list[dict[str, Any]], objects: dict[str, Object]) -> dict[str, Object]:
    """A client's copy of a list after these events."""
    for event in events:
        obj = event["object"]
        name = obj["metadata"]["name"]
        if event["type"] == "DELETED":
            del objects[name]
        else:
            assert (event["type"] == "MODIFIED") == (name in objects)
            objects[name] = obj
    return objects


class Requests(RuleBasedStateMachine):
    """Any requests, by anyone, in any order; refusals change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.resource = self.world.resource("Deployment")
        self.revisions: list[int] = []
        self.frozen: list[tuple[Object, bytes]] = []
        self.world.api.store.subscribe(self.committed)
        self.clients: list[tuple[Watch, dict[str, Object], str]] = []
        self.listed: list[tuple[str, list[Object]]] = []

    def committed(self, event: Event) -> None:
        self.revisions.append(event.revision)
        self.frozen.append((event.object, marshal.dumps(event.object, 2)))
        if event.type == "MODIFIED":
            assert event.old is not None
            before, after = event.old["metadata"], event.object["metadata"]
            for name in ("uid", "name", "namespace", "creationTimestamp"):
                assert before[name] == after[name]
            assert before["generation"] <= after["generation"]
            assert {**event.old, "metadata": {}} != {**event.object, "metadata": {}} or {
                **before,
                "resourceVersion": "",
            } != {**after, "resourceVersion": ""}

    def ask(self, verb: str, *arguments: Any, dry_run: bool = False, **options: Any) -> None:
        revision = self.world.api.store.revision
        try:
            getattr(self.world, verb)(*arguments, dry_run=dry_run, **options)
        except ApiError as refusal:
            assert refusal.code in (404, 409, 422)
            assert self.world.api.store.revision == revision
        assert not dry_run or self.world.api.store.revision == revision
        self.world.now += 1

    @rule(name=NAMES, count=COUNTS, dry=DRY)
    def create(self, name: str, count: int, dry: bool) -> None:
        self.ask("create", deployment(name, replicas=count), dry_run=dry)

    @rule(name=NAMES, count=COUNTS, manager=MANAGERS, dry=DRY)
    def update(self, name: str, count: int, manager: str, dry: bool) -> None:
        body = deployment(name, replicas=count)
        self.ask("update", body, field_manager=manager, dry_run=dry)

    @rule(name=NAMES, count=COUNTS, type_=st.sampled_from(["merge", "strategic"]), dry=DRY)
    def patch(self, name: str, count: int, type_: str, dry: bool) -> None:
        patch = {"metadata": {"labels": {"count": str(count)}}, "spec": {"replicas": count}}
        self.ask("patch", "Deployment", name, patch, type_, dry_run=dry)

    @rule(name=NAMES, count=COUNTS, sub=st.sampled_from(["status", "scale"]), dry=DRY)
    def patch_below(self, name: str, count: int, sub: str, dry: bool) -> None:
        patch = {"status" if sub == "status" else "spec": {"replicas": count}}
        self.ask("patch", "Deployment", name, patch, "merge", sub, dry_run=dry)

    @rule(name=NAMES, count=COUNTS, manager=MANAGERS, force=st.booleans(), dry=DRY)
    def apply(self, name: str, count: int, manager: str, force: bool, dry: bool) -> None:
        body = deployment(name, image=f"web:{count}", **({"replicas": count} if count else {}))
        self.ask("apply", body, field_manager=manager, force=force, dry_run=dry)

    @rule(name=NAMES, policy=st.sampled_from(["Background", "Foreground", "Orphan"]), dry=DRY)
    def delete(self, name: str, policy: str, dry: bool) -> None:
        self.ask("delete", "Deployment", name, propagation=policy, dry_run=dry)

    @rule(name=NAMES)
    def finalize(self, name: str) -> None:
        self.ask("patch", "Deployment", name, {"metadata": {"finalizers": None}})

    @rule(selector=st.sampled_from(["", "count=1"]))
    def watch(self, selector: str) -> None:
        watch = self.world.api.watch(self.resource, labels=selector)
        self.clients.append((watch, followed(watch.poll(), {}), selector))

    @rule()
    def list(self) -> None:
        found = self.world.api.list(self.resource)
        self.listed.append((found["metadata"]["resourceVersion"], found["items"]))

    @invariant()
    def every_client_knows_the_present(self) -> None:
        for watch, known, selector in self.clients:
            found = self.world.api.list(self.resource, labels=selector)["items"]
            followed(watch.poll(), known)
            assert known == {obj["metadata"]["name"]: obj for obj in found}

    @invariant()
    def revisions_count_up_by_one(self) -> None:
        assert all(b - a == 1 for a, b in zip(self.revisions, self.revisions[1:], strict=False))

    def teardown(self) -> None:
        for obj, frozen in self.frozen:
            assert marshal.dumps(obj, 2) == frozen, "a stored object was changed afterwards"
        present = self.world.api.list(self.resource)["items"]
        for revision, items in self.listed:
            watch = self.world.api.watch(self.resource, since=revision)
            known = followed(watch.poll(), {obj["metadata"]["name"]: obj for obj in items})
            assert [known[name] for name in sorted(known)] == present


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
