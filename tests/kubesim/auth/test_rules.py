from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.model import Object
from kubesim.auth import rules
from kubesim.auth.rules import EVERYTHING, Attributes

VERBS = ("get", "list", "create")
GROUPS = ("", "apps")
RESOURCES = ("pods", "deployments")
SUBRESOURCES = ("", "log", "scale")
NAMES = ("one", "two")
PATHS = ("/api", "/apis", "/apis/apps")


def several(*options: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(options), min_size=1, max_size=2, unique=True)


resource_rules = st.fixed_dictionaries(
    {
        "apiGroups": several(*GROUPS, "*"),
        "resources": several(*RESOURCES, "pods/log", "deployments/scale", "*/scale", "*"),
        "verbs": several(*VERBS, "*"),
    },
    optional={"resourceNames": several(*NAMES)},
)
path_rules = st.fixed_dictionaries(
    {"nonResourceURLs": several(*PATHS, "/apis/*", "/a*", "*"), "verbs": several(*VERBS, "*")}
)
rule_lists = st.lists(resource_rules | path_rules, max_size=4)
asked = st.one_of(
    st.builds(
        Attributes,
        verb=st.sampled_from(VERBS),
        group=st.sampled_from(GROUPS),
        resource=st.sampled_from(RESOURCES),
        subresource=st.sampled_from(SUBRESOURCES),
        name=st.sampled_from(("", *NAMES)),
    ),
    st.builds(Attributes, verb=st.sampled_from(VERBS), path=st.sampled_from(PATHS)),
)


def allowed(held: list[Object], attributes: Attributes) -> bool:
    return any(rules.allows(rule, attributes) for rule in held)


@given(rule_lists, rule_lists, asked)
def test_a_further_rule_never_takes_a_permission_away(
    held: list[Object], more: list[Object], attributes: Attributes
) -> None:
    if allowed(held, attributes):
        assert allowed([*held, *more], attributes)


@given(asked)
def test_the_rules_of_cluster_admin_allow_everything(attributes: Attributes) -> None:
    assert allowed(list(EVERYTHING), attributes)


@given(rule_lists, rule_lists, asked)
def test_rules_that_cover_others_allow_all_that_they_do(
    held: list[Object], wanted: list[Object], attributes: Attributes
) -> None:
    if not rules.missing(held, wanted) and allowed(wanted, attributes):
        assert allowed(held, attributes)


@given(rule_lists, rule_lists)
def test_what_is_missing_is_all_that_is_missing(held: list[Object], wanted: list[Object]) -> None:
    assert not rules.missing([*held, *rules.missing(held, wanted)], wanted)


@given(rule_lists)
def test_rules_cover_themselves_and_everything_covers_them(held: list[Object]) -> None:
    assert not rules.missing(held, held)
    assert not rules.missing(EVERYTHING, held)


@given(rule_lists, asked)
def test_compact_rules_allow_what_they_did_before(
    held: list[Object], attributes: Attributes
) -> None:
    parts = rules.missing([], held)
    assert allowed(rules.compact(parts), attributes) == allowed(held, attributes)


def test_rules_for_one_object_do_not_cover_those_for_all() -> None:
    one = {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["one"], "verbs": ["get"]}
    every = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    assert rules.missing([one], [every]) == [every]
    assert rules.missing([every], [one]) == []


def test_a_rule_is_described_as_the_server_does() -> None:
    rule = {
        "apiGroups": ["", "apps"],
        "resources": ["pods"],
        "resourceNames": ["web"],
        "verbs": ["get"],
    }
    assert rules.described(rule) == (
        '{APIGroups:["" "apps"], Resources:["pods"], ResourceNames:["web"], Verbs:["get"]}'
    )
    path = {"nonResourceURLs": ["/healthz"], "verbs": ["get"]}
    assert rules.described(path) == '{NonResourceURLs:["/healthz"], Verbs:["get"]}'


def test_a_rule_for_an_empty_name_covers_no_rule_for_all_names() -> None:
    every = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    for names in ([""], ["a"]):
        held = {**every, "resourceNames": names}
        assert rules.missing([held], [every]) == [every]
        assert rules.missing([held], [held]) == []
