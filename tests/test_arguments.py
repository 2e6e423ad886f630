"""What commands take, and what a shell is offered."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import click
import pytest

from panteras_dns.arguments import EndpointType, NameType
from panteras_dns.endpoint import Endpoint


@pytest.fixture
def consul():
    """An agent with these services; what it listens at."""
    known = {}

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", known
    server.shutdown()
    server.server_close()


def test_a_shell_is_offered_no_name_that_it_would_run(consul):
    place, known = consul
    known |= {name: [] for name in ("web", "Web-2", "web$(reboot)", "web`x`", "web;x", "web x", "web\x1b[2J", "web'")}
    context = click.Context(click.Command("explain"))
    context.params["consul"] = place

    found = [one.value for one in NameType().shell_complete(context, click.Argument(["name"]), "w")]

    assert found == ["web-2.service.consul", "web.service.consul"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1", Endpoint("10.0.0.1", 53)),
        ("::ffff:127.0.0.1", Endpoint("127.0.0.1", 53)),
        ("[::1]:5", Endpoint("::1", 5)),
    ],
)
def test_where_somebody_is_asked(text, found):
    assert EndpointType(53).convert(text, None, None) == found


def test_what_stands_for_several_addresses_can_not_be_asked():
    for text in ("*", "private"):
        assert EndpointType(53, one=False).convert(text, None, None).several
        with pytest.raises(click.BadParameter, match="several addresses, expected one like"):
            EndpointType(53).convert(text, None, None)


def test_no_name_is_not_the_root():
    assert NameType().convert(".", None, None) == "."
    with pytest.raises(click.BadParameter, match="expected a domain name"):
        NameType().convert("", None, None)
