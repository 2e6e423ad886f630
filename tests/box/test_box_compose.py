"""compose.yaml for one machine: each key's good and bad value, what goes before what, and the file line by line."""

import re
from pathlib import Path

import pytest
from cargo import TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from panteras_dns.box.compose import BadBox, Box, box, render, shipped

ROOT = Path(__file__).parents[2]
HERE = 'ip = "10.0.0.5"\nnode = "box1"\n'
BOX = Box(ip="10.0.0.5", node="box1", sample=True)
SERVERS = 'consul_hosts = ["10.0.0.5", "10.0.0.6", "10.0.0.7"]\n'


def made(text: str = HERE, role: str = "", **environment: str) -> Box:
    return box(text.encode(), "box.toml", environment, role)


def wrong(text: str, role: str = "", **environment: str) -> list[str]:
    with pytest.raises(BadBox) as told:
        made(text, role, **environment)
    assert str(told.value) == "\n".join(told.value.errors)
    return told.value.errors


def lines(found: Box, service: str) -> list[str]:
    """The lines of one service, without what surrounds them."""
    text = render(found).partition(f"\n  {service}:\n")[2]
    return re.split(r"\n\n|\n  [a-z#]", text)[0].splitlines()


def test_an_address_is_all_that_a_box_needs() -> None:
    assert made() == BOX


def test_the_file_in_the_manual_is_one() -> None:
    text = (ROOT / "docs" / "box.md").read_text().partition("```toml box.toml\n")[2].partition("```")[0]

    assert made(text + 'node = "box1"\n').wan_hosts == ("10.1.0.5",)


