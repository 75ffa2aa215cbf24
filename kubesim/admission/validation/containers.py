"""What must hold for the containers of a pod: names, images, ports, environment, mounts, probes.

Source: pkg/apis/core/validation/validation.go (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kubesim.admission.validation import names
from kubesim.admission.validation.amounts import check_requirements
from kubesim.admission.validation.field import (
    Errors,
    at_least,
    duplicate,
    forbidden,
    in_go,
    invalid,
    invalids,
    not_found,
    not_supported,
    one_of,
    required,
)
from kubesim.model import Object
from kubesim.quantity import canonical

PROTOCOLS = ("SCTP", "TCP", "UDP")
"""Of a container's or a Service's port."""

POD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
"""What a container may read of its pod through its environment, beside labels and annotations."""

MOST_IDS = 2**31 - 1
"""The largest number of a user or a group."""

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESOURCE_FIELDS = tuple(
    f"{part}.{name}"
    for part in ("limits", "requests")
    for name in ("cpu", "ephemeral-storage", "memory")
)
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E",
                  "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")  # fmt: skip
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def check_containers(spec: Object, volumes: Mapping[str, Object], path: str) -> Errors:
    """All containers of a pod's spec.

    Args:
        spec: the pod's spec.
        volumes: the volumes that may be mounted, by name.
        path: where the spec stands.
    """
    containers = spec.get("containers") or []
    at = f"{path}.containers"
    if not containers:
        yield required(at)
    grace = spec.get("terminationGracePeriodSeconds")
    claims = {claim.get("name") or "" for claim in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for index, container in enumerate(containers):
        here = f"{at}[{index}]"
        yield from _container(container, volumes, claims, here)
        yield from _unique_name(container, seen, here)
        yield from _life(container, grace, here)
        yield from _restart_policy(container, here)
    yield from _host_ports(containers, at)
    for index, container in enumerate(spec.get("initContainers", ())):
        here = f"{path}.initContainers[{index}]"
        yield from _container(container, volumes, claims, here)
        yield from _unique_name(container, seen, here)
        yield from _host_ports([container], f"{path}.initContainers")
        yield from _init_container(container, grace, here)


def _init_container(container: Object, grace: int | None, path: str) -> Errors:
    """Only an init container that runs on, a sidecar, has probes and a life cycle."""
    if container.get("restartPolicy") == "Always":
        yield from _life(container, grace, path)
        return
    yield from _restart_policy(container, path)
    for field in ("lifecycle", *_PROBES):
        if field in container:
            yield forbidden(
                f"{path}.{field}",
                "may not be set for init containers without restartPolicy=Always",
            )


def _restart_policy(container: Object, path: str) -> Errors:
    """A container may have a policy of its own, other than its pod's."""
    if "restartPolicy" in container:
        supported = ("Always", "Never", "OnFailure")
        yield from one_of(f"{path}.restartPolicy", container["restartPolicy"], supported)


def _unique_name(container: Object, seen: set[str], path: str) -> Errors:
    name = container.get("name", "")
    if name in seen:
        yield duplicate(f"{path}.name", name)
    elif name:
        seen.add(name)


def _container(
    container: Object, volumes: Mapping[str, Object], claims: Collection[str], path: str
) -> Errors:
    name = container.get("name", "")
    if name:
        yield from invalids(f"{path}.name", name, names.dns_label(name))
    else:
        yield required(f"{path}.name")
    if not container.get("image"):
        yield required(f"{path}.image")
    yield from one_of(
        f"{path}.terminationMessagePolicy",
        container.get("terminationMessagePolicy"),
        _MESSAGE_POLICIES,
    )
    if "ports" in container:
        yield from _ports(container["ports"], f"{path}.ports")
    if "env" in container:
        yield from _env(container["env"], f"{path}.env")
    if "envFrom" in container:
        yield from _env_from(container["envFrom"], f"{path}.envFrom")
    if "volumeMounts" in container:
        devices = container.get("volumeDevices", ())
        yield from _mounts(container["volumeMounts"], devices, volumes, f"{path}.volumeMounts")
    if "volumeDevices" in container:
        yield from _devices(container["volumeDevices"], volumes, f"{path}.volumeDevices")
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    if container.get("resources"):
        yield from check_requirements(container["resources"], f"{path}.resources", claims=claims)
    if container.get("securityContext"):
        yield from _security(container["securityContext"], f"{path}.securityContext")


