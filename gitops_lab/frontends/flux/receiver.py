"""notification-controller's Receiver: a webhook that has sources reconciled at once.

It only wakes objects: what they find is what upstream has, not what the request says.

Source: notification-controller 1.9, internal/{controller,server}/receiver_*.go.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

from gitops_lab.errors import ApiError
from gitops_lab.frontends.conditions import Status, is_true
from gitops_lab.frontends.controller import Controller, Fingerprint, Reconcile
from gitops_lab.frontends.events import Recorder
from gitops_lab.frontends.flux import api
from gitops_lab.frontends.flux.definitions import KINDS, api_version
from gitops_lab.frontends.flux.durations import seconds
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster

COMPONENT = "notification-controller"
MANAGER = "gotk-notification-controller"

SIMULATED = ("generic", "generic-hmac", "github", "gitlab")
"""The types whose requests can be validated here."""


class Refused(Exception):
    """A request does not prove that it may wake anything."""


class Receivers(Controller):
    """Reconciles Receiver objects, and answers requests to their paths.

    Args:
        cluster: reached with notification-controller's credentials.
        events: tells what happened.
        random: draws the jitter of intervals.
    """

    kind, api_version = "Receiver", api_version("Receiver")

    def __init__(self, cluster: Cluster, *, events: Recorder, random: Random) -> None:
        super().__init__(cluster)
        self.events, self.random = events, random

    def fingerprint(self, obj: Object) -> Fingerprint:
        """The generation, a deletion, and requests to reconcile at once."""
        return (*super().fingerprint(obj), api.requested_at(obj))

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """Find the token, and publish the path that follows from it."""
        obj = self.get(key)
        if obj is None:
            return None
        if api.is_deleting(obj):
            api.drop_finalizer(self.cluster, obj, COMPONENT)
            return None
        if api.add_finalizer(self.cluster, obj, COMPONENT):
            return 0.0
        status = Status(self.cluster, obj, MANAGER)
        api.note_request(status, obj)
        if api.is_suspended(obj):
            status.save()
            return None
        if obj["spec"]["type"] not in SIMULATED:
            message = f"not simulated: spec.type {obj['spec']['type']}"
            for kind, value in (("Stalled", "True"), ("Ready", "False")):
                status.set(kind, value, "NotSimulated", message, now)
            status.fields["observedGeneration"] = status.generation
            status.save()
            return None
        token = self._token(obj)
        if token is None:
            name = (obj["spec"].get("secretRef") or {}).get("name", "")
            where = f"{key.namespace}/{name}"
            error = f'Secret "{name}" not found'
            message = f"unable to read token from secret '{where}' error: {error}"
            status.set("Ready", "False", "TokenNotFound", message, now)
            status.set("Reconciling", "True", "ProgressingWithRetry", message, now)
            status.save()
            self.events(obj, now, "TokenNotFound", message, "Warning")
            return self.backoff(key)
        self.failures.pop(key, None)
        was_ready, old = status.is_true("Ready"), status.fields.get("webhookPath")
        path = webhook_path(token, key)
        message = f"Receiver initialized for path: {path}"
        status.fields |= {"webhookPath": path, "observedGeneration": status.generation}
        status.remove("Reconciling", "Stalled")
        status.set("Ready", "True", "Succeeded", message, now)
        status.save()
        if not was_ready or old != path:
            self.events(obj, now, "Succeeded", message)
        yield 0
        return api.jittered(seconds(obj["spec"].get("interval", "10m")), self.random)

    def _token(self, obj: Object) -> str | None:
        name = (obj["spec"].get("secretRef") or {}).get("name", "")
        secret = self.cluster.get(ObjectKey("", "Secret", obj["metadata"]["namespace"], name))
        encoded = ((secret or {}).get("data") or {}).get("token")
        return b64decode(encoded).decode() if encoded else None

    # -- requests -------------------------------------------------------------------------------

    def post(self, path: str, headers: Mapping[str, str], body: bytes, now: float) -> int:
        """Answer a request to the webhook server; the HTTP status code.

        Args:
            path: of the request, `/hook/…`.
            headers: of the request; upper and lower case of names does not matter.
            body: of the request.
            now: the present instant, in seconds since the Unix epoch.
        """
        found = [obj for obj in self.list() if (obj.get("status") or {}).get("webhookPath") == path]
        if not found:
            return 404
        for obj in found:
            if api.is_suspended(obj) or not is_true(obj, "Ready"):
                return 503
            try:
                self._validate(obj, {name.lower(): v for name, v in headers.items()}, body)
            except Refused:
                return 400
            for key in self._resources(obj):
                self._wake(key, now)
        return 200

    def addressed(self, body: bytes) -> list[tuple[str, dict[str, str]]]:
        """Path and headers of the requests by which a forge tells every Receiver of a push."""
        requests = []
        for obj in self.list():
            path, token = (obj.get("status") or {}).get("webhookPath"), self._token(obj)
            if not path or token is None:
                continue
            requests.append((path, _headers(obj["spec"]["type"], token, body)))
        return requests

    def _validate(self, obj: Object, headers: Mapping[str, str], body: bytes) -> None:
        token, kind = self._token(obj) or "", obj["spec"]["type"]
        events = obj["spec"].get("events") or ()
        if kind == "generic-hmac":
            _check_signature(headers.get("x-signature", ""), token, body)
        elif kind == "github":
            _check_signature(headers.get("x-hub-signature-256", ""), token, body)
            _check_event(headers.get("x-github-event", ""), events)
        elif kind == "gitlab":
            if not hmac.compare_digest(headers.get("x-gitlab-token", ""), token):
                raise Refused("the token does not match")
            _check_event(headers.get("x-gitlab-event", ""), events)

    def _resources(self, obj: Object) -> list[ObjectKey]:
        """The objects that a Receiver wakes."""
        keys: list[ObjectKey] = []
        for each in obj["spec"]["resources"]:
            if each["kind"] not in KINDS:
                continue
            namespace = each.get("namespace") or obj["metadata"]["namespace"]
            key = api.key_of(each["kind"], namespace, each["name"])
            if each["name"] != "*":
                keys.append(key)
                continue
            labels = each.get("matchLabels") or {}
            live = self.cluster.list(key.group, key.kind, namespace=namespace, labels=labels)
            keys += [ObjectKey.of(found) for found in live]
        return keys

    def _wake(self, key: ObjectKey, now: float) -> None:
        at = datetime.fromtimestamp(now, UTC).isoformat()
        patch = {"metadata": {"annotations": {api.REQUESTED_AT: at}}}
        try:
            self.cluster.patch(key, patch, manager=COMPONENT)
        except ApiError as error:
            if error.code != 404:
                raise


def webhook_path(token: str, key: ObjectKey) -> str:
    """The path of a Receiver, which only those who know the token can tell."""
    text = f"{token}{key.name}{key.namespace}"
    return f"/hook/{hashlib.sha256(text.encode()).hexdigest()}"


def signature(token: str, body: bytes) -> str:
    """The value of `X-Signature` and `X-Hub-Signature-256` for a request."""
    return f"sha256={hmac.new(token.encode(), body, hashlib.sha256).hexdigest()}"


def _headers(kind: str, token: str, body: bytes) -> dict[str, str]:
    """What a forge of some type sends along with a push."""
    match kind:
        case "generic-hmac":
            return {"X-Signature": signature(token, body)}
        case "github":
            return {"X-Hub-Signature-256": signature(token, body), "X-GitHub-Event": "push"}
        case "gitlab":
            return {"X-Gitlab-Token": token, "X-Gitlab-Event": "Push Hook"}
    return {}


def _check_signature(given: str, token: str, body: bytes) -> None:
    if not hmac.compare_digest(given, signature(token, body)):
        raise Refused("the signature does not match")


def _check_event(name: str, allowed: Any) -> None:
    if allowed and name.lower() not in [each.lower() for each in allowed]:
        raise Refused(f"the event {name!r} is not authorised")


def push_payload(revision: str) -> bytes:
    """The body of a forge's request after a push."""
    return json.dumps({"revision": revision}).encode()
