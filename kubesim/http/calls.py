"""One request, as far as it matters to what is answered; free of sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubesim.auth.users import ADMIN, User
from kubesim.http.bodies import Body
from kubesim.http.negotiation import Form, form
from kubesim.http.queries import Query


@dataclass(frozen=True)
class Call:
    """A request whose body has been read and whose sender is known.

    Args:
        method: the HTTP method.
        path: the path, with its percent signs.
        query: what follows the question mark.
        headers: of the request; with names in the case that the mapping wants.
        body: what it carries.
        user: who sent it.
    """

    method: str
    path: str
    query: Query = field(default_factory=Query)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    user: User = ADMIN

    @property
    def form(self) -> Form:
        """The form of the answer.

        Raises:
            ApiError: 406 NotAcceptable.
        """
        return form(self.headers.get("Accept", ""))

    @property
    def pretty(self) -> bool:
        """Whether a person will read the answer as it is.

        Source: apiserver `negotiation.go`: asked for, or from a command line or a browser.
        """
        if "pretty" in self.query:
            return self.query.yes("pretty")
        return self.agent.startswith(("curl", "Wget", "Mozilla/5.0"))

    @property
    def agent(self) -> str:
        """The client, as it calls itself."""
        return self.headers.get("User-Agent", "")

    @property
    def media(self) -> str:
        """The form of the body, as the client declares it."""
        return self.headers.get("Content-Type", "")
