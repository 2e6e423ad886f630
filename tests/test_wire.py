"""Reading messages: any bytes give a result or Malformed."""

import time

import pytest
from builders import a_query, a_reply
from hypothesis import given, settings
from hypothesis import strategies as st

from panteras_dns.names import wire_name
from panteras_dns.wire import (
    COOKIE,
    DO,
    RD,
    Edns,
    Malformed,
    frame,
    name_at,
    question_of,
    read_query,
    read_reply,
    unframe,
)

REPLY = a_reply(
    a_query("www.example.com", use_edns=0),
    "www.example.com. 60 CNAME web.example.com.",
    "web.example.com. 60 A 192.0.2.1",
    authority=("example.com. 60 NS ns.example.com.",),
)[2:]


def test_a_query_is_read_whole():
    query = read_query(a_query("WWW.Example.com", "AAAA", want_dnssec=True, payload=1400)[2:])

    assert query.name == wire_name("www.example.com")
    assert query.question == b"\3WWW\7Example\3com\0\0\x1c\0\1"
    assert (query.type, query.cls, query.flags) == (28, 1, RD)
    assert query.edns == Edns(size=1400, flags=DO)
    assert query.wants_dnssec


def test_a_payload_below_512_counts_as_512():
    query = read_query(a_query(use_edns=0, payload=100)[2:])

    assert query.edns is not None
    assert query.edns.size == 512


def test_labels_may_hold_any_octet():
    name = b"\4a\0.\xff\x01~\0"

    query = read_query(b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1")

    assert query.name == name.lower()


@pytest.mark.parametrize(
    "name",
    [b"\1a" * 127 + b"\0", (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"],
    ids=["127 labels", "255 octets"],
)
def test_the_longest_names_are_read(name):
    assert read_query(b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1").name == name


HEADER = b"\1\0\0\1\0\0\0\0\0\0"
WITH_OPT = b"\1\0\0\1\0\0\0\0\0\1"
QUESTION = b"\1a\0\0\1\0\1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\1\0\0\1",
        b"\1\0\0\0\0\0\0\0\0\0",
        b"\1\0\0\2\0\0\0\0\0\0" + QUESTION,
        HEADER + b"\xc0\x0c\0\1\0\1",
        HEADER + b"\x40a\0\0\1\0\1",
        HEADER + b"\5ab",
        HEADER + b"\1a\0\0\1",
        HEADER + b"\1a" * 128 + b"\0\0\1\0\1",
        HEADER + QUESTION + b"extra",
        b"\1\0\0\1\xff\xff\0\0\0\0" + QUESTION,
        WITH_OPT + QUESTION + b"\1x\0\x29\4\xd0\0\0\0\0\0\0",
        WITH_OPT + QUESTION + b"\0\0\x29\4\xd0\0\0\0\0\0\3\0\x0a\0",
        WITH_OPT + QUESTION + b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\x0a\0\1",
        b"\1\0\0\1\0\0\0\0\0\2" + QUESTION + b"\0\0\x29\4\xd0\0\0\0\0\0\0" * 2,
        b"\1\0\0\1\0\1\0\0\0\0" + QUESTION + b"\0\0\x29\4\xd0\0\0\0\0\0\0",
        WITH_OPT + QUESTION + b"\0\0\x29\4\xd0\0\0\0\0\1\x98" + b"\0\3\0\0" * 102,
    ],
    ids=[
        "nothing", "half a header", "no question", "two questions", "pointer in the question", "label over 63",
        "name cut short", "question cut short", "name over 255", "bytes behind", "counts that lie", "OPT with a name",
        "option cut short", "option longer than OPT", "two OPT", "OPT in the answer section", "over 100 options",
    ],
)  # fmt: skip
def test_what_is_no_query_is_malformed(body):
    with pytest.raises(Malformed):
        read_query(body)


def test_a_cookie_is_found_among_the_options():
    query = read_query(WITH_OPT + QUESTION + b"\0\0\x29\4\xd0\0\0\0\0\0\x0c\0\x0a\0\x08clientid")

    assert query.edns is not None
    assert query.edns.option(COOKIE) == b"clientid"


def test_a_reply_is_read_record_by_record():
    reply = read_reply(REPLY)

    assert [(record.section, record.type) for record in reply.records] == [(1, 5), (1, 1), (2, 2)]
    assert reply.edns is not None
    assert name_at(reply.body, reply.records[1].start) == wire_name("web.example.com")
    assert reply.body[reply.records[1].data : reply.records[1].end] == b"\xc0\0\2\1"


def test_bytes_behind_a_reply_are_left_out():
    assert read_reply(REPLY + b"junk").body == REPLY


def test_pointers_may_not_lead_forward_or_to_themselves():
    body = b"\x81\0\0\1\0\1\0\0\0\0" + QUESTION + b"\xc0\x13\0\1\0\1\0\0\0\0\0\4abcd"

    with pytest.raises(Malformed):
        read_reply(body)


def test_a_name_that_grows_over_255_octets_by_pointers_is_malformed():
    long = b"\x3f" + b"a" * 63
    body = b"\x81\0\0\1\0\2\0\0\0\0" + QUESTION
    first = len(body) + 2
    record = b"\0\1\0\1\0\0\0\0\0\4abcd"
    body += long * 3 + b"\0" + record + long + bytes((0xC0 | first >> 8, first & 255)) + record

    with pytest.raises(Malformed):
        read_reply(body)


def test_chains_of_pointers_cost_bounded_time():
    # dnslib takes seconds for such a message: every record points at the end of one long chain.
    chain, at = b"", 12 + len(QUESTION) + 11
    pieces = [b"\0"]
    for _ in range(900):
        pieces.append(bytes((0xC0 | at >> 8, at & 255)))
        at += len(pieces[-2])
    chain = b"".join(pieces)
    first = b"\0\0\x10\0\1\0\0\0\0" + len(chain).to_bytes(2, "big") + chain
    last = bytes((0xC0 | at >> 8, at & 255)) + b"\0\1\0\1\0\0\0\0\0\0"
    body = b"\x81\0\0\1" + (3701).to_bytes(2, "big") + b"\0\0\0\0" + QUESTION + first + last * 3700

    began = time.process_time()
    with pytest.raises(Malformed):
        read_reply(body)
    assert time.process_time() - began < 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_query_or_malformed(body):
    try:
        query = read_query(body)
    except Malformed:
        return
    assert body[10:].startswith(query.question)


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_are_a_reply_or_malformed(data):
    body = bytearray(REPLY)
    for _ in range(data.draw(st.integers(0, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        reply = read_reply(bytes(body))
    except Malformed:
        return
    assert all(record.end <= len(body) for record in reply.records)


@given(st.binary(max_size=60))
def test_the_question_of_any_bytes_is_found_or_not(body):
    found = question_of(body)

    assert found is None or body[10:].startswith(found)


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 30))
def test_messages_come_out_of_a_stream_as_they_went_in_however_it_was_cut(messages, piece):
    stream = b"".join(map(frame, messages))
    buffer, found = bytearray(), []

    for at in range(0, len(stream), piece):
        buffer += stream[at : at + piece]
        found += unframe(buffer)

    assert found == messages
    assert not buffer


def test_no_more_messages_are_taken_than_asked_for():
    buffer = bytearray(frame(b"one") + frame(b"two") + frame(b"three"))

    assert unframe(buffer, 2) == [b"one", b"two"]
    assert unframe(buffer) == [b"three"]
