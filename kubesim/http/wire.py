"""HTTP/1.1 as an application in a pod speaks it, on the bytes that reach its port."""

from __future__ import annotations

import h11

from kubesim.applications import Applications
from kubesim.applications.exchange import Request, Response, text
from kubesim.applications.routing import Place, Unreachable

LONGEST_BODY = 1 << 20
"""How many bytes the body of a request may have."""

_HELLO = "This application is simulated, and understands HTTP only."


class Wire:
    """One connection to a port of a pod, from the application's side.

    Args:
        applications: who answers.
        place: the port.
        client: the address of who connects, for the log.

    Raises:
        Unreachable: the port is closed.
    """

    def __init__(self, applications: Applications, place: Place, *, client: str) -> None:
        applications.check_listens(place)
        self._applications, self._place, self._client = applications, place, client
        self._connection = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self.is_over = False
        """Whether the application has closed the connection."""

    def receive(self, data: bytes) -> bytes:
        """What the application sends when bytes reach it; none are its end."""
        if self.is_over:
            return b""
        try:
            self._connection.receive_data(data)
            return b"".join(iter(self._step, b""))
        except h11.RemoteProtocolError as error:
            return self._refuse(error.error_status_hint)
        except Unreachable:  # it ended meanwhile
            self.is_over = True
            return b""

    def _step(self) -> bytes:
        """The answer to the next thing that came; nothing if more has to come first."""
        connection = self._connection
        while True:
            if connection.they_are_waiting_for_100_continue:
                return self._sent(h11.InformationalResponse(status_code=100, headers=[]))
            event = connection.next_event()
            if isinstance(event, h11.Request):
                self._head = event
                self._body.clear()
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > LONGEST_BODY:
                    return self._refuse(413)
            elif isinstance(event, h11.EndOfMessage):
                return self._answer()
            else:
                self.is_over = self.is_over or isinstance(event, h11.ConnectionClosed)
                return b""

    def _answer(self) -> bytes:
        head = self._head
        assert head is not None, "the end of a message comes after its head"
        path, _, query = head.target.decode("ascii", "replace").partition("?")
        headers = {
            name.decode("latin-1").title(): value.decode("latin-1") for name, value in head.headers
        }
        method = head.method.decode("ascii")
        request = Request(method, path, query, headers, bytes(self._body))
        response = self._applications.send(self._place, request, client=self._client)
        return self._respond(response, without_body=method == "HEAD")

    def _refuse(self, code: int) -> bytes:
        """A last answer to what is no HTTP."""
        self.is_over = True
        if self._connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return b""
        return self._respond(text(_HELLO, code), closes=True)

    def _respond(
        self, response: Response, *, without_body: bool = False, closes: bool = False
    ) -> bytes:
        headers = [("Content-Type", response.media), ("Content-Length", str(len(response.body)))]
        if closes:
            headers.append(("Connection", "close"))
        sent = self._sent(
            h11.Response(
                status_code=response.code, headers=headers, reason=response.phrase.encode()
            )
        )
        if not without_body and response.code not in (204, 304):
            sent += self._sent(h11.Data(data=response.body))
        sent += self._sent(h11.EndOfMessage())
        if self._connection.our_state is h11.MUST_CLOSE or closes:
            self.is_over = True
        else:
            self._connection.start_next_cycle()
        return sent

    def _sent(self, event: h11.Event) -> bytes:
        return self._connection.send(event) or b""
