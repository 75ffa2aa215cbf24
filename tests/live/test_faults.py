"""A live sandbox that is broken in every way that a machine knows: killed, full, torn, misled."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.forge import PEOPLE
from gitops_lab.model import named
from tests.live.shell import BOOK, ROOT, Shell, eventually

ARMS = ("pull+webhook", "push-on-commit")
SOME = ("--speed", "200", "--arms", ",".join(ARMS))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Shell]:
    """A person who has no sandbox yet, and will have none afterwards."""
    shell = Shell(tmp_path, name="own")
    yield shell
    shell("down")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A person with a sandbox that was started where everyone may read everything."""
    shell = Shell(tmp_path_factory.mktemp("faults"))
    before = os.umask(0)
    try:
        shell.told("up", *SOME)
    finally:
        os.umask(before)
    yield shell
    shell.told("down")


def pushed(shell: Shell) -> list[str]:
    """The commits that the journal says were pushed; each of its lines is whole."""
    text = shell.state.journal.read_text()
    assert text.endswith("\n")
    entries = [json.loads(line) for line in text.splitlines()]
    return [entry["subject"] for entry in entries if entry["event"] == "pushed"]


def processes(mark: str) -> list[str]:
    """The processes that know of a folder, by their arguments or their variables."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parts = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        if int(place.name) != os.getpid() and any(mark.encode() in part for part in parts):
            found.append(parts[0].replace(b"\0", b" ").decode())
    return found


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


# -- killed ----------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("stage", ["lock", "git/app.git", "clusters/pull/store", "process.json"])
def test_a_first_start_that_is_killed_at_any_stage_is_begun_again(own: Shell, stage: str) -> None:
    up = subprocess.Popen(
        [sys.executable, "-m", "gitops_lab", "up", "--name", "own", "--arms", "pull"],
        cwd=ROOT, env=own.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    eventually(lambda: (own.state.path / stage).exists() and own.state.holder is not None)
    holder = own.state.holder
    assert holder is not None
    os.kill(holder, signal.SIGKILL)
    _, told = up.communicate(timeout=60)
    assert "Traceback" not in told
    again = own("up", "--arms", "pull")
    assert again.returncode == 0 and "Traceback" not in again.stderr
    assert own.arm("pull")["reachable"]
    own.told("down")
    assert not own.state.path.parent.exists()
    eventually(lambda: processes(str(own.folder)) == [])


@linux
def test_a_push_under_way_when_the_process_is_killed_is_told_of_once(own: Shell) -> None:
    own.told("up", *SOME)
    clone, ref = own.folder / "clone", own.state.path / "git/app.git/refs/heads/main"
    own.told("clone", str(clone))
    tips = []
    for page in range(2):
        (clone / "book.yaml").write_text(BOOK.format(page=page))
        own.git("-C", str(clone), "add", "-A")
        own.git("-C", str(clone), "commit", "-q", "-m", str(page))
        commit = own.git("-C", str(clone), "rev-parse", "HEAD").strip()
        push = subprocess.Popen(
            ["git", "-C", str(clone), "push", "-q", "origin", "HEAD:main"],
            env=own.environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(lambda commit=commit: ref.exists() and ref.read_text().strip() == commit)  # type: ignore[misc]
        own.kill()
        push.wait()
        assert own("up").returncode == 0
        tips.append(commit[:7])
        for arm in ARMS:
            own.await_sync(arm, commit)
        assert pushed(own) == tips
    own.kill()
    eventually(lambda: processes(str(own.state.path)) == [])  # least of all a `git http-backend`


# -- full ------------------------------------------------------------------------------------------


@linux
def test_a_disk_that_takes_nothing_refuses_writes_and_ends_nothing(own: Shell) -> None:
    own.told("up", *SOME)
    commit = own.push("one", {"book.yaml": BOOK.format(page=1)})
    for arm in ARMS:
        own.await_sync(arm, commit)
    pid, client = own.state.description()["pid"], own.client("pull+webhook")
    book = named("v1", "ConfigMap", "precious", "default")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    with pytest.raises(ApiError, match="cannot be kept") as refused:
        client.apply(book, manager="hand")
    assert refused.value.code == 500
    with pytest.raises(subprocess.CalledProcessError):
        own.push("two", {"book.yaml": BOOK.format(page=2)})
    eventually(lambda: bool(own.status()["troubles"]))
    told = own("status")
    assert told.returncode == 0 and "cannot be kept: File too large" in told.stderr
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    client.apply(book, manager="hand")
    client.close()
    commit = own.push("three", {"book.yaml": BOOK.format(page=3)})
    for arm in ARMS:
        own.await_sync(arm, commit)
    eventually(lambda: own.status()["troubles"] == [])
    assert own.state.description()["pid"] == pid
    assert len(pushed(own)) == 2


# -- torn ------------------------------------------------------------------------------------------


def test_a_sandbox_with_damaged_settings_can_be_taken_down(own: Shell) -> None:
    own.told("up", "--arms", "pull")
    settings = own.state.path / "settings.json"
    for text in ("{", "[]", '{"setup": {"arms": 3}}', '{"setup": {"arms": [], "what": 1}}'):
        settings.write_text(text)
        told = own("reset")
        assert (
            told.returncode == 1
            and "`gitops-lab down --name own` removes the sandbox" in told.stderr
        )
    assert "gone" in own.told("down")
    assert not own.state.path.exists()


def test_a_sandbox_whose_address_is_damaged_says_so_and_can_be_taken_down(own: Shell) -> None:
    own.told("up", "--arms", "pull")
    holder = own.state.holder
    for text in ("", "\0", "[]", '{"port": 1}'):
        own.state.process.write_text(text)
        told = own("status")
        assert told.returncode == 1 and "cannot be read" in told.stderr
        assert str(holder) in told.stderr and "Traceback" not in told.stderr
    assert "gone" in own.told("down")
    assert not own.state.path.exists()


def test_what_is_damaged_but_not_needed_is_told_of_and_made_again(own: Shell) -> None:
    own.told("up", "--arms", "pull", "--speed", "50")
    commit = own.push("one", {"book.yaml": BOOK.format(page=1)})
    own.await_sync("pull", commit)
    own.kill()
    whole = own.state.journal.read_text()
    own.state.journal.write_bytes(b"\xff{\n[1]\n" + whole.encode() + b'{"time": "torn')
    for name in ("lead", "kubeconfig", "git-server/gitconfig", "git/app.git.spool/.delivered"):
        (own.state.path / name).write_bytes(b"\xff\0garbage")
    again = own("up")
    assert again.returncode == 0 and "Traceback" not in again.stderr
    assert "time in it may have gone back" in again.stderr
    logs = own.told("logs")
    assert logs.count("is damaged") == 2 and logs.count("pushed") == 1
    assert own.uids()
    own.push("two", {"book.yaml": BOOK.format(page=2)})


# -- misled ----------------------------------------------------------------------------------------


def test_no_mask_of_the_shell_opens_files_to_others(shell: Shell) -> None:
    def others(path: Path) -> int:
        return stat.S_IMODE(path.lstat().st_mode) & 0o077

    top = shell.folder / "state"
    assert [path for path in (top, top / "gitops-lab", shell.state.path) if others(path)] == []
    # A repository's own files are readable to all, in a folder that no one else may enter.
    inner = (path for path in shell.state.path.rglob("*") if "app.git" not in str(path))
    assert [path for path in inner if others(path) and not path.is_symlink()] == []


def test_secrets_are_in_private_files_and_nowhere_else(shell: Shell) -> None:
    tokens = json.loads((shell.state.path / "git-server/tokens.json").read_text())
    secrets = [*tokens.values(), shell.state.description()["token"]]
    for command in ("status", "logs", "git-url"):
        told = shell.told(command, *(["--json"] if command == "status" else []))
        assert [each for each in secrets if each in told] == [], command
    for path in (shell.state.journal, shell.state.log):
        assert [each for each in secrets if each in path.read_text()] == []
    if sys.platform == "linux":
        running = "\n".join(processes(str(shell.state.path)))
        assert "gitops_lab.service.process" in running
        assert [each for each in secrets if each in running] == []


def test_a_deployers_account_cannot_push(shell: Shell) -> None:
    tokens = json.loads((shell.state.path / "git-server/tokens.json").read_text())
    clone, url = shell.folder / "clone-reader", shell.told("git-url").strip()
    shell.told("clone", str(clone))
    shell.git("-C", str(clone), "commit", "-q", "--allow-empty", "-m", "evil")
    for name in set(tokens) - set(PEOPLE):
        theirs = url.replace("learner@", f"{name}:{tokens[name]}@")
        shell.git("-C", str(clone), "ls-remote", "-q", theirs)  # but it can read
        with pytest.raises(subprocess.CalledProcessError) as refused:
            shell.git("-C", str(clone), "push", "-q", theirs, "HEAD:evil")
        assert "may read app only" in refused.value.stderr


def test_nothing_that_is_pushed_is_run_and_nothing_outside_is_read(
    shell: Shell, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evil = f"#!/bin/sh\ntouch {run}\n"
    clone = shell.folder / "clone-evil"
    shell.told("clone", str(clone))

    def push(*without: str) -> str:
        shell.git("-C", str(clone), "add", "-A")
        shell.git("-C", str(clone), "commit", "-q", "-m", "more")
        shell.git("-C", str(clone), "push", "-q", "--force", "origin", "HEAD:main")
        return shell.git("-C", str(clone), "rev-parse", "HEAD").strip()

    (clone / "hooks").mkdir()
    for name in ("post-receive", "pre-receive", "update"):
        (clone / "hooks" / name).write_text(evil)
        (clone / "hooks" / name).chmod(0o755)
    (clone / ".gitattributes").write_text("* filter=evil diff=evil merge=evil export-subst\n")
    (clone / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% {run}\n'
    )
    (clone / "book.yaml").write_text(BOOK.format(page=5))
    commit = push()
    for arm in ARMS:
        shell.await_sync(arm, commit)
    bomb = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))
    for name, text, why in (
        ("bomb.yaml", f"a0: &a0 [x]\n{bomb}\n", "Use fewer aliases"),
        ("call.yaml", "!!python/object/apply:os.system [ls]\n", "has no meaning in a manifest"),
        ("passwd.yaml", "", "leads out of the folder"),
    ):
        path = clone / name
        if text:
            path.write_text(text)
        else:
            path.symlink_to("/etc/passwd")
        commit = push()
        for arm in ARMS:
            eventually(lambda arm=arm, why=why: why in shell.arm(arm)["why"])  # type: ignore[misc]
        path.unlink()
    commit = push()
    for arm in ARMS:
        shell.await_sync(arm, commit)
    reported = [
        entry for entry in map(json.loads, shell.state.journal.read_text().splitlines())
        if entry["event"] == "reported" and "Use fewer aliases" in entry.get("why", "")
    ]  # fmt: skip
    assert sorted(entry["actor"] for entry in reported) == sorted(ARMS)
    assert not run.exists()


@linux
def test_a_large_repository_is_taken_and_forgotten_again(shell: Shell) -> None:
    pid = shell.state.description()["pid"]

    def memory() -> int:
        return int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * 4 // 1024

    clone = shell.folder / "clone-large"
    shell.told("clone", str(clone))
    (clone / "many").mkdir()
    for number in range(2000):
        (clone / "many" / f"{number}.txt").write_text(f"{number}\n")
    after: list[int] = []
    for _ in range(3):
        (clone / "large.bin").write_bytes(os.urandom(20 << 20))
        (clone / "book.yaml").write_text(BOOK.format(page=len(after)))
        shell.git("-C", str(clone), "add", "-A")
        shell.git("-C", str(clone), "commit", "-q", "-m", "large")
        shell.git("-C", str(clone), "-c", "core.compression=0", "push", "-q", "origin", "HEAD:main")
        commit = shell.git("-C", str(clone), "rev-parse", "HEAD").strip()
        for arm in ARMS:
            shell.await_sync(arm, commit)
        after.append(memory())
    assert after[-1] - after[0] < 90, after  # all five readers would keep 200 MB more


@linux
def test_it_listens_on_loopback_only(shell: Shell) -> None:
    pid = shell.state.description()["pid"]
    inodes = {
        link[8:-1]
        for file in (Path("/proc") / str(pid) / "fd").iterdir()
        if (link := os.readlink(file)).startswith("socket:[")
    }
    listening = []
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc") / str(pid) / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and inode in inodes:
                listening.append(local.partition(":")[0])
    assert len(listening) >= 2 * 2 + 2
    assert set(listening) == {"0100007F"}
