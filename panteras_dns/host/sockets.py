"""Binds what clients knock at: a UDP and a TCP socket for every address.

Says which address could not be had, who holds it, and what to do about it. Knows no reactor.
"""

import contextlib
import errno
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from panteras_dns.endpoint import PRIVATE, Endpoint
from panteras_dns.host.interfaces import addresses, holder, private
from panteras_dns.options import ConfigError

_RECEIVE_BUFFER = 4 << 20  # bytes: a burst must fit while another turn of the reactor ends
_SO_RCVBUFFORCE = 33
_BACKLOG = 512
_ANY_PORT_TRIES = 10


@dataclass(frozen=True)
class Taken(Exception):
    """A port that somebody else holds."""

    endpoint: Endpoint
    who: str

    def __str__(self) -> str:
        return f"held by {self.who}"


@dataclass
class Pair:
    """The two sockets of one address; None where only the other was handed over."""

    udp: socket.socket | None
    tcp: socket.socket | None

    def close(self) -> None:
        for sock in (self.udp, self.tcp):
            if sock is not None:
                sock.close()


def expand(listen: Iterable[Endpoint]) -> dict[Endpoint, bool]:
    """The endpoints to bind; True for those that were named, False for those that a word brought."""
    wanted: dict[Endpoint, bool] = {}
    for endpoint in listen:
        if endpoint.host == PRIVATE:
            for address in private():
                wanted.setdefault(Endpoint(address, endpoint.port), False)
        elif endpoint.host in ("*", "0.0.0.0", "::"):  # noqa: S104  never the wildcard itself
            own = [one for one in addresses() if endpoint.host == "*" or (":" in one) == (":" in endpoint.host)]
            for address in own:
                wanted.setdefault(Endpoint(address, endpoint.port), False)
        else:
            wanted[endpoint] = True
    return wanted


def bind(endpoint: Endpoint, shared: bool = False, sole: bool = True) -> Pair:
    """Bind both sockets. *shared* with other workers; *sole* makes sure that nobody else is there.

    `Taken` when somebody else is, OSError for an address that is not (yet) ours.
    """
    if shared and sole:
        bind(endpoint).close()  # SO_REUSEPORT would let us share with a stranger of the same uid
    for _ in range(_ANY_PORT_TRIES if not endpoint.port else 0):
        with contextlib.suppress(Taken):  # the port the kernel chose for UDP may be taken for TCP
            return _both(endpoint, shared)
    return _both(endpoint, shared)


def _both(endpoint: Endpoint, shared: bool) -> Pair:
    udp = _bound(endpoint, socket.SOCK_DGRAM, shared)
    try:
        tcp = _bound(_with_port_of(endpoint, udp), socket.SOCK_STREAM, shared)
    except BaseException:
        udp.close()
        raise
    return Pair(udp, tcp)


def _with_port_of(endpoint: Endpoint, sock: socket.socket) -> Endpoint:
    return Endpoint(endpoint.host, sock.getsockname()[1])  # port 0 in tests: the same for both


def _bound(endpoint: Endpoint, kind: int, shared: bool) -> socket.socket:
    family, _, _, _, where = socket.getaddrinfo(endpoint.host, endpoint.port, type=kind, flags=socket.AI_NUMERICHOST)[0]
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _room(sock)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(where)
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except OSError as problem:
        sock.close()
        if problem.errno == errno.EADDRINUSE:
            raise Taken(endpoint, holder(endpoint.host, endpoint.port, kind)) from None
        raise
    return sock


def _room(sock: socket.socket) -> None:
    """A large receive buffer: beyond the system's limit where we may (root), else up to it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def endpoint_of(sock: socket.socket) -> Endpoint:
    """Where a bound socket listens."""
    host, port, *more = sock.getsockname()
    scope = more[1] if more else 0  # of a link-local address
    return Endpoint(f"{host}%{socket.if_indextoname(scope)}" if scope else host, port)


def paired(sockets: Iterable[socket.socket]) -> dict[Endpoint, Pair]:
    """Sockets that were handed over, by where they listen."""
    found: dict[Endpoint, Pair] = {}
    for sock in sockets:
        pair = found.setdefault(endpoint_of(sock), Pair(None, None))
        if sock.type == socket.SOCK_DGRAM:
            pair.udp = sock
        else:
            pair.tcp = sock
    return found


def bind_all(
    listen: Iterable[Endpoint], shared: bool, kept: Collection[Endpoint] = ()
) -> tuple[dict[Endpoint, Pair], list[str]]:
    """Bind everything that was asked for and is not *kept* by systemd: the sockets, and a warning for each that `*`
    brought and that is taken. `ConfigError` when a named one, or all of them, can't be had."""
    pairs: dict[Endpoint, Pair] = {}
    failed: dict[Endpoint, OSError | Taken] = {}
    wanted = {endpoint: named for endpoint, named in expand(listen).items() if endpoint not in kept}
    for endpoint in wanted:
        try:
            pairs[endpoint] = bind(endpoint, shared)
        except (Taken, OSError) as problem:
            failed[endpoint] = problem
    errors = {endpoint: problem for endpoint, problem in failed.items() if wanted[endpoint] or not (pairs or kept)}
    if errors or not (pairs or kept):
        for pair in pairs.values():
            pair.close()
        raise ConfigError(_told(errors) or ["no address to listen on"])
    return pairs, _told(failed)


def _told(failed: dict[Endpoint, OSError | Taken]) -> list[str]:
    """A line for each reason: one program that holds a port of ten addresses is one thing to stop."""
    where: dict[str, list[str]] = {}
    for endpoint, problem in failed.items():
        where.setdefault(_reason(problem), []).append(str(endpoint))
    return [f"{', '.join(endpoints)} {reason}" for reason, endpoints in where.items()]


def _reason(problem: OSError | Taken) -> str:
    if isinstance(problem, Taken):
        return f"is held by {problem.who}: stop it, or listen elsewhere with --listen ADDR[:PORT] or dns.listen"
    hint = ": run as root, or choose a port above 1023" if isinstance(problem, PermissionError) else ""
    return f"can't be bound: {problem.strerror}{hint}"
