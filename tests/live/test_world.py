"""The live world, from outside: commands, kubectl, git, and processes that die."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.deployers.deployer import GitAccess
from gitops_lab.errors import ClusterUnreachable, LabError
from gitops_lab.model import named
from gitops_lab.sandbox import ARMS
from gitops_lab.service.lifecycle import last_line
from gitops_lab.state import Setup
from gitops_lab.worlds.arm import Arm
from gitops_lab.worlds.live import LiveWorld
from gitops_lab.worlds.merging import merged
from gitops_lab.worlds.served import ServedCluster
from tests.live.shell import BOOK, PATIENCE, ROOT, Shell, eventually


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A person with a sandbox that runs fifty times as fast as the wall."""
    shell = Shell(tmp_path_factory.mktemp("live"))
    shell.told("up", "--speed", "50", "--arms", "push-on-commit,pull+self-heal")
    yield shell
    shell.told("down")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Shell]:
    """A person who has no sandbox yet, and will have none afterwards."""
    shell = Shell(tmp_path, name="own")
    yield shell
    shell("down")


def test_a_push_reaches_every_cluster_over_https(shell: Shell) -> None:
    commit = shell.push("one", {"book.yaml": BOOK.format(page=1)})
    for name in ("push-on-commit", "pull+self-heal"):
        shell.await_sync(name, commit)
    told = shell.told("logs")
    assert "forge pushed" in told
    assert "pull+self-heal applied created ConfigMap default/book" in told


def test_up_again_is_harmless(shell: Shell) -> None:
    before = shell.state.description()
    assert "runs already" in shell.told("up", "--speed", "50")
    assert shell.state.description() == before


def test_up_tells_who_wants_another_sandbox_than_the_one_that_runs(shell: Shell) -> None:
    for option in (("--speed", "3"), ("--arms", "all"), ("--arms", "pull"), ("--backend", "kind")):
        done = shell("up", *option)
        assert done.returncode == 2 and "Go on with it by leaving that out" in done.stderr, option


def test_up_says_how_to_deploy_to_look_and_to_end_it(shell: Shell) -> None:
    *_, deploy, look, follow, kubectl, end = shell.told("up").splitlines()
    assert "gitops-lab clone" in deploy and "--with-sample" in deploy
    assert "gitops-lab status" in look and "gitops-lab logs" in follow
    assert "gitops-lab kubectl" in kubectl and "gitops-lab down" in end


def test_nobody_else_can_read_the_state(shell: Shell) -> None:
    def others(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode) & 0o077

    assert others(shell.state.path) == 0
    for path in (shell.state.process, shell.state.kubeconfig, shell.state.log):
        assert others(path) == 0
    kept = [path for path in shell.state.path.rglob("*") if path.suffix in (".key", ".log")]
    assert len(kept) >= 2 * (2 + 1) + 2  # of two clusters and the Git server
    for path in (*kept, *shell.state.path.glob("git-server/*")):
        assert others(path) == 0, path


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_reaches_each_cluster_and_leaves_the_users_own_files_alone(shell: Shell) -> None:
    assert "node-1" in shell.told("kubectl", "get", "nodes")
    other = shell.told("kubectl", "--context", "pull+self-heal", "get", "sa", "-A", "-o", "name")
    assert "serviceaccount/agent" in other
    assert shell("kubectl", "get", "nonsense").returncode == 1
    assert not (shell.home / ".kube").exists()


def test_the_kubeconfigs_are_where_it_is_said(shell: Shell) -> None:
    assert Path(shell.told("kubeconfig").strip()) == shell.state.kubeconfig
    single = Path(shell.told("kubeconfig", "pull+self-heal").strip())
    assert single.read_text().count("server:") == 1
    wrong = shell("kubeconfig", "nonsense")
    assert wrong.returncode == 2 and "there is no arm 'nonsense'" in wrong.stderr


