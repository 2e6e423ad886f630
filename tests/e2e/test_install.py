"""`panteras install` and `uninstall` under a real systemd: whatever happens in between, the machine is as it was before.

A container's resolv.conf is mounted, so that it is written in place; without the mount it is a plain file.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from lab import addresses
from lab.consul import Consul
from lab.docker import Docker
from lab.machine import RESOLVED, Machine, build
from lab.manual import commands
from lab.patience import eventually
from lab.resolver import WWW_ADDRESS, Resolver

PANTERAS, PYTHON = "/opt/panteras/bin/panteras", "/opt/panteras/bin/python"
RESOLV_CONF = "/etc/resolv.conf"
REVERT = "panteras-install-revert"
UPSTREAM = ("--dns", addresses.RESOLVER)
# All that makes a file what it is, in the places where anything of ours may come to lie; systemd's own notes aside.
TREE = """
import hashlib, json, os
found = {}
for top in ("/etc", "/usr/lib/systemd", "/usr/local", "/var/lib"):
    for folder, folders, files in os.walk(top):
        folders[:] = [one for one in folders if (folder, one) != ("/var/lib", "systemd")]
        for path in [os.path.join(folder, one) for one in folders + files]:
            if path in ("/etc/hosts", "/etc/hostname"):  # Docker's
                continue
            status = os.lstat(path)
            told = [oct(status.st_mode), status.st_uid, status.st_gid]
            told += [[name, os.getxattr(path, name, follow_symlinks=False).hex()]
                     for name in sorted(os.listxattr(path, follow_symlinks=False))]
            if os.path.islink(path):
                told.append(os.readlink(path))
            elif os.path.isfile(path):
                told += [hashlib.sha256(open(path, "rb").read()).hexdigest(), status.st_mtime_ns, status.st_nlink]
            found[path] = told
