"""The reader of iptables' rules, where the kernel can't be asked or knows more: what it makes of odd ones. What both can
tell is compared end to end."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.doctor.iptables import ACCEPT, DROP, EITHER, Packet, Rules

UDP, TCP = (Packet("docker0", IPv4Network("172.17.0.0/16"), IPv4Address("172.17.0.1"), kind) for kind in ("udp", "tcp"))
OPEN, SHUT = "-P INPUT ACCEPT\n", "-P INPUT DROP\n"
WORDS = st.sampled_from(
    [
        "-P",
        "-N",
        "-A",
        "INPUT",
        "own",
        "DROP",
        "ACCEPT",
        "RETURN",
        "-j",
        "-g",
        "!",
        "-i",
        "docker0",
        "-s",
        "10.0.0.0/8",
        "-d",
        "::1",
        "-p",
        "udp",
        "--dport",
        "53",
        "a:b",
        "-m",
        "comment",
        "--comment",
        "'\"'",
        "-1",
        "--tcp-flags",
        "--ctstate",
        "NEW",
        "\n",
        "\n-A",
        "-f",
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_whatever_is_printed_there_is_a_fate(told: str) -> None:
    rules = Rules(told)

    assert all(rules.fate(packet) and rules.fate(packet) <= EITHER for packet in (UDP, TCP))


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "-P INPUT ODD\n",
        OPEN + "-A INPUT -p udp -m limit --limit 3/min -j DROP\n",
        OPEN + "-A INPUT -p udp -m mark --mark 0x8000/0x8000 -j DROP\n",
        SHUT + "-A INPUT -m set --match-set friends src -j ACCEPT\n",
        SHUT + "-A INPUT -m socket -j ACCEPT\n",
        SHUT + "-A INPUT -m iprange --src-range 172.17.0.2-172.17.0.9 -j ACCEPT\n",
        SHUT + "-A INPUT -s 172.17.0.2/32 -j ACCEPT\n",
        SHUT + "-A INPUT -s 172.17.0.0/255.0.255.0 -j ACCEPT\n",
        SHUT + "-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT\n",
        SHUT + '-A INPUT -m comment --comment "of two\nlines" -j ACCEPT\n',
        OPEN + "-A INPUT -j NFQUEUE --queue-num 0\n",
        OPEN + "-A INPUT -p udp -j TARPIT\n",
        OPEN + "-N own\n-A INPUT -j own\n-A own -j own\n",
    ],
)
def test_what_is_not_known_here_is_left_open(rules: str) -> None:
    assert Rules(rules).fate(UDP) == EITHER


@pytest.mark.parametrize(
    ("rules", "fate"),
    [
        (SHUT + '-A INPUT -m comment --comment "!" -m conntrack --ctstate NEW -j ACCEPT\n', ACCEPT),
        (OPEN + '-A INPUT -p udp -m comment --comment "!" -m udp --dport 53 -j DROP\n', DROP),
        (OPEN + "-A INPUT -m comment --comment -j -j DROP\n", DROP),
        (SHUT + '-A INPUT -m comment --comment "--- allow docker ---" -j ACCEPT\n', ACCEPT),
        (SHUT + "-A INPUT -p 17 -j ACCEPT\n", ACCEPT),
        (SHUT + "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n", DROP),
        (OPEN + "-A INPUT -f -j DROP\n", ACCEPT),
        (OPEN + "-A INPUT -m pkttype --pkt-type broadcast -j DROP\n", ACCEPT),
        (OPEN + '-A INPUT -j LOG --log-prefix "-j DROP "\n', ACCEPT),
    ],
)
def test_what_is_known_is_told(rules: str, fate: str) -> None:
    assert Rules(rules).fate(UDP) == {fate}


@pytest.mark.parametrize(
    ("flags", "fate"),
    [
        ("FIN,SYN,RST,ACK SYN", DROP),
        ("FIN,SYN,RST,PSH,ACK,URG NONE", ACCEPT),
        ("FIN,SYN FIN,SYN", ACCEPT),
        ("FIN,ACK NONE", DROP),
    ],
)
def test_a_connection_begins_with_syn_alone(flags: str, fate: str) -> None:
    assert Rules(f"{OPEN}-A INPUT -p tcp -m tcp --tcp-flags {flags} -j DROP\n").fate(TCP) == {fate}


def test_a_chain_that_is_opened_takes_what_comes_to_it() -> None:
    rules = Rules(f"{SHUT}-N own\n-A INPUT -p udp -j own\n-A own -j DROP\n")

    assert (rules.fate(UDP, opened="own"), rules.fate(TCP, opened="own")) == ({ACCEPT}, {DROP})
