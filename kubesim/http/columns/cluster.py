"""The columns of what a cluster consists of: nodes, namespaces, configuration, rights, policies.

Source: pkg/printers/internalversion (Kubernetes 1.37), and kube-aggregator for APIServices.
"""

from __future__ import annotations

from kubesim.http.columns.column import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    Column,
    at,
    boolean,
    condition,
    count,
    field,
    human_duration,
    integer,
    selector,
    since,
)
from kubesim.model import Object

_ROLE_LABEL = "node-role.kubernetes.io/"


def _node_status(node: Object, now: float) -> str:
    ready = condition(node, "Ready").get("status")
    words = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if at(node, "spec.unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Object, now: float) -> str:
    labels = node["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return ",".join(sorted(roles - {""})) or NONE


def _address(type_: str) -> Cell:
    def cell(node: Object, now: float) -> str:
        addresses = at(node, "status.addresses") or ()
        return next((each["address"] for each in addresses if each["type"] == type_), NONE)

    return cell


NODES = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _roles),
    AGE,
    field("Version", "status.nodeInfo.kubeletVersion"),
    Column("Internal-IP", _address("InternalIP"), wide=True),
    Column("External-IP", _address("ExternalIP"), wide=True),
    field("OS-Image", "status.nodeInfo.osImage", UNKNOWN, wide=True),
    field("Kernel-Version", "status.nodeInfo.kernelVersion", UNKNOWN, wide=True),
    field("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", UNKNOWN, wide=True),
)

NAMESPACES = (NAME, field("Status", "status.phase"), AGE)
CONFIG_MAPS = (NAME, count("Data", "data", "binaryData"), AGE)
SECRETS = (NAME, field("Type", "type"), count("Data", "data"), AGE)
SERVICE_ACCOUNTS = (NAME, AGE)
LEASES = (NAME, field("Holder", "spec.holderIdentity"), AGE)
RUNTIME_CLASSES = (NAME, field("Handler", "handler"), AGE)
NAME_AND_AGE = (NAME, AGE)

PRIORITY_CLASSES = (
    NAME,
    integer("Value", "value"),
    boolean("Global-Default", "globalDefault"),
    AGE,
    field("PreemptionPolicy", "preemptionPolicy"),
)


# Events, in the words of the core group or of events.k8s.io


def _first_seen(event: Object, now: float) -> str:
    first = event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp")
    return since(first or event.get("eventTime"), now)


def _last_seen(event: Object, now: float) -> str:
    series = at(event, "series.lastObservedTime")
    last = series or event.get("lastTimestamp") or event.get("deprecatedLastTimestamp")
    return since(last, now) if last else _first_seen(event, now)


def _count(event: Object, now: float) -> int:
    series = at(event, "series.count")
    return int(series or event.get("count") or event.get("deprecatedCount") or 1)


def _about(event: Object, now: float) -> str:
    found = event.get("involvedObject") or event.get("regarding") or {}
    kind = found.get("kind", "").lower()
    return f"{kind}/{found['name']}" if found.get("name") else kind


def _part(event: Object, now: float) -> str:
    found = event.get("involvedObject") or event.get("regarding") or {}
    return str(found.get("fieldPath", ""))


def _source(event: Object, now: float) -> str:
    source = event.get("source") or event.get("deprecatedSource") or {}
    reporter = event.get("reportingComponent") or event.get("reportingController") or ""
    parts = (
        source.get("component") or reporter,
        source.get("host") or event.get("reportingInstance") or "",
    )
    return ", ".join(parts) if parts[1] else parts[0]


EVENTS = (
    Column("Last Seen", _last_seen),
    field("Type", "type"),
    field("Reason", "reason"),
    Column("Object", _about),
    Column("Subobject", _part, wide=True),
    Column("Source", _source, wide=True),
    Column("Message", lambda obj, now: (obj.get("message") or obj.get("note") or "").strip()),
    Column("First Seen", _first_seen, wide=True),
    Column("Count", _count, wide=True),
    Column("Name", NAME.cell, wide=True, format="name"),
)


# Quotas


def _quota(prefix: str) -> Cell:
    """Used and allowed of each resource, limits apart from all others."""

    def cell(quota: Object, now: float) -> str:
        hard, used = at(quota, "status.hard") or {}, at(quota, "status.used") or {}
        return ", ".join(
            f"{name}: {used.get(name, '0')}/{hard[name]}"
            for name in sorted(hard)
            if name.startswith("limits") == (prefix == "limits")
        )

    return cell


RESOURCE_QUOTAS = (
    NAME,
    Column("Request", _quota("")),
    Column("Limit", _quota("limits")),
    AGE,
)


# Rights


