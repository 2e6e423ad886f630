"""sshuttle's multiplexer and its turn, carried out quicker and within bounds; what may pass is decided elsewhere.

sshuttle's server of version 2.0 writes one packet of 2 kB a turn, formats a line for its log in each whether anybody
reads it or not, and asks every connection at every packet of any. Its protocol and its objects stay as they are.
"""

import os
import select
import socket
import struct
import time
from typing import Any

from sshuttle import helpers, ssnet

MOST_WAITING = 16_777_216  # bytes for a client that reads too slowly; what would add to them waits
MOST_HELD = 67_108_864  # bytes for services that do; then the client waits
STUCK = 30.0  # seconds that it does, when none of them takes anything: then the one with the most is cut off

_PIECE = 16_384  # bytes of one connection at a time: the others come in between
_BATCH = 256  # packets in one write
_CHUNK = 65_536  # bytes of one read from a service
_MOST_READ = 1_048_576  # bytes of one read from the client, as in sshuttle
_HEADER, _MAGIC = struct.Struct("!2sHHH"), b"SS"  # channel, command, length


class Mux(ssnet.Mux):  # type: ignore[misc]
    """The connection to the client. *touched*: the channels that something came for in this turn."""

    inbuf: bytes
    outbuf: list[bytes]

    def __init__(self, rfile: Any, wfile: Any) -> None:
        self._waiting = 0  # bytes on their way to the client
        self._held = False
        self.held = 0  # bytes on their way to services, or more
        self._held_before = 0
        self._stuck_since = 0.0
        self.touched: set[int] = set()
        for file in (rfile, wfile):
            os.set_blocking(file.fileno(), False)
        super().__init__(rfile, wfile)

    # Services are not read from while this is true: sshuttle's own word for it, when the client asks for low latency;
    # and ours, whatever it asks for, since else a download fills the memory of a slow line's other end.
    @property
    def too_full(self) -> bool:
        return self._held or self._waiting > MOST_WAITING

    @too_full.setter
    def too_full(self, held: bool) -> None:
        self._held = held

    def pre_select(self, r: list[Any], w: list[Any], x: list[Any]) -> None:
        # Each ping asks for a pong: who does not read them need send no more.
        if self._waiting <= 2 * MOST_WAITING and not self.choked():
            r.append(self.rfile)
        if self.outbuf:
            w.append(self.wfile)

    def choked(self) -> bool:
        """Whether services hold too much up."""
        if self.held <= MOST_HELD:
            self._stuck_since = 0.0
            return False
        streams = [taker.__self__ for taker in self.channels.values() if taker]
        held = sum(len(data) for stream in streams for data in stream.buf)
        if held < self._held_before or not self._stuck_since:
            self._stuck_since = time.monotonic()
        self.held = self._held_before = held
        return held > MOST_HELD

    @property
    def stuck(self) -> bool:
        return bool(self._stuck_since) and time.monotonic() - self._stuck_since >= STUCK

    def callback(self, sock: Any) -> None:
        if sock is self.rfile:
            self.handle()
        elif self.outbuf:
            self.flush()

    def send(self, channel: int, cmd: int, data: bytes) -> None:
        self.outbuf.append(_HEADER.pack(_MAGIC, channel, cmd, len(data)) + data)
        self.fullness += len(data)
        self._waiting += ssnet.HDR_LEN + len(data)

    def flush(self) -> None:
        """Write what waits, many packets at once."""
        try:
            wrote = os.writev(self.wfile.fileno(), self.outbuf[:_BATCH])
        except BlockingIOError:
            return
        self._waiting -= wrote
        whole = 0
        while whole < len(self.outbuf) and wrote >= len(self.outbuf[whole]):
            wrote -= len(self.outbuf[whole])
            whole += 1
        del self.outbuf[:whole]
        if wrote:
            self.outbuf[0] = self.outbuf[0][wrote:]

    def handle(self) -> None:
        """Take what came apart, in time that grows with its size and not with the square of it."""
        try:
            came = os.read(self.rfile.fileno(), min(_MOST_READ, ssnet.LATENCY_BUFFER_SIZE))
        except BlockingIOError:
            return
        except OSError as problem:
            raise helpers.Fatal(f"other end: {problem}") from None
        if not came:
            self.ok = False
        data, at = self.inbuf + came, 0
        while len(data) - at >= ssnet.HDR_LEN:
            magic, channel, cmd, size = _HEADER.unpack_from(data, at)
            if magic != _MAGIC:
                raise helpers.Fatal("the client does not speak sshuttle's language")
            end = at + ssnet.HDR_LEN + size
            if end > len(data):
                break
            self.touched.add(channel)
            self.got_packet(channel, cmd, data[at + ssnet.HDR_LEN : end])
            at = end
        self.inbuf = data[at:]


