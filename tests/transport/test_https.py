"""DNS over HTTPS against real HTTP/2 servers on loopback."""

import contextlib
from time import monotonic
from types import SimpleNamespace

import pytest
from builders import a_query, a_reply, addresses_in, parsed, rcode_of
from encrypted import Authority, DohServer, DotServer
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import strategies as st
from stand import Stand

from panteras_dns.remote import remote
from panteras_dns.transport.https import HttpsServer

AUTHORITY = Authority()


def right(exchange) -> None:
    name = parsed(exchange.query).question[0].name
    exchange.answer(a_reply(exchange.query, f"{name} 60 A 192.0.2.1"))


@pytest.fixture
def place():
    """Makes a server with a script and a stand before it."""
    with contextlib.ExitStack() as stack:

        def make(script=right, name="dns.test", path="/dns-query", server=None, **options):
            context = AUTHORITY.context("dns.test", protocols=("h2",))
            server = server or DohServer(context, script, options.pop("streams", 100))
            stack.callback(server.close)
            stand = Stand(HttpsServer, f"https://127.0.0.1:{server.port}{path}#{name}", AUTHORITY.pem, **options)
            stack.callback(stand.close)
            return stand, server

        yield make


# Questions ----------------------------------------------------------------------------------------


def test_a_question_is_posted_and_answered(place):
    stand, server = place(path="/resolve")

    stand.ask()

    assert addresses_in(stand.answers()[0]) == ["192.0.2.1"]
    assert server.exchanges[0].headers == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"dns.test:{server.port}",
        ":path": "/resolve",
        "accept": "application/dns-message",
        "content-type": "application/dns-message",
        "content-length": "128",
    }


def test_questions_have_no_id_on_the_wire_and_clients_get_their_own(place):
    stand, server = place()
    for number in (1, 2, 3):
        stand.ask(f"n{number}.example", number)

    assert [parsed(packet).id for packet in stand.answers(3)] == [1, 2, 3]
    assert {exchange.query[:2] for exchange in server.exchanges} == {b"\0\0"}
    assert {len(exchange.query) for exchange in server.exchanges} == {128}
    assert len(server.connections) == 1


def test_streams_may_be_answered_in_any_order(place):
    def script(exchange):
        if len(exchange.server.exchanges) == 10:
            for waiting in reversed(exchange.server.exchanges):
                right(waiting)

    stand, _ = place(script)
    for number in range(10):
        stand.ask(f"n{number}.example", number)

    assert [parsed(packet).id for packet in stand.answers(10)] == list(reversed(range(10)))


def test_no_more_streams_are_open_than_the_server_takes(place):
    stand, server = place(streams=3)
    stand.ask("first.example")
    stand.answers()
    for number in range(40):
        stand.ask(f"n{number}.example", number)

    stand.answers(41)
    assert server.most_open == 3
    assert stand.changes == []


def test_a_window_that_is_used_up_is_waited_for(place):
    """The server's window of 65,535 bytes holds 511 questions at most."""
    stand, server = place()
    for burst in range(3):
        for number in range(200):
            stand.ask(f"n{burst}-{number}.example", number)
        stand.answers(200 * burst + 200)

    assert len(server.connections) == 1
    assert stand.changes == []


def test_the_largest_message_is_an_answer_and_a_larger_one_is_not(place):
    def script(exchange):
        exchange.answer(size=65535 if len(exchange.server.exchanges) == 1 else 65536)

    stand, server = place(script)
    stand.ask()
    assert addresses_in(stand.answers()[0]) == ["192.0.2.1"]

    assert stand.fails() == "answered with more than 65535 bytes"
    assert len(server.connections) == 1


def test_a_reply_to_something_else_is_a_failure(place):
    other = a_reply(a_query("other.example"), "other.example. 60 A 6.6.6.6")
    for body in (b"", b"\0", b"\0\0", b"\xff" * 30, other):
        stand, _ = place(lambda exchange, body=body: exchange.answer(body))

        assert stand.fails() == "answered something else than was asked"


@pytest.mark.parametrize("status", [204, 301, 400, 404, 429, 500, 503])
def test_a_status_that_is_not_200_is_a_failure(place, status):
    stand, server = place(lambda exchange: exchange.answer(b"<html>", status))

    assert stand.fails() == f"answered with HTTP status {status}"
    assert len(server.exchanges) == 1


def test_another_kind_of_content_is_a_failure(place):
    stand, _ = place(lambda exchange: exchange.answer(kind="text/html"))

    assert stand.fails() == "answered with something else than application/dns-message"


def test_the_kind_of_content_may_carry_parameters(place):
    stand, _ = place(lambda exchange: exchange.answer(kind="Application/DNS-Message; charset=utf-8"))
    stand.ask()

    assert rcode_of(stand.answers()[0]) == "NOERROR"


@pytest.mark.parametrize(("age", "ttl"), [("25", 35), ("100", 0), ("9" * 30, 60), ("-5", 60), ("soon", 60)])
def test_time_spent_in_an_http_cache_is_taken_from_the_ttl(place, age, ttl):
    stand, _ = place(lambda exchange: exchange.answer(more=[("age", age)]))
    stand.ask()

    assert parsed(stand.answers()[0]).answer[0].ttl == ttl


