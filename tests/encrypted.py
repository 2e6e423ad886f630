"""Servers behind TLS on loopback, with an authority of their own: real sockets, certificates and HTTP/2 frames.

Each server has a thread for who knocks and one for each connection, and says what its script says.
"""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
from builders import a_reply
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MEDIA_TYPE = "application/dns-message"
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for test servers."""

    def __init__(self, name: str = "authority of the tests") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._unsigned(self._name, self._key, DAY, -DAY).add_extension(x509.BasicConstraints(True, None), True)
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _unsigned(self, subject: x509.Name, key: Any, ends: datetime.timedelta, begins: datetime.timedelta) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )

    def context(
        self,
        *names: str,
        ends: datetime.timedelta = DAY,
        begins: datetime.timedelta = -DAY * 2,
        protocols: tuple[str, ...] = (),
    ) -> ssl.SSLContext:
        """What a server needs to be *names*: host names and addresses; none: a certificate without any."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "dns.test")])
        made = self._unsigned(subject, key, ends, begins)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), False)
        chain = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(chain + secret)
            file.flush()
            context.load_cert_chain(file.name)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Listener:
    """Takes connections on a port of 127.0.0.1, wraps them in TLS if there is a *context*, and talks."""

    def __init__(self, context: ssl.SSLContext | None, port: int = 0) -> None:
        self.connections: list[socket.socket] = []
        self.refusals: list[str] = []  # what clients said to our certificate
        self.names: list[str | None] = []  # which server they asked for (SNI)
        self._context = context
        if context is not None:
            context.sni_callback = lambda _, name, __: self.names.append(name)
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.hang_up()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """End all connections. Their threads close them: a number that was closed under a thread that reads it
        would soon be somebody else's socket."""
        for sock in self.connections:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                self._socket.close()
                return
            threading.Thread(target=self._welcome, args=(plain,), daemon=True).start()

    def _welcome(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(plain, server_side=True)
            self.connections.append(connection)
            self.talk(connection)
        except ssl.SSLError as problem:
            self.refusals.append(problem.reason or str(problem))
        except OSError:
            pass
        finally:
            with contextlib.suppress(OSError):
                connection.close()

    def talk(self, connection: Any) -> None:
        raise NotImplementedError


def framed(*messages: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(message)) + message for message in messages)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the client has gone")
        data += more
    return data


class DotServer(Listener):
    """The script gets (query, how many came before) and tells the bytes to send, None for silence; raising
    `ConnectionError` closes."""

    def __init__(self, context: ssl.SSLContext | None, script: Callable[[bytes, int], bytes | None]) -> None:
        self.queries: list[bytes] = []
        self._script = script
        super().__init__(context)

    def talk(self, connection: Any) -> None:
        while True:
            query = read_exactly(connection, struct.unpack("!H", read_exactly(connection, 2))[0])
            self.queries.append(query)
            if (told := self._script(query, len(self.queries) - 1)) is not None:
                connection.sendall(told)


class Exchange:
    """A request of a client, to be answered now or later."""

    def __init__(self, server: "DohServer", http: Any, connection: Any, number: int, headers: Any) -> None:
        self.server, self.http, self.connection, self.number = server, http, connection, number
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.query = b""

    def answer(
        self, body: bytes | None = None, status: int = 200, kind: str = MEDIA_TYPE, size: int = 0, more: Any = ()
    ):
        body = a_reply(self.query, "www.example.com. 60 A 192.0.2.1") if body is None else body
        body += bytes(max(size - len(body), 0))
        self.http.send_headers(self.number, [(":status", str(status)), ("content-type", kind), *more])
        self.server.outgoing[self.number] = body
        self.server.push(self.http, self.connection)

    def reset(self, code: int) -> None:
        self.http.reset_stream(self.number, code)
        self.flush()

    def flush(self) -> None:
        self.connection.sendall(self.http.data_to_send())


class DohServer(Listener):
    """The script gets an `Exchange` and does what it likes; raising `ConnectionError` closes."""

    def __init__(self, context: ssl.SSLContext | None, script: Callable[[Exchange], Any], streams: int = 100) -> None:
        self.exchanges: list[Exchange] = []
        self.outgoing: dict[int, bytes] = {}
        self.most_open = 0
        self._script = script
        self._streams = streams
        super().__init__(context)

    def talk(self, connection: Any) -> None:
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        http.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._streams}
        )
        http.initiate_connection()
        connection.sendall(http.data_to_send())
        fresh: dict[int, Exchange] = {}
        while data := connection.recv(65535):
            for event in http.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    fresh[event.stream_id] = Exchange(self, http, connection, event.stream_id, event.headers)
                    self.most_open = max(self.most_open, http.open_inbound_streams)
                elif isinstance(event, h2.events.DataReceived):
                    fresh[event.stream_id].query += event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.exchanges.append(fresh.pop(event.stream_id))
                    self._script(self.exchanges[-1])
                elif isinstance(event, h2.events.StreamReset):
                    self.outgoing.pop(event.stream_id, None)
            self.push(http, connection)

    def push(self, http: Any, connection: Any) -> None:
        """Send what the client's windows allow."""
        for number, body in list(self.outgoing.items()):
            size = min(len(body), http.local_flow_control_window(number), 16384)
            while size:
                http.send_data(number, body[:size])
                body = body[size:]  # noqa: PLW2901
                size = min(len(body), http.local_flow_control_window(number), 16384)
            self.outgoing[number] = body
            if not body:
                http.end_stream(number)
                del self.outgoing[number]
        connection.sendall(http.data_to_send())
