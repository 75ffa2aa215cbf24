"""The configuration that `git` needs for the sandbox's server: its certificate, and a token."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from kubesim.files import write_private


def configure(folder: Path, *, address: str, authority: Path, account: str, token: str) -> Path:
    """Write a configuration file for Git, to be included or alone, and the token beside it.

    It says nothing of any other server, and no other credential helper gets the token.

    Args:
        folder: where the files go; no other user may enter it.
        address: host and port of the server.
        authority: the certificate that the server's own is signed by, in PEM.
        account: whose token it is.
        token: the account's.

    Returns:
        The configuration file.
    """
    credentials, configuration = folder / "credentials", folder / "gitconfig"
    write_private(credentials, f"username={account}\npassword={token}\n")
    write_private(
        configuration,
        f'[http "https://{address}/"]\n'
        f"\tsslCAInfo = {_quoted(authority)}\n"
        "\tproxy =\n"  # the server is on this machine, or beside the cluster
        f'[credential "https://{address}"]\n'
        "\thelper =\n"  # forget those of the user
        f"\thelper = {_quoted(_helper(account, credentials))}\n",
    )
    return configuration


def _helper(account: str, credentials: Path) -> str:
    """A credential helper that answers `get` alone (gitcredentials(7), "Custom helpers").

    Git asks `git credential-store` to erase what a server refused: then one wrong token in an
    address would take the right one away from every clone.
    """
    other = f"username={account}|protocol=*|host=*|path=*|wwwauth*) ;; username=*) exit 0"
    return (
        f'!f() {{ [ "$1" = get ] || exit 0; while read -r line; do case $line in {other};; esac; '
        f"done; cat {_shell(credentials)}; }}; f"
    )


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
