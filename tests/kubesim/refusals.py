"""Objects that the API server accepts, and what it says once they are spoilt."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import yaml

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, copied
from kubesim.admission import default
from kubesim.admission.service_defaults import with_all_addresses
from kubesim.admission.validation import validate
from kubesim.api.definitions import with_stored_version
from kubesim.resources import Registry, Resource
from kubesim.schema import decode

DEFINITIONS = ("CustomResourceDefinition",)
REGISTRY = Registry.builtin()
GONE = object()
"""Stands for a field that is taken away."""

_MANIFESTS = """
{apiVersion: v1, kind: ConfigMap, data: {color: blue}, binaryData: {logo: AAAA}}
---
{apiVersion: v1, kind: Secret, data: {password: cGFzcw==}}
---
{apiVersion: v1, kind: ServiceAccount}
---
{apiVersion: v1, kind: Namespace}
---
apiVersion: v1
kind: Node
spec: {podCIDRs: [10.244.0.0/24], providerID: "kind://one"}
---
apiVersion: v1
kind: Event
involvedObject: {kind: Pod, name: web, namespace: shop}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
spec: {holderIdentity: a, leaseDurationSeconds: 15}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, handler: fast}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
webhooks:
- name: shop.example.com
  clientConfig: {url: "https://example.com/check"}
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
webhooks:
- name: shop.example.com
  clientConfig: {service: {name: hook, namespace: shop}}
  sideEffects: None
  admissionReviewVersions: [v1]
---
{apiVersion: v1, kind: ResourceQuota, spec: {hard: {pods: "4"}, scopes: [BestEffort]}}
---
apiVersion: v1
kind: LimitRange
spec: {limits: [{type: Container, min: {cpu: 100m}, max: {cpu: "1"}, default: {cpu: 500m}}]}
---
apiVersion: v1
kind: Pod
spec:
  containers:
  - name: web
    image: shop:1
    ports: [{name: http, containerPort: 8080}]
    env: [{name: COLOR, value: blue}]
    volumeMounts: [{name: tmp, mountPath: /tmp}]
    resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}
    livenessProbe: {httpGet: {path: /, port: http}}
  volumes: [{name: tmp, emptyDir: {}}]
  tolerations: [{key: gpu, operator: Exists, effect: NoSchedule}]
---
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  request: "\\
    LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHT01FSUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWFt\\
    RnVaVEFxTUFVR0F5dGxjQU1oQUgzeXpVMVNCOFhQdXhPSApwK2tYdis2T1ZwRTVvSkwzU2l2WnpMb1VsZCsvb0FB\\
    d0JRWURLMlZ3QTBFQVNiUTVPd0RvZ3Rpb0E1eEROVlo1ClNtZmF6dnlyV2V3emVLQmg1bGdQZkFsL0VOZm92Q1Mr\\
    NHZjYWpQc2o5VG5paGFWbkNLMVhIazZkOFdTR0pqcUoKQWc9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNU\\
    LS0tLS0K"
---
apiVersion: v1
kind: PodTemplate
template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "shop:1"}]}}
---
{apiVersion: v1, kind: Service, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /data}}
---
apiVersion: v1
kind: Endpoints
subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]
---
apiVersion: v1
kind: ReplicationController
spec:
  selector: {app: web}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "shop:1"}]}}
---
apiVersion: apps/v1
kind: Deployment
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "shop:1"}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "shop:1"}]}}
---
apiVersion: apps/v1
kind: DaemonSet
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "shop:1"}]}}
---
apiVersion: apps/v1
kind: StatefulSet
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: db, image: "db:1", volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
{apiVersion: apps/v1, kind: ControllerRevision, data: {spec: {}}, revision: 1}
---
apiVersion: batch/v1
kind: Job
metadata: {uid: "1"}
spec:
  manualSelector: true
  selector: {matchLabels: {app: once}}
  template:
    metadata: {labels: {app: once}}
    spec: {restartPolicy: Never, containers: [{name: once, image: "task:1"}]}
