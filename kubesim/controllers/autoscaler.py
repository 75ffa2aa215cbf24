"""HorizontalPodAutoscaler: as many pods as the load asks for.

Source: Kubernetes 1.37, pkg/controller/podautoscaler; its arithmetic, reasons and messages.

Nothing here really uses a processor, so the load is declared, in one of two ways:

- the annotation `gitops-lab/load` on what is scaled, a quantity of CPU such as `900m` or `2`:
  the load of all pods together, shared evenly by those that are ready;
- the behaviour of the image (`cpu`), the load of each pod, however many there are.

Where neither is given, and for metrics other than CPU, the load counts as just what the target
asks for: the autoscaler then keeps the size, within its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.figures import LOAD
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import is_being_deleted, selects
from kubesim.controllers.pods import instant, is_over, is_ready
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import condition, write_status
from kubesim.errors import ApiError
from kubesim.model import Object, split_api_version
from kubesim.quantity import canonical, parse
from kubesim.resources import Resource
from kubesim.store import Event

PERIOD = 15.0  # seconds between two looks (--horizontal-pod-autoscaler-sync-period)
TOLERANCE = 0.1  # how far usage may be from its target (--horizontal-pod-autoscaler-tolerance)
STABILIZATION = 300.0  # seconds a lower number must be asked for before it is believed

Usage = Callable[[str, str], float | None]
"""The CPU that a pod uses by its behaviour, in millicores, by namespace and name."""


class Unmeasurable(Exception):
    """A metric cannot be computed; the text is the autoscaler's sentence."""


@dataclass
class History:
    """What the autoscaler remembers of one object.

    Args:
        synced: when it last looked, in seconds since the Unix epoch.
        is_settled: whether looking again would change nothing.
        recommendations: what it would have liked, and when.
        ups: by how many pods it scaled up, and when.
        downs: by how many pods it scaled down, and when.
    """

    synced: float = 0.0
    is_settled: bool = False
    recommendations: list[tuple[float, int]] = field(default_factory=list)
    ups: list[tuple[float, int]] = field(default_factory=list)
    downs: list[tuple[float, int]] = field(default_factory=list)


@dataclass
class Report:
    """What one look leads to."""

    now: float
    status: dict[str, Any]
    conditions: list[dict[str, Any]]

    def tell(self, type: str, holds: bool, reason: str, message: str) -> None:
        """Set a condition."""
        known = condition({"conditions": self.conditions}, type)
        status = "True" if holds else "False"
        new = {
            "type": type,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": timestamp(self.now),
        }
        if known is None:
            self.conditions.append(new)
            return
        if known.get("status") == status and "lastTransitionTime" in known:
            new["lastTransitionTime"] = known["lastTransitionTime"]
        self.conditions[self.conditions.index(known)] = new