class Stream(ssnet.MuxWrapper):  # type: ignore[misc]
    """The client's end of one connection."""

    def uwrite(self, buf: bytes) -> int:
        if self.mux.too_full:
            return 0
        piece = buf[:_PIECE]
        self.mux.send(self.channel, ssnet.CMD_TCP_DATA, piece)
        return len(piece)

    def got_packet(self, cmd: int, data: bytes) -> None:
        super().got_packet(cmd, data)
        if cmd == ssnet.CMD_TCP_DATA:
            self.mux.held += len(data)

    def copy_to(self, outwrap: Any) -> None:
        """Pass on what came, in large pieces: it comes in small ones."""
        count = size = 0
        while count < len(self.buf) and size < _CHUNK:
            size += len(self.buf[count])
            count += 1
        if count > 1:
            self.buf[:count] = [b"".join(self.buf[:count])]
        parts = len(self.buf)
        super().copy_to(outwrap)
        left = len(self.buf[0]) if parts and len(self.buf) == parts else 0
        self.mux.held -= size - left


class Far(ssnet.SockWrapper):  # type: ignore[misc]
    """The service's end of one connection. *passed*: bytes, both ways."""

    connect_to: tuple[str, int] | None

    def __init__(self, sock: socket.socket, place: tuple[str, int]) -> None:
        self.passed = 0
        super().__init__(sock, sock, connect_to=place, peername=f"{place[0]}:{place[1]}")

    def try_connect(self) -> None:
        if self.connect_to is None:
            return
        try:
            super().try_connect()
        except OSError as problem:  # one that sshuttle does not know would end the tunnel
            self.connect_to = None
            self.seterr(problem)

    def uwrite(self, buf: bytes) -> int:
        if self.connect_to:
            return 0
        try:
            sent = self.wsock.send(buf)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self.nowrite()
            return 0
        except OSError as problem:
            self.seterr(problem)
            return 0
        self.passed += sent
        return int(sent)

    def uread(self) -> bytes | None:
        if self.connect_to or self.shut_read:
            return None
        try:
            data: bytes = self.rsock.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError as problem:
            self.seterr(problem)
            return b""
        self.passed += len(data)
        return data


def turn(handlers: list[Any], mux: Mux) -> None:
    """Wait until something can be done, and do it: sshuttle's `runonce`."""
    for handler in [one for one in handlers if not one.ok]:
        handlers.remove(handler)
        handler.dispose()
    r: list[Any] = []
    w: list[Any] = []
    for handler in handlers:
        if handler is not mux:
            handler.pre_select(r, w, [])
    if mux.rfile in r:
        r.remove(mux.rfile)  # each connection names it: whether the client is read from is not for them to say
    mux.pre_select(r, w, [])  # the last: the others may have given it something to write
    r, w, _ = select.select(r, w, [], 1.0 if mux.held > MOST_HELD else None)
    if mux.stuck:
        _cut_off(handlers)
    ready = {*r, *w}
    mux.touched.clear()
    for handler in handlers:  # it grows meanwhile
        if not isinstance(handler, ssnet.Proxy):
            for sock in handler.socks:
                if sock in ready:
                    handler.callback(sock)
        elif _concerned(handler, ready, mux):
            handler.callback(handler.wrap2.rsock)


def _concerned(proxy: Any, ready: set[Any], mux: Mux) -> bool:
    """Whether *proxy* has something to do; one whose ends are both closed has its own end before it."""
    near, far = proxy.wrap1, proxy.wrap2
    if far.rsock in ready or near.channel in mux.touched or (near.shut_read and far.shut_read):
        return True
    return bool(far.buf) and mux.wfile in ready


def _cut_off(handlers: list[Any]) -> None:
    """End the connection whose service has let the most pile up."""
    proxies = [one for one in handlers if isinstance(one, ssnet.Proxy)]
    victim = max(proxies, key=lambda one: sum(map(len, one.wrap1.buf)))
    victim.wrap1.buf = []
    victim.wrap2.seterr(TimeoutError("the service took nothing for too long"))
