"""What `kubectl describe` tells: the sections and lines of the real thing."""

from __future__ import annotations

import pytest

from tests.kubectl.live import Kubectl

LINES = {
    "deployment web": """
        Name: web
        Labels: app=web
        Annotations: deployment.kubernetes.io/revision: 1
        Selector: app=web
        Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable
        StrategyType: RollingUpdate
        MinReadySeconds: 0
        RollingUpdateStrategy: 25% max unavailable, 25% max surge
        Pod Template:
        Init Containers:
        Containers:
        Image: web:1
        Port: 80/TCP
        Limits:
        memory: 64Mi
        Readiness: http-get http://:http/ready delay=0s timeout=1s period=10s #success=1 #failure=3
        word Secret Optional: false
        COLOUR: <set to the key 'colour' of config map 'settings'> Optional: false
        PLAIN: text
        /settings from settings (ro)
        Volumes:
        Type: ConfigMap (a volume populated by a ConfigMap)
        Conditions:
        Available True MinimumReplicasAvailable
        Progressing True NewReplicaSetAvailable
        OldReplicaSets: <none>
        Events:
        Type Reason Age From Message""",
    "replicaset": """
        Selector: app=web,pod-template-hash=
        Controlled By: Deployment/web
        Replicas: 2 current / 2 desired
        Pods Status: 2 Running / 0 Waiting / 0 Succeeded / 0 Failed
        Pod Template:
        Normal SuccessfulCreate""",
    "statefulset db": """
        Replicas: 1 desired | 1 total
        Update Strategy: RollingUpdate
        Pods Status: 1 Running / 0 Waiting / 0 Succeeded / 0 Failed
        Volume Claims:
        Capacity: 1Gi
        Access Modes: [ReadWriteOnce]
        create Pod db-0 in StatefulSet db successful""",
    "daemonset agent": """
        Desired Number of Nodes Scheduled: 2
        Number of Nodes Scheduled with Available Pods: 2
        Number of Nodes Misscheduled: 0
        Pods Status: 2 Running / 0 Waiting / 0 Succeeded / 0 Failed""",
    "job once": """
        Parallelism: 1
        Completions: 1
        Duration:
        Normal Completed
        Command:""",
    "pod -l app=web": """
        Controlled By: ReplicaSet/web-
        Status: Running
        Init Containers:
        State: Terminated
        Reason: Completed
        Exit Code: 0
        Container ID: containerd://
        State: Running
        Ready: True
        Restart Count: 0
        Environment Variables from:
        Conditions:
        PodScheduled True
        ContainersReady True
        TokenExpirationSeconds: 3607
        QoS Class: Burstable
        Node-Selectors: <none>
        Tolerations: node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
        Normal Scheduled""",
    "pod crash": """
        Restart Count:
        Last State: Terminated
        Reason: Error
        Exit Code: 1
        Warning BackOff""",
    "pod absent": """
        Status: Pending
        State: Waiting
        Ready: False
        Warning Failed""",
    "service web": """
        Selector: app=web
        Type: ClusterIP
        IP Family Policy: SingleStack
        Port: http 80/TCP
        TargetPort: http/TCP
        Endpoints: 10.244.
        Session Affinity: None""",
    "service outside": """
        Type: NodePort
        NodePort: <unset> 30080/TCP
        External Traffic Policy: Cluster""",
    "ingress front": """
        TLS:
        word terminates web.example
        Rules:
        Host Path Backends
        web.example
        / web:80 (10.244.""",
    "networkpolicy closed": """
        PodSelector: app=db
        Policy Types: Ingress
        <none> (Selected pods are isolated for ingress connectivity)""",
    "configmap settings": """
        Labels: tier=front
        Data
        colour:
        blue
        Events: <none>""",
    "secret word": """
        Type: Opaque
        word: 6 bytes""",
    "serviceaccount bot": """
        Image pull secrets: <none>
        Mountable secrets: <none>
        Tokens: <none>""",
    "role reader": """
        PolicyRule:
        Resources Non-Resource URLs Resource Names Verbs
        pods [] [] [get list]""",
    "rolebinding reader": """
        Kind: Role
        Name: reader
        Kind Name Namespace
        ServiceAccount bot elsewhere""",
    "clusterrole view": """
        Labels: kubernetes.io/bootstrapping=rbac-defaults
        deployments.apps/scale [] [] [get list watch]""",
    "hpa web": """
        Reference: Deployment/web
        Min replicas: 2
        Max replicas: 4
        Deployment pods:""",
    "pvc data-db-0": """
        StorageClass: standard
        Status: Bound
        Finalizers: [kubernetes.io/pvc-protection]
        Capacity: 1Gi
        Access Modes: RWO
        VolumeMode: Filesystem
        Normal ProvisioningSucceeded""",
    "pvc waiting": """
        Status: Pending
        Normal WaitForFirstConsumer""",
    "pv": """
        Reclaim Policy: Delete
        Required Terms:
        Source:
        Path: /var/local-path-provisioner/""",
    "storageclass standard": """
        IsDefaultClass: Yes
        Provisioner: rancher.io/local-path
        VolumeBindingMode: WaitForFirstConsumer""",
    "node node-1": """
        Roles: <none>
        Labels: beta.kubernetes.io/arch=amd64
        Taints: <none>
        Unschedulable: false
        MemoryPressure False
        Ready True
        Addresses:
        InternalIP:
        Capacity:
        Allocatable:
        System Info:
        PodCIDR:
        Non-terminated Pods:
        Allocated resources:
        Resource Requests Limits""",
    "quota few": """
        Resource Used Hard""",
    "limits small": """
        Type Resource Min Max Default Request Default Limit Max Limit/Request Ratio
        Container cpu - 2""",
    "namespace default": """
        Status: Active
        No LimitRange resource.""",
    "priorityclass system-node-critical": """
        Value: 2000001000
        GlobalDefault: false""",
    "endpoints web": """
        NotReadyAddresses: <none>
        http 80 TCP""",
}

LINES_OF_NEWER_KINDS = {
    "cronjob seldom": """
        Schedule: 0 0 1 1 *
        Concurrency Policy: Allow
        Suspend: False
        Last Schedule Time: <unset>
        Active Jobs: <none>""",
    "pdb web": """
        Min available: 1
        Selector: app=web
        Allowed disruptions: 1
        Current: 2
        Desired: 1
        Total: 2""",
}


def missing(told: str, expected: str) -> list[str]:
    """The expected lines that are not printed; indentation does not count."""
    words = [" ".join(line.split()) for line in told.splitlines()]
    lines = [line.strip() for line in expected.strip().splitlines()]
    return [line for line in lines if not any(line in each for each in words)]


@pytest.mark.parametrize("what", LINES)
def test_a_description_has_the_lines_of_the_real_thing(stage: Kubectl, what: str) -> None:
    told = stage(f"describe {what}")
    assert not missing(told, LINES[what]), told


@pytest.mark.since(25)
@pytest.mark.parametrize("what", LINES_OF_NEWER_KINDS)
def test_so_has_that_of_a_kind_younger_than_an_old_kubectl(stage: Kubectl, what: str) -> None:
    told = stage(f"describe {what}")
    assert not missing(told, LINES_OF_NEWER_KINDS[what]), told


def test_several_are_described_one_after_the_other(stage: Kubectl) -> None:
    told = stage("describe service web elsewhere")
    assert told.count("\nType:") == 2 and "External Name:" in told
    assert 'pods "unknown" not found' in stage.fails("describe pod unknown")
    by_prefix = stage("describe configmap sett")
    assert "colour:" in by_prefix
