from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from kubesim.http.protobuf import PREFIX, decode


def number(value: int) -> bytes:
    value %= 1 << 64
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(place: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return number(place << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(place << 3 | 2) + number(len(value)) + value


def entry(key: str, value: str | bytes) -> bytes:
    return field(1, key) + field(2, value)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    header = field(1, api_version) + field(2, kind)
    return PREFIX + field(1, header) + field(2, raw) + field(3, "") + field(4, "")


def metadata(name: str) -> bytes:
    """As Go writes it: empty strings and an empty time are there."""
    return field(1, name) + field(2, "") + field(3, "") + field(7, 0) + field(8, b"")


def test_a_config_map_is_read_with_its_maps() -> None:
    raw = field(1, metadata("c") + field(11, entry("app", "web")))
    raw += field(2, entry("a", "1")) + field(2, entry("b", "")) + field(3, entry("x", b"\x00"))
    assert decode(envelope("v1", "ConfigMap", raw)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "creationTimestamp": None, "labels": {"app": "web"}},
        "data": {"a": "1", "b": ""},
        "binaryData": {"x": "AA=="},
    }


def test_times_come_to_the_second_or_with_their_fraction() -> None:
    seconds = field(1, 1_767_603_600)
    spec = field(1, "me") + field(2, 15) + field(3, seconds + field(2, 123_456_000))
    lease = decode(
        envelope("coordination.k8s.io/v1", "Lease", field(1, field(8, seconds)) + field(2, spec))
    )
    assert lease["metadata"]["creationTimestamp"] == "2026-01-05T09:00:00Z"
    assert lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-05T09:00:00.123456Z",
    }


def test_zeros_that_were_meant_are_kept_and_others_are_not() -> None:
    spec = field(1, 0) + field(5, 0) + field(6, 0) + field(7, 0)
    deployment = decode(envelope("apps/v1", "Deployment", field(2, spec)))
    assert deployment["spec"] == {"replicas": 0, "revisionHistoryLimit": 0}


def test_negative_numbers_amounts_and_ports_by_name_are_read() -> None:
    port = field(3, 80) + field(4, field(1, 1) + field(3, "http"))
    service = decode(envelope("v1", "Service", field(2, field(1, port))))
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": "http"}]
    quota = field(1, entry("cpu", field(1, "500m")))
    assert decode(envelope("v1", "ResourceQuota", field(2, quota)))["spec"] == {
        "hard": {"cpu": "500m"}
    }
    options = decode(envelope("v1", "DeleteOptions", field(1, -1) + field(5, "All")))
    assert (options["gracePeriodSeconds"], options["dryRun"]) == (-1, ["All"])


def test_what_json_shows_inline_is_inline() -> None:
    volume = field(1, "data") + field(2, field(2, b""))  # an emptyDir
    pod = decode(envelope("v1", "Pod", field(2, field(1, volume))))
    assert pod["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}]


def test_a_kind_that_is_not_read_says_what_to_do() -> None:
    with pytest.raises(ApiError, match="send it as application/json") as refused:
        decode(envelope("example.com/v1", "Thing", b""))
    assert refused.value.code == 415


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        PREFIX + b"\xff",
        PREFIX + number(3 << 3 | 3),
        PREFIX + field(1, b"\x80" * 11),
        PREFIX + number(2 << 3 | 2) + number(1 << 40),
        envelope("v1", "ConfigMap", field(1, 7)),
        envelope("v1", "ConfigMap", field(1, field(1, b"\xff"))),
        envelope("v1", "ConfigMap", field(1, field(8, field(1, 1 << 62)))),
        envelope("v1", "ConfigMap", field(1, field(17, field(7, field(1, b"{"))))),
    ],
)
def test_what_is_no_message_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decode(data)
    assert refused.value.code in (400, 415)


KINDS = [("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Event"), ("v1", "DeleteOptions")]


@settings(max_examples=200)
@given(st.sampled_from(KINDS), st.binary(max_size=60), st.integers(1, 15))
def test_no_bytes_make_it_fail_in_another_way(kind: tuple[str, str], raw: bytes, at: int) -> None:
    for body in (raw, field(at, raw), field(at, field(1, raw))):
        try:
            found = decode(envelope(*kind, body))
        except ApiError as refused:
            assert refused.code == 400
        else:
            assert found["kind"] == kind[1]
