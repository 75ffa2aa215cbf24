"""CEL: what expressions answer, what they are refused for, and what bounds them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim import quantity
from kubesim.cel import CompileError, EvaluationError, program, values


def answer(text: str, self: Any = None) -> Any:
    return program(text, ("self",)).evaluate({"self": self})


@pytest.mark.parametrize(
    ("text", "self", "expected"),
    [
        ("self.replicas <= 5", {"replicas": 5}, True),
        ("has(self.team)", {}, False),
        ("self.?team.orValue('none')", {}, "none"),
        ("self.all(c, c.image.contains(':'))", [{"image": "a:1"}, {"image": "b"}], False),
        ("self.exists(c, c == 2) && self.exists_one(c, c == 2)", [1, 2], True),
        ("self.filter(c, c > 1).map(c, c * 10)", [1, 2, 3], [20, 30]),
        ("self in ['a', 'b']", "a", True),
        ("self == null", None, True),
        ("'%s has %d'.format(self)", ["web", 3], "web has 3"),
        ("self.split(',').map(x, x.trim().upperAscii()).join('+')", "a, b", "A+B"),
        ("self.matches('^v[0-9]+$')", "v12", True),
        ("duration(self) < duration('1h')", "30m", True),
        ("timestamp(self).getFullYear()", "2026-01-01T00:00:00Z", 2026),
        ("self.map(x, x.n).sum()", [{"n": 1}, {"n": 2}], 3),
        ("self.isSorted() && self.min() == 1 && self.max() == 3", [1, 2, 3], True),
        ("self.indexOf('b') + self.lastIndexOf('b')", ["b", "a", "b"], 2),
        ("sets.contains(self, ['a']) && !sets.intersects(self, ['c'])", ["a", "b"], True),
        ("sets.equivalent(self, ['b', 'a', 'a'])", ["a", "b"], True),
        ("self.find('[0-9]+') + self.findAll('[a-z]')[1]", "a1b2", "1b"),
        ("self.findAll('[a-z]', 1)", "a1b2", ["a"]),
        ("quantity(self).isGreaterThan(quantity('500Mi'))", "1Gi", True),
        ("quantity(self) == quantity('1')", "1000m", True),
        ("quantity(self).add(quantity('1k')).asInteger()", "24", 1024),
        ("quantity(self).isInteger()", "100m", False),
        ("isQuantity(self)", "much", False),
        ("url(self).getHost() + url(self).getQuery()['q'][0]", "https://a.io:80/?q=1", "a.io:801"),
        ("isURL(self)", "shop", False),
        ("cidr('10.0.0.0/8').containsIP(self)", "10.1.2.3", True),
        ("cidr(self).containsCIDR('10.1.0.0/16')", "10.0.0.0/8", True),
        ("ip(self).family() == 6 && ip(self).isLoopback()", "::1", True),
        ("cidr(self).prefixLength()", "10.0.0.0/8", 8),
    ],
)
def test_an_expression_answers(text: str, self: Any, expected: Any) -> None:
    assert answer(text, self) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 +", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting"),
        ("me > 1", "ERROR: <input>:1:1: undeclared reference to 'me' (in container '')\n | me > 1"),
        (
            "me.a.b > 1",
            "<input>:1:1: undeclared reference to 'me' (in container '')\n | me.a.b > 1\n | ^",
        ),
        ("'a' + 1", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("self.authorize()", "undeclared reference to 'authorize'"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, said: str) -> None:
    with pytest.raises(CompileError) as refusal:
        program(text, ("self",))
    assert str(refusal.value).startswith("compilation failed: ERROR: <input>:1:")
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "self", "said"),
    [
        ("self.replicas > 1", {}, "no such key: replicas"),
        ("self[3] == 1", [1], "index out of bounds: 3"),
        ("1 / self == 1", 0, "division by zero"),
        ("self + 'x' == ''", 1, "no such overload"),
        ("self.min() == 1", [], "min called on empty list"),
        ("self.all(a, self.all(b, a >= 0))", [*range(200)], "operation cancelled: actual cost"),
    ],
)
def test_an_expression_may_have_no_value(text: str, self: Any, said: str) -> None:
    with pytest.raises(EvaluationError) as error:
        answer(text, self)
    assert str(error.value).startswith(said)


def test_an_expression_that_blows_up_its_input_is_refused() -> None:
    assert answer("['a']" + ".map(x, x + x)" * 8 + "[0].size()") == 256
    with pytest.raises(CompileError, match="10000 times as large"):
        program("['a']" + ".map(x, x + x)" * 20 + "[0].size()", ("self",))


@pytest.mark.parametrize("text", ["(" * 200 + "1" + ")" * 200, "'" + "a" * 200_000 + "'"])
def test_an_expression_is_bounded_in_depth_and_length(text: str) -> None:
    with pytest.raises(CompileError):
        program(text, ("self",))


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("replicas", "replicas"),
        ("namespace", "__namespace__"),
        ("a.b/c-d__e", "a__dot__b__slash__c__dash__d__underscores__e"),
        ("1st", ""),
    ],
)
def test_names_are_spelled_so_that_an_expression_can_say_them(name: str, spelled: str) -> None:
    assert values.escaped(name) == spelled


SCHEMA = {
    "type": "object",
    "properties": {
        "share": {"type": "number"},
        "gone": {"type": "string"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def test_a_value_has_what_its_schema_names() -> None:
    seen = values.value(
        {"share": 1, "gone": None, "other": 1, "labels": {"a-b": "c"}, "items": [{"n": 1, "m": 2}]},
        SCHEMA,
    )
    assert seen == {"share": 1.0, "labels": {"a-b": "c"}, "items": [{"n": 1}]}
    assert type(seen["share"]) is float


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "self.shares > 0.5",
            "<input>:1:5: undefined field 'shares'\n | self.shares > 0.5\n | ....^",
        ),
        ("true &&\n self.items.all(i, i.m > 1)", "<input>:2:21: undefined field 'm'"),
        ("self.items[0].m == 1", "undefined field 'm'"),
        ("self.items.filter(i, i.n == 1).exists(i, i.m == 1)", "undefined field 'm'"),
        ("has(self.others)", "undefined field 'others'"),
        ("oldSelf.shares == 1", "undefined field 'shares'"),
    ],
)
def test_an_expression_reaches_only_for_fields_that_there_are(text: str, said: str) -> None:
    made = program(text, ("self", "oldSelf"))
    with pytest.raises(CompileError) as refusal:
        values.check(made, {"self": SCHEMA, "oldSelf": SCHEMA})
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "self.labels.anything == 'x' && self.labels.all(k, k.size() > 1)",
        "self.items.filter(i, i.n == 1).map(i, i.n).all(x, x.free == 1)",
        "self.metadata.name == self.kind",
        "self.share > 1 && self.share + 0.5 < double(self.items.size())",
        "self.gone + 'x' == self.labels.a && (has(self.gone) || self.items == [])",
        "self.items.filter(i, i.n == 1).size() == 1 || self.labels == {}",
    ],
)
def test_an_expression_may_reach_where_the_schema_is_open(text: str) -> None:
    values.check(program(text, ("self", "oldSelf")), {"self": values.whole(SCHEMA)})


@settings(max_examples=50)
@given(st.lists(st.integers(-1000, 1000), max_size=20))
def test_macros_agree_with_python(items: list[int]) -> None:
    assert answer("self.all(x, x > 0)", items) is all(x > 0 for x in items)
    assert answer("self.exists(x, x > 0)", items) is any(x > 0 for x in items)
    assert answer("self.map(x, x > 0, x * 2)", items) == [x * 2 for x in items if x > 0]
    assert answer("self.sum()", items) == sum(items)


@settings(max_examples=50)
@given(st.integers(0, 5000), st.integers(0, 5000))
def test_quantities_compare_as_their_numbers_do(one: int, other: int) -> None:
    text = "quantity(self[0]).compareTo(quantity(self[1]))"
    low, high = f"{one}m", f"{other}m"
    first, second = quantity.parse(low), quantity.parse(high)
    assert answer(text, [low, high]) == (first > second) - (first < second)


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2.5 && 2.5 >= 2 && 1u < 2 && 'a' < 'b' && duration('1s') < duration('1m')",
        "semver('1.2.3').major() == 1 && semver('v1.2', true).minor() == 2",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('1.0.0-rc.1+b')",
        "semver('1.0.0-alpha').isLessThan(semver('1.0.0')) && !isSemver('1.2')",
        "semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10'))",
        "!format.dns1123Label().validate('ab').hasValue()",
        "format.dns1123Label().validate('A_').value().size() == 1",
        "format.named('uuid').hasValue() && !format.named('nonsense').hasValue()",
        "format.dns1123LabelPrefix().validate('web-').hasValue() == false",
        "string(ip('1.2.3.4')) == '1.2.3.4' && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
        "ip('224.0.0.1').isLinkLocalMulticast() && !ip('1.1.1.1').isLinkLocalMulticast()",
        "'aXb'.find('(?i)x') == 'X' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
    ],
)
def test_what_kubernetes_adds_to_the_language(text: str) -> None:
    assert program(text, ()).evaluate({}) is True
