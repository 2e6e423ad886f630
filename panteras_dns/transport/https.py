"""DNS over HTTPS (RFC 8484): each question is a POST on a stream of its own of one HTTP/2 connection (RFC 9113).

The protocol's states are h2's affair. A question leaves when there is room for all of it: a free stream and
enough of the server's flow control window; so none is ever on its way by half.
"""

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from panteras_dns.answer import with_ttl
from panteras_dns.remote import Remote
from panteras_dns.transport.secure import Link, SecureServer
from panteras_dns.wire import LARGEST, Malformed, read_reply

_MOST_STREAMS = 100  # open at a time: what a server should allow at least (RFC 9113 6.5.2)
_MEDIA_TYPE = b"application/dns-message"
_LONGEST = 2**31 - 1  # seconds (RFC 9111 1.2.2)
_NO_ID = b"\0\0"  # RFC 8484 4.1: equal questions are equal bytes


@dataclass(slots=True)
class _Stream:
    """A question that was sent, and what has come back so far."""

    key: bytes
    body: bytearray = field(default_factory=bytearray)
    age: int = 0  # seconds that it lay in somebody's HTTP cache


class _HttpsLink(Link):
    def __init__(self, server: SecureServer) -> None:
        super().__init__(server)
        self._headers = _headers(server.remote)
        self._waiting: dict[bytes, bytes] = {}
        self._streams: dict[int, _Stream] = {}
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._http.local_settings = Settings(
            client=True,
            initial_values={SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: 16384},
        )

    def handshakeCompleted(self) -> None:
        if self.transport.negotiatedProtocol != b"h2":
            self.server.drop(self, "does not speak HTTP/2")
            return
        self._http.initiate_connection()
        self._flush()
        super().handshakeCompleted()

    # Questions --------------------------------------------------------------------------------------

    def send(self, key: bytes, body: bytes) -> None:
        self._waiting[key] = body
        self._launch()

    def forget(self, keys: Iterable[bytes]) -> None:
        gone = set(keys)
        for key in gone:
            self._waiting.pop(key, None)
        for number in [number for number, stream in self._streams.items() if stream.key in gone]:
            self._cancel(number)
        self._launch()

    def _launch(self) -> None:
        """Send what there is room for."""
        try:
            while self._waiting and len(self._streams) < self._most_streams():
                key, body = next(iter(self._waiting.items()))
                message = _NO_ID + body
                if len(message) > self._window():
                    break
                del self._waiting[key]
                self._post(key, message)
        except H2Error:  # the numbers of streams are used up, or the connection is over
            self.server.drop(self, "ended the HTTP/2 connection")
        self._flush()

    def _post(self, key: bytes, message: bytes) -> None:
        number = self._http.get_next_available_stream_id()
        self._http.send_headers(number, [*self._headers, (b"content-length", b"%d" % len(message))])
        self._http.send_data(number, message, end_stream=True)
        self._streams[number] = _Stream(key)

    def _most_streams(self) -> int:
        return min(self._http.remote_settings.max_concurrent_streams, _MOST_STREAMS)

    def _window(self) -> int:
        """How many bytes a new stream may carry at once."""
        http = self._http
        return min(
            http.outbound_flow_control_window, http.remote_settings.initial_window_size, http.max_outbound_frame_size
        )

    def _cancel(self, number: int) -> None:
        del self._streams[number]
        with contextlib.suppress(H2Error):  # the server may have ended it just now
            self._http.reset_stream(number, ErrorCodes.CANCEL)

    def _flush(self) -> None:
        if data := self._http.data_to_send():
            self.transport.write(data)

    # Replies ----------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        over = False
        packets: list[bytes] = []
        try:
            # A frame longer than we allow is collected before h2 refuses it: 16 MiB at most, and a silence for us.
            for event in self._http.receive_data(data):
                self.alive()
                over = over or isinstance(event, ConnectionTerminated)
                if (packet := self._note(event)) is not None:
                    packets.append(packet)
        except H2Error:
            # Broken; or a frame behind a GOAWAY, which h2 does not take (python-hyper/h2#1181, #1199).
            over = True
        if packets:
            others = {packet[:2] for packet in packets}.difference(self.server.answered(packets))
            self.server.give_up(list(others), "answered something else than was asked")
        if over:
            self.server.drop(self, "ended the HTTP/2 connection")
        else:
            self._launch()

    def _note(self, event: Event) -> bytes | None:
        """Keep what an event brings; the packet that it completes."""
        if isinstance(event, DataReceived):
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        number = getattr(event, "stream_id", None)
        stream = self._streams.get(number) if number is not None else None
        if number is None or stream is None:
            return None
        if isinstance(event, ResponseReceived):
            if problem := _problem(event.headers):
                self._refuse(number, problem)
            stream.age = _age(event.headers)
        elif isinstance(event, DataReceived):
            stream.body += event.data
            if len(stream.body) > LARGEST:
                self._refuse(number, f"answered with more than {LARGEST} bytes")
        elif isinstance(event, StreamReset):
            del self._streams[number]
            self._reset(stream.key, event.error_code)
        elif isinstance(event, StreamEnded):
            del self._streams[number]
            return stream.key + _aged(bytes(stream.body[2:]), stream.age)
        return None

    def _refuse(self, number: int, reason: str) -> None:
        key = self._streams[number].key
        self._cancel(number)
        self.server.give_up([key], reason)

    def _reset(self, key: bytes, code: Any) -> None:
        if code == ErrorCodes.REFUSED_STREAM:  # RFC 9113 8.7: it was not looked at
            self.server.ask_again(key, "refuses HTTP/2 streams")
        else:
            word = code.name if isinstance(code, ErrorCodes) else code
            self.server.give_up([key], f"reset the HTTP/2 stream ({word})")


class HttpsServer(SecureServer):
    """One server by DoH."""

    speaks = _HttpsLink
    protocols = (b"h2",)


def _headers(remote: Remote) -> list[tuple[bytes, bytes]]:
    """What every request begins with."""
    try:
        name = f"[{remote.name}]" if ipaddress.ip_address(remote.name).version == 6 else remote.name
    except ValueError:
        name = remote.name
    authority = name if remote.port == 443 else f"{name}:{remote.port}"
    return [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", authority.encode()),
        (b":path", remote.path.encode()),
        (b"accept", _MEDIA_TYPE),
        (b"content-type", _MEDIA_TYPE),
    ]


def _age(headers: Iterable[Any]) -> int:
    text = next((bytes(value) for name, value in headers if bytes(name) == b"age"), b"")
    return min(int(text), _LONGEST) if text.isdigit() and len(text) < 20 else 0


def _aged(body: bytes, age: int) -> bytes:
    """TTLs count from the moment the server answered, not from when a cache on the way did (RFC 8484 5.1)."""
    if not age:
        return body
    try:
        return with_ttl(read_reply(body), age).body
    except Malformed:
        return body


def _problem(headers: Iterable[Any]) -> str:
    """Why a response can't be an answer; nothing if it can."""
    found = {bytes(name): bytes(value) for name, value in headers}
    status = found.get(b":status", b"")
    if status != b"200":
        return f"answered with HTTP status {status.decode('ascii', 'replace')[:3]}"
    if found.get(b"content-type", b"").partition(b";")[0].strip().lower() != _MEDIA_TYPE:
        return "answered with something else than application/dns-message"
    return ""
