"""The commands of `argocd`, over the API server: what they ask, print and return.

Source: Argo CD 3.5, `cmd/argocd/commands`.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from gitops_lab.errors import LabError
from gitops_lab.frontends.argocd import output, windows
from gitops_lab.frontends.argocd.api_server import ApiServer, SyncRequest
from gitops_lab.frontends.argocd.arguments import add_commands
from gitops_lab.frontends.argocd.destinations import DestinationError
from gitops_lab.frontends.argocd.names import API_VERSION, GROUP, IN_CLUSTER, NAMESPACE
from gitops_lab.frontends.argocd.output import Row
from gitops_lab.frontends.argocd.three_way import LAST_APPLIED
from gitops_lab.frontends.argocd.tree import orphans, resource_tree
from gitops_lab.model import Object, ObjectKey, named
from kubesim.clock import timestamp

LOOK = 0.5
"""Seconds between two looks at an Application that is waited for."""

LONGEST = 3600.0
"""Seconds that a command without `--timeout` waits at most."""

DIFFERENT, DIFF_FAILED = 1, 20
"""Exit codes of `app diff`."""

MASKED = "++++++++"

_WAIT = "{:<25}{:>7}{:>12}{:>12}{:>22}{:>11}{:>13}{:>10}  {}"


class Failed(LabError):
    """A command ends with a fatal message of Argo CD's own."""


