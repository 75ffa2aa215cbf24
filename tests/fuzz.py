"""Ask a live cluster for everything that its OpenAPI documents allow, and for more than that.

    python -m tests.fuzz --seconds 600 --seeds 1,2,3,5,8,13

Two thirds of the time go to requests over HTTPS, one third to patches in-process (see
`patch_at_random`), after each of which a new process takes over the store.

Each operation gets requests that its document allows, for objects that may exist, in which now and
then a value is exchanged for an unexpected one. A finding is an answer that is not proper: an
error of the server's own, a refusal that is no Status, no answer in time, or a controller that
fails at what was stored. What was found belongs into a plain test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyStrategyDefinition

from kubesim.controllers import Controllers
from kubesim.controllers.images import Catalogue
from tests.kubesim.controllers.test_odd_objects import patch_at_random
from tests.kubesim.http.world import World, authority, client_context

ANSWER_WITHIN = 5.0
"""Seconds after which a request counts as unanswered."""

ODD: list[Any] = [
    None, True, 0, -1, 2**63, 2**70, 1.5, "", "a", "A b", "é", "\x00", "a" * 300, "../..", "5m",
    "-1", "0", "1e999", "*", "{}", "a=b", "2026-01-01T00:00:00Z", "2026-13-01", [], [None], [[]],
    ["a", "a"], {}, {"": None}, {"a": {}}, {"name": 5}, [{"name": "a"}, {"name": "a"}],
]  # fmt: skip
"""Values that are rarely what a field expects."""

NAMES = ("a", "b", "node-1", "default", "kubernetes")

PATCHES = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


class Live:
    """A cluster in a thread of its own.

    Args:
        folder: where its certificates go.
    """

    def __init__(self, folder: str) -> None:
        self.world = World(folder)
        self.url = ""
        self.faults: list[str] = []
        self._ready, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @contextmanager
    def served(self) -> Iterator[Live]:
        """The cluster, as long as it serves."""
        client_context(self.world.folder, "admin", ("system:masters",))
        logger = logging.getLogger("kubesim")
        handler = _Collecting(self.faults)
        logger.addHandler(handler)
        self._thread.start()
        self._ready.wait(30)
        try:
            yield self
        finally:
            self._done.set()
            self._thread.join(10)
            logger.removeHandler(handler)

    def answers(self) -> bool:
        """Whether a new object still gets what its controller gives it."""
        api, name = self.world.api, "after-all"
        namespaces = api.registry.by_kind("v1", "Namespace")
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.create(namespaces, body)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if api.store.get(("", "serviceaccounts", name, "default")):
                return True
            time.sleep(0.05)
        return False

    async def _serve(self) -> None:
        controllers = Controllers(self.world.api, images=Catalogue(), rng=Random(1))
        async with self.world.served() as world:
            self.url = world.url
            self._ready.set()
            while not self._done.is_set():
                world.now += 1
                try:
                    controllers.step(world.now)
                except Exception:
                    self.faults.append(traceback.format_exc())
                await asyncio.sleep(0.02)


class _Collecting(logging.Handler):
    def __init__(self, faults: list[str]) -> None:
        super().__init__()
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._faults.append("".join(traceback.format_exception(*record.exc_info)))


class Fuzzer:
    """Asks, and takes down what is no answer.

    Args:
        live: the cluster.
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        self.findings: dict[str, str] = {}
        self.codes: Counter[int] = Counter()
        folder = live.world.folder
        self._session = requests.Session()
        self._session.trust_env = False
        Path(folder, "ca.crt").write_text(authority().ca_pem)
        self._session.verify = f"{folder}/ca.crt"
        self._session.cert = (f"{folder}/admin.crt", f"{folder}/admin.key")

    def run(self, seconds: float, first: int) -> None:
        """Ask for so long, beginning with a seed."""
        end, number = time.monotonic() + seconds, first
        operations = list(self._operations())
        while True:
            Random(number).shuffle(operations)
            for operation in operations:
                if time.monotonic() > end:
                    return
                self._examine(operation, number)
            number += 1

    def _operations(self) -> Iterator[Any]:
        index = self._session.get(f"{self.live.url}/openapi/v3").json()
        for place in sorted(index["paths"].values(), key=lambda each: str(each)):
            document = self._session.get(self.live.url + place["serverRelativeURL"]).json()
            for schema in document["components"]["schemas"].values():
                _narrow(schema)
            for found in schemathesis.openapi.from_dict(document).get_all_operations():
                yield found.ok()

    def _examine(self, operation: Any, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=5,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            self._ask(case, rng)

        rng = Random(number)
        with suppress(FlakyStrategyDefinition):  # what schemathesis draws it may have learnt
            ask()

    def _ask(self, case: Any, rng: Random) -> None:
        operation = case.operation
        raw = operation.definition.raw
        path = {key: rng.choice(NAMES) for key in case.path_parameters or {}}
        if "namespace" in path:
            path["namespace"] = "default"
        body = case.body if isinstance(case.body, dict | list) else None
        headers = {"Content-Type": "application/json"}
        gvk = raw.get("x-kubernetes-group-version-kind")
        if isinstance(body, dict) and gvk and operation.method in ("post", "put"):
            body = _at_home(body, gvk, path.get("name") or rng.choice(NAMES))
        if operation.method == "patch":
            headers["Content-Type"] = rng.choice(PATCHES)
        if body is not None:
            body = _spoilt(body, rng)
        query = {**(case.query or {}), "timeoutSeconds": "1", "fieldManager": "fuzz"}
        if rng.random() < 0.5:
            query.pop("dryRun", None)
            query["fieldValidation"] = rng.choice(["Strict", "Warn", "Ignore"])
        url = self.live.url + operation.path.format(**path)
        self._send(operation.method.upper(), url, query, headers, body)

    def _send(
        self, method: str, url: str, query: dict[str, Any], headers: dict[str, str], body: Any
    ) -> None:
        content = None if body is None else json.dumps(body)
        what = f"{method} {url.removeprefix(self.live.url)} {query} {headers}\n{content}"
        try:
            answer = self._session.request(
                method, url, params=query, headers=headers, data=content, timeout=ANSWER_WITHIN
            )
        except requests.RequestException as error:
            self._found(f"{type(error).__name__}: {method} {url}", what)
            return
        self.codes[answer.status_code] += 1
        if answer.status_code >= 400 and not _is_status(answer.content):
            self._found(f"no Status: {answer.content[:200]!r}", what)
        while self.live.faults:
            self._found(self.live.faults.pop(), what)

    def _found(self, fault: str, what: str) -> None:
        lines = [line for line in fault.strip().splitlines() if "kubesim/" in line]
        key = "\n".join([*lines[-1:], fault.strip().splitlines()[-1]])
        if key not in self.findings:
            self.findings[key] = f"{what[:3000]}\n{fault[-1500:]}"
            print(f"--- {key}\n{self.findings[key]}\n", flush=True)


def _narrow(schema: dict[str, Any]) -> None:
    """Have a struct be made of its own fields, and have it say what it is for."""
    if "properties" in schema:
        schema["additionalProperties"] = False
        wanted = [
            each for each in ("spec", "data", "rules", "template") if each in schema["properties"]
        ]
        schema["required"] = sorted({*schema.get("required", ()), *wanted})


def _at_home(body: dict[str, Any], gvk: dict[str, str], name: str) -> dict[str, Any]:
    """The body as one of the object that the URL names."""
    group, version = gvk["group"], gvk["version"]
    metadata = body.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    for key in ("resourceVersion", "uid", "generateName", "managedFields", "deletionTimestamp"):
        metadata.pop(key, None)
    home = {"name": name, "namespace": "default"} if "namespace" in metadata else {"name": name}
    return {
        **body,
        "apiVersion": f"{group}/{version}" if group else version,
        "kind": gvk["kind"],
        "metadata": {**metadata, **home},
    }


def _spoilt(body: Any, rng: Random) -> Any:
    """The body with up to three of its values exchanged for odd ones."""
    body = json.loads(json.dumps(body))
    for _ in range(rng.randrange(4)):
        places = list(_places(body))
        if places:
            parent, key = rng.choice(places)
            parent[key] = deepcopy(rng.choice(ODD))
    return body


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _is_status(content: bytes) -> bool:
    try:
        status = json.loads(content)
    except ValueError:
        return False
    return isinstance(status, dict) and status.get("kind") == "Status"


def main() -> int:
    """Returns: 0 if nothing was found, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seeds", default="1,2,3,5,8,13", help="numbers with commas between")
    arguments = parser.parse_args()
    seeds = [int(each) for each in arguments.seeds.split(",")]
    findings, codes = 0, Counter[int]()
    for seed_ in seeds:
        with tempfile.TemporaryDirectory() as folder, Live(str(Path(folder))).served() as live:
            fuzzer = Fuzzer(live)
            fuzzer.run(arguments.seconds * 2 / 3 / len(seeds), seed_)
            is_alive = live.answers()
        codes += fuzzer.codes
        findings += len(fuzzer.findings) + (not is_alive)
        if not is_alive:
            print(f"--- seed {seed_}: the cluster does not answer any more", flush=True)
    patched = _patch_for(arguments.seconds / 3, seeds)
    told = ", ".join(f"{count} × {code}" for code, count in sorted(codes.items()))
    print(f"{codes.total()} requests ({told}), {patched} clusters patched, {findings} findings")
    return 1 if findings else 0


def _patch_for(seconds: float, seeds: list[int]) -> int:
    """Patch clusters at random for so long; how many."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        patch_at_random(seeds[count % len(seeds)] + 1_000 * (count // len(seeds)))
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
