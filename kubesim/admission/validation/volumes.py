"""What must hold for the volumes of a pod.

Source: pkg/apis/core/validation/validation.go (Kubernetes 1.37). Of the sources that only one
vendor's disks have, no more is checked than that there is exactly one source.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.admission.validation import names
from kubesim.admission.validation.containers import (
    check_field_ref,
    check_resource_field_ref,
)
from kubesim.admission.validation.field import (
    Errors,
    FieldError,
    duplicate,
    forbidden,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.admission.validation.storage import check_claim_spec
from kubesim.model import Object
from kubesim.quantity import parse

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def check_volumes(
    volumes: Iterable[Object], path: str
) -> tuple[dict[str, Object], list[FieldError]]:
    """The valid volumes by name, and what is wrong with the others."""
    found: dict[str, Object] = {}
    errors: list[FieldError] = []
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        name = volume.get("name", "")
        faults = list(_source(volume, here))
        if name:
            faults += invalids(f"{here}.name", name, names.dns_label(name))
        else:
            faults.append(required(f"{here}.name"))
        if name in found:
            faults.append(duplicate(f"{here}.name", name))
        if faults:
            errors += faults
        else:
            found[name] = volume
    return found, errors


def _source(volume: Object, path: str) -> Errors:
    first, *others = [field for field in volume if field != "name"] or [""]
    if not first:
        yield required(path, "must specify a volume type")
    for kind in others:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 volume type")
    source, here = volume.get(first, {}), f"{path}.{first}"
    match first:
        case "emptyDir":
            if parse(source.get("sizeLimit", "0")) < 0:
                yield forbidden(
                    f"{here}.sizeLimit", "SizeLimit field must be a valid resource quantity"
                )
        case "hostPath":
            yield from _host_path(source, here)
        case "secret":
            if not source.get("secretName"):
                yield required(f"{here}.secretName")
            yield from _files(source, here)
        case "configMap":
            if not source.get("name"):
                yield required(f"{here}.name")
            yield from _files(source, here)
        case "persistentVolumeClaim":
            if not source.get("claimName"):
                yield required(f"{here}.claimName")
        case "downwardAPI":
            yield from _mode(source, "defaultMode", here)
            yield from _downward(source, here)
        case "projected":
            yield from _mode(source, "defaultMode", here)
            yield from _projections((source.get("sources") or ()), f"{here}.sources")
        case "nfs":
            yield from _nfs(source, here)
        case "csi":
            driver = source.get("driver", "")
            if driver:
                faults = names.dns_subdomain(driver.lower())
                yield from invalids(f"{here}.driver", driver, faults)
            else:
                yield required(f"{here}.driver")
        case "image":
            if path.startswith("spec.volumes[") and not source.get("reference"):
                yield required(f"{here}.reference")  # a template may leave it to be filled in
        case "ephemeral":
            template = source.get("volumeClaimTemplate")
            if template is None:
                yield required(f"{here}.volumeClaimTemplate")
            else:
                spec = template.get("spec", {})
                yield from check_claim_spec(spec, f"{here}.volumeClaimTemplate.spec")


def _host_path(source: Object, path: str) -> Errors:
    if not source.get("path"):
        yield required(f"{path}.path")
        return
    yield from invalids(f"{path}.path", source["path"], names.no_backsteps(source["path"]))
    if source.get("type", "") not in _HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _nfs(source: Object, path: str) -> Errors:
    if not source.get("server"):
        yield required(f"{path}.server")
    if not source.get("path"):
        yield required(f"{path}.path")
    elif not source["path"].startswith("/"):
        yield invalid(f"{path}.path", source["path"], "must be an absolute path")


def _mode(source: Object, field: str, path: str) -> Errors:
    mode = source.get(field)
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(f"{path}.{field}", mode, _FILE_MODE)


def _files(source: Object, path: str) -> Errors:
    """A ConfigMap's or Secret's keys as files."""
    yield from _mode(source, "defaultMode", path)
    for index, item in enumerate(source.get("items", ())):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            yield required(f"{here}.key")
        yield from _file_path(item, here)
        yield from _mode(item, "mode", here)


def _file_path(item: Object, path: str) -> Errors:
    where = item.get("path", "")
    if not where:
        yield required(f"{path}.path")
    yield from invalids(f"{path}.path", where, names.relative_path(where))
    if where.startswith("..") and not names.no_backsteps(where):
        yield invalid(f"{path}.path", where, "must not start with '..'")


def _downward(source: Object, path: str) -> Errors:
    """The pod's own fields as files."""
    for item in source.get("items", ()):
        yield from _file_path(item, path)
        if "fieldRef" in item:
            yield from check_field_ref(item["fieldRef"], _VOLUME_FIELDS, f"{path}.fieldRef")
            if "resourceFieldRef" in item:
                yield invalid(
                    path,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                )
        elif "resourceFieldRef" in item:
            at = f"{path}.resourceFieldRef"
            yield from check_resource_field_ref(item["resourceFieldRef"], at, in_volume=True)
        else:
            yield required(path, "one of fieldRef and resourceFieldRef is required")
        yield from _mode(item, "mode", path)


def _projections(sources: Iterable[Object], path: str) -> Errors:
    """Several sources in one folder."""
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        first, *others = list(source) or [""]
        if not first:
            yield required(here, "must specify one projection")
        for kind in others:
            yield forbidden(f"{here}.{kind}", "may not specify more than 1 volume type per source")
        projection = source.get(first, {})
        match first:
            case "configMap" | "secret":
                if not projection.get("name"):
                    yield required(f"{here}.{first}.name")
                yield from _files(projection, f"{here}.{first}")
            case "downwardAPI":
                yield from _downward(projection, f"{here}.{first}")
            case "serviceAccountToken":
                seconds = projection.get("expirationSeconds", 3600)
                at = f"{here}.serviceAccountToken"
                if seconds < 600:
                    detail = "may not specify a duration less than 10 minutes"
                    yield invalid(f"{at}.expirationSeconds", seconds, detail)
                if seconds > 2**32:
                    detail = "may not specify a duration larger than 2^32 seconds"
                    yield invalid(f"{at}.expirationSeconds", seconds, detail)
                if not projection.get("path"):
                    yield required(f"{at}.path")
