"""The first process of the VPN door: looks whether all is there, puts up the firewall and the DNS, runs OpenVPN.

OpenVPN's log and its own words go to standard error, the audit to standard output, a JSON object a line.
"""

import asyncio
import contextlib
import grp
import json
import pwd
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from panteras_dns.access import lookup
from panteras_dns.access.report import instant
from panteras_dns.access.trouble import Trouble
from panteras_dns.access.vault import Vault
from panteras_dns.access.vpn import firewall, hook, management, preflight, server
from panteras_dns.access.vpn.guests import Guest, Guests, Wall
from panteras_dns.access.vpn.openings import Openings
from panteras_dns.access.vpn.programs import tool
from panteras_dns.access.vpn.relay import Relay
from panteras_dns.access.vpn.roster import Roster
from panteras_dns.access.vpn.server import HOOKS, Place
from panteras_dns.access.vpn.settings import Vpn
from panteras_dns.access.vpn.x509 import common_name

_LOOK = 1.0  # seconds between two looks at the catalogue, and at who has to go
_DAY = 86_400
_WARN_PEOPLE = 14  # days
_LINE = 8192
_STALE = 40.0  # seconds
_FAREWELL = 5.0  # seconds
_POLL = 0.05


def place(vault: Vault, run: Path, user: str) -> Place:
    """Where this door has its things."""
    try:
        group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        group = user  # said by the preflight
    return Place(vault.vpn, vault.vpn_run, run, user, group)


def look(vault: Vault, chosen: Vpn, user: str) -> bool:
    """Say what is not as it should be; whether the door may open."""
    found = preflight.findings(preflight.Surroundings(vault, chosen, user))
    for one in found:
        _say(f"{'' if one.fatal else 'note: '}{one}")
    return not any(one.fatal for one in found)


def keep(vault: Vault, chosen: Vpn, where: Place) -> int:
    """Run the door until it is told to end; the exit status."""
    if not look(vault, chosen, where.user):
        return 1
    six, version = preflight.six(), server.installed()
    where.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    for transport in chosen.transports:
        where.config(transport).write_text(server.render(version, chosen, transport, where, six))
        where.management(transport).unlink(missing_ok=True)
    where.hook.write_text(Path(hook.__file__).read_text())
    where.hook.chmod(0o644)
    firewall.run(firewall.rules(chosen))
    try:
        return asyncio.run(_Door(vault, chosen, where, six).run())
    finally:
        firewall.run(firewall.removal())


def health(vault: Vault, chosen: Vpn, where: Place) -> str:
    """What HEALTHCHECK runs beside the door: OpenVPN lives, names come, nothing has expired; Trouble otherwise.

    It reads what OpenVPN writes every ten seconds: a question through the management socket would fill the log.
    """
    connected = 0
    for transport in chosen.transports:
        path = where.status(transport)
        try:
            lines = path.read_text().splitlines()
        except OSError as problem:
            raise Trouble(f"{path}: {problem.strerror}: OpenVPN does not run") from None
        if (age := time.time() - management.parse_time(lines, str(path))) > _STALE:
            raise Trouble(f"{path}: {age:.0f} s old, expected 10: OpenVPN over {transport.kind} stands still")
        connected += len(management.parse_status(iter(lines), str(path)))
        name = f"consul.service.{chosen.domain}"
        try:
            lookup.reply(transport.address, name, "A", time.monotonic() + 2)
        except lookup.Unknown as problem:
            raise Trouble(f"the DNS for clients at {transport.address} gives no answer: {problem}") from None
    notes = list(preflight.ending(vault, time.time()))
    if over := [one for one in notes if one.fatal]:
        raise Trouble(str(over[0]))
    return "; ".join([f"{connected} connected, names come", *map(str, notes)])


