from __future__ import annotations

import pytest

from tests.kubesim.refusals import GONE, KEY, LABEL, SUBDOMAIN, VALUE, Case

_C = "spec.containers[0]"
_REQUIRED = (
    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
)

CASES = [
    Case(
        "a pod has containers",
        "Pod",
        {"spec.containers": []},
        ("spec.containers: Required value",),
    ),
    Case(
        "a container has a name and an image",
        "Pod",
        {f"{_C}.name": "Web", f"{_C}.image": ""},
        (
            f'{_C}.name: Invalid value: "Web": {LABEL}',
            f"{_C}.image: Required value",
        ),
    ),
    Case(
        "containers' names differ",
        "Deployment",
        {
            "spec.template.spec.containers[1]": {
                "name": "web",
                "image": "x",
                "imagePullPolicy": "Always",
                "terminationMessagePolicy": "File",
            }
        },
        ('spec.template.spec.containers[1].name: Duplicate value: "web"',),
        {
            "spec.template.spec.containers[1]": {
                "name": "two",
                "image": "x",
                "imagePullPolicy": "Always",
                "terminationMessagePolicy": "File",
            }
        },
    ),
    Case(
        "an init container's name differs too",
        "Pod",
        {
            "spec.initContainers": [
                {
                    "name": "web",
                    "image": "x",
                    "imagePullPolicy": "Always",
                    "terminationMessagePolicy": "File",
                }
            ]
        },
        ('spec.initContainers[0].name: Duplicate value: "web"',),
    ),
    Case(
        "an init container has a probe only if it runs on",
        "Pod",
        {
            "spec.initContainers": [
                {
                    "name": "init",
                    "image": "x",
                    "imagePullPolicy": "Always",
                    "terminationMessagePolicy": "File",
                    "readinessProbe": {"tcpSocket": {"port": 80}},
                }
            ]
        },
        (
            "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers "
            "without restartPolicy=Always",
        ),
        {
            "spec.initContainers": [
                {
                    "name": "init",
                    "image": "x",
                    "imagePullPolicy": "Always",
                    "terminationMessagePolicy": "File",
                    "restartPolicy": "Always",
                    "readinessProbe": {"tcpSocket": {"port": 80}},
                }
            ]
        },
    ),
    Case(
        "an image has no spaces around it",
        "Pod",
        {f"{_C}.image": " shop:1"},
        (f'{_C}.image: Invalid value: " shop:1": must not have leading or trailing whitespace',),
    ),
    Case(
        "an image is pulled always, if it is missing, or never",
        "Pod",
        {f"{_C}.imagePullPolicy": "Sometimes"},
        (
            f'{_C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", '
            '"IfNotPresent", "Never"',
        ),
        {f"{_C}.imagePullPolicy": "Never"},
    ),
    Case(
        "a port is a number from 1 to 65535",
        "Pod",
        {f"{_C}.ports[0].containerPort": 70000},
        (
            f"{_C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, "
            "inclusive",
        ),
        {f"{_C}.ports[0].containerPort": 65535},
    ),
    Case(
        "a port has a protocol that exists",
        "Pod",
        {f"{_C}.ports[0].protocol": "HTTP"},
        (
            f'{_C}.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", '
            '"TCP", "UDP"',
        ),
        {f"{_C}.ports[0].protocol": "UDP"},
    ),
    Case(
        "a port's name is short and has a letter",
        "Pod",
        {f"{_C}.ports[0].name": "Much-too-long-for-a-port", f"{_C}.livenessProbe.httpGet.port": 1},
        (
            f'{_C}.ports[0].name: Invalid value: "Much-too-long-for-a-port": must be no more '
            "than 15 bytes",
            f'{_C}.ports[0].name: Invalid value: "Much-too-long-for-a-port": must contain only '
            "alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
    ),
    Case(
        "ports' names differ",
        "Pod",
        {f"{_C}.ports[1]": {"name": "http", "containerPort": 1, "protocol": "TCP"}},
        (f'{_C}.ports[1].name: Duplicate value: "http"',),
        {f"{_C}.ports[1]": {"name": "grpc", "containerPort": 1, "protocol": "TCP"}},
    ),
    Case(
        "a port of the node is taken once",
        "Pod",
        {f"{_C}.ports": [{"containerPort": n, "hostPort": 9, "protocol": "TCP"} for n in (1, 2)]},
        (f'{_C}.ports[1].hostPort: Duplicate value: "TCP//9"',),
        {f"{_C}.ports": [{"containerPort": n, "hostPort": n, "protocol": "TCP"} for n in (1, 2)]},
    ),
    Case(
        "a variable has a printable name without '='",
        "Pod",
        {f"{_C}.env": [{"name": "A=B"}, {"name": ""}]},
        (
            f'{_C}.env[0].name: Invalid value: "A=B": a valid environment variable name must '
            "consist only of printable ASCII characters other than '='",
            f"{_C}.env[1].name: Required value",
        ),
        {f"{_C}.env": [{"name": "1 odd name"}]},
    ),
    Case(
        "a variable comes from one source",
        "Pod",
        {
            f"{_C}.env": [
                {"name": "A", "valueFrom": {}},
                {
                    "name": "B",
                    "value": "x",
                    "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}},
                },
                {
                    "name": "C",
                    "valueFrom": {
                        "configMapKeyRef": {"name": "c", "key": "k"},
                        "secretKeyRef": {"name": "c", "key": "k"},
                    },
                },
            ]
        },
        (
            f'{_C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
            "`resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            f'{_C}.env[1].valueFrom: Invalid value: "": may not be specified when `value` is not '
            "empty",
            f'{_C}.env[2].valueFrom: Invalid value: "": may not have more than one field '
            "specified at a time",
        ),
        {f"{_C}.env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
    ),
    Case(
        "a key of a ConfigMap is named",
        "Pod",
        {f"{_C}.env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}}]},
        (f"{_C}.env[0].valueFrom.configMapKeyRef.key: Required value",),
    ),
    Case(
        "a container sees some of its pod's fields",
        "Pod",
        {
            f"{_C}.env": [
                {
                    "name": "A",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}},
                },
                {
                    "name": "B",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.image"}},
                },
            ]
        },
        (
            f'{_C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": '
            'supported values: "metadata.name", "metadata.namespace", "metadata.uid", '
            '"spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", '
            '"status.podIP", "status.podIPs"',
            f'{_C}.env[1].valueFrom.fieldRef.fieldPath: Invalid value: "spec.image": error '
            "converting fieldPath: field label not supported: spec.image",
        ),
        {
            f"{_C}.env": [
                {
                    "name": "A",
                    "valueFrom": {
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['app']"}
                    },
                },
                {
                    "name": "B",
                    "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}},
                },
            ]
        },
    ),
    Case(
        "variables come from ConfigMaps or Secrets",
        "Pod",
        {f"{_C}.envFrom": [{}, {"configMapRef": {"name": ""}}]},
        (
            f'{_C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
            f"{_C}.envFrom[1].configMapRef.name: Required value",
        ),
        {f"{_C}.envFrom": [{"secretRef": {"name": "s"}}]},
    ),
    Case(
        "what is mounted exists",
        "Pod",
        {f"{_C}.volumeMounts[0].name": "cache"},
        (f'{_C}.volumeMounts[0].name: Not found: "cache"',),
    ),
    Case(
        "a place is mounted once",
        "Pod",
        {f"{_C}.volumeMounts[1]": {"name": "tmp", "mountPath": "/tmp"}},
        (f'{_C}.volumeMounts[1].mountPath: Invalid value: "/tmp": must be unique',),
        {f"{_C}.volumeMounts[1]": {"name": "tmp", "mountPath": "/var/tmp"}},
    ),
    Case(
        "a sub-path stays below its volume",
        "Pod",
        {f"{_C}.volumeMounts[0].subPath": "/a/../b"},
        (
            f'{_C}.volumeMounts.subPath: Invalid value: "/a/../b": must be a relative path',
            f"{_C}.volumeMounts.subPath: Invalid value: \"/a/../b\": must not contain '..'",
        ),
        {f"{_C}.volumeMounts[0].subPath": "a/b"},
    ),
    Case(
        "a volume has one source",
        "Pod",
        {
            "spec.volumes": [
                {"name": "tmp"},
                {"name": "two", "emptyDir": {}, "configMap": {"name": "c"}},
            ]
        },
        (
            "spec.volumes[0]: Required value: must specify a volume type",
            "spec.volumes[1].configMap: Forbidden: may not specify more than 1 volume type",
            f'{_C}.volumeMounts[0].name: Not found: "tmp"',
        ),
        {"spec.volumes": [{"name": "tmp", "configMap": {"name": "c"}}]},
    ),
    Case(
        "volumes' names differ",
        "Pod",
        {"spec.volumes[1]": {"name": "tmp", "emptyDir": {}}},
        ('spec.volumes[1].name: Duplicate value: "tmp"',),
    ),
    Case(
        "a volume's source is named",
        "Pod",
        {
            "spec.volumes[1]": {"name": "a", "secret": {}},
            "spec.volumes[2]": {"name": "b", "configMap": {}},
            "spec.volumes[3]": {"name": "c", "persistentVolumeClaim": {}},
            "spec.volumes[4]": {"name": "d", "hostPath": {"path": ""}},
        },
        (
            "spec.volumes[1].secret.secretName: Required value",
            "spec.volumes[2].configMap.name: Required value",
            "spec.volumes[3].persistentVolumeClaim.claimName: Required value",
            "spec.volumes[4].hostPath.path: Required value",
        ),
    ),
    Case(
        "a file's mode is one that files have",
        "Pod",
        {"spec.volumes[1]": {"name": "a", "configMap": {"name": "c", "defaultMode": 512}}},
        (
            "spec.volumes[1].configMap.defaultMode: Invalid value: 512: must be a number between "
            "0 and 0777 (octal), both inclusive",
        ),
        {"spec.volumes[1]": {"name": "a", "configMap": {"name": "c", "defaultMode": 511}}},
    ),
    Case(
        "a key becomes a file below the mount",
        "Pod",
        {
            "spec.volumes[1]": {
                "name": "a",
                "secret": {
                    "secretName": "s",
                    "items": [{"key": "", "path": "..x"}, {"key": "k", "path": ""}],
                },
            }
        },
        (
            "spec.volumes[1].secret.items[0].key: Required value",
            'spec.volumes[1].secret.items[0].path: Invalid value: "..x": must not start with '
            "'..'",
            "spec.volumes[1].secret.items[1].path: Required value",
        ),
        {
            "spec.volumes[1]": {
                "name": "a",
                "secret": {"secretName": "s", "items": [{"key": "k", "path": "x/y"}]},
            }
        },
    ),
    Case(
        "projections are named and last ten minutes",
        "Pod",
        {
            "spec.serviceAccountName": "web",
            "spec.volumes[1]": {
                "name": "a",
                "projected": {
                    "sources": [
                        {},
                        {"configMap": {}},
                        {"serviceAccountToken": {"expirationSeconds": 60, "path": ""}},
                    ]
                },
            },
        },
        (
            "spec.volumes[1].projected.sources[0]: Required value: must specify one projection",
            "spec.volumes[1].projected.sources[1].configMap.name: Required value",
            "spec.volumes[1].projected.sources[2].serviceAccountToken.expirationSeconds: Invalid "
            "value: 60: may not specify a duration less than 10 minutes",
            "spec.volumes[1].projected.sources[2].serviceAccountToken.path: Required value",
        ),
    ),
    Case(
        "a token belongs to an account",
        "Pod",
        {
            "spec.volumes[1]": {
                "name": "a",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
            }
        },
        (
            "spec.volumes[1].projected.sources[0].serviceAccountToken: Forbidden: must not be "
            "specified when serviceAccountName is not set",
        ),
        {
            "spec.serviceAccountName": "web",
            "spec.volumes[1]": {
                "name": "a",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
            },
        },
    ),
    Case(
        "a probe asks in one way",
        "Pod",
        {f"{_C}.livenessProbe.exec": {"command": ["true"]}},
        (f"{_C}.livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type",),
    ),
    Case(
        "a probe asks at all",
        "Pod",
        {f"{_C}.livenessProbe.httpGet": GONE},
        (f"{_C}.livenessProbe: Required value: must specify a handler type",),
        {f"{_C}.livenessProbe": {"grpc": {"port": 9000}}},
    ),
    Case(
        "a probe's numbers are not negative",
        "Pod",
        {f"{_C}.livenessProbe.periodSeconds": -1, f"{_C}.livenessProbe.timeoutSeconds": -2},
        (
            f"{_C}.livenessProbe.timeoutSeconds: Invalid value: -2: must be greater than or equal "
            "to 0",
            f"{_C}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal "
            "to 0",
        ),
    ),
    Case(
        "a liveness probe succeeds at once",
        "Pod",
        {f"{_C}.livenessProbe.successThreshold": 2},
        (f"{_C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",),
        {f"{_C}.readinessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}},
    ),
    Case(
        "a probe's port and scheme exist",
        "Pod",
        {f"{_C}.livenessProbe.httpGet.port": 0, f"{_C}.livenessProbe.httpGet.scheme": "FTP"},
        (
            f"{_C}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, "
            "inclusive",
            f'{_C}.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: '
            '"HTTP", "HTTPS"',
        ),
        {f"{_C}.livenessProbe.httpGet.port": "http"},
    ),
    Case(
        "a hook sleeps no longer than the pod's grace",
        "Pod",
        {f"{_C}.lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
        (
            f"{_C}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
            "terminationGracePeriodSeconds (30)",
        ),
        {f"{_C}.lifecycle": {"preStop": {"sleep": {"seconds": 30}}}},
    ),
    Case(
        "a container asks for no more than it may use",
        "Pod",
        {f"{_C}.resources.requests.cpu": "1"},
        (
            f'{_C}.resources.requests: Invalid value: "1": must be less than or equal to cpu '
            "limit of 200m",
        ),
        {f"{_C}.resources.requests.cpu": "0.2"},
    ),
    Case(
        "an amount is not negative",
        "Pod",
        {f"{_C}.resources": {"limits": {"memory": "-1Gi"}}},
        (
            f'{_C}.resources.limits[memory]: Invalid value: "-1Gi": must be greater than or equal '
            "to 0",
        ),
    ),
    Case(
        "a resource is one that containers use",
        "Pod",
        {f"{_C}.resources": {"limits": {"cpus": "1", "pods": "1"}}},
        (
            f'{_C}.resources.limits[cpus]: Invalid value: "cpus": must be a standard resource type '
            "or fully qualified",
            f'{_C}.resources.limits[cpus]: Invalid value: "cpus": must be a standard resource for '
            "containers",
            f'{_C}.resources.limits[pods]: Invalid value: "pods": must be a standard resource for '
            "containers",
        ),
        {f"{_C}.resources": {"limits": {"ephemeral-storage": "1Gi"}}},
    ),
    Case(
        "a device is asked for whole, and as often as it may be used",
        "Pod",
        {
            f"{_C}.resources": {
                "limits": {"nvidia.com/gpu": "500m"},
                "requests": {"example.com/disk": "1"},
            }
        },
        (
            f'{_C}.resources.limits[nvidia.com/gpu]: Invalid value: "500m": must be an integer',
            f"{_C}.resources.limits: Required value: Limit must be set for non overcommitable "
            "resources",
        ),
        {
            f"{_C}.resources": {
                "limits": {"nvidia.com/gpu": "1"},
                "requests": {"nvidia.com/gpu": "1"},
            }
        },
    ),
    Case(
        "a pod restarts always, on failure or never",
        "Pod",
        {"spec.restartPolicy": "Sometimes"},
        (
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", '
            '"OnFailure", "Never"',
        ),
        {"spec.restartPolicy": "OnFailure"},
    ),
    Case(
        "a pod resolves names in one of four ways",
        "Pod",
        {"spec.dnsPolicy": "None"},
        ("spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",),
        {"spec.dnsPolicy": "None", "spec.dnsConfig": {"nameservers": ["10.0.0.10"]}},
    ),
    Case(
        "a user is a number that Linux knows",
        "Pod",
        {"spec.securityContext.runAsUser": -1},
        (
            "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and "
            "2147483647, inclusive",
        ),
        {"spec.securityContext.runAsUser": 0},
    ),
    Case(
        "a privileged container can escalate",
        "Pod",
        {f"{_C}.securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
        (
            "spec.containers[0].securityContext: Invalid value: "
            '{"Capabilities":null,"Privileged":true,"SELinuxOptions":null,'
            '"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,'
            '"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,'
            '"SeccompProfile":null,"AppArmorProfile":null}: cannot set '
            "`allowPrivilegeEscalation` to false and `privileged` to true",
        ),
        {f"{_C}.securityContext": {"allowPrivilegeEscalation": False}},
    ),
    Case(
        "a seccomp profile has a type",
        "Pod",
        {"spec.securityContext.seccompProfile": {"localhostProfile": "p"}},
        (
            "spec.securityContext.seccompProfile.type: Required value: type is required when "
            "seccompProfile is set",
        ),
        {"spec.securityContext.seccompProfile": {"type": "RuntimeDefault"}},
    ),
    Case(
        "a toleration of everything says Exists",
        "Pod",
        {"spec.tolerations": [{"operator": "Equal"}, {"key": "a", "operator": "Like"}]},
        (
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when '
            '`key` is empty, which means "match all values and all keys"',
            'spec.tolerations[1].operator: Unsupported value: "Like": supported values: "Equal", '
            '"Exists"',
        ),
        {"spec.tolerations": [{"operator": "Exists"}]},
    ),
    Case(
        "only an eviction is put off by seconds",
        "Pod",
        {
            "spec.tolerations": [
                {"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}
            ]
        },
        (
            'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be '
            "'NoExecute' when `tolerationSeconds` is set",
        ),
        {
            "spec.tolerations": [
                {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
            ]
        },
    ),
    Case(
        "nodes are chosen by labels",
        "Pod",
        {"spec.nodeSelector": {"disk": "very fast"}},
        (f'spec.nodeSelector: Invalid value: "very fast": {VALUE}',),
        {"spec.nodeSelector": {"disk": "fast"}},
    ),
    Case(
        "an affinity has terms, topology and a weight",
        "Pod",
        {
            "spec.affinity": {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}},
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 0, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                },
            }
        },
        (
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
            "nodeSelectorTerms: Required value: must have at least one node selector term",
            "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
            "weight: Invalid value: 0: must be in the range 1-100",
        ),
        {
            "spec.affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": "disk", "operator": "Gt", "values": ["1"]}
                                ]
                            }
                        ]
                    }
                },
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 100, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                },
            }
        },
    ),
    Case(
        "a spread is measured over a topology, once",
        "Pod",
        {
            "spec.topologySpreadConstraints": [
                {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
            ]
        },
        (
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than "
            "zero",
            "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "
            '"{zone, DoNotSchedule}"',
        ),
        {
            "spec.topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        },
    ),
    Case(
        "names within a pod are names",
        "Pod",
        {"spec.hostname": "a.b", "spec.serviceAccountName": "Web"},
        (
            f'spec.serviceAccountName: Invalid value: "Web": {SUBDOMAIN}',
            'spec.hostname: Invalid value: "a.b": must not contain dots',
        ),
        {"spec.hostname": "a", "spec.serviceAccountName": "web"},
    ),
    Case(
        "a pod's deadline lies ahead",
        "Pod",
        {"spec.activeDeadlineSeconds": 0},
        (
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, "
            "inclusive",
        ),
        {"spec.activeDeadlineSeconds": 1},
    ),
    Case(
        "a gated pod has no node",
        "Pod",
        {"spec.schedulingGates": [{"name": "wait"}], "spec.nodeName": "one"},
        ("spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",),
        {"spec.schedulingGates": [{"name": "wait"}]},
    ),
    Case(
        "a node's port may differ from the container's, unless the pod is on the node's network",
        "Pod",
        {"spec.hostNetwork": True, f"{_C}.ports[0].hostPort": 80},
        (
            f"{_C}.ports[0].hostPort: Invalid value: 80: must match `containerPort` when "
            "`hostNetwork` is true",
        ),
        {f"{_C}.ports[0].hostPort": 80},
    ),
    Case(
        "a message is read from a file or from the log",
        "Pod",
        {f"{_C}.terminationMessagePolicy": GONE, "spec.terminationGracePeriodSeconds": GONE},
        (
            "spec.terminationGracePeriodSeconds: Required value",
            f"{_C}.terminationMessagePolicy: Required value",
        ),
        {f"{_C}.terminationMessagePolicy": "FallbackToLogsOnError"},
    ),
    Case(
        "a variable may hold a resource, in units that it comes in",
        "Pod",
        {
            f"{_C}.env": [
                {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}},
                {
                    "name": "B",
                    "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}},
                },
                {
                    "name": "C",
                    "valueFrom": {
                        "resourceFieldRef": {"resource": "requests.memory", "divisor": "1m"}
                    },
                },
                {"name": "D", "valueFrom": {"resourceFieldRef": {}}},
            ]
        },
        (
            f'{_C}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": '
            'supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", '
            '"requests.cpu", "requests.ephemeral-storage", "requests.memory"',
            f'{_C}.env[1].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only '
            "divisor's values 1m and 1 are supported with the cpu resource",
            f'{_C}.env[2].valueFrom.resourceFieldRef.divisor: Invalid value: "requests.memory": '
            "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are "
            "supported with the memory resource",
            f"{_C}.env[3].valueFrom.resourceFieldRef.resource: Required value",
        ),
        {
            f"{_C}.env": [
                {
                    "name": "A",
                    "valueFrom": {
                        "resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}
                    },
                },
                {
                    "name": "B",
                    "valueFrom": {"resourceFieldRef": {"resource": "limits.hugepages-2Mi"}},
                },
            ]
        },
    ),
    Case(
        "a reference to a field says which, and only labels and annotations have keys",
        "Pod",
        {
            f"{_C}.env": [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "B", "valueFrom": {"fieldRef": {"apiVersion": "v1"}}},
                {
                    "name": "C",
                    "valueFrom": {
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name['a']"}
                    },
                },
                {
                    "name": "D",
                    "valueFrom": {
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['/a']"}
                    },
                },
            ]
        },
        (
            f"{_C}.env[0].valueFrom.fieldRef.apiVersion: Required value",
            f"{_C}.env[1].valueFrom.fieldRef.fieldPath: Required value",
            f'{_C}.env[2].valueFrom.fieldRef: Invalid value: "metadata.name": does not support '
            "subscript",
            f'{_C}.env[3].valueFrom.fieldRef: Invalid value: "/a": prefix part must be non-empty',
        ),
        {
            f"{_C}.env": [
                {
                    "name": "A",
                    "valueFrom": {
                        "fieldRef": {
                            "apiVersion": "v1",
                            "fieldPath": "metadata.annotations['Shop.io/A']",
                        }
                    },
                }
            ]
        },
    ),
    Case(
        "a variable from a file says which file and which key",
        "Pod",
        {f"{_C}.env": [{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "tmp"}}}]},
        (
            f"{_C}.env[0].valueFrom.fileKeyRef.path: Required value",
            f"{_C}.env[0].valueFrom.fileKeyRef.key: Required value",
        ),
    ),
    Case(
        "a mount says what and where",
        "Pod",
        {
            f"{_C}.volumeMounts": [
                {"name": "", "mountPath": "/a"},
                {"name": "tmp", "mountPath": ""},
                {"name": "tmp", "mountPath": "/b", "subPath": "a", "subPathExpr": "/b"},
            ]
        },
        (
            f"{_C}.volumeMounts[0].name: Required value",
            f'{_C}.volumeMounts[0].name: Not found: ""',
            f"{_C}.volumeMounts[1].mountPath: Required value",
            f'{_C}.volumeMounts[2].subPathExpr: Invalid value: "/b": subPathExpr and subPath are '
            "mutually exclusive",
            f'{_C}.volumeMounts.subPathExpr: Invalid value: "/b": must be a relative path',
        ),
    ),
    Case(
        "a device is a claim, once, and not mounted too",
        "Pod",
        {
            "spec.volumes[1]": {"name": "disk", "persistentVolumeClaim": {"claimName": "c"}},
            f"{_C}.volumeMounts[1]": {"name": "disk", "mountPath": "/dev/x"},
            f"{_C}.volumeDevices": [
                {"name": "disk", "devicePath": "/dev/x"},
                {"name": "disk", "devicePath": "/dev/x"},
                {"name": "tmp", "devicePath": "/dev/../y"},
                {"name": "", "devicePath": ""},
            ],
        },
        (
            f'{_C}.volumeMounts[0].name: Invalid value: "tmp": must not already exist in '
            "volumeDevices",
            f'{_C}.volumeMounts[1].name: Invalid value: "disk": must not already exist in '
            "volumeDevices",
            f'{_C}.volumeMounts[1].mountPath: Invalid value: "/dev/x": must not already exist as '
            "a path in volumeDevices",
            f'{_C}.volumeDevices[1].name: Invalid value: "disk": must be unique',
            f'{_C}.volumeDevices[1].devicePath: Invalid value: "/dev/x": must be unique',
            f'{_C}.volumeDevices[2].name: Invalid value: "tmp": can only use volume source type '
            "of PersistentVolumeClaim or Ephemeral for block mode",
            f'{_C}.volumeDevices[2].devicePath: Invalid value: "/dev/../y": can not contain '
            "backsteps ('..')",
            f"{_C}.volumeDevices[3].name: Required value",
            f'{_C}.volumeDevices[3].name: Not found: ""',
            f"{_C}.volumeDevices[3].devicePath: Required value",
        ),
        {
            "spec.volumes[1]": {"name": "disk", "persistentVolumeClaim": {"claimName": "c"}},
            f"{_C}.volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}],
        },
    ),
    Case(
        "a probe by command has a command, one by HTTP a path and good headers",
        "Pod",
        {
            f"{_C}.livenessProbe": {"exec": {}},
            f"{_C}.readinessProbe": {
                "httpGet": {"port": 80, "scheme": "HTTP", "httpHeaders": [{"name": "X A"}]},
                "terminationGracePeriodSeconds": 0,
            },
        },
        (
            f"{_C}.livenessProbe.exec.command: Required value",
            f"{_C}.readinessProbe.httpGet.path: Required value",
            f'{_C}.readinessProbe.httpGet.httpHeaders: Invalid value: "X A": a valid HTTP header '
            "must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
            "validation is '[-A-Za-z0-9]+')",
            f"{_C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be "
            "greater than 0",
            f"{_C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must not be "
            "set for readinessProbes",
        ),
        {
            f"{_C}.livenessProbe": {"exec": {"command": ["true"]}},
            f"{_C}.startupProbe": {
                "tcpSocket": {"port": "http"},
                "terminationGracePeriodSeconds": 1,
            },
        },
    ),
    Case(
        "a container that may not escalate has no administrator's rights",
        "Pod",
        {
            f"{_C}.securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"add": ["CAP_SYS_ADMIN"]},
            }
        },
        (
            "spec.containers[0].securityContext: Invalid value: "
            '{"Capabilities":{"Add":["CAP_SYS_ADMIN"],"Drop":null},"Privileged":null,'
            '"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,'
            '"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,'
            '"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,'
            '"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and '
            "`capabilities.Add` CAP_SYS_ADMIN",
        ),
        {
            f"{_C}.securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
        },
    ),
    Case(
        "a profile is one of three types, and has a place only on the node",
        "Pod",
        {
            "spec.securityContext.seccompProfile": {"type": "Strict"},
            "spec.securityContext.appArmorProfile": {"type": "Localhost"},
            f"{_C}.securityContext": {
                "seccompProfile": {"type": "Localhost", "localhostProfile": "/p"},
                "appArmorProfile": {"type": "Unconfined", "localhostProfile": "p"},
            },
        },
        (
            f'{_C}.securityContext.seccompProfile.localhostProfile: Invalid value: "/p": must be '
            "a relative path",
            f'{_C}.securityContext.appArmorProfile.localhostProfile: Invalid value: "p": can only '
            "be set when AppArmor type is Localhost",
            'spec.securityContext.seccompProfile.type: Unsupported value: "Strict": supported '
            'values: "Localhost", "RuntimeDefault", "Unconfined"',
            "spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set "
            "when AppArmor type is Localhost",
        ),
    ),
    Case(
        "a pod's security fits together",
        "Pod",
        {
            "spec.shareProcessNamespace": True,
            "spec.hostPID": True,
            "spec.securityContext": {
                "supplementalGroups": [-1],
                "fsGroupChangePolicy": "Never",
                "sysctls": [{"name": ""}, {"name": "a"}, {"name": "a"}],
            },
        },
        (
            "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between "
            "0 and 2147483647, inclusive",
            "spec.securityContext.shareProcessNamespace: Invalid value: true: "
            "ShareProcessNamespace and HostPID cannot both be enabled",
            "spec.securityContext.sysctls[0].name: Required value",
            'spec.securityContext.sysctls[2].name: Duplicate value: "a"',
            'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported '
            'values: "Always", "OnRootMismatch"',
        ),
    ),
    Case(
        "names are resolved by up to three servers",
        "Pod",
        {"spec.dnsConfig": {"nameservers": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "one"]}},
        (
            'spec.dnsConfig.nameservers: Invalid value: ["10.0.0.1","10.0.0.2","10.0.0.3","one"]: '
            "must not have more than 3 nameservers",
            'spec.dnsConfig.nameservers[3]: Invalid value: "one": must be a valid IP address, '
            "(e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        {"spec.dnsConfig": {"searches": ["svc.local"]}},
    ),
    Case(
        "an alias is an address and names",
        "Pod",
        {"spec.hostAliases": [{"ip": "one", "hostnames": ["A"]}]},
        (
            'spec.hostAliases[0].ip: Invalid value: "one": must be a valid IP address, (e.g. '
            "10.9.8.7 or 2001:db8::ffff)",
            f'spec.hostAliases[0].hostnames[0]: Invalid value: "A": {SUBDOMAIN}',
        ),
        {"spec.hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.b"]}]},
    ),
    Case(
        "gates have names, and differ",
        "Pod",
        {
            "spec.schedulingGates": [{"name": "a"}, {"name": "a"}],
            "spec.readinessGates": [{"conditionType": "/x"}],
            "spec.preemptionPolicy": "Always",
        },
        (
            'spec.readinessGates[0].conditionType: Invalid value: "/x": prefix part must be '
            "non-empty",
            'spec.schedulingGates[1]: Duplicate value: "a"',
            'spec.preemptionPolicy: Unsupported value: "Always": supported values: '
            '"PreemptLowerPriority", "Never"',
        ),
    ),
    Case(
        "ephemeral containers come later, and never from a template",
        "Pod",
        {"spec.ephemeralContainers": [{"name": "debug"}]},
        ("spec.ephemeralContainers: Forbidden: cannot be set on create",),
    ),
    Case(
        "a template has no ephemeral containers",
        "Deployment",
        {"spec.template.spec.ephemeralContainers": [{"name": "debug"}]},
        (
            "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed "
            "in pod template",
        ),
    ),
    Case(
        "a toleration's value and effect exist",
        "Pod",
        {
            "spec.tolerations": [
                {"key": "a", "value": "-"},
                {"key": "a", "operator": "Exists", "value": "b"},
                {"key": "a", "effect": "Never"},
            ]
        },
        (
            f'spec.tolerations[0].operator: Invalid value: "-": {VALUE}',
            'spec.tolerations[1].operator: Invalid value: "b": value must be empty when '
            "`operator` is 'Exists'",
            'spec.tolerations[2].effect: Unsupported value: "Never": supported values: '
            '"NoSchedule", "PreferNoSchedule", "NoExecute"',
        ),
    ),
    Case(
        "a term about nodes has an operator and the values for it",
        "Pod",
        {
            "spec.affinity.nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "a", "operator": "In"},
                                {"key": "a", "operator": "Exists", "values": ["x"]},
                                {"key": "a", "operator": "Lt"},
                                {"key": "a", "operator": "Like"},
                            ],
                            "matchFields": [
                                {"key": "metadata.name", "operator": "In"},
                                {"key": "spec.x", "operator": "Gt", "values": ["1"]},
                            ],
                        }
                    ]
                }
            }
        },
        (
            f"{_REQUIRED}.matchExpressions[0].values: Required value: must be specified when "
            "`operator` is 'In' or 'NotIn'",
            f"{_REQUIRED}.matchExpressions[1].values: Forbidden: may not be specified when "
            "`operator` is 'Exists' or 'DoesNotExist'",
            f"{_REQUIRED}.matchExpressions[2].values: Required value: must be specified single "
            "value when `operator` is 'Lt' or 'Gt'",
            f'{_REQUIRED}.matchExpressions[3].operator: Invalid value: "Like": not a valid '
            "selector operator",
            f"{_REQUIRED}.matchFields[0].values: Required value: must be only one value when "
            "`operator` is 'In' or 'NotIn' for node field selector",
            f'{_REQUIRED}.matchFields[1].operator: Invalid value: "Gt": not a valid selector '
            "operator",
            f'{_REQUIRED}.matchFields[1].key: Invalid value: "spec.x": not a valid field selector '
            "key",
        ),
    ),
    Case(
        "a preferred node may be named by a malformed label",
        "Pod",
        {
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 101,
                    "preference": {
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["-"]}]
                    },
                }
            ]
        },
        (
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
            "weight: Invalid value: 101: must be in the range 1-100",
        ),
    ),
    Case(
        "a term about pods has a topology and names of namespaces",
        "Pod",
        {
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "namespaces": ["A.b"]},
            ],
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": ""},
            ],
        },
        (
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
            f'namespace: Invalid value: "A.b": {LABEL}',
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
            "topologyKey: Required value: can not be empty",
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
            'topologyKey: Invalid value: "": name part must be non-empty',
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
            f'topologyKey: Invalid value: "": {KEY}',
        ),
    ),
    Case(
        "a spread says over what, how, and how wide",
        "Pod",
        {
            "spec.topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "",
                    "whenUnsatisfiable": "Wait",
                    "minDomains": 0,
                    "nodeTaintsPolicy": "Obey",
                }
            ]
        },
        (
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Wait": '
            'supported values: "DoNotSchedule", "ScheduleAnyway"',
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than "
            "zero",
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use "
            "minDomains if whenUnsatisfiable=DoNotSchedule, not Wait",
            'spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "Obey": '
            'supported values: "Honor", "Ignore"',
        ),
    ),
    Case(
        "a volume's name is a label, and its source is complete",
        "Pod",
        {
            "spec.volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "A", "emptyDir": {}},
                {"name": "", "emptyDir": {}},
                {"name": "b", "emptyDir": {"sizeLimit": "-1"}},
                {"name": "c", "hostPath": {"path": "/a/../b", "type": "Folder"}},
                {"name": "d", "nfs": {"path": "x"}},
                {"name": "e", "csi": {}},
                {"name": "f", "csi": {"driver": "a b"}},
                {"name": "g", "ephemeral": {}},
                {"name": "h", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            ]
        },
        (
            f'spec.volumes[1].name: Invalid value: "A": {LABEL}',
            "spec.volumes[2].name: Required value",
            "spec.volumes[3].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid "
            "resource quantity",
            "spec.volumes[4].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
            'spec.volumes[4].hostPath.type: Unsupported value: "Folder": supported values: "", '
            '"BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", '
            '"FileOrCreate", "Socket"',
            "spec.volumes[5].nfs.server: Required value",
            'spec.volumes[5].nfs.path: Invalid value: "x": must be an absolute path',
            "spec.volumes[6].csi.driver: Required value",
            f'spec.volumes[7].csi.driver: Invalid value: "a b": {SUBDOMAIN}',
            "spec.volumes[8].ephemeral.volumeClaimTemplate: Required value",
            "spec.volumes[9].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at "
            "least 1 access mode is required",
            "spec.volumes[9].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
        ),
    ),
    Case(
        "the pod's own fields become files",
        "Pod",
        {
            "spec.volumes[1]": {
                "name": "a",
                "downwardAPI": {
                    "items": [
                        {"path": ""},
                        {
                            "path": "b",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"},
                            "resourceFieldRef": {"resource": "limits.cpu"},
                        },
                        {"path": "c", "resourceFieldRef": {"resource": "limits.cpu"}},
                    ]
                },
            }
        },
        (
            "spec.volumes[1].downwardAPI.path: Required value",
            "spec.volumes[1].downwardAPI: Required value: one of fieldRef and resourceFieldRef is "
            "required",
            'spec.volumes[1].downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": '
            'supported values: "metadata.annotations", "metadata.labels", "metadata.name", '
            '"metadata.namespace", "metadata.uid"',
            'spec.volumes[1].downwardAPI: Invalid value: "resource": fieldRef and '
            "resourceFieldRef can not be specified simultaneously",
            "spec.volumes[1].downwardAPI.resourceFieldRef.containerName: Required value",
        ),
        {
            "spec.volumes[1]": {
                "name": "a",
                "downwardAPI": {
                    "items": [
                        {
                            "path": "labels",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"},
                        }
                    ]
                },
            }
        },
    ),
    Case(
        "huge pages are used as they are asked for",
        "Pod",
        {
            f"{_C}.resources": {
                "limits": {"hugepages-2Mi": "4Mi", "cpu": "1"},
                "requests": {"hugepages-2Mi": "2Mi"},
            }
        },
        (
            f'{_C}.resources.requests: Invalid value: "2Mi": must be equal to hugepages-2Mi limit '
            "of 4Mi",
        ),
    ),
    Case(
        "a device's name is short enough for a quota",
        "Pod",
        {f"{_C}.resources": {"limits": {"kubernetes.io/x": "1", f"{'a' * 250}.io/x": "1"}}},
        (
            f'{_C}.resources.limits[{"a" * 250}.io/x]: Invalid value: "{"a" * 250}.io/x": '
            "doesn't follow extended resource name standard",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
