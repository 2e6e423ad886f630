"""Which requests are answered."""

import pytest

from panteras_dns.admin.guard import refusal

HOSTS = ("gateway.example.com",)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9153", "localhost:9153", "LocalHost", "[::1]:9153", "10.0.0.5", "gateway.example.com:9153", "::1"],
)
def test_addresses_and_names_of_ours_are_answered(host):
    given = {"host": host}

    assert (refusal(b"GET", "/status", given, HOSTS) is None) is (
        host != "::1"
    )  # an address of IPv6 stands in brackets


@pytest.mark.parametrize(
    "host", ["", "evil.example.com", "localhost.evil.example.com", "127.0.0.1.evil.example.com", "["]
)
def test_a_name_that_was_made_to_lead_here_is_refused(host):
    assert refusal(b"GET", "/", {"host": host}, HOSTS)[0] == 421


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"\xff" * 500])
def test_there_is_nothing_to_write(method):
    status, reason = refusal(method, "/", {"host": "localhost"}, HOSTS)

    assert status == 405
    assert len(reason) < 120


def test_another_site_may_not_ask_and_a_link_from_it_may_lead_here():
    given = {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}

    assert refusal(b"GET", "/status", given, HOSTS)[0] == 403
    followed = {**given, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert refusal(b"GET", "/", followed, HOSTS) is None
    assert refusal(b"GET", "/events", followed, HOSTS)[0] == 403
    assert refusal(b"GET", "/", {**followed, "sec-fetch-dest": "iframe"}, HOSTS)[0] == 403
    assert refusal(b"GET", "/status", {**given, "sec-fetch-site": "same-origin"}, HOSTS) is None
