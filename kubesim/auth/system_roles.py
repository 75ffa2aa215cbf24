"""The roles of the cluster's own parts, and to whom they are bound: one line for each rule.

Some programs of people use them by name (`system:auth-delegator`, `system:node-proxier`), and a
user may be given the name of a part. Here the controllers themselves need no rights.

Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy (policy.go,
controller_policy.go and namespace_policy.go of Kubernetes 1.36).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubesim.model import Object

_EVENTS = "create patch update | core events.k8s.io | events"

_READ = "get list watch"

CLUSTER = f"""
system:auth-delegator: create | authentication.k8s.io | tokenreviews
system:auth-delegator: create | authorization.k8s.io | subjectaccessreviews
system:certificates.k8s.io:certificatesigningrequests:nodeclient: create | certificates.k8s.io | certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient: create | certificates.k8s.io | certificatesigningrequests/selfnodeclient
system:certificates.k8s.io:kube-apiserver-client-approver: approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver: approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet
system:certificates.k8s.io:kubelet-serving-approver: approve | certificates.k8s.io | signers | kubernetes.io/kubelet-serving
system:certificates.k8s.io:legacy-unknown-approver: approve | certificates.k8s.io | signers | kubernetes.io/legacy-unknown
system:heapster: {_READ} | core | events namespaces nodes pods
system:heapster: {_READ} | extensions | deployments
system:kube-aggregator: {_READ} | core | endpoints services
system:kube-controller-manager: {_EVENTS}
system:kube-controller-manager: create | coordination.k8s.io | leases
system:kube-controller-manager: get update | coordination.k8s.io | leases | kube-controller-manager
system:kube-controller-manager: create | core | secrets serviceaccounts
system:kube-controller-manager: delete | core | secrets
system:kube-controller-manager: get | core | configmaps namespaces secrets serviceaccounts
system:kube-controller-manager: update | core | secrets serviceaccounts
system:kube-controller-manager: create | authentication.k8s.io | tokenreviews
system:kube-controller-manager: create | authorization.k8s.io | subjectaccessreviews
system:kube-controller-manager: list watch | * | *
system:kube-controller-manager: create | core | serviceaccounts/token
system:kube-dns: list watch | core | endpoints services
system:kube-scheduler: {_EVENTS}
system:kube-scheduler: create | coordination.k8s.io | leases
system:kube-scheduler: get update | coordination.k8s.io | leases | kube-scheduler
system:kube-scheduler: {_READ} | core | nodes
system:kube-scheduler: delete get list watch | core | pods
system:kube-scheduler: create | core | bindings pods/binding
system:kube-scheduler: patch update | core | pods/status
system:kube-scheduler: {_READ} | core | replicationcontrollers services
system:kube-scheduler: {_READ} | apps extensions | replicasets
system:kube-scheduler: {_READ} | apps | statefulsets
system:kube-scheduler: {_READ} | policy | poddisruptionbudgets
system:kube-scheduler: {_READ} | core | persistentvolumeclaims persistentvolumes
system:kube-scheduler: create | authentication.k8s.io | tokenreviews
system:kube-scheduler: create | authorization.k8s.io | subjectaccessreviews
system:kube-scheduler: {_READ} | storage.k8s.io | csinodes
system:kube-scheduler: {_READ} | core | namespaces
system:kube-scheduler: {_READ} | storage.k8s.io | csidrivers csistoragecapacities
system:kube-scheduler: {_READ} patch update | resource.k8s.io | resourceclaims
system:kube-scheduler: patch update | resource.k8s.io | resourceclaims/status
system:kube-scheduler: {_READ} | resource.k8s.io | deviceclasses resourceslices
system:kubelet-api-admin: {_READ} proxy | core | nodes
system:kubelet-api-admin: * | core | nodes/log nodes/metrics nodes/proxy nodes/stats
system:node-bootstrapper: create get list watch | certificates.k8s.io | certificatesigningrequests
system:node-problem-detector: get | core | nodes
system:node-problem-detector: patch | core | nodes/status
system:node-problem-detector: {_EVENTS}
system:node-proxier: list watch | core | endpoints services
system:node-proxier: {_READ} | core | nodes
system:node-proxier: {_EVENTS}
system:node-proxier: list watch | networking.k8s.io | servicecidrs
system:node-proxier: list watch | discovery.k8s.io | endpointslices
system:persistent-volume-provisioner: create delete get list watch | core | persistentvolumes
system:persistent-volume-provisioner: get list update watch | core | persistentvolumeclaims
system:persistent-volume-provisioner: {_READ} | storage.k8s.io | storageclasses
system:persistent-volume-provisioner: watch | core | events
system:persistent-volume-provisioner: {_EVENTS}
system:volume-scheduler: get list patch update watch | core | persistentvolumes
system:volume-scheduler: {_READ} | storage.k8s.io | storageclasses
system:volume-scheduler: get list patch update watch | core | persistentvolumeclaims
"""
"""Name, verbs, groups (`core` is the empty one), resources and names of each rule."""

CONTROLLERS = f"""
attachdetach-controller: list watch | core | persistentvolumeclaims persistentvolumes
attachdetach-controller: {_READ} | core | nodes
attachdetach-controller: patch update | core | nodes/status
attachdetach-controller: list watch | core | pods
attachdetach-controller: {_EVENTS}
attachdetach-controller: create delete get list watch | storage.k8s.io | volumeattachments
attachdetach-controller: {_READ} | storage.k8s.io | csidrivers csinodes
certificate-controller: delete get list watch | certificates.k8s.io | certificatesigningrequests
certificate-controller: update | certificates.k8s.io | certificatesigningrequests/approval certificatesigningrequests/status
certificate-controller: approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet
certificate-controller: sign | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown
certificate-controller: create | authorization.k8s.io | subjectaccessreviews
certificate-controller: {_EVENTS}
clusterrole-aggregation-controller: escalate get list patch update watch | rbac.authorization.k8s.io | clusterroles
cronjob-controller: get list update watch | batch | cronjobs
cronjob-controller: create delete get list patch update watch | batch | jobs
cronjob-controller: update | batch | cronjobs/status
cronjob-controller: update | batch | cronjobs/finalizers
cronjob-controller: delete list | core | pods
cronjob-controller: {_EVENTS}
daemon-set-controller: {_READ} | apps extensions | daemonsets
daemon-set-controller: update | apps extensions | daemonsets/status
daemon-set-controller: update | apps extensions | daemonsets/finalizers
daemon-set-controller: list watch | core | nodes
daemon-set-controller: create delete list patch watch | core | pods
daemon-set-controller: create | core | pods/binding
daemon-set-controller: create delete get list patch update watch | apps | controllerrevisions
daemon-set-controller: {_EVENTS}
deployment-controller: get list update watch | apps extensions | deployments
deployment-controller: update | apps extensions | deployments/status
deployment-controller: update | apps extensions | deployments/finalizers
deployment-controller: create delete get list patch update watch | apps extensions | replicasets
deployment-controller: get list update watch | core | pods
deployment-controller: {_EVENTS}
disruption-controller: {_READ} | apps extensions | deployments
disruption-controller: {_READ} | apps extensions | replicasets
disruption-controller: {_READ} | core | replicationcontrollers
disruption-controller: {_READ} | policy | poddisruptionbudgets
disruption-controller: {_READ} | apps | statefulsets
disruption-controller: update | policy | poddisruptionbudgets/status
disruption-controller: patch update | core | pods/status
disruption-controller: get | * | */scale
disruption-controller: {_EVENTS}
endpoint-controller: {_READ} | core | pods services
endpoint-controller: create delete get list update | core | endpoints
endpoint-controller: create | core | endpoints/restricted
endpoint-controller: {_EVENTS}
endpointslice-controller: {_READ} | core | nodes pods services
endpointslice-controller: update | core | services/finalizers
endpointslice-controller: create delete get list update | discovery.k8s.io | endpointslices
endpointslice-controller: {_EVENTS}
endpointslicemirroring-controller: {_READ} | core | endpoints services
endpointslicemirroring-controller: update | core | services/finalizers
endpointslicemirroring-controller: update | core | endpoints/finalizers
endpointslicemirroring-controller: create delete get list update | discovery.k8s.io | endpointslices
endpointslicemirroring-controller: {_EVENTS}
ephemeral-volume-controller: {_READ} | core | pods
ephemeral-volume-controller: update | core | pods/finalizers
ephemeral-volume-controller: create get list watch | core | persistentvolumeclaims
ephemeral-volume-controller: {_EVENTS}
expand-controller: get list patch update watch | core | persistentvolumes
expand-controller: patch update | core | persistentvolumeclaims/status
expand-controller: {_READ} | core | persistentvolumeclaims
expand-controller: {_READ} | storage.k8s.io | storageclasses
expand-controller: get | core | endpoints services
expand-controller: get | core | secrets
expand-controller: {_EVENTS}
generic-garbage-collector: delete get list patch update watch | * | *
generic-garbage-collector: {_EVENTS}
horizontal-pod-autoscaler: {_READ} | autoscaling | horizontalpodautoscalers
horizontal-pod-autoscaler: update | autoscaling | horizontalpodautoscalers/status
horizontal-pod-autoscaler: get update | * | */scale
horizontal-pod-autoscaler: list | core | pods
horizontal-pod-autoscaler: list | metrics.k8s.io | pods
horizontal-pod-autoscaler: get list | custom.metrics.k8s.io | *
horizontal-pod-autoscaler: get list | external.metrics.k8s.io | *
horizontal-pod-autoscaler: {_EVENTS}
job-controller: get list patch update watch | batch | jobs
job-controller: update | batch | jobs/status
job-controller: update | batch | jobs/finalizers
job-controller: create delete list patch watch | core | pods
job-controller: {_EVENTS}
legacy-service-account-token-cleaner: get | core | configmaps | kube-apiserver-legacy-service-account-token-tracking
legacy-service-account-token-cleaner: delete patch | core | secrets
namespace-controller: delete get list watch | core | namespaces
namespace-controller: update | core | namespaces/finalize namespaces/status
namespace-controller: delete deletecollection get list watch | * | *
node-controller: delete get list patch update | core | nodes
node-controller: patch update | core | nodes/status
node-controller: patch update | core | pods/status
node-controller: delete get list | core | pods
node-controller: {_EVENTS}
persistent-volume-binder: create delete get list update watch | core | persistentvolumes
persistent-volume-binder: update | core | persistentvolumes/status
persistent-volume-binder: get list update watch | core | persistentvolumeclaims
persistent-volume-binder: update | core | persistentvolumeclaims/status
persistent-volume-binder: create delete get list watch | core | pods
persistent-volume-binder: {_READ} | storage.k8s.io | storageclasses
persistent-volume-binder: create delete get update | core | endpoints
persistent-volume-binder: create delete get | core | services
persistent-volume-binder: get | core | secrets
persistent-volume-binder: get list | core | nodes
persistent-volume-binder: watch | core | events
persistent-volume-binder: {_EVENTS}
pod-garbage-collector: delete list watch | core | pods
pod-garbage-collector: get list | core | nodes
pod-garbage-collector: patch | core | pods/status
pv-protection-controller: get list update watch | core | persistentvolumes
pv-protection-controller: {_EVENTS}
pvc-protection-controller: get list update watch | core | persistentvolumeclaims
pvc-protection-controller: {_READ} | core | pods
pvc-protection-controller: {_EVENTS}
replicaset-controller: get list update watch | apps extensions | replicasets
replicaset-controller: update | apps extensions | replicasets/status
replicaset-controller: update | apps extensions | replicasets/finalizers
replicaset-controller: create delete list patch watch | core | pods
replicaset-controller: {_EVENTS}
replication-controller: get list update watch | core | replicationcontrollers
replication-controller: update | core | replicationcontrollers/status
replication-controller: update | core | replicationcontrollers/finalizers
replication-controller: create delete list patch watch | core | pods
replication-controller: {_EVENTS}
resource-claim-controller: {_READ} | core | pods
resource-claim-controller: update | core | pods/finalizers
resource-claim-controller: create delete get list watch | resource.k8s.io | resourceclaims
resource-claim-controller: patch update | resource.k8s.io | resourceclaims resourceclaims/status
resource-claim-controller: patch update | core | pods/status
resource-claim-controller: {_EVENTS}
resourcequota-controller: list watch | * | *
resourcequota-controller: update | core | resourcequotas/status
resourcequota-controller: {_EVENTS}
root-ca-cert-publisher: create update | core | configmaps
root-ca-cert-publisher: {_EVENTS}
route-controller: list watch | core | nodes
route-controller: patch | core | nodes/status
route-controller: {_EVENTS}
service-account-controller: create | core | serviceaccounts
service-account-controller: {_EVENTS}
service-cidrs-controller: get list patch update watch | networking.k8s.io | servicecidrs
service-cidrs-controller: patch update | networking.k8s.io | servicecidrs/finalizers
service-cidrs-controller: patch update | networking.k8s.io | servicecidrs/status
service-cidrs-controller: {_READ} | networking.k8s.io | ipaddresses
service-cidrs-controller: {_EVENTS}
service-controller: {_READ} | core | services
service-controller: patch update | core | services/status
service-controller: list watch | core | nodes
service-controller: {_EVENTS}
statefulset-controller: list watch | core | pods
statefulset-controller: {_READ} | apps | statefulsets
statefulset-controller: update | apps | statefulsets/status
statefulset-controller: update | apps | statefulsets/finalizers
statefulset-controller: create delete get patch update | core | pods
statefulset-controller: create delete get list patch update watch | apps | controllerrevisions
statefulset-controller: create get | core | persistentvolumeclaims
statefulset-controller: {_EVENTS}
statefulset-controller: delete update | core | persistentvolumeclaims
ttl-after-finished-controller: delete get list watch | batch | jobs
ttl-after-finished-controller: {_EVENTS}
ttl-controller: list patch update watch | core | nodes
ttl-controller: {_EVENTS}
validatingadmissionpolicy-status-controller: {_READ} | admissionregistration.k8s.io | validatingadmissionpolicies
validatingadmissionpolicy-status-controller: get patch update | admissionregistration.k8s.io | validatingadmissionpolicies/status
validatingadmissionpolicy-status-controller: {_EVENTS}
volumeattributesclass-protection-controller: {_READ} | core | persistentvolumeclaims
volumeattributesclass-protection-controller: {_READ} | core | persistentvolumes
volumeattributesclass-protection-controller: get list update watch | storage.k8s.io | volumeattributesclasses
volumeattributesclass-protection-controller: {_EVENTS}
"""
"""As `CLUSTER`; each is the ClusterRole `system:controller:…`, bound to the ServiceAccount of that
name in kube-system."""

NAMESPACED = f"""
kube-public/system:controller:bootstrap-signer: {_READ} | core | configmaps
kube-public/system:controller:bootstrap-signer: update | core | configmaps | cluster-info
kube-public/system:controller:bootstrap-signer: {_EVENTS}
kube-system/extension-apiserver-authentication-reader: {_READ} | core | configmaps | extension-apiserver-authentication
kube-system/system::leader-locking-kube-controller-manager: watch | core | configmaps
kube-system/system::leader-locking-kube-controller-manager: get update | core | configmaps | kube-controller-manager
kube-system/system::leader-locking-kube-scheduler: watch | core | configmaps
kube-system/system::leader-locking-kube-scheduler: get update | core | configmaps | kube-scheduler
kube-system/system:controller:bootstrap-signer: {_READ} | core | secrets
kube-system/system:controller:cloud-provider: create get list patch update watch | core | configmaps
kube-system/system:controller:token-cleaner: delete get list watch | core | secrets
kube-system/system:controller:token-cleaner: {_EVENTS}
"""
"""As `CLUSTER`, with the namespace of the Role before its name."""

_MANAGER, _SCHEDULER = "User system:kube-controller-manager", "User system:kube-scheduler"

BOUND = {
    "system:kube-controller-manager": (_MANAGER,),
    "system:kube-dns": ("ServiceAccount kube-dns",),
    "system:kube-scheduler": (_SCHEDULER,),
    "system:node": (),
    "system:node-proxier": ("User system:kube-proxy",),
    "system:volume-scheduler": (_SCHEDULER,),
}
"""To whom ClusterRoles are bound; ServiceAccounts are those of kube-system."""

BOUND_IN_NAMESPACES = {
    "kube-public/system:controller:bootstrap-signer": ("ServiceAccount bootstrap-signer",),
    "kube-system/extension-apiserver-authentication-reader": (_MANAGER, _SCHEDULER),
    "kube-system/system::leader-locking-kube-controller-manager": (
        _MANAGER,
        "ServiceAccount kube-controller-manager",
    ),
    "kube-system/system::leader-locking-kube-scheduler": (
        _SCHEDULER,
        "ServiceAccount kube-scheduler",
    ),
    "kube-system/system:controller:bootstrap-signer": ("ServiceAccount bootstrap-signer",),
    "kube-system/system:controller:cloud-provider": ("ServiceAccount cloud-provider",),
    "kube-system/system:controller:token-cleaner": ("ServiceAccount token-cleaner",),
}
"""To whom Roles are bound."""


def rules(table: str) -> dict[str, list[Object]]:
    """The rules of a table, by the name of their role."""
    found: dict[str, list[Object]] = {}
    for name, rule in _rows(table):
        found.setdefault(name, []).append(rule)
    return found


def _rows(table: str) -> Iterator[tuple[str, Object]]:
    for line in table.strip().splitlines():
        name, _, text = line.partition(": ")
        verbs, groups, resources, *names = (part.split() for part in text.split(" | "))
        rule = {
            "apiGroups": ["" if group == "core" else group for group in groups],
            "resources": resources,
            "verbs": sorted(verbs),
        }
        yield name, {**rule, "resourceNames": names[0]} if names else rule