def test_without_an_address_there_is_no_box() -> None:
    assert wrong('node = "box1"') == [
        "box.toml: ip: expected this host's address that others reach; or the environment's IP"
    ]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('listen_ip = "10.0.0.6"', "listen_ip", "10.0.0.6"),
        ('listen_ip = "FD00::0005"', "listen_ip", "fd00::5"),
        ('dc = "east-1"', "dc", "east-1"),
        ("servers = 1", "servers", 1),
        ('wan_hosts = ["consul.example.com"]', "wan_hosts", ("consul.example.com",)),
        ('upstreams = ["10.0.0.1", "fd00::1"]', "upstreams", ("10.0.0.1", "fd00::1")),
        ('names = ["box1.example.com"]', "names", ("box1.example.com",)),
        ('listen = ["10.0.0.5:80", "[fd00::5]:8080"]', "listen", ("10.0.0.5:80", "[fd00::5]:8080")),
        ('statistics = ["127.0.0.1:81"]', "statistics", ("127.0.0.1:81",)),
        ("listen = []", "listen", ()),
        ('door_dns = "172.18.0.1"', "door_dns", "172.18.0.1"),
        ('consul_image = "registry.example.com:5000/a/consul:1.20"', "consul_image",
         "registry.example.com:5000/a/consul:1.20"),
        (f'consul_image = "consul@sha256:{"0" * 64}"', "consul_image", f"consul@sha256:{'0' * 64}"),
        ('consul_config = "/srv/consul.d"', "consul_config", "/srv/consul.d"),
        ("sample = false", "sample", False),
        ("sample = 0", "sample", False),
        ('sample = "True"', "sample", True),
    ],
)  # fmt: skip
def test_each_key_is_taken(line, key, value) -> None:
    fields = {one: getattr(BOX, one) for one in BOX.__slots__}

    assert made(f"{HERE}{line}\n") == Box(**fields | {key: value})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('role = "boss"', "role: 'boss': expected stand-alone, master, worker"),
        ('ip = "box1"', "ip: not an address: 'box1', expected one like 10.0.0.5"),
        ("ip = 10", "ip: not an address: 10, expected one like 10.0.0.5"),
        ('ip = "0.0.0.0"', "ip: 0.0.0.0: would listen everywhere; expected one address of this host"),
        ('ip = "::"', "ip: ::: would listen everywhere; expected one address of this host"),
        ('ip = "224.0.0.1"', "ip: 224.0.0.1: would listen everywhere; expected one address of this host"),
        ('listen_ip = "10.0.0.5/24"', "listen_ip: not an address: '10.0.0.5/24', expected one like 10.0.0.5"),
        ('dc = "East"', "dc: 'East': expected a datacenter's name: a-z, 0-9 and -"),
        ("dc = 7", "dc: 7: expected a datacenter's name: a-z, 0-9 and -"),
        ('node = "box 1"', "node: 'box 1': expected a node's name: a-z, 0-9 and -"),
        ('node = "${HOME}"', "node: '${HOME}': expected a node's name: a-z, 0-9 and -"),
        ('node = "a\\n"', "node: 'a\\n': expected a node's name: a-z, 0-9 and -"),
        ("servers = 0", "servers: 0: expected 1 to 7"),
        ("servers = 8", "servers: 8: expected 1 to 7"),
        ("servers = true", "servers: True: expected 1 to 7"),
        ('consul_hosts = "a"', "consul_hosts: 'a': expected a list"),
        ('consul_hosts = ["a b"]', "consul_hosts: 'a b': expected a host's name or address"),
        ('wan_hosts = ["-a"]', "wan_hosts: '-a': expected a host's name or address"),
        ('upstreams = ["dns1"]', "upstreams: not an address: 'dns1', expected one like 10.0.0.5"),
        ('names = ["a\\"]"]', "names: 'a\"]': expected a host's name or address"),
        ("names = [7]", "names: 7: expected a host's name or address"),
        ('listen = ["80"]', "listen: not an address: '', expected one like 10.0.0.5"),
        ('listen = ["*:80"]', "listen: not an address: '*', expected one like 10.0.0.5"),
        ('listen = ["10.0.0.5:0"]', "listen: '10.0.0.5:0': expected ADDR:PORT, like 10.0.0.5:80"),
        ('listen = ["10.0.0.5:65536"]', "listen: '10.0.0.5:65536': expected ADDR:PORT, like 10.0.0.5:80"),
        ('listen = ["0.0.0.0:80"]', "listen: 0.0.0.0: would listen everywhere; expected one address of this host"),
        ('statistics = ["10.0.0.5"]', "statistics: '10.0.0.5': expected ADDR:PORT, like 10.0.0.5:80"),
        ('door_dns = ""', "door_dns: not an address: '', expected one like 10.0.0.5"),
        ('consul_image = "a b"', "consul_image: 'a b': expected an image like hashicorp/consul:1.20"),
        ('consul_image = "${IMAGE}"', "consul_image: '${IMAGE}': expected an image like hashicorp/consul:1.20"),
        ('consul_config = "consul.d"', "consul_config: 'consul.d': expected a directory like /etc/consul.d"),
        ('consul_config = "/a:/b"', "consul_config: '/a:/b': expected a directory like /etc/consul.d"),
        ('sample = "maybe"', "sample: 'maybe': expected true or false"),
    ],
)
def test_each_value_that_can_not_be_meant_is_told(line, why) -> None:
    key = line.partition(" =")[0]
    text = "".join(f"{one}\n" for one in HERE.splitlines() if not one.startswith(f"{key} =")) + line

    assert wrong(text) == [f"box.toml: {why}"]


def test_every_wrong_thing_is_told_at_once() -> None:
    assert wrong('colour = "red"\nip = "x"\ndc = "X"', NODE="-") == [
        "box.toml: colour: unknown; expected role, ip, listen_ip, dc, node, servers, consul_hosts, wan_hosts, "
        "upstreams, names, listen, statistics, door_dns, consul_image, consul_config, sample",
        "box.toml: ip: not an address: 'x', expected one like 10.0.0.5",
        "box.toml: dc: 'X': expected a datacenter's name: a-z, 0-9 and -",
        "environment NODE: '-': expected a node's name: a-z, 0-9 and -",
    ]


@pytest.mark.parametrize("text", [b"ip =", b"\xff", b"[a", b"ip = '1'\nip = '2'"])
def test_what_is_no_toml_is_told_with_its_file(text) -> None:
    with pytest.raises(BadBox, match=r"^box.toml: "):
        box(text, "box.toml", {})