def test_a_failure_leaves_the_other_streams_alone(place):
    def script(exchange):
        if len(exchange.server.exchanges) == 2:
            first, second = exchange.server.exchanges
            first.answer(b"", 500)
            right(second)

    stand, _ = place(script)
    stand.ask("a.example", 1)
    stand.ask("b.example", 2)

    answers = {parsed(packet).id: rcode_of(packet) for packet in stand.answers(2)}
    assert answers == {1: "SERVFAIL", 2: "NOERROR"}


def test_a_slow_stream_is_cancelled_in_time(place):
    stand, server = place(lambda exchange: None, timeout=0.2, streams=1)
    began = monotonic()

    assert stand.fails() == "did not answer in time"
    assert monotonic() - began < 1.5
    server._script = right  # the next one gets the only stream there is
    stand.until(lambda: stand.health.down_since is None)
    assert len(server.connections) == 1


# Connections that end -----------------------------------------------------------------------------


def test_a_goaway_with_questions_open_asks_them_once_more(place):
    def script(exchange):
        count = len(exchange.server.exchanges)
        if count == 3:
            exchange.http.close_connection()
            exchange.flush()
        elif count > 3:
            right(exchange)

    stand, server = place(script)
    for number in range(3):
        stand.ask(f"n{number}.example", number)

    assert {rcode_of(packet) for packet in stand.answers(3)} == {"NOERROR"}
    assert len(server.connections) == 2
    assert stand.changes == []


def test_a_goaway_on_an_idle_connection_is_no_failure(place):
    stand, server = place()
    stand.ask("first.example")
    stand.answers()
    last = server.exchanges[0]
    last.http.close_connection()
    last.flush()
    stand.until(lambda: stand.server._connector is None)

    stand.ask("second.example")

    assert rcode_of(stand.answers(2)[1]) == "NOERROR"
    assert stand.changes == []


def test_a_server_that_always_says_goaway_fails_after_the_second_time(place):
    def script(exchange):
        exchange.http.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        exchange.flush()

    stand, server = place(script)

    assert stand.fails() == "ended the HTTP/2 connection"
    assert len(server.exchanges) == 2


def test_a_stream_that_was_refused_is_tried_once_more(place):
    def script(exchange):
        if len(exchange.server.exchanges) == 1:
            exchange.reset(ErrorCodes.REFUSED_STREAM)
        else:
            right(exchange)

    stand, server = place(script)
    stand.ask()

    assert rcode_of(stand.answers()[0]) == "NOERROR"
    assert len(server.connections) == 1
    assert stand.changes == []


def test_a_server_that_refuses_every_stream_fails(place):
    stand, server = place(lambda exchange: exchange.reset(ErrorCodes.REFUSED_STREAM))

    assert stand.fails() == "refuses HTTP/2 streams"
    assert len(server.exchanges) == 2


def test_a_stream_that_is_reset_is_a_failure(place):
    stand, server = place(lambda exchange: exchange.reset(ErrorCodes.INTERNAL_ERROR))

    assert stand.fails() == "reset the HTTP/2 stream (INTERNAL_ERROR)"
    assert len(server.exchanges) == 1


def test_a_broken_frame_ends_the_connection(place):
    stand, server = place(lambda exchange: exchange.connection.sendall(a_frame(0, 0, 0, b"on no stream")))

    assert stand.fails() == "ended the HTTP/2 connection"
    assert len(server.connections) == 2


def test_a_frame_without_end_is_given_up_and_a_connection_made_again(place):
    def script(exchange):
        if len(exchange.server.connections) > 1:
            right(exchange)
        else:
            exchange.connection.sendall(b"\xff" * 100)

    stand, _ = place(script, timeout=0.2, attempts=3)
    stand.ask()

    assert rcode_of(stand.answers()[0]) == "NOERROR"


# Who is believed ----------------------------------------------------------------------------------


def test_a_certificate_for_another_name_ends_the_handshake(place):
    stand, server = place(name="dns.example")

    assert stand.fails() == "has a certificate that is not for dns.example"
    assert server.exchanges == []


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)], ids=["no ALPN", "HTTP/1.1"])
def test_a_server_without_http2_gets_no_question(place, protocols):
    heard = []
    server = DotServer(AUTHORITY.context("dns.test", protocols=protocols), lambda query, _: heard.append(query))
    stand, _ = place(server=server)

    assert stand.fails() == "does not speak HTTP/2"
    assert heard == []


# Any bytes ----------------------------------------------------------------------------------------


class Wire:
    """The transport of a link that nobody is behind."""

    negotiatedProtocol = b"h2"

    def __init__(self) -> None:
        self.aborted = False

    def write(self, data: bytes) -> None:
        pass

    def abortConnection(self) -> None:
        self.aborted = True


def a_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


FRAMES = st.builds(a_frame, st.integers(0, 10), st.integers(0, 255), st.integers(0, 6), st.binary(max_size=40))


@given(st.lists(FRAMES | st.binary(max_size=60), max_size=8))
def test_any_bytes_are_an_answer_a_failure_or_the_end_of_the_connection(chunks):
    over: list[str] = []
    server = SimpleNamespace(
        remote=remote("https://127.0.0.1#dns.test"),
        up=lambda link: None,
        drop=lambda link, reason: over.append(reason),
        answered=lambda packets: [],
        give_up=lambda keys, reason: None,
        ask_again=lambda key, reason: None,
    )
    link = HttpsServer.speaks(server)
    link.transport = Wire()
    link.handshakeCompleted()
    for number in range(3):
        link.send(bytes((0, number)), b"x" * 20)

    link.dataReceived(a_frame(4, 0, 0, b""))
    for chunk in chunks:
        if not over:
            link.dataReceived(chunk)
