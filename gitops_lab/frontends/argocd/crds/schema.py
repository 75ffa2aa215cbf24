"""The few words in which the schemas of Argo CD's kinds are written here."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOL: Schema = {"type": "boolean"}
INT: Schema = {"type": "integer", "format": "int64"}
TIME: Schema = {"type": "string", "format": "date-time"}
OBJECT: Schema = {"type": "object"}
ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
INT_OR_STRING: Schema = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}


def struct(*required: str, **fields: Schema) -> Schema:
    """An object with these fields, of which some are required."""
    schema: Schema = {"type": "object", "properties": fields}
    if required:
        schema["required"] = sorted(required)
    return schema


def array(item: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": item}


def mapping(value: Schema) -> Schema:
    """A map from names to such values."""
    return {"type": "object", "additionalProperties": value}


STRINGS, LABELS = array(STRING), mapping(STRING)


def definition(
    kind: str, plural: str, short: list[str], schema: Schema, **version: Any
) -> dict[str, Any]:
    """A CustomResourceDefinition of the group argoproj.io, version v1alpha1."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.argoproj.io",
            "labels": {
                "app.kubernetes.io/name": f"{plural}.argoproj.io",
                "app.kubernetes.io/part-of": "argocd",
            },
        },
        "spec": {
            "group": "argoproj.io",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "shortNames": short,
                "singular": kind.lower(),
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    **version,
                }
            ],
        },
    }


def kind(*required: str, **fields: Schema) -> Schema:
    """The schema of a whole object: its header, and these parts of it."""
    return struct(*required, apiVersion=STRING, kind=STRING, metadata=OBJECT, **fields)
