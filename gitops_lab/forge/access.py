"""What the `git` command must be told to reach a server of ours: whom to trust, and who asks."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

from kubesim.files import write_private


def configure(folder: Path, *, address: str, authority: Path, account: str, token: str) -> Path:
    """Write a configuration file for Git, to be included or alone, and the token beside it.

    It says nothing of any other server, and no other credential helper gets the token.

    Args:
        folder: where the files go; nobody else may enter it.
        address: host and port of the server.
        authority: the certificate that the server's own is signed by, in PEM.
        account: whose token it is.
        token: proves who asks.

    Returns:
        The configuration file.
    """
    credentials, configuration = folder / "credentials", folder / "gitconfig"
    write_private(credentials, f"https://{quote(account)}:{quote(token)}@{address}\n")
    write_private(
        configuration,
        f'[http "https://{address}/"]\n'
        f"\tsslCAInfo = {_quoted(authority)}\n"
        "\tproxy =\n"  # a server of ours is on this machine, or beside the cluster
        f'[credential "https://{address}"]\n'
        "\thelper =\n"  # forget those of the user
        f"\thelper = {_quoted(f'store --file={_shell(credentials)}')}\n",
    )
    return configuration


def address(url: str) -> str:
    """Host and port of a repository's address."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _quoted(value: object) -> str:
    """A value as Git's configuration wants it."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(each, each) for each in str(value)) + '"'


def _shell(path: Path) -> str:
    """A path as the shell wants it by which Git runs helpers."""
    return "'" + str(path).replace("'", "'\\''") + "'"
