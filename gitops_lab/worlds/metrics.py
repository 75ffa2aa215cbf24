"""What Prometheus is told of an arm, beside what its API server tells of itself.

All of it is a fold over the journal, as every other report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from gitops_lab.journal import Entry, Journal
from kubesim.http.metrics import Family


class ArmMetrics:
    """The metrics of one arm; called for them as they are now.

    Args:
        journal: of the world; each entry is looked at once.
        arm: the arm's name.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(self, journal: Journal, arm: str, now: Callable[[], float]) -> None:
        self._journal, self._arm, self._now = journal, arm, now
        self._position = 0
        self._reconciles: Counter[str] = Counter()
        self._drifted = 0.0
        self._drifted_since: float | None = None
        self._in_sync = False

    def __call__(self) -> Iterable[Family]:
        """The metrics."""
        self.look()
        since, labels = self._drifted_since, {"arm": self._arm}
        drift = self._drifted + (0 if since is None else self._now() - since)
        yield Family(
            "gitops_lab_reconciles",
            "counter",
            "Reconciles of the arm's deployer that acted, failed or found something new, by what "
            "they found.",
            [
                ("_total", {**labels, "result": result}, count)
                for result, count in self._reconciles.items()
            ],
        )
        yield Family(
            "gitops_lab_drift_seconds",
            "counter",
            "How long live state was not what the arm's deployer itself had applied last.",
            [("_total", labels, drift)],
        )
        yield Family(
            "gitops_lab_in_sync",
            "gauge",
            "Whether live state is what the branch's newest revision says.",
            [("", labels, int(self._in_sync))],
        )

    def look(self) -> None:
        """Count what is new in the journal, before the journal forgets it."""
        entries = self._journal.since(self._position)
        self._position = len(self._journal)
        for entry in entries:
            if entry.actor == self._arm:
                self._see(entry)

    def _see(self, entry: Entry) -> None:
        if entry.event == "synced":
            self._reconciles[entry.data["sync"]] += 1
        elif entry.event == "missed":
            self._reconciles["Missed"] += 1
        elif entry.event == "observed":
            self._in_sync = entry.data["in_sync"]
            if self._drifted_since is not None:
                self._drifted += entry.at - self._drifted_since
            self._drifted_since = entry.at if entry.data["drifted"] else None
