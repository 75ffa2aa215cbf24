from __future__ import annotations

import pytest

from tests.kubesim.refusals import CONFIG_KEY, GONE, RFC1035, SUBDOMAIN, VALUE, Case

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
        ("[]: Too long: may not be more than 1048576 bytes",),
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
            "spec.maxReplicas: Required value: must be set and greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        ),
        {"spec.maxReplicas": 2},
    ),
    Case(
        "an autoscaler leaves one replica",
        "HorizontalPodAutoscaler",
        {"spec.minReplicas": 0, "spec.scaleTargetRef.name": ""},
        (
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.metrics: Forbidden: must specify at least one Object or External metric to "
            "support scaling to zero replicas",
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
            'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,'
            '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be '
            "both set",
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
            "metadata.taints[1]: Duplicate value: "
            '{"Key":"gpu","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be '
            "unique by key and effect pair",
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
        {"spec.hard": {"widgets": "1", "pods": "1.5", "cpu": "-1"}, "spec.scopes": []},
        (
            'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource type or '
            "fully qualified",
            'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource for quota',
            'spec.hard[pods]: Invalid value: "1500m": must be an integer',
            'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        ),
        {"spec.hard": {"count/deployments.apps": "1", "requests.cpu": "1.5"}, "spec.scopes": []},
    ),
    Case(
        "a quota counts of the best effort nothing but pods",
        "ResourceQuota",
        {"spec.hard": {"pods": "1", "requests.cpu": "1"}},
        ('spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',),
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
            "spec.versions[0].schema": GONE,
        },
        (
            "spec.versions[0].schema.openAPIV3Schema: Required value",
            'spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,'
            '"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,'
            '"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one '
            "version marked as storage version",
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
    Case(
        "a metric of pods, an object or the outside has a name and an aim",
        "HorizontalPodAutoscaler",
        {
            "spec.metrics": [
                {"type": "Pods", "pods": {"metric": {}, "target": {"type": "Value"}}},
                {
                    "type": "Object",
                    "object": {
                        "metric": {"name": "hits"},
                        "target": {"type": "Value", "value": "0"},
                        "describedObject": {"kind": "Service"},
                    },
                },
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": "a/b"},
                        "target": {"type": "Value", "value": "1", "averageValue": "1"},
                    },
                },
                {"type": "External", "external": {"metric": {"name": "q"}, "target": {}}},
            ]
        },
        (
            "spec.metrics[0].pods.metric.name: Required value: must specify a metric name",
            "spec.metrics[0].pods.target.averageValue: Required value: must specify a positive "
            "target averageValue",
            "spec.metrics[1].object.describedObject.name: Required value",
            'spec.metrics[1].object.target.value: Invalid value: "0": must be positive',
            "spec.metrics[2].external.metric.name: Invalid value: \"a/b\": may not contain '/'",
            "spec.metrics[2].external.target.value: Forbidden: may not set both a target value "
            "for metric and a per-pod target",
            "spec.metrics[3].external.target.type: Required value: must specify a metric target "
            "type",
            'spec.metrics[3].external.target.type: Invalid value: "": must be either Utilization, '
            "Value, or AverageValue",
            "spec.metrics[3].external.target.averageValue: Required value: must set either a "
            "target value for metric or a per-pod target",
        ),
        {
            "spec.metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "hits"},
                        "target": {"type": "AverageValue", "averageValue": "1k"},
                    },
                },
                {
                    "type": "ContainerResource",
                    "containerResource": {
                        "name": "cpu",
                        "container": "web",
                        "target": {"type": "Utilization", "averageUtilization": 1},
                    },
                },
            ]
        },
    ),
    Case(
        "a metric has one source, of a type that exists",
        "HorizontalPodAutoscaler",
        {
            "spec.metrics[0].type": "",
            "spec.metrics[0].resource.name": "",
            "spec.metrics[0].resource.target": {
                "type": "Utilization",
                "averageUtilization": 0,
                "averageValue": "1",
            },
            "spec.metrics[1]": {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 80},
                },
                "resource": {},
            },
        },
        (
            "spec.metrics[0].type: Required value: must specify a metric source type",
            'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", '
            '"External", "Object", "Pods", "Resource"',
            "spec.metrics[0].resource.name: Required value: must specify a resource name",
            "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be "
            "greater than 0",
            "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target "
            "raw value and a target utilization",
            "spec.metrics[1].resource.name: Required value: must specify a resource name",
            "spec.metrics[1].resource.target.type: Required value: must specify a metric target "
            "type",
            'spec.metrics[1].resource.target.type: Invalid value: "": must be either Utilization, '
            "Value, or AverageValue",
            "spec.metrics[1].resource.target.averageUtilization: Required value: must set either "
            "a target raw value or a target utilization",
            "spec.metrics[1].resource: Forbidden: must populate the given metric source only",
        ),
    ),
    Case(
        "behaviour selects in one of three ways and never waits backwards",
        "HorizontalPodAutoscaler",
        {
            "spec.behavior.scaleUp": {
                "stabilizationWindowSeconds": -1,
                "selectPolicy": "Avg",
                "policies": [{"type": "Nodes", "value": 1, "periodSeconds": 1}],
            }
        },
        (
            "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater "
            "than or equal to zero",
            'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Avg": supported values: '
            '"Disabled", "Max", "Min"',
            'spec.behavior.scaleUp.policies[0].type: Unsupported value: "Nodes": supported '
            'values: "Percent", "Pods"',
        ),
        {
            "spec.behavior.scaleUp": {
                "selectPolicy": "Disabled",
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 1800}],
            }
        },
    ),
    Case(
        "a role put together from others says from which",
        "ClusterRole",
        {"aggregationRule": {}},
        (
            "aggregationRule.clusterRoleSelectors: Required value: at least one "
            "clusterRoleSelector required if aggregationRule is non-nil",
        ),
        {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}},
    ),
    Case(
        "a binding's role and subjects are RBAC's",
        "RoleBinding",
        {
            "roleRef.apiGroup": "apps",
            "subjects": [
                {"kind": "Group"},
                {"kind": "ServiceAccount", "name": "A", "apiGroup": "apps"},
            ],
        },
        (
            'roleRef.apiGroup: Unsupported value: "apps": supported values: '
            '"rbac.authorization.k8s.io"',
            "subjects[0].name: Required value",
            'subjects[0].apiGroup: Unsupported value: "": supported values: '
            '"rbac.authorization.k8s.io"',
            f'subjects[1].name: Invalid value: "A": {SUBDOMAIN}',
            'subjects[1].apiGroup: Unsupported value: "apps": supported values: ""',
        ),
    ),
    Case(
        "a quota selects objects by scopes that exist",
        "ResourceQuota",
        {
            "spec.scopes": ["Special"],
            "spec.scopeSelector.matchExpressions": [
                {"scopeName": "Special", "operator": "Exists", "values": ["x"]},
                {"scopeName": "PriorityClass", "operator": "In"},
                {"scopeName": "PriorityClass", "operator": "Like"},
            ],
        },
        (
            'spec.scopes: Invalid value: ["Special"]: unsupported scope',
            'spec.scopeSelector.matchExpressions.scopeName: Invalid value: "Special": unsupported '
            "scope",
            'spec.scopeSelector.matchExpressions.values: Invalid value: ["x"]: must be no value '
            "when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            "spec.scopeSelector.matchExpressions.values: Required value: must be at least one "
            "value when `operator` is 'In' or 'NotIn' for scope selector",
            'spec.scopeSelector.matchExpressions.operator: Invalid value: "Like": not a valid '
            "selector operator",
        ),
        {
            "spec.scopeSelector.matchExpressions": [
                {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
            ]
        },
    ),
    Case(
        "a limit may be so many times a request, but not less than once",
        "LimitRange",
        {"spec.limits[0].maxLimitRequestRatio": {"cpu": "500m"}},
        (
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less '
            "than 1",
        ),
        {"spec.limits[0].maxLimitRequestRatio": {"cpu": "1"}},
    ),
    Case(
        "a budget evicts unhealthy pods in one of two ways",
        "PodDisruptionBudget",
        {"spec.unhealthyPodEvictionPolicy": "Never"},
        (
            'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: '
            '"AlwaysAllow", "IfHealthyBudget"',
        ),
        {"spec.unhealthyPodEvictionPolicy": "AlwaysAllow"},
    ),
    Case(
        "a Node's addresses are ranges, its taints labels",
        "Node",
        {"spec.podCIDRs": ["10.0.0.1"], "spec.taints": [{"key": "a", "value": "-"}]},
        (
            f'metadata.taints[0].value: Invalid value: "-": {VALUE}',
            "metadata.taints[0].effect: Required value",
            'spec.podCIDRs[0]: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. '
            "10.9.8.0/24 or 2001:db8::/64)",
        ),
    ),
    Case(
        "a claim comes from somewhere that is named",
        "PersistentVolumeClaim",
        {
            "spec.dataSource": {"kind": "Pod"},
            "spec.dataSourceRef": {"apiGroup": "A", "kind": "Snapshot", "name": "s"},
            "spec.storageClassName": "Fast",
            "spec.volumeMode": "Tape",
            "spec.accessModes": ["ReadWriteOncePod", "ReadOnlyMany"],
        },
        (
            "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
            f'spec.storageClassName: Invalid value: "Fast": {SUBDOMAIN}',
            'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
            "spec.dataSource.name: Required value",
            "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when "
            "referencing the default apiGroup",
            f'spec.dataSourceRef.apiGroup: Invalid value: "A": {SUBDOMAIN}',
        ),
    ),
    Case(
        "a volume has one source, a positive size and terms about nodes",
        "PersistentVolume",
        {
            "spec.capacity": {"storage": "0", "speed": "1"},
            "spec.nfs": {"server": "a", "path": "/"},
            "spec.nodeAffinity": {},
        },
        (
            'spec.capacity: Unsupported value: {"speed":"1","storage":"0"}: supported '
            'values: "storage"',
            'spec.capacity[storage]: Invalid value: "0": must be greater than zero',
            "spec.nodeAffinity.required: Required value: must specify required node constraints",
            "spec.nfs: Forbidden: may not specify more than 1 volume type",
        ),
    ),
    Case(
        "a Secret for a user has a name or a password",
        "Secret",
        {"type": "kubernetes.io/basic-auth", "data": {"x": "AA=="}},
        ("data[username]: Required value", "data[password]: Required value"),
        {"type": "kubernetes.io/basic-auth"},
    ),
    Case(
        "a Secret for a registry holds an object",
        "Secret",
        {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "W10="}},
        (
            'data[.dockercfg]: Invalid value: "<secret contents redacted>": json: cannot '
            "unmarshal into an object",
        ),
    ),
    Case(
        "a registry's Secret has its key",
        "Secret",
        {"type": "kubernetes.io/dockerconfigjson"},
        ("data[.dockerconfigjson]: Required value",),
    ),
    Case(
        "a definition's group, names and versions are names",
        "CustomResourceDefinition",
        {
            "metadata.name": "Apps.Example.com",
            "spec.group": "Example.com",
            "spec.names": {
                "plural": "Apps",
                "singular": "app",
                "kind": "App_",
                "listKind": "AppList",
                "shortNames": ["a.b"],
            },
            "spec.versions[0].name": "1",
            "status.storedVersions": ["1"],
        },
        (
            f'metadata.name: Invalid value: "Apps.Example.com": {SUBDOMAIN}',
            f'spec.group: Invalid value: "Example.com": {SUBDOMAIN}',
            f'spec.versions[0].name: Invalid value: "1": {RFC1035}',
            f'spec.version: Invalid value: "1": {RFC1035}',
            f'spec.names.plural: Invalid value: "Apps": {RFC1035}',
            'spec.names.kind: Invalid value: "App_": may have mixed case, but should otherwise '
            f"match: {RFC1035}",
            f'spec.names.shortNames[0]: Invalid value: "a.b": {RFC1035}',
        ),
    ),
    Case(
        "a definition's schema describes an object",
        "CustomResourceDefinition",
        {"spec.versions[0].schema.openAPIV3Schema": {"type": "string", "nullable": True}},
        (
            'spec.validation.openAPIV3Schema.type: Invalid value: "string": must be '
            "object at the root",
            "spec.validation.openAPIV3Schema.nullable: Forbidden: nullable cannot be true "
            "at the root",
        ),
    ),
    Case(
        "a definition without group and scope defines nothing",
        "CustomResourceDefinition",
        {
            "spec.group": "",
            "spec.scope": "",
            "metadata.name": "apps.",
            "spec.versions[0].schema.openAPIV3Schema": {},
            "spec.versions[0].deprecationWarning": "old",
        },
        (
            f'metadata.name: Invalid value: "apps.": {SUBDOMAIN}',
            "spec.group: Required value",
            "spec.scope: Required value",
            'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for '
            "deprecated versions",
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
        ),
    ),
    Case(
        "a column has a name, a type and a path",
        "CustomResourceDefinition",
        {
            "spec.versions[0].additionalPrinterColumns": [
                {},
                {"name": "Age", "type": "time", "jsonPath": ".metadata.creationTimestamp"},
            ]
        },
        (
            "spec.additionalPrinterColumns[0].name: Required value",
            "spec.additionalPrinterColumns[0].type: Required value: must be one of "
            "boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].JSONPath: Required value",
            'spec.additionalPrinterColumns[1].type: Invalid value: "time": must be '
            "one of boolean,date,integer,number,string",
        ),
        {
            "spec.versions[0].additionalPrinterColumns": [
                {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
            ]
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
