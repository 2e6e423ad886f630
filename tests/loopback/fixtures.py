"""Fixtures: scripted servers and gateways that end with the test."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from admin_page import Admin
from builders import a_reply
from program import Gateway, Responder, Script, a_record

QUERYLOG = '[querylog]\nto = "{}"\n{}\n'


@pytest.fixture
def responder() -> Iterator[Callable[..., Responder]]:
    with contextlib.ExitStack() as stack:

        def make(script: Script, port: int = 0) -> Responder:
            made = Responder(script, port)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def gateway() -> Iterator[Callable[..., Gateway]]:
    """Starts gateways; none may leave a traceback behind."""
    made: list[Gateway] = []

    def make(*arguments: str, **options) -> Gateway:
        made.append(Gateway(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    for one in made:
        assert not one.said("Traceback"), "\n".join(one.log)


@pytest.fixture
def served(gateway, responder) -> tuple[Gateway, Responder, Responder]:
    """A gateway between a Consul and an upstream that know every name."""
    consul, upstream = responder(a_record("10.0.0.1", 0)), responder(a_record("192.0.2.1"))
    arguments = ("--listen", "127.0.0.1:0", "--consul", str(consul), "--upstream", str(upstream))
    return gateway(*arguments).ready(), consul, upstream


@pytest.fixture
def admin(gateway, responder):
    def script(query, transport):
        return (
            a_reply(query, rcode=3)
            if b"nope" in query or b"script" in query
            else a_record("10.0.0.1")(query, transport)
        )

    def make(*arguments: str, **options) -> Admin:
        consul, upstream = responder(script), responder(a_record("192.0.2.1"))
        given = ("--listen", "127.0.0.1:0", "--consul", str(consul), "--upstream", str(upstream))
        return Admin(gateway(*given, *arguments, admin="127.0.0.1:0", **options).ready())

    return make


@pytest.fixture
def logged(gateway, responder, tmp_path):
    def make(to: str, more: str = "", *arguments: str, **options):
        def script(query, transport):
            return a_reply(query, rcode=3) if b"nope" in query else a_record("10.0.0.1")(query, transport)

        config = tmp_path / "panteras.toml"
        config.write_text(QUERYLOG.format(to, more))
        given = ("--listen", "127.0.0.1:0", "--consul", str(responder(script)), "--config", str(config))
        return gateway(*given, *arguments, **options).ready()

    return make
