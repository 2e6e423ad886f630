"""From what is found here to what is changed, in order; or a refusal that says what is in the way."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from panteras_dns.host.resolv import FILES, STUBS, nameservers
from panteras_dns.install import configuration, switch, units
from panteras_dns.install.change import Change, State, change, link
from panteras_dns.install.files import look, obstacle
from panteras_dns.install.journal import Command, Plan, Step
from panteras_dns.install.owner import HOOKS, RESOLV_CONF, Owner, find
from panteras_dns.install.system import HERE, System
from panteras_dns.install.trouble import Trouble

DAEMON = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/resolved.conf.d/panteras.conf"
MANAGER = "/etc/NetworkManager/conf.d/zz-panteras.conf"
HOOK = f"{HOOKS}/panteras"
_NOTE = "# Written by `panteras install`; `panteras uninstall` brings back what was here.\n"
_RELOAD = ("systemctl", "daemon-reload")
_PLAIN = re.compile(r"/[A-Za-z0-9./_+-]+")
_UNSEEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  by units with ProtectHome and PrivateTmp


@dataclass(frozen=True, slots=True)
class Options:
    """What a person wants. *within*: seconds to confirm."""

    program: str
    within: int = 120
    docker: bool = False
    consul: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()


def make(system: System, options: Options) -> Plan:
    """`Trouble` for what can't be done, or could not be undone exactly."""
    if not system.has_systemd():
        raise Trouble("systemd does not run here, expected it as the first process: use the container instead")
    check_program(options.program)
    owner = find(system)
    if who := system.holder():
        raise Trouble(f"{HERE}:53 is held by {who}: stop it first, the gateway listens there")
    gateway = tuple(_gateway(system, options, owner))
    names = tuple(_names(system, options, owner))
    plan = Plan(tuple(_switch(system, options)), gateway, names, as_wanted(options), tuple(_notes(options, owner)))
    for one in plan.changes:
        if reason := obstacle(system.path(one.path), one.in_place):
            raise Trouble(f"{one.path}: {reason}")
    return plan


def as_wanted(options: Options) -> dict[str, object]:
    """What makes two installations the same."""
    told: dict[str, object] = json.loads(json.dumps(asdict(options)))
    del told["within"]
    return told


def outdated(plan: Plan, program: str) -> list[str]:
    """The units of *plan*, which another release made, that are others now."""
    now = _units(program)
    return [one.path for one in plan.changes if one.path in now and one.after.data != now[one.path].encode()]


def _units(program: str) -> dict[str, str]:
    """The gateway's, by their paths."""
    return {f"{units.PLACE}/{units.SERVICE}": units.service(program), f"{units.PLACE}/{units.SOCKET}": units.socket()}


def check_program(program: str) -> None:
    """The units run it as root, and see no home and no /tmp; what is more than a word there would be a command."""
    if not _PLAIN.fullmatch(program):
        raise Trouble(f"{program!r}: expected a path of letters, digits and ./_+- as in /opt/panteras/bin/panteras")
    for path in (Path(program), Path(program).resolve()):
        seen = next((place for place in _UNSEEN if path.is_relative_to(place)), "")
        if seen:
            raise Trouble(f"{program}: units can't see {seen}, expected a place like /opt/panteras/bin/panteras")
    try:
        found = Path(program).stat()
    except OSError as problem:
        raise Trouble(f"{program}: {problem.strerror}, expected the installed program") from None
    if found.st_uid or found.st_mode & 0o022:
        raise Trouble(f"{program}: others may write it and would be root with it, expected root's alone")
    for folder in Path(program).parents:
        there = folder.stat()
        if there.st_uid or there.st_mode & 0o002:
            raise Trouble(f"{folder}: others may write it and would be root with {program}, expected root's alone")


def _switch(system: System, options: Options) -> Iterator[Step]:
    yield Command(undo=(_RELOAD,))
    for name, text in ((switch.SERVICE, switch.service(options.program)), (switch.TIMER, switch.timer(options.within))):
        yield from _file(system, f"{units.PLACE}/{name}", text)
    yield from _link(system, switch.WANTS, f"{units.PLACE}/{switch.SERVICE}")
    yield Command((_RELOAD, ("systemctl", "restart", switch.TIMER)), (("systemctl", "stop", switch.TIMER),))


