"""What the journal says in numbers: for each arm and chapter, and over the whole story.

A pure fold over journal entries, so the numbers can be had again from a `journal.jsonl` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from gitops_lab.journal import Entry


@dataclass(frozen=True)
class Span:
    """What was true of an arm for a time; times in seconds since the story began."""

    start: float
    end: float
    in_sync: bool
    drifted: bool
    health: str
    orphans: tuple[str, ...]
    why: str
    extra: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it was true."""
        return self.end - self.start


@dataclass(frozen=True)
class Row:
    """One arm in one chapter.

    Args:
        arm: its name.
        chapter: the chapter's title.
        in_sync: whether live state was what Git says when the chapter ended.
        health: the worst health of what Git wants when the chapter ended.
        applied_after: seconds from the chapter's event until live state was what Git says, with
            no new orphan; None if that did not come about in the chapter.
        healthy_after: seconds until it was healthy as well; None likewise.
        drift_seconds: how long live state was not what the deployer itself had applied last.
        orphans: live objects at the end that Git does not have any more.
        why: the reason for how the chapter ended, in one line.
    """

    arm: str
    chapter: str
    in_sync: bool
    health: str
    applied_after: float | None
    healthy_after: float | None
    drift_seconds: float
    orphans: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Mark:
    """Something that happened at one instant, in seconds since the story began."""

    at: float
    what: str
    subject: str


@dataclass(frozen=True)
class Measurement:
    """All that the reports tell.

    Args:
        chapters: title, start and end of each, in seconds since the story began.
        spans: what was true of each arm, without gaps, by arm.
        marks: events in the forge (under `forge`) and in each arm.
        rows: one for each arm and chapter.
    """

    chapters: tuple[tuple[str, float, float], ...]
    spans: dict[str, tuple[Span, ...]]
    marks: dict[str, tuple[Mark, ...]]
    rows: tuple[Row, ...]

    @property
    def end(self) -> float:
        """How long the story took, in seconds."""
        return self.chapters[-1][2] if self.chapters else 0.0


def measure(entries: Iterable[Entry], *, until: float | None = None) -> Measurement:
    """Fold a journal into numbers.

    Args:
        entries: the journal.
        until: when the last chapter ends, in seconds since the Unix epoch; None if the journal
            itself closes it, with an entry that begins the next.
    """
    journal = list(entries)
    if until is not None:
        journal.append(Entry(until, "story", "chapter", "end"))
    chapters = _chapters(journal)
    if not chapters:
        return Measurement((), {}, {}, ())
    origin, end = chapters[0][1], chapters[-1][2]
    arms = list(dict.fromkeys(entry.actor for entry in journal if entry.event == "observed"))
    spans = {arm: _spans(journal, arm, origin, end) for arm in arms}
    rows = [
        _row(journal, arm, title, start - origin, stop - origin, origin, spans[arm])
        for title, start, stop in chapters
        for arm in arms
    ]
    return Measurement(
        tuple((title, start - origin, stop - origin) for title, start, stop in chapters),
        spans,
        _marks(journal, origin),
        tuple(rows),
    )


def _chapters(journal: Sequence[Entry]) -> list[tuple[str, float, float]]:
    begins = [(entry.subject, entry.at) for entry in journal if entry.event == "chapter"]
    return [
        (title, start, stop)
        for (title, start), (_, stop) in pairwise(begins)
        if stop > start  # the entry that closes a story may stand there twice
    ]


def _spans(journal: Sequence[Entry], arm: str, origin: float, end: float) -> tuple[Span, ...]:
    seen = [entry for entry in journal if entry.event == "observed" and entry.actor == arm]
    ends = [entry.at for entry in seen[1:]] + [end]
    return tuple(
        Span(
            start=max(entry.at, origin) - origin,
            end=stop - origin,
            in_sync=entry.data["in_sync"],
            drifted=entry.data["drifted"],
            health=entry.data["health"],
            orphans=tuple(entry.data["orphans"]),
            why=entry.why,
            extra=tuple(entry.data.get("extra", ())),
        )
        for entry, stop in zip(seen, ends, strict=True)
        if stop > max(entry.at, origin)  # of several at one instant, the last is what came of it
    )


