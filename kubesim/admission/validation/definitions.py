"""What must hold for CustomResourceDefinitions.

Source: apiextensions-apiserver `pkg/apis/apiextensions/validation` (Kubernetes 1.37).
"""

from __future__ import annotations

from kubesim.admission.validation import names, structural
from kubesim.admission.validation.field import (
    Errors,
    immutable,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.model import Object

_SCOPES = ("Cluster", "Namespaced")
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
            yield required(f"{here}.schema.openAPIV3Schema", "schemas are required")
        faults = names.rfc1035_label(name)
        if faults:
            yield invalid(f"{here}.name", name, ",".join(faults))
        if "deprecationWarning" in version and not version.get("deprecated"):
            detail = "can only be set for deprecated versions"
            yield invalid(f"{here}.deprecationWarning", version["deprecationWarning"], detail)
        if schema is not None:
            yield from structural.root(schema, f"{here}.schema.openAPIV3Schema")
        yield from _subresources(version.get("subresources") or {}, f"{here}.subresources")
        for number, column in enumerate(version.get("additionalPrinterColumns", ())):
            yield from _column(column, f"{here}.additionalPrinterColumns[{number}]")
    versions_shown = [version.get("name", "") for version in versions]
    if len(set(versions_shown)) < len(versions_shown):
        yield invalid(path, versions_shown, "must contain unique version names")
    if sum(1 for version in versions if version.get("storage")) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid(path, versions_shown, detail)


def _subresources(given: Object, path: str) -> Errors:
    """Where a Scale comes from: below `.spec` and `.status`."""
    scale = given.get("scale")
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
