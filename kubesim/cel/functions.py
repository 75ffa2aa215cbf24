"""The functions that Kubernetes adds to CEL: of lists, sets, regular expressions, URLs, quantities
and addresses.

A quantity, an URL, an address or a network is a map with one entry here, so that it can pass
through the evaluator; equal ones are equal maps.

Source: apiserver `pkg/cel/library` (Kubernetes 1.37). What is left out: `authorizer`, `jsonpatch`
and loops over two variables. An expression that uses them does not compile.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from kubesim import quantity, regex
from kubesim.errors import ApiError

Opaque = dict[str, str]
"""A value of a kind that CEL itself does not have, by the name of that kind."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _is(make: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether something can be made of a text."""

    def fits(text: str) -> bool:
        try:
            make(text)
        except (ValueError, ApiError):
            return False
        return True

    return fits


# -- Lists and sets --------------------------------------------------------------------------------


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(items))


def _sum(items: list[Any]) -> Any:
    return sum(items[1:], items[0]) if items else 0


def _index(items: list[Any], wanted: Any) -> int:
    return next((place for place, each in enumerate(items) if each == wanted), -1)


def _last_index(items: list[Any], wanted: Any) -> int:
    place = _index(items[::-1], wanted)
    return place if place < 0 else len(items) - 1 - place


