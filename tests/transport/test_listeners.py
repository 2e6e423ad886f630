"""Connections in memory: framing, limits, and clients that misbehave."""

import pytest
from builders import Reactor, World, a_query, a_reply
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from panteras_dns.records import special_names
from panteras_dns.transport.listeners import TcpBounds, TcpListener
from panteras_dns.transport.turns import Turns
from panteras_dns.wire import frame, unframe

PEER = IPv4Address("TCP", "127.0.0.1", 40000)


class Wire(StringTransport):
    """A connection in memory."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        assert enabled


class Lab:
    def __init__(self, **bounds) -> None:
        self.world = World(special=special_names())
        self.reactor = Reactor()
        self.listener = TcpListener(self.world.forwarder, Turns(self.reactor), TcpBounds(**bounds))

    def connect(self, host: str = "127.0.0.1"):
        connection = self.listener.buildProtocol(IPv4Address("TCP", host, 40000))
        if connection is not None:
            connection.makeConnection(Wire(peerAddress=PEER))
        return connection


def answers(connection) -> list[bytes]:
    return unframe(bytearray(connection.transport.value()))


def respond(world: World, count: int | None = None) -> None:
    """Consul answers what it was asked."""
    consul = world.consul[0]
    for key in list(consul.pending)[:count]:
        query = next(query for query in consul.asked if query[:2] == key)
        world.forwarder.answered([a_reply(query)], consul.pending, consul, world.now)


def test_messages_are_answered_however_they_are_cut():
    lab = Lab()
    connection = lab.connect()
    stream = frame(a_query("a.service.consul", id=1)) + frame(a_query("b.service.consul", id=2))

    for octet in stream:
        connection.dataReceived(bytes([octet]))
    respond(lab.world)

    assert [answer[:2] for answer in answers(connection)] == [b"\0\1", b"\0\2"]


def test_a_connection_with_many_open_questions_is_not_read_until_some_are_answered():
    lab = Lab(in_flight=5)
    connection = lab.connect()

    connection.dataReceived(b"".join(frame(a_query(f"n{number}.service.consul", id=number)) for number in range(12)))

    assert len(lab.world.consul[0].asked) == 5
    assert connection.transport.producerState == "paused"
    respond(lab.world, 2)
    assert len(lab.world.consul[0].asked) == 7
    for _ in range(3):
        respond(lab.world)
    assert len(answers(connection)) == 12
    assert connection.transport.producerState == "producing"


LOCAL = b"".join(frame(a_query("localhost", id=number)) for number in range(12))  # answered at once


def test_a_long_pipeline_is_read_turn_by_turn_and_not_beyond_it():
    lab = Lab(in_flight=5)
    connection = lab.connect()

    connection.dataReceived(LOCAL)
    assert len(answers(connection)) == 5 and connection.transport.producerState == "paused"
    (turn,) = lab.reactor.getDelayedCalls()
    go_on = turn.func
    turn.cancel()
    go_on()
    assert len(answers(connection)) == 10 and connection.transport.producerState == "paused"
    lab.reactor.advance(0)
    assert len(answers(connection)) == 12 and connection.transport.producerState == "producing"
    assert lab.reactor.getDelayedCalls() == []


def test_a_long_pipeline_of_a_client_that_says_no_more_is_answered_to_its_end():
    lab = Lab(in_flight=5)
    connection = lab.connect()
    connection.dataReceived(LOCAL)

    connection.readConnectionLost()
    assert not connection.transport.disconnecting
    lab.reactor.pump([0, 0])

    assert len(answers(connection)) == 12 and connection.transport.disconnecting


def test_nothing_more_is_read_of_a_client_that_takes_no_answers_until_it_does():
    lab = Lab(in_flight=5)
    connection = lab.connect()
    connection.dataReceived(LOCAL)
    connection.pauseProducing()

    lab.reactor.pump([0, 0, 0])
    assert len(answers(connection)) == 5
    connection.resumeProducing()
    lab.reactor.pump([0, 0])

    assert len(answers(connection)) == 12 and connection.transport.producerState == "producing"


def test_a_client_that_is_gone_is_not_read_on():
    lab = Lab(in_flight=5)
    connection = lab.connect()
    connection.dataReceived(LOCAL)
    connection.connected = 0
    connection.connectionLost()

    lab.reactor.advance(0)
    assert len(answers(connection)) == 5


def test_a_client_has_so_many_connections_and_no_more():
    lab = Lab(per_client=2, connections=3)

    made = [lab.connect("10.0.0.1") for _ in range(3)] + [lab.connect("10.0.0.2") for _ in range(2)]

    assert [connection is not None for connection in made] == [True, True, False, True, False]
    assert lab.listener.turned_away == 2
    made[0].connectionLost()
    assert lab.connect("10.0.0.1") is not None


def test_silence_is_cut_but_not_a_client_that_waits_for_an_answer():
    lab = Lab(idle=10)
    silent, waiting = lab.connect(), lab.connect()
    waiting.dataReceived(frame(a_query("a.service.consul")))

    lab.listener.sweep(silent.moved + 9)
    assert not silent.transport.disconnecting
    lab.listener.sweep(silent.moved + 11)

    assert silent.transport.disconnected or silent.transport.aborting
    assert not waiting.transport.disconnected
    assert lab.listener.cut == 1


def test_single_bytes_keep_no_connection_alive():
    lab = Lab(idle=10)
    connection = lab.connect()
    began = connection.moved

    connection.dataReceived(b"\0")
    lab.listener.sweep(began + 11)

    assert lab.listener.cut == 1


def test_a_client_that_takes_no_answers_is_cut():
    lab = Lab(idle=10)
    connection = lab.connect()
    connection.dataReceived(frame(a_query("a.service.consul")))

    connection.pauseProducing()
    assert connection.transport.producerState == "paused"
    lab.listener.sweep(connection.moved + 11)

    assert lab.listener.cut == 1


def test_a_client_that_will_say_no_more_is_let_go_after_its_last_answer():
    lab = Lab()
    connection = lab.connect()
    connection.dataReceived(frame(a_query("a.service.consul")))

    connection.readConnectionLost()
    assert not connection.transport.disconnecting
    respond(lab.world)

    assert len(answers(connection)) == 1
    assert connection.transport.disconnecting


def test_an_answer_to_a_client_that_has_gone_is_nobody_s():
    lab = Lab()
    connection = lab.connect()
    connection.dataReceived(frame(a_query("a.service.consul")))
    connection.connected = 0
    connection.connectionLost()

    respond(lab.world)

    assert answers(connection) == []
    assert lab.listener.connections == {}


@pytest.mark.parametrize("junk", [b"\0\0", b"\0\1x", b"\0\5abcde", frame(b"\0\1\x80" + bytes(30))])
def test_what_deserves_no_answer_leaves_no_question_open(junk):
    lab = Lab()
    connection = lab.connect()

    connection.dataReceived(junk)

    assert connection.open == 0
    assert answers(connection) == []
