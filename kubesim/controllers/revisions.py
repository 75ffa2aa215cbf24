"""Revisions of StatefulSets and DaemonSets: a ControllerRevision for each template there was.

Source: pkg/controller/history of Kubernetes 1.37.
"""

from __future__ import annotations

from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER
from kubesim.controllers.ownership import owner_reference
from kubesim.controllers.pods import fingerprint
from kubesim.errors import ApiError
from kubesim.model import Object


class Revisions:
    """The ControllerRevisions of one controller's objects.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        label: the label under which a ControllerRevision bears its hash.
    """

    def __init__(self, api: Api, indexes: Indexes, label: str) -> None:
        self._api, self._label = api, label
        self._resource = api.registry.by_kind("apps/v1", "ControllerRevision")
        self._owned = indexes.by_controller("apps", "controllerrevisions")

    def of(self, owner: Object) -> list[Object]:
        """An owner's revisions, the newest last."""
        found = self._owned.get(owner["metadata"]["uid"])
        return sorted(found, key=lambda each: (_number(each), each["metadata"]["name"]))

    def hash(self, revision: Object) -> str:
        """The hash by which a revision's pods are known; that of its name if its label is gone."""
        metadata = revision["metadata"]
        known = (metadata.get("labels") or {}).get(self._label)
        return str(known or metadata["name"].rpartition("-")[2])

    def current(self, owner: Object) -> tuple[Object, int]:
        """The revision of the owner's present template, made the newest if it is not.

        A template that was there before gets its old ControllerRevision back, with a new number.

        Returns:
            The revision, and the owner's count of hash collisions.

        Raises:
            ApiError: the API server refuses to write it.
        """
        collisions: int = (owner.get("status") or {}).get("collisionCount", 0)
        data = _data(owner)
        known = self.of(owner)
        number = _number(known[-1]) + 1 if known else 1
        same = [each for each in known if each.get("data") == data]
        if same:
            found = same[-1]
            return (found if found is known[-1] else self._renumber(found, number)), collisions
        while True:
            try:
                return self._create(owner, data, number, collisions), collisions
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                collisions += 1

    def trim(self, owner: Object, live: set[str]) -> None:
        """Delete the oldest revisions beyond `spec.revisionHistoryLimit`.

        Args:
            live: names of revisions in use, which neither count nor go.
        """
        limit = owner["spec"].get("revisionHistoryLimit", 10)
        unused = [each for each in self.of(owner) if each["metadata"]["name"] not in live]
        for each in unused[: max(len(unused) - limit, 0)]:
            metadata = each["metadata"]
            self._api.delete(self._resource, metadata["name"], namespace=metadata["namespace"])

    def _create(self, owner: Object, data: dict[str, Any], number: int, collisions: int) -> Object:
        metadata = owner["metadata"]
        hashed = fingerprint(data, collisions)
        labels = owner["spec"]["template"].get("metadata", {}).get("labels") or {}
        annotations = metadata.get("annotations")
        return self._api.create(
            self._resource,
            {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": f"{metadata['name']}-{hashed}",
                    "namespace": metadata["namespace"],
                    "labels": {**labels, self._label: hashed},
                    **({"annotations": annotations} if annotations else {}),
                    "ownerReferences": [owner_reference(owner)],
                },
                "data": data,
                "revision": number,
            },
            namespace=metadata["namespace"],
            options=Options(field_manager=MANAGER),
        )

    def _renumber(self, revision: Object, number: int) -> Object:
        metadata = revision["metadata"]
        return self._api.update(
            self._resource,
            metadata["name"],
            {**revision, "revision": number},
            namespace=metadata["namespace"],
            options=Options(field_manager=MANAGER),
        )


def template_of(revision: Object) -> Object:
    """The pod template that a revision stands for."""
    template: Object = revision["data"]["spec"]["template"]
    return {name: value for name, value in template.items() if name != "$patch"}


def _number(revision: Object) -> int:
    number: int = revision.get("revision", 0)
    return number


def _data(owner: Object) -> dict[str, Any]:
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}
