"""What must hold for CustomResourceDefinitions.

Source: apiextensions-apiserver `pkg/apis/apiextensions/validation` (Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kubesim.admission.validation import names, structural
from kubesim.admission.validation.field import (
    Errors,
    Shown,
    immutable,
    in_go,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.model import Object

_SCOPES = ("Cluster", "Namespaced")
_SIMPLE_PATH = re.compile(r"\..*?(\[[^\[\]]*\].*?)*")
"""A path without an open bracket."""

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")


def custom_resource(obj: Object, old: Object | None) -> Errors:
    """A CustomResourceDefinition; the name of what it defines is fixed."""
    spec = obj.get("spec", {})
    group, scope = spec.get("group", ""), spec.get("scope", "")
    if old is None:
        yield from _name(obj.get("metadata", {}).get("name", ""), spec)
    faults = names.dns_subdomain(group)
    if not group:
        yield required("spec.group")
    elif faults:
        yield invalid("spec.group", group, ",".join(faults))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    if not scope:
        yield required("spec.scope")
    elif scope not in _SCOPES:
        yield not_supported("spec.scope", scope, _SCOPES)
    yield from _versions(spec.get("versions") or [])
    yield from _kind_names(spec.get("names", {}), "spec.names")
    stored = obj.get("status", {}).get("storedVersions") or []
    yield from _stored(stored, (spec.get("versions") or []))
    yield from _conversion(spec)
    if old is None:
        yield from _approval(obj.get("metadata", {}), group)
    else:
        yield from _change(spec, old)


def _name(name: str, spec: Object) -> Errors:
    wanted = f"{spec.get('names', {}).get('plural', '')}.{spec.get('group', '')}"
    if name and name != wanted:
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _versions(versions: list[Object]) -> Errors:
    path = "spec.versions"
    for index, version in enumerate(versions):
        here, name = f"{path}[{index}]", version.get("name", "")
        schema = version.get("schema", {}).get("openAPIV3Schema")
        if schema is None:
            yield required(f"{here}.schema.openAPIV3Schema")
        faults = names.rfc1035_label(name)
        if faults:
            yield invalid(f"{here}.name", name, ",".join(faults))
            if index == 0:
                yield invalid("spec.version", name, ",".join(faults))
        if "deprecationWarning" in version and not version.get("deprecated"):
            detail = "can only be set for deprecated versions"
            yield invalid(f"{here}.deprecationWarning", version["deprecationWarning"], detail)
        if schema is not None:
            at = "spec.validation" if _is_shared(versions, "schema") else f"{here}.schema"
            if index == 0 or not _is_shared(versions, "schema"):
                yield from structural.root(schema, f"{at}.openAPIV3Schema")
        for field, rule in _PARTS.items():
            shared = _is_shared(versions, field)
            if version.get(field) and (index == 0 or not shared):
                yield from rule(version, "spec" if shared else here)
    called = [version.get("name", "") for version in versions]
    if len(set(called)) < len(called):
        yield invalid(path, _shown(versions), "must contain unique version names")
    if sum(1 for version in versions if version.get("storage")) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid(path, _shown(versions), detail)


def _is_shared(versions: list[Object], field: str) -> bool:
    """Whether all versions have the same of something. The server keeps it once for all of them
    then, and that is where its messages look for it."""
    return all(each.get(field) == versions[0].get(field) for each in versions)


def _shown(versions: list[Object]) -> Shown:
    shared = [field for field in ("schema", *_PARTS) if _is_shared(versions, field)]
    bare = [{key: each[key] for key in each if key not in shared} for each in versions]
    return in_go(
        bare, "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion"
    )


def _subresources(version: Object, path: str) -> Errors:
    """Where a Scale comes from: below `.spec` and `.status`."""
    scale, path = version["subresources"].get("scale"), f"{path}.subresources"
    if scale is None:
        return
    places = {
        "specReplicasPath": (".spec.",),
        "statusReplicasPath": (".status.",),
        "labelSelectorPath": (".status.", ".spec."),
    }
    for name, starts in places.items():
        where, at = scale.get(name, ""), f"{path}.scale.{name}"
        if where and not where.startswith(starts):
            listed = " or ".join(start.rstrip(".") for start in reversed(starts))
            yield invalid(at, where, f"should be a json path under {listed}")
        elif not where and name != "labelSelectorPath":
            yield required(at)


def _columns(version: Object, path: str) -> Errors:
    for index, column in enumerate(version["additionalPrinterColumns"]):
        yield from _column(column, f"{path}.additionalPrinterColumns[{index}]")


def _selectable(version: Object, path: str) -> Errors:
    """A field by which lists can be narrowed down is one that the schema knows, and no struct."""
    schema = version.get("schema", {}).get("openAPIV3Schema") or {}
    for index, field in enumerate(version["selectableFields"]):
        at, where = f"{path}.selectableFields[{index}].jsonPath", field.get("jsonPath", "")
        here = schema
        for name in where.split(".")[1:]:
            here = (here.get("properties") or {}).get(name) or {}
        if not where:
            yield required(at)
        elif not where.startswith("."):
            yield invalid(at, where, "must be a simple json path starting with .")
        elif not here:
            yield invalid(at, where, "is an invalid path: does not refer to a valid field")
        elif here.get("type") not in ("boolean", "integer", "string"):
            yield invalid(at, where, "is an invalid path: must point to a field of type string, "
                          "boolean or integer. Enum string fields and strings with formats are "
                          "allowed.")  # fmt: skip


_PARTS: dict[str, Callable[[Object, str], Errors]] = {
    "subresources": _subresources,
    "additionalPrinterColumns": _columns,
    "selectableFields": _selectable,
}
"""What a version has beside its schema, and the rule for it."""


def _conversion(spec: Object) -> Errors:
    conversion = spec.get("conversion") or {}
    strategy, hook = conversion.get("strategy", "None"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        yield not_supported("spec.conversion.strategy", strategy, ("None", "Webhook"))
    elif strategy == "Webhook":
        if not (hook or {}).get("clientConfig"):
            detail = "required when strategy is set to Webhook"
            yield required("spec.conversion.webhookClientConfig", detail)
        if not (hook or {}).get("conversionReviewVersions"):
            yield required("spec.conversion.conversionReviewVersions")
    if spec.get("preserveUnknownFields"):
        detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
        yield invalid(
            "spec.preserveUnknownFields", True, f"{detail}spec.versions[*].schema instead"
        )


def _column(column: Object, path: str) -> Errors:
    if not column.get("name"):
        yield required(f"{path}.name")
    kind, detail = column.get("type", ""), f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        yield required(f"{path}.type", detail)
    elif kind not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", kind, detail)
    if not column.get("jsonPath"):
        yield required(f"{path}.JSONPath")
    elif not _SIMPLE_PATH.fullmatch(column["jsonPath"]):
        detail = "must be a simple json path starting with ."
        yield invalid(f"{path}.JSONPath", column["jsonPath"], detail)


_APPROVAL = "api-approved.kubernetes.io"
_REVIEW = "https://github.com/kubernetes/enhancements/pull/1111"


def _approval(metadata: Object, group: str) -> Errors:
    """Groups of the Kubernetes community are for what it has reviewed."""
    if group.endswith((".k8s.io", ".kubernetes.io")):
        if not (metadata.get("annotations") or {}).get(_APPROVAL):
            detail = f'protected groups must have approval annotation "{_APPROVAL}", see {_REVIEW}'
            yield required(f"metadata.annotations[{_APPROVAL}]", detail)


def _stored(stored: list[str], versions: list[Object]) -> Errors:
    """A version that objects may be stored in cannot go."""
    if not stored:
        yield invalid("status.storedVersions", None, "must have at least one stored version")
        return
    storage = [version.get("name") for version in versions if version.get("storage")]
    if storage and storage[-1] not in stored:
        detail = f"must have the storage version {storage[-1]}"
        yield invalid("status.storedVersions", stored, detail)
    there = {version.get("name") for version in versions}
    for index, name in enumerate(stored):
        if name not in there:
            yield invalid(
                f"status.storedVersions[{index}]",
                name,
                f"missing from spec.versions; {name} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions",
            )


def _kind_names(given: Object, path: str) -> Errors:
    for field in ("plural", "singular", "kind", "listKind"):
        name = given.get(field, "")
        is_kind = field in ("kind", "listKind")
        faults = names.rfc1035_label(name.lower() if is_kind else name)
        if not name:
            yield required(f"{path}.{field}")
        elif faults:
            why = "may have mixed case, but should otherwise match: " if is_kind else ""
            yield invalid(f"{path}.{field}", name, why + ",".join(faults))
    for field in ("shortNames", "categories"):
        for index, name in enumerate(given.get(field, ())):
            yield from invalids(f"{path}.{field}[{index}]", name, names.rfc1035_label(name))
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        detail = "kind and listKind may not be the same"
        yield invalid(f"{path}.listKind", given["listKind"], detail)


def _change(spec: Object, old: Object) -> Errors:
    before = old.get("spec", {})
    conditions = old.get("status", {}).get("conditions") or ()
    if any(each.get("type") == "Established" and each.get("status") == "True"
           for each in conditions):  # fmt: skip
        yield from immutable("spec.scope", spec.get("scope"), before.get("scope"))
        kind, old_kind = (each.get("names", {}).get("kind") for each in (spec, before))
        yield from immutable("spec.names.kind", kind, old_kind)
    yield from immutable("spec.group", spec.get("group"), before.get("group"))
    plural, old_plural = (each.get("names", {}).get("plural") for each in (spec, before))
    yield from immutable("spec.names.plural", plural, old_plural)
