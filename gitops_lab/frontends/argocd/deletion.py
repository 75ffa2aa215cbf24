"""What happens when an Application is deleted: nothing to its objects, unless a finalizer says so.

With a resources-finalizer the managed objects are deleted first, the highest wave first, each
group when the one before is gone.

Source: Argo CD 3.5, `controller/{appcontroller,hook}.go` finalizeApplicationDeletion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops_lab.engine import hooks
from gitops_lab.engine.waves import wave
from gitops_lab.errors import ApiError, ClusterUnreachable
from gitops_lab.frontends.argocd.app import annotations_of, has_option, instance
from gitops_lab.frontends.argocd.cluster_cache import ClusterCache
from gitops_lab.frontends.argocd.destinations import DestinationError, Destinations
from gitops_lab.frontends.argocd.names import (
    BACKGROUND_FINALIZER,
    CASCADE_FINALIZERS,
    CLEANUP,
    CONTROLLER,
    DELETION_APPROVED,
    HELM_RESOURCE_POLICY,
    POST_DELETE_FINALIZER,
    PRE_DELETE_FINALIZER,
    SYNC_OPTIONS,
)
from gitops_lab.frontends.argocd.sync_run import hook_state
from gitops_lab.frontends.argocd.writes import drop_finalizers, drop_hook_finalizer
from gitops_lab.frontends.events import Recorder
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster

AGAIN = 1.0
"""Seconds until the next look at objects that are being deleted."""

_HOOK_FINALIZERS = {
    hooks.PRE_DELETE: PRE_DELETE_FINALIZER,
    hooks.POST_DELETE: POST_DELETE_FINALIZER,
}


class Deletion:
    """Deletes what Applications leave behind.

    Args:
        destinations: the clusters.
        hooks_of: the hooks of an Application, as its last comparison found them.
    """

    def __init__(
        self, destinations: Destinations, hooks_of: Callable[[Object], Sequence[Object]]
    ) -> None:
        self.destinations, self._hooks_of = destinations, hooks_of

    def go_on(self, own: Cluster, app: Object, record: Recorder, now: float) -> float | None:
        """Do the next part of a deletion.

        Args:
            own: the cluster of the Application.
            app: the Application that is being deleted.
            record: writes Events about it.
            now: the present instant, in seconds since the Unix epoch.

        Returns:
            Seconds until the next look; None if there is nothing left to do.
        """
        finalizers = app["metadata"].get("finalizers") or []
        if not finalizers:
            return None
        try:
            cache = self.destinations.cache(self.destinations.find(app["spec"]["destination"]))
        except DestinationError:  # the cluster is gone, and its objects with it
            drop_finalizers(own, app, *finalizers)
            return None
        try:
            return self._next(own, app, cache, finalizers)
        except (ApiError, ClusterUnreachable) as error:
            text = f"Unable to delete application resources: {error}"
            record(app, now, "StatusRefreshed", text, "Warning")
            return 10 * AGAIN

    def _next(
        self, own: Cluster, app: Object, cache: ClusterCache, finalizers: Sequence[str]
    ) -> float | None:
        cache.refresh()
        cascade = next((name for name in CASCADE_FINALIZERS if name in finalizers), "")
        if PRE_DELETE_FINALIZER in finalizers:
            if cascade and not self._hooks(app, cache, hooks.PRE_DELETE):
                return AGAIN
            drop_finalizers(own, app, PRE_DELETE_FINALIZER)
            return 0.0
        if PRE_DELETE_FINALIZER + CLEANUP in finalizers:
            return self._clean(own, app, cache, hooks.PRE_DELETE)
        if cascade:
            left = self._objects(app, cache)
            if left:
                return self._delete(app, cache, left, cascade)
            drop_finalizers(own, app, *CASCADE_FINALIZERS)
            return 0.0
        if POST_DELETE_FINALIZER in finalizers:
            if not self._hooks(app, cache, hooks.POST_DELETE):
                return AGAIN
            drop_finalizers(own, app, POST_DELETE_FINALIZER)
            return 0.0
        if POST_DELETE_FINALIZER + CLEANUP in finalizers:
            return self._clean(own, app, cache, hooks.POST_DELETE)
        return None

    # -- managed objects ------------------------------------------------------------------------

    def _objects(self, app: Object, cache: ClusterCache) -> list[Object]:
        """The live objects that go with the Application."""
        result = []
        for key, obj in sorted(cache.owned(instance(app)).items()):
            keeps = (
                key.kind == "CustomResourceDefinition"
                or obj["metadata"]["uid"] == app["metadata"]["uid"]
                or hooks.is_hook(obj)
                or has_option(obj, SYNC_OPTIONS, "Delete=false")
                or annotations_of(obj).get(HELM_RESOURCE_POLICY) == "keep"
            )
            if not keeps:
                result.append(obj)
        return result

    def _delete(
        self, app: Object, cache: ClusterCache, left: Sequence[Object], cascade: str
    ) -> float:
        if DELETION_APPROVED not in annotations_of(app) and any(
            has_option(obj, SYNC_OPTIONS, "Delete=confirm") for obj in left
        ):
            return AGAIN
        highest = max(wave(obj) for obj in left)
        policy = "Background" if cascade == BACKGROUND_FINALIZER else "Foreground"
        for obj in left:
            if wave(obj) == highest and "deletionTimestamp" not in obj["metadata"]:
                cache.cluster.delete(
                    ObjectKey.of(obj), propagation=policy, uid=obj["metadata"]["uid"]
                )
        return AGAIN

    # -- hooks ----------------------------------------------------------------------------------

    def _hooks(self, app: Object, cache: ClusterCache, moment: str) -> bool:
        """Run the hooks of a moment; whether they all have ended well."""
        done = True
        for target in self.hooks_of(app, moment):
            key = ObjectKey.of(target)
            live = cache.cluster.get(key)
            if live is None:
                cache.cluster.create(target, manager=CONTROLLER)
                done = False
            elif hook_state(live)[0] != "Succeeded":
                done = False
        return done

    def _clean(self, own: Cluster, app: Object, cache: ClusterCache, moment: str) -> float:
        for target in self.hooks_of(app, moment):
            live = cache.cluster.get(ObjectKey.of(target))
            if live is not None:
                drop_hook_finalizer(cache.cluster, live)
                if hooks.HOOK_SUCCEEDED in hooks.delete_policies(target):
                    cache.cluster.delete(ObjectKey.of(live))
        drop_finalizers(own, app, _HOOK_FINALIZERS[moment] + CLEANUP)
        return 0.0

    def hooks_of(self, app: Object, moment: str) -> list[Object]:
        """The hooks of an Application that run at a moment of its deletion."""
        return [obj for obj in self._hooks_of(app) if moment in hooks.types(obj)]


def delete_hook_finalizers(own: Cluster, app: Object, found: Sequence[Object]) -> None:
    """Have an Application with hooks for its deletion wait for them, and no other."""
    finalizers = list(app["metadata"].get("finalizers") or ())
    after = list(finalizers)
    for moment, name in _HOOK_FINALIZERS.items():
        needed = any(moment in hooks.types(obj) for obj in found)
        for each in (name, name + CLEANUP):
            if needed and each not in after:
                after.append(each)
            elif not needed and each in after:
                after.remove(each)
    if after != finalizers and "deletionTimestamp" not in app["metadata"]:
        own.patch(
            ObjectKey.of(app), {"metadata": {"finalizers": after or None}}, manager=CONTROLLER
        )