---
apiVersion: batch/v1
kind: CronJob
spec:
  schedule: "*/5 * * * *"
  jobTemplate:
    spec:
      template: {spec: {restartPolicy: Never, containers: [{name: once, image: "task:1"}]}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 4
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, spec: {controller: example.com/ingress}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
spec:
  podSelector: {}
  ingress:
  - ports: [{port: 80}]
    from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
roleRef: {kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: agent}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
roleRef: {kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: agent, namespace: flux}]
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, value: 1000}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
provisioner: example.com/disks
parameters: {type: fast}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{name: http, port: 80}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: apps.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: apps, singular: app, kind: App, listKind: AppList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  validations: [{expression: object.spec.replicas < 5}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
spec: {policyName: web, validationActions: [Deny]}
"""


LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
RFC1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)
"""What the server says of texts that are malformed."""


class Case(NamedTuple):
    """A rule, a way to break it, and a way to come near it and keep it.

    Args:
        rule: the rule in a few words.
        kind: the kind of the object that is edited.
        edits: values by path that break the rule.
        said: what the server says, `path: message` for each fault.
        keeps: values by path that do not break it; None if the object as it is shows enough.
    """

    rule: str
    kind: str
    edits: dict[str, Any]
    said: tuple[str, ...]
    keeps: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.rule}"

    def check_create(self) -> None:
        """The rule holds for a new object."""
        good = accepted(self.kind)
        bad = edited(good, self.edits)
        before = copied(bad)
        assert said(bad) == list(self.said)
        assert bad == before
        if self.keeps is not None:
            assert said(edited(good, self.keeps)) == []

    def check_update(self) -> None:
        """The rule holds when an object changes; of each fault, `said` gives the start."""
        old = accepted(self.kind)
        found = said(edited(old, self.edits), old)
        assert len(found) == len(self.said)
        for fault, start in zip(found, self.said, strict=True):
            assert fault.startswith(start)
        assert said(edited(old, self.keeps or {}), old) == []


@cache
def _accepted() -> dict[str, Object]:
    found: dict[str, Object] = {}
    for manifest in yaml.safe_load_all(_MANIFESTS):
        resource = resource_of(manifest)
        place = {"namespace": "shop"} if resource.namespaced else {}
        manifest["metadata"] = {"name": "web", **place, **manifest.get("metadata", {})}
        obj = default(decode(manifest, resource.node)[0], resource)
        found[resource.kind] = with_stored_version(obj) if resource.kind in DEFINITIONS else obj
    return found


def accepted(kind: str) -> Object:
    """An object of a kind that breaks no rule, with its defaults."""
    return copied(_accepted()[kind])


def resource_of(obj: Object) -> Resource:
    return REGISTRY.by_kind(obj["apiVersion"], obj["kind"])


def edited(obj: Object, edits: dict[str, Any]) -> Object:
    """A copy with other values at some paths, such as `spec.ports[0].name`."""
    obj = copied(obj)
    for path, value in edits.items():
        *steps, last = [
            int(step[1:-1]) if step.startswith("[") else step.strip("'")
            for step in re.findall(r"\[\d+\]|'[^']*'|[^.\[\]']+", path)
        ]
        place: Any = obj
        for step, after in zip(steps, [*steps, last][1:], strict=True):
            if isinstance(step, str) and step not in place:
                place[step] = [] if isinstance(after, int) else {}
            place = place[step]
        if value is GONE:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return obj


def refusal(obj: Object, old: Object | None = None) -> ApiError | None:
    """The server's refusal of an object, or None."""
    try:
        if obj["kind"] == "Service":
            obj = with_all_addresses(obj)
        validate(obj, resource_of(obj), old=old)
    except ApiError as error:
        return error
    return None


def said(obj: Object, old: Object | None = None) -> list[str]:
    """Each fault as `path: message`; nothing if the object is accepted."""
    error = refusal(obj, old)
    return [f"{cause['field']}: {cause['message']}" for cause in error.causes] if error else []


KINDS = sorted(_accepted())
"""Every kind of which there is an acceptable object."""
