"""Encrypted upstreams through the whole program. Named so that it is not collected: to be called
test_encrypted.py once the configuration knows `tls://`, `https://` and a route's `ca`."""

import dns.message
import dns.query
import pytest
from builders import a_query, a_reply, parsed
from encrypted import Authority, DohServer, DotServer, framed
from program import a_record, addresses, ask, eventually

AUTHORITY = Authority()


def dot(query: bytes, _: int) -> bytes:
    return framed(a_reply(query, f"{parsed(query).question[0].name} 60 A 192.0.2.1"))


def doh(exchange) -> None:
    exchange.answer(a_reply(exchange.query, f"{parsed(exchange.query).question[0].name} 60 A 192.0.2.1"))


@pytest.fixture
def upstream(request):
    """Makes a server: `tls` or `https`, for these names."""

    def make(scheme: str, *names: str):
        context = AUTHORITY.context(*names, protocols=("h2",) if scheme == "https" else ())
        made = DotServer(context, dot) if scheme == "tls" else DohServer(context, doh)
        request.addfinalizer(made.close)
        return made

    return make


@pytest.fixture
def through(gateway, tmp_path):
    """Starts a gateway whose upstreams are the given ones."""

    def start(*servers: str, more: str = ""):
        ca, config = tmp_path / "ca.pem", tmp_path / "panteras.toml"
        ca.write_bytes(AUTHORITY.pem)
        listed = ", ".join(f'"{server}"' for server in servers)
        config.write_text(f'[[route]]\ndomains = ["."]\nservers = [{listed}]\nca = "{ca}"\n{more}')
        return gateway("--listen", "127.0.0.1:0", "--config", str(config)).ready()

    return start


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_names_are_resolved_through_an_encrypted_server(through, upstream, scheme):
    server = upstream(scheme, "dns.test")
    running = through(f"{scheme}://127.0.0.1:{server.port}#dns.test")

    for number in range(20):
        assert addresses(ask(running.port, f"n{number}.example.com")) == ["192.0.2.1"]
    assert len(server.connections) == 1


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_a_wrong_certificate_is_said_in_the_answer_and_in_the_log_and_nothing_is_asked(through, upstream, scheme):
    server = upstream(scheme, "other.test")
    running = through(f"{scheme}://127.0.0.1:{server.port}#dns.test")

    message = dns.query.udp(dns.message.from_wire(a_query(use_edns=True)), "127.0.0.1", 5, running.port)

    assert message.rcode() == 2
    assert "certificate that is not for dns.test" in str(message.options[0].text)
    eventually(lambda: running.said("certificate that is not for dns.test"))
    assert getattr(server, "queries", []) == [] == getattr(server, "exchanges", [])


def test_the_next_server_answers_when_the_first_is_not_who_it_should_be(through, upstream):
    wrong, right = upstream("tls", "other.test"), upstream("https", "dns.test")
    running = through(f"tls://127.0.0.1:{wrong.port}#dns.test", f"https://127.0.0.1:{right.port}#dns.test")

    assert addresses(ask(running.port)) == ["192.0.2.1"]
    assert wrong.queries == []


def test_plain_and_encrypted_servers_may_be_mixed(through, upstream, responder):
    plain, server = responder(a_record("192.0.2.7")), upstream("tls", "127.0.0.1")
    running = through(f"tls://127.0.0.1:{server.port}", str(plain))
    assert addresses(ask(running.port, "a.example")) == ["192.0.2.1"]

    server.close()

    assert addresses(ask(running.port, "b.example")) == ["192.0.2.7"]


def test_a_server_that_is_restarted_is_used_again(through, upstream):
    server = upstream("tls", "dns.test")
    running = through(f"tls://127.0.0.1:{server.port}#dns.test")
    assert addresses(ask(running.port, "a.example")) == ["192.0.2.1"]
    server.hang_up()

    assert addresses(ask(running.port, "b.example")) == ["192.0.2.1"]
    assert len(server.connections) == 2
