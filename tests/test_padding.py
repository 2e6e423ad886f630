"""Queries of one size."""

import dns.edns
import dns.message
import dns.name
import pytest
from builders import a_query, parsed
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.padding import PADDING, padded


@pytest.mark.parametrize("size", [1, 20, 40, 62, 63])
def test_a_query_fills_whole_blocks_with_its_id(size):
    packet = a_query(f"{'n' * size}.example", use_edns=True)

    filled = packet[:2] + padded(packet[2:])

    assert len(filled) == 128
    assert len(filled) % 128 == 0


def test_everything_but_the_padding_stays_as_it_was():
    cookie = dns.edns.GenericOption(10, b"12345678")
    packet = a_query("www.example.com", "MX", id=77, use_edns=0, payload=1232, want_dnssec=True, options=[cookie])

    before, after = parsed(packet), parsed(packet[:2] + padded(packet[2:]))

    assert after.options[:-1] == before.options
    assert after.options[-1].otype == PADDING
    assert set(after.options[-1].to_wire()) <= {0}
    assert (after.id, after.flags, after.ednsflags, after.payload) == (77, before.flags, before.ednsflags, 1232)
    assert after.question == before.question


def test_a_query_that_fills_its_block_already_gets_an_empty_option():
    for size in range(1, 64):
        packet = a_query(f"{'a' * size}.{'b' * 60}.example", use_edns=True)
        if (len(packet) + 4) % 128 == 0:
            break

    filled = padded(packet[2:])

    assert len(filled) == len(packet) - 2 + 4
    assert parsed(packet[:2] + filled).options[-1].to_wire() == b""


@pytest.mark.parametrize(
    "body",
    [
        a_query()[2:],
        a_query(use_edns=True)[2:-1],
        a_query(use_edns=True)[2:] + b"\0",
        b"",
        b"x",
        bytes(10),
    ],
    ids=["no OPT", "cut short", "something behind", "nothing", "a byte", "no question"],
)
def test_what_is_no_plain_query_with_an_opt_at_its_end_stays_as_it_is(body):
    assert padded(body) == body


def test_a_signed_query_stays_as_it_is():
    message = dns.message.make_query("www.example.com", "A", use_edns=True)
    message.use_tsig({dns.name.from_text("key."): b"secret"})
    body = message.to_wire()[2:]

    assert padded(body) == body


@given(st.binary(max_size=300))
def test_any_bytes_stay_or_fill_blocks(body):
    filled = padded(body)

    assert filled == body or (len(filled) + 2) % 128 == 0
