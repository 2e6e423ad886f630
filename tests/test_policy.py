import ipaddress
import socket

import pytest

from panteras_dns.policy import ADMITTED, ANSWERED, DROPPED, LIMITED, REFUSED, SLIPPED, Policy

NETWORKS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def test_clients_on_the_list_are_admitted_and_others_refused():
    policy = Policy(lambda: NETWORKS)

    assert policy.verdict("10.1.2.3", 0) == ADMITTED
    assert policy.verdict("192.0.2.1", 0) == REFUSED
    assert policy.verdict("192.0.2.1", 0) == REFUSED
    assert policy.refused == 2


def test_a_host_may_be_text_or_the_bytes_of_an_address():
    policy = Policy(lambda: NETWORKS)

    assert policy.verdict(socket.inet_aton("10.1.2.3"), 0) == ADMITTED
    assert policy.verdict(socket.inet_pton(socket.AF_INET6, "fd00::1"), 0) == ADMITTED
    assert policy.verdict(socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 0) == REFUSED
    assert policy.verdict("fe80::1%eth0", 0) == REFUSED


def test_a_client_that_asks_too_fast_is_limited_until_its_bucket_fills_again():
    policy = Policy(lambda: NETWORKS, rate=10, burst=5)

    verdicts = [policy.verdict("10.0.0.1", 0) for _ in range(8)]

    assert verdicts.count(LIMITED) == 2
    assert policy.verdict("10.0.0.1", 0.11) == ADMITTED
    assert policy.verdict("10.0.0.2", 0) == ADMITTED
    assert policy.limited == 2


def test_loopback_has_no_limit():
    policy = Policy(lambda: NETWORKS, rate=1, burst=1)

    assert {policy.verdict("127.0.0.1", 0) for _ in range(100)} == {ADMITTED}


@pytest.mark.parametrize("prefix", ["10.0", "192.0"], ids=["admitted", "refused"])
def test_a_flood_of_addresses_is_bounded(prefix):
    policy = Policy(lambda: NETWORKS, rate=1000)

    for number in range(50_000):
        policy.verdict(f"{prefix}.{number // 250}.{number % 250}", number / 1e4)

    assert len(policy.clients) <= 20_000
    assert len(policy._denied) <= 20_000


def test_a_client_of_a_network_made_a_moment_ago_is_no_stranger():
    networks = list(NETWORKS)
    policy = Policy(lambda: networks)
    assert policy.verdict("192.0.2.1", 0) == REFUSED

    networks.append(ipaddress.ip_network("198.51.100.0/24"))

    assert policy.verdict("198.51.100.7", 1) == ADMITTED


def test_a_flood_of_strangers_does_not_make_us_look_again_and_again():
    looks = []
    policy = Policy(lambda: looks.append(1) or NETWORKS)

    for number in range(1000):
        policy.verdict(f"192.0.{number // 250}.{number % 250}", number / 1e4)

    assert len(looks) <= 3


def test_failures_are_told_to_a_network_only_so_often():
    policy = Policy(lambda: NETWORKS, failures=10)
    told = [policy.tolerates(b"\2\0\0\0\x0a\0\0" + bytes([number]) + bytes(8), 0.0) for number in range(100)]

    assert told.count(ANSWERED) in (20, 21)
    assert abs(told.count(SLIPPED) - told.count(DROPPED)) <= 1
    assert policy.tolerates(b"\2\0\0\0\x0a\0\1\1" + bytes(8), 0.0) == ANSWERED
    assert policy.tolerates(b"\2\0\0\0\x0a\0\0\1" + bytes(8), 1.0) == ANSWERED


@pytest.mark.parametrize("client", [("127.0.0.1", 5), ("::1", 5, 0, 0), b"\2\0\0\0\x7f\0\0\1" + bytes(8), object()])
def test_loopback_and_connections_hear_of_every_failure(client):
    policy = Policy(lambda: NETWORKS, failures=1)

    assert {policy.tolerates(client, 0.0) for _ in range(50)} == {ANSWERED}
