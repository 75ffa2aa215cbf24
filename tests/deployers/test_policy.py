"""The dials of a deployer."""

from __future__ import annotations

from dataclasses import fields

from gitops_lab.deployers.policy import Policy


def test_a_faster_policy_has_every_span_shorter_and_nothing_else_changed() -> None:
    policy = Policy(interval=60, retry=30, start=15, jitter=0.1, self_heal=True)
    faster = policy.faster(4)
    changed = {f.name for f in fields(Policy) if getattr(policy, f.name) != getattr(faster, f.name)}
    assert changed == {"interval", "retry", "retry_limit", "start", "fetch", "poll", "timeout"}
    assert all(getattr(faster, name) == getattr(policy, name) / 4 for name in changed)


def test_what_never_happens_does_not_happen_faster() -> None:
    assert Policy().faster(10).interval is None and Policy().faster(10).retry is None
