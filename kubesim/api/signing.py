"""CertificateSigningRequests: who asks, who agrees, and who signs are three parties.

Each writes a part of its own: the requester the spec, once; who approves the conditions, through
the subresource `approval`; the signer the certificate, through `status`.

Source: pkg/registry/certificates/certificates/strategy.go (Kubernetes 1.37).
"""

from __future__ import annotations

from typing import Any

from kubesim.api.options import Options
from kubesim.model import Object

RESOURCE = ("certificates.k8s.io", "certificatesigningrequests")

CLIENTS = "kubernetes.io/kube-apiserver-client"
"""The signer of certificates by which people and programs prove to the API server who they are."""

_WHO = ("username", "uid", "groups", "extra")
_VERDICTS = ("Approved", "Denied")


def requested(request: Object, options: Options) -> Object:
    """A new request with the user who made it, not the user that it names itself."""
    spec = {key: value for key, value in (request.get("spec") or {}).items() if key not in _WHO}
    return {**request, "spec": {**spec, "username": options.user, "groups": list(options.groups)}}


def changed(request: Object, old: Object, subresource: str, now: str) -> Object:
    """A request as it may be changed.

    Args:
        request: as its writer wants it.
        old: as it is stored.
        subresource: `approval`, `status` or empty.
        now: when, as Kubernetes writes it.
    """
    kept = {**old, "metadata": request["metadata"]}
    if not subresource:
        return kept
    before, wanted = old.get("status") or {}, request.get("status") or {}
    conditions = wanted.get("conditions") or []
    if subresource == "approval":
        status = dict(before)
    else:
        status = dict(wanted)
        conditions = [
            *(each for each in before.get("conditions") or () if each["type"] in _VERDICTS),
            *(each for each in conditions if each.get("type") not in _VERDICTS),
        ]
    status.pop("conditions", None)
    if conditions:
        status["conditions"] = [_timed(each, before, now) for each in conditions]
    return {**kept, "status": status} if status else kept


def _timed(condition: dict[str, Any], before: Object, now: str) -> dict[str, Any]:
    same = (
        each["lastTransitionTime"]
        for each in before.get("conditions") or ()
        if (each["type"], each["status"]) == (condition.get("type"), condition.get("status"))
    )
    since = next(same, now)
    return {
        **condition,
        "lastUpdateTime": condition.get("lastUpdateTime") or now,
        "lastTransitionTime": condition.get("lastTransitionTime") or since,
    }