def _ports(ports: Iterable[Object], path: str) -> Errors:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        name, number = port.get("name", ""), port.get("containerPort", 0)
        if name:
            faults = names.port_name(name)
            yield from invalids(f"{here}.name", name, faults)
            if name in seen and not faults:
                yield duplicate(f"{here}.name", name)
            seen.add(name)
        if number:
            yield from invalids(f"{here}.containerPort", number, names.port_number(number))
        else:
            yield required(f"{here}.containerPort")
        host_port = port.get("hostPort", 0)
        if host_port:
            yield from invalids(f"{here}.hostPort", host_port, names.port_number(host_port))
        yield from one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _host_ports(containers: Iterable[Object], path: str) -> Errors:
    """Ports of the node that a pod wants must not collide within the pod."""
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            wanted = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if wanted in seen:
                yield duplicate(f"{path}[{index}].ports[{number}].hostPort", wanted)
            seen.add(wanted)


def _env(variables: Iterable[Object], path: str) -> Errors:
    for index, variable in enumerate(variables):
        here = f"{path}[{index}]"
        name = variable.get("name", "")
        if name:
            yield from invalids(f"{here}.name", name, names.environment_name(name))
        else:
            yield required(f"{here}.name")
        if "valueFrom" in variable:
            yield from _value_from(variable, f"{here}.valueFrom")


def _value_from(variable: Object, path: str) -> Errors:
    sources: Object = variable["valueFrom"]
    if "fieldRef" in sources:
        yield from check_field_ref(sources["fieldRef"], POD_FIELDS, f"{path}.fieldRef")
    if "resourceFieldRef" in sources:
        at = f"{path}.resourceFieldRef"
        yield from check_resource_field_ref(sources["resourceFieldRef"], at)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in sources:
            yield from _key_ref(sources[kind], f"{path}.{kind}")
    if "fileKeyRef" in sources:
        for field in ("volumeName", "path", "key"):
            if not sources["fileKeyRef"].get(field):
                yield required(f"{path}.fileKeyRef.{field}")
    if not sources:
        yield invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
            "`secretKeyRef` or `fileKeyRef`",
        )
    elif variable.get("value"):
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(sources) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(ref: Object, path: str) -> Errors:
    name, key = ref.get("name", ""), ref.get("key", "")
    yield from invalids(f"{path}.name", name, names.dns_subdomain(name))
    if key:
        yield from invalids(f"{path}.key", key, names.config_key(key))
    else:
        yield required(f"{path}.key")


def check_field_ref(ref: Object, supported: tuple[str, ...], path: str) -> Errors:
    """A reference to a field of the pod, as the downward API allows them."""
    field: str = ref.get("fieldPath", "")
    if not ref.get("apiVersion"):
        yield required(f"{path}.apiVersion")
        return
    if not field:
        yield required(f"{path}.fieldPath")
        return
    base, bracket, rest = field.partition("['")
    if bracket and rest.endswith("']"):
        key = rest.removesuffix("']")
        if base == "metadata.annotations":
            yield from invalids(path, key.lower(), names.label_key(key.lower()))
        elif base == "metadata.labels":
            yield from invalids(path, key, names.label_key(key))
        else:
            yield invalid(path, base, "does not support subscript")
    elif field not in supported:
        if field in (*POD_FIELDS, "metadata.labels", "metadata.annotations"):
            yield not_supported(f"{path}.fieldPath", field, supported)
        else:
            detail = f"error converting fieldPath: field label not supported: {field}"
            yield invalid(f"{path}.fieldPath", field, detail)


