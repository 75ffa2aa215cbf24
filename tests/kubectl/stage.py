"""One of everything that people look at, in a namespace of its own."""

from __future__ import annotations

from typing import Any

import yaml

from tests.kubectl.live import Cluster

FURNITURE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {tier: front}}
data: {colour: blue}
binaryData: {raw: AAEC}
---
apiVersion: v1
kind: Secret
metadata: {name: word}
stringData: {word: secret}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bot}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: first, image: "task:1"}]
      containers:
      - name: web
        image: web:1
        ports: [{name: http, containerPort: 80}]
        resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
        env:
        - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
        - {name: PLAIN, value: text}
        envFrom: [{secretRef: {name: word}}]
        volumeMounts: [{name: settings, mountPath: /settings, readOnly: true}]
        readinessProbe: {httpGet: {path: /ready, port: http}}
      volumes: [{name: settings, configMap: {name: settings}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: elsewhere.example}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "db:1", volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "agent:1"}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: once, image: "task:1", command: [echo, hi]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: seldom}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: seldom, image: "task:1"}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front}
spec:
  ingressClassName: nginx
  tls: [{hosts: [web.example], secretName: word}]
  rules:
  - host: web.example
    http:
      paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 4
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 90}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: few}
spec: {hard: {pods: "50"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec: {limits: [{type: Container, max: {cpu: "2"}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: bot, namespace: elsewhere}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: waiting}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: crash, labels: {app: crash}}
spec: {containers: [{name: crash, image: "crash:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: absent, labels: {app: absent}}
spec: {containers: [{name: absent, image: "does-not-exist:1"}]}
"""


def set_up(cluster: Cluster) -> str:
    """Furnish a namespace, and wait until everything in it has settled."""
    namespace = cluster.namespace()
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(FURNITURE))
    cluster.create(*objects, namespace=namespace)

    def settled() -> bool:
        def status(api_version: str, kind: str, name: str) -> dict[str, Any]:
            found: dict[str, Any] = cluster.get(api_version, kind, name, namespace)["status"]
            return found

        crashed = status("v1", "Pod", "crash").get("containerStatuses", [{}])[0]
        return bool(
            status("apps/v1", "Deployment", "web").get("availableReplicas") == 2
            and status("apps/v1", "StatefulSet", "db").get("availableReplicas") == 1
            and status("apps/v1", "DaemonSet", "agent").get("numberAvailable") == 2
            and status("batch/v1", "Job", "once").get("succeeded") == 1
            and status("policy/v1", "PodDisruptionBudget", "web").get("disruptionsAllowed") == 1
            and crashed.get("restartCount", 0) > 0
        )

    cluster.until(settled)
    return namespace
