"""The numbers are a fold over the journal, checked against a story short enough to count."""

from gitops_lab.experiments.measure import measure, to_json
from gitops_lab.journal import Entry


def observed(at: float, *, in_sync: bool, drifted: bool = False, health: str = "Healthy",
             orphans: tuple[str, ...] = (), why: str = "") -> Entry:  # fmt: skip
    data = {"in_sync": in_sync, "drifted": drifted, "health": health, "orphans": list(orphans)}
    return Entry(at, "pull", "observed", "", why, data)


STORY = [
    Entry(100, "story", "chapter", "deploy"),
    Entry(100, "forge", "pushed", "abc"),
    observed(100, in_sync=True, why="stale: replaced at the same instant"),
    observed(100, in_sync=False, health="Missing", why="does not exist"),
    observed(130, in_sync=True, health="Progressing"),
    observed(140, in_sync=True),
    Entry(200, "story", "chapter", "edit"),
    Entry(210, "pull", "edited", "Service shop"),
    observed(210, in_sync=False, drifted=True, why="port differs"),
    observed(250, in_sync=True),
    Entry(300, "story", "chapter", "nothing"),
    observed(320, in_sync=True, orphans=("Ingress shop",)),
    Entry(400, "story", "chapter", "end"),
]


def test_chapters_end_where_the_next_begins() -> None:
    found = measure(STORY).chapters
    assert found == (("deploy", 0, 100), ("edit", 100, 200), ("nothing", 200, 300))


def test_time_to_applied_and_to_healthy_count_from_the_event() -> None:
    deploy, edit, nothing = measure(STORY).rows
    assert (deploy.applied_after, deploy.healthy_after) == (30, 40)
    assert (edit.applied_after, edit.healthy_after) == (40, 40)
    assert (nothing.applied_after, nothing.healthy_after) == (None, None)


def test_drift_is_counted_while_it_lasts_and_orphans_when_the_chapter_ends() -> None:
    deploy, edit, nothing = measure(STORY).rows
    assert (deploy.drift_seconds, edit.drift_seconds, nothing.drift_seconds) == (0, 40, 0)
    assert (deploy.orphans, edit.orphans, nothing.orphans) == ((), (), ("Ingress shop",))


def test_of_several_observations_at_one_instant_the_last_counts() -> None:
    first = measure(STORY).spans["pull"][0]
    assert (first.start, first.end, first.in_sync) == (0, 30, False)


def test_a_deletion_is_applied_when_no_new_orphan_is_left() -> None:
    story = [
        Entry(0, "story", "chapter", "before"),
        observed(0, in_sync=True, orphans=("Ingress old",)),
        Entry(100, "story", "chapter", "delete"),
        Entry(100, "forge", "pushed", "abc"),
        observed(100, in_sync=True, orphans=("Ingress new", "Ingress old")),
        observed(130, in_sync=True, orphans=("Ingress old",)),
        Entry(200, "story", "chapter", "end"),
    ]
    assert measure(story).rows[1].applied_after == 30


def test_what_was_seen_before_an_event_does_not_count_after_it() -> None:
    """On the wall's clock it takes a moment until the watcher sees that Git moved."""
    story = [
        observed(0, in_sync=True),
        Entry(0, "story", "chapter", "upgrade"),
        Entry(1, "forge", "pushed", "abc"),
        observed(1.5, in_sync=False),
        observed(20, in_sync=True, health="Progressing"),
        observed(30, in_sync=True),
        Entry(60, "story", "chapter", "back again"),
        Entry(61, "pull", "restored", "deployer"),
        Entry(90, "story", "chapter", "end"),
    ]
    upgrade, back = measure(story).rows
    assert (upgrade.applied_after, upgrade.healthy_after) == (19, 29)
    assert back.applied_after == 0  # a deployer that comes back moves nothing


def test_of_an_agent_that_writes_elsewhere_nobody_says_that_it_did_nothing() -> None:
    told = Entry(40, "pull", "reported", "abc", "applied and healthy", {"elsewhere": True})
    assert {row.why for row in measure([*STORY[:6], told, *STORY[6:10]]).rows} == {
        "what it did stands in the agent's own log"
    }


def test_drift_across_a_chapter_boundary_is_counted_in_both() -> None:
    story = [
        Entry(0, "story", "chapter", "a"),
        observed(0, in_sync=True),
        observed(90, in_sync=False, drifted=True),
        Entry(100, "story", "chapter", "b"),
        observed(130, in_sync=True),
        Entry(200, "story", "chapter", "end"),
    ]
    assert [row.drift_seconds for row in measure(story).rows] == [10, 30]


def test_a_missed_event_is_the_reason_that_is_told() -> None:
    story = [
        Entry(0, "story", "chapter", "down"),
        Entry(0, "forge", "pushed", "abc"),
        Entry(0, "pull", "missed", "abc", "the event came while the deployer was down"),
        observed(0, in_sync=False, why="image differs"),
        Entry(60, "story", "chapter", "end"),
    ]
    assert measure(story).rows[0].why == "the event came while the deployer was down"


def test_totals_are_sums_of_spans() -> None:
    totals = to_json(measure(STORY))["totals"]["pull"]
    assert totals == {
        "drift_seconds": 40, "out_of_sync_seconds": 70, "unhealthy_seconds": 40,
        "orphans": ["Ingress shop"], "median_applied_after": 35,
    }  # fmt: skip


def test_an_empty_journal_measures_nothing() -> None:
    assert measure([]).rows == ()
