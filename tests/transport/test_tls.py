"""DNS over TLS against real servers on loopback: who is believed, and what becomes of questions."""

import contextlib
import resource
import threading
from datetime import timedelta
from time import monotonic

import pytest
from builders import a_query, a_reply, addresses_in, parsed, rcode_of, reason_in
from encrypted import DAY, Authority, DotServer, framed
from stand import Stand

from panteras_dns.remote import Encrypted, remote
from panteras_dns.transport.tls import TlsServer
from panteras_dns.transport.trust import authorities

AUTHORITY = Authority()


def right(query: bytes, _: int = 0) -> bytes:
    name = parsed(query).question[0].name
    return framed(a_reply(query, f"{name} 60 A 192.0.2.1"))


@pytest.fixture
def place():
    """Makes a server with a script and a stand before it."""
    with contextlib.ExitStack() as stack:

        def make(script=right, name="dns.test", context=None, plain=False, pem=AUTHORITY.pem, **options):
            context = None if plain else context or AUTHORITY.context("dns.test", "127.0.0.1")
            server = DotServer(context, script)
            stack.callback(server.close)
            behind = f"#{name}" if name else ""
            stand = Stand(TlsServer, f"tls://127.0.0.1:{server.port}{behind}", pem, **options)
            stack.callback(stand.close)
            return stand, server

        yield make


# Questions ----------------------------------------------------------------------------------------


def test_a_question_is_answered_by_a_server_that_proves_its_name(place):
    stand, server = place()

    stand.ask()

    assert addresses_in(stand.answers()[0]) == ["192.0.2.1"]
    assert server.names == ["dns.test"]
    assert (stand.health.answered, stand.server.open_questions) == (1, 0)


def test_one_connection_serves_all_questions(place):
    stand, server = place()
    for number in range(50):
        stand.ask(f"n{number}.example", number)

    assert {parsed(packet).id for packet in stand.answers(50)} == set(range(50))
    stand.ask("later.example")
    stand.answers(51)
    assert len(server.connections) == 1


def test_each_question_on_a_connection_has_an_id_of_its_own(place):
    stand, server = place()
    for number in range(200):
        stand.ask(f"n{number}.example", 7)
    stand.answers(200)

    ids = [query[:2] for query in server.queries]
    assert len(set(ids)) == 200
    assert ids != sorted(ids)


def test_replies_may_come_in_any_order(place):
    held = []

    def script(query, count):
        held.append(query)
        return b"".join(map(right, reversed(held))) if count == 9 else None

    stand, _ = place(script)
    for number in range(10):
        stand.ask(f"n{number}.example", number)

    answers = stand.answers(10)
    assert [parsed(packet).id for packet in answers] == list(reversed(range(10)))
    assert all(parsed(packet).question[0].name == parsed(packet).answer[0].name for packet in answers)


def test_queries_are_padded_to_blocks_of_128(place):
    stand, server = place()
    for number, name in enumerate(("a.example", "a-much-longer-name-than-that.with.many.labels.example")):
        stand.ask(name, number)
    answers = stand.answers(2)

    assert {len(query) for query in server.queries} == {128}
    assert all(12 in [option.otype for option in parsed(query).options] for query in server.queries)
    assert [parsed(packet).options for packet in answers] == [(), ()]


def test_a_reply_that_arrives_byte_by_byte_is_an_answer(place):
    sockets = []

    def script(query, _):
        for byte in right(query):
            sockets[0].connections[0].sendall(bytes([byte]))

    stand, server = place(script)
    sockets.append(server)
    stand.ask()

    assert addresses_in(stand.answers()[0]) == ["192.0.2.1"]


def test_the_largest_message_is_an_answer(place):
    def script(query, _):
        records = [f"www.example.com. 60 TXT {'x' * 250}"]
        reply = bytearray(a_reply(query, *records))
        return framed(bytes(reply) + bytes(65535 - len(reply)))

    stand, _ = place(script)
    stand.ask(kind="TXT")

    assert rcode_of(stand.answers()[0]) == "NOERROR"


def test_garbage_is_counted_and_the_wait_goes_on(place):
    def script(query, _):
        other = a_reply(a_query("other.example", id=int.from_bytes(query[:2])), "other.example. 60 A 6.6.6.6")
        unknown = bytes([query[0] ^ 1]) + a_reply(query, "www.example.com. 60 A 6.6.6.6")[1:]
        return framed(b"", b"\0", query[:2], query[:2] + b"\xff" * 40, other, unknown) + right(query)

    stand, _ = place(script)
    stand.ask()

    assert addresses_in(stand.answers()[0]) == ["192.0.2.1"]
    assert stand.health.strays == 6