def check_resource_field_ref(ref: Object, path: str, *, in_volume: bool = False) -> Errors:
    """A reference to what a container requests or may use, in units of a divisor."""
    resource: str = ref.get("resource", "")
    if in_volume and not ref.get("containerName"):
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in _RESOURCE_FIELDS and not resource.startswith(
        ("limits.hugepages-", "requests.hugepages-")
    ):
        yield not_supported(f"{path}.resource", resource, _RESOURCE_FIELDS)
    divisor = canonical(ref.get("divisor", "0"))
    if divisor == "0":
        return
    if resource.endswith(".cpu"):
        if divisor not in ("1", "1m"):
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            yield invalid(f"{path}.divisor", resource, detail)
    elif divisor not in _BYTE_DIVISORS:
        what = {
            "memory": "memory",
            "ephemeral-storage": "local ephemeral storage",
        }.get(resource.partition(".")[2], "hugepages")
        listed = ", ".join(_BYTE_DIVISORS)
        detail = f"only divisor's values {listed} are supported with the {what} resource"
        yield invalid(f"{path}.divisor", resource, detail)


def _env_from(sources: Iterable[Object], path: str) -> Errors:
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        prefix = source.get("prefix", "")
        if prefix:
            yield from invalids(f"{here}.prefix", prefix, names.environment_name(prefix))
        given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        for kind in given:
            name = source[kind].get("name", "")
            if name:
                yield from invalids(f"{here}.{kind}.name", name, names.dns_subdomain(name))
            else:
                yield required(f"{here}.{kind}.name")
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")


def _mounts(
    mounts: Iterable[Object],
    devices: Iterable[Object],
    volumes: Mapping[str, Object],
    path: str,
) -> Errors:
    seen: set[str] = set()
    device_names = {device.get("name") for device in devices}
    device_paths = {device.get("devicePath") for device in devices}
    for index, mount in enumerate(mounts):
        here = f"{path}[{index}]"
        name, at = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield required(f"{here}.name")
        if name not in volumes:
            yield not_found(f"{here}.name", name)
        if not at:
            yield required(f"{here}.mountPath")
        if at in seen:
            yield invalid(f"{here}.mountPath", at, "must be unique")
        seen.add(at)
        if name in device_names:
            yield invalid(f"{here}.name", name, "must not already exist in volumeDevices")
        if at in device_paths:
            detail = "must not already exist as a path in volumeDevices"
            yield invalid(f"{here}.mountPath", at, detail)
        sub, sub_expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
        if sub:
            yield from invalids(f"{path}.subPath", sub, names.relative_path(sub))
        if sub_expression:
            if sub:
                detail = "subPathExpr and subPath are mutually exclusive"
                yield invalid(f"{here}.subPathExpr", sub_expression, detail)
            faults = names.relative_path(sub_expression)
            yield from invalids(f"{path}.subPathExpr", sub_expression, faults)


def _devices(devices: Iterable[Object], volumes: Mapping[str, Object], path: str) -> Errors:
    paths: set[str] = set()
    seen: set[str] = set()
    for index, device in enumerate(devices):
        here = f"{path}[{index}]"
        name, at = device.get("name", ""), device.get("devicePath", "")
        if not name:
            yield required(f"{here}.name")
        if name in seen:
            yield invalid(f"{here}.name", name, "must be unique")
        seen.add(name)
        if name not in volumes:
            yield not_found(f"{here}.name", name)
        elif not {"persistentVolumeClaim", "ephemeral"} & volumes[name].keys():
            detail = (
                "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
                "block mode"
            )
            yield invalid(f"{here}.name", name, detail)
        if not at:
            yield required(f"{here}.devicePath")
        if at in paths:
            yield invalid(f"{here}.devicePath", at, "must be unique")
        paths.add(at)
        if names.no_backsteps(at):
            yield invalid(f"{here}.devicePath", at, "can not contain backsteps ('..')")


