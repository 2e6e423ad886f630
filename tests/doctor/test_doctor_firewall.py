"""The firewall of a machine as it is told: what is shut, for whom, and how it is opened. What a kernel makes of the same
rules is compared end to end."""

import json

import pytest
from test_doctor_checks import BRIDGE, Told, codes

from panteras_dns.doctor.finding import WARNING, Unseen
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
    ("rules", "shut"),
    [
        (OPEN, ""),
        (SHUT, "udp from docker0, tcp from docker0"),
        (SHUT + "-A INPUT -i docker0 -p udp -m udp --dport 53 -j ACCEPT\n", "tcp from docker0"),
        (SHUT + "-A INPUT -i docker0 -p udp -m udp --dport 53 -j ACCEPT\n-A INPUT -p tcp -j ACCEPT\n", ""),
        (OPEN + "-A INPUT -i docker0 -p udp -m udp --dport 53 -j DROP\n", "udp from docker0"),
        (UFW, "udp from docker0, tcp from docker0"),
        (UFW + "-A ufw-user-input -i docker0 -p udp --dport 53 -j ACCEPT\n-A INPUT -s 172.16.0.0/12 -j ACCEPT\n", ""),
    ],
)
def test_the_firewall_lets_containers_ask(tmp_path, rules, shut) -> None:
    whys = [found.why for found in firewall(told(tmp_path, rules))]

    assert whys == ([f"iptables does not take to port 53: {shut}"] if shut else [])


def test_without_tcp_names_are_found_all_the_same(tmp_path) -> None:
    (found,) = firewall(told(tmp_path, OPEN + "-A INPUT -p tcp -m tcp --dport 53 -j DROP\n"))

    assert (found.level, found.fix) == (WARNING, ("iptables -I INPUT -i docker0 -p tcp --dport 53 -j ACCEPT",))


@pytest.mark.parametrize("more", ["", "-A ufw-user-input -p udp --dport 53 -j DROP\n"])
def test_ufw_is_told_to_open_what_ufw_shuts(tmp_path, more) -> None:
    (found,) = firewall(told(tmp_path, UFW + more))

    assert found.fix == tuple(f"ufw prepend allow in on docker0 to any port 53 proto {kind}" for kind in ("udp", "tcp"))


def test_what_comes_before_ufw_s_rules_is_not_opened_by_them(tmp_path) -> None:
    rules = UFW.replace("-A INPUT", "-A INPUT -i docker0 -j DROP\n-A INPUT", 1)
    (found,) = firewall(told(tmp_path, rules))

    assert found.fix == tuple(f"iptables -I INPUT -i docker0 -p {kind} --dport 53 -j ACCEPT" for kind in ("udp", "tcp"))


def test_each_network_with_a_container_is_looked_at(tmp_path) -> None:
    rules = UFW + "-A ufw-user-input -i docker0 -j ACCEPT\n"
    (found,) = firewall(told(tmp_path, rules, CONTAINERS))

    assert found.why == "iptables does not take to port 53: udp from br-fedcba987654, tcp from br-fedcba987654"
    assert found.fix[0] == "ufw prepend allow in on br-fedcba987654 to any port 53 proto udp"


def test_an_interface_with_a_name_that_a_shell_would_run_is_left_out(tmp_path) -> None:
    hostile = {**CONTAINERS, "docker network": "false\tbridge\tfedcba9876543210\t$(reboot)\n"}
    (found,) = firewall(told(tmp_path, SHUT, hostile))

    assert found.why == "iptables does not take to port 53: udp from docker0, tcp from docker0"


@pytest.mark.parametrize("rules", [OPEN + "-A INPUT -p udp -m limit --limit 3/min -j DROP\n", None])
def test_where_more_decides_than_is_known_nothing_is_said(tmp_path, rules) -> None:
    with pytest.raises(Unseen, match=r"by more than is known|can't be seen"):
        list(firewall(told(tmp_path, rules)))


NFT = {"iptables -V": "iptables v1.8.9 (nf_tables)\n"}


@pytest.mark.parametrize(
    ("chain", "commands", "drops"),
    [
        ({"table": "own", "hook": "input", "policy": "drop"}, NFT, True),
        ({"table": "own", "hook": "prerouting", "policy": "drop"}, NFT, True),
        ({"table": "own", "hook": "forward", "policy": "drop"}, NFT, False),
        ({"table": "own", "hook": "input", "policy": "accept"}, NFT, False),
        ({"table": "firewalld", "hook": "input", "policy": "accept"}, NFT, True),
        ({"table": "own", "hook": "input", "policy": "drop", "family": "ip6"}, NFT, False),
        ({"table": "filter", "hook": "input", "policy": "drop", "family": "ip"}, NFT, False),  # iptables' own
        ({"table": "filter", "hook": "input", "policy": "drop", "family": "ip"}, {}, True),
        ({"table": "filter", "hook": "input", "policy": "drop", "family": "ip", "name": "input"}, NFT, True),
    ],
)
def test_a_chain_of_nftables_that_drops_is_not_overlooked(tmp_path, chain, commands, drops) -> None:
    listed = {"nftables": [{"metainfo": {}}, {"chain": {"family": "inet", "name": "INPUT", **chain}}]}
    host = told(tmp_path, OPEN, {"nft -j": json.dumps(listed), **commands})

    if drops:
        with pytest.raises(Unseen, match="of nftables drops what it has no rule for"):
            list(firewall(host))
    else:
        assert codes(firewall(host)) == []


@pytest.mark.parametrize("listed", ["", "no JSON", "[]", '{"nftables": ["odd"]}', '{"nftables": [{"chain": 7}]}'])
def test_what_nft_says_otherwise_is_nothing(tmp_path, listed) -> None:
    assert codes(firewall(told(tmp_path, OPEN, {"nft -j": listed}))) == []


def test_rules_that_old_programs_left_in_the_other_table_count(tmp_path) -> None:
    host = told(tmp_path, OPEN, {**NFT, "iptables-legacy -S": SHUT})
    assert codes(firewall(host)) == []
    (found,) = firewall(host.put("/proc/net/ip_tables_names", "nat\nfilter\n"))
    assert found.fix[0] == "iptables-legacy -I INPUT -i docker0 -p udp --dport 53 -j ACCEPT"
