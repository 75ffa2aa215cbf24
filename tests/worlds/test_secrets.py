"""Who holds which secret; and that values of CI's own are nowhere but with CI."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.sandbox import Sandbox
from gitops_lab.worlds.secrets import holdings, set_secret

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {word: hunter22}\n"
PIPELINE = """\
jobs:
  deploy: {when: push, secrets: [TOKEN], steps: [scan-secrets, apply]}
"""


def test_each_secret_is_listed_with_its_holder_and_what_it_is_good_for() -> None:
    with Sandbox("pipeline", "pull", seed=1) as world:
        world.commit("begin", {"db.yaml": SECRET})
        world.run(minutes=2)
        set_secret(world, "TOKEN", "s3cr3t-value", by="omar")
        world.run(seconds=1)
        found = {each.name: each for each in holdings(world)}
        assert found["key of ci"].where == "CI, outside the cluster"
        assert found["key of ci"].able == "cluster-admin in the cluster pipeline"
        inside = [name for name in found if name.startswith("key of system:serviceaccount")]
        assert [found[name].where for name in inside] == ["cluster pull"]
        assert "push" in found["Git token of alex"].able
        assert found["TOKEN"].where == "CI"
        assert found["Secret default/db"].able == "Opaque: word"
        assert "hunter22" not in repr(found) and "s3cr3t-value" not in repr(found)


def test_a_secret_of_ci_reaches_the_jobs_that_name_it_and_no_record() -> None:
    with Sandbox("pipeline", seed=1) as world:
        world.commit("begin", {".gitops-lab/pipeline.yaml": PIPELINE, "a.yaml": "# empty\n"})
        world.run(minutes=1)
        history = world["pipeline"].host.deployer.history
        assert "there is no secret 'TOKEN'" in history.get(1).why
        set_secret(world, "TOKEN", "s3cr3t-value", by="learner")
        history.request(1, "rerun", by="learner")
        world.run(minutes=1)
        assert history.get(2).state == "success", history.get(2).log
        records = world.repository.records
        assert "s3cr3t-value" not in repr(records.since("")) + repr(history.all())
        assert all("s3cr3t-value" not in str(entry) for entry in world.journal)
        set_secret(world, "TOKEN", "", by="learner")
        history.request(1, "rerun", by="learner")
        world.run(minutes=1)
        assert history.get(3).state == "failure"


def test_a_pipeline_that_scans_stops_at_a_plain_secret() -> None:
    with Sandbox("pipeline", seed=1) as world:
        pipeline = "jobs: {check: {steps: [scan-secrets]}}\n"
        world.commit("begin", {".gitops-lab/pipeline.yaml": pipeline, "db.yaml": SECRET})
        world.run(minutes=1)
        run = world["pipeline"].host.deployer.history.get(1)
        assert "1 plain secrets in Git, such as db.yaml:4" in run.why
        assert "hunter22" not in repr(run)


@pytest.mark.parametrize("account", ["alex", "rosa", "bot"])
def test_only_an_owner_sets_secrets(account: str) -> None:
    refused = pytest.raises(ForgeError, match="may not set secrets")
    with Sandbox("pipeline", seed=1) as world, refused:
        set_secret(world, "TOKEN", "x", by=account)
    with Sandbox("pull", seed=1) as world, pytest.raises(UsageError, match="no arm runs"):
        set_secret(world, "TOKEN", "x", by="omar")