class Commands:
    """Carries commands out.

    Args:
        api: the API server.
        write: prints one line or block.
        wait: lets time pass, in seconds.
    """

    def __init__(
        self, api: ApiServer, write: Callable[[str], None], wait: Callable[[float], None]
    ) -> None:
        self.api, self.write, self.wait = api, write, wait

    def run(self, arguments: argparse.Namespace) -> int:
        """Carry one command out; its exit code.

        Raises:
            LabError: it failed.
        """
        name = arguments.command.replace("-", "_")
        if arguments.group == "proj" and name == "windows":
            name = "windows_list"
        command: Callable[[argparse.Namespace], int | None] = getattr(
            self, f"_{arguments.group}_{name}"
        )
        return command(arguments) or 0

    # -- reading --------------------------------------------------------------------------------

    def _app_list(self, given: argparse.Namespace) -> None:
        apps = self.api.applications(given.project)
        if given.output == "name":
            for app in apps:
                self.write(f"{app['metadata']['namespace']}/{app['metadata']['name']}")
        elif given.output in ("yaml", "json"):
            self._dump(apps, given.output)
        else:
            self.write(output.application_list(apps, wide=given.output == "wide"))

    def _app_get(self, given: argparse.Namespace) -> None:
        if given.refresh or given.hard_refresh:
            self._refresh(given.name, hard=given.hard_refresh)
        app = self.api.get(given.name)
        if given.output in ("yaml", "json"):
            return self._dump(app, given.output)
        self._block(app)
        if given.output == "tree":
            entries = (app.get("status") or {}).get("resources") or ()
            statuses = {output.place(each): each.get("status", "") for each in entries}
            self.write("\n" + output.tree(self._tree(app)["nodes"], statuses))
        else:
            self._resources(app)
        return None

    def _app_history(self, given: argparse.Namespace) -> None:
        self.write(output.history(self.api.get(given.name)))

    def _app_resources(self, given: argparse.Namespace) -> None:
        app = self.api.get(given.name)
        cache = self.api.destinations.cache(self.api.destinations.find(app["spec"]["destination"]))
        pairs = self.api.state(app).comparison.pairs
        tree = resource_tree(pairs, cache)
        rows: list[tuple[str, str, str, str, bool]] = []
        if not given.orphaned:
            rows += [
                (n["group"], n["kind"], n["namespace"], n["name"], False) for n in tree["nodes"]
            ]
        namespace = app["spec"]["destination"].get("namespace") or ""
        project = self.api.project(app["spec"].get("project") or "default")["spec"]
        if given.orphaned or "orphanedResources" in project:
            for key in orphans(pairs, tree, cache, namespace):
                rows.append((key.group, key.kind, key.namespace, key.name, True))
        self.write(output.resources(rows))

    def _app_manifests(self, given: argparse.Namespace) -> None:
        app = self.api.get(given.name)
        state = self.api.state(app, given.revision)
        if given.source == "live":
            found = [pair.live for pair in state.comparison.pairs if pair.live is not None]
        else:
            if state.loaded.objects is None:
                raise Failed(state.loaded.error)
            found = list(state.loaded.objects)
        for obj in found:
            self.write("---\n" + yaml.safe_dump(_shown(obj), sort_keys=True).rstrip())

    def _app_diff(self, given: argparse.Namespace) -> int:
        if given.refresh:
            self._refresh(given.name, hard=False)
        app = self.api.get(given.name)
        try:
            state = self.api.state(app, given.revision)
        except LabError as error:
            self.write(str(error))
            return DIFF_FAILED
        if state.loaded.objects is None:
            self.write(state.loaded.error)
            return DIFF_FAILED
        found = False
        for pair in state.comparison.pairs:
            if "status" not in pair.status or not (
                pair.target is None or pair.live is None or pair.is_modified
            ):
                continue
            found = True
            key = pair.key
            self.write(f"\n===== {key.group}/{key.kind} {key.namespace}/{key.name} ======")
            live, target = pair.live, pair.target
            if live is not None and target is not None:
                live, target = pair.normalised, pair.predicted
            self.write(output.difference(_shown(live), _shown(target)))
        return DIFFERENT if found and given.exit_code == "true" else 0

    def _proj_list(self, _: argparse.Namespace) -> None:
        head = (
            "NAME DESCRIPTION DESTINATIONS SOURCES CLUSTER-RESOURCE-WHITELIST "
            "NAMESPACE-RESOURCE-BLACKLIST SIGNATURE-KEYS ORPHANED-RESOURCES"
        )
        rows = [head.split()]
        for each in self.api.cluster.list(GROUP, "AppProject", namespace=NAMESPACE):
            spec = each["spec"]
            targets = [
                f"{d.get('server', d.get('name', ''))},{d.get('namespace', '')}"
                for d in spec.get("destinations") or ()
            ]
            kinds = [
                f"{k['group']}/{k['kind']}" for k in spec.get("clusterResourceWhitelist") or ()
            ]
            rows.append(
                [
                    each["metadata"]["name"],
                    spec.get("description", ""),
                    _counted(targets, "destinations"),
                    _counted(spec.get("sourceRepos") or [], "sources"),
                    _counted(kinds, "resources"),
                    _counted(spec.get("namespaceResourceBlacklist") or [], "resources"),
                    _counted(spec.get("signatureKeys") or [], "key(s)"),
                    _orphan_word(spec),
                ]
            )
        self.write(output.table(rows))

    def _proj_get(self, given: argparse.Namespace) -> None:
        project = self.api.project(given.name)
        spec = project["spec"]
        targets = [
            f"{d.get('server', d.get('name', ''))},{d.get('namespace', '')}"
            for d in spec.get("destinations") or ()
        ] or ["<none>"]
        kinds = [
            f"{k['group']}/{k['kind']}" for k in spec.get("clusterResourceWhitelist") or ()
        ] or ["<none>"]
        pairs = [
            ("Name:", given.name),
            ("Description:", spec.get("description", "")),
            *_several("Destinations:", targets),
            *_several("Repositories:", spec.get("sourceRepos") or ["<none>"]),
            *_several("Allowed Cluster Resources:", kinds),
            ("Orphaned Resources:", _orphan_word(spec)),
        ]
        self.write("\n".join(f"{name:<30}{value}" for name, value in pairs))

    def _proj_windows_list(self, given: argparse.Namespace) -> None:
        rows = [["ID", "STATUS", "KIND", "SCHEDULE", "DURATION", "APPLICATIONS", "NAMESPACES",
                 "CLUSTERS", "MANUALSYNC", "TIMEZONE", "USEANDOPERATOR"]]  # fmt: skip
        found = self.api.project(given.name)["spec"].get("syncWindows") or ()
        for number, window in enumerate(found):
            active = windows.is_active(window, self.api.now())
            rows.append(
                [
                    str(number),
                    "Active" if active else "Inactive",
                    window.get("kind", ""),
                    window.get("schedule", ""),
                    window.get("duration", ""),
                    *(
                        ",".join(window.get(name) or ()) or "-"
                        for name in ("applications", "namespaces", "clusters")
                    ),
                    "Enabled" if window.get("manualSync") else "Disabled",
                    window.get("timeZone") or "UTC",
                    "Enabled" if window.get("andOperator") else "Disabled",
                ]
            )
        self.write(output.table(rows))

    def _appset_list(self, _: argparse.Namespace) -> None:
        rows = [["NAME", "PROJECT", "SYNCPOLICY", "CONDITIONS"]]
        for each in self.api.cluster.list(GROUP, "ApplicationSet"):
            spec = each["spec"]
            rows.append(
                [
                    f"{each['metadata']['namespace']}/{each['metadata']['name']}",
                    spec["template"]["spec"].get("project", ""),
                    (spec.get("syncPolicy") or {}).get("applicationsSync", "nil"),
                    _set_conditions(each),
                ]
            )
        self.write(output.table(rows))

    def _appset_get(self, given: argparse.Namespace) -> None:
        key = ObjectKey(GROUP, "ApplicationSet", NAMESPACE, given.name)
        found = self.api.cluster.get(key)
        if found is None:
            raise Failed(f'applicationsets.argoproj.io "{given.name}" not found')
        template = found["spec"]["template"]["spec"]
        found_sources = [template.get("source"), *(template.get("sources") or ())]
        source: Mapping[str, Any] = next((each for each in found_sources if each), {})
        self.write(
            output.block(
                [
                    ("Name:", f"{NAMESPACE}/{given.name}"),
                    ("Project:", template.get("project", "")),
                    ("Server:", output.server({"spec": template})),
                    ("Namespace:", template["destination"].get("namespace", "")),
                    ("Source:", ""),
                    ("- Repo:", source.get("repoURL", "")),
                    ("  Target:", source.get("targetRevision", "")),
                    ("  Path:", source.get("path", "")),
                ]
            )
        )
        rows = [["CONDITION", "STATUS", "MESSAGE", "LAST TRANSITION"]]
        for each in (found.get("status") or {}).get("conditions") or ():
            time = output.instant(each["lastTransitionTime"])
            rows.append([each["type"], each["status"], each["message"], time])
        self.write("\n" + output.table(rows))

    def _cluster_list(self, _: argparse.Namespace) -> None:
        used = {output.server(app) for app in self.api.applications()}
        statuses = {}
        for each in self.api.clusters():
            if each.server in used or each.name in used:
                statuses[each.server] = self._reached(each.server, each.name)
        self.write(output.clusters(self.api.clusters(), statuses))

    def _reached(self, server: str, name: str) -> tuple[str, str, str]:
        from kubesim.schema import KUBERNETES_VERSION

        try:
            registered = self.api.destinations.find({"server": server})
            self.api.destinations.cache(registered).cluster.is_namespaced("", "Pod")
        except LabError as error:
            return "", "Failed", str(error)
        return KUBERNETES_VERSION, "Successful", ""

    # -- writing --------------------------------------------------------------------------------

    def _app_sync(self, given: argparse.Namespace) -> int:
        chosen = []
        for text in given.resource:
            group, _, rest = text.partition(":")
            kind, _, name = rest.partition(":")
            namespace, _, name = name.rpartition("/")
            found = {"group": group, "kind": kind, "name": name, "namespace": namespace}
            chosen.append({k: v for k, v in found.items() if v})
        self.api.sync(
            given.name,
            SyncRequest(
                revision=given.revision,
                prune=given.prune,
                dry_run=given.dry_run,
                force=given.force,
                strategy=given.strategy,
                resources=chosen,
                options=given.sync_option,
                retry_limit=given.retry_limit,
            ),
        )
        return 0 if given.asynchronous else self._follow_operation(given)

    def _app_rollback(self, given: argparse.Namespace) -> int:
        number = given.id if given.id >= 0 else self._previous(given.name)
        self.api.rollback(given.name, number, prune=given.prune)
        return self._follow_operation(given)

    def _previous(self, name: str) -> int:
        """The history's last entry but one; source: `findRevisionHistory` of the argocd CLI."""
        history = (self.api.get(name).get("status") or {}).get("history") or []
        if len(history) < 2:
            raise Failed(
                f"application {name!r} should have at least two successful deployments to go back"
            )
        return int(history[-2]["id"])

    def _follow_operation(self, given: argparse.Namespace) -> int:
        app = self._follow(given.name, given.timeout, lambda app: not app.get("operation"))
        state = (app.get("status") or {}).get("operationState") or {}
        if state.get("phase") != "Succeeded":
            raise Failed(f"Operation has completed with phase: {state.get('phase', 'Unknown')}")
        return 0

    def _app_wait(self, given: argparse.Namespace) -> None:
        every = not (given.sync or given.health or given.operation)

        def done(app: Object) -> bool:
            status = app.get("status") or {}
            return (
                (not (every or given.sync) or (status.get("sync") or {}).get("status") == "Synced")
                and (
                    not (every or given.health)
                    or (status.get("health") or {}).get("status") == "Healthy"
                )
                and (not (every or given.operation) or not app.get("operation"))
            )

        self._follow(given.name, given.timeout, done)

    def _app_terminate_op(self, given: argparse.Namespace) -> None:
        self.api.terminate(given.name)
        self.write(f"Application '{given.name}' operation terminating")

    def _app_delete(self, given: argparse.Namespace) -> None:
        cascade = given.cascade == "true"
        self.api.delete(given.name, cascade=cascade, propagation=given.propagation_policy)
        self.write(f"application '{given.name}' deleted")

    def _app_create(self, given: argparse.Namespace) -> None:
        spec: dict[str, Any] = {
            "project": "default",
            "source": {"repoURL": given.repo or "", "path": given.path or ""},
            "destination": {"server": IN_CLUSTER},
        }
        body = named(API_VERSION, "Application", given.name, NAMESPACE, spec=_edited(spec, given))
        what = self.api.create(body, upsert=given.upsert)
        self.write(f"application '{given.name}' {what}")

    def _app_set(self, given: argparse.Namespace) -> None:
        app = self.api.get(given.name)
        self.api.update(app, _edited(app["spec"], given))

    # -- how it is done -------------------------------------------------------------------------

    def _follow(self, name: str, timeout: float, done: Callable[[Object], bool]) -> Object:
        """Print each change of an Application's objects until something holds of it."""
        begin, limit = self.api.now(), timeout or LONGEST
        self.write(_WAIT.format("TIMESTAMP", *output.HEAD))
        shown: set[Row] = set()
        while True:
            app = self.api.get(name)
            for row in output.resource_rows(app, self._healths(app)):
                if row not in shown:
                    shown.add(row)
                    self.write(_WAIT.format(timestamp(self.api.now()), *row))
            if done(app):
                break
            if self.api.now() - begin >= limit:
                self.write("\nThis is the state of the app after wait timed out:\n")
                self._final(app)
                raise Failed(f'timed out ({limit:g}s) waiting for app "{name}" match desired state')
            self.wait(LOOK)
        self.write("")
        self._final(app)
        return app

    def _final(self, app: Object) -> None:
        self._block(app)
        if text := output.operation(app, self.api.now()):
            self.write("\n" + text)
        self._resources(app)

    def _block(self, app: Object) -> None:
        self.write(output.summary(app, self.api.windows(app), self.api.now()))

    def _resources(self, app: Object) -> None:
        rows = output.resource_rows(app, self._healths(app))
        if rows:
            self.write("\n" + output.table([output.HEAD, *rows]))

    def _tree(self, app: Object) -> dict[str, Any]:
        try:
            return self.api.tree(app)
        except (DestinationError, LabError):
            return {"nodes": []}

    def _healths(self, app: Object) -> Mapping[tuple[str, str, str, str], str]:
        return {
            (n["group"], n["kind"], n["namespace"], n["name"]): n["health"]["status"]
            for n in self._tree(app)["nodes"]
            if "health" in n and "parentRefs" not in n
        }

    def _refresh(self, name: str, *, hard: bool) -> None:
        self.api.refresh(name, hard=hard)
        for _ in range(20):
            self.wait(LOOK)
            annotations = self.api.get(name)["metadata"].get("annotations") or {}
            if "argocd.argoproj.io/refresh" not in annotations:
                return

    def _dump(self, value: Any, format_: str) -> None:
        values = [_shown(v) for v in value] if isinstance(value, list) else _shown(value)
        if format_ == "json":
            self.write(json.dumps(values, indent=2))
        else:
            self.write(yaml.safe_dump(values, sort_keys=False).rstrip())