print(json.dumps(found))
"""
# The way there, up to a step, and then what no program survives.
KILLED = """
import os, signal, sys
from panteras_dns.install.apply import steps
from panteras_dns.install.journal import Journal, missing
from panteras_dns.install.plan import Options, make
from panteras_dns.install.system import System
from panteras_dns.install.trial import Trial
system, plan = System(), make(System(), Options("/opt/panteras/bin/panteras", 600))
journal = Journal(plan, made=missing(system, [one.path for one in plan.changes]), names=("www.example",))
done = 0
for word, do in steps(system, journal, Trial(names=journal.names)):
    do()
    done += 1
    if done == int(sys.argv[1]):
        print(word, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""

# Docker mounts a resolv.conf at each start.
UNMOUNTED = """
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/umount /etc/resolv.conf
[Install]
WantedBy=sysinit.target
"""


MANAGER = f"""
[keyfile]
unmanaged-devices=*
[global-dns]
[global-dns-domain-*]
servers={addresses.RESOLVER}
"""


class Host(Machine):
    """A machine, and what is asked of it here."""

    def panteras(self, *words: str) -> tuple[int, str]:
        """The exit status of a command, and all that it says."""
        told = self.attempt("sh", "-c", '"$@" </dev/null 2>&1; echo "= $?"', "sh", PANTERAS, *words)
        text, _, status = told.rpartition("= ")
        assert "Traceback" not in text, text
        return int(status), text

    def tree(self) -> Mapping[str, object]:
        found: Mapping[str, object] = json.loads(self.run(PYTHON, "-c", TREE))
        return found

    def finds(self, name: str) -> str:
        """What a program of it gets for a name."""
        return self.attempt("getent", "ahostsv4", name).partition(" ")[0]

    def resolv_conf(self) -> str:
        return self.run("cat", RESOLV_CONF)

    def is_active(self, unit: str) -> bool:
        return self.attempt("systemctl", "is-active", unit).strip() == "active"


@pytest.fixture(scope="module")
def image(_engine: Docker, box_image: str, scratch: Path) -> str:
    context = scratch / "install"
    context.mkdir()
    return build(_engine, "panteras-install", context, ["dnsutils"])


@pytest.fixture(scope="module")
def resolved_image(_engine: Docker, box_image: str, scratch: Path) -> str:
    context = scratch / "resolved"
    context.mkdir()
    return build(_engine, "panteras-resolved", context, ["dbus"], RESOLVED)


@pytest.fixture(scope="module")
def manager_image(_engine: Docker, box_image: str, scratch: Path) -> str:
    """With NetworkManager, which has a server of its own and no interface in its hands."""
    context = scratch / "manager"
    context.mkdir()
    (context / "lab.conf").write_text(MANAGER)
    copy = "COPY lab.conf /etc/NetworkManager/conf.d/\nRUN systemctl disable NetworkManager\n"
    return build(_engine, "panteras-manager", context, ["dbus", "network-manager"], copy)


def _host(docker: Docker, image: str) -> Iterator[Host]:
    made = Host(docker, image, *UPSTREAM)
    yield made
    print(made.attempt("journalctl", "--no-pager", "-o", "short-precise"))


@pytest.fixture
def mounted(docker: Docker, consul: Consul, resolver: Resolver, image: str) -> Iterator[Host]:
    yield from _host(docker, image)


@pytest.fixture
def plain(mounted: Host) -> Host:
    """Its resolv.conf is a file, with all that a file may have."""
    mounted.run("sh", "-c", f"printf %s '{UNMOUNTED}' > /etc/systemd/system/unmounted.service")
    mounted.run("systemctl", "enable", "unmounted.service")
    mounted.run("umount", RESOLV_CONF)
    mounted.run("sh", "-c", f"printf 'search example\\nnameserver {addresses.RESOLVER}\\n' > {RESOLV_CONF}")
    mounted.run("sh", "-c", f"chmod 640 {RESOLV_CONF}; chown 7:8 {RESOLV_CONF}; touch -d 2001-02-03 {RESOLV_CONF}")
    mounted.run(PYTHON, "-c", f"import os; os.setxattr('{RESOLV_CONF}', 'trusted.note', b'mine')")
    return mounted


@pytest.fixture
def resolved(docker: Docker, consul: Consul, resolver: Resolver, resolved_image: str) -> Iterator[Host]:
    """Its resolv.conf leads to systemd-resolved's stub, which has its server from a link, as by DHCP."""
    for host in _host(docker, resolved_image):
        host.run("umount", RESOLV_CONF)
        host.run("ln", "-sf", "../run/systemd/resolve/stub-resolv.conf", RESOLV_CONF)
        host.run("systemctl", "start", "systemd-resolved")
        host.run("resolvectl", "dns", "internet", addresses.RESOLVER)
        eventually(lambda host=host: host.finds("www.example") == WWW_ADDRESS, "systemd-resolved")  # type: ignore[misc]
        yield host


def _reloaded(host: "Host") -> bool:
    host.attempt("systemctl", "reload", "NetworkManager")
    return "Generated by NetworkManager" in host.resolv_conf()


@pytest.fixture
def manager(docker: Docker, consul: Consul, resolver: Resolver, manager_image: str) -> Iterator[Host]:
    """Its resolv.conf is NetworkManager's."""
    for host in _host(docker, manager_image):
        host.run("umount", RESOLV_CONF)
        host.run("systemctl", "start", "NetworkManager")
        # Without an interface it writes only when it is told to, and hears that only once it is on the bus.
        eventually(lambda host=host: _reloaded(host), "its file", within=20)  # type: ignore[misc]
        yield host


def consul_of(host: Host) -> str:
    return host.finds("consul.service.consul")


def test_install_confirm_and_uninstall_in_place(mounted: Host) -> None:
    before = mounted.tree()
    status, shown = mounted.panteras("install", "--dry-run")
    assert status == 0 and "+nameserver 127.0.0.1" in shown and mounted.tree() == before
    status, told = mounted.panteras("install")
    assert status == 2 and "expected --yes" in told and mounted.tree() == before

    status, told = mounted.panteras("install", "--yes", "--name", "www.example")
    assert status == 0 and "panteras install confirm" in told, told
    assert mounted.resolv_conf().endswith("\nnameserver 127.0.0.1") and addresses.RESOLVER not in mounted.resolv_conf()
    assert mounted.finds("www.example") == WWW_ADDRESS and consul_of(mounted) == "127.0.0.1"
    assert mounted.is_active(f"{REVERT}.timer")

    applied = mounted.tree()
    status, told = mounted.panteras("install", "--yes")
    assert status == 0 and "nothing to change" in told and mounted.tree() == applied
    status, told = mounted.panteras("install", "--yes", "--docker")
    assert status == 1 and "other options" in told

    assert mounted.panteras("install", "confirm")[0] == 0
    assert not mounted.is_active(f"{REVERT}.timer") and REVERT not in mounted.run("ls", "/etc/systemd/system")
    status, told = mounted.panteras("install", "status")
    assert status == 0 and told.startswith("confirmed\n") and "changed" not in told
    exposure = mounted.run("systemd-analyze", "security", "--no-pager", "panteras-dns")
    assert float(re.findall(r"Overall exposure level for \S+: ([0-9.]+)", exposure)[0]) < 4.5

    assert mounted.panteras("uninstall", "--yes")[0] == 0
    assert mounted.tree() == before and mounted.finds("www.example") == WWW_ADDRESS
    assert not mounted.is_active("panteras-dns.service") and not mounted.is_active("panteras-dns.socket")
    assert mounted.panteras("uninstall", "--yes") == (0, "not installed\n")


def test_the_words_of_the_manual(mounted: Host) -> None:
    _, _, dry_run, install, confirm, status = commands("docs/install.md", "Install")
    dry_run_back, uninstall = commands("docs/install.md", "Take it back")
    before = mounted.tree()

    def typed(line: str) -> str:
        """As a person at a terminal, who says yes when asked."""
        line = line.removeprefix("sudo ")
        return mounted.run("sh", "-c", f"echo y | script --quiet --return --command '{line}' /dev/null")

    assert "+nameserver 127.0.0.1" in typed(dry_run) and mounted.tree() == before
    assert "Make these changes? [y/N]" in typed(install)
    assert "confirmed" in typed(confirm) and "confirmed" in typed(status)
    assert consul_of(mounted) == "127.0.0.1"
    assert "-nameserver 127.0.0.1" in typed(dry_run_back) and consul_of(mounted) == "127.0.0.1"
    assert "Put all of this back? [y/N]" in typed(uninstall)
    assert mounted.tree() == before


def test_a_plain_file_comes_back_with_all_that_it_had(plain: Host) -> None:
    plain.run("sh", "-c", """mkdir /etc/docker; printf '{"debug":true}' > /etc/docker/daemon.json""")
    before = plain.tree()
    status, told = plain.panteras("install", "--yes", "--name", "www.example", "--docker")
    assert status == 0 and "systemctl restart docker" in told, told
    assert json.loads(plain.run("cat", "/etc/docker/daemon.json")) == {"debug": True, "dns": [addresses.DOCKER0]}
    assert plain.finds("www.example") == WWW_ADDRESS and plain.finds("www") == WWW_ADDRESS
    assert plain.panteras("install", "confirm")[0] == 0

    assert plain.panteras("uninstall", "--yes")[0] == 0
    assert plain.tree() == before


def test_no_question_is_lost_while_the_gateway_is_killed(mounted: Host) -> None:
    assert mounted.panteras("install", "--yes")[0] == 0
    assert mounted.panteras("install", "confirm")[0] == 0
    for _ in range(3):
        mounted.run("systemctl", "kill", "--signal=KILL", "panteras-dns.service")
        assert mounted.finds("www.example") == WWW_ADDRESS


def test_nobody_confirms_and_the_timer_takes_it_back(plain: Host) -> None:
    before = plain.tree()
    assert plain.panteras("install", "--yes", "--within", "60")[0] == 0

    eventually(lambda: REVERT not in plain.run("ls", "/etc/systemd/system"), "the end of the time", 90, every=1)
    eventually(lambda: plain.tree() == before, "all as it was", 30, every=0.5)
    assert plain.finds("www.example") == WWW_ADDRESS


def test_nobody_confirms_and_the_next_boot_takes_it_back(plain: Host) -> None:
    before = plain.tree()
    assert plain.panteras("install", "--yes", "--within", "3600")[0] == 0
    plain.restart()

    eventually(lambda: plain.tree() == before, "all as it was", 30, every=0.5)
    assert plain.finds("www.example") == WWW_ADDRESS


def test_a_confirmed_one_is_there_after_the_next_boot(plain: Host) -> None:
    assert plain.panteras("install", "--yes")[0] == 0
    assert plain.panteras("install", "confirm")[0] == 0
    plain.restart()

    eventually(lambda: consul_of(plain) == "127.0.0.1", "the gateway's answer")
    assert plain.panteras("install", "status")[0] == 0


@pytest.mark.parametrize("kind", ["mounted", "plain", "resolved"])
def test_after_a_kill_behind_any_step_the_switch_takes_it_back(request: pytest.FixtureRequest, kind: str) -> None:
    host: Host = request.getfixturevalue(kind)
    before, words = host.tree(), []
    for count in range(1, 50):
        word = host.attempt(PYTHON, "-c", KILLED, str(count)).strip()
        if not word:
            break
        words.append(word)
        assert host.finds("www.example") == WWW_ADDRESS, word
        if host.is_active(f"{REVERT}.timer"):
            host.run("systemctl", "start", f"{REVERT}.service")  # as the timer does
        else:
            assert host.panteras("install", "revert")[0] == 0
        assert host.tree() == before, word
        assert host.finds("www.example") == WWW_ADDRESS, word

    assert words[0] == "note what is here now" and words[-1] == "wait for the confirmation"
    assert host.panteras("uninstall", "--yes")[0] == 0  # that of the last, which was not killed
    assert host.tree() == before


def test_behind_the_stub_of_systemd_resolved(resolved: Host) -> None:
    before = resolved.tree()
    assert consul_of(resolved) == ""
    status, told = resolved.panteras("install", "--yes", "--name", "www.example")
    assert status == 0, told
    assert resolved.run("readlink", RESOLV_CONF) == "../run/systemd/resolve/stub-resolv.conf"
    assert resolved.finds("www.example") == WWW_ADDRESS and consul_of(resolved) == "127.0.0.1"
    assert "127.0.0.1" in resolved.run("resolvectl", "query", "consul.service.consul")
    assert resolved.panteras("install", "confirm")[0] == 0

    assert resolved.panteras("uninstall", "--yes")[0] == 0
    assert resolved.tree() == before
    assert resolved.finds("www.example") == WWW_ADDRESS and consul_of(resolved) == ""


def test_network_manager_leaves_resolv_conf_to_the_gateway_and_takes_it_again(manager: Host) -> None:
    before = manager.resolv_conf()
    status, told = manager.panteras("install", "--yes", "--name", "www.example")
    assert status == 0, told
    manager.run("systemctl", "restart", "NetworkManager", "panteras-dns")
    assert manager.resolv_conf().endswith("\nnameserver 127.0.0.1")
    assert manager.finds("www.example") == WWW_ADDRESS and consul_of(manager) == "127.0.0.1"
    assert "/etc/panteras" not in manager.tree(), "the servers are NetworkManager's to know"
    assert manager.panteras("install", "confirm")[0] == 0

    assert manager.panteras("uninstall", "--yes")[0] == 0
    assert manager.resolv_conf() == before and manager.finds("www.example") == WWW_ADDRESS
    manager.run("systemctl", "restart", "NetworkManager")
    assert manager.resolv_conf() == before


def test_without_consul_nothing_stays(plain: Host, consul: Consul) -> None:
    before = plain.tree()
    consul.stop()
    status, told = plain.panteras("install", "--yes")

    assert status == 1 and "no answer from Consul" in told and "taken back, as it was before" in told
    assert plain.tree() == before


def test_a_confirmation_without_answers_is_none(mounted: Host, consul: Consul) -> None:
    before = mounted.tree()
    assert mounted.panteras("install", "--yes", "--within", "3600")[0] == 0
    consul.stop()
    status, told = mounted.panteras("install", "confirm")

    assert status == 1 and "not confirmed: the gateway gets no answer from Consul" in told
    assert mounted.is_active(f"{REVERT}.timer")
    assert mounted.panteras("install", "revert")[0] == 0
    assert mounted.tree() == before


def test_what_somebody_changed_since_is_shown_and_stays(plain: Host) -> None:
    before = plain.tree()
    assert plain.panteras("install", "--yes")[0] == 0
    assert plain.panteras("install", "confirm")[0] == 0
    plain.run("sh", "-c", f"echo 'options timeout:1' >> {RESOLV_CONF}")
    status, told = plain.panteras("uninstall", "--yes")

    assert status == 1 and "+options timeout:1" in told and "somebody changed it since" in told
    assert plain.finds("www.example") == WWW_ADDRESS and plain.is_active("panteras-dns.service")
    plain.run("sed", "-i", "/timeout/d", RESOLV_CONF)
    assert plain.panteras("uninstall", "--yes")[0] == 0
    assert plain.tree() == before


def test_a_port_that_is_taken_and_a_program_that_units_can_not_see_are_refused(mounted: Host) -> None:
    before = mounted.tree()
    mounted.run("systemd-run", "--unit", "holder", PANTERAS, "serve", "--listen", "127.0.0.1")
    asked = ("dig", "@127.0.0.1", "localhost", "+short")
    eventually(lambda: mounted.attempt(*asked).strip() == "127.0.0.1", "a holder")
    status, told = mounted.panteras("install", "--yes")

    assert status == 1 and "127.0.0.1:53 is held by" in told and "stop it first" in told, told
    mounted.run("systemctl", "stop", "holder")
    mounted.run("cp", "-r", "/opt/panteras", "/root/venv")
    told = mounted.attempt("/root/venv/bin/python", "-m", "panteras_dns", "install", "--yes")
    assert "units can't see /root, expected a place like /opt/panteras/bin/panteras" in told
    assert mounted.tree() == before
