"""The actions that the steps of a pipeline may be.

Each is a generator: it works, yields how long it waits in seconds, and ends when it is done; an
error that it raises fails the job. The clock drives it, so no step holds anything up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from gitops_lab.engine.documents import dump
from gitops_lab.engine.health import survey
from gitops_lab.engine.render import render
from gitops_lab.engine.sync import Outcome, compare, sync
from gitops_lab.errors import PipelineError
from gitops_lab.forge.scanner import scan
from gitops_lab.model import (
    Action,
    Change,
    HealthStatus,
    Manifest,
    ObjectKey,
    Plan,
    split_api_version,
)
from gitops_lab.pipeline.definition import Environment
from gitops_lab.pipeline.work import MASK, Waits, Work

BOT = "bot"
"""The account that pipelines commit, comment and open pull requests with."""

PATIENCE = 30.0
"""How long a smoke test tries again, in seconds: a Service learns of ready pods a moment later."""

BUILD, CACHED = 30.0, 2.0
"""How long the build of an image takes, in seconds, and how long if the same files were built
before: assumptions, not measurements."""


def rendered(work: Work, options: Mapping[str, Any]) -> Waits:
    """Render the environment's folder, and keep the objects as an artifact of the run."""
    for each in work.everywhere():
        manifests = _render(each, each.run.commit)
        bodies = [_masked(manifest) for manifest in manifests]
        name = f"manifests{'-' if each.environment.name else ''}{each.environment.name}.yaml"
        each.run.artifacts[name] = "---\n".join(dump(body) for body in bodies)
        each.log(f"rendered {len(manifests)} objects, kept as {name}")
        yield 0


def validate(work: Work, options: Mapping[str, Any]) -> Waits:
    """Send each object to the cluster as a dry run: schema, quotas, policies and rights."""
    for each in work.everywhere():
        found = _plan(each, each.run.commit)
        if found.failures:
            refused = [f"{change.key}: {change.why}" for change in found.failures]
            each.log("\n".join(refused))
            raise PipelineError(f"{len(refused)} refused: {refused[0]}")
        each.log(f"{len(found)} objects are valid{_in(each)}")
        yield 0


def diff(work: Work, options: Mapping[str, Any]) -> Waits:
    """Say what would change in each cluster; of a pull request, as a comment."""
    commit, onto = work.run.commit, ""
    if work.run.pull:
        commit, onto = work.repository.pulls.preview(work.run.pull)
    text: list[str] = []
    for each in work.everywhere():
        wanted = _plan(each, commit)
        before = {_words(change) for change in _plan(each, onto).changes} if onto else set()
        lines = [_words(change) for change in wanted.changes if _matters(change)]
        new = [line for line in lines if line not in before]
        count = f"{len(new)} object{'s' * (len(new) != 1)}"
        text += [f"In cluster {each.cluster.name}{_in(each)}, this changes {count}."]
        text += [f"  {line}" for line in new]
        if old := [line for line in lines if line in before]:
            text += [f"  Different from {each.run.branch} already (drift, or not deployed yet):"]
            text += [f"    {line}" for line in old]
        yield 0
    work.log("\n".join(text))
    if work.run.pull:
        work.repository.pulls.comment(
            work.run.pull, "\n".join(text), by=BOT, topic=f"diff/{work.job.name}"
        )


def scan_secrets(work: Work, options: Mapping[str, Any]) -> Waits:
    """Look for plain secrets in the commit's files and in all of its history."""
    found = scan(work.repository, work.run.commit)
    work.log("\n".join(map(str, found)) or "no plain secret found")
    if found:
        raise PipelineError(f"{len(found)} plain secrets in Git, such as {found[0]}")
    yield 0


def build(work: Work, options: Mapping[str, Any]) -> Waits:
    """Build an image from the commit: a tag, a digest, an entry in the registry."""
    work.to_write()
    image, tag = options["image"], options.get("tag") or work.run.commit[:7]
    files = work.artifact().digest
    is_known = work.registry.knows(image, files)
    work.log(f"building {image}:{tag}" + ": the same files were built before" * is_known)
    yield CACHED if is_known else BUILD
    made = work.registry.push(image, tag, commit=work.run.commit, content=files)
    work.run.artifacts["image"] = f"{image}:{tag}"
    work.run.artifacts["digest"] = f"{image}@{made.digest}"
    work.log(f"pushed {image}:{tag}, digest {made.digest[:19]}")


