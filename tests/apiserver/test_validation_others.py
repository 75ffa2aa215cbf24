from __future__ import annotations

import pytest

from tests.apiserver.refusals import CONFIG_KEY, GONE, Case

CASES = [
    Case(
        "a key of a ConfigMap can be a file",
        "ConfigMap",
        {"data": {"a/b": "x", "..": "x"}},
        (
            f'data[a/b]: Invalid value: "a/b": {CONFIG_KEY}',
            "data[..]: Invalid value: \"..\": must not be '..'",
        ),
        {"data": {".env": "x"}},
    ),
    Case(
        "a key stands in data or in binaryData",
        "ConfigMap",
        {"data": {"logo": "x"}},
        ('data[logo]: Invalid value: "logo": duplicate of key present in binaryData',),
    ),
    Case(
        "a ConfigMap has a mebibyte",
        "ConfigMap",
        {"data": {"a": "x" * 1048574}},
        (": Too long: may not be more than 1048576 bytes",),
        {"data": {"a": "x" * 1048573}},
    ),
    Case(
        "a Secret has a mebibyte, as bytes",
        "Secret",
        {"data": {"a": "AAAA" * 349526}},
        ("data: Too long: may not be more than 1048576 bytes",),
        {"data": {"a": "AAAA" * 349525 + "AA=="}},
    ),
    Case(
        "a Secret for TLS has a certificate and a key",
        "Secret",
        {"type": "kubernetes.io/tls"},
        ("data[tls.crt]: Required value", "data[tls.key]: Required value"),
        {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}},
    ),
    Case(
        "a Secret for a registry holds JSON",
        "Secret",
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}},
        (
            'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid '
            "character in JSON text",
        ),
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}},
    ),
    Case(
        "a Secret with a token says whose it is",
        "Secret",
        {"type": "kubernetes.io/service-account-token"},
        ("metadata.annotations[kubernetes.io/service-account.name]: Required value",),
        {
            "type": "kubernetes.io/service-account-token",
            "metadata.annotations": {"kubernetes.io/service-account.name": "web"},
        },
    ),
    Case(
        "a claim says how it is accessed and how much it wants",
        "PersistentVolumeClaim",
        {"spec.accessModes": ["ReadWriteSometimes"], "spec.resources": {}},
        (
            'spec.accessModes: Unsupported value: "ReadWriteSometimes": supported values: '
            '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
            "spec.resources[storage]: Required value",
        ),
    ),
    Case(
        "a claim wants something",
        "PersistentVolumeClaim",
        {"spec.resources.requests.storage": "0"},
        ('spec.resources[storage]: Invalid value: "0": must be greater than zero',),
        {"spec.resources.requests.storage": "1"},
    ),
    Case(
        "a volume has a place, a size and a way in",
        "PersistentVolume",
        {"spec": {"persistentVolumeReclaimPolicy": "Keep"}},
        (
            "spec.accessModes: Required value",
            "spec.capacity: Required value",
            'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: '
            '"Delete", "Recycle", "Retain"',
            "spec: Required value: must specify a volume type",
        ),
    ),
    Case(
        "a local volume says on which node",
        "PersistentVolume",
        {"spec.hostPath": GONE, "spec.local": {"path": "/disk"}},
        ("spec.nodeAffinity: Required value: Local volume requires node affinity",),
    ),
    Case(
        "a StorageClass has a provisioner and binds in one of two ways",
        "StorageClass",
        {"provisioner": "", "volumeBindingMode": "Never", "reclaimPolicy": "Recycle"},
        (
            "provisioner: Required value",
            'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
            'volumeBindingMode: Unsupported value: "Never": supported values: "Immediate", '
            '"WaitForFirstConsumer"',
        ),
        {"volumeBindingMode": "WaitForFirstConsumer"},
    ),
    Case(
        "an autoscaler has a most, and it is not less than the least",
        "HorizontalPodAutoscaler",
        {"spec.maxReplicas": 0},
        (
            "spec.maxReplicas: Invalid value: 0: must be greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        ),
        {"spec.maxReplicas": 2},
    ),
    Case(
        "an autoscaler leaves one replica",
        "HorizontalPodAutoscaler/v1",
        {"spec.minReplicas": 0, "spec.scaleTargetRef.name": ""},
        (
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.scaleTargetRef.name: Required value",
        ),
        {"spec.minReplicas": 1},
    ),
    Case(
        "a metric has the source that its type names",
        "HorizontalPodAutoscaler",
        {"spec.metrics[0].type": "Pods"},
        (
            "spec.metrics[0].pods: Required value: must populate information for the given metric "
            "source",
        ),
    ),
    Case(
        "a metric aims at a share or at an amount",
        "HorizontalPodAutoscaler",
        {"spec.metrics[0].resource.target": {"type": "Share"}},
        (
            'spec.metrics[0].resource.target.type: Invalid value: "Share": must be either '
            "Utilization, Value, or AverageValue",
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either "
            "a target raw value or a target utilization",
        ),
        {"spec.metrics[0].resource.target": {"type": "AverageValue", "averageValue": "1"}},
    ),
    Case(
        "behaviour has policies within bounds",
        "HorizontalPodAutoscaler",
        {
            "spec.behavior": {
                "scaleUp": {"policies": []},
                "scaleDown": {
                    "stabilizationWindowSeconds": 3601,
                    "policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}],
                },
            }
        },
        (
            "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
            "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be "
            "less than or equal to 3600",
            "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than "
            "zero",
            "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less "
            "than or equal to 1800",
        ),
    ),
    Case(
        "a budget says what must stay or what may go, not both",
        "PodDisruptionBudget",
        {"spec": {"minAvailable": 1, "maxUnavailable": 1}},
        (
            'spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: minAvailable and '
            "maxUnavailable cannot be both set",
        ),
        {"spec": {"maxUnavailable": "50%"}},
    ),
    Case(
        "a budget is a number or a percentage up to a hundred",
        "PodDisruptionBudget",
        {"spec.minAvailable": "101%"},
        ('spec.minAvailable: Invalid value: "101%": must not be greater than 100%',),
        {"spec.minAvailable": 101},
    ),
    Case(
        "a rule of a Role names verbs, groups and resources",
        "Role",
        {"rules": [{}]},
        (
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[0].resources: Required value: resource rules must supply at least one resource",
        ),
    ),
    Case(
        "URLs are nobody's within a namespace",
        "Role",
        {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]},
        (
            'rules[0].nonResourceURLs: Invalid value: ["/metrics"]: namespaced rules cannot apply '
            "to non-resource URLs",
        ),
    ),
    Case(
        "a rule is about URLs or about resources",
        "ClusterRole",
        {"rules[0].resources": ["pods"]},
        (
            'rules[0].nonResourceURLs: Invalid value: ["/metrics"]: rules cannot apply to both '
            "regular resources and non-resource URLs",
        ),
    ),
    Case(
        "a binding refers to a role",
        "RoleBinding",
        {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Roll", "name": ""}},
        (
            'roleRef.kind: Unsupported value: "Roll": supported values: "Role", "ClusterRole"',
            "roleRef.name: Required value",
        ),
    ),
    Case(
        "a subject is an account, a user or a group",
        "ClusterRoleBinding",
        {
            "subjects": [
                {"kind": "ServiceAccount", "name": "agent"},
                {"kind": "Robot", "name": "x"},
                {"kind": "User", "name": "ann", "apiGroup": "apps"},
            ]
        },
        (
            "subjects[0].namespace: Required value",
            'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", '
            '"User", "Group"',
            'subjects[2].apiGroup: Unsupported value: "apps": supported values: '
            '"rbac.authorization.k8s.io"',
        ),
    ),
    Case(
        "a Namespace's finalizers have a domain",
        "Namespace",
        {"spec.finalizers": ["mine"]},
        (
            'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name '
            "nor is it fully qualified",
        ),
    ),
    Case(
        "a Node's taints differ and have effects",
        "Node",
        {
            "spec.taints": [
                {"key": "gpu", "effect": "NoSchedule"},
                {"key": "gpu", "effect": "NoSchedule"},
                {"key": "x", "effect": "Never"},
            ]
        },
        (
            'metadata.taints[1]: Duplicate value: {"effect":"NoSchedule","key":"gpu"}: taints '
            "must be unique by key and effect pair",
            'metadata.taints[2].effect: Unsupported value: "Never": supported values: '
            '"NoSchedule", "PreferNoSchedule", "NoExecute"',
        ),
        {
            "spec.taints": [
                {"key": "gpu", "effect": "NoSchedule"},
                {"key": "gpu", "effect": "NoExecute"},
            ]
        },
    ),
    Case(
        "a quota limits what can be limited",
        "ResourceQuota",
        {"spec.hard": {"widgets": "1", "pods": "1.5", "cpu": "-1"}},
        (
            'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource type or '
            "fully qualified",
            'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource for quota',
            'spec.hard[pods]: Invalid value: "1500m": must be an integer',
            'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        {"spec.hard": {"count/deployments.apps": "1", "requests.cpu": "1.5"}},
    ),
    Case(
        "a quota's scopes do not contradict each other",
        "ResourceQuota",
        {"spec.scopes": ["BestEffort", "NotBestEffort"]},
        ('spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',),
    ),
    Case(
        "limits are in order",
        "LimitRange",
        {"spec.limits[0].min.cpu": "2"},
        (
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
            'spec.limits[0].defaultRequest[cpu]: Invalid value: "500m": min value 2 is greater '
            "than default request value 500m",
            'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default '
            "value 500m",
        ),
        {"spec.limits[0].min.cpu": "500m"},
    ),
    Case(
        "limits have a type, once",
        "LimitRange",
        {
            "spec.limits": [
                {"type": "Cup"},
                {"type": "Pod", "default": {"cpu": "1"}},
                {"type": "Pod"},
                {"type": "PersistentVolumeClaim"},
            ]
        },
        (
            'spec.limits[0].type: Invalid value: "Cup": must be a standard limit type or fully '
            "qualified",
            "spec.limits[1].default: Forbidden: may not be specified when `type` is 'Pod'",
            'spec.limits[2].type: Duplicate value: "Pod"',
            "spec.limits[3].limits: Required value: either minimum or maximum storage value is "
            "required, but neither was provided",
        ),
    ),
    Case(
        "a user's priority has a bound",
        "PriorityClass",
        {"value": 1000000001},
        ("value: Forbidden: maximum allowed value of a user defined priority is 1000000000",),
        {"value": 1000000000},
    ),
    Case(
        "the names of the system's priorities are taken",
        "PriorityClass",
        {"metadata.name": "system-mine"},
        (
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved "
            "for system use only. error: system-mine is not a known system priority class",
        ),
        {"metadata.name": "system-node-critical", "value": 2000001000},
    ),
    Case(
        "a definition is named after what it defines",
        "CustomResourceDefinition",
        {"metadata.name": "app.example.com"},
        (
            'metadata.name: Invalid value: "app.example.com": must be spec.names.plural+"."'
            "+spec.group",
        ),
    ),
    Case(
        "a definition's group is a domain with a dot",
        "CustomResourceDefinition",
        {"spec.group": "example", "metadata.name": "apps.example"},
        ('spec.group: Invalid value: "example": should be a domain with at least one dot',),
    ),
    Case(
        "a definition has kinds with names",
        "CustomResourceDefinition",
        {"spec.names": {"plural": "apps", "kind": "App", "listKind": "App"}, "spec.scope": "All"},
        (
            'spec.scope: Unsupported value: "All": supported values: "Cluster", "Namespaced"',
            "spec.names.singular: Required value",
            'spec.names.listKind: Invalid value: "App": kind and listKind may not be the same',
        ),
    ),
    Case(
        "objects are stored in one version, and all versions have schemas",
        "CustomResourceDefinition",
        {
            "spec.versions[0].storage": False,
            "spec.versions[1]": {"name": "v1", "served": True, "storage": False},
        },
        (
            "spec.versions[1].schema.openAPIV3Schema: Required value: schemas are required",
            'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
            'spec.versions: Invalid value: ["v1","v1"]: must have exactly one version marked as '
            "storage version",
        ),
        {
            "spec.versions[1]": {
                "name": "v2",
                "served": True,
                "storage": False,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