def _marks(journal: Sequence[Entry], origin: float) -> dict[str, tuple[Mark, ...]]:
    events = ("pushed", "edited", "outage", "restored", "missed")
    marks: dict[str, list[Mark]] = {}
    for entry in journal:
        if entry.event in events:
            mark = Mark(entry.at - origin, entry.event, entry.subject)
            marks.setdefault(entry.arm, []).append(mark)
    return {actor: tuple(found) for actor, found in marks.items()}


def _row(
    journal: Sequence[Entry],
    arm: str,
    title: str,
    start: float,
    stop: float,
    origin: float,
    spans: Sequence[Span],
) -> Row:
    told = [
        entry
        for entry in journal
        if start <= entry.at - origin < stop and entry.arm in (arm, "forge")
    ]
    begun = next((e for e in told if e.event in ("pushed", "edited", "restored")), None)
    event = None if begun is None else begun.at - origin
    inside = [span for span in spans if span.end > start and span.start < stop]
    last = inside[-1]
    after = [span for span in inside if begun is not None and _is_after(span, begun, origin)]
    before = {
        orphan
        for span in spans
        if event is not None and span.start < event
        for orphan in span.orphans
    }
    done = [span for span in after if span.in_sync and before.issuperset(span.orphans)]

    # An agent in a pod of a real cluster does not write in this journal what it decides.
    is_elsewhere = any(e.actor == arm and e.data.get("elsewhere") for e in journal)

    def since_event(reached: Iterable[Span]) -> float | None:
        first = next(iter(reached), None)
        return None if first is None or event is None else max(first.start - event, 0.0)

    return Row(
        arm=arm,
        chapter=title,
        in_sync=last.in_sync,
        health=last.health,
        applied_after=since_event(done),
        healthy_after=since_event(span for span in done if span.health == "Healthy"),
        drift_seconds=sum(
            min(span.end, stop) - max(span.start, start) for span in inside if span.drifted
        ),
        orphans=last.orphans,
        why=_why(told, last, is_elsewhere=is_elsewhere),
    )


def _is_after(span: Span, begun: Entry, origin: float) -> bool:
    """Whether a span is of the time after an event.

    On the wall's clock it takes a moment until the watcher sees that Git or the cluster moved. What
    was seen before does not count. A deployer that comes back moves nothing.
    """
    since = span.end if begun.event == "restored" else span.start
    return since > begun.at - origin or span.start == begun.at - origin


def _why(told: Sequence[Entry], last: Span, *, is_elsewhere: bool) -> str:
    missed = next((entry.why for entry in told if entry.event == "missed"), "")
    if not last.in_sync or last.health != "Healthy":
        return missed or last.why
    if last.orphans:
        return f"nothing prunes {', '.join(last.orphans)}"
    acted = [e for e in told if e.event == "applied" and e.data["action"] != "failed"]
    if not acted:
        return "what it did stands in the agent's own log" if is_elsewhere else "nothing to do"
    if len(acted) == 1:
        return f"{acted[0].data['action']} {acted[0].subject}"
    counts = Counter(str(entry.data["action"]) for entry in acted)
    return "; ".join(f"{count} {action}" for action, count in counts.items())


def to_json(measurement: Measurement) -> dict[str, Any]:
    """The part of a measurement that `results.json` holds; times in seconds."""
    return {
        "chapters": [
            {"title": title, "start": round(start, 3), "end": round(end, 3)}
            for title, start, end in measurement.chapters
        ],
        "rows": [
            {
                key: round(value, 3) if isinstance(value, float) else value
                for key, value in asdict(row).items()
            }
            for row in measurement.rows
        ],
        "totals": {
            arm: {
                "drift_seconds": round(sum(s.seconds for s in spans if s.drifted), 3),
                "out_of_sync_seconds": round(sum(s.seconds for s in spans if not s.in_sync), 3),
                "unhealthy_seconds": round(
                    sum(s.seconds for s in spans if s.health != "Healthy"), 3
                ),
                "orphans": list(spans[-1].orphans) if spans else [],
                "median_applied_after": _median(
                    row.applied_after for row in measurement.rows if row.arm == arm
                ),
            }
            for arm, spans in measurement.spans.items()
        },
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 3) if known else None
