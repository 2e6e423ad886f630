"""The firewall of a machine as it is told: what is shut, for whom, and how it is opened. What a kernel makes of the same
rules is compared end to end."""

import json

import pytest
from test_doctor_checks import BRIDGE, Told, codes

from panteras_dns.doctor.finding import Unseen
from panteras_dns.doctor.firewall import firewall

UFW = """-P INPUT DROP
-N ufw-user-input
-A INPUT -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -m comment --comment "-j ACCEPT of friends" -j ACCEPT
"""
OPEN, SHUT = "-P INPUT ACCEPT\n", "-P INPUT DROP\n"
CONTAINERS = {
    "docker ps": "0123456789ab\n",
    "docker inspect": "7\t/web\tshop\t/var/lib/docker/containers/web/resolv.conf\t0\n",
    "docker network": "false\tbridge\tfedcba9876543210\t\n",
}


def told(tmp_path, rules, commands=None) -> Told:
    return Told(tmp_path, commands={"ip -4": BRIDGE, "iptables -S": rules, **(commands or {})})


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (OPEN, []),
        (SHUT, ["PAN511"]),
        (SHUT + "-A INPUT -i docker0 -p udp -m udp --dport 53 -j ACCEPT\n", ["PAN511"]),
        (SHUT + "-A INPUT -i docker0 -p udp -m udp --dport 53 -j ACCEPT\n-A INPUT -p tcp -j ACCEPT\n", []),
        (OPEN + "-A INPUT -i docker0 -p tcp -m tcp --dport 53 -j DROP\n", ["PAN511"]),
        (UFW, ["PAN511"]),
        (UFW + "-A ufw-user-input -i docker0 -p udp --dport 53 -j ACCEPT\n-A INPUT -s 172.16.0.0/12 -j ACCEPT\n", []),
    ],
)
def test_the_firewall_lets_containers_ask(tmp_path, rules, found) -> None:
    assert codes(firewall(told(tmp_path, rules))) == found


def test_who_keeps_the_rules_is_told_to_open_them(tmp_path) -> None:
    (plain,), (ufw,) = (firewall(told(tmp_path, rules)) for rules in (SHUT, UFW))

    assert plain.fix == tuple(f"iptables -I INPUT -i docker0 -p {kind} --dport 53 -j ACCEPT" for kind in ("udp", "tcp"))
    assert ufw.fix == ("ufw allow in on docker0 to any port 53",)


def test_each_network_with_a_container_is_looked_at(tmp_path) -> None:
    rules = UFW + "-A ufw-user-input -i docker0 -j ACCEPT\n"
    (found,) = firewall(told(tmp_path, rules, CONTAINERS))

    assert found.why == "iptables takes nothing from br-fedcba987654 at port 53"
    assert found.fix == ("ufw allow in on br-fedcba987654 to any port 53",)


def test_an_interface_with_a_name_that_a_shell_would_run_is_left_out(tmp_path) -> None:
    hostile = {**CONTAINERS, "docker network": "false\tbridge\tfedcba9876543210\t$(reboot)\n"}
    (found,) = firewall(told(tmp_path, SHUT, hostile))

    assert found.why == "iptables takes nothing from docker0 at port 53"


@pytest.mark.parametrize(
    "rules",
    [
        OPEN + "-A INPUT -p udp -m limit --limit 3/min -j DROP\n",
        SHUT + "-A INPUT -m set --match-set friends src -j ACCEPT\n",
        SHUT + "-A INPUT -m socket -j ACCEPT\n",
        SHUT + "-A INPUT -s 172.17.0.2/32 -j ACCEPT\n",
        OPEN + "-A INPUT -j NFQUEUE --queue-num 0\n",
        None,
    ],
)
def test_where_more_decides_than_is_known_nothing_is_said(tmp_path, rules) -> None:
    with pytest.raises(Unseen, match=r"by more than is known|can't be seen"):
        list(firewall(told(tmp_path, rules)))


@pytest.mark.parametrize(
    ("chain", "drops"),
    [
        ({"family": "inet", "table": "own", "hook": "input", "policy": "drop"}, True),
        ({"family": "inet", "table": "own", "hook": "forward", "policy": "drop"}, False),
        ({"family": "inet", "table": "own", "hook": "input", "policy": "accept"}, False),
        ({"family": "ip6", "table": "own", "hook": "input", "policy": "drop"}, False),
        ({"family": "ip", "table": "filter", "hook": "input", "policy": "drop"}, False),  # iptables' own
    ],
)
def test_a_chain_of_nftables_that_drops_is_not_overlooked(tmp_path, chain, drops) -> None:
    listed = {"nftables": [{"metainfo": {}}, {"chain": {"name": "input", **chain}}]}
    host = told(tmp_path, OPEN, {"nft -j": json.dumps(listed)})

    if drops:
        with pytest.raises(Unseen, match="inet own input of nftables drops what it has no rule for"):
            list(firewall(host))
    else:
        assert codes(firewall(host)) == []