@pytest.mark.parametrize(("own", "node"), [("Box-7.example.com", "box-7"), ("box_7", ""), ("-", "")])
def test_a_node_without_a_name_has_the_host_s_where_consul_can_have_it(monkeypatch, own, node) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: own)
    if node:
        assert made('ip = "10.0.0.5"\n').node == node
    else:
        with pytest.raises(BadBox, match=r"node: this host's name, '.+', can be none in Consul"):
            made('ip = "10.0.0.5"\n')


def test_the_environment_goes_before_the_file() -> None:
    found = made(HERE + 'dc = "east"', IP="10.0.0.9", DC="west", NODE="", LISTEN_IP="10.0.0.8", HOME="/root", ip="x")

    assert (found.ip, found.dc, found.node, found.listen_ip) == ("10.0.0.9", "west", "box1", "10.0.0.8")


def test_a_list_in_the_environment_is_divided_at_commas_and_spaces() -> None:
    found = made(UPSTREAMS="10.0.0.1,10.0.0.2 10.0.0.3", LISTEN="10.0.0.5:80", SAMPLE="false", SERVERS="1")

    assert (found.upstreams, found.listen) == (("10.0.0.1", "10.0.0.2", "10.0.0.3"), ("10.0.0.5:80",))
    assert (found.sample, found.servers) == (False, 1)


def test_the_role_that_is_said_goes_before_both() -> None:
    assert made(HERE + SERVERS + 'role = "worker"', "master", ROLE="stand-alone").role == "master"
    assert made(HERE + SERVERS + 'role = "stand-alone"', ROLE="worker").role == "worker"
    assert wrong(HERE, "boss") == ["--role: role: 'boss': expected stand-alone, master, worker"]


def test_masters_are_as_many_as_there_are_servers_and_have_no_sample() -> None:
    found = made(HERE + SERVERS, "master")

    assert (found.servers, found.sample, found.is_server) == (3, False, True)
    assert made(HERE + SERVERS + "servers = 5", "master").servers == 5
    assert made(HERE + SERVERS + "sample = true", "master").sample


def test_a_worker_is_no_server() -> None:
    assert not made(HERE + SERVERS, "worker").is_server


@pytest.mark.parametrize(
    ("text", "role", "why"),
    [
        (HERE, "master", "consul_hosts: expected the addresses of the Consul servers, for the role master"),
        (HERE, "worker", "consul_hosts: expected the addresses of the Consul servers, for the role worker"),
        (HERE + SERVERS, "", "consul_hosts: a stand-alone box joins nobody; expected the role master or worker"),
        (
            HERE + 'consul_hosts = ["a", "b"]',
            "master",
            "servers: 2: expected an odd number, so that a majority is left",
        ),
        (HERE + SERVERS + "servers = 4", "master", "servers: 4: expected an odd number, so that a majority is left"),
    ],
)
def test_what_does_not_go_with_the_role_is_told(text, role, why) -> None:
    assert why in "\n".join(wrong(text, role))


def test_the_repository_s_file_is_what_we_render() -> None:
    assert shipped() == (ROOT / "compose.yaml").read_text()


CONSUL = [
    '    image: "hashicorp/consul:1.20"',
    "    network_mode: host",
    "    restart: unless-stopped",
    "    labels: {SERVICE_IGNORE: panteras}",
    '    entrypoint: ["consul", "agent"]',
    "    command:",
    '      - "-data-dir=/var/lib/consul"',
    '      - "-config-dir=/etc/consul.d"',
    '      - "-datacenter=dc1"',
    '      - "-node=box1"',
    '      - "-bind=10.0.0.5"',
    '      - "-advertise=10.0.0.5"',
]


