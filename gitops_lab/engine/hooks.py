"""Hooks: objects that run at a moment of a sync instead of being kept as they are in Git.

Argo CD's annotations, and those of Helm that mean the same. Source: Argo CD 3.5, gitops-engine
`pkg/sync/hook`.
"""

from __future__ import annotations

from gitops_lab.model import Object

HOOK = "argocd.argoproj.io/hook"
DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
FINALIZER = "argocd.argoproj.io/hook-finalizer"
"""Keeps a hook that is finished until its result was recorded."""

PRE_SYNC, SYNC, POST_SYNC, SYNC_FAIL = "PreSync", "Sync", "PostSync", "SyncFail"
PRE_DELETE, POST_DELETE, SKIP = "PreDelete", "PostDelete", "Skip"
PHASES = (PRE_SYNC, SYNC, POST_SYNC, SYNC_FAIL)
"""The phases of a sync, in the order in which they run."""

TYPES = (*PHASES, PRE_DELETE, POST_DELETE, SKIP)

HOOK_SUCCEEDED, HOOK_FAILED, BEFORE_CREATION = "HookSucceeded", "HookFailed", "BeforeHookCreation"
POLICIES = (HOOK_SUCCEEDED, HOOK_FAILED, BEFORE_CREATION)

HELM_HOOK, HELM_POLICY = "helm.sh/hook", "helm.sh/hook-delete-policy"
_HELM_TYPES = {
    "pre-install": PRE_SYNC,
    "pre-upgrade": PRE_SYNC,
    "post-install": POST_SYNC,
    "post-upgrade": POST_SYNC,
    "pre-delete": PRE_DELETE,
    "post-delete": POST_DELETE,
}
_HELM_POLICIES = {
    "before-hook-creation": BEFORE_CREATION,
    "hook-succeeded": HOOK_SUCCEEDED,
    "hook-failed": HOOK_FAILED,
}


def types(obj: Object) -> tuple[str, ...]:
    """The moments at which a hook runs; empty for an ordinary object, and for a hook of Helm's
    that has no such moment here."""
    own = tuple(name for name in _words(obj, HOOK) if name in TYPES)
    helm = (_HELM_TYPES[name] for name in _words(obj, HELM_HOOK) if name in _HELM_TYPES)
    return own or tuple(dict.fromkeys(helm))


def is_skipped(obj: Object) -> bool:
    """Whether an object is to be left out of every sync."""
    return types(obj) == (SKIP,)


def is_hook(obj: Object) -> bool:
    """Whether an object is a hook, and so is neither compared nor pruned."""
    annotations = _annotations(obj)
    if HOOK in annotations:
        return not is_skipped(obj)
    return HELM_HOOK in annotations and annotations[HELM_HOOK] != "crd-install"


def delete_policies(obj: Object) -> tuple[str, ...]:
    """When a hook is deleted. The default: before it is created again."""
    own = tuple(name for name in _words(obj, DELETE_POLICY) if name in POLICIES)
    helm = (_HELM_POLICIES[name] for name in _words(obj, HELM_POLICY) if name in _HELM_POLICIES)
    return own or tuple(helm) or (BEFORE_CREATION,)


def hook_name(obj: Object, revision: str, phase: str, started: float) -> str:
    """The name of a hook, made up from its generateName if it has no name.

    Args:
        obj: the hook.
        revision: the commit that is synced.
        phase: in which phase the hook runs.
        started: when the sync began, in seconds since the Unix epoch.
    """
    metadata = obj["metadata"]
    if name := metadata.get("name"):
        return str(name)
    end = f"{revision[:7]}-{phase}-{int(started)}".lower()
    return f"{metadata.get('generateName', '')}{end}"


def _annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def _words(obj: Object, annotation: str) -> list[str]:
    text = str(_annotations(obj).get(annotation, ""))
    return [word.strip() for word in text.split(",") if word.strip()]
