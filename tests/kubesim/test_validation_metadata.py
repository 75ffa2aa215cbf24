from __future__ import annotations

import pytest

from tests.kubesim.refusals import GONE, KEY, LABEL, SUBDOMAIN, VALUE, Case

CASES = [
    Case(
        "the name of most objects is a DNS subdomain",
        "ConfigMap",
        {"metadata.name": "Web_1"},
        (f'metadata.name: Invalid value: "Web_1": {SUBDOMAIN}',),
        {"metadata.name": "1.web-1"},
    ),
    Case(
        "a name is no longer than 253 bytes",
        "ConfigMap",
        {"metadata.name": "a" * 254},
        (f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 bytes',),
        {"metadata.name": "a" * 253},
    ),
    Case(
        "the name of a Namespace is a DNS label",
        "Namespace",
        {"metadata.name": "a.b"},
        ('metadata.name: Invalid value: "a.b": must not contain dots',),
        {"metadata.name": "1a"},
    ),
    Case(
        "the name of a StatefulSet is a DNS label, since its pods bear it",
        "StatefulSet",
        {"metadata.name": "DB"},
        (f'metadata.name: Invalid value: "DB": {LABEL}',),
        {"metadata.name": "db-2"},
    ),
    Case(
        "the name of a Service is one label",
        "Service",
        {"metadata.name": "a.b"},
        ('metadata.name: Invalid value: "a.b": must not contain dots',),
        {"metadata.name": "1web"},
    ),
    Case(
        "the name of a Role is anything that fits in a URL",
        "Role",
        {"metadata.name": "a/b%"},
        (
            "metadata.name: Invalid value: \"a/b%\": may not contain '/'",
            "metadata.name: Invalid value: \"a/b%\": may not contain '%'",
        ),
        {"metadata.name": "system:Reader"},
    ),
    Case(
        "a name or a generated name is required",
        "ConfigMap",
        {"metadata.name": GONE},
        ("metadata.name: Required value: name or generateName is required",),
    ),
    Case(
        "the start of a generated name may end in a dash",
        "ConfigMap",
        {"metadata.generateName": "Web-"},
        (f'metadata.generateName: Invalid value: "Web-": {SUBDOMAIN}',),
        {"metadata.generateName": "web-"},
    ),
    Case(
        "a namespaced object has a namespace",
        "ConfigMap",
        {"metadata.namespace": GONE},
        ("metadata.namespace: Required value",),
    ),
    Case(
        "a namespace is named by a DNS label",
        "ConfigMap",
        {"metadata.namespace": "Shop"},
        (f'metadata.namespace: Invalid value: "Shop": {LABEL}',),
    ),
    Case(
        "an object outside namespaces has none",
        "Node",
        {"metadata.namespace": "shop"},
        ("metadata.namespace: Forbidden: not allowed on this type",),
    ),
    Case(
        "the key of a label is a name",
        "ConfigMap",
        {"metadata.labels": {"a b": "x"}},
        (f'metadata.labels: Invalid value: "a b": {KEY}',),
        {"metadata.labels": {"A_b.c-d": "x"}},
    ),
    Case(
        "the key of a label may have a DNS subdomain before it",
        "ConfigMap",
        {"metadata.labels": {"Shop.io/a": "x", "/b": "x"}},
        (
            f'metadata.labels: Invalid value: "Shop.io/a": prefix part {SUBDOMAIN}',
            'metadata.labels: Invalid value: "/b": prefix part must be non-empty',
        ),
        {"metadata.labels": {"shop.io/a": "x"}},
    ),
    Case(
        "the key of a label has one slash at most",
        "ConfigMap",
        {"metadata.labels": {"a/b/c": "x"}},
        (
            'metadata.labels: Invalid value: "a/b/c": a valid label key '
            f"{KEY.removeprefix('name part ')} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')",
        ),
    ),
    Case(
        "the key of a label has a name of at most 63 bytes",
        "ConfigMap",
        {"metadata.labels": {"a" * 64: "x"}},
        (f'metadata.labels: Invalid value: "{"a" * 64}": name part must be no more than 63 bytes',),
        {"metadata.labels": {"a" * 63: "x"}},
    ),
    Case(
        "the value of a label is a name or empty",
        "ConfigMap",
        {"metadata.labels": {"app": "my shop"}},
        (f'metadata.labels: Invalid value: "my shop": {VALUE}',),
        {"metadata.labels": {"app": ""}},
    ),
    Case(
        "the value of a label has at most 63 bytes",
        "ConfigMap",
        {"metadata.labels": {"app": "a" * 64}},
        (f'metadata.labels: Invalid value: "{"a" * 64}": must be no more than 63 bytes',),
        {"metadata.labels": {"app": "a" * 63}},
    ),
    Case(
        "the key of an annotation is a label key in any case",
        "ConfigMap",
        {"metadata.annotations": {"-": "any text"}},
        (f'metadata.annotations: Invalid value: "-": {KEY}',),
        {"metadata.annotations": {"Shop.io/Note": "any text, ümlauts too"}},
    ),
    Case(
        "annotations have 256 KiB together",
        "ConfigMap",
        {"metadata.annotations": {"a": "x" * 262144}},
        ("metadata.annotations: Too long: may not be more than 262144 bytes",),
        {"metadata.annotations": {"a": "x" * 262143}},
    ),
    Case(
        "an owner is named in full",
        "ConfigMap",
        {"metadata.ownerReferences": [{"apiVersion": "apps/"}]},
        (
            'metadata.ownerReferences.apiVersion: Invalid value: "apps/": version must not be '
            "empty",
            'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
            'metadata.ownerReferences.name: Invalid value: "": must not be empty',
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
        {
            "metadata.ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1"}
            ]
        },
    ),
    Case(
        "an object has one controller",
        "ConfigMap",
        {
            "metadata.ownerReferences": [
                {"apiVersion": "v1", "kind": "A", "name": n, "uid": n, "controller": True}
                for n in ("x", "y")
            ]
        },
        (
            "metadata.ownerReferences: Invalid value: "
            '[{"apiVersion":"v1","kind":"A","name":"x","uid":"x","controller":true},'
            '{"apiVersion":"v1","kind":"A","name":"y","uid":"y","controller":true}]: Only '
            'one reference can have Controller set to true. Found "true" in references for '
            "A/x and A/y",
        ),
        {
            "metadata.ownerReferences": [
                {"apiVersion": "v1", "kind": "A", "name": n, "uid": n, "controller": n == "x"}
                for n in ("x", "y")
            ]
        },
    ),
    Case(
        "an Event owns nothing",
        "ConfigMap",
        {
            "metadata.ownerReferences": [
                {"apiVersion": "v1", "kind": "Event", "name": "x", "uid": "1"}
            ]
        },
        (
            'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event",'
            '"name":"x","uid":"1"}: /v1, Kind=Event is disallowed from being an owner',
        ),
    ),
    Case(
        "a finalizer has a domain, unless it is Kubernetes' own",
        "ConfigMap",
        {"metadata.finalizers": ["mine"]},
        (
            'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer '
            "name nor is it fully qualified",
        ),
        {"metadata.finalizers": ["example.com/mine", "kubernetes"]},
    ),
    Case(
        "dependants are orphaned or deleted, not both",
        "ConfigMap",
        {"metadata.finalizers": ["orphan", "foregroundDeletion"]},
        (
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer '
            "orphan and foregroundDeletion cannot be both set",
        ),
        {"metadata.finalizers": ["orphan"]},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
