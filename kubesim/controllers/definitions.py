"""CustomResourceDefinitions: names are accepted, kinds are served, instances go before their kind.

Source: apiextensions-apiserver `pkg/controller/{status,establish,finalizer}` (Kubernetes 1.37), the
controllers that the API server runs itself; reasons and messages are theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from kubesim.api import Api, Options, definitions
from kubesim.controllers.index import Indexes, existing
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.ownership import is_being_deleted
from kubesim.controllers.status import Condition, condition, is_true, since, write_status
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Event

MANAGER = "kube-apiserver"

_log = logging.getLogger(__name__)

_NAMES = {"plural": "Plural", "singular": "Singular", "kind": "Kind", "listKind": "ListKind"}
"""The names that can be taken only once within a group, with the reasons' spelling."""

_KINDS = ("kind", "listKind")


class Definitions(Controller):
    """Has the API server serve what definitions say, and takes it away with them."""

    name = "crd-controller"
    watches = None

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind(f"{definitions.GROUP}/v1", "CustomResourceDefinition")
        api.guards.append(self._warn)
        for event in existing(api.store, definitions.GROUP, definitions.PLURAL):
            try:
                self._serve(event)
            except (LookupError, TypeError, ValueError):
                _log.exception("%s cannot be served", event.key.name)
        api.store.subscribe(self._serve)

    def keys(self, event: Event) -> Iterable[Item]:
        """The definition, with those that want its names; the kind of an instance that is gone."""
        if definitions.is_definition(event.key):
            return [("", event.key.name), *self._neighbours(event.object)]
        if event.type != "DELETED":
            return ()
        name = f"{event.key.plural}.{event.key.group}"
        definition = self._definition(name)
        return (("", name),) if definition is not None and is_being_deleted(definition) else ()

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """See to a definition's names, or to its end."""
        definition = self._definition(name)
        if definition is None:
            return
        if is_being_deleted(definition):
            self._leave(definition, now)
        else:
            self._write(definition, self._named(definition, now))

    def _warn(self, resource: Resource, old: Object | None, new: Object, options: Options) -> None:
        """Tell a definition's writer what is not done here; refuse nothing."""
        if resource == self._resource and (old is None or old["spec"] != new.get("spec")):
            for text in definitions.warnings(new):
                self.api.warn(text)

    def _definition(self, name: str) -> Object | None:
        return self.api.store.get((definitions.GROUP, definitions.PLURAL, "", name))

    def _neighbours(self, definition: Object) -> Iterable[Item]:
        """Definitions of the same group whose names are not accepted yet."""
        for other in self.api.store.list(definitions.GROUP, definitions.PLURAL):
            if other["spec"]["group"] == definition["spec"]["group"]:
                if not is_true(other.get("status"), "NamesAccepted"):
                    yield "", other["metadata"]["name"]

    def _write(self, definition: Object, status: dict[str, Any]) -> Object:
        return write_status(self.api, self._resource, definition, status, manager=MANAGER)

    # Names

    def _named(self, definition: Object, now: float) -> dict[str, Any]:
        """The status of a definition whose names have been looked at."""
        status = definition.get("status") or {}
        wanted = definition["spec"]["names"]
        accepted = dict(status.get("acceptedNames") or {"plural": "", "kind": ""})
        taken, taken_kinds = self._taken(definition)
        reason, message = "", ""
        for field, spelled in _NAMES.items():
            used, name = taken_kinds if field in _KINDS else taken, wanted[field]
            if name != accepted.get(field) and name in used:
                reason, message = f"{spelled}Conflict", f'"{name}" is already in use'
            else:
                accepted[field] = name
            if field == "singular":
                own = accepted.get("shortNames") or ()
                faults = [
                    f'"{each}" is already in use'
                    for each in wanted.get("shortNames") or ()
                    if each in taken and each not in own
                ]
                if faults:
                    reason = "ShortNamesConflict"
                    message = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
                else:
                    _copy(wanted, accepted, "shortNames")
        _copy(wanted, accepted, "categories")
        naming = _condition(
            "NamesAccepted", not reason, reason or "NoConflicts", message or "no conflicts found"
        )
        initial = "the initial names have been accepted"
        if not reason or is_true(status, "Established"):
            established = _condition("Established", True, "InitialNamesAccepted", initial)
        else:
            text = "not all names are accepted"
            established = _condition("Established", False, "NotAccepted", text)
        conditions = _set(_set(status.get("conditions") or [], naming, now), established, now)
        return {**status, "acceptedNames": accepted, "conditions": conditions}

    def _taken(self, definition: Object) -> tuple[set[str], set[str]]:
        """The names of resources and of kinds that others in the group have been given."""
        resources, kinds = set[str](), set[str]()
        for other in self.api.store.list(definitions.GROUP, definitions.PLURAL):
            if other["metadata"]["name"] == definition["metadata"]["name"]:
                continue
            if other["spec"]["group"] != definition["spec"]["group"]:
                continue
            names = (other.get("status") or {}).get("acceptedNames") or {}
            resources.update((names.get("plural", ""), names.get("singular", "")))
            resources.update(names.get("shortNames") or ())
            kinds.update(names.get(field, "") for field in _KINDS)
        return resources - {""}, kinds - {""}

    # Serving

    def _serve(self, event: Event) -> None:
        """Have the API server serve what a definition has established, from that moment on."""
        if not definitions.is_definition(event.key):
            return
        wanted = [] if event.type == "DELETED" else definitions.resources(event.object)
        plural, _, group = event.key.name.partition(".")
        registry = self.api.registry
        served = [
            each
            for each in registry.all()
            if each.is_custom and (each.group, each.plural) == (group, plural)
        ]
        if served == wanted and all(
            old.schema is new.schema and old.columns == new.columns
            for old, new in zip(served, wanted, strict=True)
        ):
            return
        for each in served:
            registry.remove(each)
        for each in wanted:
            registry.add(each)

    # The end

    def _leave(self, definition: Object, now: float) -> None:
        """Delete the instances; when none is left, let the definition go."""
        metadata, status = definition["metadata"], definition.get("status") or {}
        if definitions.CLEANUP not in (metadata.get("finalizers") or ()):
            return
        is_established = definitions.holds(definition, "Established")
        running = _condition(
            "Terminating",
            True,
            "InstanceDeletionInProgress",
            "CustomResource deletion is in progress",
        )
        definition = self._write(definition, _with(status, running, now))
        if is_established:
            self.api.delete_collection(definitions.storage(definition))
        plural, _, group = metadata["name"].partition(".")
        if self.api.store.list(group, plural):
            return
        done = (
            _condition("Terminating", False, "InstanceDeletionCompleted", "removed all instances")
            if is_established
            else _condition(
                "Terminating", False, "NeverEstablished", "resource was never established"
            )
        )
        definition = self._write(definition, _with(definition.get("status") or {}, done, now))
        others = [each for each in metadata["finalizers"] if each != definitions.CLEANUP]
        self.api.update(
            self._resource,
            metadata["name"],
            {**definition, "metadata": {**definition["metadata"], "finalizers": others}},
            options=Options(field_manager=MANAGER),
        )


def _copy(source: Object, into: Object, field: str) -> None:
    """Give a field the value that it has in another object, if it has one there."""
    if source.get(field):
        into[field] = source[field]
    else:
        into.pop(field, None)


def _condition(kind: str, holds: bool, reason: str, message: str) -> Condition:
    return {"type": kind, "status": str(holds), "reason": reason, "message": message}


def _set(conditions: list[Condition], new: Condition, now: float) -> list[Condition]:
    """Conditions with one of them new; its time is that of its last change of status."""
    old = condition({"conditions": conditions}, new["type"])
    same = old is not None and old.get("status") == new["status"]
    new = {**new, "lastTransitionTime": since(old if same else None, now)}
    if old is None:
        return [*conditions, new]
    return [new if each is old else each for each in conditions]


def _with(status: dict[str, Any], new: Condition, now: float) -> dict[str, Any]:
    return {**status, "conditions": _set(status.get("conditions") or [], new, now)}
