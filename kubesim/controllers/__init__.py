"""What makes objects come true: the control loops behind the API, and the simulated nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from kubesim import refusals
from kubesim.api import Api
from kubesim.controllers.aggregation import ClusterRoleAggregation
from kubesim.controllers.autoscaler import Autoscalers
from kubesim.controllers.cronjob import CronJobs
from kubesim.controllers.daemonset import DaemonSets
from kubesim.controllers.definitions import Definitions
from kubesim.controllers.deployment import Deployments
from kubesim.controllers.disruption import DisruptionBudgets
from kubesim.controllers.endpoints import Endpoints, EndpointSlices
from kubesim.controllers.events import Expiry
from kubesim.controllers.figures import Figures
from kubesim.controllers.garbage import GarbageCollector
from kubesim.controllers.heartbeat import Heartbeats
from kubesim.controllers.images import Catalogue
from kubesim.controllers.index import Indexes
from kubesim.controllers.job import Jobs
from kubesim.controllers.kubelet import Kubelet
from kubesim.controllers.loop import Controller, Loop
from kubesim.controllers.namespace import Namespaces
from kubesim.controllers.nodelifecycle import NodeLifecycle, TaintEviction
from kubesim.controllers.policies import PolicyStatus
from kubesim.controllers.provisioner import LocalPaths
from kubesim.controllers.quota import ResourceQuotas
from kubesim.controllers.replicaset import ReplicaSets, ReplicationControllers
from kubesim.controllers.scheduler import Scheduler
from kubesim.controllers.serviceaccounts import RootCertificates, ServiceAccounts
from kubesim.controllers.signing import ClientSigner, Sign
from kubesim.controllers.statefulset import StatefulSets
from kubesim.controllers.tokens import Issue, SecretTokens
from kubesim.controllers.volumes import VolumeProtection, Volumes


class Controllers(Loop):
    """All loops of one cluster: kube-controller-manager, kube-scheduler and the kubelets.

    Args:
        api: the verbs of the cluster.
        images: how container images behave; a catalogue of defaults if None.
        rng: draws the kubelets' small variations and the names of EndpointSlices.
        nodes: how many nodes the cluster has.
        certificate: of the cluster's authority, in PEM, for every namespace to have.
        sign: has that authority sign what is approved; if None, nothing is signed.
        issue: makes the tokens for Secrets; if None, none are filled.
        stopwatch: seconds of real time, where others wait while the controllers work (see `Loop`).
    """

    def __init__(
        self,
        api: Api,
        *,
        images: Catalogue | None = None,
        rng: Random,
        nodes: int = 1,
        certificate: str = "",
        sign: Sign | None = None,
        issue: Issue | None = None,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        indexes = Indexes(api.store)
        self.kubelet = Kubelet(
            api, indexes, images=Catalogue() if images is None else images, rng=rng, nodes=nodes
        )
        Figures(api, usage=self.kubelet.usages)
        self._heartbeats = Heartbeats(api, machines=self.kubelet.machines)
        self._lifecycle = NodeLifecycle(api, indexes, is_silent=self.kubelet.is_cut_off)
        super().__init__(
            api,
            [  # they take turns in this order
                Definitions(api, indexes),
                ResourceQuotas(api, indexes),
                PolicyStatus(api, indexes),
                ServiceAccounts(api, indexes),
                RootCertificates(api, indexes, certificate=certificate),
                *(
                    [SecretTokens(api, indexes, certificate=certificate, issue=issue)]
                    if issue
                    else []
                ),
                ClusterRoleAggregation(api, indexes),
                *([ClientSigner(api, indexes, sign=sign)] if sign else []),
                Autoscalers(api, indexes, usage=self.kubelet.usage),
                *workloads(api, indexes),
                Volumes(api, indexes),
                LocalPaths(api, indexes),
                VolumeProtection(api, indexes),
                self._lifecycle,
                TaintEviction(api, indexes),
                Scheduler(api, indexes),
                self.kubelet,
                EndpointSlices(api, indexes, rng=rng),
                Endpoints(api, indexes),
                DisruptionBudgets(api, indexes),
                GarbageCollector(api, indexes),
                Namespaces(api, indexes),
                Expiry(api, indexes),
            ],
            stopwatch=stopwatch,
        )

    def disconnect_node(self, name: str) -> None:
        """Cut a node off from the cluster; what follows from that takes its time.

        Raises:
            ApiError: 404: there is no such node.
        """
        if self.kubelet.is_cut_off(name):
            return
        if name not in self.kubelet.machines():
            raise refusals.not_found("", "nodes", name)
        self._heartbeats.renew()
        self._heartbeats.report()
        self.kubelet.cut_off(name)
        self.look_again(self._lifecycle, [("", name)])

    def reconnect_node(self, name: str) -> None:
        """Let a node take part in the cluster again; one that does already is no error."""
        self.look_again(self.kubelet, self.kubelet.reconnect(name))
        self.look_again(self._lifecycle, [("", name)])


def workloads(api: Api, indexes: Indexes) -> Sequence[Controller]:
    """The controllers that create pods; owners come before what they own."""
    return [
        CronJobs(api, indexes),
        Deployments(api, indexes),
        ReplicaSets(api, indexes),
        ReplicationControllers(api, indexes),
        StatefulSets(api, indexes),
        DaemonSets(api, indexes),
        Jobs(api, indexes),
    ]
