"""The sandbox's Git server: repositories over HTTPS, and what a person's `git` must know of it."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gitops_lab.errors import LabError
from gitops_lab.forge import Forge
from gitops_lab.forge.access import configure
from gitops_lab.forge.accounts import EVERY, Accounts, Right
from gitops_lab.forge.people import PEOPLE, RIGHTS, person
from gitops_lab.forge.smart_http import GitServer, url
from gitops_lab.worlds.listening import listen
from gitops_lab.worlds.served import kept_authority
from kubesim.files import write_private
from kubesim.http.server import tls

LEARNER = "learner"
"""The account of the person whose sandbox it is; it may read and write every repository."""

LOOPBACK = "127.0.0.1"

READ: Mapping[str, Right] = {EVERY: "read"}
WRITE: Mapping[str, Right] = {EVERY: "write"}


class ForgeServer:
    """A forge behind HTTPS on loopback, with an account for the learner and one for each deployer.

    Args:
        forge: the repositories.
        folder: where its keys and tokens are kept; it goes on with those that are there.
        readers: the names of the accounts that may read and nothing else.
        wall: the time on the wall, in seconds since the Unix epoch.
        host: what clusters call this machine, if not as it calls itself.
        bind: the address of this machine that this is.
        note: called with a sentence that people should read; it is no error.

    Raises:
        LabError: what is kept is damaged.
    """

    def __init__(
        self,
        forge: Forge,
        folder: Path,
        *,
        readers: Iterable[str],
        wall: float,
        host: str = LOOPBACK,
        bind: str = LOOPBACK,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self._note, self.host, self._bind = folder, note, host, bind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authority = kept_authority(folder / "pki", now=wall)
        self.tokens = self._kept_tokens([*PEOPLE, *readers])
        accounts = Accounts()
        for name, token in self.tokens.items():
            may_push = "push" in RIGHTS[person(name).role]
            accounts.add(name, token, WRITE if may_push else READ)
        self._server = GitServer(forge, accounts, tls=self.tls())
        self._inside = GitServer(forge, accounts, tls=self.tls())
        self.port = self.inside_port = 0

    async def start(self, port: int = 0, inside_port: int = 0) -> None:
        """Begin to listen, at the ports where it listened before if it did."""
        self.port = await listen(self._server, port, what="the Git server", note=self._note)
        self.inside_port = self.port
        if self._bind != LOOPBACK:
            self.inside_port = await listen(
                self._inside,
                inside_port,
                host=self._bind,
                what="the Git server for clusters",
                note=self._note,
            )
        self._write_configuration()

    async def stop(self) -> None:
        """Let pushes under way come to their end, and end every other connection."""
        await self._server.stop()
        await self._inside.stop()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    def url(self, repository: str, *, account: str = LEARNER, inside: bool = False) -> str:
        """The address of a repository for `git clone`.

        Args:
            repository: its name.
            account: whose token Git will ask for.
            inside: as seen from within the clusters.
        """
        address = f"{self.host}:{self.inside_port}" if inside else self.address
        return url(address, repository, account=account)

    @property
    def configuration(self) -> Path:
        """A file for `git clone --config include.path=…`: whom to trust, and the learner's token.

        The clone remembers it, so that fetch and push work, too; nobody's own configuration is
        touched, and no credential helper of theirs gets the token.
        """
        return self.folder / "gitconfig"

    def configuration_of(self, account: str) -> Path:
        """The same for another person's account."""
        return self.folder / "people" / account / "gitconfig"

    def _write_configuration(self) -> None:
        for account in PEOPLE:
            file = self.configuration if account == LEARNER else self.configuration_of(account)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            configure(
                file.parent,
                address=self.address,
                authority=self.folder / "pki" / "ca.crt",
                account=account,
                token=self.tokens[account],
            )

    def _kept_tokens(self, names: Iterable[str]) -> dict[str, str]:
        """A token for each account: those that are kept, and new ones for new accounts."""
        path = self.folder / "tokens.json"
        try:
            kept = json.loads(path.read_text()) if path.exists() else {}
            tokens = {name: str(kept.get(name) or secrets.token_urlsafe(24)) for name in names}
        except (ValueError, AttributeError) as error:
            raise LabError(
                f"the tokens of the Git server cannot be read: {error}",
                where=str(path),
                fix="remove the file: the Git server draws new ones",
            ) from error
        if tokens != kept:
            write_private(path, json.dumps(tokens))
        return tokens

    address_host = LOOPBACK

    def tls(self) -> ssl.SSLContext:
        """The server's side of TLS, for this server and for others of the same sandbox."""
        context = tls(self.authority, tuple(dict.fromkeys((LOOPBACK, "localhost", self.host))))
        context.verify_mode = ssl.CERT_NONE  # here, people prove with a token who they are
        return context