def test_a_paused_deployer_waits_and_can_be_stepped(shell: Shell) -> None:
    assert "[paused]" in shell.told("pause", "push-on-commit")
    try:
        before = shell.arm("push-on-commit")["applied"]
        commit = shell.push("two", {"book.yaml": BOOK.format(page=2)})
        shell.await_sync("pull+self-heal", commit)
        assert shell.arm("push-on-commit")["applied"] == before
        assert f"triggered main@sha1:{commit[:7]}" in shell.told("step", "push-on-commit")
        assert "fetched" in shell.told("step", "push-on-commit")
        assert "ConfigMap default/book" in shell.told("step", "push-on-commit")
        assert shell.arm("push-on-commit")["in_sync"]
    finally:
        assert "[paused]" not in shell.told("resume")
    wrong = shell("step", "nonsense")
    assert wrong.returncode == 2 and "there is no arm" in wrong.stderr


def test_orphans_are_known_after_a_crash_and_an_agent_without_a_pod_is_named(own: Shell) -> None:
    own.told("up", "--speed", "50", "--arms", "push-on-commit,pull")
    book = BOOK.format(page=1)
    files = {"a.yaml": book.replace("book", "a"), "b.yaml": book.replace("book", "b")}
    own.await_sync("push-on-commit", own.push("two", files))
    clone = own.folder / "clone-two"
    own.git("-C", str(clone), "rm", "-q", "a.yaml")
    own.git("-C", str(clone), "commit", "-q", "-m", "one")
    own.git("-C", str(clone), "push", "-q", "origin", "HEAD:main")
    eventually(lambda: own.arm("push-on-commit").get("orphans") == ["ConfigMap default/a"])
    own.kill()
    assert own("up").returncode == 0
    eventually(lambda: own.arm("push-on-commit").get("orphans") == ["ConfigMap default/a"])
    assert "orphans  ConfigMap default/a" in own.told("status")
    own.told("kubectl", "--context", "pull", "delete", "namespace", "gitops-lab", "--wait=false")
    eventually(lambda: "[agent has no pod]" in own.arm("pull")["line"])
    assert own.arm("pull")["doing"] == "nothing: it has no pod to run in"


def test_a_crash_is_noticed_and_told_and_up_goes_on_where_it_was(own: Shell) -> None:
    own.told("up", "--speed", "50", "--arms", "pull,push-on-commit")
    commit = own.push("one", {"book.yaml": BOOK.format(page=1)})
    for arm in ("pull", "push-on-commit"):
        own.await_sync(arm, commit)
    before, uids = own.state.description(), own.uids()
    own.kill()
    for command in ("status", "pause", "kubectl", "git-url"):
        done = own(command)
        assert done.returncode == 1 and "ended unexpectedly" in done.stderr, command
    again = own("up")
    assert again.returncode == 0 and "ended unexpectedly" in again.stderr
    for part in ("clusters", "git", "speed"):
        assert own.state.description()[part] == before[part]
    assert uids.items() <= own.uids().items()
    for arm in ("pull", "push-on-commit"):
        own.await_sync(arm, commit)
    assert own.told("logs").count("fetched") == 3  # the agent looks again, CI knows what it did


