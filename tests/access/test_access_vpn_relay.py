"""The DNS of the VPN's clients, on loopback, before a real server that a test speaks for."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from dnslib import QTYPE, RR, DNSRecord
from test_access_vpn_guests import House

from panteras_dns.access.vpn.relay import Relay

CLIENT, STRANGER, DOOR = "127.0.0.2", "127.0.0.3", "127.0.0.1"
WEB = "web.service.consul"


class Server(asyncio.DatagramProtocol):
    """The docker host's DNS: *answer* makes replies of a query, at once or never."""

    def __init__(self, answer: Callable[[DNSRecord], list[DNSRecord]]) -> None:
        self._answer = answer
        self.asked: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for reply in self._replies(data):
            self._transport.sendto(reply.pack(), addr)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        for reply in self._replies(data):
            packet = reply.pack()
            writer.write(len(packet).to_bytes(2) + packet)
        writer.close()

    def _replies(self, data: bytes) -> list[DNSRecord]:
        query = DNSRecord.parse(data)
        self.asked.append(str(query.q.qname))
        return self._answer(query)


def address(query: DNSRecord) -> list[DNSRecord]:
    reply = query.reply()
    reply.add_answer(*RR.fromZone(f"{query.q.qname} 0 A 10.1.0.5"))
    return [reply]


def play(house: House, server: Server, act: Callable[[int], Awaitable[object]]) -> object:
    """Run *act* with the port of a relay in front of *server*."""

    async def stage() -> object:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(DOOR, 0))
        port = transport.get_extra_info("sockname")[1]
        streams = await asyncio.start_server(server.stream, DOOR, port)
        relay = Relay(house.guests, DOOR, "consul", [DOOR], port)
        mine = free_port()
        try:
            async with relay.listening([DOOR], mine):
                return await act(mine)
        finally:
            transport.close()
            streams.close()

    return asyncio.run(stage())


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket() as stream:
        sock.bind((DOOR, 0))
        stream.bind((DOOR, sock.getsockname()[1]))
        return int(sock.getsockname()[1])


async def ask(port: int, name: str, kind: str = "A", client: str = CLIENT, patience: float = 3.0) -> DNSRecord | None:
    """Over UDP, from *client*; None when nothing comes."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((client, 0))
        await loop.sock_connect(sock, (DOOR, port))
        await loop.sock_sendall(sock, DNSRecord.question(name, kind).pack())
        try:
            return DNSRecord.parse(await asyncio.wait_for(loop.sock_recv(sock, 4096), patience))
        except TimeoutError:
            return None


async def over_tcp(port: int, *names: str, client: str = CLIENT) -> list[str]:
    """The answers to several questions on one connection; "" where it ends."""
    reader, writer = await asyncio.open_connection(DOOR, port, local_addr=(client, 0))
    found = []
    try:
        for name in names:
            packet = DNSRecord.question(name).pack()
            writer.write(len(packet).to_bytes(2) + packet)
            data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            found.append(str(DNSRecord.parse(data).short()))
    except (EOFError, ConnectionError):
        found.append("")
    finally:
        writer.close()
    return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.list(1, "alice", "w*")
    house.come(address=CLIENT)
    return house


def test_a_client_is_answered_whatever_it_asks(house: House) -> None:
    server = Server(address)

    async def act(port: int) -> object:
        return (await ask(port, "www.example")).short(), await over_tcp(port, "a.example", "b.example")

    assert play(house, server, act) == ("10.1.0.5", ["10.1.0.5", "10.1.0.5"])
    assert server.asked == ["www.example.", "a.example.", "b.example."]


def test_a_service_is_open_before_its_answer_is_there(house: House) -> None:
    house.services[WEB] = {("10.1.0.5", 80)}

    async def act(port: int) -> object:
        before = house.wall.open.places
        await ask(port, WEB)
        return before, house.wall.open.places

    assert play(house, Server(address), act) == (frozenset(), {(CLIENT, "10.1.0.5", 80)})


def test_a_name_that_is_not_there_opens_and_watches_nothing(house: House) -> None:
    house.services[WEB] = {("10.1.0.5", 80)}

    async def act(port: int) -> object:
        await ask(port, WEB)
        return house.guests.services()

    assert play(house, Server(lambda query: [query.reply()]), act) == set()


def test_a_firewall_that_fails_costs_no_answer(house: House) -> None:
    house.services[WEB] = {("10.1.0.5", 80)}
    house.wall.broken = True

    async def act(port: int) -> object:
        return (await ask(port, WEB)).short()

    assert play(house, Server(address), act) == "10.1.0.5"


def test_who_one_is_is_said_by_the_door_itself(house: House) -> None:
    server = Server(address)

    async def act(port: int) -> object:
        me = await ask(port, "ME.access.consul", "TXT")
        return str(me.rr[0].rdata), (await ask(port, "me.access.consul", "A")).short()

    text, other = play(house, server, act)

    assert text.startswith('"identity=alice device=laptop door=vpn until=')
    assert (other, server.asked) == ("", [])


def test_a_stranger_gets_silence_and_the_door_itself_an_answer(house: House) -> None:
    server = Server(address)

    async def act(port: int) -> object:
        stranger = await ask(port, "www.example", client=STRANGER, patience=0.2)
        return (
            stranger,
            await over_tcp(port, "www.example", client=STRANGER),
            (await ask(port, "x", client=DOOR)).short(),
        )

    assert play(house, server, act) == (None, [""], "10.1.0.5")
    assert server.asked == ["x."]


def test_a_reply_to_another_question_is_waited_past(house: House) -> None:
    def twice(query: DNSRecord) -> list[DNSRecord]:
        wrong, (right,) = query.reply(), address(query)
        wrong.header.id = query.header.id ^ 1
        return [wrong, right]

    async def act(port: int) -> object:
        return (await ask(port, "www.example")).short()

    assert play(house, Server(twice), act) == "10.1.0.5"


def test_many_questions_that_nobody_answers_are_bounded_for_each_client(house: House) -> None:
    server = Server(lambda _: [])

    async def act(port: int) -> object:
        await asyncio.gather(*(ask(port, f"n{number}.example", patience=0.5) for number in range(100)))
        return len(server.asked)

    assert play(house, server, act) == 64


def test_connections_are_bounded_for_each_client(house: House) -> None:
    async def act(port: int) -> object:
        opened = [await asyncio.open_connection(DOOR, port, local_addr=(CLIENT, 0)) for _ in range(16)]
        await asyncio.sleep(0)
        one_more = await over_tcp(port, "www.example")
        for _, writer in opened:
            writer.close()
        return one_more

    assert play(house, Server(address), act) == [""]


@pytest.mark.parametrize(
    "packet", [b"", b"\0" * 11, b"\xff" * 600, b"\0" * 12, b"\0\1" + b"\0" * 10 + b"\xc0\x0c" * 200]
)
def test_garbage_does_no_harm(house: House, packet: bytes) -> None:
    async def act(port: int) -> object:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((CLIENT, 0))
            sock.sendto(packet, (DOOR, port))
        return (await ask(port, "www.example")).short()

    def careful(query: DNSRecord) -> list[DNSRecord]:
        return address(query) if QTYPE[query.q.qtype] == "A" else []

    class Deaf(Server):
        def _replies(self, data: bytes) -> list[DNSRecord]:
            return super()._replies(data) if b"example" in data else []

    assert play(house, Deaf(careful), act) == "10.1.0.5"