def test_an_answer_cut_short_is_passed_on_and_not_asked_again(place):
    stand, server = place(lambda query, _: framed(a_reply(query, flags=0x0200)))
    stand.ask()

    assert parsed(stand.answers()[0]).flags & 0x0200
    assert len(server.queries) == 1


def test_questions_in_flight_are_bounded(place):
    stand, _ = place(lambda query, count: None)
    taken = 0
    while stand.server.ask((None, b"", None, None, monotonic(), None), b"x"):
        taken += 1

    assert taken == 4096
    assert stand.health.full == 1
    stand.server._questions.pending.clear()


# Connections that end -----------------------------------------------------------------------------


def test_a_server_that_closes_with_questions_open_is_asked_once_more(place):
    def script(query, count):
        if count < 2:
            return None
        if count == 2:
            raise ConnectionError
        return right(query)

    stand, server = place(script)
    for number in range(3):
        stand.ask(f"n{number}.example", number)

    assert {rcode_of(packet) for packet in stand.answers(3)} == {"NOERROR"}
    assert len(server.connections) == 2
    assert len(server.queries) == 6
    assert stand.changes == []


def test_a_server_that_always_closes_fails_after_the_second_time(place):
    def script(query, count):
        raise ConnectionError

    stand, server = place(script)

    assert stand.fails() == "closed the connection"
    assert len(server.queries) == 2


def test_a_server_that_closes_an_idle_connection_has_not_failed(place):
    stand, server = place()
    stand.ask("first.example")
    stand.answers()
    server.hang_up()
    stand.until(lambda: stand.server._connector is None)

    stand.ask("second.example")

    assert rcode_of(stand.answers(2)[1]) == "NOERROR"
    assert len(server.connections) == 2
    assert stand.changes == []


def test_we_close_what_nobody_uses(place):
    stand, server = place()
    stand.ask("first.example")
    stand.answers()

    stand.server.sweep(monotonic() + 121)
    stand.until(lambda: stand.server._connector is None)
    stand.ask("second.example")

    assert rcode_of(stand.answers(2)[1]) == "NOERROR"
    assert len(server.connections) == 2
    assert stand.changes == []


def test_a_slow_server_fails_in_time_and_its_late_reply_is_a_stray(place):
    late = threading.Event()

    def script(query, count):
        if count == 0:
            late.wait(5)
        return right(query)

    stand, server = place(script, timeout=0.3)
    began = monotonic()

    assert stand.fails() == "did not answer in time"
    assert 0.25 < monotonic() - began < 1.5
    late.set()
    stand.until(lambda: stand.health.strays >= 1 or stand.health.down_since is None)
    assert len(server.connections) == 1


def test_a_silent_connection_is_given_up_and_made_again(place):
    def script(query, count):
        return right(query) if len(server.connections) > 1 else None

    stand, server = place(script, timeout=0.2, attempts=3)
    stand.ask()

    assert rcode_of(stand.answers()[0]) == "NOERROR"
    assert len(server.connections) == 2
    assert stand.health.timeouts >= 2


def test_a_marked_server_is_probed_and_any_answer_clears_it(place):
    stand, server = place()
    stand.health.failure("did not answer in time", monotonic())

    stand.until(lambda: stand.health.down_since is None)

    assert len(server.queries) == 1
    assert stand.server.open_questions == 0


