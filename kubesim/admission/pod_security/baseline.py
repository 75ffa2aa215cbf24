"""The baseline level: no known ways to get more rights than the pod was given."""

from __future__ import annotations

from kubesim.admission.pod_security.check import (
    Check,
    Violation,
    containers,
    context,
    has_own_users,
    plural,
    quoted,
    setters,
    some,
    spec_of,
    uses,
)
from kubesim.model import Object

CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
"""Capabilities that a container may add: those that container runtimes give anyway."""

SECCOMP = ("RuntimeDefault", "Localhost")
"""The types of seccomp profiles that are allowed."""

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"

# Each with the minor version from which it is allowed.
_SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
    "net.ipv4.tcp_notsent_lowat": 37,
    "net.ipv4.tcp_slow_start_after_idle": 37,
}
_SELINUX = {
    "": 0,
    "container_t": 0,
    "container_init_t": 0,
    "container_kvm_t": 0,
    "container_engine_t": 31,
}


def _apparmor(pod: Object, _: int) -> Violation | None:
    values: set[str] = set()

    def is_bad(of: Object) -> bool:
        type_ = (context(of, "appArmorProfile") or {}).get("type")
        if type_ in (None, *SECCOMP):
            return False
        values.add(type_)
        return True

    on_pod = is_bad(spec_of(pod))
    who = setters(on_pod, [each["name"] for each in containers(pod) if is_bad(each)])
    notes = sorted(
        f'{key}="{value}"'
        for key, value in ((pod.get("metadata") or {}).get("annotations") or {}).items()
        if key.startswith(_APPARMOR)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    if notes:
        who = " and ".join(filter(None, (who, plural("annotation", notes))))
    listed = [*sorted(values), *notes]
    if not listed:
        return None
    return Violation(
        plural("forbidden AppArmor profile", listed),
        f"{who} must not set AppArmor profile type to {quoted(listed)}",
    )


def _capabilities(pod: Object, _: int) -> Violation | None:
    bad, added = [], set()
    for container in containers(pod):
        own = set((context(container, "capabilities") or {}).get("add") or ()) - CAPABILITIES
        if own:
            bad.append(container["name"])
            added |= own
    if not bad:
        return None
    return Violation(
        "non-default capabilities",
        f"{some('container', bad)} must not include {quoted(sorted(added))} in "
        "securityContext.capabilities.add",
    )


def _host_namespaces(pod: Object, _: int) -> Violation | None:
    shared = [
        f"{field}=true"
        for field in ("hostNetwork", "hostPID", "hostIPC")
        if spec_of(pod).get(field)
    ]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def _host_paths(pod: Object, _: int) -> Violation | None:
    bad = [each["name"] for each in spec_of(pod).get("volumes") or () if "hostPath" in each]
    return Violation("hostPath volumes", some("volume", bad)) if bad else None


def _host_ports(pod: Object, _: int) -> Violation | None:
    bad, ports = [], set()
    for container in containers(pod):
        own = {str(p["hostPort"]) for p in container.get("ports") or () if p.get("hostPort")}
        if own:
            bad.append(container["name"])
            ports |= own
    if not bad:
        return None
    numbers = sorted(ports)
    return Violation(
        "hostPort",
        f"{some('container', bad)} {uses(bad)} {plural('hostPort', numbers)} {', '.join(numbers)}",
    )


def _probes(pod: Object, _: int) -> Violation | None:
    bad, hosts = set(), set()
    for container in containers(pod):
        lifecycle = container.get("lifecycle") or {}
        actions = [lifecycle.get("postStart"), lifecycle.get("preStop")]
        actions += [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
        for action in actions:
            for way in ("httpGet", "tcpSocket"):
                host = ((action or {}).get(way) or {}).get("host")
                if host:
                    bad.add(container["name"])
                    hosts.add(host)
    if not bad:
        return None
    names, listed = sorted(bad), sorted(hosts)
    return Violation(
        "probe or lifecycle host",
        f"{some('container', names)} {uses(names)} {some('probe or lifecycle host', listed)}",
    )


def _privileged(pod: Object, _: int) -> Violation | None:
    bad = [each["name"] for each in containers(pod) if context(each, "privileged")]
    if not bad:
        return None
    text = f"{some('container', bad)} must not set securityContext.privileged=true"
    return Violation("privileged", text)


def _proc_mount(pod: Object, minor: int) -> Violation | None:
    return None if has_own_users(pod, minor) else unusual_proc_mount(pod, minor)


def unusual_proc_mount(pod: Object, _: int) -> Violation | None:
    """What mounts /proc without masking what it tells of the node."""
    bad = [e for e in containers(pod) if context(e, "procMount") not in (None, "Default")]
    if not bad:
        return None
    types = sorted({context(each, "procMount") for each in bad})
    who = some("container", [each["name"] for each in bad])
    return Violation(
        "procMount", f"{who} must not set securityContext.procMount to {quoted(types)}"
    )


def _selinux(pod: Object, minor: int) -> Violation | None:
    types: set[str] = set()
    told: set[str] = set()

    def is_bad(of: Object) -> bool:
        options = context(of, "seLinuxOptions") or {}
        type_ = options.get("type", "")
        is_bad_type = _SELINUX.get(type_, minor + 1) > minor
        if is_bad_type:
            types.add(type_)
        fields = {field for field in ("user", "role") if options.get(field)}
        told.update(fields)
        return is_bad_type or bool(fields)

    on_pod = is_bad(spec_of(pod))
    who = setters(on_pod, [each["name"] for each in containers(pod) if is_bad(each)])
    if not who:
        return None
    listed = sorted(types)
    data = [some("type", listed)] if listed else []
    data += [f"{field} may not be set" for field in ("user", "role") if field in told]
    text = f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
    return Violation("seLinuxOptions", text)


def _seccomp(pod: Object, minor: int) -> Violation | None:
    if minor >= 19:
        return bad_seccomp(pod)
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    names = [_SECCOMP_POD, *(_SECCOMP_CONTAINER + each["name"] for each in containers(pod))]
    bad = sorted(
        f'{name}="{annotations[name]}"'
        for name in names
        if name in annotations
        and annotations[name] not in ("runtime/default", "docker/default")
        and not annotations[name].startswith("localhost/")
    )
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {plural('annotation', bad)} {', '.join(bad)}")


def bad_seccomp(pod: Object) -> Violation | None:
    """What sets a seccomp profile of a type that is not allowed."""
    values: set[str] = set()

    def is_bad(of: Object) -> bool:
        profile = context(of, "seccompProfile")
        if profile is None or profile.get("type") in SECCOMP:
            return False
        values.add(profile.get("type", ""))
        return True

    on_pod = is_bad(spec_of(pod))
    who = setters(on_pod, [each["name"] for each in containers(pod) if is_bad(each)])
    if not who:
        return None
    types = quoted(sorted(values))
    text = f"{who} must not set securityContext.seccompProfile.type to {types}"
    return Violation("seccompProfile", text)


def _sysctls(pod: Object, minor: int) -> Violation | None:
    names = [each["name"] for each in context(spec_of(pod), "sysctls") or ()]
    bad = [name for name in names if _SYSCTLS.get(name, minor + 1) > minor]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def _windows_host_process(pod: Object, _: int) -> Violation | None:
    def is_bad(of: Object) -> bool:
        return bool((context(of, "windowsOptions") or {}).get("hostProcess"))

    bad = [each["name"] for each in containers(pod) if is_bad(each)]
    who = setters(is_bad(spec_of(pod)), bad)
    if not who:
        return None
    text = f"{who} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", text)


BASELINE = (
    Check("appArmorProfile", _apparmor),
    Check("capabilities_baseline", _capabilities),
    Check("hostNamespaces", _host_namespaces),
    Check("hostPathVolumes", _host_paths),
    Check("hostPorts", _host_ports),
    Check("hostProbesAndHostLifecycle", _probes, since=34),
    Check("privileged", _privileged),
    Check("procMount", _proc_mount),
    Check("seLinuxOptions", _selinux),
    Check("seccompProfile_baseline", _seccomp),
    Check("sysctls", _sysctls),
    Check("windowsHostProcess", _windows_host_process),
)
"""The checks of the level."""
