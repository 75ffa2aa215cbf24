"""`flux build` and `flux diff`: what a folder on this machine would change in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from gitops_lab.engine.desired import normalised
from gitops_lab.engine.plan import apply_order
from gitops_lab.errors import ApiError
from gitops_lab.frontends.flux import apply
from gitops_lab.frontends.flux.build import BuildFailed, PathNotFound, build, owner_of
from gitops_lab.frontends.flux.client.kinds import BY_KIND
from gitops_lab.frontends.flux.client.session import (
    ACTION,
    FAILURE,
    CommandFailed,
    Session,
    key_name,
)
from gitops_lab.frontends.flux.records import load
from gitops_lab.model import Artifact, Object, ObjectKey


def build_folder(session: Session, name: str, artifact: Artifact, path: str) -> int:
    """`flux build kustomization`: the objects that the controller would apply, as YAML."""
    for body in _built(session, name, artifact, path):
        session.out(f"---\n{yaml.safe_dump(_masked(body), allow_unicode=True)}")
    return 0


def diff_folder(session: Session, name: str, artifact: Artifact, path: str) -> int:
    """`flux diff kustomization`: what would change; 1 if anything would.

    Args:
        session: the session.
        name: of the Kustomization.
        artifact: the files.
        path: the folder of them that takes the place of `spec.path`.
    """
    bodies = _built(session, name, artifact, path)
    obj = session.get(BY_KIND["Kustomization"], name)
    owner = (session.namespace, name)
    changed = False
    for body in bodies:
        changed |= _compare(session, normalised(body))
    wanted = {ObjectKey.of(body) for body in bodies}
    old = load((obj.get("status") or {}).get("inventory"))
    for key in sorted(old.keys() - wanted, key=apply_order, reverse=True):
        live = session.cluster.get(key)
        if live is not None and owner_of(live) == owner:
            session.out(f"{ACTION} {key_name(key)} deleted\n")
            changed = True
    if changed:
        session.say(FAILURE, "identified at least one change, exiting with non-zero exit code")
    return int(changed)


def _built(session: Session, name: str, artifact: Artifact, path: str) -> list[Object]:
    obj = session.get(BY_KIND["Kustomization"], name)
    here = {**obj, "spec": {**obj["spec"], "path": path}}
    try:
        bodies = build(artifact, here, session.cluster)
    except (BuildFailed, PathNotFound) as error:
        raise CommandFailed(str(error)) from error
    return sorted(bodies, key=lambda body: apply_order(ObjectKey.of(body)))


def _compare(session: Session, body: Object) -> bool:
    """Print what would become of one object; whether anything would."""
    key, name = ObjectKey.of(body), key_name(ObjectKey.of(body))
    live = session.cluster.get(key)
    if apply.mark(body, "reconcile") == "disabled" or apply.mark(live, "reconcile") == "disabled":
        session.out(f"{ACTION} {name} skipped\n")
        return False
    try:
        merged = session.cluster.apply(body, manager=apply.MANAGER, dry_run=True)
    except ApiError as error:
        raise CommandFailed(f"{name} dry-run failed ({error.reason}): {error.message}") from error
    if live is None:
        session.out(f"{ACTION} {name} created\n")
        return True
    lines = list(differences(_comparable(live), _comparable(merged), secret=key.kind == "Secret"))
    if not lines:
        return False
    session.out(f"{ACTION} {name} drifted\n\n" + "\n".join(lines) + "\n\n")
    return True


def _comparable(obj: Object) -> Object:
    metadata = {
        name: obj["metadata"][name] for name in ("labels", "annotations") if name in obj["metadata"]
    }
    rest = {name: value for name, value in obj.items() if name not in ("metadata", "status")}
    return {"metadata": metadata, **rest}


def differences(before: Any, after: Any, path: str = "", *, secret: bool = False) -> Iterator[str]:
    """What differs between two values, in the style of dyff."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        added = {name: after[name] for name in after if name not in before}
        removed = {name: before[name] for name in before if name not in after}
        yield from _entries("+", "added", added, path, secret)
        yield from _entries("-", "removed", removed, path, secret)
        for name in before:
            if name in after:
                yield from differences(
                    before[name], after[name], f"{path}.{name}" if path else name, secret=secret
                )
    elif _are_named(before) and _are_named(after):
        yield from differences(_by_name(before), _by_name(after), path, secret=secret)
    else:
        old, new = ("*** (before)", "*** (after)") if secret else (_text(before), _text(after))
        yield f"{path}\n  ± value change\n    - {old}\n    + {new}\n"


def _entries(
    sign: str, verb: str, entries: dict[str, Any], path: str, secret: bool
) -> Iterator[str]:
    if not entries:
        return
    count = {1: "one"}.get(len(entries), str(len(entries)))
    noun = "map entry" if len(entries) == 1 else "map entries"
    shown = dict.fromkeys(entries, "***") if secret else entries
    text = yaml.safe_dump(shown, allow_unicode=True, sort_keys=False).rstrip()
    indented = "\n".join(f"    {line}" for line in text.splitlines())
    yield f"{path or '(root level)'}\n  {sign} {count} {noun} {verb}:\n{indented}\n"


def _are_named(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and "name" in each for each in value)
    )


def _by_name(value: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(each["name"]): each for each in value}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else yaml.safe_dump(value).removesuffix("...\n").strip()


def _masked(body: Object) -> Object:
    """A Secret without its values."""
    if body["kind"] != "Secret":
        return body
    masked = dict(body)
    for part in ("data", "stringData"):
        if part in body:
            masked[part] = dict.fromkeys(body[part], "*** (masked)")
    return masked
