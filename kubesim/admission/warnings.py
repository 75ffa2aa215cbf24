"""What the API server accepts, but not without a word: the `Warning` headers of a write.

Source: pkg/api/{pod,service,persistentvolume}/warnings.go and the `WarningsOnCreate` and
`WarningsOnUpdate` of the registry strategies (Kubernetes 1.37).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from kubesim.admission.pod_security import template_of
from kubesim.admission.validation import names
from kubesim.model import Object
from kubesim.quantity import Quantity

Warnings = Iterator[str]

JOBS_CHILDREN = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background "
    "to remove them or set propagationPolicy=Orphan to suppress this warning"
)
"""What is said when a Job is deleted by someone who does not say what becomes of its pods."""

_NODE_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
    "security.alpha.kubernetes.io/unsafe-sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_NO_POD = "a null labelSelector results in matching no pod"
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'


def warnings(obj: Object, old: Object | None) -> Warnings:
    """What is said of an object that was found valid.

    Args:
        obj: the object as it will be stored.
        old: as it was; None if it is new.
    """
    rule = _RULES.get(obj["kind"])
    if rule is not None:
        yield from rule(obj)
    if obj["kind"] in _TEMPLATES:
        template = template_of(obj)
        was = template_of(old) if old is not None else None
        if template is not None and template != was:
            at = _TEMPLATES[obj["kind"]]
            yield from _pod(template.get("spec") or {}, template.get("metadata") or {}, f"{at}.")
    elif obj["kind"] == "Pod" and old is None:
        name = obj["metadata"].get("name", "")
        faults = names.dns_label(name)
        if faults:
            yield (
                "metadata.name: this is used in the Pod's hostname, which can result in surprising "
                f"behavior; a DNS label is recommended: [{', '.join(faults)}]".replace(
                    "no more than 63 bytes", "no more than 63 characters"
                )
            )
        yield from _pod(obj.get("spec") or {}, obj["metadata"], "")


_TEMPLATES = {
    "CronJob": "spec.jobTemplate.spec.template",
    "PodTemplate": "template",
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        "spec.template",
    ),
}
"""Where the pod template of a kind is."""


# -- Pods ------------------------------------------------------------------------------------------


def _pod(spec: Object, metadata: Object, at: str) -> Warnings:
    """A pod, or a template at a path that ends in a dot."""
    annotations = metadata.get("annotations") or {}
    for key in spec.get("nodeSelector") or {}:
        if key in _NODE_LABELS:
            since, new = _NODE_LABELS[key]
            detail = f'deprecated since {since}; use "{new}" instead'
            yield f"{at}spec.nodeSelector[{key}]: {detail}"
    for index, spread in enumerate(spec.get("topologySpreadConstraints") or ()):
        if "labelSelector" not in spread:
            yield f"{at}spec.topologySpreadConstraints[{index}].labelSelector: {_NO_POD}"
    for key, text in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{at}metadata.annotations[{key}]: {text}"
    yield from _volumes(spec.get("volumes") or (), f"{at}spec.volumes")
    yield from _duplicates(spec, "hostAliases", "ip", at)
    yield from _duplicates(spec, "imagePullSecrets", "name", at)
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{at}spec.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _fractions(spec.get("overhead") or {}, f"{at}spec.overhead")
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    key = "seccomp.security.alpha.kubernetes.io/pod"
    if profile is None and key in annotations:
        yield f"{at}metadata.annotations[{key}]: {_SECCOMP}"
    for path, container in _containers(spec, at):
        for kind in ("limits", "requests"):
            amounts = (container.get("resources") or {}).get(kind) or {}
            yield from _fractions(amounts, f"{path}.resources.{kind}", only="memory")
        for kind in ("limits", "requests"):
            amounts = (container.get("resources") or {}).get(kind) or {}
            yield from _fractions(amounts, f"{path}.resources.{kind}", only="ephemeral-storage")
        yield from _hidden(container.get("env") or (), f"{path}.env")
    yield from _ports(spec, at)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        yield (
            f"{at}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid "
            "and will be treated as 1"
        )
    yield from _affinity(spec.get("affinity") or {}, f"{at}spec.affinity")


def _containers(spec: Object, at: str) -> Iterator[tuple[str, Object]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield f"{at}spec.{kind}[{index}]", container


def _volumes(volumes: Iterable[Object], at: str) -> Warnings:
    for index, volume in enumerate(volumes):
        for source, text in _VOLUMES.items():
            if source in volume:
                called = "storageOS" if source == "storageos" else source
                yield f"{at}[{index}].{called}: {text}"
        if "projected" in volume and not volume["projected"].get("sources"):
            yield f'volume "{volume.get("name", "")}" (Projected) has no sources provided'


def _duplicates(spec: Object, field: str, key: str, at: str) -> Warnings:
    seen = set()
    for index, item in enumerate(spec.get(field) or ()):
        value = item.get(key, "")
        if value in seen:
            yield f"{at}spec.{field}[{index}].{key}: duplicate {key} {json.dumps(value)}"
        seen.add(value)


def _fractions(amounts: Object, at: str, only: str = "") -> Warnings:
    for name in (only,) if only else ("memory", "ephemeral-storage"):
        amount = amounts.get(name)
        if amount is not None and Quantity.of(amount).number % 1:
            yield f'{at}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _hidden(variables: Iterable[Object], at: str) -> Warnings:
    seen = set()
    for index, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value", "")
        itself = f"$({name})"
        builds_on_it = "valueFrom" not in variable and itself in value and value != itself
        if name in seen and not builds_on_it:
            yield (
                f"{at}[{index}]: hides previous definition of {json.dumps(name)}, which may be "
                "dropped when using apply"
            )
        seen.add(name)


def _ports(spec: Object, at: str) -> Warnings:
    known: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    for path, container in _containers(spec, at):
        for index, port in enumerate(container.get("ports") or ()):
            here = f"{path}.ports[{index}]"
            key = port.get("containerPort", 0), port.get("protocol", "")
            for other, known_port in known.get(key, ()):
                mine, theirs = (
                    (each.get("hostIP", ""), each.get("hostPort", 0)) for each in (port, known_port)
                )
                if mine == theirs:
                    yield f"{here}: duplicate port definition with {other}"
                elif not mine[1] or not theirs[1]:
                    yield f"{here}: overlapping port definition with {other}"
                elif mine[1] == theirs[1] and bool(mine[0]) != bool(theirs[0]):
                    yield f"{here}: dangerously ambiguous port definition with {other}"
            known.setdefault(key, []).append((here, port))


def _affinity(affinity: Object, at: str) -> Warnings:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        name = "requiredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(terms.get(name) or ()):
            if "labelSelector" not in term:
                yield f"{at}.{kind}.{name}[{index}].labelSelector: {_NO_POD}"
        name = "preferredDuringSchedulingIgnoredDuringExecution"
        for index, weighted in enumerate(terms.get(name) or ()):
            if "labelSelector" not in (weighted.get("podAffinityTerm") or {}):
                yield f"{at}.{kind}.{name}[{index}].podAffinityTerm.labelSelector: {_NO_POD}"


# -- Other kinds -----------------------------------------------------------------------------------


def _service(service: Object) -> Warnings:
    spec = service.get("spec") or {}
    kind = spec.get("type")
    hints = "service.kubernetes.io/topology-aware-hints"
    if hints in (service["metadata"].get("annotations") or {}):
        mode = "service.kubernetes.io/topology-mode"
        yield f"annotation {hints} is deprecated, please use {mode} instead"
    if kind == "ClusterIP" and spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.get("externalIPs"):
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    if kind == "ExternalName" and spec.get("externalIPs"):
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _volume(volume: Object) -> Warnings:
    if (volume.get("spec") or {}).get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )


def _secret(secret: Object) -> Warnings:
    data = secret.get("data") or {}
    if secret.get("type") == "kubernetes.io/tls" and not data.get("tls.crt"):
        yield "tls: failed to find any PEM data in certificate input"


def _endpoint_slice(piece: Object) -> Warnings:
    if piece.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"


_RULES: dict[str, Callable[[Object], Warnings]] = {
    "EndpointSlice": _endpoint_slice,
    "PersistentVolume": _volume,
    "Secret": _secret,
    "Service": _service,
}
