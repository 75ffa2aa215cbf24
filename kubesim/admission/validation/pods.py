"""What must hold for pods and pod templates.

Source: pkg/apis/core/validation/validation.go (Kubernetes 1.37). Windows pods, ephemeral
containers and in-place resizing are not checked.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.admission.validation import names
from kubesim.admission.validation.amounts import check_requirements, check_resource_name
from kubesim.admission.validation.containers import MOST_IDS, check_containers, check_user
from kubesim.admission.validation.field import (
    Errors,
    difference,
    duplicate,
    forbidden,
    invalid,
    invalids,
    not_supported,
    one_of,
    required,
)
from kubesim.admission.validation.labels import check_annotations, check_labels
from kubesim.admission.validation.scheduling import (
    check_added_tolerations,
    check_affinity,
    check_spread,
    check_tolerations,
)
from kubesim.admission.validation.volumes import check_volumes
from kubesim.model import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
"""What becomes of a container that ends."""

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_LARGEST_SECONDS = 2**31 - 1


def pod(obj: Object, old: Object | None) -> Errors:
    """A pod; nearly all of its spec is fixed once it exists."""
    spec = obj.get("spec", {})
    yield from check_pod_spec(spec, "spec")
    yield from _trimmed_images(spec)
    if old is not None:
        yield from _pod_change(spec, old.get("spec", {}))
        return
    if spec.get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        detail = "cannot be set until all schedulingGates have been cleared"
        yield forbidden("spec.nodeName", detail)
    if not spec.get("serviceAccountName"):
        for number, volume in enumerate(spec.get("volumes", ())):
            for index, source in enumerate(volume.get("projected", {}).get("sources") or ()):
                if "serviceAccountToken" in source:
                    yield forbidden(
                        f"spec.volumes[{number}].projected.sources[{index}].serviceAccountToken",
                        "must not be specified when serviceAccountName is not set",
                    )


def _trimmed_images(spec: Object) -> Errors:
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            image = container.get("image", "")
            if image != image.strip():
                detail = "must not have leading or trailing whitespace"
                yield invalid(f"spec.{field}[{index}].image", image, detail)


def _pod_change(spec: Object, old: Object) -> Errors:
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(old.get(field) or ()):
            yield forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return
    path, deadline = "spec.activeDeadlineSeconds", spec.get("activeDeadlineSeconds")
    old_deadline = old.get("activeDeadlineSeconds")
    if deadline is None and old_deadline is not None:
        yield invalid(path, None, "must not update from a positive integer to nil value")
    elif deadline is not None and old_deadline is not None and old_deadline < deadline:
        yield invalid(path, deadline, "must be less than or equal to previous value")
        return
    tolerations, old_tolerations = spec.get("tolerations", []), old.get("tolerations", [])
    yield from check_added_tolerations(tolerations, old_tolerations, "spec.tolerations")
    yield from _gates_change(spec, old)
    before, after = _fixed(old), _fixed(spec)
    if old.get("terminationGracePeriodSeconds", 0) < 0:
        if after.get("terminationGracePeriodSeconds") == 1:
            after["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    if old.get("schedulingGates"):  # a pod that waits at a gate may still be told where to go
        for field in ("nodeSelector", "affinity"):
            before.pop(field, None)
            after.pop(field, None)
    if before != after:
        wanted = {**old, **after, **_with_images(spec, old)}
        changed = difference(old, wanted, "api.core.v1.PodSpec")
        yield forbidden(
            "spec", f"pod updates may not change fields other than {_UPDATABLE}\n{changed}"
        )


def _with_images(containers: Object, old: Object) -> Object:
    """Containers with the images that they had, which may change."""
    return {
        field: [
            {**new, "image": before.get("image", "")}
            for new, before in zip(containers[field], old[field], strict=True)
        ]
        for field in ("containers", "initContainers")
        if containers.get(field) and old.get(field)
    }


def _gates_change(spec: Object, old: Object) -> Errors:
    before = [gate.get("name") for gate in old.get("schedulingGates", ())]
    for index, gate in enumerate(spec.get("schedulingGates", ())):
        if gate.get("name") not in before:
            yield forbidden(
                f"spec.schedulingGates[{index}].name",
                f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
            )


def _fixed(spec: Object) -> Object:
    """The part of a pod's spec that must stay as it is."""
    fixed = {
        field: value
        for field, value in spec.items()
        if field not in ("activeDeadlineSeconds", "tolerations", "schedulingGates")
    }
    for field in ("containers", "initContainers"):
        if field in fixed:
            fixed[field] = [{**container, "image": ""} for container in fixed[field]]
    return fixed


