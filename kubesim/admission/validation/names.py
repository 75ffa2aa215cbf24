"""What names, keys and other short texts must look like.

Each function returns what is wrong with a text, one sentence per fault, and nothing if the text is
well formed. Source: apimachinery `util/validation` and `api/validate/content` (Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network

Faults = tuple[str, ...]
"""The sentences about one text; the empty tuple means that it is well formed."""

Format = Callable[[str], Faults]
"""What a text must look like."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_RFC1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_NAME_PART})?"
_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCHES = rf"{_SEARCH}(\.{_SEARCH})*"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_label = re.compile(_LABEL, re.ASCII).fullmatch
_subdomain = re.compile(_SUBDOMAIN, re.ASCII).fullmatch
_rfc1035 = re.compile(_RFC1035, re.ASCII).fullmatch
_name_part = re.compile(_NAME_PART, re.ASCII).fullmatch
_label_value = re.compile(_LABEL_VALUE, re.ASCII).fullmatch
_key = re.compile(_KEY, re.ASCII).fullmatch
_header = re.compile(_HEADER, re.ASCII).fullmatch
_percent = re.compile(_PERCENT, re.ASCII).fullmatch
_wildcard = re.compile(_WILDCARD, re.ASCII).fullmatch
_http_path = re.compile(_HTTP_PATH, re.ASCII).fullmatch
_port_charset = re.compile("[-a-z0-9]+", re.ASCII).fullmatch
_sysctl = re.compile(_SYSCTL, re.ASCII).fullmatch
_searches = re.compile(_SEARCHES, re.ASCII).fullmatch
_letter = re.compile("[a-z]", re.ASCII).search
_printable = re.compile("[ -<>-~]*").fullmatch  # printable ASCII but for '='


def no_longer(text: str, limit: int) -> Faults:
    """At most so many bytes of UTF-8."""
    if len(text) <= limit and (text.isascii() or len(text.encode()) <= limit):
        return ()
    return (f"must be no more than {limit} bytes",)


def _like(what: str, pattern: str, *examples: str) -> str:
    """The sentence about a text that does not match an expression."""
    shown = " or ".join(f"'{example}', " for example in examples)
    shown = f"e.g. {shown}" if shown else ""
    return f"{what} ({shown}regex used for validation is '{pattern}')"


@lru_cache(maxsize=8192)
def dns_label(text: str) -> Faults:
    """One label of a DNS name (RFC 1123), such as a container's or a namespace's name."""
    if _label(text) and len(text) <= 63:
        return ()
    if _label(text):
        return no_longer(text, 63)
    if _subdomain(text):
        return (*no_longer(text, 63), "must not contain dots")
    return (
        *no_longer(text, 63),
        _like(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
            "'-', and must start and end with an alphanumeric character",
            _LABEL,
            "my-name",
            "123-abc",
        ),
    )


@lru_cache(maxsize=8192)
def dns_subdomain(text: str) -> Faults:
    """Labels of a DNS name with dots between them: the name of most objects."""
    if _subdomain(text):
        return no_longer(text, 253)
    return (
        *no_longer(text, 253),
        _like(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character",
            _SUBDOMAIN,
            "example.com",
        ),
    )


@lru_cache(maxsize=1024)
def rfc1035_label(text: str) -> Faults:
    """A DNS label that starts with a letter (RFC 1035), such as a Service's name."""
    if _rfc1035(text):
        return no_longer(text, 63)
    return (
        *no_longer(text, 63),
        _like(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character",
            _RFC1035,
            "my-name",
            "abc-123",
        ),
    )


def sysctl(text: str) -> Faults:
    """The name of a kernel parameter."""
    if len(text) <= 253 and _sysctl(text):
        return ()
    return (f"must have at most 253 characters and match regex ^{_SYSCTL}$",)


def search_path(text: str) -> Faults:
    """A DNS name in which underscores may occur, as resolvers take them."""
    if _searches(text):
        return no_longer(text, 253)
    return (
        *no_longer(text, 253),
        _like(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'_', '-' or '.', and must start and end with an alphanumeric character",
            _SEARCHES,
            "example.com",
        ),
    )


def is_domain_path(text: str) -> bool:
    """Whether a text is a domain and a path below it, such as `acme.io/foo`."""
    domain, slash, path = text.partition("/")
    return bool(slash) and not dns_subdomain(domain) and bool(_http_path(path)) and len(text) <= 63


