"""The definitions of Argo CD's kinds say what Argo CD's own files say."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gitops_lab.frontends.argocd.crds import DEFINITIONS
from tests.frontends.argocd.shared import shared


def bare(value: Any) -> Any:
    """A schema without its descriptions."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if k != "description" or isinstance(v, dict)}
    return [bare(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("ours", DEFINITIONS, ids=lambda crd: crd["spec"]["names"]["kind"])
def test_a_definition_is_argo_cds_own(ours: dict[str, Any]) -> None:
    kind = ours["spec"]["names"]["kind"].lower()
    text = (shared("crds/argocd") / f"{kind}-crd.yaml").read_text()
    theirs = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert ours["metadata"] == theirs["metadata"]
    assert bare(ours["spec"]) == bare(theirs["spec"])
