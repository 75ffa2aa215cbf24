"""What an Application says: its fields read with Argo CD's defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gitops_lab.frontends.argocd.names import NAMESPACE
from gitops_lab.model import Object, ObjectKey, split_api_version

Source = Mapping[str, Any]


def instance(app: Object) -> str:
    """The name by which objects are tracked: with its namespace if that is not Argo CD's own."""
    metadata = app["metadata"]
    namespace = metadata.get("namespace", "")
    return metadata["name"] if namespace == NAMESPACE else f"{namespace}_{metadata['name']}"


def sources(spec: Mapping[str, Any]) -> list[Source]:
    """The sources; if there is a list, the single one does not count."""
    if spec.get("sources"):
        return list(spec["sources"])
    return [spec["source"]] if spec.get("source") else []


def has_many_sources(spec: Mapping[str, Any]) -> bool:
    """Whether `sources` counts, so that revisions are lists."""
    return bool(spec.get("sources"))


def target_revision(source: Source) -> str:
    """What the source follows: a branch, a tag, a commit or a range of versions."""
    return source.get("targetRevision") or "HEAD"


def project(spec: Mapping[str, Any]) -> str:
    """The project's name; an empty one means `default`."""
    return spec.get("project") or "default"


def automated(spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How it syncs by itself; None if it does not."""
    policy = (spec.get("syncPolicy") or {}).get("automated")
    return policy if policy is not None and policy.get("enabled") is not False else None


def sync_options(spec: Mapping[str, Any]) -> list[str]:
    """The sync options of the Application."""
    return list((spec.get("syncPolicy") or {}).get("syncOptions") or ())


def annotations_of(obj: Object) -> Mapping[str, str]:
    """The annotations of an object."""
    return obj["metadata"].get("annotations") or {}


def has_option(obj: Object | None, annotation: str, option: str) -> bool:
    """Whether a comma-separated annotation holds an option such as `Prune=false`."""
    text = annotations_of(obj).get(annotation, "") if obj else ""
    return option in (word.strip() for word in text.split(","))


def conditions(app: Object, *types: str) -> list[Mapping[str, Any]]:
    """Its conditions of these types, or all of them."""
    found = (app.get("status") or {}).get("conditions") or []
    return [each for each in found if not types or each["type"] in types]


def conditions_in_words(found: Iterable[Mapping[str, Any]]) -> str:
    """Conditions in one line, as an operation that they stop quotes them."""
    return ";".join(f"{each['type']}: {each['message']}" for each in found)


def images(obj: Object) -> list[str]:
    """The images of a workload's containers, the init containers' first."""
    spec = obj.get("spec") or {}
    pod = (spec.get("template") or {}).get("spec") or spec
    if obj["kind"] == "CronJob":
        job = (spec.get("jobTemplate") or {}).get("spec") or {}
        pod = (job.get("template") or {}).get("spec") or {}
    if not isinstance(pod, Mapping):
        return []
    containers = [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]
    return [c["image"] for c in containers if isinstance(c, Mapping) and c.get("image")]


def described(key: ObjectKey) -> str:
    """An object as `apps/Deployment/web`, in messages about a sync."""
    return "/".join(filter(None, (key.group, key.kind, key.name)))


def parts(obj: Object) -> dict[str, str]:
    """Group, version, kind, namespace and name, as Argo CD's lists spell them out."""
    group, version = split_api_version(obj["apiVersion"])
    metadata = obj["metadata"]
    return {
        "group": group,
        "version": version,
        "kind": obj["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
    }


def seconds(time: str) -> float:
    """A Kubernetes timestamp in seconds since the Unix epoch."""
    return datetime.fromisoformat(time).timestamp()


def clock_time(at: float) -> str:
    """An instant as `3:04PM` (UTC), Go's time.Kitchen."""
    return datetime.fromtimestamp(at, UTC).strftime("%I:%M%p").lstrip("0")


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str | None, default: float = 0.0) -> float:
    """A duration such as `1m30s` in seconds; a bare number is seconds.

    Raises:
        ValueError: the text is no duration.
    """
    if not text:
        return default
    if text.isdigit():
        return float(text)
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(float(count) * _UNITS[unit] for count, unit in _DURATION.findall(text))