def _edited(spec: Mapping[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """A spec after the options of `app create` and `app set`."""
    result: dict[str, Any] = json.loads(json.dumps(spec))
    source = result.setdefault("source", {})
    for option, field in (("repo", "repoURL"), ("path", "path"), ("revision", "targetRevision")):
        if getattr(given, option) is not None:
            source[field] = getattr(given, option)
    if given.directory_recurse:
        source["directory"] = {**(source.get("directory") or {}), "recurse": True}
    destination = result.setdefault("destination", {})
    if given.dest_server is not None:
        destination.pop("name", None)
        destination["server"] = given.dest_server
    if given.dest_name is not None:
        destination.pop("server", None)
        destination["name"] = given.dest_name
    if given.dest_namespace is not None:
        destination["namespace"] = given.dest_namespace
    if given.project is not None:
        result["project"] = given.project
    policy = result.setdefault("syncPolicy", {})
    if given.sync_policy in ("none", "manual"):
        policy.pop("automated", None)
    elif given.sync_policy:
        policy.setdefault("automated", {})
    for option, field in (
        ("auto_prune", "prune"), ("self_heal", "selfHeal"), ("allow_empty", "allowEmpty")
    ):  # fmt: skip
        if getattr(given, option):
            if "automated" not in policy:
                raise Failed(
                    f"cannot set --{option.replace('_', '-')}: application not configured with "
                    "automatic sync"
                )
            policy["automated"][field] = True
    if given.sync_option is not None:
        policy["syncOptions"] = [*(policy.get("syncOptions") or ()), *given.sync_option]
    if given.sync_retry_limit is not None:
        policy["retry"] = {**(policy.get("retry") or {}), "limit": given.sync_retry_limit}
    if not policy:
        del result["syncPolicy"]
    return result


def _shown(obj: Object | None) -> Object | None:
    """An object without the bookkeeping of its field managers, and with Secrets masked."""
    if obj is None:
        return None
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    result = {**obj, "metadata": metadata}
    if obj["kind"] == "Secret":
        for part in ("data", "stringData"):
            if part in obj:
                result[part] = dict.fromkeys(obj[part], MASKED)
        annotations = metadata.get("annotations") or {}
        if LAST_APPLIED in annotations:  # the Secret's values are in there as well
            metadata["annotations"] = {**annotations, LAST_APPLIED: MASKED}
    return result


def _counted(values: list[Any], what: str) -> str:
    if not values:
        return "<none>"
    return str(values[0]) if len(values) == 1 else f"{len(values)} {what}"


def _several(name: str, values: list[str]) -> list[tuple[str, str]]:
    return [(name if number == 0 else "", value) for number, value in enumerate(values)]


def _orphan_word(spec: Mapping[str, Any]) -> str:
    found = spec.get("orphanedResources")
    if found is None:
        return "disabled"
    return f"enabled (warn={str(found.get('warn', True)).lower()})"


def _set_conditions(appset: Object) -> str:
    found = (appset.get("status") or {}).get("conditions") or ()
    return ",".join(f"{c['type']}={c['status']}" for c in found) or "<none>"


def parser() -> argparse.ArgumentParser:
    """The parser of a command line of `argocd` by itself."""
    result = argparse.ArgumentParser(prog="argocd", exit_on_error=False)
    add_commands(result)
    return result


def argocd(api: ApiServer, line: str, run: Callable[[float], None]) -> tuple[str, int]:
    """Run one line such as `app get app`; what it prints, and its exit code.

    Args:
        api: the API server.
        line: the words after `argocd`.
        run: lets so many seconds pass.
    """
    lines: list[str] = []
    try:
        code = Commands(api, lines.append, run).run(parser().parse_args(shlex.split(line)))
    except LabError as error:
        lines.append(str(error))
        code = error.exit_code
    return "\n".join(lines), code


__all__ = ["Commands", "Failed", "argocd", "parser"]
