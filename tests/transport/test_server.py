"""Servers over real sockets on loopback, with a clock of our own for the deadlines."""

import errno
import itertools
import resource
import socket
from time import monotonic

import pytest
from builders import CLIENT, Reactor, World, a_query, a_reply, addresses_in, reason_in
from twisted.internet.error import ConnectBindError
from twisted.python.failure import Failure

from panteras_dns.build import probe_plan
from panteras_dns.endpoint import Endpoint
from panteras_dns.transport.ports import Surroundings
from panteras_dns.transport.server import Server, Settings
from panteras_dns.transport.turns import Turns


class Lab:
    """A forwarder whose upstream is a real socket in our hands."""

    def __init__(self, shared: bool, mixes_case: bool = False) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.reactor, self.world = Reactor(), World()
        self.turns = Turns(self.reactor)
        self.world.now = monotonic()
        around = Surroundings(self.reactor, self.world.forwarder, self.turns)
        address = Endpoint("127.0.0.1", self.socket.getsockname()[1])
        self.server = Server(Settings(address, 0.8, shared, mixes_case=mixes_case), around, probe_plan("."))
        group = self.world.tables.routes.match(b"\0").group
        group.carriers = [self.server]
        group.refresh()
        self.server.health.changed = lambda _: group.refresh()

    def ask(self, name: str = "www.example.com", number: int = 1) -> tuple[bytes, tuple[str, int]]:
        """A client asks; what reaches the server, and from where."""
        self.world.ask(a_query(name, id=number))
        self.turns.flush()
        return self.socket.recvfrom(65535)

    def close(self) -> None:
        self.server.close()
        self.socket.close()


@pytest.fixture(params=[True, False], ids=["shared ports", "fresh ports"])
def lab(request):
    made = Lab(request.param)
    yield made
    made.close()


def test_a_question_goes_out_and_its_answer_comes_in(lab):
    query, client = lab.ask()
    lab.socket.sendto(a_reply(query, "www.example.com. 60 A 192.0.2.1"), client)

    lab.reactor.deliver()

    assert addresses_in(lab.world.sent[0]) == ["192.0.2.1"]
    assert lab.server.open_questions == 0
    assert lab.server.health.answered == 1


def test_a_wrong_answer_is_counted_and_the_wait_goes_on(lab):
    query, client = lab.ask()
    good = a_reply(query, "www.example.com. 60 A 192.0.2.1")
    lab.socket.sendto(bytes([query[0] ^ 1]) + good[1:], client)
    lab.reactor.deliver()
    assert lab.world.sent == []

    lab.socket.sendto(good, client)
    lab.reactor.deliver()

    assert len(lab.world.sent) == 1
    assert lab.server.health.strays == 1


def test_a_question_past_its_deadline_fails(lab):
    lab.ask()
    now = lab.world.now

    lab.server.sweep(now + 0.7)
    assert lab.server.health.timeouts == 0
    lab.server.sweep(now + 0.81)

    assert lab.server.health.timeouts == 1
    assert lab.server.health.down_since is not None


def test_a_refusal_needs_no_deadline(lab):
    lab.ask("a.example")
    lab.socket.close()
    lab.world.ask(a_query("b.example"))
    lab.turns.flush()

    lab.reactor.deliver()

    assert lab.server.health.refused >= 1
    assert "refused" in lab.server.health.reason


class FreshLab(Lab):
    """A server that nobody could be asked of yet: no socket is made ahead."""

    def __init__(self) -> None:
        super().__init__(shared=False)
        self.here = self.server.address
        self.told: list[str] = []
        refresh = self.server.health.changed
        self.server.health.changed = lambda health: (refresh(health), self.told.append(health.reason))

    def lose_the_way(self) -> None:
        """The system takes no datagram to where the server is from now on: no route would be said the same way."""
        self.server.address = Endpoint("255.255.255.255", 53)