def apply(work: Work, options: Mapping[str, Any]) -> Waits:
    """Apply the environment's folder; what it needs may come a moment later."""
    work.to_write()
    yield from _apply(work, work.run.commit, options.get("prune"))


def rollout_status(work: Work, options: Mapping[str, Any]) -> Waits:
    """Wait until all that the run's commit asks for is healthy, as `kubectl rollout status`."""
    deadline = work.now + options.get("timeout", work.policy.timeout)
    desired = {m.key: split_api_version(m.body["apiVersion"])[1] for m in _render(work)}
    said = ""
    while True:
        health = survey(work.cluster, desired)
        work.note(health)
        if health.is_healthy:
            work.log("healthy")
            work.remember_good(work.run.commit)
            return
        if health.message != said:
            said = health.message
            work.log(f"waiting: {said}")
        if health.status is HealthStatus.DEGRADED:
            raise PipelineError(health.message)
        if work.now >= deadline:
            raise PipelineError(f"not healthy in time: {health.message}")
        yield work.policy.poll


def smoke_test(work: Work, options: Mapping[str, Any]) -> Waits:
    """Ask the running application, and see that it answers as it should."""
    namespace = work.environment.namespace or work.policy.namespace
    service, path = _port(work, namespace, options["service"]), options.get("path", "/")
    wanted, contains = options.get("status", 200), options.get("contains", "")
    deadline, good, said = work.now + options.get("timeout", PATIENCE), 0, ""
    while good < options.get("times", 3):
        code, text = work.cluster.ask(namespace, service, path)
        first = text.strip().partition("\n")[0][:80]
        answer = f"GET {service}{path}: {code} {first}"
        if answer != said:
            work.log(answer)
            said = answer
        if code == wanted and contains in text:
            good += 1
        elif work.now >= deadline:
            meant = f"{wanted}" + (f" and {contains!r}" if contains else "")
            raise PipelineError(f"{service}{path} answers {code} {first!r}, not {meant}")
        else:
            good = 0
        yield 1


def rollback(work: Work, options: Mapping[str, Any]) -> Waits:
    """Apply the last commit that was healthy here. Git is not changed: it still says the new."""
    work.to_write()
    before = [commit for commit in work.good if commit != work.run.commit]
    if not before:
        raise PipelineError("there is nothing to roll back to: no run was healthy here before")
    work.log(f"applying {before[-1][:7]} again, though Git says {work.run.commit[:7]}")
    yield from _apply(work, before[-1], None)


def promote(work: Work, options: Mapping[str, Any]) -> Waits:
    """Open a pull request that copies the version, and nothing else, to another environment."""
    work.to_write()
    here, there = work.environment.path, _environment(work, options["to"]).path
    if here == there:
        raise PipelineError("an environment cannot be promoted to itself", fix="name another")
    changes: dict[str, str | bytes | None] = {}
    for name in options.get("files", ("version.yaml",)):
        content = work.repository.read(f"{here}/{name}", work.run.commit)
        changes[f"{there}/{name}"] = content
    branch = f"promote-{options['to']}-{work.run.commit[:7]}"
    title = f"Promote {work.run.commit[:7]} from {here} to {there}"
    if all(_same(work, path, content) for path, content in changes.items()):
        work.log(f"{there} has this version already")
        return
    if not work.repository.tip(branch):
        author = f"Update Bot <{BOT}@example.org>"
        work.repository.commit(title, changes, branch=branch, author=author, account=BOT)
    number = (
        work.repository.pulls.opened_from(branch)
        or work.repository.pulls.open(branch, by=BOT, target=work.run.branch).number
    )
    work.run.artifacts["promotion"] = str(number)
    work.log(f"opened pull request {number}: {title}")
    yield 0


def commit_image(work: Work, options: Mapping[str, Any]) -> Waits:
    """Write the tag of the image just built into a file, and push that to the branch."""
    work.to_write()
    image, built = options["image"], work.run.artifacts.get("image", "")
    if built.rpartition(":")[0] != image:
        raise PipelineError(f"this run has not built {image}", fix="add a `build` step before")
    path = options["file"]
    old = work.repository.read(path).decode()
    new = re.sub(rf"(?m)({re.escape(image)})(:[\w.-]+|@sha256:[0-9a-f]+)?(?=[\s\"']|$)", built, old)
    if new == old:
        work.log(f"{path} says {built} already")
        return
    message = options.get("message", f"Deploy {built}")
    author = f"Update Bot <{BOT}@example.org>"
    made = work.repository.commit(
        message, {path: new}, branch=work.run.branch, author=author, account=BOT
    )
    work.log(f"committed {made.short}: {message}")
    yield 0


