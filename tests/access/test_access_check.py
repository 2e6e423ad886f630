"""The way in from a laptop's side, against what is no door of ours; the door itself is in the end-to-end tests."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import paramiko
import pytest
from household import Household

from panteras_dns.access.ssh import ca, certificate, check
from panteras_dns.access.ssh.certificate import HOST, Certificate
from panteras_dns.access.trouble import Misuse


@pytest.fixture
def kit(tmp_path):
    home = Household(tmp_path).begin()
    home.run("grant", "alice")
    home.run("kit", "alice", "--gateway", "127.0.0.1", "--out", str(tmp_path / "kit"))
    return tmp_path / "kit"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def tried(kit, port: int) -> tuple[int, list[dict[str, object]]]:
    words = [
        "check",
        f"127.0.0.1:{port}",
        "--key",
        str(kit / "id"),
        "--certificate",
        str(kit / "id-cert.pub"),
        "--json",
    ]
    from click.testing import CliRunner

    from panteras_dns.access.commands import access

    done = CliRunner().invoke(access, words)
    assert isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, json.loads(done.stdout)


def test_a_port_where_nobody_is_comes_with_a_remedy(kit, listener):
    port = listener.getsockname()[1]
    listener.close()

    status, (step,) = tried(kit, port)

    assert (status, step["what"], step["ok"]) == (1, "port", False)
    assert step["detail"] == f"127.0.0.1:{port}: Connection refused"
    assert "is the container of the door running, its port published" in str(step["remedy"])


def test_something_that_does_not_speak_ssh_is_told_at_the_host_key(kit, listener):
    def answer() -> None:
        client, _ = listener.accept()
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        client.close()

    thread = threading.Thread(target=answer)
    thread.start()
    status, steps = tried(kit, listener.getsockname()[1])
    thread.join(10)

    assert (status, [(step["what"], step["ok"]) for step in steps]) == (1, [("port", True), ("host key", False)])


def test_an_sshd_without_a_certificate_is_no_door_of_ours(kit, listener):
    def answer() -> None:
        client, _ = listener.accept()
        with paramiko.Transport(client) as transport:
            transport.add_server_key(paramiko.RSAKey.generate(2048))
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=paramiko.ServerInterface())

    thread = threading.Thread(target=answer)
    thread.start()
    status, steps = tried(kit, listener.getsockname()[1])
    thread.join(10)

    assert (status, steps[-1]["what"], steps[-1]["ok"]) == (1, "host key", False)
    assert "what answers there is no door of ours" in str(steps[-1]["remedy"])


def test_a_certificate_counts_when_that_ca_has_signed_it():
    ours, other = (ca.Authority(ca.new_key("ca")[0], None, "ca") for _ in range(2))
    statement = Certificate("gateway", 1, HOST, ["panteras-gateway"], 0, 2**40)
    line = ours.certify(statement, ca.new_key("host")[1])
    kind, blob = line.split()[:2]
    forged = f"{kind} {blob[:-8]}AAAAAAA="

    assert check._certified(line, ours.public) == certificate.read(line)[0]
    assert check._certified(line, other.public) is None
    assert check._certified(forged, ours.public) is None


@pytest.mark.parametrize("text", ["", "gw ssh-ed25519 AAAA", "@cert-authority gw", "@revoked gw ssh-ed25519 AAAA"])
def test_a_known_hosts_without_a_ca_is_told(text):
    with pytest.raises(Misuse, match=r"^known_hosts: no line '@cert-authority', expected the known_hosts of a kit"):
        check.host_ca(text, "known_hosts")