def _role(obj: Object, now: float) -> str:
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def _subjects(kind: str) -> Cell:
    def cell(obj: Object, now: float) -> str:
        found = [each for each in obj.get("subjects") or () if each.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace', '')}/{each['name']}" for each in found)
        return ", ".join(each["name"] for each in found)

    return cell


ROLE_BINDINGS = (
    NAME,
    Column("Role", _role),
    AGE,
    Column("Users", _subjects("User"), wide=True),
    Column("Groups", _subjects("Group"), wide=True),
    Column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)


def _csr_condition(obj: Object, now: float) -> str:
    types = {each["type"] for each in at(obj, "status.conditions") or ()}
    words = [next((each for each in ("Denied", "Approved") if each in types), "Pending")]
    if "Failed" in types:
        words.append("Failed")
    if at(obj, "status.certificate"):
        words.append("Issued")
    return ",".join(words)


def _requested(obj: Object, now: float) -> str:
    seconds = at(obj, "spec.expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


CERTIFICATE_SIGNING_REQUESTS = (
    NAME,
    AGE,
    field("SignerName", "spec.signerName", NONE),
    field("Requestor", "spec.username"),
    Column("RequestedDuration", _requested),
    Column("Condition", _csr_condition),
)
CLUSTER_TRUST_BUNDLES = (NAME, field("SignerName", "spec.signerName", NONE))


# Policies


def _param_kind(obj: Object, now: float) -> str:
    found = at(obj, "spec.paramKind")
    return f"{found['apiVersion']}/{found['kind']}" if found else UNSET


def _param_ref(obj: Object, now: float) -> str:
    found = at(obj, "spec.paramRef") or {}
    if found.get("name"):
        return f"{found.get('namespace') or '*'}/{found['name']}"
    return selector(found["selector"]) if found.get("selector") else UNSET


def _policies(heading: str, path: str) -> tuple[Column, ...]:
    rules = Column(heading, lambda obj, now: len(at(obj, path) or ()), type="integer")
    return (NAME, rules, Column("ParamKind", _param_kind), AGE)


VALIDATING_POLICIES = _policies("Validations", "spec.validations")
MUTATING_POLICIES = _policies("Mutations", "spec.mutations")
POLICY_BINDINGS = (
    NAME,
    field("PolicyName", "spec.policyName"),
    Column("ParamRef", _param_ref),
    AGE,
)
WEBHOOKS = (
    NAME,
    Column("Webhooks", lambda obj, now: len(obj.get("webhooks") or ()), type="integer"),
    AGE,
)


# The API itself


def _available(obj: Object, now: float) -> str:
    found = condition(obj, "Available")
    status = found.get("status", UNKNOWN)
    return f"{status} ({found.get('reason', '')})" if status == "False" else str(status)


def _served_by(obj: Object, now: float) -> str:
    found = at(obj, "spec.service")
    return f"{found['namespace']}/{found['name']}" if found else "Local"


def _component(key: str) -> Cell:
    """What a component says of its health; its conditions are not in a status."""

    def cell(obj: Object, now: float) -> str:
        conditions = [each for each in obj.get("conditions") or () if each["type"] == "Healthy"]
        found: Object = conditions[0] if conditions else {}
        if key == "status":
            return {"": "Unknown", "True": "Healthy"}.get(found.get("status", ""), "Unhealthy")
        return str(found.get(key, ""))

    return cell


COMPONENT_STATUSES = (
    NAME,
    Column("Status", _component("status")),
    Column("Message", _component("message")),
    Column("Error", _component("error")),
)

API_SERVICES = (
    NAME,
    Column("Service", _served_by),
    Column("Available", _available),
    AGE,
)


def _missing_level(obj: Object, now: float) -> str:
    return str(condition(obj, "Dangling").get("status", "False"))


FLOW_SCHEMAS = (
    NAME,
    field("PriorityLevel", "spec.priorityLevelConfiguration.name"),
    field("MatchingPrecedence", "spec.matchingPrecedence", 0),
    field("DistinguisherMethod", "spec.distinguisherMethod.type", NONE),
    AGE,
    Column("MissingPL", _missing_level),
)
PRIORITY_LEVELS = (
    NAME,
    field("Type", "spec.type"),
    field("NominalConcurrencyShares", "spec.limited.nominalConcurrencyShares", NONE),
    field("Queues", "spec.limited.limitResponse.queuing.queues", NONE),
    field("HandSize", "spec.limited.limitResponse.queuing.handSize", NONE),
    field("QueueLengthLimit", "spec.limited.limitResponse.queuing.queueLengthLimit", NONE),
    AGE,
)
RESOURCE_SLICES = (
    NAME,
    field("Node", "spec.nodeName"),
    field("Driver", "spec.driver"),
    field("Pool", "spec.pool.name"),
    AGE,
)
