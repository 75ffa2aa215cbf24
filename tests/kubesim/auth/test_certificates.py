from __future__ import annotations

import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest

from gitops_lab.errors import LabError, UsageError
from kubesim.auth.certificates import Authority

AUTHORITY = Authority.create()
HOST = "127.0.0.1"


def handshake(
    folder: Path, *, server: Authority = AUTHORITY, client: tuple[str, str] | None = None
) -> dict[str, Any] | None:
    """What a server learns of a client's certificate, over two connected sockets."""
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=AUTHORITY.ca_pem)
    theirs.verify_mode = ssl.CERT_OPTIONAL
    theirs.load_cert_chain(*_files(folder / "server", server.issue_server([HOST, "localhost"])))
    ours = ssl.create_default_context(cadata=AUTHORITY.ca_pem)
    if client is not None:
        ours.load_cert_chain(*_files(folder / "client", client))
    ends = [ssl.MemoryBIO() for _ in range(4)]
    a = theirs.wrap_bio(ends[0], ends[1], server_side=True)
    b = ours.wrap_bio(ends[2], ends[3], server_hostname=HOST)
    open_ends = [a, b]
    for _ in range(10):
        for end in list(open_ends):
            try:
                end.do_handshake()
                open_ends.remove(end)
            except ssl.SSLWantReadError:
                pass
            ends[2].write(ends[1].read())
            ends[0].write(ends[3].read())
    assert not open_ends, "the handshake does not end"
    return a.getpeercert()


def _files(folder: Path, pems: tuple[str, str]) -> list[str]:
    folder.mkdir()
    paths = [folder / "crt", folder / "key"]
    for path, pem in zip(paths, pems, strict=True):
        path.write_text(pem)
    return [str(path) for path in paths]


def test_a_server_learns_user_and_groups_from_a_clients_certificate(tmp_path: Path) -> None:
    pems = AUTHORITY.issue_client("jane", ["dev", "system:masters"])
    found = handshake(tmp_path, client=pems)
    assert found is not None
    assert [pair for entry in found["subject"] for pair in entry] == [
        ("organizationName", "dev"),
        ("organizationName", "system:masters"),
        ("commonName", "jane"),
    ]


def test_a_client_without_a_certificate_is_let_in_unnamed(tmp_path: Path) -> None:
    assert not handshake(tmp_path)


def test_a_client_certificate_of_another_authority_ends_the_connection(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        handshake(tmp_path, client=Authority.create().issue_client("jane", ["system:masters"]))


def test_a_servers_certificate_is_no_clients(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        handshake(tmp_path, client=AUTHORITY.issue_server([HOST]))


def test_a_client_recognises_the_server_by_the_authority(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError, match="verify failed"):
        handshake(tmp_path, server=Authority.create())


def test_an_authority_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    AUTHORITY.save(tmp_path / "pki")
    loaded = Authority.load(tmp_path / "pki")
    assert loaded.ca_pem == AUTHORITY.ca_pem
    assert loaded.token_key.private_numbers() == AUTHORITY.token_key.private_numbers()
    assert handshake(tmp_path, server=loaded, client=loaded.issue_client("jane")) is not None


def test_only_the_owner_can_read_what_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    folder.mkdir(mode=0o755)
    (folder / "ca.key").write_text("an old one that anybody can read")
    (folder / "ca.key").chmod(0o644)
    AUTHORITY.save(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("ca.crt", "ca.key", "sa.key"), 0o600)


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "sa.key"])
@pytest.mark.parametrize("content", [None, "", "nonsense"])
def test_a_folder_that_holds_no_authority_is_told_with_a_way_out(
    tmp_path: Path, name: str, content: str | None
) -> None:
    AUTHORITY.save(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LabError) as error:
        Authority.load(tmp_path)
    assert error.value.where == str(tmp_path)
    assert "reset the sandbox" in error.value.fix


@pytest.mark.parametrize("name", ["ca.crt", "ca.key"])
def test_a_certificate_and_a_key_that_do_not_belong_together_are_no_authority(
    tmp_path: Path, name: str
) -> None:
    AUTHORITY.save(tmp_path)
    Authority.create().save(tmp_path / "other")
    (tmp_path / name).write_text((tmp_path / "other" / name).read_text())
    with pytest.raises(LabError, match="not the certificate's"):
        Authority.load(tmp_path)


@pytest.mark.parametrize("user", ["", "x" * 65])
def test_a_name_that_a_certificate_cannot_say_is_refused(user: str) -> None:
    with pytest.raises(UsageError):
        AUTHORITY.issue_client(user)
    with pytest.raises(UsageError):
        AUTHORITY.issue_client("jane", [user])


def test_a_server_certificate_names_its_hosts() -> None:
    with pytest.raises(UsageError):
        AUTHORITY.issue_server([])
    assert socket.inet_aton(HOST) in ssl.PEM_cert_to_DER_cert(AUTHORITY.issue_server([HOST])[0])
