"""The admission plugins that the real server has on by default and that fill in or refuse things.

Source: plugin/pkg/admission/{namespace/lifecycle, limitranger, serviceaccount, priority,
defaulttolerationseconds, storage/storageclass/setdefault, storage/storageobjectinuseprotection,
network/defaultingressclass}, Kubernetes 1.37. What only refuses is in `policies`. Webhooks are left
out.
"""

from __future__ import annotations

from random import Random
from typing import Any

from kubesim import refusals
from kubesim.admission import limit_ranges
from kubesim.api.policies import limits
from kubesim.api.strategy import suffix
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Store

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
"""Annotation of the StorageClass of claims that name none."""

DEFAULT_INGRESS_CLASS = "ingressclass.kubernetes.io/is-default-class"
"""Annotation of the IngressClass of Ingresses that name none."""

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
"""How an Ingress named its class before there was a field for it."""

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3607  # an hour, and seven seconds by which the plugin's own tokens are known
_PATIENCE = 300  # seconds a pod stays on a node that is lost


def check_namespace(store: Store, resource: Resource, namespace: str, name: str) -> None:
    """NamespaceLifecycle: nothing is created where there is no namespace, or no longer one.

    Raises:
        ApiError: 404 for a namespace that does not exist, 403 for one that is terminating.
    """
    found = store.get(("", "namespaces", "", namespace))
    if found is None:
        raise refusals.not_found("", "namespaces", namespace)
    if "deletionTimestamp" in found["metadata"]:
        why = (
            f"unable to create new content in namespace {namespace} because it is being terminated"
        )
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        raise refusals.forbidden(resource.group, resource.plural, name, why, [cause])


def admit_pod(pod: Object, store: Store, rng: Random) -> Object:
    """A new pod with its namespace's default amounts, its ServiceAccount's token, its priority
    and its tolerations.

    Raises:
        ApiError: 403: its ServiceAccount or its PriorityClass does not exist.
    """
    ranges = limits(store, pod["metadata"]["namespace"])
    if ranges:
        pod = limit_ranges.filled(pod, ranges)
    spec = dict(pod["spec"])
    _service_account(pod, spec, store, rng)
    _priority(pod, spec, store)
    _tolerations(spec)
    _runtime_class(pod, spec, store)
    return {**pod, "spec": spec}


def _runtime_class(pod: Object, spec: Object, store: Store) -> None:
    """What the way in which a pod is run adds to it (plugin/pkg/admission/runtimeclass)."""
    name, given = spec.get("runtimeClassName"), spec.get("overhead")
    overhead = None
    if name:
        found = store.get(("node.k8s.io", "runtimeclasses", "", name))
        if found is None:
            raise _rejected(pod, f'RuntimeClass "{name}" not found')
        overhead = (found.get("overhead") or {}).get("podFixed")
        placed = found.get("scheduling") or {}
        for label, value in (placed.get("nodeSelector") or {}).items():
            if spec.setdefault("nodeSelector", {}).get(label, value) != value:
                detail = "conflict: runtimeClass.scheduling.nodeSelector"
                raise _rejected(pod, f"{detail} and pod.spec.nodeSelector")
            spec["nodeSelector"] = {**spec["nodeSelector"], label: value}
        more = [each for each in placed.get("tolerations") or () if each not in spec["tolerations"]]
        spec["tolerations"] = [*spec["tolerations"], *more]
    if given and not overhead:
        raise _rejected(pod, "Pod Overhead set without corresponding RuntimeClass defined Overhead")
    if given and given != overhead:
        raise _rejected(pod, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    if overhead:
        spec["overhead"] = dict(overhead)


def _rejected(pod: Object, why: str) -> Exception:
    return refusals.forbidden("", "pods", pod["metadata"]["name"], f"pod rejected: {why}")


def admit_resize(pod: Object, store: Store) -> Object:
    """A pod whose amounts are changed, with its namespace's defaults where it states none."""
    ranges = limits(store, pod["metadata"].get("namespace", ""))
    return limit_ranges.filled(pod, ranges) if ranges else pod


def admit_claim(claim: Object, store: Store) -> Object:
    """A new PersistentVolumeClaim with the default class, if it names none, and protected."""
    spec = claim.get("spec") or {}
    usual = default_class(store) if "storageClassName" not in spec else None
    if usual is not None:
        claim = {**claim, "spec": {**spec, "storageClassName": usual}}
    return _protected(_with_both_sources(claim), "kubernetes.io/pvc-protection")


def _with_both_sources(claim: Object) -> Object:
    """A new claim whose two fields for what it is filled from say the same.

    The older one takes claims and snapshots only, and loses anything else. (Source: pkg/api/
    persistentvolumeclaim, EnforceDataSourceBackwardsCompatibility and NormalizeDataSources.)
    """
    spec = dict(claim.get("spec") or {})
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    known = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))
    if source and (source.get("apiGroup") or "", source.get("kind", "")) not in known:
        source = spec.pop("dataSource")
        source = None
    if source and not ref:
        spec["dataSourceRef"] = dict(source)
    elif ref and not source and not ref.get("namespace"):
        spec["dataSource"] = dict(ref)
    return claim if spec == claim.get("spec") else {**claim, "spec": spec}


