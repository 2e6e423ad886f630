"""What is built: errors, and replies dressed for a client. dnspython reads what comes out."""

import pytest
from builders import a_query, a_reply, addresses_in, parsed, reason_in
from dns import flags
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.answer import ask, bare_error, dress, error, with_ttl
from panteras_dns.wire import BADVERS, FORMERR, NOTIMP, REFUSED, Edns, read_query, read_reply

MANY = [f"web.example.com. 30 A 10.0.{number // 250}.{number % 250}" for number in range(100)]


def dressed(query: bytes, reply: bytes, limit: int = 1232, **options) -> bytes:
    return b"\0\1" + dress(read_query(query[2:]), read_reply(reply[2:]), limit, **options)


def test_the_client_gets_its_own_spelling_back():
    query, lower = a_query("WeB.example.COM"), a_query("web.example.com")

    answer = dressed(query, a_reply(lower, "web.example.com. 30 A 10.0.0.1"))

    assert answer[12:29] == b"\3WeB\7example\3COM\0"
    assert addresses_in(answer) == ["10.0.0.1"]


def test_a_client_without_edns_gets_no_opt_and_one_with_edns_does():
    reply = a_reply(a_query(use_edns=0), "www.example.com. 30 A 10.0.0.1")

    assert parsed(dressed(a_query(), reply)).edns == -1
    assert parsed(dressed(a_query(use_edns=0), reply)).edns == 0


def test_recursion_is_available_whatever_the_server_says():
    reply = bytearray(a_reply(a_query(), "www.example.com. 30 A 10.0.0.1"))
    reply[3] &= 0x7F

    assert parsed(dressed(a_query(), bytes(reply))).flags & flags.RA


@pytest.mark.parametrize(("asked", "shown"), [(flags.RD, False), (flags.RD | flags.AD, True)])
def test_authentic_data_is_shown_to_those_who_asked_for_it(asked, shown):
    reply = a_reply(a_query(), "www.example.com. 30 A 10.0.0.1", flags=flags.AD)

    assert bool(parsed(dressed(a_query(flags=asked), reply)).flags & flags.AD) is shown


def test_an_answer_that_does_not_fit_says_so():
    answer = dressed(a_query("web.example.com"), a_reply(a_query("web.example.com"), *MANY), 512)

    assert len(answer) <= 512
    assert parsed(answer).flags & flags.TC


def test_shared_addresses_are_cut_without_a_word():
    answer = dressed(a_query("web.example.com"), a_reply(a_query("web.example.com"), *MANY), 512, share=True)

    assert len(answer) <= 512
    assert not parsed(answer).flags & flags.TC
    assert len(addresses_in(answer)) == (512 - 12 - 21) // 16


def test_the_additional_section_goes_first_and_without_truncation():
    query = a_query("_web._tcp.example.com", "SRV")
    answers = [f"_web._tcp.example.com. 0 SRV 1 1 80 host{number}.example.com." for number in range(11)]
    extra = [f"host{number}.example.com. 0 A 10.0.0.{number}" for number in range(11)]

    answer = parsed(dressed(query, a_reply(query, *answers, extra=tuple(extra)), 512))

    assert not answer.flags & flags.TC
    assert len(answer.answer[0]) == 11
    assert 0 < len(answer.additional) < 11


@given(st.integers(512, 1800), st.integers(0, 100), st.booleans())
def test_no_answer_is_larger_than_its_limit(limit, count, edns):
    query = a_query("web.example.com", use_edns=0 if edns else -1)

    answer = dressed(query, a_reply(query, *MANY[:count]), limit)

    assert len(answer) <= limit
    assert len(addresses_in(answer)) == count or parsed(answer).flags & flags.TC


def test_ttls_are_aged_by_the_same_amount_and_never_below_zero():
    reply = a_reply(a_query("a.example"), "a.example. 100 A 10.0.0.1", "a.example. 5 AAAA ::1")

    aged = parsed(b"\0\1" + with_ttl(read_reply(reply[2:]), 10).body)

    assert [rrset.ttl for rrset in aged.answer] == [90, 0]


def test_an_error_carries_its_reason_to_clients_with_edns_only():
    query = read_query(a_query(use_edns=0)[2:])

    assert reason_in(b"\0\1" + error(query, REFUSED, (18, "not on the list"))) == (18, "not on the list")
    assert parsed(b"\0\1" + error(read_query(a_query()[2:]), REFUSED, (18, "x"))).edns == -1


def test_badvers_has_its_high_bits_in_the_opt():
    answer = parsed(b"\0\1" + error(read_query(a_query(use_edns=1)[2:]), BADVERS))

    assert (answer.rcode(), answer.edns) == (16, 0)


def test_an_unreadable_packet_gets_its_question_back_when_that_much_is_there():
    broken = a_query("www.example.com")[2:] + b"junk"

    assert parsed(b"\0\1" + bare_error(broken, FORMERR)).question[0].name.to_text() == "www.example.com."
    assert bare_error(b"\1\0\0\1\0\0\0\0\0\0\xff", FORMERR)[2:4] == b"\0\0"


def test_an_unknown_opcode_gets_an_empty_answer():
    answer = bare_error(b"\x79\0\0\1" + a_query()[6:], NOTIMP)

    assert (answer[0] & 0x78, answer[1] & 15, answer[2:10]) == (0x78, NOTIMP, bytes(8))


def test_a_question_to_a_server_carries_the_client_s_rd_and_cd():
    query = read_query(a_query(flags=flags.CD)[2:])

    sent = parsed(b"\0\1" + ask(query, Edns()))

    assert sent.flags == flags.CD
    assert sent.payload == 1232
