"""Endpoints of Services: which pods a Service's traffic goes to.

Source: Kubernetes 1.37, pkg/controller/endpointslice and pkg/controller/endpoint. Left out:
topology hints, IPv6, the trigger-time annotation, and mirroring of Endpoints made by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import is_being_deleted, owner_reference
from kubesim.controllers.pods import SAFE_ALPHABET, is_over, is_ready
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

NAME_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGED_BY = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"
LEGACY_LABEL = "endpoints.kubernetes.io/managed-by"
LEGACY_MANAGED_BY = "endpoint-controller"

MOST = 100
"""Endpoints in one slice at most (kube-controller-manager's --max-endpoints-per-slice)."""

MOST_LEGACY = 1000
"""Addresses in one Endpoints object at most; more are dropped and an annotation says so."""

OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"

Ports = tuple[tuple[tuple[str, Any], ...], ...]
"""Ports as pods of a Service resolve them, so that pods can be grouped by them."""


class Services(Controller):
    """What the two controllers have in common: they look at Services and the pods they select."""

    watches: ClassVar[tuple[tuple[str, str], ...] | None] = (("", "services"), ("", "pods"))

    def keys(self, event: Event) -> Iterable[Item]:
        """The Service, or every Service that selects a pod or did before it changed."""
        _, plural, namespace, name = event.key
        if plural != "pods":
            return ((namespace, name),)
        now = _labels(event.object)
        labels = [now]
        if event.type == "MODIFIED" and event.old is not None:
            before = _labels(event.old)
            if before != now:
                labels.append(before)
            elif _matter(event.object) == _matter(event.old):
                return ()
        return [
            (namespace, service["metadata"]["name"])
            for service in self.api.store.list("", "services", namespace)
            if any(_selects(service, each) for each in labels)
        ]

    def endpoints(self, service: Object) -> list[tuple[Object, Ports]]:
        """The pods that a Service selects and that have an address, with their ports."""
        namespace = service["metadata"]["namespace"]
        return [
            (pod, _ports(service, pod))
            for pod in self.api.store.list("", "pods", namespace)
            if (pod.get("status") or {}).get("podIP")
            and _selects(service, _labels(pod))
            and not is_over(pod)
        ]


class EndpointSlices(Services):
    """Keeps a Service's EndpointSlices.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        rng: draws the ends of slices' names.
    """

    name = "endpointslice-controller"
    watches = (("", "services"), ("", "pods"), ("discovery.k8s.io", "endpointslices"))

    def __init__(self, api: Api, indexes: Indexes, *, rng: Random) -> None:
        super().__init__(api, indexes)
        self._rng = rng
        self._resource = api.registry.by_kind("discovery.k8s.io/v1", "EndpointSlice")
        self._slices = indexes.get("discovery.k8s.io", "endpointslices", "service", _service)

    def keys(self, event: Event) -> Iterable[Item]:
        """Also the Service whose slice was changed or deleted by someone else."""
        if event.key[1] == "endpointslices":
            return [_item(value) for value in _service(event.object)]
        return super().keys(event)

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Create, change and delete slices until they list the Service's pods."""
        service = self.api.store.get(("", "services", namespace, name))
        if service is None or is_being_deleted(service):
            return  # the garbage collector takes the slices of a Service that is gone
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return  # slices of such a Service are someone else's
        spare: list[Object] = []
        wanted = self._wanted(service)
        for slice_ in self._slices.get(f"{namespace}/{name}"):
            fit = next((each for each in wanted if each[0] == _ports_of(slice_)), None)
            if fit is None:
                spare.append(slice_)
            else:
                wanted.remove(fit)
                self._write(service, slice_, *fit)
        for ports, endpoints in wanted:  # a slice that has lost its ports gets others
            self._write(service, spare.pop(0) if spare else None, ports, endpoints)
        for slice_ in spare:
            self._delete(slice_)

    def _wanted(self, service: Object) -> list[tuple[Ports, list[dict[str, Any]]]]:
        """Ports and endpoints of each slice that there should be."""
        groups: dict[Ports, list[dict[str, Any]]] = {}
        for pod, ports in self.endpoints(service):
            groups.setdefault(ports, []).append(_endpoint(service, pod))
        if not groups:  # a Service without pods has an empty slice
            groups[()] = []
        return [
            (ports, endpoints[at : at + MOST])
            for ports, endpoints in groups.items()
            for at in range(0, max(len(endpoints), 1), MOST)
        ]

    def _write(
        self, service: Object, old: Object | None, ports: Ports, endpoints: list[dict[str, Any]]
    ) -> None:
        metadata = service["metadata"]
        labels = {
            **(metadata.get("labels") or {}),
            NAME_LABEL: metadata["name"],
            MANAGED_LABEL: MANAGED_BY,
            **({HEADLESS_LABEL: ""} if service["spec"].get("clusterIP") == "None" else {}),
        }
        content = {
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [dict(port) for port in ports],
        }
        namespace, options = metadata["namespace"], Options(field_manager=MANAGER)
        if old is None:
            suffix = "".join(self._rng.choices(SAFE_ALPHABET, k=5))
            new = {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{metadata['name']}-{suffix}",
                    "generateName": f"{metadata['name']}-",
                    "labels": labels,
                    "ownerReferences": [owner_reference(service)],
                },
                **content,
            }
            self.api.create(self._resource, new, namespace=namespace, options=options)
            return
        new = {**old, "metadata": {**old["metadata"], "labels": labels}, **content}
        same = ("addressType", "endpoints", "ports")
        if labels == _labels(old) and all((old.get(key) or []) == new[key] for key in same):
            return
        self.api.update(
            self._resource, old["metadata"]["name"], new, namespace=namespace, options=options
        )

    def _delete(self, slice_: Object) -> None:
        metadata = slice_["metadata"]
        options = Options(uid=metadata["uid"])
        _unless_gone(
            lambda: self.api.delete(
                self._resource, metadata["name"], namespace=metadata["namespace"], options=options
            )
        )


