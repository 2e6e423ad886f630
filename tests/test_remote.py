"""Encrypted servers as text."""

import pytest

from panteras_dns.endpoint import Endpoint
from panteras_dns.remote import Remote, remote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls://9.9.9.9:853#dns.quad9.net", Remote("tls", "9.9.9.9", 853, "dns.quad9.net")),
        ("tls://9.9.9.9", Remote("tls", "9.9.9.9", 853, "9.9.9.9")),
        (" tls://9.9.9.9/#DNS.Quad9.net. ", Remote("tls", "9.9.9.9", 853, "dns.quad9.net")),
        ("tls://[2620:fe::fe]:8853#dns.quad9.net", Remote("tls", "2620:fe::fe", 8853, "dns.quad9.net")),
        ("tls://2620:FE:0::fe", Remote("tls", "2620:FE:0::fe", 853, "2620:fe::fe")),
        ("tls://fe80::1%eth0", Remote("tls", "fe80::1%eth0", 853, "fe80::1")),
        ("tls://10.0.0.1#10.0.0.2", Remote("tls", "10.0.0.1", 853, "10.0.0.2")),
        ("https://9.9.9.9/dns-query#dns.quad9.net", Remote("https", "9.9.9.9", 443, "dns.quad9.net", "/dns-query")),
        ("https://9.9.9.9#dns.quad9.net", Remote("https", "9.9.9.9", 443, "dns.quad9.net", "/dns-query")),
        ("https://9.9.9.9:8443/a/b%20c", Remote("https", "9.9.9.9", 8443, "9.9.9.9", "/a/b%20c")),
    ],
)
def test_a_server_is_an_address_a_port_a_path_and_a_name(text, expected):
    assert remote(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("9.9.9.9", "not an encrypted server"),
        ("udp://9.9.9.9", "not an encrypted server"),
        ("TLS:9.9.9.9", "not an encrypted server"),
        ("tls://dns.quad9.net", "not an address: 'dns.quad9.net'.*the address first, the certificate's name after #"),
        ("tls://", "not an address: ''"),
        ("tls://*:853", "expected one address"),
        ("tls://9.9.9.9:0", "expected a port"),
        ("tls://9.9.9.9:x", "not a port: 'x'"),
        ("tls://9.9.9.9:99999", "not a port"),
        ("tls://9.9.9.9#", "nothing after #"),
        ("tls://9.9.9.9#dns quad9", "not a host name"),
        ("tls://9.9.9.9#-a.example", "not a host name"),
        ("tls://9.9.9.9#a..example", "not a host name"),
        ("tls://9.9.9.9#*.example", "not a host name"),
        ("tls://9.9.9.9#münchen.example", "xn--"),
        ("tls://9.9.9.9#" + "a." * 130 + "example", "not a host name"),
        ("tls://9.9.9.9/dns-query#dns.quad9.net", "a path is only for https://"),
        ("https://9.9.9.9/dns-query{?dns}", "without \\?"),
        ("https://9.9.9.9/dns query", "not a path"),
        ("https://9.9.9.9/a\r\nb", "not a path"),
        ("https://user@9.9.9.9/", "not an address"),
    ],
)
def test_anything_else_is_an_error_that_says_what_was_expected(text, problem):
    with pytest.raises(ValueError, match=problem):
        remote(text)


@pytest.mark.parametrize(
    "text",
    [
        "tls://9.9.9.9:853#dns.quad9.net",
        "tls://9.9.9.9:853",
        "tls://[2620:fe::fe]:853#dns.quad9.net",
        "tls://[2620:fe::fe]:853",
        "https://9.9.9.9:443/dns-query#dns.quad9.net",
    ],
)
def test_a_server_is_written_as_it_is_read(text):
    assert str(remote(text)) == text
    assert remote(str(remote(text))) == remote(text)


def test_the_address_is_where_it_is_connected_to():
    assert remote("tls://9.9.9.9#dns.quad9.net").address == Endpoint("9.9.9.9", 853)