def test_acknowledged_writes_survive_kill_9_at_any_moment(own: Shell) -> None:
    draws = Random(1)
    own.told("up", "--arms", "pull", "--speed", "20")
    url, git = own.state.description()["clusters"], own.told("git-url")
    acknowledged: dict[str, tuple[str, str]] = {}
    token = own.told("kubectl", "create", "token", "default") if shutil.which("kubectl") else ""
    newest = 0
    for kill in range(6):
        client, ended = own.client("pull"), threading.Event()

        def write(client: KubeconfigCluster, kill: int, ended: threading.Event) -> None:
            with suppress(LabError):
                for count in itertools.count():
                    body = named("v1", "ConfigMap", f"k{kill}-{count}", "default")
                    made = client.apply(body, manager="writer")["metadata"]
                    acknowledged[made["name"]] = made["uid"], made["resourceVersion"]
            ended.set()

        before = len(acknowledged)
        writer = threading.Thread(target=write, args=(client, kill, ended))
        writer.start()
        wanted = before + draws.randrange(1, 60)
        eventually(lambda wanted=wanted: len(acknowledged) >= wanted)  # type: ignore[misc]
        own.kill()
        assert ended.wait(PATIENCE)
        writer.join()
        client.close()
        assert own("up").returncode == 0
        assert own.state.description()["clusters"] == url
        assert own.told("git-url") == git
        client = own.client("pull")
        found = {obj["metadata"]["name"]: obj["metadata"] for obj in client.list("", "ConfigMap")}
        client.close()
        for name, made in acknowledged.items():
            assert (found[name]["uid"], found[name]["resourceVersion"]) == made
        revisions = [int(each["resourceVersion"]) for each in found.values()]
        assert max(revisions) >= newest
        newest = max(revisions)
    if token:
        assert "system:serviceaccount:default:default" in own.told(
            "kubectl", "--kubeconfig", str(own.without_user()), "--token", token.strip(),
            "auth", "whoami",
        )  # fmt: skip


def test_a_watch_goes_on_across_the_end_of_a_process(tmp_path: Path) -> None:
    async def story() -> None:
        seen = []
        for _ in range(2):
            world = LiveWorld(tmp_path, Setup(("pull",), speed=50))
            await world.set_up()
            cluster = world.arms["pull"].cluster
            assert isinstance(cluster, ServedCluster)
            api = cluster.simulated.api
            accounts = api.registry.by_plural("", "v1", "serviceaccounts")
            seen.append(api.watch(accounts, since="1").poll())
            await world.shut_down()
        before, after = seen
        assert after[: len(before)] == before
        assert "agent" in [event["object"]["metadata"]["name"] for event in after]

    asyncio.run(story())


def test_time_in_a_sandbox_never_goes_back(own: Shell) -> None:
    own.told("up", "--arms", "pull", "--speed", "10000")
    first = own.instant()
    own.kill()
    own.told("up", "--speed", "1")
    second = own.instant()
    own.kill()
    own.told("up")
    assert time.time() < first <= second <= own.instant()


def test_a_sandbox_that_was_ended_kindly_goes_on_too(own: Shell) -> None:
    own.told("up", "--arms", "pull", "--speed", "20")
    uids = own.uids()
    os.kill(own.state.description()["pid"], signal.SIGTERM)
    eventually(lambda: not own.state.is_alive)
    assert "goes on where it was" in own.told("up")
    assert uids.items() <= own.uids().items()
    assert own.state.description()["speed"] == 20


def test_other_arms_are_another_sandbox(own: Shell) -> None:
    own.told("up", "--arms", "pull")
    os.kill(own.state.description()["pid"], signal.SIGTERM)
    eventually(lambda: not own.state.is_alive)
    done = own("up", "--arms", "pull,push-on-commit")
    assert done.returncode == 2 and "has arms pull" in done.stderr
    own.told("up", "--arms", "pull")


def test_an_address_that_somebody_took_is_told_of(own: Shell) -> None:
    own.told("up", "--arms", "pull")
    before = own.state.description()["clusters"]["pull"]
    own.kill()
    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        done = own("up")
    assert done.returncode == 0 and "cluster pull has moved" in done.stderr
    after = own.state.description()["clusters"]["pull"]
    assert after != before
    assert after in Path(own.told("kubeconfig").strip()).read_text()


