"""Start, reload, loss of a worker and stop, as seen by the clients of a running server."""

import os
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import addresses, dig
from lab.consul import Consul
from lab.gateway import Gateway, command
from lab.namespace import Namespace
from lab.patience import eventually
from lab.process import Process
from lab.resolver import WWW_ADDRESS, Resolver

import panteras_dns

NAME = "python1.service.consul"
LONGEST_STOP = 1.0
LONGEST_LOSS_OF_A_WORKER = 4.0

Serve = Callable[..., Gateway]


@pytest.fixture(autouse=True)
def _registered(consul: Consul, resolver: Resolver) -> None:
    consul.register("python1", *addresses.PYTHON1)


def test_root_is_dropped_once_the_ports_are_bound(host: Namespace, gateway: Gateway) -> None:
    assert dig.ask(host, "127.0.0.1", NAME).status == "NOERROR"
    assert 0 not in gateway.owners()


def test_the_chosen_account_runs_it(serve: Serve) -> None:
    gateway = serve("--user", "daemon", "--workers", "2")

    eventually(lambda: len(gateway.children()) == 3, "two workers and the admin")

    assert gateway.owners() == {1}  # daemon's number on every Debian


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_runs_from_a_home_that_only_root_can_enter(
    host: Namespace, scratch: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve, workers: str
) -> None:
    """Whatever is imported late, without root, is not found there: on many machines that is root's own home."""
    home = scratch / f"home-{workers}"
    home.mkdir(mode=0o700)
    (home / "packages").symlink_to(sysconfig.get_path("platlib"))
    (home / "panteras_dns").symlink_to(Path(panteras_dns.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", f"{home}:{home}/packages")

    gateway = serve("--workers", workers)
    first = dig.ask(host, "127.0.0.1", NAME, "A", "+tcp")
    gateway.signal(signal.SIGHUP)
    eventually(lambda: "reloaded" in gateway.errors, "a reload")
    second = dig.ask(host, "127.0.0.1", "www.example")

    assert first.addresses == set(addresses.PYTHON1)
    assert second.addresses == {WWW_ADDRESS}


def test_each_listening_address_is_announced(serve: Serve) -> None:
    gateway = serve("--listen", "127.0.0.1", "--listen", f"[{addresses.HOST_6}]:5302")

    assert len(gateway.listening) == 2
    assert "127.0.0.1:53" in gateway.listening[0]
    assert f"[{addresses.HOST_6}]:5302" in gateway.listening[1]


def test_a_taken_port_is_one_line_that_names_the_holder(host: Namespace, scratch: Path, serve: Serve) -> None:
    holder = serve("--listen", "127.0.0.1")

    late = Process(command("serve", "--listen", "127.0.0.1"), scratch / "late.log", host)

    assert late.wait(within=10) == 2
    assert len(late.errors.splitlines()) == 1
    assert str(holder.pid) in late.errors


def test_without_a_choice_of_addresses_a_taken_one_is_left_out(host: Namespace, serve: Serve) -> None:
    holder = serve("--listen", "127.0.0.1")

    gateway = serve()

    assert "127.0.0.1:53 " not in "\n".join(gateway.listening) + " "
    assert dig.ask(host, addresses.HOST, NAME).addresses == set(addresses.PYTHON1)
    assert holder.running


def test_a_killed_worker_is_replaced_while_the_other_answers(host: Namespace, serve: Serve) -> None:
    gateway = serve("--workers", "2", "--admin", "off")
    before = eventually(lambda: _pair(gateway), "two workers")

    os.kill(before[0], signal.SIGKILL)
    killed = time.monotonic()
    for _ in range(10):
        assert dig.ask(host, "127.0.0.1", NAME).addresses == set(addresses.PYTHON1)
    eventually(
        lambda: before[0] not in _pair(gateway) and _pair(gateway),
        "a new worker",
        within=LONGEST_LOSS_OF_A_WORKER,
    )

    assert time.monotonic() - killed < LONGEST_LOSS_OF_A_WORKER
    for _ in range(10):
        assert dig.ask(host, "127.0.0.1", NAME).addresses == set(addresses.PYTHON1)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_reload_loses_no_query(host: Namespace, scratch: Path, serve: Serve, workers: str) -> None:
    gateway = serve("--workers", workers)
    load = _Load(host, scratch, seconds=4, names=[NAME, "www.example", "missing.example"])

    while load.running:
        gateway.signal(signal.SIGHUP)
        time.sleep(0.3)  # some questions of each kind between two reloads

    assert load.lost == 0
    assert load.completed > 1000
    assert gateway.running


def test_a_reload_brings_the_new_configuration(host: Namespace, scratch: Path, serve: Serve) -> None:
    configuration = scratch / "panteras.toml"
    configuration.write_text(_a_configuration(printer="10.1.1.1"))
    gateway = serve("--config", str(configuration))
    assert dig.ask(host, "127.0.0.1", "printer.home").addresses == {"10.1.1.1"}

    configuration.write_text(_a_configuration(printer="10.1.1.2"))
    gateway.signal(signal.SIGHUP)

    eventually(lambda: dig.ask(host, "127.0.0.1", "printer.home").addresses == {"10.1.1.2"}, "the new address")


def test_a_wrong_configuration_is_told_and_the_old_one_stays(host: Namespace, scratch: Path, serve: Serve) -> None:
    configuration = scratch / "panteras.toml"
    configuration.write_text(_a_configuration(printer="10.1.1.1"))
    gateway = serve("--config", str(configuration))

    configuration.write_text(_a_configuration(printer="10.1.1"))
    gateway.signal(signal.SIGHUP)

    eventually(lambda: "record[0]" in gateway.errors, "an error that names the key")
    assert dig.ask(host, "127.0.0.1", "printer.home").addresses == {"10.1.1.1"}
    assert dig.ask(host, "127.0.0.1", NAME).addresses == set(addresses.PYTHON1)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_stops_within_a_second(host: Namespace, serve: Serve, workers: str) -> None:
    gateway = serve("--workers", workers)
    assert dig.ask(host, "127.0.0.1", NAME, "A", "+tcp").status == "NOERROR"
    children = gateway.children()

    gateway.signal(signal.SIGTERM)

    assert gateway.wait(within=LONGEST_STOP) == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_a_silent_consul_does_not_keep_it_from_stopping(
    host: Namespace, scratch: Path, consul: Consul, serve: Serve
) -> None:
    gateway = serve()
    consul.freeze()
    load = _Load(host, scratch, seconds=2, names=[NAME])
    time.sleep(0.5)  # questions are waiting for Consul now

    gateway.signal(signal.SIGTERM)

    assert gateway.wait(within=2 * LONGEST_STOP) == 0, "questions that are under way are waited for, 0.6 s"
    load.wait()


def test_the_very_first_query_after_the_ready_line_is_answered(host: Namespace, serve: Serve) -> None:
    serve("--workers", "2")

    assert dig.ask(host, "127.0.0.1", "www.example").addresses == {WWW_ADDRESS}


def test_a_bridge_that_appears_later_is_served_too(host: Namespace, gateway: Gateway) -> None:
    for _ in range(2):  # docker takes a bridge away and brings it back
        host.add_bridge("late0", "10.78.1.1/24")
        try:
            eventually(lambda: _answers(host, "10.78.1.1"), "an answer on the new address", within=15)
        finally:
            host.remove_device("late0")


def test_an_ipv6_address_that_cannot_be_bound_yet_is_served_soon(
    host: Namespace, laptop: Namespace, serve: Serve
) -> None:
    """As at boot: for a second or two the kernel makes sure that nobody else has the address (RFC 4862 5.4)."""
    host.add_address("fd77:1::77/64", laptop.role, checked=True)
    try:
        serve()
        eventually(lambda: _answers(host, "fd77:1::77"), "an answer on the new address", within=15)
    finally:
        host.remove_address("fd77:1::77/64", laptop.role)


class _Load:
    """A steady stream of queries by dnsperf, below what any machine can do: none has a reason to get lost."""

    def __init__(self, host: Namespace, directory: Path, seconds: int, names: list[str]) -> None:
        questions = directory / "questions"
        questions.write_text("".join(f"{name} A\n" for name in names))
        self._popen = subprocess.Popen(
            [
                *(*host.prefix, "dnsperf", "-s", "127.0.0.1", "-d", str(questions)),
                *("-l", str(seconds), "-Q", "1000", "-c", "8", "-t", "2"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._told = ""

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait(self) -> str:
        if not self._told:
            self._told = self._popen.communicate(timeout=30)[0]
        return self._told

    @property
    def lost(self) -> int:
        return self._figure("lost")

    @property
    def completed(self) -> int:
        return self._figure("completed")

    def _figure(self, what: str) -> int:
        found = re.search(rf"Queries {what}: +(\d+)", self.wait())
        assert found, self._told
        return int(found[1])


def _pair(gateway: Gateway) -> list[int]:
    """Its workers when there are two of them, else nothing."""
    children = gateway.children()
    return children if len(children) == 2 else []


def _a_configuration(printer: str) -> str:
    return f'[[record]]\nname = "printer.home"\ntype = "A"\ndata = "{printer}"\n'


def _answers(host: Namespace, server: str) -> bool:
    return dig.ask(host, server, NAME).addresses == set(addresses.PYTHON1)