class _Door:
    """All that runs while the door is open."""

    def __init__(self, vault: Vault, chosen: Vpn, where: Place, six: bool) -> None:
        self._vault, self._chosen, self._where = vault, chosen, where
        self._roster = Roster(vault.vpn_roster, vault.vpn_revoked)
        find = partial(lookup.instances, str(chosen.dns))
        openings = Openings(chosen.networks, chosen.domain)
        self._guests = Guests(self._roster, openings, Wall(), find, _audit)
        self._own = [one.address for one in chosen.transports]
        if six and chosen.six:
            self._own += [one.address6 for one in chosen.transports]
        self._relay = Relay(self._guests, str(chosen.dns), chosen.domain, self._own)
        self._ending = asyncio.Event()
        self._user = pwd.getpwnam(where.user).pw_uid

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        async with self._hooks(), self._relay.listening(self._own):
            children = list(self._start())
            ports = ", ".join(f"{one.port}/{one.kind}" for one in self._chosen.transports)
            _say(f"the VPN door is open on {ports}; names come from {self._chosen.dns}")
            status = 0
            try:
                status = await self._until_it_ends(children)
            finally:
                await _end(children)
        return status

    def _start(self) -> Iterator["subprocess.Popen[bytes]"]:
        for transport in self._chosen.transports:
            words = [tool("openvpn"), "--config", str(self._where.config(transport))]
            yield subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sys.stderr)

    async def _until_it_ends(self, children: "list[subprocess.Popen[bytes]]") -> int:
        warned = 0.0
        while not self._ending.is_set():
            for child in children:
                if (status := child.poll()) is not None:
                    _say(f"openvpn ended with status {status}: see its words above")
                    return 1
            if time.monotonic() - warned > _DAY or not warned:
                warned = time.monotonic()
                _warn(self._vault, self._roster)
            await self._follow()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _LOOK)
        return 0

    async def _follow(self) -> None:
        """The catalogue changes, and so does who counts."""
        try:
            self._guests.follow(await asyncio.to_thread(self._guests.look_up, list(self._guests.services())))
            for guest, why in self._guests.over(time.time()):
                if not await asyncio.to_thread(self._show_out, guest, why):
                    self._guests.lost(guest)
        except (Trouble, OSError) as problem:
            _say(str(problem))

    def _show_out(self, guest: Guest, why: str) -> int:
        """End what OpenVPN has of *guest*: how many connections."""
        path = self._where.sockets / f"{guest.device.removeprefix('vpn-')}.sock"
        with management.conversation(path) as talk:
            ended = talk.kill(common_name(guest.who.name, guest.who.device), why)
        _say(f"{guest.who.id} had to go: {why}")
        return ended

    @contextlib.asynccontextmanager
    async def _hooks(self) -> AsyncIterator[None]:
        path = self._where.run / HOOKS
        path.unlink(missing_ok=True)
        listening = await asyncio.start_unix_server(self._hook, path, limit=_LINE)
        path.chmod(0o666)  # OpenVPN is no longer root when it calls; who calls is looked at
        try:
            yield
        finally:
            listening.close()
            path.unlink(missing_ok=True)

    async def _hook(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if struct.unpack("3i", peer)[1] not in {0, self._user}:
                return
            async with asyncio.timeout(_FAREWELL):
                event = json.loads(await reader.readline())
            answer = await self._guests.told({str(key): str(value) for key, value in event.items()})
            writer.write(answer.encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, AttributeError, TimeoutError) as problem:
            _say(f"a hook that can't be understood: {problem or type(problem).__name__}")
        finally:
            writer.close()


def _warn(vault: Vault, roster: Roster) -> None:
    """What ends soon, with the command that renews it: once a day."""
    now = time.time()
    try:
        for one in preflight.ending(vault, now):
            _say(str(one))
    except Trouble as problem:  # a file that went while the door is open is no reason to close it
        _say(str(problem))
    for who in roster.all():
        days = int((who.not_after - now) // _DAY)
        if 0 <= days < _WARN_PEOPLE:
            _say(f"{who.id} may come in until {instant(who.not_after)[:10]}; run: panteras access renew {who.id}")


async def _end(children: "list[subprocess.Popen[bytes]]") -> None:
    """OpenVPN tells its clients that it goes, which takes it a second or two."""
    for child in children:
        child.terminate()
    for _ in range(int(_FAREWELL / _POLL)):
        if all(child.poll() is not None for child in children):
            return
        await asyncio.sleep(_POLL)
    for child in children:
        child.kill()
        child.wait()


def _audit(event: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({"time": instant(time.time()), **event}) + "\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"panteras: {text}\n")  # in one piece: OpenVPN writes there, too
    sys.stderr.flush()
