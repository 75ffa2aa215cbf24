"""The sandbox: wired from a description, pleasant to use, and gone without a trace."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.sandbox import ARMS, Sandbox

BOOK = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: book\ndata:\n  page: '1'\n"


def test_it_leaves_nothing_behind() -> None:
    with Sandbox("pull") as world:
        place = Path(world.repository.path)
        world.commit("one", {"book.yaml": BOOK})
        assert place.exists()
    assert not place.exists()


def test_nor_after_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), Sandbox("pull") as world:
        place = Path(world.repository.path)
        raise KeyboardInterrupt
    assert not place.exists()


def test_all_standard_arms_live_in_one_world_and_reach_the_same_state() -> None:
    with Sandbox(*ARMS) as world:
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=5)
        for arm in world.arms.values():
            assert arm.watcher.last is not None and arm.watcher.last.in_sync, arm.name
        assert [line.split(":")[0] for line in world.status().splitlines()] == list(ARMS)


def test_a_commit_pushed_by_hand_reaches_the_arms_like_any_other(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Hand", "-c", "user.email=hand@example.com"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    with Sandbox("push-on-commit", "pull") as world:
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=2)
        git("clone", "--quiet", str(world.repository.path), "clone")
        git("-C", "clone", "rm", "--quiet", "book.yaml")
        (tmp_path / "clone" / "leaf.yaml").write_text(BOOK.replace("book", "leaf"))
        git("-C", "clone", "add", "leaf.yaml")
        git("-C", "clone", "commit", "--quiet", "-m", "by hand")
        git("-C", "clone", "push", "--quiet", "origin", "HEAD:main")
        world.run(minutes=2)
        for arm in world.arms.values():
            assert arm.get("ConfigMap/leaf") is not None, arm.name
        assert [entry.event for entry in world.journal].count("pushed") == 2


def test_an_empty_repository_is_told_and_the_first_commit_is_deployed() -> None:
    with Sandbox("push-on-schedule", "pull") as world:
        world.run(minutes=5)
        for arm, state in (("push-on-schedule", "failure"), ("pull", "waiting")):
            reports = [e for e in world.journal if e.actor == arm and e.event == "reported"]
            assert reports[-1].data["state"] == state and "no commit" in reports[-1].why, arm
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=5)
        assert all(arm.get("ConfigMap/book") is not None for arm in world.arms.values())


def test_a_forced_push_is_told_and_followed(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    with Sandbox("push-on-commit", "pull") as world:
        world.commit("one", {"book.yaml": BOOK})
        world.commit("two", {"book.yaml": BOOK.replace("'1'", "'2'")})
        world.run(minutes=3)
        git("clone", "--quiet", str(world.repository.path), "clone")
        git("-C", "clone", "reset", "--quiet", "--hard", "HEAD~1")
        git("-C", "clone", "push", "--quiet", "--force", "origin", "HEAD:main")
        world.run(minutes=3)
        for arm in world.arms.values():
            live = arm.get("ConfigMap/book")
            assert live is not None and live["data"]["page"] == "1", arm.name
        pushes = [entry.data["forced"] for entry in world.journal if entry.event == "pushed"]
        assert pushes == [False, False, True]


def test_a_deleted_branch_is_told_and_changes_nothing(tmp_path: Path) -> None:
    with Sandbox("push-on-commit", "pull") as world:
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=2)
        subprocess.run(
            ["git", "-C", str(world.repository.path), "update-ref", "-d", "refs/heads/main"],
            check=True,
        )
        world.run(minutes=3)
        for arm in world.arms.values():
            assert arm.get("ConfigMap/book") is not None, arm.name
        reports = [e for e in world.journal if e.actor == "pull" and e.event == "reported"]
        assert "main" in reports[-1].why and reports[-1].data["state"] == "failure"


def test_a_status_line_says_what_is_true_and_why() -> None:
    with Sandbox("pull") as world:
        world.commit("one", {"book.yaml": BOOK})
        assert (
            world.status() == "pull: out of sync, Missing (ConfigMap default/book: does not exist)"
        )
        world.run(minutes=2)
        assert world.status() == "pull: in sync, Healthy"
        world.drift("ConfigMap/book", {"data": {"page": "2"}})
        assert world.status() == (
            "pull: drifted, Healthy (ConfigMap default/book: data.page is 2, Git wants 1)"
        )


def test_no_arm_is_in_sync_with_a_revision_that_does_not_render() -> None:
    with Sandbox("pull") as world:
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=2)
        world.commit("two", {"book.yaml": "kind: ["})
        world.run(minutes=2)
        assert world.status().startswith("pull: out of sync, Healthy (book.yaml, line 2")
        world.revert()
        world.run(minutes=2)
        assert world.status() == "pull: in sync, Healthy"


def test_a_status_line_says_why_an_object_cannot_come_to_be() -> None:
    with Sandbox("pull") as world:
        world.commit(
            "one", {"book.yaml": BOOK.replace("name: book", "name: book\n  namespace: nowhere")}
        )
        world.run(minutes=2)
        assert world.status() == (
            "pull: out of sync, Missing (ConfigMap nowhere/book was refused: book.yaml#1: "
            'namespaces "nowhere" not found)'
        )


def test_why_tells_decision_and_action_of_one_object() -> None:
    with Sandbox("pull") as world:
        world.chapter("first")
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=2)
        *lines, _, _, _, _, _ = told = world.why("pull", "ConfigMap/book").splitlines()
        rest = told[len(lines) :]
        assert [line.split(" ", 2)[2] for line in lines] == [
            "decided created ConfigMap default/book: in Git, not in the cluster",
            "applied created ConfigMap default/book: in Git, not in the cluster",
        ]
        assert rest[:3] == [
            "now, ConfigMap default/book:", "  in Git: book.yaml#1", "  owner: pull",
        ]  # fmt: skip


def test_replace_edits_a_file_and_refuses_to_change_nothing() -> None:
    with Sandbox("pull") as world:
        world.commit("one", {"book.yaml": BOOK})
        world.replace("two", "book.yaml", "page: '1'", "page: '2'")
        world.run(minutes=2)
        live = world["pull"].get("ConfigMap/book")
        assert live is not None and live["data"]["page"] == "2"
        with pytest.raises(UsageError, match="does not occur"):
            world.replace("three", "book.yaml", "page: '1'", "page: '3'")


@pytest.mark.parametrize(
    ("arms", "text"),
    [
        (("psuh",), "Choose from push-on-commit"),
        (("pull", "pull"), "two arms have the name 'pull'"),
    ],
)
def test_a_wrong_description_is_refused(arms: tuple[str, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Sandbox(*arms)


@pytest.mark.parametrize("name", ["Deployment", "web", "Nonsense/web", ""])
def test_a_wrong_name_is_refused(name: str) -> None:
    with Sandbox("pull") as world, pytest.raises(UsageError, match="names no object"):
        world.drift(name, {})


def test_an_unknown_arm_is_refused() -> None:
    with Sandbox("pull") as world, pytest.raises(UsageError, match="Choose from pull"):
        world["push"]


@pytest.mark.parametrize("arm", ["push-on-commit", "pull+self-heal"])
def test_rights_for_applications_refuse_a_commit_that_makes_an_administrator(arm: str) -> None:
    everyone = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "everyone"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{"kind": "Group", "name": "system:authenticated"}],
    }  # fmt: skip
    binding = "ClusterRoleBinding/everyone"
    with Sandbox(arm) as world:
        world.commit("everyone rules", {"binding.yaml": json.dumps(everyone)})
        world.run(minutes=3)
        assert world[arm].get(binding) is not None
    with Sandbox(arm, rights="application") as world:
        world.commit("everyone rules", {"binding.yaml": json.dumps(everyone)})
        world.run(minutes=3)
        assert world[arm].get(binding) is None
        (report,) = [e for e in world.journal if e.event == "reported"][-1:]
        user = world[arm].deployer.credentials.user
        assert report.data["state"] == "failure"
        assert f'User "{user}" cannot get resource "clusterrolebindings"' in report.why


def test_rights_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="there are no rights 'root'"):
        Sandbox("pull", rights="root")


def test_any_name_of_an_arm_becomes_a_name_that_kubernetes_allows() -> None:
    arm = replace(ARMS["pull"], name="Pull, every 10 min")
    with Sandbox(arm) as world:
        world.commit("one", {"book.yaml": BOOK})
        world.run(minutes=3)
        assert "in sync" in world.status()
        live = world[arm.name].get("ConfigMap/book")
        assert (
            live is not None
            and live["metadata"]["labels"]["gitops-lab/owner"] == "pull-every-10-min"
        )
    with pytest.raises(UsageError, match="no name of an arm"):
        Sandbox(replace(ARMS["pull"], name="++"))


def test_why_of_an_arm_that_does_not_exist_is_refused() -> None:
    with Sandbox("pull") as world, pytest.raises(UsageError, match="there is no arm 'pul'"):
        world.why("pul")