def test_a_damaged_file_is_named_and_nothing_is_lost(own: Shell) -> None:
    own.told("up", "--arms", "push-on-commit", "--speed", "50")
    own.await_sync("push-on-commit", own.push("one", {"book.yaml": BOOK.format(page=1)}))
    uids = own.uids()
    own.kill()
    cluster = "clusters/push-on-commit"
    for file, text in (
        ("settings.json", "cannot be read"),
        ("git-server/tokens.json", "tokens of the Git server cannot be read"),
        ("git/app.git/config", "repository is damaged"),
        ("git/app.git/refs/heads/main", "repository is damaged"),
        (f"{cluster}/ci.json", "what CI kept cannot be read"),
        (f"{cluster}/pki/ca.key", "certificate authority cannot be read"),
        (f"{cluster}/store/000000000000.snapshot", "damaged"),
    ):
        path = own.state.path / file
        whole = path.read_bytes()
        path.write_bytes(b"{" + whole[1:] if whole[:1] != b"{" else b"[" + whole[1:])
        done = own("up")
        assert done.returncode == 1
        assert text in done.stderr and "Traceback" not in done.stderr
        assert str(path.parent) in done.stderr or str(own.state.path / "git/app.git") in done.stderr
        path.write_bytes(whole)
    assert own("up").returncode == 0
    assert uids.items() <= own.uids().items()


def test_a_cluster_that_is_cut_off_is_so_for_those_outside(shell: Shell) -> None:
    client = shell.client("pull+self-heal")
    assert "[cut off]" in shell.told("disconnect", "pull+self-heal")
    try:
        with pytest.raises(ClusterUnreachable):
            client.list("", "Namespace")
    finally:
        assert "[cut off]" not in shell.told("reconnect")
    assert client.list("", "Namespace")
    client.close()


def test_down_removes_every_trace_also_after_a_crash_and_twice_is_harmless(own: Shell) -> None:
    own.told("up", "--arms", "pull")
    urls = [own.state.description()["url"], *own.status()["clusters"].values()]
    ports = [int(url.rpartition(":")[2]) for url in urls]
    assert "gone" in own.told("down")
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert not own.state.path.parent.exists()
    own.told("up", "--arms", "pull")
    own.kill()
    assert "gone" in own.told("down")
    assert not own.state.path.parent.exists()
    assert "not there" in own.told("down")
    assert "does not run" in own("status").stderr


def test_a_reset_keeps_the_arms_and_nothing_else(own: Shell) -> None:
    own.told("up", "--speed", "50", "--arms", "pull")
    own.push("one", {"book.yaml": BOOK.format(page=1)})
    before = own.state.description()
    assert "pull" in own.told("reset")
    after = own.state.description()
    assert after["pid"] != before["pid"]
    assert (after["git"], after["clusters"]) == (before["git"], before["clusters"])
    assert (list(after["clusters"]), after["speed"]) == (["pull"], 50)
    assert own.git("ls-remote", own.told("git-url", "--folder").strip()) == ""
    own.git("-C", str(own.folder / "clone-one"), "push", "-q", "origin", "HEAD:main")
    assert own.git("ls-remote", own.told("git-url", "--folder").strip()) != ""


def test_a_wrong_arm_or_speed_leaves_nothing_behind(own: Shell) -> None:
    for arguments, text in (
        (("--arms", "psuh"), "there is no arm 'psuh'"),
        (("--arms", "pull,pull"), "two arms have the name 'pull'"),
        (("--speed", "0"), "time cannot run"),
    ):
        done = own("up", *arguments)
        assert done.returncode == 2 and text in done.stderr
        assert not own.state.path.exists()


def test_an_up_that_is_interrupted_leaves_nothing_behind(own: Shell) -> None:
    command = [sys.executable, "-m", "gitops_lab", "up", "--name", own.name]
    with subprocess.Popen(
        command, cwd=ROOT, env=own.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as up:  # fmt: skip
        eventually(own.state.log.exists)
        up.send_signal(signal.SIGINT)
        out, err = up.communicate()
    if up.returncode == 0:  # it was ready before
        assert own.state.is_alive and out
    else:
        assert (up.returncode, out) == (130, "")
        assert err == "gitops-lab: interrupted; nothing is left behind\n"
        assert not own.state.path.exists()


def test_two_who_start_one_sandbox_at_once_share_it(own: Shell) -> None:
    async def both() -> list[int | None]:
        command = [sys.executable, "-m", "gitops_lab", "up", "--name", "own", "--arms", "pull"]
        quiet = asyncio.subprocess.DEVNULL
        started = [
            await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=own.environment, stdout=quiet
            )
            for _ in range(3)
        ]
        return [await each.wait() for each in started]

    assert asyncio.run(both()) == [0, 0, 0]
    assert [arm["name"] for arm in own.status()["arms"]] == ["pull"]


