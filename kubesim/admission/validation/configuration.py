"""What must hold for ConfigMaps and Secrets.

Source: pkg/apis/core/validation/validation.go (Kubernetes 1.37).
"""

from __future__ import annotations

import base64
import json

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    forbidden,
    immutable,
    invalid,
    invalids,
    required,
    too_long,
)
from kubesim.model import Object

SIZE_LIMIT = 1024 * 1024
"""All the data of a ConfigMap or Secret together, in bytes."""

_NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_ACCOUNT = "kubernetes.io/service-account.name"


def config_map(obj: Object, old: Object | None) -> Errors:
    """A ConfigMap."""
    if old is not None:
        yield from _locked(obj, old, ("data", "binaryData"))
    data, binary = obj.get("data", {}), obj.get("binaryData", {})
    size = 0
    for key, value in data.items():
        yield from invalids(f"data[{key}]", key, names.config_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        size += len(value.encode())
    for key, value in binary.items():
        yield from invalids(f"binaryData[{key}]", key, names.config_key(key))
        size += _decoded_size(value)
    if size > SIZE_LIMIT:
        yield too_long("[]", SIZE_LIMIT)


def secret(obj: Object, old: Object | None) -> Errors:
    """A Secret, and what its type demands of it."""
    kind, data = obj.get("type", ""), obj.get("data", {})
    if old is not None:
        yield from immutable("type", kind, old.get("type", ""))
        yield from _locked(obj, old, ("data",))
    size = 0
    for key, value in data.items():
        yield from invalids(f"data[{key}]", key, names.config_key(key))
        size += _decoded_size(value)
    if size > SIZE_LIMIT:
        yield too_long("data", SIZE_LIMIT)
    for key in _NEEDED_KEYS.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")
    if kind == "kubernetes.io/service-account-token":
        if not obj.get("metadata", {}).get("annotations", {}).get(_ACCOUNT):
            yield required(f"metadata.annotations[{_ACCOUNT}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield required("data[username]")
        yield required("data[password]")
    if kind.startswith("kubernetes.io/dockerc"):
        yield from _json(data, _NEEDED_KEYS[kind][0])


def _json(data: Object, key: str) -> Errors:
    """Credentials for a registry are a JSON object; what is wrong with it stays secret."""
    if key not in data:
        return
    try:
        content = json.loads(_decoded(data[key]))
        fault = "" if isinstance(content, dict) else "json: cannot unmarshal into an object"
    except ValueError:
        fault = "invalid character in JSON text"
    if fault:
        yield invalid(f"data[{key}]", "<secret contents redacted>", fault)


def _locked(obj: Object, old: Object, fields: tuple[str, ...]) -> Errors:
    if not old.get("immutable"):
        return
    detail = "field is immutable when `immutable` is set"
    if not obj.get("immutable"):
        yield forbidden("immutable", detail)
    for field in fields:
        if obj.get(field, {}) != old.get(field, {}):
            yield forbidden(field, detail)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def _decoded_size(text: str) -> int:
    """How many bytes a base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")