@pytest.fixture
def fresh_lab():
    made = FreshLab()
    yield made
    made.close()


def test_without_a_way_to_a_server_it_is_marked_and_the_client_is_told_what_the_system_said(fresh_lab):
    fresh_lab.lose_the_way()

    answer = fresh_lab.world.ask(a_query(use_edns=0))

    assert reason_in(answer)[1] == "PAN310 " + f"{fresh_lab.here} can't be asked: Permission denied"
    assert fresh_lab.told == ["can't be asked: Permission denied"]
    assert fresh_lab.server.health.down_since == fresh_lab.world.now
    assert fresh_lab.server.health.full == 0


def test_a_way_that_comes_back_is_found_by_a_probe(fresh_lab):
    fresh_lab.lose_the_way()
    fresh_lab.world.ask(a_query())
    fresh_lab.server.address = fresh_lab.here

    fresh_lab.server.sweep(fresh_lab.world.now + 0.1)
    query, client = fresh_lab.socket.recvfrom(65535)
    fresh_lab.socket.sendto(a_reply(query), client)
    fresh_lab.reactor.deliver()

    assert fresh_lab.server.health.down_since is None


def test_sockets_made_for_a_way_that_is_gone_cost_no_question(fresh_lab):
    fresh_lab.server.sweep(fresh_lab.world.now)
    for port in fresh_lab.server._ahead:
        port.sock.shutdown(socket.SHUT_WR)  # nothing leaves through it any more

    fresh_lab.ask()

    assert fresh_lab.server.health.down_since is None
    assert fresh_lab.server.open_questions == 1


def test_without_a_descriptor_for_a_question_the_server_stays_up(fresh_lab):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        answer = fresh_lab.world.ask(a_query(use_edns=0))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert reason_in(answer)[1] == f"PAN310 {fresh_lab.here} was not asked: Too many open files"
    assert fresh_lab.server.health.down_since is None
    assert fresh_lab.server.health.full > 0


@pytest.mark.parametrize(
    ("number", "reason", "marked"),
    [
        (errno.ENETUNREACH, "can't be reached over TCP: Network is unreachable", True),
        (errno.EMFILE, "was not asked over TCP: Too many open files", False),
    ],
)
def test_what_fails_over_tcp_is_told_and_ours_is_nothing_against_the_server(fresh_lab, number, reason, marked):
    made, world = [], fresh_lab.world
    fresh_lab.reactor.connectTCP = lambda host, port, line, timeout: made.append(line)
    world.forwarder.handle_message(a_query(), CLIENT, CLIENT[0], world._reply, world.now)
    flight = next(iter(world.forwarder.flights.values()))

    made[0].clientConnectionFailed(None, Failure(ConnectBindError(number)))

    assert flight.reason == f"{fresh_lab.here} {reason}"
    assert (fresh_lab.server.health.down_since is not None) is marked
    assert fresh_lab.socket.recv(65535)  # it was asked over UDP then


def test_a_question_too_large_to_leave_is_nothing_against_the_server(fresh_lab):
    taken = fresh_lab.server.ask((None, b"", None, None, 0.0, None), bytes(70_000))

    assert not taken
    assert fresh_lab.server.health.untaken == "was not asked: Message too long"
    assert fresh_lab.server.health.down_since is None


def test_a_marked_server_is_probed_and_any_answer_clears_it(lab):
    lab.server.health.failure("did not answer in time", lab.world.now)

    lab.server.sweep(lab.world.now + 0.1)
    lab.turns.flush()
    query, client = lab.socket.recvfrom(65535)
    lab.socket.sendto(a_reply(query, rcode=5), client)
    lab.reactor.deliver()

    assert lab.server.health.down_since is None
    assert lab.server.open_questions == 0


