"""Asking the docker host's DNS: answers, silence, and what is neither."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from dnslib import QTYPE, RCODE, RR, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access import lookup
from panteras_dns.access.lookup import Unknown

Script = Callable[[DNSRecord], list[bytes]]


class Server:
    """A DNS server that answers as it is told to, over UDP and TCP on one port."""

    def __init__(self, script: Script, over_tcp: Script | None = None) -> None:
        self._script, self._over_tcp = script, over_tcp or script
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._answer_udp, self._answer_tcp)]
        for thread in self._threads:
            thread.start()

    def _answer_udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, client = self._udp.recvfrom(65_535)
                if not data:
                    return
                for reply in self._script(DNSRecord.parse(data)):
                    self._udp.sendto(reply, client)

    def _answer_tcp(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._tcp.accept()
            with client, client.makefile("rb") as stream:
                if size := int.from_bytes(stream.read(2)):
                    for reply in self._over_tcp(DNSRecord.parse(stream.read(size))):
                        client.sendall(len(reply).to_bytes(2) + reply)

    def stop(self) -> None:
        self._udp.sendto(b"", ("127.0.0.1", self.port))
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._tcp.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(*scripts: Script) -> Server:
        made.append(Server(*scripts))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def ask(server: Server, seconds: float = 2.0) -> DNSRecord:
    return lookup.ask("127.0.0.1", "web.service.consul", "A", time.monotonic() + seconds, server.port)


def saying(query: DNSRecord, address: str = "10.1.0.5", rcode: int = 0, tc: int = 0, other_id: int = 0) -> bytes:
    reply = query.reply()
    reply.header.rcode, reply.header.tc = rcode, tc
    reply.header.id ^= other_id
    if not rcode:
        reply.add_answer(*RR.fromZone(f"web.service.consul 0 IN A {address}"))
    return bytes(reply.pack())


def test_the_answer_is_the_one_to_this_question(server):
    made = server(lambda query: [saying(query, "10.6.6.6", other_id=1), saying(query)])

    assert [str(one.rdata) for one in ask(made).rr] == ["10.1.0.5"]


def test_what_was_too_long_for_udp_comes_over_tcp(server):
    made = server(lambda query: [saying(query, "10.6.6.6", tc=1)], lambda query: [saying(query)])

    assert [str(one.rdata) for one in ask(made).rr] == ["10.1.0.5"]


def test_nothing_of_that_name_is_an_answer_and_a_failure_is_none(server):
    nothing = ask(server(lambda query: [saying(query, rcode=RCODE.NXDOMAIN)]))

    assert (nothing.header.rcode, nothing.rr) == (RCODE.NXDOMAIN, [])
    for rcode in (RCODE.SERVFAIL, RCODE.REFUSED):
        with pytest.raises(Unknown, match=f"rcode {rcode}"):
            ask(server(lambda query, rcode=rcode: [saying(query, rcode=rcode)]))


@pytest.mark.parametrize(
    "script",
    [
        lambda query: [],
        lambda query: [b"garbage"],
        lambda query: [saying(query)[:20]],
        lambda query: [saying(query, other_id=1)] * 200,
    ],
    ids=["silence", "garbage", "half", "others"],
)
def test_no_answer_is_told_in_time(server, script):
    made = server(script)
    began = time.monotonic()

    with pytest.raises(Unknown):
        ask(made, 0.2)

    assert time.monotonic() - began < 1


def test_a_nameserver_that_ends_in_the_middle_of_tcp_gives_no_answer(server):
    with pytest.raises(Unknown):
        ask(server(lambda query: [saying(query, tc=1)], lambda query: []), 1)


def test_addresses_are_taken_from_a_reply_with_the_name_that_was_asked_for():
    query = DNSRecord.question("WEB.service.Consul")

    assert lookup.answers(saying(query)) == ("web.service.consul", {"10.1.0.5"})


@given(st.binary(max_size=300), st.integers(0, 100), st.integers(0, 255))
def test_any_bytes_are_a_reply_or_none(data, at, byte):
    damaged = bytearray(saying(DNSRecord.question("web.service.consul", "SRV")))
    damaged[at % len(damaged)] = byte
    for packet in (data, bytes(damaged), bytes(damaged[:at])):
        name, addresses = lookup.answers(packet)
        assert isinstance(name, str) and isinstance(addresses, set)


def test_every_kind_that_is_asked_for_has_a_number():
    assert (QTYPE.SRV, QTYPE.A, QTYPE.AAAA) == (33, 1, 28)