def pod_template(obj: Object, _: Object | None) -> Errors:
    """A PodTemplate object."""
    yield from check_template(obj.get("template", {}), "template")


def check_template(template: Object, path: str, claims: Iterable[Object] = ()) -> Errors:
    """A template from which a controller makes pods.

    Args:
        template: the template.
        path: where it stands.
        claims: the claim templates of a StatefulSet, which become volumes of its pods.
    """
    meta = template.get("metadata", {})
    if "labels" in meta:
        yield from check_labels(meta["labels"], f"{path}.labels")
    if "annotations" in meta:
        yield from check_annotations(meta["annotations"], f"{path}.annotations")
    spec = template.get("spec", {})
    yield from check_pod_spec(spec, f"{path}.spec", claims)
    if spec.get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        yield forbidden(f"{path}.spec.ephemeralContainers", detail)


def check_long_running(template: Object, path: str, owner: str) -> Errors:
    """What controllers demand whose pods are never done."""
    spec = template.get("spec", {})
    if spec.get("restartPolicy") != "Always":
        policy = spec.get("restartPolicy", "")
        yield not_supported(f"{path}.spec.restartPolicy", policy, ("Always",))
    if "activeDeadlineSeconds" in spec:
        detail = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", detail)


def check_pod_spec(spec: Object, path: str, claims: Iterable[Object] = ()) -> Errors:
    """The spec of a pod, in a pod or in a template."""
    if spec.get("terminationGracePeriodSeconds") is None:
        yield required(f"{path}.terminationGracePeriodSeconds")
    wanted = [
        {"name": name, "persistentVolumeClaim": {"claimName": name}}
        for claim in claims
        if (name := claim.get("metadata", {}).get("name", ""))
    ]
    given = {volume["name"] for volume in wanted}
    others = [each for each in spec.get("volumes") or () if each.get("name") not in given]
    volumes, faults = check_volumes([*wanted, *others], f"{path}.volumes")
    yield from faults
    yield from check_containers(spec, volumes, path)
    if spec.get("hostNetwork"):
        yield from _host_network(spec, path)
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    if "nodeSelector" in spec:
        yield from check_labels(spec["nodeSelector"], f"{path}.nodeSelector")
    if spec.get("securityContext"):
        yield from _security(spec, f"{path}.securityContext")
    if "affinity" in spec:
        yield from check_affinity(spec["affinity"], f"{path}.affinity")
    if "dnsConfig" in spec or spec.get("dnsPolicy") == "None":
        yield from _dns(spec, f"{path}.dnsConfig")
    for index, gate in enumerate(spec.get("readinessGates", ())):
        kind = gate.get("conditionType", "")
        here = f"{path}.readinessGates[{index}].conditionType"
        yield from invalids(here, kind, names.label_key(kind))
    if "schedulingGates" in spec:
        yield from _gates(spec["schedulingGates"], f"{path}.schedulingGates")
    if "topologySpreadConstraints" in spec:
        constraints = spec["topologySpreadConstraints"]
        yield from check_spread(constraints, f"{path}.topologySpreadConstraints")
    for field, name_format in _NAMES:
        if spec.get(field):
            yield from invalids(f"{path}.{field}", spec[field], name_format(spec[field]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _LARGEST_SECONDS:
        detail = f"must be between 1 and {_LARGEST_SECONDS}, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, detail)
    if "tolerations" in spec:
        yield from check_tolerations(spec["tolerations"], f"{path}.tolerations")
    for index, alias in enumerate(spec.get("hostAliases", ())):
        here = f"{path}.hostAliases[{index}]"
        yield from invalids(f"{here}.ip", alias.get("ip", ""), names.ip(alias.get("ip", "")))
        for number, host in enumerate(alias.get("hostnames", ())):
            yield from invalids(f"{here}.hostnames[{number}]", host, names.dns_subdomain(host))
    if spec.get("resources"):
        at = f"{path}.resources"
        yield from check_requirements(spec["resources"], at, check_name=check_resource_name)
    system = spec.get("os")
    if system is not None and system.get("name") not in ("linux", "windows"):
        if system.get("name"):
            yield not_supported(f"{path}.os", system["name"], ("linux", "windows"))
        else:
            yield required(f"{path}.os.name", "cannot be empty")
    if "preemptionPolicy" in spec:
        policy = spec["preemptionPolicy"]
        yield from one_of(f"{path}.preemptionPolicy", policy, _PREEMPTION_POLICIES)


_NAMES: tuple[tuple[str, names.Format], ...] = (
    ("serviceAccountName", names.dns_subdomain),
    ("nodeName", names.dns_subdomain),
    ("hostname", names.dns_label),
    ("subdomain", names.dns_label),
    ("priorityClassName", names.dns_subdomain),
    ("runtimeClassName", names.dns_subdomain),
)


def _host_network(spec: Object, path: str) -> Errors:
    """On the node's network, a container's port is the node's port."""
    for index, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            host_port = port.get("hostPort", 0)
            if host_port and host_port != port.get("containerPort"):
                yield invalid(
                    f"{path}.containers[{index}].ports[{number}].hostPort",
                    host_port,
                    "must match `containerPort` when `hostNetwork` is true",
                )


def _security(spec: Object, path: str) -> Errors:
    context = spec["securityContext"]
    yield from check_user(context, path)
    for index, group in enumerate(context.get("supplementalGroups", ())):
        if not 0 <= group <= MOST_IDS:
            detail = f"must be between 0 and {MOST_IDS}, inclusive"
            yield invalid(f"{path}.supplementalGroups[{index}]", group, detail)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, detail)
    seen: set[str] = set()
    for index, sysctl in enumerate(context.get("sysctls", ())):
        name = sysctl.get("name", "")
        if not name:
            yield required(f"{path}.sysctls[{index}].name")
        elif names.sysctl(name):
            yield from invalids(f"{path}.sysctls[{index}].name", name, names.sysctl(name))
        elif name in seen:
            yield duplicate(f"{path}.sysctls[{index}].name", name)
        seen.add(name)
    supported = ("Always", "OnRootMismatch")
    if context.get("fsGroupChangePolicy", "Always") not in supported:
        policy = context["fsGroupChangePolicy"]
        yield not_supported(f"{path}.fsGroupChangePolicy", policy, supported)


def _dns(spec: Object, path: str) -> Errors:
    config = spec.get("dnsConfig")
    servers = (config or {}).get("nameservers", [])
    if spec.get("dnsPolicy") == "None" and config is None:
        yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
    elif spec.get("dnsPolicy") == "None" and not servers:
        yield required(
            f"{path}.nameservers",
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        )
    if len(servers) > 3:
        yield invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        yield from invalids(f"{path}.nameservers[{index}]", server, names.ip(server))
    for index, search in enumerate((config or {}).get("searches", ())):
        name = search if search == "." else search.removesuffix(".")
        if name != ".":
            yield from invalids(f"{path}.searches[{index}]", name, names.search_path(name))


def _gates(gates: Iterable[Object], path: str) -> Errors:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name", "")
        yield from invalids(f"{path}[{index}]", name, names.label_key(name))
        if name in seen:
            yield duplicate(f"{path}[{index}]", name)
        seen.add(name)