def test_fresh_ports_and_ids_can_not_be_guessed():
    lab = Lab(shared=False)
    seen = []
    for number in range(60):
        query, client = lab.ask(f"n{number}.example")
        seen.append((query[:2], client[1]))
        lab.socket.sendto(a_reply(query, f"n{number}.example. 60 A 192.0.2.1"), client)
        lab.reactor.deliver()

    ids, ports = {key for key, _ in seen}, [port for _, port in seen]
    assert len(ids) > 55
    assert len(set(ports)) > 50
    assert len({later - earlier for earlier, later in itertools.pairwise(ports)}) > 20
    assert lab.turns._sockets == {}
    lab.close()


def test_questions_in_flight_are_bounded():
    lab = Lab(shared=True)
    taken = 0
    while lab.server.ask((None, b"", None, None, 0.0, None), b"x"):
        taken += 1

    assert 4000 < taken < 5000
    assert lab.server.health.full == 1
    lab.close()


def test_shared_ports_have_ids_in_no_order():
    lab = Lab(shared=True)
    ids = [int.from_bytes(lab.ask(f"n{number}.example")[0][:2], "big") for number in range(50)]

    assert len({later - earlier for earlier, later in itertools.pairwise(ids)}) > 40
    lab.close()


def test_the_case_of_a_question_is_mixed_and_must_come_back():
    lab = Lab(shared=False, mixes_case=True)
    query, client = lab.ask("a-long-name-with-many-letters.example")
    assert query.lower() == query[:2].lower() + a_query_like(query)[2:]
    assert query[12:50] != query[12:50].lower()

    answer = a_reply(query, "a-long-name-with-many-letters.example. 60 A 192.0.2.1")
    lab.socket.sendto(answer, client)
    lab.reactor.deliver()

    assert addresses_in(lab.world.sent[0]) == ["192.0.2.1"]
    lab.close()


def a_query_like(query: bytes) -> bytes:
    return query[:2] + query[2:].lower()


def test_a_server_that_does_not_keep_the_case_is_asked_over_tcp_and_then_without_the_game():
    lab = Lab(shared=False, mixes_case=True)
    asked = []
    lab.server.ask_tcp = lambda ask, body: asked.append(body) or True
    for number in range(3):
        name = f"a-long-name-with-many-letters{number}.example"
        query, client = lab.ask(name)
        lab.socket.sendto(a_reply(query[:2] + query[2:].lower(), f"{name}. 60 A 192.0.2.1"), client)
        lab.reactor.deliver()

    assert lab.world.sent == []
    assert len(asked) == 3
    assert not lab.server.mixes_case
    lab.close()


def test_a_forged_answer_with_the_right_id_and_the_wrong_case_is_not_believed():
    lab = Lab(shared=False, mixes_case=True)
    lab.server.ask_tcp = lambda ask, body: False
    query, client = lab.ask("a-long-name-with-many-letters.example")

    lab.socket.sendto(
        a_reply(query[:2] + query[2:].lower(), "a-long-name-with-many-letters.example. 60 A 6.6.6.6"), client
    )
    lab.reactor.deliver()

    assert lab.world.sent == []
    assert lab.server.open_questions == 1
    lab.close()


def test_a_question_somebody_guesses_at_is_asked_over_tcp():
    lab = Lab(shared=False)
    asked = []
    lab.server.ask_tcp = lambda ask, body: asked.append(body) or True
    query, client = lab.ask()

    for number in range(25):
        lab.socket.sendto(bytes([query[0] ^ 1, number]) + a_reply(query, "www.example.com. 60 A 6.6.6.6")[2:], client)
        lab.reactor.deliver()

    assert len(asked) == 1
    assert lab.server.open_questions == 0
    assert lab.world.sent == []
    lab.close()


def test_a_server_that_was_let_go_takes_no_questions(lab):
    lab.server.close()

    assert not lab.server.ask((None, b"", None, None, 0.0, None), b"x")
    assert not lab.server.ask_tcp((None, b"", None, None, 0.0, None), b"x")
