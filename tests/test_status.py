"""How `gitops-lab status` shows what is true."""

from __future__ import annotations

from gitops_lab.cli.escape import on_one_line
from gitops_lab.cli.status import lines

ARM = {
    "line": "pull: in sync, Healthy, 1 orphan",
    "commit": "1234567 Deploy \x1b[2Jthe shop",
    "doing": "looks at Git at 09:00:30",
    "next_look": 30.0,
    "orphans": ["Ingress default/shop"],
}


def test_an_arm_with_its_commit_its_deployer_and_its_orphans() -> None:
    assert list(lines({"now": 7.6, "arms": [ARM]})) == [
        "pull: in sync, Healthy, 1 orphan",
        "    commit   1234567 Deploy \\x1b[2Jthe shop",
        "    now      looks at Git at 09:00:30 (in 22 s)",
        "    orphans  Ingress default/shop",
    ]


def test_before_the_first_commit_there_is_little_to_say() -> None:
    arm = {
        **ARM,
        "commit": "",
        "orphans": [],
        "doing": "waits for the next push",
        "next_look": None,
    }
    assert list(lines({"now": 0.0, "arms": [arm]}))[1:] == ["    now      waits for the next push"]


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert on_one_line("a\x1b]0;x\x07b\rc\n") == r"a\x1b]0;x\x07b\rc\n"
    assert on_one_line("Grüße 🎉") == "Grüße 🎉"
