"""What must hold for kinds with few rules: RuntimeClasses, Leases, Events, webhooks.

Source: pkg/apis/{node,coordination,core,admissionregistration}/validation (Kubernetes 1.37).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    at_least,
    immutable,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.model import Object

_REVIEW_VERSIONS = ("v1", "v1beta1")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")


def runtime_class(obj: Object, old: Object | None) -> Errors:
    """A RuntimeClass; what runs its pods is fixed."""
    handler = obj.get("handler", "")
    if old is not None:
        yield from immutable("handler", handler, old.get("handler", ""))
    elif handler:
        yield from invalids("handler", handler, names.dns_label(handler))
    else:
        yield required("handler")


def lease(obj: Object, _: Object | None) -> Errors:
    """A Lease."""
    spec = obj.get("spec", {})
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    yield from at_least("spec.leaseTransitions", spec.get("leaseTransitions"))


def event(obj: Object, _: Object | None) -> Errors:
    """An Event; it is in the namespace of what it is about, or in `default`."""
    own = obj.get("metadata", {}).get("namespace", "")
    about = obj.get("involvedObject", {}).get("namespace", "")
    if own != about and not (own == "default" and not about):
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")


def webhooks(obj: Object, _: Object | None) -> Errors:
    """A ValidatingWebhookConfiguration or MutatingWebhookConfiguration."""
    for index, hook in enumerate(obj.get("webhooks", ())):
        yield from _webhook(hook, f"webhooks[{index}]")


def _webhook(hook: Object, path: str) -> Errors:
    name = hook.get("name", "")
    faults = names.dns_subdomain(name)
    yield from invalids(f"{path}.name", name, faults)
    if not faults and name.count(".") < 2:
        detail = "should be a domain with at least three segments separated by dots"
        yield invalid(f"{path}.name", name, detail)
    effects = hook.get("sideEffects")
    if effects is None:
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    elif effects not in _SIDE_EFFECTS:
        yield not_supported(f"{path}.sideEffects", effects, _SIDE_EFFECTS)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        detail = "the timeout value must be between 1 and 30 seconds"
        yield invalid(f"{path}.timeoutSeconds", seconds, detail)
    yield from _client(hook.get("clientConfig", {}), f"{path}.clientConfig")
    versions = hook.get("admissionReviewVersions") or []
    at, known = f"{path}.admissionReviewVersions", ", ".join(_REVIEW_VERSIONS)
    if not versions:
        yield required(at, f"must specify one of {known}")
    elif not set(versions) & set(_REVIEW_VERSIONS):
        yield invalid(at, versions, f"must include at least one of {known}")


def _client(config: Object, path: str) -> Errors:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _url(url, f"{path}.url")
    elif service is not None:
        for field in ("name", "namespace"):
            if not service.get(field):
                yield required(f"{path}.service.{field}", f"service {field} is required")


def _url(url: str, path: str) -> Errors:
    form = "; desired format: https://host[/path]"
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}")
    if not parts.netloc:
        yield invalid(path, parts.netloc, f"host must be specified{form}")
    if "@" in parts.netloc:
        user = parts.netloc.rpartition("@")[0]
        yield invalid(path, user, "user information is not permitted in the URL")
    for value, what in ((parts.fragment, "fragments"), (parts.query, "query parameters")):
        if value:
            yield invalid(path, value, f"{what} are not permitted in the URL")
