from __future__ import annotations

import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.http.spdy import (
    DICTIONARY,
    LONGEST_FRAME,
    LONGEST_HEADERS,
    MOST_STREAMS,
    PIECE,
    Ended,
    Opened,
    ProtocolError,
    Received,
    Spdy,
)
from tests.kubesim.http.spdy_client import SpdyClient, control, data


def test_the_dictionary_is_the_one_that_every_client_names() -> None:
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_a_stream_is_opened_used_and_ended() -> None:
    client, server = SpdyClient(), Spdy()
    sent = client.open(1, streamtype="data", port="80") + data(1, b"hello") + data(1, flags=1)
    assert server.receive(sent) == [
        Opened(1, {"streamtype": "data", "port": "80"}),
        Received(1, b"hello"),
        Ended(1),
    ]
    server.accept(1)
    server.send(1, b"answer")
    server.end(1)
    server.send(1, b"too late")
    client.take(server.take())
    assert client.replied == [1]
    assert client.data == {1: b"answer"}
    assert client.ended == [1]
    assert server.take() == b""


@settings(max_examples=40)
@given(st.lists(st.integers(1, 40), max_size=20), st.binary(max_size=200))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int], content: bytes) -> None:
    client = SpdyClient()
    sent = (
        client.open(1, a="1") + client.open(3, a="1", b="2") + data(3, content) + data(1, flags=1)
    )
    whole = Spdy().receive(sent)
    server, pieces = Spdy(), []
    for cut in (*cuts, len(sent)):
        pieces += server.receive(sent[:cut])
        sent = sent[cut:]
    assert pieces == whole


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_what_makes_no_sense_is_a_protocol_error_and_nothing_else(noise: bytes) -> None:
    server = Spdy()
    server.receive(SpdyClient().open(1))
    with suppress(ProtocolError):
        server.receive(noise)


def test_long_data_goes_out_in_pieces() -> None:
    client, server = SpdyClient(), Spdy()
    server.receive(client.open(1))
    content = bytes(range(256)) * 300
    server.send(1, content)
    out = server.take()
    assert len(out) == len(content) + 8 * -(-len(content) // PIECE)
    client.take(out)
    assert client.data[1] == content


def test_a_ping_comes_back_and_settings_are_taken_note_of() -> None:
    client, server = SpdyClient(), Spdy()
    settings_ = control(4, struct.pack(">I", 0))
    window = control(9, struct.pack(">II", 1, 10))
    assert server.receive(control(6, struct.pack(">I", 7)) + settings_ + window) == []
    client.take(server.take())
    assert client.pings == [7]


def test_a_broken_stream_takes_nothing_more() -> None:
    client, server = SpdyClient(), Spdy()
    server.receive(client.open(1))
    assert server.receive(control(3, struct.pack(">II", 1, 5))) == [Ended(1, is_broken=True)]
    server.send(1, b"x")
    assert server.take() == b""
    server.receive(client.open(3))
    server.break_off(3)
    client.take(server.take())
    assert client.broken == [3]
    assert server.receive(data(3, b"was on its way")) == []


def test_goodbyes_are_understood_and_said() -> None:
    client, server = SpdyClient(), Spdy()
    assert not server.is_over
    server.receive(control(7, struct.pack(">II", 0, 0)))
    assert server.is_over
    server.say_goodbye()
    client.take(server.take())
    assert client.goodbyes == 1


@pytest.mark.parametrize(
    "sent",
    [
        data(1)[:4] + struct.pack(">I", LONGEST_FRAME + 1),
        control(1, b"short"),
        control(99, b""),
        b"\x80\x02" + control(6, b"\0\0\0\1")[2:],
        SpdyClient().open(2),
        SpdyClient().open(1) + control(1, struct.pack(">IIBB", 3, 0, 0, 0) + b"no zlib"),
        SpdyClient().open(1, a="x" * (LONGEST_HEADERS + 1)),
    ],
    ids=["long", "short", "unknown", "version", "even", "garbage", "headers"],
)
def test_a_frame_that_must_not_be_is_refused(sent: bytes) -> None:
    with pytest.raises(ProtocolError):
        Spdy().receive(sent)


def test_so_many_streams_and_no_more() -> None:
    client, server = SpdyClient(), Spdy()
    for number in range(MOST_STREAMS):
        server.receive(client.open(2 * number + 1))
    with pytest.raises(ProtocolError, match="too many streams"):
        server.receive(client.open(2 * MOST_STREAMS + 1))
