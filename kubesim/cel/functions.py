"""The functions that Kubernetes adds to CEL: of lists, sets, regular expressions, URLs, quantities
and addresses.

A quantity, an URL, an address or a network is a map with one entry here, so that it can pass
through the evaluator; equal ones are equal maps.

Source: apiserver `pkg/cel/library` (Kubernetes 1.37). What is left out: `format`, `authorizer`,
`semver` and `jsonpatch`. An expression that uses them does not compile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    first, second = _number(one), _number(other)
    return (first > second) - (first < second)


def _is_whole(value: Opaque) -> bool:
    number = _number(value)
    return number == number.to_integral_value() and abs(number) < 2**63


def _whole(value: Opaque) -> int:
    if not _is_whole(value):
        raise ValueError("cannot convert value to integer")
    return int(_number(value))


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
    ("list.sum", "dyn", sum),
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
of further arguments follow the name. `sets.` and `ip.` are parts of names, not receivers."""


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
