"""What a container finds when it starts: environment variables and mounted configuration.

Source: core/v1 EnvVar, EnvFromSource and Volume; messages of Kubernetes 1.37's kubelet.
Environment variables are read once, at the start; mounted files follow their ConfigMap.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kubesim.model import Object
from kubesim.store import Store

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


LONGEST, MOST = 128 * 1024, 2 * 1024 * 1024
"""How many characters one variable may have with its name, and all of them together. Source: Linux,
`MAX_ARG_STRLEN` and a quarter of the usual stack limit (execve(2))."""


class TooLong(Exception):
    """No process can be started with so long an environment; the text is the runtime's sentence."""

    def __init__(self) -> None:
        super().__init__(
            "failed to create containerd task: failed to create shim task: OCI runtime create "
            "failed: runc create failed: unable to start container process: error during container "
            "init: exec: argument list too long"
        )


class Missing(Exception):
    """A ConfigMap, a Secret or a key in one is not there; the text is the kubelet's sentence."""


def environment(store: Store, pod: Object, container: Mapping[str, Any]) -> dict[str, str]:
    """A container's environment variables.

    Args:
        store: where ConfigMaps and Secrets are read.
        pod: the pod, for references to its own fields.
        container: the container's spec.

    Raises:
        Missing: something that is not optional is not there.
        TooLong: Linux could not start a process with it.
    """
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for kind in ("configMapRef", "secretRef"):
            if kind in source:
                values = _values(store, kind, namespace, source[kind])
                found |= {source.get("prefix", "") + key: text for key, text in values.items()}
    for variable in container.get("env") or ():
        value = variable.get("valueFrom")
        if value is None:
            text: str | None = _expand(variable.get("value", ""), found)
        elif "fieldRef" in value:
            text = _field(pod, value["fieldRef"]["fieldPath"])
        else:
            text = _key(store, namespace, value)
        if text is not None:
            found[variable["name"]] = text
    sizes = [len(name) + len(text) for name, text in found.items()]
    if sum(sizes) > MOST or max(sizes, default=0) > LONGEST:
        raise TooLong
    return found


def missing_volume(store: Store, pod: Object) -> str:
    """Why the pod's volumes cannot be mounted, as the kubelet says it; empty if they can."""
    if why := _unclaimed(store, pod):
        return why
    for name, kind, reference in _volumes(pod["spec"]):
        try:
            values = _values(store, kind, pod["metadata"]["namespace"], reference)
        except Missing as missing:
            return f'MountVolume.SetUp failed for volume "{name}" : {missing}'
        for item in reference.get("items") or ():
            if item["key"] not in values and not reference.get("optional"):
                where = "configmap" if kind == "configMapRef" else "secret"
                return (
                    f'MountVolume.SetUp failed for volume "{name}" : '
                    f"{where} references non-existent {where} key: {item['key']}"
                )
    return ""


def _unclaimed(store: Store, pod: Object) -> str:
    """Which claim's volume the pod cannot have yet.

    The scheduler sees to claims first, so only a pod that chose its node itself gets here with
    one that is not bound.
    """
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" not in volume:
            continue
        namespace, name = pod["metadata"]["namespace"], volume["persistentVolumeClaim"]["claimName"]
        claim = store.get(("", "persistentvolumeclaims", namespace, name))
        if claim is None:
            why = f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found'
        elif "deletionTimestamp" in claim["metadata"]:
            why = "PVC is being deleted"
        elif (claim.get("status") or {}).get("phase") != "Bound":
            why = "PVC is not bound"
        else:
            continue
        return (
            f"Unable to attach or mount volumes: unmounted volumes=[{volume['name']}], "
            f"unattached volumes=[], failed to process volumes=[{volume['name']}]: "
            f"error processing PVC {namespace}/{name}: {why}"
        )
    return ""


def files(store: Store, pod: Object, container: Mapping[str, Any]) -> dict[str, str]:
    """Mounted ConfigMaps and Secrets of a container by path, as they are now."""
    found: dict[str, str] = {}
    for name, kind, reference in _volumes(pod["spec"]):
        mounts = [each for each in container.get("volumeMounts") or () if each["name"] == name]
        if not mounts:
            continue
        try:
            values = _values(store, kind, pod["metadata"]["namespace"], reference)
        except Missing:
            continue
        if reference.get("items"):
            values = {
                item["path"]: values[item["key"]]
                for item in reference["items"]
                if item["key"] in values
            }
        for mount in mounts:
            where, part = mount["mountPath"].rstrip("/"), mount.get("subPath")
            if part is None:
                found |= {f"{where}/{file}": text for file, text in values.items()}
            elif part in values:
                found[where] = values[part]
    return found


def _volumes(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Volume name, kind and reference of every ConfigMap and Secret that is mounted."""
    for volume in spec.get("volumes") or ():
        sources = (volume.get("projected") or {}).get("sources") or [volume]
        for source in sources:
            if "configMap" in source:
                yield volume["name"], "configMapRef", source["configMap"]
            if "secret" in source:
                secret = source["secret"]
                name = secret.get("secretName") or secret.get("name", "")
                yield volume["name"], "secretRef", {**secret, "name": name}


def _values(
    store: Store, kind: str, namespace: str, reference: Mapping[str, Any]
) -> dict[str, str]:
    plural, noun = ("configmaps", "configmap") if kind == "configMapRef" else ("secrets", "secret")
    name = reference.get("name", "")
    obj = store.get(("", plural, namespace, name))
    if obj is None:
        if reference.get("optional"):
            return {}
        raise Missing(f'{noun} "{name}" not found')
    data: dict[str, str] = obj.get("data") or {}
    if plural == "configmaps":
        return data
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def _key(store: Store, namespace: str, value: Mapping[str, Any]) -> str | None:
    for kind, noun, source in (
        ("configMapRef", "ConfigMap", value.get("configMapKeyRef")),
        ("secretRef", "Secret", value.get("secretKeyRef")),
    ):
        if source is None:
            continue
        values = _values(store, kind, namespace, source)
        if source["key"] not in values and not source.get("optional"):
            raise Missing(
                f"couldn't find key {source['key']} in {noun} {namespace}/{source['name']}"
            )
        return values.get(source["key"])
    return ""  # a resourceFieldRef: sizes are not simulated


def _field(pod: Object, path: str) -> str:
    if subscript := _SUBSCRIPT.fullmatch(path):
        return str((pod["metadata"].get(subscript[1]) or {}).get(subscript[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def _expand(text: str, known: Mapping[str, str]) -> str:
    """Put earlier variables in for `$(NAME)`; `$$` is a dollar.

    Raises:
        TooLong: what comes out is; then no more of it is made.
    """
    size, parts, end = 0, list[str](), 0
    for found in _REFERENCE.finditer(text):
        value = "$" if found[0] == "$$" else known.get(found[1], found[0])
        parts += text[end : found.start()], value
        size, end = size + found.start() - end + len(value), found.end()
        if size > LONGEST:
            raise TooLong
    return "".join((*parts, text[end:]))