def wildcard_subdomain(text: str) -> Faults:
    """A DNS name whose first label is a star, such as an Ingress's host."""
    if _wildcard(text):
        return no_longer(text, 253)
    return (
        *no_longer(text, 253),
        _like(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
            "subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and "
            "end with an alphanumeric character",
            _WILDCARD,
            "*.example.com",
        ),
    )


def path_segment(text: str) -> Faults:
    """Anything that can stand between two slashes of a URL: the name of an RBAC object."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{part}'" for part in ("/", "%") if part in text)


@lru_cache(maxsize=8192)
def label_key(text: str) -> Faults:
    """The key of a label: a name, and before it a DNS subdomain and a slash, if there is one."""
    bad_name = _like(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character",
        _NAME_PART,
        "MyName",
        "my.name",
        "123-abc",
    )
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (
            f"a valid label key {bad_name} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')",
        )
    faults: list[str] = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash:
        faults += (f"prefix part {fault}" for fault in dns_subdomain(prefix))
    if not name:
        faults.append("name part must be non-empty")
    faults += (f"name part {fault}" for fault in no_longer(name, 63))
    if not _name_part(name):
        faults.append(f"name part {bad_name}")
    return tuple(faults)


@lru_cache(maxsize=8192)
def label_value(text: str) -> Faults:
    """The value of a label; it may be empty."""
    if _label_value(text):
        return no_longer(text, 63)
    return (
        *no_longer(text, 63),
        _like(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', "
            "'_' or '.', and must start and end with an alphanumeric character",
            _LABEL_VALUE,
            "MyValue",
            "my_value",
            "12345",
        ),
    )


def config_key(text: str) -> Faults:
    """A key of a ConfigMap or Secret, which may become the name of a file."""
    faults = no_longer(text, 253)
    if not _key(text):
        what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        faults += (_like(what, _KEY, "key.name", "KEY_NAME", "key-name"),)
    if text in (".", ".."):
        faults += (f"must not be '{text}'",)
    elif text.startswith(".."):
        faults += ("must not start with '..'",)
    return faults


def environment_name(text: str) -> Faults:
    """The name of an environment variable (since Kubernetes 1.34: any printable ASCII but `=`)."""
    if not text:
        return ("environment variable name must be non-empty",)
    if not _printable(text):
        return (
            "a valid environment variable name must consist only of printable ASCII characters "
            "other than '='",
        )
    return ()


@lru_cache(maxsize=1024)
def port_name(text: str) -> Faults:
    """The name of a port: at most 15 lower case letters, digits and hyphens, a letter among them
    (RFC 6335)."""
    faults = no_longer(text, 15)
    if not _port_charset(text):
        faults += ("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",)
    if not _letter(text):
        faults += ("must contain at least one letter (a-z)",)
    if "--" in text:
        faults += ("must not contain consecutive hyphens",)
    if text.startswith("-") or text.endswith("-"):
        faults += ("must not begin or end with a hyphen",)
    return faults


def port_number(number: int) -> Faults:
    """The number of a port."""
    return () if 1 <= number <= 65535 else ("must be between 1 and 65535, inclusive",)


def port(name_or_number: str | int) -> Faults:
    """A port by name or by number."""
    if isinstance(name_or_number, str):
        return port_name(name_or_number)
    return port_number(name_or_number)


def percent(text: str) -> Faults:
    """Digits and a percent sign."""
    if _percent(text):
        return ()
    what = "a valid percent string must be a numeric string followed by an ending '%'"
    return (_like(what, _PERCENT, "1%", "93%"),)


def http_header(text: str) -> Faults:
    """The name of an HTTP header."""
    if _header(text):
        return ()
    what = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return (_like(what, _HEADER, "X-Header-Name"),)


def http_path(text: str) -> Faults:
    """The path of a URL."""
    return () if _http_path(text) else (_like("Invalid path", _HTTP_PATH),)


def ip(text: str) -> Faults:
    """An IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    return ()


def cidr(text: str) -> Faults:
    """A range of IP addresses, such as 10.0.0.0/8."""
    try:
        if "/" not in text:
            raise ValueError(text)
        ip_network(text, strict=False)
    except ValueError:
        return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)
    return ()


def relative_path(text: str) -> Faults:
    """A path that stays below the place where it starts."""
    absolute = ("must be a relative path",) if text.startswith("/") else ()
    return (*absolute, *no_backsteps(text))


def no_backsteps(text: str) -> Faults:
    """A path without `..` in it."""
    return ("must not contain '..'",) if ".." in text.split("/") else ()