def test_sandboxes_live_side_by_side(shell: Shell) -> None:
    other = Shell(shell.folder, name="other")
    other.told("up", "--arms", "pull")
    try:
        urls = {*other.status()["clusters"].values(), *shell.status()["clusters"].values()}
        assert len(urls) == 3
    finally:
        other.told("down")
    assert shell.state.is_alive


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0)


def test_a_cluster_cut_off_from_outside_is_still_deployed_to_from_inside(tmp_path: Path) -> None:
    async def story() -> None:
        world = LiveWorld(
            tmp_path,
            Setup(
                (
                    "push-on-commit",
                    "pull+webhook",
                ),
                speed=50,
            ),
        )
        await world.set_up()
        running = asyncio.ensure_future(world.run())
        push, pull = world.arms.values()

        def reports(arm: Arm) -> list[str]:
            told = (e for e in world.journal if e.actor == arm.name and e.event == "reported")
            return [str(entry.data["state"]) for entry in told]

        try:
            for arm in (push, pull):
                arm.cluster.disconnect()
            revision = world.repository.commit("one", {"book.yaml": BOOK.format(page=1)})
            await until(lambda: pull.deployer.applied == str(revision))
            await until(lambda: reports(push) == ["failure"])
            assert push.deployer.applied == ""
        finally:
            running.cancel()
            await asyncio.wait([running])
            await world.shut_down()

    asyncio.run(story())


def test_what_breaks_in_a_step_is_reported_and_ends_nothing(own: Shell) -> None:
    own.told("up", "--arms", "pull")
    spool = own.state.path / "git" / "app.git.spool"
    spool.write_text("this should be a folder")
    failure = "forge fails and is tried again: NotADirectoryError"
    eventually(lambda: failure in own("status").stderr)
    assert own.state.log.read_text().count("Traceback") == 1
    spool.unlink()
    eventually(lambda: failure not in own("status").stderr)


def test_with_rights_for_applications_no_deployer_may_change_who_may_do_what() -> None:
    for arm in (ARMS[name] for name in ("push-on-commit", "pull", "pull+self-heal")):
        user = arm.deployer.credentials.user
        site = arm.site(user, GitAccess(url="https://git.example/app.git"), rights="application")
        objects = arm.deployer.needs(site).objects
        rules = [rule for obj in objects for rule in obj.get("rules", ())]
        groups = {group for rule in rules for group in rule.get("apiGroups", ())}
        assert "apps" in groups
        assert not groups & {"*", "rbac.authorization.k8s.io"}


def test_a_merged_kubeconfig_keeps_the_first_context() -> None:
    def config(name: str) -> dict[str, Any]:
        part = [{"name": name}]
        return {"clusters": part, "users": part, "contexts": part, "current-context": name}

    whole = merged([config("a"), config("b")])
    assert whole["current-context"] == "a"
    assert [each["name"] for each in whole["contexts"]] == ["a", "b"]


def test_the_last_line_of_a_log_is_the_one_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == "(none)"
    log.write_text("Traceback\n    | OSError: nothing works\n    +-----------\n\n")
    assert last_line(log) == "OSError: nothing works"


def test_why_says_what_a_deployer_did_to_one_object(shell: Shell) -> None:
    asked = BOOK.format(page=1).replace("book", "asked")  # no other test of this sandbox has it
    shell.await_sync("pull+self-heal", shell.push("why", {"why.yaml": asked}))
    text = shell.told("why", "pull+self-heal", "ConfigMap/asked")
    assert "ConfigMap default/asked" in text
    assert len(text) < len(shell.told("why", "pull+self-heal"))
    wrong = shell("why", "pul")
    assert wrong.returncode == 2 and "there is no arm 'pul'" in wrong.stderr