def admit_ingress(ingress: Object, store: Store) -> Object:
    """A new Ingress with the default class, if it names none, by field or by annotation.

    Of several default classes the newest counts.
    """
    spec = ingress.get("spec") or {}
    annotations = ingress["metadata"].get("annotations") or {}
    if "ingressClassName" in spec or CLASS_ANNOTATION in annotations:
        return ingress
    usual = _usual(store, ("networking.k8s.io", "ingressclasses"), DEFAULT_INGRESS_CLASS)
    return {**ingress, "spec": {**spec, "ingressClassName": usual}} if usual else ingress


def admit_volume(volume: Object) -> Object:
    """A new PersistentVolume, protected from going while it is in use."""
    return _protected(volume, "kubernetes.io/pv-protection")


def default_class(store: Store) -> str | None:
    """The name of the default StorageClass: of several, the newest; None if there is none."""
    return _usual(store, ("storage.k8s.io", "storageclasses"), DEFAULT_CLASS)


def _usual(store: Store, resource: tuple[str, str], annotation: str) -> str | None:
    """The name of the newest object that an annotation calls the default; of equals, the first."""
    usual = [
        each["metadata"]
        for each in store.list(*resource)
        if (each["metadata"].get("annotations") or {}).get(annotation) == "true"
    ]
    usual.sort(key=lambda metadata: metadata["creationTimestamp"], reverse=True)
    return usual[0]["name"] if usual else None


def _protected(obj: Object, finalizer: str) -> Object:
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer in finalizers:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "finalizers": [*finalizers, finalizer]}}


def _forbidden(pod: Object, why: str) -> Exception:
    return refusals.forbidden("", "pods", pod["metadata"]["name"], why)


def _service_account(pod: Object, spec: Object, store: Store, rng: Random) -> None:
    name = spec.get("serviceAccountName") or "default"
    namespace = pod["metadata"]["namespace"]
    account = store.get(("", "serviceaccounts", namespace, name))
    if account is None:
        # The plugin waits up to a second for the one that every namespace is given.
        if name != "default":
            raise _forbidden(
                pod,
                f"error looking up service account {namespace}/{name}: "
                f'serviceaccount "{name}" not found',
            )
        account = {}
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    wants = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken"))
    if wants is not False:
        _mount_token(spec, rng)


def _mount_token(spec: Object, rng: Random) -> None:
    """The token, the cluster's certificate and the namespace, as files in every container."""
    volumes = spec.get("volumes") or []
    prefix = "kube-api-access-"
    name = next((v["name"] for v in volumes if v["name"].startswith(prefix)), "")
    is_new = not name
    if is_new:
        name = prefix + suffix(rng)
    mount = {"name": name, "mountPath": _TOKEN_PATH, "readOnly": True}
    is_mounted = False
    for kind in ("initContainers", "containers"):
        containers = spec.get(kind)
        if not containers:
            continue
        mounted = [_mounted(container, mount) for container in containers]
        if any(new is not old for new, old in zip(mounted, containers, strict=True)):
            spec[kind], is_mounted = mounted, True
    if is_new and is_mounted:
        spec["volumes"] = [*volumes, {"name": name, "projected": _projection()}]


def _mounted(container: Object, mount: Object) -> Object:
    mounts = container.get("volumeMounts") or []
    if any(each["mountPath"] == _TOKEN_PATH for each in mounts):
        return container
    return {**container, "volumeMounts": [*mounts, mount]}


def _projection() -> dict[str, Any]:
    namespace = {
        "path": "namespace",
        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
    }
    certificate = {"key": "ca.crt", "path": "ca.crt"}
    return {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [certificate]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
    }


def _priority(pod: Object, spec: Object, store: Store) -> None:
    name = spec.get("priorityClassName")
    if name:
        chosen = store.get(("scheduling.k8s.io", "priorityclasses", "", name))
        if chosen is None:
            raise _forbidden(pod, f"no PriorityClass with name {name} was found")
    else:
        classes = store.list("scheduling.k8s.io", "priorityclasses")
        usual = [each for each in classes if each.get("globalDefault")]
        chosen = min(usual, key=lambda each: each["value"], default=None)
        if chosen is not None:
            spec["priorityClassName"] = chosen["metadata"]["name"]
    value = chosen["value"] if chosen else 0
    if spec.get("priority", value) != value:
        raise _forbidden(
            pod,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod "
            f"spec; priority admission controller computed {value} from the given "
            "PriorityClass name",
        )
    spec["priority"] = value
    policy = (chosen or {}).get("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("preemptionPolicy", policy)


def _tolerations(spec: Object) -> None:
    """A pod leaves a node that is lost after five minutes, unless it says otherwise."""
    tolerations = spec.get("tolerations") or []
    added = []
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        if not any(
            each.get("key", key) == key and each.get("effect", "NoExecute") == "NoExecute"
            for each in tolerations
        ):
            added.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _PATIENCE,
                }
            )
    if added:
        spec["tolerations"] = [*tolerations, *added]
