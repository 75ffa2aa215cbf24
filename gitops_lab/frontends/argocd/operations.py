"""An operation from its start to its end: passes of a sync, retries, and what is recorded.

Writing `operation` on an Application starts a sync. Its writer may be this controller,
the API server, or a person with `kubectl patch`.

Source: Argo CD 3.5, `controller/{appcontroller,sync}.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_lab.frontends.argocd import tasks as t
from gitops_lab.frontends.argocd import tracking
from gitops_lab.frontends.argocd.app import (
    annotations_of,
    clock_time,
    conditions,
    conditions_in_words,
    duration,
    has_many_sources,
    seconds,
    sources,
    target_revision,
)
from gitops_lab.frontends.argocd.app_state import State, compare_state
from gitops_lab.frontends.argocd.cluster_cache import ClusterCache
from gitops_lab.frontends.argocd.compare import Pair
from gitops_lab.frontends.argocd.destinations import DestinationError, Destinations
from gitops_lab.frontends.argocd.names import DELETION_APPROVED
from gitops_lab.frontends.argocd.projects import permits_destination, permits_kind
from gitops_lab.frontends.argocd.repo_server import RepoServer
from gitops_lab.frontends.argocd.sync_run import Note, Options, SyncRun
from gitops_lab.frontends.argocd.tasks import Task
from gitops_lab.model import Object, ObjectKey, named
from kubesim.clock import timestamp

HISTORY = 10
"""Entries of `status.history` that are kept, unless the Application says otherwise."""


SOON = 0.1
"""Seconds until the next look at a kind that is about to be served."""


@dataclass(frozen=True)
class Passed:
    """What one look at an operation came to.

    Args:
        state: the new `status.operationState`.
        history: the new `status.history`, if it changed.
        wait: seconds until the next pass; None to wait for a change.
        state_found: what the comparison of this pass found, if there was one.
    """

    state: dict[str, Any]
    history: list[dict[str, Any]] | None = None
    wait: float | None = None
    state_found: State | None = None


class Operations:
    """Carries operations out.

    Args:
        repo: renders the desired state.
        destinations: the clusters.
        wave_delay: seconds to wait after each wave but the last.
    """

    def __init__(self, repo: RepoServer, destinations: Destinations, wave_delay: float) -> None:
        self.repo, self.destinations, self.wave_delay = repo, destinations, wave_delay

    def go_on(
        self,
        app: Object,
        project: Mapping[str, Any] | None,
        now: float,
        note: Note,
        can_sync: Callable[[bool, float], bool],
    ) -> Passed:
        """Start or continue the operation of an Application.

        Args:
            app: the Application, with an operation.
            project: its project's spec; None if there is no such project.
            now: the present instant, in seconds since the Unix epoch.
            note: is called with each object that is written.
            can_sync: whether sync windows allow a sync, by whether a person asked for it and when
                it began.
        """
        state = dict((app.get("status") or {}).get("operationState") or {})
        if not state or state["phase"] in t.COMPLETED:
            state = {
                "operation": app["operation"], "phase": t.RUNNING, "startedAt": timestamp(now)
            }  # fmt: skip
        terminating = state["phase"] == t.TERMINATING
        if state.get("finishedAt") and not terminating:
            wait = self._retry_wait(state, now)
            if wait > 0:
                return Passed(state, wait=wait)
            state = self._begin_again(state)
        elif "message" not in state and state["phase"] == t.RUNNING:
            state.setdefault("message", "")
        if project is None:
            name = app["spec"].get("project") or "default"
            state |= {
                "phase": t.ERROR,
                "message": f"Failed to load application project: appproject.argoproj.io "
                f'"{name}" not found',
            }
            return self._ended(app, state, now, None)
        by_person = not state["operation"].get("initiatedBy", {}).get("automated")
        if not terminating and not can_sync(by_person, seconds(state["startedAt"])):
            state |= {"phase": t.RUNNING, "message": "Sync operation blocked by sync window"}
            return Passed(state)
        try:
            return self._sync(app, project, state, now, note)
        except DestinationError as error:
            state |= {"phase": t.ERROR, "message": error.what}
            return self._ended(app, state, now, None)

    # -- retries --------------------------------------------------------------------------------

    def _retry_wait(self, state: Mapping[str, Any], now: float) -> float:
        """Seconds until the next attempt. It is counted with the attempts already raised, so it is
        twice (with the default factor) what the message promised."""
        return seconds(state["finishedAt"]) + backoff(state, state.get("retryCount", 0)) - now

    def _begin_again(self, state: dict[str, Any]) -> dict[str, Any]:
        result = dict(state.get("syncResult") or {})
        state = {k: v for k, v in state.items() if k not in ("finishedAt", "syncResult")}
        latest = state["operation"].get("retry", {}).get("refresh")
        words = " with latest revisions" if latest else ""
        state["message"] = f"Retrying operation. Attempt #{state.get('retryCount', 0)}{words}"
        kept = ("source", "sources") if latest else ("revision", "revisions", "source", "sources")
        if result:
            state["syncResult"] = {k: result[k] for k in kept if k in result}
            state["syncResult"].setdefault("revision", "")
        return state

    def _ended(self, app: Object, state: dict[str, Any], now: float, found: State | None) -> Passed:
        """An operation that failed is retried, if its limit allows it; else it is finished."""
        retry = state["operation"].get("retry") or {}
        limit, count = retry.get("limit", 0), state.get("retryCount", 0)
        failed = state["phase"] in (t.FAILED, t.ERROR)
        if failed and (count < limit or limit < 0) and not state.pop("terminated", False):
            promised = now + backoff(state, count)
            state |= {
                "phase": t.RUNNING,
                "finishedAt": timestamp(now),
                "retryCount": count + 1,
                "message": f"{state['message']}. Retrying attempt #{count + 1} at "
                f"{clock_time(promised)}.",
            }
            return Passed(state, wait=backoff(state, count + 1), state_found=found)
        state.pop("terminated", None)
        if failed and count:
            state["message"] = f"{state['message']} (retried {count} times)."
        state["finishedAt"] = timestamp(now)
        return Passed(state, self._history(app, state, now), state_found=found)

    def _history(
        self, app: Object, state: Mapping[str, Any], now: float
    ) -> list[dict[str, Any]] | None:
        """The history with a new entry: only for full, successful syncs that wrote."""
        sync = state["operation"].get("sync") or {}
        if state["phase"] != t.SUCCEEDED or sync.get("resources") or sync.get("dryRun"):
            return None
        result = state["syncResult"]
        known = list((app.get("status") or {}).get("history") or ())
        entry = {
            "id": known[-1]["id"] + 1 if known else 0,
            "deployStartedAt": state["startedAt"],
            "deployedAt": timestamp(now),
            **{
                name: result[name]
                for name in ("revision", "revisions", "source", "sources")
                if result.get(name)
            },
        }
        if by := state["operation"].get("initiatedBy"):
            entry["initiatedBy"] = by
        limit = app["spec"].get("revisionHistoryLimit", HISTORY)
        return [*known, entry][-limit:] if limit > 0 else []

    # -- one pass of a sync ---------------------------------------------------------------------

    def _sync(
        self,
        app: Object,
        project: Mapping[str, Any],
        state: dict[str, Any],
        now: float,
        note: Note,
    ) -> Passed:
        operation = state["operation"].get("sync")
        if operation is None:
            state |= {
                "phase": t.ERROR,
                "message": "Invalid operation request: no operation specified",
            }
            return self._ended(app, state, now, None)
        result = dict(state.get("syncResult") or {})
        own, revisions = wanted(app, operation, result)
        found = compare_state(
            self.repo, self.destinations, app, project,
            found=own, revisions=revisions, fresh_revision=True,
        )  # fmt: skip
        many = has_many_sources(app["spec"])
        result |= {"revision": "" if many else next(iter(found.loaded.revisions), "")}
        if many:
            result |= {"revisions": list(found.loaded.revisions), "sources": [dict(s) for s in own]}
        elif own:
            result |= {"source": dict(own[0])}
        state["syncResult"] = result
        if why := self._stopped_by(app, found, operation):
            state |= {"phase": t.ERROR if "Shared" not in why else t.FAILED, "message": why}
            return self._ended(app, state, now, found)
        run = self._run(app, project, operation, state, found, note)
        if state["phase"] == t.TERMINATING:
            run.terminate()
            state["terminated"] = True
        else:
            run.run()
        state |= {"phase": run.phase, "message": run.message}
        result["resources"] = list(run.results.values())
        if run.phase in t.COMPLETED:
            return self._ended(app, state, now, found)
        wait = self.wave_delay if run.ran_wave else None
        return Passed(state, wait=SOON if run.waits_for_kind else wait, state_found=found)

    def _stopped_by(self, app: Object, found: State, operation: Mapping[str, Any]) -> str:
        """What keeps a sync from being done at all."""
        errors = [
            {"type": type_, "message": message}
            for type_, message in found.conditions
            if type_ == "ComparisonError"
        ]
        errors += [dict(each) for each in conditions(app, "InvalidSpecError")]
        if errors:
            return conditions_in_words(errors)
        shared = [text for type_, text in found.conditions if type_ == "SharedResourceWarning"]
        if shared and "FailOnSharedResource=true" in (operation.get("syncOptions") or ()):
            return f"Shared resource found: {shared[0]}"
        return ""

    def _run(
        self,
        app: Object,
        project: Mapping[str, Any],
        operation: Mapping[str, Any],
        state: Mapping[str, Any],
        found: State,
        note: Note,
    ) -> SyncRun:
        target = self.destinations.find(app["spec"]["destination"])
        cache = self.destinations.cache(target)
        namespace = app["spec"]["destination"].get("namespace") or ""
        options = options_of(app, operation)
        words = operation.get("syncOptions") or ()
        chosen = operation.get("resources") or ()
        pairs = [
            pair
            for pair in found.comparison.pairs
            if (not chosen or is_chosen(pair.key, chosen))
            and (pair.live is None or tracking.names_itself(pair.live))
        ]
        strategy = operation.get("syncStrategy") or {}
        skip_hooks = bool(chosen) or "apply" in strategy
        started = seconds(state["startedAt"])
        tasks = t.tasks_of(
            pairs,
            () if skip_hooks else found.comparison.hooks,
            cache.get,
            revision=next(iter(found.loaded.revisions), ""),
            started=started,
            namespace_task=_namespace_task(app, namespace, words, found.comparison.pairs, cache),
            prune_last=options.prune_last,
        )
        name = app["spec"].get("project") or "default"

        def permitted(task: Task) -> str:
            key = task.key
            if not permits_kind(project, key, namespaced=bool(key.namespace)):
                return f"resource {key.group}:{key.kind} is not permitted in project {name}"
            if key.namespace and not permits_destination(
                project, target.server, target.name, key.namespace
            ):
                return f"namespace {key.namespace} is not permitted in project '{name}'"
            return ""

        results = t.results_of((state.get("syncResult") or {}).get("resources") or ())
        return SyncRun(cache.cluster, tasks, pairs, results, options, permitted, note)


def wanted(
    app: Object, operation: Mapping[str, Any], result: Mapping[str, Any]
) -> tuple[Sequence[Mapping[str, Any]], list[str]]:
    """The sources of an operation and the revision of each: what it began with, else what it asks
    for, else what the Application says."""
    own: Sequence[Mapping[str, Any]]
    if result.get("sources") or result.get("source"):
        own = result.get("sources") or [result["source"]]
    elif operation.get("sources") or operation.get("source"):
        own = operation.get("sources") or [operation["source"]]
    else:
        own = sources(app["spec"])
    known = result.get("revisions") or [result.get("revision") or ""]
    if not any(known):
        known = operation.get("revisions") or [operation.get("revision") or ""]
    known = [*known, *[""] * len(own)][: len(own)]
    return own, [
        revision or target_revision(source) for revision, source in zip(known, own, strict=True)
    ]


def is_chosen(key: ObjectKey, chosen: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an object is among those that a partial sync is about."""
    return any(
        (each.get("group") or "", each["kind"], each["name"]) == (key.group, key.kind, key.name)
        and each.get("namespace", "") in ("", key.namespace)
        for each in chosen
    )


