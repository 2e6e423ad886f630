"""The DNS of the VPN's clients: asks the docker host's, answers everything, and opens what an identity may reach.

To resolve a name is what opens a service that only a pattern covers, and it is open before the answer is there. Nothing
is remembered: freshness is the business of the server that is asked.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from panteras_dns.access import lookup
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vpn.guests import Guests, me

PORT = 53

_ANSWER = 5.0  # seconds for the docker host's DNS: as long as the resolver of a client waits
_IDLE = 10.0  # seconds of silence on a connection
_MOST, _MOST_EACH = 1024, 64  # questions in flight, of all and of one client; more are not answered
_MOST_STREAMS, _MOST_STREAMS_EACH = 256, 16  # connections; more are closed
_FREEBIND = (
    (socket.IPPROTO_IP, 15),
    (socket.IPPROTO_IPV6, 78),
)  # IP_FREEBIND, IPV6_FREEBIND: no device yet

_Carry = Callable[[bytes], Awaitable[bytes]]


class Relay:
    """*server*: the DNS of the docker host. *own*: this door's addresses, which may ask, too, after its health."""

    def __init__(self, guests: Guests, server: str, domain: str, own: Sequence[str], port: int = PORT) -> None:
        self._guests, self._server, self._port = guests, server, port
        self._own = own
        self._mine = f"me.access.{domain}"
        self._ending = b"".join(bytes([len(label)]) + label.encode() for label in domain.split(".")) + b"\0"
        self._asking: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def listening(self, addresses: Sequence[str], port: int = PORT) -> AsyncIterator[None]:
        """Answer at *addresses* for as long as this lasts."""
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            for address in addresses:
                sock = _bound(address, port, socket.SOCK_DGRAM)
                transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=sock)
                stack.callback(transport.close)
                server = await asyncio.start_server(self._serve, sock=_bound(address, port, socket.SOCK_STREAM))
                stack.callback(server.close)
            yield

    async def reply(self, client: str, query: bytes, carry: _Carry) -> bytes | None:
        """The reply to a client's query, None for silence. *carry*: asks the docker host's DNS."""
        guest = self._guests.at(client)
        if (guest is None and client not in self._own) or len(query) < 12:
            return None
        if guest is not None and (own := lookup.own_record(query, self._mine, me(guest))) is not None:
            return own
        if self._asking.total() >= _MOST or self._asking[client] >= _MOST_EACH:
            return None
        self._asking[client] += 1
        try:
            async with asyncio.timeout(_ANSWER):
                found = await carry(query)
                await self._open(client, query, found)
                return found
        except (TimeoutError, OSError, EOFError):
            return None
        finally:
            self._asking[client] -= 1
            if not self._asking[client]:
                del self._asking[client]

    async def over_udp(self, query: bytes) -> bytes:
        """Ask from a port of its own. Twice: a datagram may get lost, a third is up to the client."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answer(query[:2], answer), remote_addr=(self._server, self._port)
        )
        try:
            transport.sendto(query)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(answer), _ANSWER / 2 - 0.1)
            transport.sendto(query)
            return await answer
        finally:
            transport.close()
            answer.cancel()

    async def over_tcp(self, query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._server, self._port)
        try:
            writer.write(len(query).to_bytes(2) + query)
            return await _message(reader)
        finally:
            writer.close()

    async def _open(self, client: str, query: bytes, found: bytes) -> None:
        """What an answer makes reachable is reachable before the client knows of it. Without one, nothing is looked up:
        who asks for what is not there costs no more than the question."""
        if found[6:8] == b"\0\0" or self._ending not in query[12:].lower():
            return
        if (service := self._guests.asked(client, lookup.question(query))) is not None:
            looked = await asyncio.to_thread(self._guests.look_up, [service])
            with contextlib.suppress(Trouble):  # told by the keeper, which tries again each second
                self._guests.open(client, service, looked[service])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        self._streams[client] += 1
        try:
            while self._may_stay(client):
                async with asyncio.timeout(_IDLE):
                    query = await _message(reader)
                if (found := await self.reply(client, query, self.over_tcp)) is None:
                    break
                writer.write(len(found).to_bytes(2) + found)
                await writer.drain()
        except (TimeoutError, OSError, EOFError):
            pass
        finally:
            writer.close()
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]

    def _may_stay(self, client: str) -> bool:
        known = client in self._own or self._guests.at(client) is not None
        return known and self._streams[client] <= _MOST_STREAMS_EACH and self._streams.total() <= _MOST_STREAMS


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself would let them be collected

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._tasks) < 2 * _MOST:
            task = asyncio.ensure_future(self._answer(data, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, query: bytes, client: tuple[str, int]) -> None:
        if (found := await self._relay.reply(client[0], query, self._relay.over_udp)) is not None:
            self._transport.sendto(found, client)


class _Answer(asyncio.DatagramProtocol):
    """Waits for the reply with the query's id; others are ignored, and the wait goes on."""

    def __init__(self, wanted: bytes, answer: "asyncio.Future[bytes]") -> None:
        self._wanted, self._answer = wanted, answer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._wanted and not self._answer.done():
            self._answer.set_result(data)


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    six = ":" in address
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(*_FREEBIND[six], 1)
    sock.bind((address, port))
    return sock
