"""The four calls on real sockets; `make test` runs this against the extension and over plain sockets."""

import os
import socket

import pytest

from panteras_dns import batch


@pytest.fixture
def pair():
    """A bound socket and one connected to it."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    client.connect(server.getsockname())
    yield server, client
    server.close()
    client.close()


def test_the_implementation_is_the_one_that_was_asked_for():
    wanted = os.environ.get("PANTERAS_BATCH")
    if wanted:
        assert batch.NATIVE is (wanted == "native")


def test_datagrams_go_there_and_back(pair):
    server, client = pair
    messages = [b"", b"x", b"y" * 65000]

    assert batch.write(batch.handle(client), messages) == 3
    found = batch.receive(batch.handle(server))
    assert [data for data, _ in found] == messages
    assert batch.send(batch.handle(server), [(data + b"!", address) for data, address in found[:2]]) == 2
    assert batch.read(batch.handle(client)) == [b"!", b"x!"]


def test_nothing_there_is_an_empty_list(pair):
    server, client = pair

    assert batch.receive(batch.handle(server)) == []
    assert batch.read(batch.handle(client)) == []


def test_one_turn_takes_a_bounded_number(pair):
    server, client = pair
    for _ in range(2):
        batch.write(batch.handle(client), [b"x"] * 100)

    assert len(batch.receive(batch.handle(server))) == batch.MOST
    assert len(batch.receive(batch.handle(server))) == 200 - batch.MOST


def test_more_than_a_batch_is_sent_whole(pair):
    server, client = pair

    assert batch.write(batch.handle(client), [b"x"] * (batch.MOST + 5)) == batch.MOST + 5
    batch.receive(batch.handle(server))
    assert len(batch.receive(batch.handle(server))) == 5


def test_what_can_not_be_sent_does_not_hold_up_the_rest(pair):
    server, client = pair
    batch.write(batch.handle(client), [b"x"])
    ((_, address),) = batch.receive(batch.handle(server))

    assert batch.send(batch.handle(server), [(b"z" * 70000, address), (b"good", address)]) == 1
    assert batch.read(batch.handle(client)) == [b"good"]


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_host_is_cut_out_of_an_address(family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        server.bind((host, 0))
        client.sendto(b"x", server.getsockname())
        ((_, address),) = batch.receive(batch.handle(server))

        found = address[batch.HOST[family]]

    assert found in (host, socket.inet_pton(family, host))


def test_a_refusal_is_told(pair):
    server, client = pair
    server.close()
    batch.write(batch.handle(client), [b"x"])

    with pytest.raises(ConnectionRefusedError):
        batch.read(batch.handle(client))


if batch.NATIVE:  # plain sockets check their arguments themselves

    @pytest.mark.parametrize("what", [[b"x"], [(b"x",)], [(b"x", "1.2.3.4")], [("x", b"y")], [(b"x", b"y" * 100)]])
    def test_the_extension_refuses_what_is_no_datagram(pair, what):
        with pytest.raises(TypeError):
            batch.send(batch.handle(pair[0]), what)