def _gateway(system: System, options: Options, owner: Owner) -> Iterator[Step]:
    yield Command(undo=(_RELOAD,))
    yield from _file(system, configuration.FILE, _configuration(system, options, owner))
    for path, text in _units(options.program).items():
        yield from _file(system, path, text)
    for name, path in units.WANTS.items():
        yield from _link(system, path, f"{units.PLACE}/{name}")
    both = (units.SOCKET, units.SERVICE)
    start = tuple(("systemctl", "start", name) for name in both)
    yield Command((_RELOAD, *start), (("systemctl", "stop", *both),))


def _configuration(system: System, options: Options, owner: Owner) -> str:
    """What the gateway knows of servers, once resolv.conf has no other than itself."""
    text = system.read(configuration.FILE)
    config = configuration.configured(text)
    upstream = options.upstream
    if not upstream and not owner.follows and not configuration.has_upstreams(config):
        if configuration.follows_resolv_conf(config):
            raise Trouble(
                f'{configuration.FILE}: the route for "." asks the servers of resolv.conf, which will be the gateway: '
                "name its servers there first"
            )
        upstream = tuple(_upstreams(system))
        if not upstream:
            raise Trouble(f"{RESOLV_CONF}: names no server for other names: name one with --upstream")
    return configuration.completed(text, options.consul, upstream)


def _upstreams(system: System) -> list[str]:
    """The servers that this host asks now, without its own addresses."""
    own = {*system.addresses(), *STUBS}
    for file in FILES:
        found = [one for one in nameservers(system.read(str(file))) if one not in own]
        if found:
            return [f"[{one}]:53" if ":" in one else f"{one}:53" for one in found]
    return []


def _names(system: System, options: Options, owner: Owner) -> Iterator[Step]:
    if options.docker:
        yield from _docker(system)
    if owner.dhclient:
        yield from _file(system, HOOK, f"{_NOTE}make_resolv_conf() {{ :; }}\n")
    if owner.resolved:
        text = f"{_NOTE}[Resolve]\nDNS={HERE}\nDomains=~.\n"
        yield from _told(system, DROP_IN, text, ("systemctl", "restart", "systemd-resolved.service"))
    if owner.manager:
        text = f"{_NOTE}[main]\ndns=none\n"
        yield from _told(system, MANAGER, text, ("systemctl", "reload", "NetworkManager.service"))
    if not owner.stub:
        yield from _resolv_conf(system, owner)


def _resolv_conf(system: System, owner: Owner) -> Iterator[Change]:
    """The last of all: from here on this host asks the gateway, and nobody beside it."""
    path = system.path(RESOLV_CONF)
    before = look(path)
    lines = system.read(RESOLV_CONF).splitlines()
    kept = [line for line in lines if line.split()[:1] != ["nameserver"] and not line.startswith(_NOTE.strip())]
    text = _NOTE + "".join(f"{line}\n" for line in [*kept, f"nameserver {HERE}"])
    yield change(RESOLV_CONF, before, text, owner.mounted)


def _docker(system: System) -> Iterator[Change]:
    address = system.bridge()
    if not address:
        raise Trouble("--docker: docker0 has no address, expected a bridge of Docker's")
    text = system.read(DAEMON)
    try:
        config = json.loads(text) if text.strip() else {}
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise Trouble(f"{DAEMON}: expected a JSON object")
    if config.get("dns") != [address]:
        yield from _file(system, DAEMON, json.dumps({**config, "dns": [address]}, indent=2) + "\n")


def _told(system: System, path: str, text: str, command: tuple[str, ...]) -> Iterator[Step]:
    """A file, and the daemon that reads it, which hears of it on the way there and on the way back."""
    yield Command(undo=(command,))
    yield from _file(system, path, text)
    yield Command(do=(command,))


def _file(system: System, path: str, text: str) -> Iterator[Change]:
    made = change(path, look(system.path(path)), text)
    if made.needed and (text or made.before.kind != State().kind):
        yield made


def _link(system: System, path: str, target: str) -> Iterator[Change]:
    made = Change(path, look(system.path(path)), link(target))
    if made.needed:
        yield made


def _notes(options: Options, owner: Owner) -> Iterator[str]:
    yield f"{RESOLV_CONF} is written by {owner.name}"
    if options.docker:
        yield f"Docker reads {DAEMON} when it starts; it ends containers then: systemctl restart docker"
