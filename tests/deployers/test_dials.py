"""The dials of a deployer that are not those of a single sync."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.errors import UsageError
from gitops_lab.sandbox import ArmDescription, Sandbox
from gitops_lab.worlds.arms import PULL, PUSH


def book(page: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: book}}\ndata: {{page: '{page}'}}\n"


def page(world: Sandbox, arm: str) -> str | None:
    live = world[arm].get("ConfigMap/book")
    return live["data"]["page"] if live else None


def test_a_suspended_deployer_does_nothing_until_it_is_resumed() -> None:
    with Sandbox(ArmDescription("pull", PullDeployer, replace(PULL, suspend=True))) as world:
        world.commit("one", {"book.yaml": book("1")})
        world.run(minutes=5)
        assert page(world, "pull") is None
        deployer = world["pull"].deployer
        deployer.policy = replace(deployer.policy, suspend=False)
        world.step("pull")
        world.run(minutes=3)
        assert page(world, "pull") == "1"
        events = [e.event for e in world.journal if e.event in ("suspended", "resumed")]
        assert events == ["suspended", "resumed"]


def test_an_agent_waits_for_another_one_at_the_same_revision() -> None:
    first = ArmDescription("first", PullDeployer, replace(PULL, interval=300, path="one"))
    second = ArmDescription(
        "second", PullDeployer, replace(PULL, interval=30, path="two", depends_on=("first",)),
        cluster="first",
    )  # fmt: skip
    other = book("2").replace("name: book", "name: other")
    with Sandbox(first, second, seed=1) as world:
        world.run(minutes=2)
        world.commit("both", {"one/book.yaml": book("1"), "two/other.yaml": other})
        live: list[tuple[bool, bool]] = []
        for _ in range(80):
            world.run(seconds=5)
            found = (world["first"].get(f"ConfigMap/{n}") is not None for n in ("book", "other"))
            live.append((next(found), next(found)))
        assert (False, True) not in live and live[-1] == (True, True)
        waits = [e.why for e in world.journal if e.actor == "second" and e.event == "reported"]
        assert "depends on first, which is not ready at this revision" in waits


def test_a_folder_may_use_files_outside_it() -> None:
    overlay = replace(PULL, path="overlays/east")
    with Sandbox(ArmDescription("pull", PullDeployer, overlay)) as world:
        world.commit(
            "overlay",
            {
                "base/kustomization.yaml": "resources: [book.yaml]",
                "base/book.yaml": book("1"),
                "overlays/east/kustomization.yaml": "namespace: default\nresources: [../../base]",
                "overlays/west/broken.yaml": "not: a manifest",
            },
        )
        world.run(minutes=3)
        assert page(world, "pull") == "1"
        assert world.status() == "pull: in sync, Healthy"


@pytest.mark.parametrize(
    ("concurrency", "expected", "finished"), [("queue", "2", 2), ("cancel", "2", 1)]
)
def test_pipelines_queue_or_replace_each_other(
    concurrency: str, expected: str, finished: int
) -> None:
    policy = replace(PUSH, concurrency=concurrency, start=60)
    with Sandbox(ArmDescription("push", PushDeployer, policy)) as world:
        world.commit("one", {"book.yaml": book("1")})
        world.run(seconds=10)
        world.commit("two", {"book.yaml": book("2")})
        world.run(minutes=10)
        reported = [e for e in world.journal if e.event == "reported" and e.actor == "push"]
        assert (page(world, "push"), len(reported)) == (expected, finished)


def test_parallel_pipelines_may_overtake_each_other_and_both_are_green() -> None:
    policy = replace(PUSH, concurrency="parallel", start=60, start_spread=0.9)
    ends = set()
    for seed in range(12):
        with Sandbox(ArmDescription("push", PushDeployer, policy), seed=seed) as world:
            world.commit("one", {"book.yaml": book("1")})
            world.run(seconds=5)
            world.commit("two", {"book.yaml": book("2")})
            world.run(minutes=10)
            reported = [e for e in world.journal if e.event == "reported" and e.actor == "push"]
            assert [e.data["state"] for e in reported] == ["success"] * 2
            ends.add(page(world, "push"))
    assert ends == {"1", "2"}


def test_retries_back_off_with_jitter_up_to_a_limit() -> None:
    policy = Policy(retry=10, backoff=2, retry_limit=60, jitter=0.1)
    spans = [policy.next_retry(n, Random(1)) for n in range(1, 6)]
    for span, middle in zip(spans, (10, 20, 40, 60, 60), strict=True):
        assert span is not None and 0.9 * middle <= span <= 1.1 * middle
    assert Policy(retry=10).next_retry(5, Random(1)) == 10
    assert Policy().next_retry(1, Random(1)) is None


def test_an_agent_that_fails_looks_again_later_and_later() -> None:
    policy = replace(PULL, interval=3600, retry=20, backoff=3, jitter=0)
    with Sandbox(ArmDescription("pull", PullDeployer, policy), observe=False) as world:
        world.commit("bad", {"book.yaml": "kind: [\n"})
        calls: list[float] = []
        source = world["pull"].deployer.source
        head = source.head

        def watched_head() -> object:
            calls.append(world.clock.now())
            return head()

        source.head = watched_head
        world.run(minutes=30)
        gaps = [round(b - a) for a, b in pairwise(calls)]
        assert gaps[:3] == sorted(gaps[:3]) and gaps[2] >= 3 * gaps[0] - 10


@pytest.mark.parametrize("dial", [{"order": "random"}, {"concurrency": "chaos"}])
def test_a_dial_that_does_not_exist_is_refused(dial: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        Policy(**dial)  # type: ignore[arg-type]


def test_the_example_in_the_documentation_shows_what_it_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "dials.md"
    code = page.read_text().partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(code, names)
    world = names["world"]
    assert isinstance(world, Sandbox)
    seen = [arm.watcher.last for arm in world.arms.values()]
    assert [len(s.extra) if s else None for s in seen] == [1, 0]
