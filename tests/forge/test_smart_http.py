"""Git over HTTPS, with the real `git` on both ends."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import http.client
import os
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from gitops_lab.forge import Forge, PushEvent, Repository
from gitops_lab.forge.accounts import Accounts
from gitops_lab.forge.command import GitFailed, git
from gitops_lab.forge.smart_http import FETCH, PUSH, GitServer, Limits, url
from gitops_lab.forge.spool import NOTHING
from kubesim.auth.certificates import Authority

Result = TypeVar("Result")

TOKENS = {"lena": "lena-token", "reader": "reader-token", "stranger": "stranger-token"}
LIMITS = Limits(push=64 << 20, fetch=1 << 20, patience=20.0, processes=8)
SOON = 20.0
"""Seconds that something may take on a busy machine before a test fails."""


class Loop:
    """An event loop in a thread of its own, as the process in the background has one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SOON)

    def close(self) -> None:
        self.run(self._settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _settle(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Served:
    """A server's address, and clients of it."""

    def __init__(self, port: int, ca: Path, stop: Callable[[], None]) -> None:
        self.port, self.ca, self.stop = port, ca, stop
        self.address = f"127.0.0.1:{port}"
        self.tls = ssl.create_default_context(cafile=str(ca))

    def git(self, *arguments: str, account: str = "lena", token: str = "", **places: Path) -> str:
        """Run git as a person whose credential helper knows the token."""
        token = token or TOKENS.get(account, "wrong")
        helper = f"!f() {{ echo username={account}; echo password={token}; }}; f"
        variables = {
            "GIT_SSL_CAINFO": str(self.ca),
            **{f"GIT_{role}_NAME": "Lena" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "lena@example.org" for role in ("AUTHOR", "COMMITTER")},
        }
        options = ("-c", f"credential.helper={helper}")
        return git(*options, *arguments, cwd=places.get("cwd"), variables=variables)

    def url(self, repository: str = "app") -> str:
        return url(self.address, repository)

    def clone(self, folder: Path, repository: str = "app", account: str = "lena") -> Path:
        self.git("clone", "--quiet", self.url(repository), str(folder), account=account)
        return folder

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        account: str = "lena",
        body: bytes | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], bytes]:
        """One plain request, with exactly this path; the status, headers and body."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.tls, timeout=SOON
        )
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if account:
                connection.putheader("Authorization", basic(account))
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def post(
        self, service: str, body: bytes, *, account: str = "lena", **headers: str
    ) -> tuple[int, bytes]:
        content_type = f"application/x-{service}-request"
        status, _, said = self.ask(
            f"/app.git/{service}",
            method="POST",
            account=account,
            body=body,
            **{"Content_Type": content_type, **headers},
        )
        return status, said

    def begin(self, *headers: str, service: str = PUSH) -> ssl.SSLSocket:
        """A connection on which the head of a request has been sent, and nothing of its body."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=SOON)
        connection = self.tls.wrap_socket(plain, server_hostname="127.0.0.1")
        lines = [
            f"POST /app.git/{service} HTTP/1.1",
            "Host: forge",
            f"Authorization: {basic('lena')}",
            f"Content-Type: application/x-{service}-request",
            *headers,
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection


def basic(account: str) -> str:
    return "Basic " + base64.b64encode(f"{account}:{TOKENS.get(account, '')}".encode()).decode()


def line(text: str) -> bytes:
    """A line as Git's protocol frames it (gitprotocol-common(5), pkt-line)."""
    return b"%04x%s" % (len(text.encode()) + 4, text.encode())


def push_of(work: Path, commit: str, branch: str) -> bytes:
    """The body of a push that makes a branch."""
    command = f"{NOTHING} {commit} refs/heads/{branch}\0 report-status agent=test"
    pack = work / "push.pack"
    name = git(
        "pack-objects", "--quiet", "--revs", str(pack), cwd=work, stdin=f"{commit}\n".encode()
    )
    return line(command) + b"0000" + Path(f"{pack}-{name.strip()}.pack").read_bytes()


def commit_file(served: Served, work: Path, name: str, content: bytes, message: str = "why") -> str:
    (work / name).write_bytes(content)
    served.git("add", "--all", cwd=work)
    served.git("commit", "--quiet", "--message", message, cwd=work)
    return served.git("rev-parse", "HEAD", cwd=work).strip()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes true: what the server does after a client left takes its time."""
    end = time.monotonic() + SOON
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def running(repository: Repository) -> list[str]:
    """Processes that serve a repository: those that were told its folder as their root."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("this system does not show processes in /proc")
    told = f"GIT_PROJECT_ROOT={repository.path.parent}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if told in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass
    return found


def remains(repository: Repository) -> list[Path]:
    """All that a push could have left in the repository's store, except what was there before."""
    objects = repository.path / "objects"
    return sorted(path for path in objects.rglob("*") if path.is_file() or "incoming" in path.name)


def events(repository: Repository) -> list[PushEvent]:
    return list(repository.spool.drain())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """The file that clients know the server by, and the server's own certificate in a context."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.create(now=time.time())
    for name, text in zip(
        ("ca.crt", "server.crt", "server.key"),
        (authority.ca_pem, *authority.issue_server(["127.0.0.1"])),
        strict=True,
    ):
        (folder / name).write_text(text)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "server.crt", folder / "server.key")
    return folder / "ca.crt", tls


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def accounts() -> Accounts:
    accounts = Accounts()
    accounts.add("lena", TOKENS["lena"], {"*": "write"})
    accounts.add("reader", TOKENS["reader"], {"app": "read"})
    accounts.add("stranger", TOKENS["stranger"], {})
    return accounts


Serve = Callable[..., Served]


@pytest.fixture
def serve(
    forge: Forge, accounts: Accounts, authority: tuple[Path, ssl.SSLContext], loop: Loop
) -> Iterator[Serve]:
    """Starts a server with these limits."""
    ca, tls = authority
    started: list[Served] = []

    def start(**limits: float) -> Served:
        chosen = replace(LIMITS, **limits)  # type: ignore[arg-type]  # named as its fields are
        server = GitServer(forge, accounts, tls=tls, limits=chosen)
        port = loop.run(server.start())
        started.append(Served(port, ca, stop=lambda: loop.run(server.stop())))
        return started[-1]

    yield start
    for served in started:
        served.stop()


@pytest.fixture
def repository(forge: Forge) -> Repository:
    repository = forge.create("app")
    repository.commit("begin", {"a.yaml": "a: 1\n"})
    events(repository)
    return repository


@pytest.fixture
def served(repository: Repository, serve: Serve) -> Served:
    return serve()


# -- what people do -------------------------------------------------------------------------------


def test_a_clone_a_push_and_a_fetch_carry_commits_there_and_back(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    before = repository.tip()
    mine, other = served.clone(tmp_path / "mine"), served.clone(tmp_path / "other")
    assert (mine / "a.yaml").read_text() == "a: 1\n"
    commit = commit_file(served, mine, "a.yaml", b"a: 2\n")
    served.git("push", "--quiet", cwd=mine)
    assert (repository.tip(), repository.read("a.yaml")) == (commit, b"a: 2\n")
    (event,) = events(repository)
    assert (event.branch, event.before, event.after) == ("main", before, commit)
    served.git("pull", "--quiet", cwd=other, account="reader")
    assert (other / "a.yaml").read_text() == "a: 2\n"


def test_an_empty_repository_can_be_cloned_and_gets_its_first_commit(
    forge: Forge, serve: Serve, tmp_path: Path
) -> None:
    repository, served = forge.create("new", branch="trunk"), serve()
    work = served.clone(tmp_path / "work", "new")
    commit = commit_file(served, work, "a", b"1")
    served.git("push", "--quiet", "origin", "HEAD:trunk", cwd=work)
    assert repository.tip("trunk") == commit
    assert [event.created for event in events(repository)] == [True]


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("options", [(), ("--depth", "1"), ("--mirror",)])
def test_every_version_of_the_protocol_and_every_kind_of_clone_is_served(
    served: Served, repository: Repository, tmp_path: Path, version: int, options: tuple[str, ...]
) -> None:
    repository.commit("second", {"a.yaml": "a: 2\n"})
    choice = ("-c", f"protocol.version={version}")
    served.git(*choice, "clone", "--quiet", *options, served.url(), str(tmp_path / "x"))
    log = served.git("log", "--format=%s", "main", cwd=tmp_path / "x").split()
    assert log == (["second"] if "--depth" in options else ["second", "begin"])


def test_branches_can_be_forced_and_deleted_as_over_the_file_system(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    work = served.clone(tmp_path / "work")
    served.git("push", "--quiet", "origin", "HEAD:topic", cwd=work)
    served.git("commit", "--quiet", "--amend", "--message", "other", cwd=work)
    served.git("push", "--quiet", "--force", "origin", "HEAD:topic", cwd=work)
    served.git("push", "--quiet", "--delete", "origin", "topic", cwd=work)
    made, forced, deleted = events(repository)
    assert made.created and forced.forced and deleted.deleted
    assert repository.branches == ("main",)


def test_a_repository_made_later_and_an_account_removed_count_at_once(
    served: Served, forge: Forge, accounts: Accounts
) -> None:
    assert served.ask(f"/late.git/info/refs?service={FETCH}")[0] == 404
    forge.create("late")
    assert served.ask(f"/late.git/info/refs?service={FETCH}")[0] == 200
    accounts.remove("lena")
    assert served.ask(f"/late.git/info/refs?service={FETCH}")[0] == 401


def test_a_hook_sees_who_pushes_and_can_refuse_with_a_reason(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    hook = repository.path / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\necho "not on a Friday, $REMOTE_USER"\nexit 1\n')
    hook.chmod(0o755)
    work, before = served.clone(tmp_path / "work"), repository.tip()
    commit_file(served, work, "a.yaml", b"a: 2\n")
    with pytest.raises(GitFailed, match="not on a Friday, lena"):
        served.git("push", cwd=work)
    assert (repository.tip(), events(repository)) == (before, [])


def test_twenty_clones_at_once_all_arrive(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    repository.commit("more", {f"{number}.yaml": f"n: {number}\n" for number in range(50)})
    with ThreadPoolExecutor(20) as people:
        folders = list(people.map(lambda number: served.clone(tmp_path / str(number)), range(20)))
    tips = {served.git("rev-parse", "HEAD", cwd=folder).strip() for folder in folders}
    assert tips == {repository.tip()}
    assert eventually(lambda: not running(repository))


def test_pushes_at_once_to_branches_of_their_own_all_arrive(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    def push(number: int) -> str:
        work = served.clone(tmp_path / str(number))
        commit = commit_file(served, work, f"{number}", b"x", f"change {number}")
        served.git("push", "--quiet", "origin", f"HEAD:b{number}", cwd=work)
        return commit

    with ThreadPoolExecutor(5) as people:
        commits = list(people.map(push, range(5)))
    assert [repository.tip(f"b{number}") for number in range(5)] == commits
    assert sorted(event.after for event in events(repository)) == sorted(commits)


def test_no_pack_is_whole_in_memory_on_its_way_in_or_out(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    size = 24 << 20
    work = served.clone(tmp_path / "work")
    content = Random(1).randbytes(size)
    commit_file(served, work, "large", content)
    digest = hashlib.sha256(content).hexdigest()
    del content
    tracemalloc.start()
    try:
        served.git("push", "--quiet", cwd=work)
        clone = served.clone(tmp_path / "clone")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert hashlib.sha256((clone / "large").read_bytes()).hexdigest() == digest
    assert peak < size // 4


# -- who may do what ------------------------------------------------------------------------------


def test_nobody_gets_in_without_saying_who_they_are(served: Served) -> None:
    for path in (f"/app.git/info/refs?service={FETCH}", f"/none.git/info/refs?service={FETCH}"):
        status, headers, _ = served.ask(path, account="")
        assert status == 401
        assert headers["WWW-Authenticate"].startswith('Basic realm="gitops-lab"')


@pytest.mark.parametrize(("account", "token"), [("lena", "wrong"), ("unknown", "lena-token")])
def test_a_wrong_token_or_name_fails_as_on_any_forge(
    served: Served, account: str, token: str, tmp_path: Path
) -> None:
    with pytest.raises(GitFailed, match="Authentication failed"):
        served.git("clone", served.url(), str(tmp_path / "x"), account=account, token=token)


def test_an_account_that_may_only_read_cannot_push(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    work, before = served.clone(tmp_path / "work", account="reader"), repository.tip()
    commit_file(served, work, "a.yaml", b"a: 2\n")
    with pytest.raises(GitFailed, match="reader may read app only"):
        served.git("push", cwd=work, account="reader")
    assert (repository.tip(), events(repository)) == (before, [])


def test_leaving_out_the_first_request_gives_nobody_a_right(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    work = served.clone(tmp_path / "work")
    body = push_of(work, commit_file(served, work, "a", b"2"), "sneaky")
    assert served.post(PUSH, body, account="reader")[0] == 403
    assert served.post(PUSH, body, account="")[0] == 401
    assert served.post(PUSH, body, account="stranger")[0] == 404
    assert repository.branches == ("main",)
    status, said = served.post(PUSH, body)
    assert (status, b"ok refs/heads/sneaky" in said) == (200, True)


def test_who_may_not_read_a_repository_cannot_tell_it_from_none(served: Served) -> None:
    there, nowhere = (
        served.ask(f"/{name}.git/info/refs?service={FETCH}", account="stranger")
        for name in ("app", "none")
    )
    assert there[0] == nowhere[0] == 404
    assert there[2] == nowhere[2]


def test_a_token_is_sent_to_nobody_but_the_server_that_the_authority_vouches_for(
    served: Served, tmp_path: Path
) -> None:
    stranger = tmp_path / "other.crt"
    stranger.write_text(Authority.create(now=time.time()).ca_pem)
    with pytest.raises(GitFailed, match="certificate"):
        Served(served.port, stranger, served.stop).clone(tmp_path / "x")


def test_an_address_names_the_account_and_never_its_token() -> None:
    assert url("127.0.0.1:8443", "app") == "https://127.0.0.1:8443/app.git"
    assert url("127.0.0.1:8443", "app", account="lena") == "https://lena@127.0.0.1:8443/app.git"


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/app.git",
        "/app.git/HEAD",
        "/app.git/config",
        "/app.git/hooks/post-receive",
        "/app.git/objects/info/packs",
        "/app.git.spool/x",
        "/app/info/refs?service=git-upload-pack",
        "/../outside.git/info/refs?service=git-upload-pack",
        "/app.git/../../outside.git/info/refs?service=git-upload-pack",
        "/..%2foutside.git/info/refs?service=git-upload-pack",
        "/%2e%2e/outside.git/info/refs?service=git-upload-pack",
        "/%2e%2e%2foutside.git/info/refs?service=git-upload-pack",
        "/..%5coutside.git/info/refs?service=git-upload-pack",
        "//outside.git/info/refs?service=git-upload-pack",
        "/app.git%00/info/refs?service=git-upload-pack",
        "/stray.git/info/refs?service=git-upload-pack",
        "/.git/info/refs?service=git-upload-pack",
    ],
)
def test_only_known_repositories_are_served_and_nothing_beside_them(
    served: Served, forge: Forge, path: str
) -> None:
    for bare in (forge.root.parent / "outside.git", forge.root / "stray.git"):
        git("init", "--quiet", "--bare", str(bare))
    status, _, said = served.ask(path)
    assert status in (400, 404)
    assert b"refs/heads" not in said and b"[core]" not in said


@pytest.mark.parametrize("service", ["", "git-upload-archive", "git-upload-pack%0a", "../x"])
def test_there_are_two_services_and_no_others(served: Served, service: str) -> None:
    assert served.ask(f"/app.git/info/refs?service={service}")[0] == 403
    status, _, _ = served.ask(f"/app.git/{service or 'x'}", method="POST", body=b"0000")
    assert status == 404


def test_methods_that_mean_nothing_here_are_refused(served: Served) -> None:
    path = f"/app.git/info/refs?service={FETCH}"
    for method in ("HEAD", "PUT", "DELETE", "POST"):
        assert served.ask(path, method=method, body=b"")[0] == 405
    assert served.ask(f"/app.git/{PUSH}")[0] == 405


def test_a_body_of_another_type_is_refused(served: Served) -> None:
    assert served.post(FETCH, b"0000", Content_Type="text/plain")[0] == 415


def test_a_request_that_is_no_git_at_all_breaks_nothing(served: Served) -> None:
    status, said = served.post(PUSH, b"zzzz nonsense")
    assert (status, b"ok refs" in said) == (200, False)
    status, said = served.post(FETCH, b"\xff" * 100)
    assert (status, b"PACK" in said) == (200, False)
    assert served.ask(f"/app.git/info/refs?service={FETCH}")[0] == 200


LIST = line("command=ls-refs\n") + b"0000"


def test_a_body_packed_with_gzip_is_understood(served: Served, repository: Repository) -> None:
    status, said = served.post(
        FETCH, gzip.compress(LIST), Content_Encoding="gzip", Git_Protocol="version=2"
    )
    assert (status, repository.tip().encode() in said) == (200, True)


def test_a_body_that_is_not_packed_as_it_says_is_refused(served: Served) -> None:
    status, _ = served.post(FETCH, LIST, Content_Encoding="gzip", Git_Protocol="version=2")
    assert status == 400


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(
    served: Served, repository: Repository
) -> None:
    bomb = gzip.compress(bytes(LIMITS.fetch * 20))
    assert len(bomb) < LIMITS.fetch
    assert served.post(FETCH, bomb, Content_Encoding="gzip")[0] == 413
    assert eventually(lambda: not running(repository))


@pytest.mark.parametrize("protocol", ["version=3", "version=2:x=1", "$(touch x)", "version=2 "])
def test_nothing_of_a_header_reaches_git_but_a_version_that_exists(
    served: Served, protocol: str
) -> None:
    path = f"/app.git/info/refs?service={FETCH}"
    plain, newer = served.ask(path)[2], served.ask(path, Git_Protocol="version=2")[2]
    assert plain != newer
    stripped = newer if protocol.strip() == "version=2" else plain  # as HTTP strips it
    assert served.ask(path, Git_Protocol=protocol)[2] == stripped


def test_what_surrounds_the_server_does_not_reach_git(
    served: Served, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GIT_DIR": str(tmp_path),
        "GIT_PROJECT_ROOT": "/",
        "GIT_PROTOCOL": "version=2",
        "CONTENT_LENGTH": "1",
        "HTTP_CONTENT_ENCODING": "gzip",
        "PATH_TRANSLATED": "/",
    }.items():
        monkeypatch.setenv(name, value)
    work = served.clone(tmp_path / "work")
    commit = commit_file(served, work, "a.yaml", b"a: 2\n")
    served.git("push", "--quiet", cwd=work)
    assert repository.tip() == commit


def test_a_push_that_is_too_large_is_refused_and_leaves_nothing(
    repository: Repository, serve: Serve, tmp_path: Path
) -> None:
    served = serve(push=1 << 20)
    work, before = served.clone(tmp_path / "work"), remains(repository)
    commit = commit_file(served, work, "large", Random(1).randbytes(3 << 20))
    with pytest.raises(GitFailed, match="413"):  # sent piece by piece, of unknown length
        served.git("push", cwd=work)
    assert served.post(PUSH, push_of(work, commit, "large"))[0] == 413  # known beforehand
    assert eventually(lambda: not running(repository))
    assert (remains(repository), repository.branches) == (before, ("main",))
    assert events(repository) == []


# -- clients that leave, or sleep -----------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("part", ["the commands", "half of the pack", "all but the last byte"])
def test_a_push_that_breaks_off_leaves_nothing(
    served: Served, repository: Repository, tmp_path: Path, framing: str, part: str
) -> None:
    work, before = served.clone(tmp_path / "work"), remains(repository)
    commit = commit_file(served, work, "large", Random(1).randbytes(1 << 20))
    body = push_of(work, commit, "torn")
    sent = {
        "the commands": body.index(b"0000PACK") + 4,
        "half of the pack": len(body) // 2,
        "all but the last byte": len(body) - 1,
    }[part]
    if framing == "length":
        connection = served.begin(f"Content-Length: {len(body)}")
        connection.sendall(body[:sent])
    else:
        connection = served.begin("Transfer-Encoding: chunked")
        connection.sendall(b"%x\r\n%s\r\n" % (sent, body[:sent]))
    assert eventually(lambda: bool(running(repository)))
    connection.close()
    assert eventually(lambda: not running(repository))
    assert (remains(repository), repository.branches) == (before, ("main",))
    assert events(repository) == []
    assert served.post(PUSH, body)[0] == 200
    assert repository.tip("torn") == commit


@pytest.mark.parametrize("ends", ["client", "server"])
def test_a_push_that_came_whole_counts_though_nobody_waits_for_the_answer(
    repository: Repository, serve: Serve, tmp_path: Path, ends: str
) -> None:
    served = serve(grace=0.1)
    hook = repository.path / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\nwhile [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    work = served.clone(tmp_path / "work")
    commit = commit_file(served, work, "a.yaml", b"a: 2\n")
    body = push_of(work, commit, "left")
    connection = served.begin(f"Content-Length: {len(body)}")
    connection.sendall(body)
    assert eventually(lambda: any("pre-receive" in command for command in running(repository)))
    if ends == "client":
        connection.close()
    else:
        served.stop()
    time.sleep(0.3)  # longer than the grace that others get
    (tmp_path / "go").touch()
    assert eventually(lambda: not running(repository))
    assert repository.tip("left") == commit
    assert [event.after for event in events(repository)] == [commit]
    connection.close()


def test_a_git_that_will_not_end_is_killed(
    repository: Repository, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = tmp_path / "git"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    stubborn.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    served = serve(grace=0.2)
    for service in (FETCH, PUSH):
        connection = served.begin("Content-Length: 1000", service=service)
        assert eventually(lambda: bool(running(repository)))
        connection.close()
        assert eventually(lambda: not running(repository))


def test_a_client_that_falls_silent_is_let_go(repository: Repository, serve: Serve) -> None:
    served = serve(patience=0.3)
    connection = served.begin("Content-Length: 1000")
    connection.sendall(b"00")
    assert b" 408 " in connection.recv(1 << 12)
    connection.close()
    assert eventually(lambda: not running(repository))


@pytest.mark.parametrize("leaves", [True, False])
def test_a_fetch_that_nobody_takes_is_stopped(
    repository: Repository, serve: Serve, leaves: bool
) -> None:
    repository.commit("large", {"large": Random(1).randbytes(16 << 20)})
    served = serve(patience=SOON if leaves else 0.5)
    want = f"want {repository.tip()} ofs-delta\n"
    body = line(want) + b"0000" + line("done\n")
    tracemalloc.start()
    try:
        connection = served.begin(f"Content-Length: {len(body)}", service=FETCH)
        connection.sendall(body)
        assert b" 200 " in connection.recv(1 << 10)
        if leaves:
            connection.close()
        assert eventually(lambda: not running(repository))
        connection.close()
        assert tracemalloc.get_traced_memory()[1] < 4 << 20  # it waited in Git, not in the server
    finally:
        tracemalloc.stop()


def test_those_who_sleep_do_not_keep_others_out_for_long(
    repository: Repository, serve: Serve, tmp_path: Path
) -> None:
    served = serve(patience=0.5, processes=2)
    sleepers = [served.begin("Content-Length: 1000") for _ in range(4)]
    assert (served.clone(tmp_path / "clone") / "a.yaml").is_file()
    for connection in sleepers:
        connection.close()


def test_a_repository_that_cannot_be_reached_says_so(
    served: Served, repository: Repository, tmp_path: Path
) -> None:
    repository.reachable = False
    with pytest.raises(GitFailed, match="503"):
        served.clone(tmp_path / "x")
    repository.reachable = True
    assert served.clone(tmp_path / "x").is_dir()


def test_a_server_that_cannot_start_git_says_so_and_goes_on(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/app.git/info/refs?service={FETCH}"
    with monkeypatch.context() as without_git:
        without_git.setenv("PATH", str(tmp_path))
        assert served.ask(path)[0] == 503
    assert served.ask(path)[0] == 200


def test_a_repository_whose_folder_is_gone_is_not_found(
    served: Served, repository: Repository
) -> None:
    os.rename(repository.path, repository.path.with_name("moved"))
    assert served.ask(f"/app.git/info/refs?service={FETCH}")[0] == 404


def test_a_repository_is_packed_after_the_last_push(
    served: Served, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitops_lab.forge.upkeep.needs_packing", lambda path: True)
    work = served.clone(tmp_path / "work")
    repository.pushes = 1  # another is being received
    commit_file(served, work, "a.yaml", b"a: 2\n")
    served.git("push", cwd=work)
    assert not list(repository.path.glob("objects/pack/*.pack"))
    repository.pushes = 0
    commit = commit_file(served, work, "a.yaml", b"a: 3\n")
    served.git("push", cwd=work)
    assert eventually(lambda: bool(list(repository.path.glob("objects/pack/*.pack"))))
    assert eventually(lambda: not list(repository.path.glob("objects/??/*")))
    assert repository.tip() == commit
    git("fsck", "--strict", cwd=repository.path)
