"""Custom resources, as the real kubectl works with them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.apiserver.http import test_kubectl
from tests.apiserver.http.test_kubectl import Kubectl, run
from tests.apiserver.test_custom_resources import CRON, SCALE, crd, tab, version

pytestmark = test_kubectl.pytestmark

COLUMN = {"name": "Schedule", "type": "string", "jsonPath": ".spec.cronSpec"}
DEFINITION = yaml.safe_dump(
    crd(
        version(subresources={"status": {}, "scale": SCALE}, additionalPrinterColumns=[COLUMN]),
        shortNames=["ct"],
    )
)
BACKUP = yaml.safe_dump(tab(cronSpec="0 3 * * *"))


def test_a_custom_resource_lives_its_life(folder: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        assert "created" in await kubectl("apply -f -", DEFINITION)
        await kubectl("wait --for=condition=Established crd/crontabs.stable.example.com")
        assert "created" in await kubectl("apply -f -", BACKUP)
        header, row = (await kubectl("get ct")).splitlines()
        assert header.split() == ["NAME", "SCHEDULE"]
        assert row.split() == ["backup", "0", "3", "*", "*", "*"]
        assert "cronSpec" in await kubectl("explain ct.spec")
        assert "unchanged" in await kubectl("apply -f -", BACKUP)
        changed = yaml.safe_dump(tab(cronSpec="0 4 * * *", replicas=2))
        assert "configured" in await kubectl("apply -f -", changed)
        assert "scaled" in await kubectl("scale ct backup --replicas=3")
        assert await kubectl("get ct backup -o jsonpath={.spec.replicas}") == "3"
        unknown = await kubectl.fails("apply -f -", yaml.safe_dump(tab(cronSpec="@daily", x=1)))
        assert 'unknown field "spec.x"' in unknown
        invalid = await kubectl.fails("apply -f -", yaml.safe_dump(tab(cronSpec="@daily")))
        assert f"spec.cronSpec in body should match '{CRON}'" in invalid
        await kubectl("delete crd crontabs.stable.example.com --timeout=30s")
        # kubectl remembers for a while what was served.
        assert "the server could not find the requested resource" in await kubectl.fails("get ct")

    run(folder, tmp_path, story)