def options_of(app: Object, operation: Mapping[str, Any]) -> Options:
    """How a sync may act, from the operation and its sync options."""
    words = dict(
        word.partition("=")[::2] for word in operation.get("syncOptions") or () if "=" in word
    )
    strategy = operation.get("syncStrategy") or {}
    force = any((strategy.get(name) or {}).get("force") for name in ("apply", "hook"))

    def on(name: str) -> bool:
        return words.get(name) == "true"

    return Options(
        prune=bool(operation.get("prune")),
        prune_confirmed=DELETION_APPROVED in annotations_of(app),
        prune_last=on("PruneLast"),
        propagation=words.get("PrunePropagationPolicy", "foreground").capitalize(),
        dry_run=bool(operation.get("dryRun")),
        force=force or on("Force"),
        replace=on("Replace"),
        server_side=on("ServerSideApply"),
        skip_missing=on("SkipDryRunOnMissingResource"),
        only_out_of_sync=on("ApplyOutOfSyncOnly"),
        respect_ignored=on("RespectIgnoreDifferences"),
        ignored=app["spec"].get("ignoreDifferences") or (),
    )


def _namespace_task(
    app: Object,
    namespace: str,
    words: Sequence[str],
    pairs: Sequence[Pair],
    cache: ClusterCache,
) -> Task | None:
    """Creates the destination's namespace, if that is asked for and nothing else brings it."""
    if "CreateNamespace=true" not in words or not namespace:
        return None
    key = ObjectKey("", "Namespace", "", namespace)
    if any(pair.key == key and pair.target is not None for pair in pairs):
        return None
    live = cache.get(key)
    extra = (app["spec"].get("syncPolicy") or {}).get("managedNamespaceMetadata") or {}
    if live is not None and not extra:
        return None
    target = named("v1", "Namespace", namespace)
    for part in ("labels", "annotations"):
        if extra.get(part):
            target["metadata"][part] = dict(extra[part])
    return Task(t.PRE_SYNC, target, live, 0)


def backoff(state: Mapping[str, Any], count: int) -> float:
    """Seconds from a failure to the attempt after so many others."""
    given = (state["operation"].get("retry") or {}).get("backoff") or {}
    first = duration(given.get("duration"), 5.0)
    longest = duration(given.get("maxDuration"), 180.0)
    return float(min(first * (given.get("factor") or 2) ** count, longest))
