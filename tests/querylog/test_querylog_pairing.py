"""Queries find their replies, and nothing waits for ever."""

from builders import a_query, a_reply

from panteras_dns.querylog.pairing import PATIENCE, Pairing
from panteras_dns.querylog.tap import TCP_QUERY, TCP_REPLY, UDP_QUERY, UDP_REPLY

ONE, TWO = ("10.0.0.1", 1000), ("10.0.0.2", 1000)
QUERY = a_query(id=7)
REPLY = a_reply(QUERY, "www.example.com. 60 A 192.0.2.1")


def told(exchanges):
    return [(one.client, one.tcp, bool(one.query), bool(one.reply), one.asked, one.answered) for one in exchanges]


def test_a_reply_goes_with_the_query_of_its_client_id_and_transport():
    pairing = Pairing()
    queries = [(UDP_QUERY, 1.0, [(QUERY, ONE), (QUERY, TWO)]), (TCP_QUERY, 1.0, [(QUERY, ONE)])]
    assert told(pairing.take(queries)) == []

    over = told(pairing.take([(TCP_REPLY, 2.0, [(REPLY, ONE)]), (UDP_REPLY, 3.0, [(REPLY, TWO)])]))

    assert over == [("10.0.0.1", True, True, True, 1.0, 2.0), ("10.0.0.2", False, True, True, 1.0, 3.0)]


def test_a_reply_whose_query_was_left_out_is_told_alone():
    assert told(Pairing().take([(UDP_REPLY, 3.0, [(REPLY, ONE)])])) == [("10.0.0.1", False, False, True, 3.0, 3.0)]


def test_a_query_without_a_reply_is_told_after_a_while():
    pairing = Pairing()
    list(pairing.take([(UDP_QUERY, 1.0, [(QUERY, ONE)])]))

    assert told(pairing.sweep(1.0 + PATIENCE - 0.1)) == []
    assert told(pairing.sweep(1.0 + PATIENCE)) == [("10.0.0.1", False, True, False, 1.0, 1.0)]
    assert told(pairing.sweep(100.0)) == []


def test_a_query_that_comes_again_is_two():
    pairing = Pairing()
    again = told(pairing.take([(UDP_QUERY, 1.0, [(QUERY, ONE)]), (UDP_QUERY, 2.0, [(QUERY, ONE)])]))

    assert again == [("10.0.0.1", False, True, False, 1.0, 1.0)]
    assert len(told(pairing.take([(UDP_REPLY, 3.0, [(REPLY, ONE)])]))) == 1


def test_only_so_many_wait():
    pairing = Pairing(most=10)
    over = told(pairing.take([(UDP_QUERY, 1.0, [(a_query(id=number), ONE) for number in range(15)])]))

    assert len(over) == 5
