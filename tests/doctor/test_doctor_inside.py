"""What containers get, as it is told of them: the finding, and which of them are looked at."""

import pytest
from test_doctor_checks import Told

from panteras_dns.doctor import inside, machine
from panteras_dns.doctor.finding import PROBLEM, WARNING, Unseen

IDS = "0123456789ab\nabcdef012345\n"
LINE = "{}\t/{}\t{}\t/var/lib/docker/containers/{}/resolv.conf\t{}\n"


class Asked(Told):
    """*answers*: by the process id of the container."""

    inside: dict[int, bool | None]

    def ask_inside(self, pid, server):
        return self.inside[pid]


def a_host(tmp_path, inside_: dict[int, bool | None], *lines: tuple[int, str, str], own: int = 0) -> Asked:
    told = "".join(LINE.format(pid, name, network, name, own) for pid, name, network in lines)
    host = Asked(tmp_path, commands={"docker ps": IDS if lines else "", "docker inspect": told})
    object.__setattr__(host, "inside", inside_)
    for _, name, _ in lines:
        host.put(f"/var/lib/docker/containers/{name}/resolv.conf", "nameserver 172.17.0.1\n")
    return host


def test_one_of_each_network_is_asked_and_those_without_one_are_not(tmp_path):
    host = a_host(tmp_path, {}, (1, "a", "bridge"), (2, "b", "bridge"), (3, "c", "apart"), (4, "d", "host"))

    assert [(one.pid, one.name) for one in inside.running(host)] == [(1, "a"), (3, "c")]


def test_a_container_without_an_answer_is_a_problem_and_a_stranger_s_answer_a_warning(tmp_path):
    host = a_host(tmp_path, {1: None, 2: False, 3: True}, (1, "a", "one"), (2, "b", "two"), (3, "c", "three"))

    found = list(inside.lookup(host))

    assert [(one.code, one.level) for one in found] == [("PAN513", PROBLEM), ("PAN513", WARNING)]
    assert found[0].what == "the container a gets no answer from 172.17.0.1, in the network one"
    assert found[1].fix == ("docker restart b",)


def test_to_start_it_again_is_no_remedy_where_docker_gives_out_a_stranger(tmp_path):
    host = a_host(tmp_path, {1: False}, (1, "a", "one")).put("/etc/resolv.conf", "nameserver 192.0.2.1\n")
    host.said[2]["ip -4"] = "docker0  UP  172.17.0.1/16\n"
    (found,) = inside.lookup(host)

    assert found.fix == () and "all that Docker starts now" in found.why


def test_without_a_gateway_nothing_is_said_of_containers(tmp_path):
    host = a_host(tmp_path, {1: False}, (1, "a", "one"))
    host.said[0].clear()

    with pytest.raises(Unseen, match="no gateway answers"):
        list(inside.lookup(host))


def test_who_is_in_an_internal_network_never_reached_this_host(tmp_path):
    host = a_host(tmp_path, {1: None}, (1, "a", "inner"))
    host.said[2]["docker network"] = "true\n"

    assert inside.running(host) == []


def test_a_container_with_servers_of_its_own_keeps_them_when_it_is_started_again(tmp_path):
    (found,) = inside.lookup(a_host(tmp_path, {1: False}, (1, "a", "one"), own=1))

    assert found.fix == () and "--dns" in found.why


def test_without_containers_there_is_nothing_to_look_at(tmp_path):
    assert list(inside.lookup(a_host(tmp_path, {}))) == []


def test_what_the_kernel_dropped_at_port_53_is_counted(tmp_path):
    head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
    row = "  1: 0100007F:{} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 {}\n"
    host = Told(tmp_path).put("/proc/net/udp", head + row.format("0035", 7) + row.format("14E9", 100))

    found = list(machine.drops(host))

    assert [(one.code, one.what.split()[3]) for one in found] == [("PAN542", "7")]
    assert list(machine.drops(Told(tmp_path).put("/proc/net/udp", head + row.format("0035", 0)))) == []