def test_without_a_descriptor_for_the_connection_the_server_stays_up(place):
    stand, _ = place()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        stand.ask("a.example", use_edns=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert "was not asked: Too many open files" in reason_in(stand.answers()[0])[1]
    assert (stand.changes, stand.health.full) == ([], 1)
    stand.ask("b.example")
    assert addresses_in(stand.answers(2)[1]) == ["192.0.2.1"]


def test_a_closed_server_makes_no_more_connections(place):
    stand, server = place(lambda query, _: None)
    stand.ask()
    stand.until(lambda: server.queries)

    stand.server.close()
    stand.until(lambda: stand.server._connector is None)
    stand.server.sweep(monotonic())

    assert stand.server._connector is None
    assert not stand.server.ask((None, b"", None, None, monotonic(), None), b"x")


# Who is believed ----------------------------------------------------------------------------------


def test_a_certificate_for_another_name_ends_the_handshake(place):
    stand, server = place(name="dns.example")

    assert stand.fails() == "has a certificate that is not for dns.example"
    assert server.queries == []
    stand.until(lambda: server.refusals)


def test_a_name_may_be_one_of_many_or_covered_by_a_star(place):
    stand, _ = place(name="one.dns.test", context=AUTHORITY.context("other.test", "*.dns.test"))
    stand.ask()

    assert rcode_of(stand.answers()[0]) == "NOERROR"


def test_a_common_name_is_no_name(place):
    stand, _ = place(context=AUTHORITY.context())

    assert stand.fails() == "has a certificate that is not for dns.test"


def test_without_a_name_the_certificate_must_be_for_the_address(place):
    stand, server = place(name="")
    stand.ask()

    assert rcode_of(stand.answers()[0]) == "NOERROR"
    assert server.names == [None]  # RFC 6066 3: no address in SNI


def test_a_certificate_without_the_address_is_not_for_it(place):
    stand, _ = place(name="", context=AUTHORITY.context("dns.test", "127.0.0.2"))

    assert stand.fails() == "has a certificate that is not for 127.0.0.1"


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [(-2 * DAY, -DAY, "has expired"), (DAY / 24, DAY, "is not valid yet")],
    ids=["expired", "not yet"],
)
def test_a_certificate_out_of_its_time_ends_the_handshake(place, begins: timedelta, ends: timedelta, reason: str):
    stand, server = place(context=AUTHORITY.context("dns.test", begins=begins, ends=ends))

    assert stand.fails() == f"has a certificate that {reason}"
    assert server.queries == []


@pytest.mark.parametrize("pem", [Authority().pem, Authority("another").pem, b""], ids=["same name", "other", "system"])
def test_a_certificate_from_an_unknown_authority_ends_the_handshake(place, pem):
    stand, server = place(pem=pem)

    assert stand.fails() == "has a certificate that no authority we trust has signed"
    assert server.queries == []


def test_authorities_that_are_none_are_an_error_at_once():
    with pytest.raises(ValueError, match="no certificates"):
        authorities(b"nothing like PEM")


def test_a_server_without_tls_gets_no_question(place):
    heard = []

    def script(query, _):
        heard.append(query)
        return b"\0\x02no"

    stand, server = place(script, plain=True)
    server.talk = lambda connection: (heard.append(connection.recv(4096)), connection.sendall(b"SSH-2.0-x\r\n"))

    assert stand.fails() == "does not speak TLS"
    assert b"example" not in b"".join(heard)


def test_a_server_that_says_nothing_to_the_handshake_fails_in_time(place):
    done = threading.Event()
    stand, server = place(plain=True, timeout=0.3)
    server.talk = lambda connection: done.wait(8)
    stand.ask()
    stand.until(lambda: server.connections, sweeps=False)

    stand.server.sweep(monotonic() + 1)
    assert stand.sent == []
    stand.server.sweep(monotonic() + 1.5)
    assert rcode_of(stand.sent[0]) == "SERVFAIL"
    assert stand.health.reason == "did not complete a TLS connection in time"

    stand.server.sweep(monotonic() + 3)
    stand.until(lambda: stand.health.reason == "did not complete the TLS handshake in time", sweeps=False)
    done.set()


def test_a_server_that_hangs_up_in_the_handshake_fails(place):
    stand, server = place(plain=True)
    server.talk = lambda connection: connection.recv(4096)

    assert stand.fails() == "closed the connection during the TLS handshake"


def test_nobody_there_is_told_at_once(place):
    stand, server = place()
    server.close()
    began = monotonic()

    assert stand.fails() == "refused the connection"
    assert stand.health.refused >= 1
    assert monotonic() - began < 0.5


def test_failing_handshakes_leave_pauses(place):
    stand, server = place(name="dns.example", attempts=3)
    began = monotonic()
    stand.fails()

    took = monotonic() - began
    stand.until(lambda: len(server.refusals) >= 3)
    assert took > 0.45


def test_a_server_that_got_its_certificate_right_is_used_again(place):
    wrong, right_one = AUTHORITY.context("wrong.test"), AUTHORITY.context("dns.test")
    stand, server = place(context=wrong)
    assert stand.fails() == "has a certificate that is not for dns.test"

    server._context = right_one
    stand.until(lambda: stand.health.down_since is None)
    stand.ask()

    assert rcode_of(stand.answers(2)[1]) == "NOERROR"


def test_settings_with_other_authorities_are_other_settings():
    place = remote("tls://127.0.0.1#dns.test")

    assert Encrypted(place, 0.8, b"a") == Encrypted(place, 0.8, b"a")
    assert Encrypted(place, 0.8, b"a") != Encrypted(place, 0.8, b"b")
