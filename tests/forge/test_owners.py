"""CODEOWNERS: the patterns of GitHub's documentation."""

from __future__ import annotations

import pytest

from gitops_lab.forge.owners import CodeOwners

FILE = """\
# the last line that fits counts
*            @omar
*.js         @jan   # a comment
/build/logs/ @dora
docs/*       @dana
apps/        @otto
/scripts/**  @sam @rosa
**/prod      @omar
/apps/github
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", "omar"),
        ("deep/in/x.js", "jan"),
        ("build/logs/a/b.txt", "dora"),
        ("x/build/logs/a", "omar"),
        ("docs/start.md", "dana"),
        ("docs/build/start.md", "omar"),
        ("x/apps/y", "otto"),
        ("apps/github/x", ""),
        ("scripts/a/b", "rosa sam"),
        ("clusters/prod/web.yaml", "omar"),
        ("clusters/production.yaml", "omar"),
    ],
)
def test_the_last_pattern_that_fits_names_the_owners(path: str, owners: str) -> None:
    assert CodeOwners(FILE).of(path) == frozenset(owners.split())


def test_files_that_no_owner_approved_are_listed_by_owners() -> None:
    owners = CodeOwners("* @a\n/b @b @c\n")
    assert owners.missing(["x", "b", "y"], frozenset({"c"})) == {frozenset({"a"}): ["x", "y"]}
    assert owners.missing(["x", "b"], frozenset({"a", "c"})) == {}
    assert CodeOwners("").missing(["x"], frozenset()) == {}
