"""What the command line of Argo CD prints: its tables and blocks.

Source: Argo CD 3.5, `cmd/argocd/commands/app.go`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from gitops_lab.frontends.argocd import windows
from gitops_lab.frontends.argocd.app import automated, has_many_sources, seconds, sources
from gitops_lab.frontends.argocd.destinations import Registered
from gitops_lab.frontends.argocd.names import NAMESPACE
from gitops_lab.model import Object

GAP = 2


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns with two spaces between them, as Go's tabwriter sets them."""
    lines = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) + GAP for column in zip(*lines, strict=True)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False))
        + line[-1]
        for line in lines
    )


def block(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair a line."""
    return "\n".join(f"{name:<20}{value}" for name, value in pairs)


def application_list(apps: Sequence[Object], *, wide: bool = False) -> str:
    """What `app list` prints."""
    head = [
        "NAME",
        "CLUSTER",
        "NAMESPACE",
        "PROJECT",
        "STATUS",
        "HEALTH",
        "SYNCPOLICY",
        "CONDITIONS",
    ]
    rows = [[*head, *(("REPO", "PATH", "TARGET") if wide else ())]]
    for app in apps:
        spec, status = app["spec"], app.get("status") or {}
        source = next(iter(sources(spec)), {})
        rows.append(
            [
                f"{app['metadata']['namespace']}/{app['metadata']['name']}",
                server(app),
                spec["destination"].get("namespace", ""),
                spec.get("project", ""),
                (status.get("sync") or {}).get("status", "Unknown"),
                (status.get("health") or {}).get("status", "Unknown"),
                policy_word(app),
                condition_word(app),
                *(
                    (
                        source.get("repoURL", ""),
                        source.get("path", ""),
                        source.get("targetRevision", ""),
                    )
                    if wide
                    else ()
                ),
            ]
        )
    return table(rows)


def server(app: Object) -> str:
    """The destination's cluster, by its address or its name."""
    destination = app["spec"]["destination"]
    return str(destination.get("server") or destination.get("name") or "")


def policy_word(app: Object) -> str:
    """`Manual`, `Auto` or `Auto-Prune`."""
    found = automated(app["spec"])
    if found is None:
        return "Manual"
    return "Auto-Prune" if found.get("prune") else "Auto"


def condition_word(app: Object) -> str:
    """The conditions in one cell, such as `SyncError(1)`."""
    counts: dict[str, int] = {}
    for each in (app.get("status") or {}).get("conditions") or ():
        counts[each["type"]] = counts.get(each["type"], 0) + 1
    return ",".join(f"{name}({count})" for name, count in counts.items()) or "<none>"


def summary(app: Object, assigned: Sequence[Mapping[str, Any]], now: float) -> str:
    """The block at the top of `app get`."""
    spec, status = app["spec"], app.get("status") or {}
    metadata = app["metadata"]
    found = automated(spec)
    pairs = [
        ("Name:", f"{metadata['namespace']}/{metadata['name']}"),
        ("Project:", spec.get("project", "")),
        ("Server:", server(app)),
        ("Namespace:", spec["destination"].get("namespace", "")),
        ("URL:", f"https://argocd.example.com/applications/{_link(app)}"),
        ("Sources:" if has_many_sources(spec) else "Source:", ""),
    ]
    for source in sources(spec):
        pairs += [("- Repo:", source["repoURL"]), ("  Target:", source.get("targetRevision", ""))]
        pairs += [
            (f"  {name}:", source[field])
            for name, field in (("Path", "path"), ("Ref", "ref"), ("Chart", "chart"))
            if source.get(field)
        ]
    pairs.append(("SyncWindow:", _window_word(assigned, now)))
    if assigned:
        words = (f"{w.get('kind')}:{w.get('schedule')}:{w.get('duration')}" for w in assigned)
        pairs.append(("Assigned Windows:", ",".join(words)))
    prune = " (Prune)" if found is not None and found.get("prune") else ""
    pairs += [
        ("Sync Policy:", "Manual" if found is None else f"Automated{prune}"),
        ("Sync Status:", _sync_word(app)),
        ("Health Status:", (status.get("health") or {}).get("status", "Unknown")),
    ]
    text = block(pairs).replace(f"{pairs[5][0]:<20}", pairs[5][0])
    conditions = status.get("conditions") or ()
    if conditions:
        rows = [["CONDITION", "MESSAGE", "LAST TRANSITION"]]
        rows += [[c["type"], c["message"], instant(c["lastTransitionTime"])] for c in conditions]
        text += f"\n\n{table(rows)}\n"
    return text


def _link(app: Object) -> str:
    metadata = app["metadata"]
    own = metadata["namespace"] == NAMESPACE
    return str(metadata["name"]) if own else f"{metadata['namespace']}/{metadata['name']}"


def _window_word(assigned: Sequence[Mapping[str, Any]], now: float) -> str:
    active = [window for window in assigned if windows.is_active(window, now)]
    denied = any(window["kind"] == "deny" for window in active)
    allowed = any(window["kind"] == "allow" for window in active)
    waiting = any(w["kind"] == "allow" for w in assigned) and not allowed
    if denied or waiting:
        manual = windows.can_sync(assigned, now, manual=True)
        return "Manual Allowed" if manual else "Sync Denied"
    return "Sync Allowed"


def _sync_word(app: Object) -> str:
    sync = (app.get("status") or {}).get("sync") or {}
    word = sync.get("status", "Unknown")
    if has_many_sources(app["spec"]):
        return str(word)
    target = next(iter(sources(app["spec"])), {}).get("targetRevision", "")
    word += {"Synced": f" to {target}", "OutOfSync": f" from {target}"}.get(word, "")
    revision = sync.get("revision", "")
    return f"{word} ({revision[:7]})" if len(revision) > 7 and revision != target else str(word)


Row = tuple[str, str, str, str, str, str, str, str]
"""Group, kind, namespace, name, status, health, hook and message of one object."""

HEAD: Row = ("GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "HOOK", "MESSAGE")


def resource_rows(app: Object, healths: Mapping[tuple[str, str, str, str], str]) -> list[Row]:
    """The objects of an Application: those of its last operation first, then the others.

    Args:
        app: the Application.
        healths: health by group, kind, namespace and name.
    """
    status = app.get("status") or {}
    known = {place(each): each for each in status.get("resources") or ()}
    result = ((status.get("operationState") or {}).get("syncResult") or {}).get("resources") or ()
    rows: list[Row] = []
    for each in result:
        where = place(each)
        found = known.pop(where, {})
        hook = each.get("hookType", "")
        word = each.get("hookPhase", "") if hook else found.get("status", each.get("status", ""))
        rows.append((*where, word, healths.get(where, ""), hook, each.get("message", "")))
    for where, each in known.items():
        missing = "Missing" if not each.get("hook") else ""
        rows.append((*where, each.get("status", ""), healths.get(where, missing), "", ""))
    return rows


def place(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Group, kind, namespace and name of an entry of Argo CD's lists."""
    return (
        entry.get("group", ""), entry["kind"], entry.get("namespace", ""), entry["name"]
    )  # fmt: skip


def operation(app: Object, now: float) -> str:
    """The block about the last operation, at the end of `app sync` and `app wait`."""
    state = (app.get("status") or {}).get("operationState") or {}
    if not state:
        return ""
    result = state.get("syncResult") or {}
    begin = seconds(state["startedAt"])
    pairs = [
        ("Operation:", "Sync"),
        ("Sync Revision:", ", ".join(result.get("revisions") or [result.get("revision", "")])),
        ("Phase:", state["phase"]),
        ("Start:", instant(state["startedAt"])),
    ]
    end = now
    if state.get("finishedAt"):
        end = seconds(state["finishedAt"])
        pairs.append(("Finished:", instant(state["finishedAt"])))
    pairs += [("Duration:", f"{int(end - begin)}s")]
    if state.get("message"):
        pairs.append(("Message:", state["message"]))
    return block(pairs)


def instant(time: str) -> str:
    """A timestamp as Go prints it."""
    return datetime.fromtimestamp(seconds(time), UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def history(app: Object) -> str:
    """What `app history` prints."""
    rows = [["ID", "DATE", "REVISION"]]
    entries = (app.get("status") or {}).get("history") or ()
    url = ""
    for each in entries:
        source: Mapping[str, Any] = each.get("source") or next(iter(each.get("sources") or ()), {})
        url = source.get("repoURL", url)
        target = source.get("targetRevision", "")
        commit = each.get("revision") or next(iter(each.get("revisions") or ()), "")
        shown = f"{target} ({commit[:7]})" if commit and commit != target else target
        rows.append([str(each["id"]), instant(each["deployedAt"]), shown])
    return f"SOURCE  {url}\n{table(rows)}"


def resources(rows: Iterable[tuple[str, str, str, str, bool]]) -> str:
    """What `app resources` prints."""
    head = ("GROUP", "KIND", "NAMESPACE", "NAME", "ORPHANED")
    return table([head, *((*row[:4], "Yes" if row[4] else "No") for row in rows)])


def tree(
    nodes: Sequence[Mapping[str, Any]], statuses: Mapping[tuple[str, str, str, str], str]
) -> str:
    """What `app get --output tree` prints.

    Args:
        nodes: of the resource tree.
        statuses: sync status by group, kind, namespace and name.
    """
    rows = [["KIND/NAME", "STATUS", "HEALTH", "MESSAGE"]]
    below: dict[str, list[Mapping[str, Any]]] = {}
    tops = []
    for node in nodes:
        parents = [ref["uid"] for ref in node.get("parentRefs") or ()]
        for uid in parents:
            below.setdefault(uid, []).append(node)
        if not parents:
            tops.append(node)

    def add(node: Mapping[str, Any], prefix: str, deeper: str) -> None:
        health = node.get("health") or {}
        rows.append(
            [
                f"{prefix}{node['kind']}/{node['name']}",
                statuses.get(place(node), ""),
                health.get("status", ""),
                health.get("message", ""),
            ]
        )
        children = below.get(node.get("uid", ""), [])
        for number, child in enumerate(children, 1):
            last = number == len(children)
            add(child, deeper + ("└─" if last else "├─"), deeper + ("  " if last else "│ "))

    for node in tops:
        add(node, "", "")
    return table(rows)


def clusters(found: Sequence[Registered], statuses: Mapping[str, tuple[str, str, str]]) -> str:
    """What `cluster list` prints.

    Args:
        found: the clusters.
        statuses: version, status and message by address.
    """
    rows = [["SERVER", "NAME", "VERSION", "STATUS", "MESSAGE", "PROJECT"]]
    for each in found:
        unused = ("", "Unknown", "Cluster has no applications and is not being monitored.")
        version, status, message = statuses.get(each.server, unused)
        rows.append([each.server, each.name, version, status, message, each.project])
    return table(rows)


def difference(live: Object | None, target: Object | None) -> str:
    """The difference from live to desired state, in the format of `diff`."""
    before, after = (_yaml(each) for each in (live, target))
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        letter = {"replace": "c", "delete": "d", "insert": "a"}[tag]
        left = _span(a, b) if tag != "insert" else str(a)
        right = _span(c, d) if tag != "delete" else str(c)
        lines.append(f"{left}{letter}{right}")
        lines += [f"< {line}" for line in before[a:b]]
        if tag == "replace":
            lines.append("---")
        lines += [f"> {line}" for line in after[c:d]]
    return "\n".join(lines)


def _span(begin: int, end: int) -> str:
    return str(end) if end - begin == 1 else f"{begin + 1},{end}"


def _yaml(obj: Object | None) -> list[str]:
    text = "" if obj is None else yaml.safe_dump(obj, default_flow_style=False, sort_keys=True)
    return text.splitlines()
