"""The defaults of pods and of pod templates.

Source: pkg/apis/core/v1/defaults.go and the `+default` marks in k8s.io/api/core/v1/types.go,
Kubernetes 1.37. Some are for pods alone: a default that a template also got would change the hash
of every template on the next upgrade, and with it roll every Deployment.

What the server's admission plugins put into pods (priority, tolerations, the token of the
ServiceAccount) is no default and not done here; nor are pod-level resources aggregated from those
of the containers.
"""

from __future__ import annotations

import re
from typing import Any

from kubesim.admission.fill import (
    Rule,
    always,
    by,
    each,
    fill,
    fill_zero,
    put,
    within,
)
from kubesim.model import Object
from kubesim.quantity import Quantity

_POD_SPEC = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_PORT = {"protocol": "TCP"}
_MODE = {"defaultMode": 0o644}

_port = by(_PORT)
_http_get = by({"path": "/", "scheme": "HTTP"})
_grpc = by({"service": ""})
_field_ref = by({"apiVersion": "v1"})
_resource_field_ref = by({"divisor": "0"})

volume_claim_spec = by({"volumeMode": "Filesystem"})
"""The spec of a PersistentVolumeClaim, wherever it stands."""


def _probe(probe: Object) -> Object:
    probe = fill_zero(probe, _PROBE)
    probe = within(probe, "httpGet", _http_get)
    return within(probe, "grpc", _grpc)


def _hook(hook: Object) -> Object:
    return within(hook, "httpGet", _http_get)


def _lifecycle(lifecycle: Object) -> Object:
    return within(within(lifecycle, "postStart", _hook), "preStop", _hook)


def _downward(source: Object) -> Object:
    """What stands in an environment variable or a downward API file."""
    source = within(source, "fieldRef", _field_ref)
    return within(source, "resourceFieldRef", _resource_field_ref)


def _env(variable: Object) -> Object:
    return within(variable, "valueFrom", _downward) if "valueFrom" in variable else variable


def _container(container: Object) -> Object:
    container = fill(container, _CONTAINER)
    if not container.get("imagePullPolicy"):
        container = {**container, "imagePullPolicy": pull_policy(container.get("image", ""))}
    if container.get("ports"):
        container = each(container, "ports", _port)
    if container.get("env"):
        container = each(container, "env", _env)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            container = within(container, name, _probe)
    return within(container, "lifecycle", _lifecycle) if "lifecycle" in container else container


_REFERENCE = re.compile(
    r"([A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?:[:@].+)?"
)


def pull_policy(image: str) -> str:
    """When to pull an image, unless the pod says it: `latest` moves, every other tag is kept.

    The tag of what is no image's name counts as none, and not as `latest`.
    """
    if not _REFERENCE.fullmatch(image):
        return "IfNotPresent"
    name, digest, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    is_latest = tag == "latest" or (bool(name) and not colon and not digest)
    return "Always" if is_latest else "IfNotPresent"


def _with_mode(items: str, rule: Rule) -> Rule:
    return lambda source: each(fill(source, _MODE), items, rule)


def _projection(projection: Object) -> Object:
    projection = within(projection, "downwardAPI", lambda api: each(api, "items", _downward))
    return within(projection, "serviceAccountToken", by({"expirationSeconds": 3600}))


def _claim_template(template: Object) -> Object:
    return always(template, "spec", volume_claim_spec)


def _image_volume(image: Object) -> Object:
    return fill(image, {"pullPolicy": pull_policy(image.get("reference", ""))})


