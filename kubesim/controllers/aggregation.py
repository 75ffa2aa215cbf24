"""Aggregated ClusterRoles: roles that gather the rules of others by their labels.

Source: Kubernetes 1.37, pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.model import Object
from kubesim.selectors import label_selector
from kubesim.store import Event

GROUP = "rbac.authorization.k8s.io"


class ClusterRoleAggregation(Controller):
    """Gives each ClusterRole with an aggregationRule the rules of all that it selects."""

    name = "clusterrole-aggregation-controller"
    watches = ((GROUP, "clusterroles"),)

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._gathering = indexes.get(GROUP, "clusterroles", "gathers", _gathers)

    def keys(self, event: Event) -> Iterable[Item]:
        """Every role that gathers: any of them may select the one that changed."""
        return [("", role["metadata"]["name"]) for role in self._gathering.get("yes")]

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Write the rules of one role: those of the roles it selects, ordered by their names."""
        role = self.api.store.get((GROUP, "clusterroles", "", name))
        if role is None or not role.get("aggregationRule"):
            return
        rules: list[Any] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            matches = label_selector(selector)
            for other in self.api.store.list(GROUP, "clusterroles"):
                metadata = other["metadata"]
                if metadata["name"] != name and matches(metadata.get("labels") or {}):
                    rules += [each for each in other.get("rules") or () if each not in rules]
        if rules == (role.get("rules") or []):
            return
        config: Object = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        }
        resource = self.api.registry.by_kind(config["apiVersion"], "ClusterRole")
        options = Options(field_manager=self.name, force=True)
        self.api.apply(resource, name, config, options=options)


def _gathers(role: Object) -> Iterable[str]:
    return ("yes",) if role.get("aggregationRule") else ()