class Autoscalers(Controller):
    """Compares usage with its target every 15 seconds and resizes what is scaled.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        usage: the CPU that pods use by their behaviour.
    """

    name = "horizontal-pod-autoscaler"
    watches = (
        ("autoscaling", "horizontalpodautoscalers"),
        ("", "pods"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
    )

    def __init__(self, api: Api, indexes: Indexes, *, usage: Usage) -> None:
        super().__init__(api, indexes)
        self._record = Recorder(api, self.name)
        self._resource = api.registry.by_kind("autoscaling/v2", "HorizontalPodAutoscaler")
        self._usage = usage
        self._histories: dict[str, History] = {}

    def keys(self, event: Event) -> Iterable[Item]:
        """The autoscaler; those of a workload; those of a namespace if a pod's readiness moves."""
        _, plural, namespace, name = event.key
        if plural == "horizontalpodautoscalers":
            return ((namespace, name),)
        found = self.api.store.list("autoscaling", "horizontalpodautoscalers", namespace)
        if not found:
            return ()
        if plural == "pods":
            old = event.old
            if (
                event.type == "MODIFIED"
                and old is not None
                and _counts(old) == _counts(event.object)
            ):
                return ()
        else:
            found = [
                each
                for each in found
                if each["spec"]["scaleTargetRef"]["name"] == name
                and each["spec"]["scaleTargetRef"]["kind"] == event.object["kind"]
            ]
        items = [(namespace, each["metadata"]["name"]) for each in found]
        for each in found:
            history = self._histories.get(each["metadata"]["uid"])
            if history is not None:
                history.is_settled = False
        return items

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Look if it is time to; else say when it will be."""
        try:
            autoscaler = self.api.get(self._resource, name, namespace=namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        metadata = autoscaler["metadata"]
        history = self._histories.setdefault(metadata["uid"], History())
        created = instant(metadata["creationTimestamp"])
        looks = created + max(ceil((now - created) / PERIOD), 1) * PERIOD
        if looks > now:
            is_changed = metadata.get("generation") != (autoscaler.get("status") or {}).get(
                "observedGeneration"
            )
            return looks if is_changed or not history.is_settled else None
        if history.synced < now:
            if history.recommendations and history.synced < now - PERIOD:
                # It slept, since nothing moved: it would have said the same all the time.
                history.recommendations.append((now - PERIOD, history.recommendations[-1][1]))
            history.synced = now
            self._sync(autoscaler, history, now)
        return None if history.is_settled else now + PERIOD

    def _sync(self, autoscaler: Object, history: History, now: float) -> None:
        spec, namespace = autoscaler["spec"], autoscaler["metadata"]["namespace"]
        old: dict[str, Any] = autoscaler.get("status") or {}
        report = Report(now, dict(old), list(old.get("conditions") or ()))
        reference = spec["scaleTargetRef"]
        try:
            scaled = self._scaled(reference)
            scale = self.api.get(
                scaled, reference["name"], namespace=namespace, subresource="scale"
            )
        except ApiError as error:
            text = (
                f"the HPA controller was unable to get the target's current scale: {error.message}"
            )
            report.tell("AbleToScale", False, "FailedGetScale", text)
            self._record(autoscaler, now, "FailedGetScale", error.message, "Warning")
            self._write(autoscaler, report)
            history.is_settled = False
            return
        text = "the HPA controller was able to get the target's current scale"
        report.tell("AbleToScale", True, "SucceededGetScale", text)
        current = scale["spec"].get("replicas", 0)
        observed = (scale.get("status") or {}).get("replicas", 0)
        report.status["currentReplicas"] = observed
        desired, reason = self._desired(autoscaler, scaled, scale, current, history, report)
        if desired is None:
            desired = current
        report.status["desiredReplicas"] = desired
        if desired != current:
            self._resize(autoscaler, scaled, scale, desired, reason, history, report)
        generation = autoscaler["metadata"].get("generation")
        if generation is not None:
            report.status["observedGeneration"] = generation
        self._write(autoscaler, report)

    def _scaled(self, reference: dict[str, Any]) -> Resource:
        group = split_api_version(reference.get("apiVersion", ""))[0]
        return self.api.registry.preferred(group, reference["kind"])

    def _desired(
        self,
        autoscaler: Object,
        scaled: Resource,
        scale: Object,
        current: int,
        history: History,
        report: Report,
    ) -> tuple[int | None, str]:
        """How many replicas there should be, None if that cannot be said; and why."""
        spec = autoscaler["spec"]
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        history.is_settled = True
        if current == 0 and least != 0:
            text = "scaling is disabled since the replica count of the target is zero"
            report.tell("ScalingActive", False, "ScalingDisabled", text)
            return 0, ""
        if current > most:
            return most, "Current number of replicas above Spec.MaxReplicas"
        if current < least:
            return least, "Current number of replicas below Spec.MinReplicas"
        try:
            proposal, metric, statuses = self._propose(autoscaler, scaled, scale, current)
        except Unmeasurable as fault:
            text = f"the HPA was unable to compute the replica count: {fault}"
            report.tell("ScalingActive", False, "FailedGetResourceMetric", text)
            self._record(autoscaler, report.now, "FailedGetResourceMetric", str(fault), "Warning")
            return None, ""
        report.status["currentMetrics"] = statuses
        text = f"the HPA was able to successfully calculate a replica count from {metric}"
        report.tell("ScalingActive", True, "ValidMetricFound", text)
        reason = f"{metric} above target" if proposal > current else "All metrics below target"
        desired = self._stabilized(spec, proposal, current, history, report)
        desired = self._limited(spec, desired, current, history, report)
        history.is_settled = proposal == desired == current
        return desired, reason

    # Metrics.

    def _propose(
        self, autoscaler: Object, scaled: Resource, scale: Object, current: int
    ) -> tuple[int, str, list[dict[str, Any]]]:
        """The largest of the numbers that the metrics call for, which metric it was, and all."""
        namespace = autoscaler["metadata"]["namespace"]
        target = self.api.get(scaled, scale["metadata"]["name"], namespace=namespace)
        selector = target["spec"].get("selector") or {}
        pods = [
            pod
            for pod in self.api.store.list("", "pods", namespace)
            if selects(selector, pod["metadata"].get("labels") or {})
            and not is_over(pod)
            and not is_being_deleted(pod)
        ]
        best = (0, "")
        statuses = []
        for metric in autoscaler["spec"].get("metrics") or ():
            if metric["type"] == "Resource" and metric["resource"]["name"] == "cpu":
                count, name, status = self._cpu(autoscaler, metric, target, pods, current)
                statuses.append(status)
            else:  # nothing measures it: it counts as being just right
                count, name = current, f"{metric['type'].lower()} metric"
            best = max(best, (count, name), key=lambda each: each[0])
        return max(best[0], 0), best[1] or "no metric", statuses

    def _cpu(
        self,
        autoscaler: Object,
        metric: dict[str, Any],
        target: Object,
        pods: list[Object],
        current: int,
    ) -> tuple[int, str, dict[str, Any]]:
        aim = metric["resource"]["target"]
        used, waiting = self._measure(target, pods)
        if not used:
            raise Unmeasurable(
                "failed to get cpu utilization: did not receive metrics for targeted pods "
                "(pods might be unready)"
            )
        known = {uid: amount for uid, amount in used.items() if amount is not None}
        rules = autoscaler["spec"].get("behavior") or {}
        if aim["type"] == "Utilization":
            requests = {pod["metadata"]["uid"]: _request(pod) for pod in pods}
            wanted = aim["averageUtilization"]
            asked = sum(requests[uid] for uid in used)
            total = sum(known.values()) if known else asked * wanted / 100
            ratio = total * 100 / asked / wanted
            # Pods that are not ready yet use nothing, but will take their share.
            diluted = total * 100 / sum(requests.values()) / wanted
            name = "cpu resource utilization (percentage of request)"
            now_is: dict[str, Any] = {"averageUtilization": floor(total * 100 / asked)}
        else:
            wanted = float(parse(aim["averageValue"])) * 1000
            total = sum(known.values()) if known else wanted * len(used)
            ratio = total / len(used) / wanted
            diluted = total / len(pods) / wanted
            name, now_is = "cpu resource", {}
        now_is["averageValue"] = canonical(f"{ceil(total / len(used))}m")
        status = {"type": "Resource", "resource": {"name": "cpu", "current": now_is}}
        count = _count(ratio, diluted, len(used), len(pods), current, rules, bool(waiting))
        return count, name, status

    def _measure(
        self, target: Object, pods: list[Object]
    ) -> tuple[dict[str, float | None], list[Object]]:
        """Millicores of each ready pod by uid, None where nothing is declared; other pods."""
        ready = [pod for pod in pods if is_ready(pod)]
        waiting = [pod for pod in pods if not is_ready(pod)]
        declared = (target["metadata"].get("annotations") or {}).get(LOAD)
        used: dict[str, float | None] = {}
        for pod in ready:
            metadata = pod["metadata"]
            if declared is None:
                used[metadata["uid"]] = self._usage(metadata["namespace"], metadata["name"])
                continue
            try:
                used[metadata["uid"]] = float(parse(declared)) * 1000 / len(ready)
            except ApiError as error:
                raise Unmeasurable(f"the annotation {LOAD}: {error.message}") from None
        return used, waiting

    # From a proposal to a decision.

    def _stabilized(
        self, spec: dict[str, Any], proposal: int, current: int, history: History, report: Report
    ) -> int:
        """The proposal, held against what was proposed lately."""
        now, rules = report.now, spec.get("behavior") or {}
        up = (rules.get("scaleUp") or {}).get("stabilizationWindowSeconds") or 0
        down = (rules.get("scaleDown") or {}).get("stabilizationWindowSeconds")
        down = STABILIZATION if down is None else down
        if not history.recommendations:
            history.recommendations.append((now, current))
        highest = max([proposal, *(n for at, n in history.recommendations if at > now - down)])
        lowest = min([proposal, *(n for at, n in history.recommendations if at > now - up)])
        history.recommendations = [
            each for each in history.recommendations if each[0] > now - max(up, down)
        ]
        history.recommendations.append((now, proposal))
        stable = min(max(current, lowest), highest)
        if stable > proposal:
            report.tell(
                "AbleToScale",
                True,
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest "
                "recent recommendation",
            )
        elif stable < proposal:
            report.tell(
                "AbleToScale",
                True,
                "ScaleUpStabilized",
                "recent recommendations were lower than current one, applying the lowest "
                "recent recommendation",
            )
        else:
            text = "recommended size matches current size"
            report.tell("AbleToScale", True, "ReadyForNewScale", text)
        return stable

    def _limited(
        self, spec: dict[str, Any], desired: int, current: int, history: History, report: Report
    ) -> int:
        """The desired number within bounds and not faster than the policies allow."""
        least: int = spec.get("minReplicas", 1)
        most: int = spec["maxReplicas"]
        rules, now = spec.get("behavior") or {}, report.now
        if desired > current:
            limit = (
                _fastest_up(rules["scaleUp"], current, history, now)
                if rules.get("scaleUp")
                else max(2 * current, 4)
            )
            if desired > max(limit, current) and limit < most:
                text = "the desired replica count is increasing faster than the maximum scale rate"
                report.tell("ScalingLimited", True, "ScaleUpLimit", text)
                return max(limit, current)
        if desired < current and rules.get("scaleDown"):
            limit = _fastest_down(rules["scaleDown"], current, history, now)
            if desired < min(limit, current) and limit > least:
                text = "the desired replica count is decreasing faster than the maximum scale rate"
                report.tell("ScalingLimited", True, "ScaleDownLimit", text)
                return min(limit, current)
        if desired > most:
            text = "the desired replica count is more than the maximum replica count"
            report.tell("ScalingLimited", True, "TooManyReplicas", text)
            return most
        if desired < least:
            text = "the desired replica count is less than the minimum replica count"
            report.tell("ScalingLimited", True, "TooFewReplicas", text)
            return least
        text = "the desired count is within the acceptable range"
        report.tell("ScalingLimited", False, "DesiredWithinRange", text)
        return desired

    def _resize(
        self,
        autoscaler: Object,
        scaled: Resource,
        scale: Object,
        desired: int,
        reason: str,
        history: History,
        report: Report,
    ) -> None:
        now, current = report.now, scale["spec"].get("replicas", 0)
        self.api.update(
            scaled,
            scale["metadata"]["name"],
            {**scale, "spec": {**scale["spec"], "replicas": desired}},
            namespace=autoscaler["metadata"]["namespace"],
            subresource="scale",
            options=Options(field_manager=MANAGER),
        )
        text = f"the HPA controller was able to update the target scale to {desired}"
        report.tell("AbleToScale", True, "SucceededRescale", text)
        report.status["lastScaleTime"] = timestamp(now)
        text = f"New size: {desired}; reason: {reason}"
        self._record(autoscaler, now, "SuccessfulRescale", text)
        longest = 3600.0  # no policy looks back further: periodSeconds is at most half an hour
        moved = history.ups if desired > current else history.downs
        moved[:] = [each for each in moved if each[0] > now - longest]
        moved.append((now, abs(desired - current)))
        history.is_settled = False

    def _write(self, autoscaler: Object, report: Report) -> None:
        report.status["conditions"] = report.conditions
        write_status(self.api, self._resource, autoscaler, report.status)


def _count(
    ratio: float,
    diluted: float,
    measured: int,
    pods: int,
    current: int,
    rules: dict[str, Any],
    has_waiting: bool,
) -> int:
    """Replicas that a ratio of usage to target calls for.

    Args:
        ratio: over the pods that are measured.
        diluted: the same, with pods that are not ready counted as using nothing.
        measured: how many pods are measured.
        pods: how many there are.
        current: the present size.
        rules: the autoscaler's `behavior`, for tolerances of its own.
        has_waiting: whether there are pods that are not ready.
    """
    if _is_tolerable(ratio, rules):
        return current
    if not has_waiting or ratio < 1:
        # Usage that has just the right ratio must not gain a pod by a rounding error of floats.
        return ceil(round(ratio * measured, 9))
    if _is_tolerable(diluted, rules) or diluted < 1:
        return current
    return max(ceil(round(diluted * pods, 9)), current)


def _is_tolerable(ratio: float, rules: dict[str, Any]) -> bool:
    given = (rules.get("scaleUp" if ratio > 1 else "scaleDown") or {}).get("tolerance")
    tolerance = TOLERANCE if given is None else float(parse(given))
    return abs(ratio - 1) <= tolerance + 1e-9


def _fastest_up(rules: dict[str, Any], current: int, history: History, now: float) -> int:
    """The size that scaling up may reach now by an autoscaler's own policies."""
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        start = current - _moved(history.ups, policy, now) + _moved(history.downs, policy, now)
        if policy["type"] == "Pods":
            limits.append(start + policy["value"])
        else:
            limits.append(ceil(start * (1 + policy["value"] / 100)))
    choose = min if rules.get("selectPolicy") == "Min" else max
    fastest: int = choose(limits, default=max(2 * current, 4))
    return fastest


def _fastest_down(rules: dict[str, Any], current: int, history: History, now: float) -> int:
    """The size that scaling down may reach now by an autoscaler's own policies."""
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        start = current + _moved(history.downs, policy, now) - _moved(history.ups, policy, now)
        if policy["type"] == "Pods":
            limits.append(start - policy["value"])
        else:
            limits.append(floor(start * (1 - policy["value"] / 100)))
    choose = max if rules.get("selectPolicy") == "Min" else min
    fastest: int = choose(limits, default=0)
    return fastest


def _moved(moves: list[tuple[float, int]], policy: dict[str, Any], now: float) -> int:
    return sum(count for at, count in moves if at > now - policy["periodSeconds"])


def _request(pod: Object) -> float:
    """The CPU that a pod requests, in millicores."""
    total = 0.0
    for container in pod["spec"]["containers"]:
        asked = ((container.get("resources") or {}).get("requests") or {}).get("cpu")
        if asked is None:
            name = pod["metadata"]["name"]
            raise Unmeasurable(
                "failed to get cpu utilization: missing request for cpu in container "
                f"{container['name']} of Pod {name}"
            )
        total += float(parse(asked)) * 1000
    return total


def _counts(pod: Object) -> tuple[bool, bool, bool]:
    """What of a pod decides whether and how it is measured."""
    return is_ready(pod), is_over(pod), is_being_deleted(pod)