def _life(container: Object, grace: int | None, path: str) -> Errors:
    """Life-cycle hooks and probes."""
    for hook, handler in container.get("lifecycle", {}).items():
        if hook in ("postStart", "preStop"):
            yield from _handler(handler, _HOOK_HANDLERS, f"{path}.lifecycle.{hook}", grace)
    for kind in _PROBES:
        if kind in container:
            yield from _probe(container[kind], kind, f"{path}.{kind}")


def _probe(probe: Object, kind: str, path: str) -> Errors:
    yield from _handler(probe, _PROBE_HANDLERS, path, None)
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        yield from at_least(f"{path}.{field}", probe.get(field))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if kind == "readinessProbe":
        if grace is not None:
            detail = "must not be set for readinessProbes"
            yield invalid(f"{path}.terminationGracePeriodSeconds", grace, detail)
    elif probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(handlers: Object, supported: tuple[str, ...], path: str, grace: int | None) -> Errors:
    """Exactly one way to ask a container, or to tell it something."""
    first, *others = [kind for kind in supported if kind in handlers] or [""]
    for kind in others:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
    handler = handlers.get(first, {})
    match first:
        case "":
            yield required(path, "must specify a handler type")
        case "exec":
            if not handler.get("command"):
                yield required(f"{path}.exec.command")
        case "httpGet":
            yield from _http_get(handler, f"{path}.httpGet")
        case "tcpSocket" | "grpc":
            port = handler.get("port", 0)
            yield from invalids(f"{path}.{first}.port", port, names.port(port))
        case "sleep":
            seconds = handler.get("seconds", 0)
            if grace is not None and not 0 <= seconds <= grace:
                yield invalid(
                    f"{path}.sleep",
                    seconds,
                    f"must be non-negative and less than terminationGracePeriodSeconds ({grace})",
                )


def _http_get(handler: Object, path: str) -> Errors:
    if not handler.get("path"):
        yield required(f"{path}.path")
    port = handler.get("port", 0)
    yield from invalids(f"{path}.port", port, names.port(port))
    scheme = handler.get("scheme", "")
    if scheme not in ("HTTP", "HTTPS"):
        yield not_supported(f"{path}.scheme", scheme, ("HTTP", "HTTPS"))
    for header in handler.get("httpHeaders", ()):
        name = header.get("name", "")
        yield from invalids(f"{path}.httpHeaders", name, names.http_header(name))


def _security(context: Object, path: str) -> Errors:
    yield from check_user(context, path)
    shown = in_go(context, "api.core.v1.SecurityContext")
    mount = context.get("procMount")
    if mount is not None and mount not in ("Default", "Unmasked"):
        yield not_supported(f"{path}.procMount", mount, ("Default", "Unmasked"))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            yield invalid(
                path,
                shown,
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            )
        if "CAP_SYS_ADMIN" in context.get("capabilities", {}).get("add", ()):
            yield invalid(
                path,
                shown,
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                "CAP_SYS_ADMIN",
            )


def check_user(context: Object, path: str) -> Errors:
    """What the security contexts of pods and of containers have in common."""
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        number = context.get(field)
        if number is not None and not 0 <= number <= MOST_IDS:
            detail = f"must be between 0 and {MOST_IDS}, inclusive"
            yield invalid(f"{path}.{field}", number, detail)
    for field, what in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        if field in context:
            yield from _profile(context[field], field, what, f"{path}.{field}")


def _profile(profile: Any, field: str, what: str, path: str) -> Errors:
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    supported = ("Localhost", "RuntimeDefault", "Unconfined")
    if not kind:
        yield required(f"{path}.type", f"type is required when {field} is set")
    elif kind not in supported:
        yield not_supported(f"{path}.type", kind, supported)
    elif kind == "Localhost":
        if not local:
            yield required(f"{path}.localhostProfile", f"must be set when {what} type is Localhost")
        elif what == "seccomp":
            yield from invalids(f"{path}.localhostProfile", local, names.relative_path(local))
    elif local is not None:
        detail = f"can only be set when {what} type is Localhost"
        shown = profile if what == "seccomp" else local
        yield invalid(f"{path}.localhostProfile", shown, detail)