persistent_sources: dict[str, Rule] = {
    "azureDisk": by(
        {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"}
    ),
    "hostPath": by({"type": ""}),
    "iscsi": by({"iscsiInterface": "default"}),
    "rbd": by({"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
    "scaleIO": by({"storageMode": "ThinProvisioned", "fsType": "xfs"}),
}
"""Defaults by the source of a volume, for the sources that PersistentVolumes have too."""

_SOURCES: dict[str, Rule] = {
    **persistent_sources,
    "configMap": by(_MODE),
    "secret": by(_MODE),
    "downwardAPI": _with_mode("items", _downward),
    "projected": _with_mode("sources", _projection),
    "ephemeral": lambda source: within(source, "volumeClaimTemplate", _claim_template),
    "image": _image_volume,
}


def _volume(volume: Object) -> Object:
    if volume.keys() <= {"name"}:
        return {**volume, "emptyDir": {}}
    filled = volume
    for source in volume:
        if source in _SOURCES:
            filled = within(filled, source, _SOURCES[source])
    return filled


def pod_spec(spec: Object) -> Object:
    """The spec of a pod template, and what every pod has in common with it."""
    spec = fill(spec, _POD_SPEC)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:  # the old name of the field is kept as a mirror of the new one
        spec = put(put(spec, "serviceAccountName", account), "serviceAccount", account)
    spec = each(spec, "containers", _container)
    for name in ("initContainers", "ephemeralContainers"):
        if name in spec:
            spec = each(spec, name, _container)
    return each(spec, "volumes", _volume) if "volumes" in spec else spec


def pod_template(template: Object) -> Object:
    """A pod template, in any kind of object."""
    return always(template, "spec", pod_spec)


def pod(obj: Object) -> Object:
    """A pod: a template's defaults, and those that only pods have."""
    obj = always(obj, "spec", _real_pod_spec)
    status = obj.get("status") or {}
    first = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    return obj if status.keys() >= first.keys() else {**obj, "status": fill(status, first)}


def _real_pod_spec(spec: Object) -> Object:
    spec = fill(pod_spec(spec), {"enableServiceLinks": True})
    if spec["terminationGracePeriodSeconds"] < 0:
        spec = {**spec, "terminationGracePeriodSeconds": 1}
    host_network = bool(spec.get("hostNetwork"))
    for name in ("containers", "initContainers"):
        if name in spec:
            spec = each(spec, name, lambda container: _real_container(container, host_network))
    return within(spec, "resources", lambda own: _pod_requests(own, spec))


def _pod_requests(resources: Object, spec: Object) -> Object:
    """What a pod asks for as a whole, if it says only how much it may use as a whole: what its
    containers ask for together, or all that it may use."""
    limits, asked = resources.get("limits") or {}, resources.get("requests") or {}
    missing = {}
    for name in limits:
        if name not in asked and (name in ("cpu", "memory") or name.startswith("hugepages-")):
            own = [
                Quantity.of(amounts[name])
                for container in spec.get("containers") or ()
                if name in (amounts := (container.get("resources") or {}).get("requests") or {})
            ]
            missing[name] = str(sum(own[1:], own[0])) if own else limits[name]
    return {**resources, "requests": {**asked, **missing}} if missing else resources


def _real_container(container: Object, host_network: bool) -> Object:
    limits = container["resources"].get("limits")
    if limits:
        container = within(container, "resources", lambda own: _requests_from_limits(own, limits))
    if host_network:
        container = each(container, "ports", _host_port)
    return container


def _requests_from_limits(resources: Object, limits: Object) -> Object:
    return always(resources, "requests", by(limits))


def _host_port(port: Object) -> Object:
    return fill_zero(port, {"hostPort": port["containerPort"]}) if "containerPort" in port else port


def qos_class(spec: Object) -> str:
    """How soon a pod is evicted: Guaranteed, Burstable or BestEffort.

    Source: pkg/apis/core/v1/helper/qos; only cpu and memory count.
    """
    containers = [*(spec.get("containers") or ()), *spec.get("initContainers", ())]
    if spec.get("resources"):
        containers = [spec]  # of the pod as a whole
    asked: list[dict[str, Any]] = [
        {
            kind: {
                name: amount
                for name, amount in container.get("resources", {}).get(kind, {}).items()
                if name in ("cpu", "memory") and amount != "0"
            }
            for kind in ("requests", "limits")
        }
        for container in containers
    ]
    if not any(each_["requests"] or each_["limits"] for each_ in asked):
        return "BestEffort"
    guaranteed = all(
        each_["limits"].keys() == {"cpu", "memory"} and each_["requests"] == each_["limits"]
        for each_ in asked
    )
    return "Guaranteed" if guaranteed else "Burstable"
