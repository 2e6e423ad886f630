"""A line says what was asked and what became of it, whatever was sent."""

import json

from builders import a_query, a_reply
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.querylog import dnstap
from panteras_dns.querylog.lines import line, truncated
from panteras_dns.querylog.pairing import Exchange


def an_exchange(query: bytes = b"", reply: bytes = b"") -> Exchange:
    return Exchange("10.0.0.1", 5, False, query, 1.0, reply, 1.25)


def shown(exchange: Exchange, **who: str) -> dict:
    return json.loads(line(exchange, exchange.client, who))


def test_a_whole_exchange():
    query = a_query("Web.service.consul")
    reply = a_reply(query, "Web.service.consul. 0 A 10.0.0.7")

    assert line(an_exchange(query, reply), "10.0.0.0", {"10.0.0.1": "web-1"}).endswith(b"}\n")
    assert json.loads(line(an_exchange(query, reply), "10.0.0.0", {"10.0.0.1": "web-1"})) == {
        "at": "1970-01-01T00:00:01.000+00:00",
        "client": "10.0.0.0",
        "transport": "udp",
        "name": "web.service.consul",
        "type": "A",
        "rcode": "NOERROR",
        "ms": 250.0,
        "container": "web-1",
        "answers": ["10.0.0.7"],
    }


def test_half_of_one():
    query = a_query("web.service.consul", "SRV")
    unanswered, alone = shown(an_exchange(query)), shown(an_exchange(reply=a_reply(query, rcode=3)))

    assert (unanswered["name"], unanswered["type"], unanswered["rcode"], unanswered["ms"]) == (
        "web.service.consul",
        "SRV",
        None,
        None,
    )
    assert (alone["name"], alone["type"], alone["rcode"], alone["ms"]) == (
        "web.service.consul",
        "SRV",
        "NXDOMAIN",
        None,
    )


@given(st.binary(min_size=12, max_size=200), st.binary(min_size=12, max_size=200))
def test_any_packets_make_one_line_and_two_messages(query, reply):
    exchange = an_exchange(query, reply)

    told = line(exchange, exchange.client, {})

    assert told.count(b"\n") == 1
    assert json.loads(told)["client"] == "10.0.0.1"
    assert len(list(dnstap.messages(exchange, exchange.client))) == 2


def test_of_a_client_only_the_network():
    assert [truncated(one) for one in ("10.1.2.3", "2001:db8:1:2::3")] == ["10.1.2.0", "2001:db8:1::"]
