"""The restricted level: what is good practice for pods that need no more."""

from __future__ import annotations

from kubesim.admission.pod_security.baseline import (
    SECCOMP,
    bad_seccomp,
    unusual_proc_mount,
)
from kubesim.admission.pod_security.check import (
    Check,
    Violation,
    containers,
    context,
    has_own_users,
    is_windows,
    plural,
    quoted,
    setters,
    some,
    spec_of,
    uses,
)
from kubesim.model import Object

_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)


def _escalation(pod: Object, minor: int) -> Violation | None:
    if is_windows(pod, minor):
        return None
    bad = [
        each["name"]
        for each in containers(pod)
        if context(each, "allowPrivilegeEscalation") is not False
    ]
    if not bad:
        return None
    return Violation(
        "allowPrivilegeEscalation != false",
        f"{some('container', bad)} must set securityContext.allowPrivilegeEscalation=false",
    )


def _capabilities(pod: Object, minor: int) -> Violation | None:
    if is_windows(pod, minor):
        return None
    keeping, adding, added = [], [], set()
    for container in containers(pod):
        own = context(container, "capabilities") or {}
        if "ALL" not in (own.get("drop") or ()):
            keeping.append(container["name"])
        more = set(own.get("add") or ()) - {"NET_BIND_SERVICE"}
        if more:
            adding.append(container["name"])
            added |= more
    details = []
    if keeping:
        who = some("container", keeping)
        details.append(f'{who} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(
            f"{some('container', adding)} must not include {quoted(sorted(added))} in "
            "securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def _volumes(pod: Object, _: int) -> Violation | None:
    bad, types = [], set()
    for volume in spec_of(pod).get("volumes") or ():
        kinds = [field for field in volume if field != "name"]
        if not any(kind in _VOLUMES for kind in kinds):
            bad.append(volume["name"])
            types.add(kinds[0] if kinds else "unknown")
    if not bad:
        return None
    listed = sorted(types)
    return Violation(
        "restricted volume types",
        f"{some('volume', bad)} {uses(bad)} {plural('restricted volume type', listed)} "
        f"{quoted(listed)}",
    )


def _non_root(pod: Object, minor: int) -> Violation | None:
    if has_own_users(pod, minor):
        return None
    whole = context(spec_of(pod), "runAsNonRoot")
    said = [(each["name"], context(each, "runAsNonRoot")) for each in containers(pod)]
    who = setters(whole is False, [name for name, own in said if own is False])
    silent = [name for name, own in said if own is None] if not whole else []
    if who:
        detail = f"{who} must not set securityContext.runAsNonRoot=false"
    elif silent:
        who = some("container", silent)
        detail = f"pod or {who} must set securityContext.runAsNonRoot=true"
    else:
        return None
    return Violation("runAsNonRoot != true", detail)


def _user(pod: Object, minor: int) -> Violation | None:
    if has_own_users(pod, minor):
        return None
    bad = [each["name"] for each in containers(pod) if context(each, "runAsUser") == 0]
    who = setters(context(spec_of(pod), "runAsUser") == 0, bad)
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def _seccomp(pod: Object, minor: int) -> Violation | None:
    if is_windows(pod, minor):
        return None
    wrong = bad_seccomp(pod)
    if wrong is not None or context(spec_of(pod), "seccompProfile"):
        return wrong
    silent = [e["name"] for e in containers(pod) if context(e, "seccompProfile") is None]
    if not silent:
        return None
    allowed = " or ".join(f'"{each}"' for each in SECCOMP)
    who = some("container", silent)
    return Violation(
        "seccompProfile", f"pod or {who} must set securityContext.seccompProfile.type to {allowed}"
    )


RESTRICTED = (
    Check("allowPrivilegeEscalation", _escalation, since=8),
    Check("capabilities_restricted", _capabilities, since=22, replaces="capabilities_baseline"),
    Check("procMount_restricted", unusual_proc_mount, since=35, replaces="procMount"),
    Check("restrictedVolumes", _volumes, replaces="hostPathVolumes"),
    Check("runAsNonRoot", _non_root),
    Check("runAsUser", _user, since=23),
    Check("seccompProfile_restricted", _seccomp, since=19, replaces="seccompProfile_baseline"),
)
"""The checks that come on top of the baseline."""
