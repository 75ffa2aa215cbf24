"""The voice in which one controller tells its Events (client-go's `EventRecorder`)."""

from __future__ import annotations

from kubesim.api import Api
from kubesim.controllers import events
from kubesim.controllers.correlation import Correlator
from kubesim.model import Object


class Recorder:
    """Records Events under one controller's name.

    Args:
        api: the verbs.
        component: the controller's name, as the Events' source.
    """

    def __init__(self, api: Api, component: str) -> None:
        self._api, self._component = api, component
        self._correlator = Correlator()

    def __call__(
        self,
        about: Object,
        now: float,
        reason: str,
        message: str,
        type: str = "Normal",
        *,
        field_path: str = "",
        host: str = "",
    ) -> None:
        """Tell what happened to an object (see `events.record` for the arguments)."""
        events.record(
            self._api,
            about,
            reason=reason,
            message=message,
            type=type,
            component=self._component,
            now=now,
            field_path=field_path,
            host=host,
            correlator=self._correlator,
        )
