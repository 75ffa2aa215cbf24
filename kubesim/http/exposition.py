"""`/metrics`: what a server counts, in the words of Prometheus.

Source: apiserver `pkg/server/routes/metrics.go`, its metrics of storage, and those of etcd
(Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kubesim.http.answers import Answer
from kubesim.http.discovery import version_info
from kubesim.http.metrics import Family
from kubesim.store import Store

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def storage(store: Store) -> Iterable[Family]:
    """How much there is in a store, and how many changes it took."""
    counts = sorted(store.counts().items())
    yield Family(
        "apiserver_resource_objects",
        "gauge",
        "Number of stored objects at the time of last check split by kind.",
        [("", {"group": group, "resource": plural}, n) for (group, plural), n in counts],
    )
    yield Family(
        "apiserver_storage_objects",
        "gauge",
        "[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects "
        "at the time of last check split by kind.",
        [
            ("", {"resource": f"{plural}.{group}" if group else plural}, n)
            for (group, plural), n in counts
        ],
    )
    yield Family(
        "etcd_debugging_mvcc_current_revision",
        "gauge",
        "The current revision of store.",
        [("", {}, store.revision)],
    )


def build() -> Iterable[Family]:
    """Which version the server simulates."""
    info = version_info()
    names = {"git_version": "gitVersion", "major": "major", "minor": "minor"}
    yield Family(
        "kubernetes_build_info",
        "gauge",
        "A metric with a constant '1' value labeled by major, minor, git version of Kubernetes.",
        [("", {label: info[name] for label, name in names.items()}, 1)],
    )


def exposition(families: Iterable[Family], accept: str) -> Answer:
    """Metrics and those of the process, in the form that a client asks for.

    Args:
        families: the metrics.
        accept: the header; Prometheus' text form if it names none.
    """
    # Imported here: it takes time, and most clusters are never asked.
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collected(families))
    encode, media = choose_encoder(accept)
    return Answer(encode(registry), media=media)


class _Collected:
    """Families as prometheus_client collects them."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import Metric

        for family in self._families:
            metric = Metric(family.name, family.help, family.type)
            for suffix, labels, value in family.samples:
                metric.add_sample(family.name + suffix, dict(labels), value)
            yield metric

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: it is collected once, after it is registered."""
        return ()