@pytest.mark.parametrize(
    ("text", "role", "expected"),
    [
        ("", "", ["-client=127.0.0.1", "-server", "-bootstrap-expect=1", "-ui"]),
        (
            'listen_ip = "10.0.0.6"\n',
            "",
            ["-client=127.0.0.1 10.0.0.6", "-server", "-bootstrap-expect=1", "-ui"],
        ),
        (
            SERVERS + 'wan_hosts = ["a.example.com"]\n',
            "master",
            [
                "-client=127.0.0.1", "-server", "-bootstrap-expect=3", "-ui",
                "-retry-join=10.0.0.5", "-retry-join=10.0.0.6", "-retry-join=10.0.0.7",
                "-retry-join-wan=a.example.com",
            ],
        ),
        (
            SERVERS + 'wan_hosts = ["a.example.com"]\n',
            "worker",
            ["-client=127.0.0.1", "-retry-join=10.0.0.5", "-retry-join=10.0.0.6", "-retry-join=10.0.0.7"],
        ),
    ],
    ids=["stand-alone", "with an API", "master", "worker"],
)  # fmt: skip
def test_consul_runs_as_the_role_needs_it(text, role, expected) -> None:
    found = lines(made(HERE + text, role), "consul")
    end = next(at for at, line in enumerate(found) if line.startswith("    cap_drop"))

    assert found[:end] == [*CONSUL, *(f'      - "{one}"' for one in expected)]


def command(found: Box, service: str) -> str:
    (line,) = [line for line in lines(found, service) if line.startswith("    command: ")]
    return line.removeprefix("    command: ")


def test_each_part_is_told_what_the_box_is() -> None:
    found = made(
        HERE + 'upstreams = ["10.0.0.1"]\nnames = ["a.example.com"]\n'
        'listen = ["10.0.0.5:80", "[fd00::5]:80"]\nstatistics = ["127.0.0.1:81"]\n'
    )

    assert command(found, "dns") == '[serve, --listen, private, --upstream, "10.0.0.1"]'
    assert command(found, "registrator") == '[registrator, --ip, "10.0.0.5", --host, "box1"]'
    assert command(found, "balancer") == (
        '[balancer, --attach, --ip, "10.0.0.5", --host, "box1", --name, "a.example.com", '
        '--listen, "10.0.0.5:80", --listen, "[fd00::5]:80", --statistics, "127.0.0.1:81"]'
    )


def test_what_is_not_said_is_not_told() -> None:
    assert command(BOX, "dns") == "[serve, --listen, private]"
    assert command(BOX, "balancer") == '[balancer, --attach, --ip, "10.0.0.5", --host, "box1"]'


def test_the_sample_is_there_only_where_it_is_wanted() -> None:
    without = render(made(HERE + "sample = false"))

    assert "\n  python1:\n" in render(BOX)
    assert "python" not in without
    assert without.endswith("\n\nvolumes:\n  consul-data:\n  balancer:\n")


def test_a_file_says_who_wrote_it_and_has_no_variables_left() -> None:
    text = render(made(HERE + SERVERS, "worker"))

    assert text.startswith("# Written by `panteras box render` for the role worker.\nname: panteras\n")
    assert "${" not in text
    assert "{{" not in text


KEYS = ["ROLE", "IP", "LISTEN_IP", "DC", "NODE", "SERVERS", "DOOR_DNS", "CONSUL_IMAGE", "CONSUL_CONFIG"]
LISTS = ["CONSUL_HOSTS", "WAN_HOSTS", "UPSTREAMS", "NAMES", "LISTEN", "STATISTICS"]
ODD = st.sampled_from(["1", "a", "10.0.0.1", "10.0.0.1:80", '"', "]", "\n", "${IP}", "{{ 7 }}", "- a: b", "#"])


def shape(text: str) -> list[str]:
    """What each line is about, without its value; and without those that a list makes."""
    return [re.split("[:=]", line)[0] for line in text.splitlines() if "-retry-join-wan=" not in line]


@given(st.sampled_from(KEYS + LISTS), TEXT | ODD)
@settings(max_examples=60)
def test_any_value_is_told_or_leaves_the_shape_of_the_file(key, value) -> None:
    try:
        found = render(made(**{key: value}))
    except BadBox as told:
        assert all(line.isprintable() for line in told.errors)
    else:
        assert shape(found) == shape(render(BOX))
        assert "${" not in found