ACTIONS: Mapping[str, Callable[[Work, Mapping[str, Any]], Waits]] = {
    "render": rendered,
    "validate": validate,
    "diff": diff,
    "scan-secrets": scan_secrets,
    "build": build,
    "apply": apply,
    "rollout-status": rollout_status,
    "smoke-test": smoke_test,
    "rollback": rollback,
    "promote": promote,
    "commit": commit_image,
}
"""What each action of a pipeline file does."""


# -- how it is done --------------------------------------------------------------------------------


def _render(work: Work, commit: str = "") -> tuple[Manifest, ...]:
    policy = work.sync_policy()
    return render(
        work.artifact(commit),
        policy.path,
        namespace=policy.namespace,
        is_namespaced=work.cluster.is_namespaced,
        release=policy.owner,
    )


def _plan(work: Work, commit: str) -> Plan:
    return compare(work.artifact(commit), work.cluster, work.inventory, work.sync_policy())


def _apply(work: Work, commit: str, prune: bool | None) -> Waits:
    artifact, deadline = work.artifact(commit), work.now + work.policy.timeout
    while True:
        outcome: Outcome = sync(
            artifact,
            work.cluster,
            work.inventory,
            work.sync_policy(prune=prune),
            work.journal,
            intend=lambda inventory: work.remember(inventory, prune=bool(prune)),
        )
        applied = commit if outcome.succeeded else ""
        work.remember(outcome.inventory, applied, prune=bool(prune))
        work.note(outcome)
        refused = outcome.done.failures
        if refused:
            work.log("\n".join(f"{change.key} refused: {change.why}" for change in refused))
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            raise PipelineError(f"{refused[0].key} was refused: {refused[0].why}{more}")
        if not outcome.waiting:
            break
        if work.now >= deadline:
            raise PipelineError(outcome.waiting)
        work.log(f"waiting: {outcome.waiting}")
        yield work.policy.poll
    written = [f"{change.action} {change.key}" for change in outcome.done.writes]
    work.log("\n".join(written) or "nothing to change")


def _environment(work: Work, name: str) -> Environment:
    found = work.environments.get(name)
    if found is None:
        there = ", ".join(work.environments) or "none"
        raise PipelineError(f"there is no environment {name!r}", fix=f"environments: {there}")
    return found


def _same(work: Work, path: str, content: str | bytes | None) -> bool:
    tip = work.repository.tip(work.run.branch)
    return path in work.repository.files(tip) and work.repository.read(path, tip) == content


def _port(work: Work, namespace: str, service: str) -> str:
    """The Service with a port: its only one, if none is named."""
    if ":" in service:
        return service
    found = work.cluster.get(ObjectKey("", "Service", namespace, service))
    if found is None:
        raise PipelineError(f"there is no Service {service!r} in {namespace}")
    ports = found["spec"].get("ports") or []
    return f"{service}:{ports[0]['port']}" if len(ports) == 1 else service


def _in(work: Work) -> str:
    return f", environment {work.environment.name}" if work.environment.name else ""


def _matters(change: Change) -> bool:
    return change.action.writes or change.action is Action.FAILED


def _words(change: Change) -> str:
    """One planned change, in words; values of Secrets are masked."""
    secret = change.key.kind == "Secret" and change.action is Action.CONFIGURED
    why = f"{', '.join(change.fields)}: {MASK}" if secret else change.why
    verb = {Action.CREATED: "create", Action.CONFIGURED: "change", Action.DELETED: "delete"}
    return f"{verb.get(change.action, 'refused:')} {change.key}: {why}"


def _masked(manifest: Manifest) -> Mapping[str, Any]:
    """A desired object whose secret values are masked."""
    if manifest.key.kind != "Secret" or manifest.key.group:
        return manifest.body
    hidden = {
        part: dict.fromkeys(manifest.body[part] or {}, MASK)
        for part in ("data", "stringData")
        if isinstance(manifest.body.get(part), Mapping)
    }
    return {**manifest.body, **hidden}