def _extreme(name: str, choose: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def chosen(items: list[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return choose(items)

    return chosen


def _contains(items: list[Any], others: list[Any]) -> bool:
    return all(each in items for each in others)


def _intersects(items: list[Any], others: list[Any]) -> bool:
    return any(each in items for each in others)


def _equivalent(items: list[Any], others: list[Any]) -> bool:
    return _contains(items, others) and _contains(others, items)


# -- Regular expressions ---------------------------------------------------------------------------


def _find(text: str, pattern: str) -> str:
    found = regex.compiled(pattern).search(text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str) -> list[str]:
    return [found[0] for found in regex.compiled(pattern).finditer(text)]


def _find_some(text: str, pattern: str, most: int) -> list[str]:
    found = _find_all(text, pattern)
    return found if most < 0 else found[:most]


# -- Quantities ------------------------------------------------------------------------------------


def _quantity(text: str) -> Opaque:
    return _of_number(quantity.parse(text))


def _of_number(number: Decimal) -> Opaque:
    return {"quantity": f"{number.normalize():f}"}


def _number(value: Opaque | int) -> Decimal:
    return Decimal(value["quantity"]) if isinstance(value, dict) else Decimal(value)


def _compared(one: Opaque, other: Opaque) -> int:
    """Which of two quantities, or of two semantic versions, is the larger."""
    first, second = (
        (_rank(one), _rank(other)) if "semver" in one else (_number(one), _number(other))
    )
    return (first > second) - (first < second)  # type: ignore[operator]


def _is_whole(value: Opaque) -> bool:
    number = _number(value)
    return number == number.to_integral_value() and abs(number) < 2**63


def _whole(value: Opaque) -> int:
    if not _is_whole(value):
        raise ValueError("cannot convert value to integer")
    return int(_number(value))


# -- Versions --------------------------------------------------------------------------------------

_NUMBER = "(0|[1-9][0-9]*)"
_TAG = "([0-9A-Za-z-]+([.][0-9A-Za-z-]+)*)"
_SEMVER = re.compile(f"{_NUMBER}[.]{_NUMBER}[.]{_NUMBER}(-{_TAG})?([+]{_TAG})?", re.ASCII)


def _semver(text: str) -> Opaque:
    if not _SEMVER.fullmatch(text):
        raise ValueError(f"semver parse error during conversion from string: {text}")
    return {"semver": text}


def _loose_semver(text: str, normalize: bool) -> Opaque:
    """A version; if asked to, one that begins with `v`, has leading zeros or lacks parts."""
    if not normalize:
        return _semver(text)
    numbers, sign, tag = re.fullmatch(r"v?([^-+]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [each.lstrip("0") or "0" if each else each for each in numbers.split(".")]
    return _semver(".".join([*parts, "0", "0"][: max(3, len(parts))]) + sign + tag)


def _is_loose_semver(text: str, normalize: bool) -> bool:
    return _is(lambda given: _loose_semver(given, normalize))(text)


def _numbers(version: Opaque) -> list[int]:
    return [int(each) for each in re.split("[-+]", version["semver"])[0].split(".")]


def _rank(version: Opaque) -> tuple[Any, ...]:
    """What versions are compared by: numbers, then a pre-release before the release."""
    tag = version["semver"].partition("+")[0].partition("-")[2]
    steps = [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in tag.split(".")]
    return (*_numbers(version), not tag, steps if tag else [])


# -- Formats ---------------------------------------------------------------------------------------

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and _is(date.fromisoformat)(text)


def _is_datetime(text: str) -> bool:
    return text[10:11] in ("T", "t") and _is(datetime.fromisoformat)(text)


_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_WORD = "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"


def _like(pattern: str, longest: int, *, prefix: bool = False) -> Callable[[str], bool]:
    """Whether a text matches, and is not too long; of a prefix, the last dash does not count."""
    compiled = re.compile(pattern, re.ASCII)

    def fits(text: str) -> bool:
        shown = f"{text[:-1]}a" if prefix and text.endswith("-") else text
        return len(text) <= longest and compiled.fullmatch(shown) is not None

    return fits


_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_FORMATS: dict[str, Callable[[str], bool]] = {
    "dns1123Label": _like(_LABEL, 63),
    "dns1123Subdomain": _like(_SUBDOMAIN, 253),
    "dns1035Label": _like("[a-z]([-a-z0-9]*[a-z0-9])?", 63),
    "dns1123LabelPrefix": _like(_LABEL, 63, prefix=True),
    "dns1123SubdomainPrefix": _like(_SUBDOMAIN, 253, prefix=True),
    "dns1035LabelPrefix": _like("[a-z]([-a-z0-9]*[a-z0-9])?", 63, prefix=True),
    "qualifiedName": _like(rf"({_SUBDOMAIN}/)?{_WORD}", 317),
    "labelValue": _like(f"({_WORD})?", 63),
    "uri": _is(lambda text: _split(text)),
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
    "byte": _is(lambda text: base64.b64decode(text, validate=True)),
    "date": _is_date,
    "datetime": _is_datetime,
}
"""Whether a text has one of the formats that `format` names."""


def _format(name: str) -> Callable[[], Opaque]:
    return lambda: {"format": name}


def _named(name: str) -> Opaque:
    """A format by its name. It answers to `hasValue` and `value` as an optional one would, though
    not to `orValue`, which the evaluator keeps for its own optional values."""
    return {"format": name} if name in _FORMATS else {}


def _validated(format_: Opaque, text: str) -> Opaque:
    """What is wrong with a text, if anything, in the form of an optional list."""
    name = format_["format"]
    return {} if _FORMATS[name](text) else {"fault": f"{text!r} is not a valid {name}"}


def _content(value: Opaque) -> Any:
    """What is in something that answers as an optional value does."""
    if not value:
        raise ValueError("optional.none() dereference")
    return [value["fault"]] if "fault" in value else value


# -- URLs ------------------------------------------------------------------------------------------


def _split(text: str) -> SplitResult:
    parts = urlsplit(text)
    if not parts.scheme and not text.startswith("/"):
        raise ValueError("URL parse error during conversion from string: invalid URI for request")
    return parts


def _url(text: str) -> Opaque:
    _split(text)
    return {"url": text}


def _part(read: Callable[[SplitResult], Any]) -> Callable[[Opaque], Any]:
    return lambda value: read(urlsplit(value["url"]))


# -- Addresses -------------------------------------------------------------------------------------


def _ip(text: str) -> Opaque:
    return {"ip": str(ip_address(text))}


def _is_local_multicast(value: Opaque) -> bool:
    address = _address(value)
    return address.is_multicast and (
        address in IPv4Network("224.0.0.0/24")
        if isinstance(address, IPv4Address)
        else address in IPv6Network("ff02::/16")
    )


def _cidr(text: str) -> Opaque:
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text}")
    ip_network(text, strict=False)
    return {"cidr": text}


def _address(value: Opaque) -> Address:
    return ip_address(value["ip"])


def _network(value: Opaque) -> Network:
    return ip_network(value["cidr"], strict=False)


def _holds(network: Opaque, address: Opaque | str) -> bool:
    one = ip_address(address) if isinstance(address, str) else _address(address)
    return one in _network(network)


def _covers(network: Opaque, other: Opaque | str) -> bool:
    outer = _network(network)
    inner = _network(other if isinstance(other, dict) else _cidr(other))
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _masked(value: Opaque) -> Opaque:
    return {"cidr": str(_network(value))}


def _address_of(value: Opaque) -> Opaque:
    return {"ip": value["cidr"].partition("/")[0]}


FUNCTIONS: Sequence[tuple[str, str, Callable[..., Any]]] = (
    ("list.isSorted", "bool", _is_sorted),
    ("list.sum", "dyn", _sum),
    ("list.min", "dyn", _extreme("min", min)),
    ("list.max", "dyn", _extreme("max", max)),
    ("list.indexOf dyn", "int", _index),
    ("list.lastIndexOf dyn", "int", _last_index),
    ("sets.contains list list", "bool", _contains),
    ("sets.intersects list list", "bool", _intersects),
    ("sets.equivalent list list", "bool", _equivalent),
    ("string.find string", "string", _find),
    ("string.findAll string", "texts", _find_all),
    ("string.findAll string int", "texts", _find_some),
    ("quantity string", "opaque", _quantity),
    ("isQuantity string", "bool", _is(_quantity)),
    ("opaque.isGreaterThan opaque", "bool", lambda one, other: _compared(one, other) > 0),
    ("opaque.isLessThan opaque", "bool", lambda one, other: _compared(one, other) < 0),
    ("opaque.compareTo opaque", "int", _compared),
    ("opaque.add opaque", "opaque", lambda a, b: _of_number(_number(a) + _number(b))),
    ("opaque.add int", "opaque", lambda a, b: _of_number(_number(a) + _number(b))),
    ("opaque.sub opaque", "opaque", lambda a, b: _of_number(_number(a) - _number(b))),
    ("opaque.sub int", "opaque", lambda a, b: _of_number(_number(a) - _number(b))),
    ("opaque.sign", "int", lambda value: _compared(value, {"quantity": "0"})),
    ("opaque.isInteger", "bool", _is_whole),
    ("opaque.asInteger", "int", _whole),
    ("opaque.asApproximateFloat", "double", lambda value: float(_number(value))),
    ("url string", "opaque", _url),
    ("isURL string", "bool", _is(_url)),
    ("opaque.getScheme", "string", _part(lambda url: url.scheme)),
    ("opaque.getHost", "string", _part(lambda url: url.netloc.rpartition("@")[2])),
    ("opaque.getHostname", "string", _part(lambda url: url.hostname or "")),
    ("opaque.getPort", "string", _part(lambda url: str(url.port or ""))),
    ("opaque.getEscapedPath", "string", _part(lambda url: url.path)),
    ("opaque.getQuery", "dyn", _part(lambda url: parse_qs(url.query, keep_blank_values=True))),
    ("ip string", "opaque", _ip),
    ("isIP string", "bool", _is(_ip)),
    ("ip.isCanonical string", "bool", lambda text: str(ip_address(text)) == text),
    ("opaque.family", "int", lambda value: _address(value).version),
    ("opaque.isUnspecified", "bool", lambda value: _address(value).is_unspecified),
    ("opaque.isLoopback", "bool", lambda value: _address(value).is_loopback),
    ("opaque.isLinkLocalUnicast", "bool", lambda value: _address(value).is_link_local),
    (
        "opaque.isGlobalUnicast",
        "bool",
        lambda value: (
            not (
                _address(value).is_multicast
                or _address(value).is_loopback
                or _address(value).is_link_local
                or _address(value).is_unspecified
            )
        ),
    ),
    ("opaque.isLinkLocalMulticast", "bool", _is_local_multicast),
    ("string opaque", "string", lambda value: next(iter(value.values()), "")),
    ("semver string", "opaque", _semver),
    ("semver string bool", "opaque", _loose_semver),
    ("isSemver string", "bool", _is(_semver)),
    ("isSemver string bool", "bool", _is_loose_semver),
    ("opaque.major", "int", lambda value: _numbers(value)[0]),
    ("opaque.minor", "int", lambda value: _numbers(value)[1]),
    ("opaque.patch", "int", lambda value: _numbers(value)[2]),
    ("format.named string", "opaque", _named),
    *((f"format.{name}", "opaque", _format(name)) for name in _FORMATS),
    ("opaque.validate string", "opaque", _validated),
    ("opaque.hasValue", "bool", bool),
    ("opaque.value", "dyn", _content),
    ("cidr string", "opaque", _cidr),
    ("isCIDR string", "bool", _is(_cidr)),
    ("opaque.containsIP opaque", "bool", _holds),
    ("opaque.containsIP string", "bool", _holds),
    ("opaque.containsCIDR opaque", "bool", _covers),
    ("opaque.containsCIDR string", "bool", _covers),
    ("opaque.ip", "opaque", _address_of),
    ("opaque.masked", "opaque", _masked),
    ("opaque.prefixLength", "int", lambda value: _network(value).prefixlen),
)
"""Signature, type of the result, and what is done. `list.isSorted` is called on a list; the types
of further arguments follow the name. `sets.`, `ip.` and `format.` are parts of names."""


def extension() -> Any:
    """The functions in the form in which the compiler takes them."""
    from cel_expr_python import cel

    dyn, text = cel.Type.DYN, cel.Type.STRING
    types = {
        "bool": cel.Type.BOOL,
        "double": cel.Type.DOUBLE,
        "dyn": dyn,
        "int": cel.Type.INT,
        "list": cel.Type.List(dyn),
        "opaque": cel.Type.Map(text, text),
        "string": text,
        "texts": cel.Type.List(text),
    }
    overloads: dict[str, list[Any]] = {}
    for signature, result, work in FUNCTIONS:
        name, *parameters = signature.split()
        receiver, _, method = name.rpartition(".")
        if receiver in types:
            name, parameters = method, [receiver, *parameters]
        overloads.setdefault(name, []).append(
            cel.Overload(
                "_".join((name, *parameters)).replace(".", "_"),
                types[result],
                [types[each] for each in parameters],
                is_member=receiver in types,
                impl=work,
            )
        )
    declared = [cel.FunctionDecl(name, each) for name, each in overloads.items()]
    return cel.CelExtension("kubernetes", declared)


_SIGNS = ("_<_", "_<=_", "_>_", "_>=_")

WITHOUT_COMPARISONS = "stdlib:\n  exclude_functions:\n" + "".join(
    f'  - name: "{sign}"\n' for sign in _SIGNS
)
"""A configuration of the compiler that leaves the declarations to `comparisons`."""


def comparisons() -> list[Any]:
    """What can be compared: values of a type, and numbers of different types.

    The evaluator can do both; the compiler's own declarations know of the first only. (Source:
    cel-go `CrossTypeNumericComparisons`, which Kubernetes turns on.)
    """
    from cel_expr_python import cel

    kinds = cel.Type
    numbers = (kinds.INT, kinds.UINT, kinds.DOUBLE)
    others = (kinds.BOOL, kinds.STRING, kinds.BYTES, kinds.TIMESTAMP, kinds.DURATION)
    pairs = [(one, other) for one in numbers for other in numbers]
    pairs += [(each, each) for each in others]
    return [
        cel.FunctionDecl(
            sign,
            [
                cel.Overload(f"compare_{number}_{index}", kinds.BOOL, list(pair))
                for index, pair in enumerate(pairs)
            ],
        )
        for number, sign in enumerate(_SIGNS)
    ]