class Endpoints(Services):
    """Keeps the Endpoints object of a Service, the older form: deprecated, and still written."""

    name = "endpoint-controller"

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("v1", "Endpoints")

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Write down the addresses of a Service's pods, ready ones and others."""
        service = self.api.store.get(("", "services", namespace, name))
        old = self.api.store.get(("", "endpoints", namespace, name))
        if service is None:
            if old is not None and LEGACY_LABEL in _labels(old):
                _unless_gone(lambda: self.api.delete(self._resource, name, namespace=namespace))
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        subsets, is_over_capacity = self._subsets(service)
        labels = {
            **_labels(service),
            LEGACY_LABEL: LEGACY_MANAGED_BY,
            **({HEADLESS_LABEL: ""} if service["spec"].get("clusterIP") == "None" else {}),
        }
        notes = {OVER_CAPACITY: "truncated"} if is_over_capacity else {}
        options = Options(field_manager=MANAGER)
        if old is None:
            new = {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {
                    "name": name,
                    "labels": labels,
                    **({"annotations": notes} if notes else {}),
                },
                "subsets": subsets,
            }
            self.api.create(self._resource, new, namespace=namespace, options=options)
        elif (old.get("subsets") or []) != subsets or _labels(old) != labels:
            metadata = {**old["metadata"], "labels": labels}
            others = {
                key: text
                for key, text in (metadata.pop("annotations", None) or {}).items()
                if key != OVER_CAPACITY
            } | notes
            if others:
                metadata["annotations"] = others
            new = {**old, "metadata": metadata, "subsets": subsets}
            self.api.update(self._resource, name, new, namespace=namespace, options=options)

    def _subsets(self, service: Object) -> tuple[list[dict[str, Any]], bool]:
        everyone = bool(service["spec"].get("publishNotReadyAddresses"))
        groups: dict[Ports, dict[str, list[dict[str, Any]]]] = {}
        found = [
            (pod, ports)
            for pod, ports in self.endpoints(service)
            if everyone or not is_being_deleted(pod)
        ]
        for pod, ports in found[:MOST_LEGACY]:
            kind = "addresses" if everyone or is_ready(pod) else "notReadyAddresses"
            address: dict[str, Any] = {
                "ip": pod["status"]["podIP"],
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": _reference(pod),
            }
            if _hostname(service, pod):
                address["hostname"] = _hostname(service, pod)
            groups.setdefault(ports, {}).setdefault(kind, []).append(address)
        subsets = [
            {**addresses, "ports": [dict(port) for port in ports]} if ports else addresses
            for ports, addresses in groups.items()
        ]
        return subsets, len(found) > MOST_LEGACY


def _endpoint(service: Object, pod: Object) -> dict[str, Any]:
    is_leaving = is_being_deleted(pod)
    serves = is_ready(pod)
    everyone = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": everyone or (serves and not is_leaving),
            "serving": serves,
            "terminating": is_leaving,
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }
    if _hostname(service, pod):
        endpoint["hostname"] = _hostname(service, pod)
    return endpoint


def _reference(pod: Object) -> dict[str, str]:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }


def _hostname(service: Object, pod: Object) -> str:
    """The pod's own name in DNS, if it has one below this Service."""
    if pod["spec"].get("subdomain") != service["metadata"]["name"]:
        return ""
    name: str = pod["spec"].get("hostname", "")
    return name


def _ports(service: Object, pod: Object) -> Ports:
    """The Service's ports as one pod has them; a port whose name the pod lacks is left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _number(port, pod)
        if number is not None:
            given = {
                "name": port.get("name", ""),
                "port": number,
                "protocol": port.get("protocol", "TCP"),
                **({"appProtocol": port["appProtocol"]} if "appProtocol" in port else {}),
            }
            ports.append(tuple(given.items()))
    return tuple(ports)


def _number(port: Mapping[str, Any], pod: Object) -> int | None:
    sought = port.get("targetPort") or port["port"]
    if isinstance(sought, int):
        return sought
    for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
        for offered in container.get("ports") or ():
            is_same = offered.get("protocol", "TCP") == port.get("protocol", "TCP")
            if offered.get("name") == sought and is_same:
                number: int = offered["containerPort"]
                return number
    return None


def _ports_of(slice_: Object) -> Ports:
    order = ("name", "port", "protocol", "appProtocol")
    return tuple(
        tuple((key, port[key]) for key in order if key in port)
        for port in slice_.get("ports") or ()
    )


def _selects(service: Object, labels: Mapping[str, str]) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and selector.items() <= labels.items()


def _labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _matter(pod: Object) -> Sequence[Any]:
    """What of a pod an endpoint tells."""
    status = pod.get("status") or {}
    return status.get("podIP"), is_ready(pod), is_being_deleted(pod), is_over(pod)


def _service(slice_: Object) -> Iterable[str]:
    labels = _labels(slice_)
    if labels.get(MANAGED_LABEL) != MANAGED_BY or NAME_LABEL not in labels:
        return ()
    return (f"{slice_['metadata']['namespace']}/{labels[NAME_LABEL]}",)


def _item(value: str) -> Item:
    namespace, _, name = value.partition("/")
    return namespace, name


def _unless_gone(delete: Any) -> None:
    try:
        delete()
    except ApiError as error:
        if error.code not in (404, 409):
            raise
