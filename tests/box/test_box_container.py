"""What a container is registered as: Registrator's words, and whatever else stands where they are expected."""

import re

import pytest
from cargo import ID, TEXT, a_container, bound, published
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.box.container import Rules, name, network_owner, services
from panteras_dns.box.service import Service

RULES = Rules("box1", "10.0.0.5")
DNS_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


def a_service(port: int = 8000, called: str = "web", **more) -> Service:
    given = {"id": f"box1:web1:{port}", "address": "10.0.0.5", "port": 30000 + port} | more
    return Service(name=called, meta={"container-port": str(port)} | given.pop("meta", {}), **given)


def places(container, rules=RULES, owner=None):
    return [(one.name, one.address, one.port) for one in services(container, rules, owner)[0]]


def test_a_published_port_is_a_service_with_the_name_of_the_image() -> None:
    assert services(a_container(), RULES) == ([a_service()], [])


@pytest.mark.parametrize(
    ("image", "called"),
    [
        ("web", "web"),
        ("acme/web:1.2", "web"),
        ("registry:5000/team/web", "web"),
        ("registry:5000/team/web:1.2@sha256:" + "0" * 64, "web"),
        ("web@sha256:" + "0" * 64, "web"),
        ("Web_App", "Web_App"),
    ],
)
def test_the_name_of_an_image_has_no_registry_no_tag_and_no_digest(image, called) -> None:
    assert [one.name for one in services(a_container(image=image), RULES)[0]] == [called]


@pytest.mark.parametrize(
    ("environment", "labels", "ports", "names"),
    [
        (["SERVICE_NAME=shop"], {}, [8000], ["shop"]),
        (["SERVICE_8000_NAME=shop"], {}, [8000], ["shop"]),
        (["SERVICE_9000_NAME=shop"], {}, [8000], ["web"]),
        (["SERVICE_NAME="], {}, [8000], ["web"]),
        (["SERVICE_NAME"], {}, [8000], ["web"]),
        (["SERVICE_NAME=shop=1"], {}, [8000], []),
        ([], {}, [80, 443], ["web-80", "web-443"]),
        (["SERVICE_NAME=shop"], {}, [80, 443], ["shop-80", "shop-443"]),
        (["SERVICE_80_NAME=shop"], {}, [80, 443], ["shop", "web-443"]),
        (["SERVICE_NAME=shop", "SERVICE_443_NAME=safe"], {}, [80, 443], ["shop-80", "safe"]),
        (["SERVICE_443_IGNORE=1"], {}, [80, 443], ["web-80"]),
        (["SERVICE_NAME=shop", "SERVICE_443_IGNORE=1"], {}, [80, 443], ["shop-80"]),
        ([], {}, ["53/tcp", "53/udp"], ["web-53", "web-53"]),
        (["SERVICE_NAME=env"], {"SERVICE_NAME": "label"}, [8000], ["label"]),
        (["SERVICE_8000_NAME=env"], {"SERVICE_8000_NAME": "label"}, [8000], ["label"]),
        (["SERVICE_8000_NAME=port"], {"SERVICE_NAME": "all"}, [8000], ["port"]),
        (["SERVICE_NAME=all"], {"SERVICE_8000_NAME": "port"}, [8000], ["port"]),
        (["SERVICE_8000_NAME=port", "SERVICE_NAME=all"], {}, [8000], ["port"]),
        ([], {"service_name": "small"}, [8000], ["small"]),
        (["OTHER_NAME=x", "MY_SERVICE_NAME=y"], {"com.example": "z"}, [8000], ["web"]),
    ],
)
def test_a_label_goes_before_the_environment_and_a_port_before_all(environment, labels, ports, names) -> None:
    found, _ = services(a_container(*environment, labels=labels, ports=published(*ports)), RULES)

    assert [one.name for one in found] == names


@pytest.mark.parametrize("value", ["1", "true", "false", "no", "0", " "])
def test_any_value_of_ignore_ignores_even_false(value) -> None:
    assert services(a_container(f"SERVICE_IGNORE={value}"), RULES) == ([], [])
    assert services(a_container(labels={"SERVICE_8000_IGNORE": value}), RULES) == ([], [])


def test_an_ignore_that_says_nothing_ignores_nothing() -> None:
    assert services(a_container("SERVICE_IGNORE=", "SERVICE_9000_IGNORE=1"), RULES) == ([a_service()], [])


def test_explicit_registers_only_what_has_a_name() -> None:
    explicit = Rules("box1", "10.0.0.5", explicit=True)

    assert services(a_container(), explicit) == ([], [])
    assert places(a_container("SERVICE_8000_NAME=shop", ports=published(80, 8000)), explicit) == [
        ("shop", "10.0.0.5", 38000)
    ]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        ("http", ("http",)),
        ("http,v1", ("http", "v1")),
        ("a\\,b,c", ("a,b", "c")),
        (",a,,b,", ("a", "b")),
        (" a, b", (" a", " b")),
        ("a,b,a", ("a", "b")),
        ("urlprefix-/x strip=/x", ("urlprefix-/x strip=/x",)),
        ("{{ 7*7 }},${HOME}", ("{{ 7*7 }}", "${HOME}")),
        ("käse", ("käse",)),
    ],
)
def test_tags_are_divided_at_commas_that_have_no_backslash(text, tags) -> None:
    assert services(a_container(f"SERVICE_TAGS={text}"), RULES) == ([a_service(tags=tags)], [])


def test_the_host_adds_its_own_tags_and_a_port_of_udp_is_marked() -> None:
    rules = Rules("box1", "10.0.0.5", tags=("rack7", "http"))
    container = a_container("SERVICE_TAGS=http,v1", ports=published("53/udp"))

    assert services(container, rules) == (
        [a_service(53, id="box1:web1:53:udp", tags=("http", "v1", "rack7", "udp"))],
        [],
    )


@pytest.mark.parametrize(
    ("environment", "ports", "ids"),
    [
        ([], [80], ["box1:web1:80"]),
        ([], ["80/tcp", "80/udp"], ["box1:web1:80", "box1:web1:80:udp"]),
        ([], ["80/sctp", "80/tcp"], ["box1:web1:80:sctp", "box1:web1:80"]),
        (["SERVICE_ID=mine"], [80], ["mine"]),
        (["SERVICE_80_ID=mine"], [80, 443], ["mine", "box1:web1:443"]),
        (["SERVICE_ID=" + "x" * 255], [80], ["x" * 255]),
    ],
)
def test_an_id_is_host_container_and_port_or_what_the_container_says(environment, ports, ids) -> None:
    found, told = services(a_container(*environment, ports=published(*ports)), RULES)

    assert ([one.id for one in found], told) == (ids, [])


def test_one_id_on_two_ports_is_the_first_alone() -> None:
    found, told = services(a_container("SERVICE_ID=mine", ports=published(80, 443)), RULES)

    assert [(one.id, one.name) for one in found] == [("mine", "web-80")]
    assert told == ["SERVICE_ID 'mine': on two ports; the first is registered"]


@pytest.mark.parametrize("wrong", ["a\nb", "x" * 256, "\x00", "\u2028", "box1:victim:80"])
def test_an_id_that_nobody_can_mean_is_left_out(wrong) -> None:
    told = ["SERVICE_ID: left out: expected at most 255 printable characters, not beginning with box1:"]

    assert services(a_container(f"SERVICE_ID={wrong}"), RULES) == ([a_service()], told)


@pytest.mark.parametrize(
    ("bindings", "rules", "place"),
    [
        (["0.0.0.0:32768"], RULES, ("10.0.0.5", 32768)),
        ([":32768"], RULES, ("10.0.0.5", 32768)),
        (["0.0.0.0:32768", ":::32769"], RULES, ("10.0.0.5", 32768)),
        ([":::32769", "0.0.0.0:32768"], RULES, ("10.0.0.5", 32768)),
        ([":::32769", "0.0.0.0:32768"], Rules("box1", "fd00::5"), ("fd00::5", 32769)),
        (["0.0.0.0:32768", ":::32769"], Rules("box1", "10.0.0.5", "fd00::7"), ("fd00::7", 32769)),
        ([":::32769"], RULES, ("10.0.0.5", 32769)),
        (["10.0.0.9:80"], RULES, ("10.0.0.9", 80)),
        (["fd00::9:80"], RULES, ("fd00::9", 80)),
        (["10.0.0.9:80"], Rules("box1", "10.0.0.5", "192.0.2.1"), ("192.0.2.1", 80)),
        (["127.0.0.1:80", "10.0.0.9:81"], RULES, ("10.0.0.9", 81)),
        (["127.0.0.1:80"], RULES, None),
        (["127.3.2.1:80", "::1:80"], RULES, None),
        (["127.0.0.1:80"], Rules("box1", "10.0.0.5", "192.0.2.1"), None),
        (["0.0.0.0:0"], RULES, None),
        (["0.0.0.0:"], RULES, None),
        ([], RULES, None),
    ],
)
def test_a_binding_of_our_family_is_told_and_one_of_loopback_never(bindings, rules, place) -> None:
    found, told = services(a_container(ports={"8000/tcp": bound(*bindings)}), rules)

    assert [(one.address, one.port) for one in found] == ([place] if place else [])
    assert told == []


def test_a_port_that_is_not_published_does_not_count() -> None:
    container = a_container(ports={"8000/tcp": bound("0.0.0.0:38000"), "9000/tcp": None, "9001/tcp": []})

    assert services(container, RULES) == ([a_service()], [])


def test_a_container_without_ports_is_no_service() -> None:
    assert services(a_container(ports={}), RULES) == ([], [])
    assert services(a_container() | {"NetworkSettings": {"Ports": None}}, RULES) == ([], [])


@pytest.mark.parametrize(
    ("rules", "address"), [(RULES, "10.0.0.5"), (Rules("box1", "10.0.0.5", "192.0.2.1"), "192.0.2.1")]
)
def test_in_the_network_of_the_host_the_exposed_ports_are_where_they_are(rules, address) -> None:
    container = a_container(mode="host", exposed=["8000/tcp", "53/udp"], ports={})

    assert places(container, rules) == [("web-53", address, 53), ("web-8000", address, 8000)]


def test_in_the_network_of_another_container_its_published_ports_count() -> None:
    owner = a_container(name="pause", ports=published(8000))
    container = a_container(mode=f"container:{ID}", ports={})

    assert network_owner(container) == ID
    assert services(container, RULES, owner) == ([a_service()], [])
    assert services(container, RULES, None) == ([], [])


def test_in_the_network_of_another_container_its_address_is_told_inside() -> None:
    owner = a_container(network={"IPAddress": "172.17.0.9"})
    container = a_container(mode=f"container:{ID}", ports={})

    assert places(container, Rules("box1", "10.0.0.5", internal=True), owner) == [("web", "172.17.0.9", 8000)]


def test_a_port_that_nomad_published_both_ways_is_one() -> None:
    ports = {
        "8000/tcp": [{"HostIp": "10.0.0.5", "HostPort": "24001"}],
        "8000/udp": [{"HostIp": "10.0.0.5", "HostPort": "24001"}],
    }
    both = a_container("SERVICE_NAME=python1", "NOMAD_ALLOC_ID=5f1c", ports=ports)

    assert places(both) == [("python1", "10.0.0.5", 24001)]
    assert len(places(a_container("SERVICE_NAME=python1", ports=ports))) == 2


def test_a_container_on_the_network_of_one_on_the_host_s_has_the_host_s_ports() -> None:
    owner = a_container(name="pause", mode="host", ports={})
    container = a_container(mode=f"container:{ID}", exposed=["8000/tcp"], ports={})

    assert places(container, Rules("box1", "10.0.0.5"), owner) == [("web", "10.0.0.5", 8000)]


@pytest.mark.parametrize("mode", ["bridge", "default", "host", "none", "my-net"])
def test_other_networks_have_no_owner(mode) -> None:
    assert network_owner(a_container(mode=mode)) == ""


@pytest.mark.parametrize(
    ("network", "rules", "address"),
    [
        ({"IPAddress": "172.17.0.2"}, {}, "172.17.0.2"),
        ({"IPAddress": "", "Networks": {"n": {"IPAddress": "172.18.0.2"}}}, {}, "172.18.0.2"),
        ({"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd01::2"}, {}, "172.17.0.2"),
        ({"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd01::2"}, {"ip": "fd00::5"}, "fd01::2"),
        ({"Networks": {"n": {"IPAddress": "", "GlobalIPv6Address": "fd01::2"}}}, {}, "fd01::2"),
        ({"Networks": {"n": None}}, {}, None),
        ({}, {}, None),
    ],
)
def test_inside_the_address_and_port_are_the_container_s_own(network, rules, address) -> None:
    container = a_container(ports={"8000/tcp": bound("127.0.0.1:80"), "9000/tcp": None}, network=network)
    found = places(container, Rules("box1", "10.0.0.5", internal=True, **rules))

    assert found == ([("web-8000", address, 8000), ("web-9000", address, 9000)] if address else [])


def test_twenty_ports_are_twenty_services_in_order() -> None:
    ports = range(9000, 9020)

    assert services(a_container(ports=published(*reversed(ports))), RULES) == (
        [a_service(port, f"web-{port}") for port in ports],
        [],
    )


@pytest.mark.parametrize("word", ["starting", "healthy", "unhealthy", "none"])
def test_the_word_of_a_healthcheck_goes_along(word) -> None:
    assert services(a_container(health=word), RULES) == ([a_service(health=word)], [])


def test_other_words_are_meta() -> None:
    container = a_container(
        "SERVICE_OWNER=alice", "SERVICE_META_Team=a=b", "SERVICE_8000_ZONE=z1", "SERVICE_9000_ZONE=z2", "SERVICE_=x"
    )

    assert services(container, RULES) == ([a_service(meta={"owner": "alice", "team": "a=b", "zone": "z1"})], [])


def test_a_check_is_no_meta_and_is_made_for_the_published_place() -> None:
    found, told = services(a_container("SERVICE_CHECK_HTTP=/health", "SERVICE_CHECK_INTERVAL=3s"), RULES)

    assert found == [a_service(check={"HTTP": "http://10.0.0.5:38000/health", "Interval": "3s"})]
    assert told == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SERVICE_META_registrator", "elsewhere"),
        ("SERVICE_REGISTRATOR", "elsewhere"),
        ("SERVICE_REGISTRATOR-DIGEST", "0"),
        ("SERVICE_META_container-port", "1"),
        ("SERVICE_CONSUL-x", "1"),
        ("SERVICE_META_a.b", "1"),
        ("SERVICE_META_a b", "1"),
        ("SERVICE_META_", "1"),
        ("SERVICE_META_" + "k" * 129, "1"),
        ("SERVICE_OWNER", "x" * 513),
        ("SERVICE_OWNER", "ü" * 257),
    ],
)
def test_a_pair_that_consul_would_refuse_everything_for_is_left_out_and_told(key, value) -> None:
    found, told = services(a_container(f"{key}={value}"), RULES)

    assert found == [a_service()]
    assert len(told) == 1


def test_of_65_pairs_so_many_stay_that_consul_takes_all() -> None:
    found, told = services(a_container(*(f"SERVICE_META_K{at:02}=v" for at in range(65))), RULES)

    assert len(found[0].definition("box1")["Meta"]) == 64
    assert found == [a_service(meta={f"k{at:02}": "v" for at in range(61)})]
    assert told == [f"Meta 'k{at}': left out: at most 61 pairs go" for at in range(61, 65)]


@pytest.mark.parametrize(
    ("wrong", "better"),
    [
        ("my shop", "my-shop"),
        ("my.shop", "my-shop"),
        ("shop\nADMIN=1", "shop-admin-1"),
        ("{{ 7*7 }}", "7-7"),
        ("${HOME}", "home"),
        ("-shop", "shop"),
        ("shop-", "shop"),
        ("käse", "k-se"),
        ("店", "web"),
        ("a;b", "a-b"),
        ("x" * 64, "x" * 63),
        ("x" * 100_000, "x" * 63),
    ],
)
def test_a_name_that_dns_can_not_say_is_told_with_one_that_it_can(wrong, better) -> None:
    found, told = services(a_container(f"SERVICE_NAME={wrong}"), RULES)

    assert (found, len(told)) == ([], 1)
    assert told[0].startswith("port 8000: ")
    assert told[0].endswith(f" is no name that DNS can say: not registered; set SERVICE_8000_NAME={better}")
    assert len(told[0]) < 300
    assert told[0].isprintable()


def test_a_name_that_is_too_long_with_its_port_is_told() -> None:
    found, told = services(
        a_container(f"SERVICE_NAME={'x' * 62}", "SERVICE_80_NAME=y", ports=published(80, 443)), RULES
    )

    assert [one.name for one in found] == ["y"]
    assert len(told) == 1


@pytest.mark.parametrize("tag", ["a\nb", "a\rb", "\x1b[2J", "a\u2028b", "x" * 513, "x" * 100_000])
def test_a_tag_that_no_line_can_hold_is_left_out_and_told(tag) -> None:
    found, told = services(a_container(f"SERVICE_TAGS=http,{tag}"), RULES)

    assert found == [a_service(tags=("http",))]
    assert told == [f"tag {tag[:40]!r}: left out: expected at most 512 printable characters"]


def test_a_wrong_thing_on_twenty_ports_is_told_once() -> None:
    _, told = services(a_container("SERVICE_CHECK_TTL=soon", ports=published(*range(9000, 9020))), RULES)

    assert told == ["SERVICE_CHECK_TTL: left out: 'soon': expected a duration like 30s"]


def test_a_container_has_its_name_or_the_beginning_of_its_id() -> None:
    assert name(a_container()) == "web1"
    assert name({"Id": ID}) == ID[:12]


KEYS = st.sampled_from(
    [f"SERVICE_{port}{word}" for port in ("", "8000_") for word in ("NAME", "TAGS", "ID", "IGNORE", "META_X", "X")]
    + [f"SERVICE_CHECK_{word}" for word in ("HTTP", "CMD", "SCRIPT", "TTL", "TCP", "GRPC", "INTERVAL", "HTTP_METHOD")]
) | TEXT.map("SERVICE_".__add__)


@given(st.dictionaries(KEYS, TEXT, max_size=8), st.dictionaries(KEYS, TEXT, max_size=8), TEXT)
def test_any_text_is_registered_under_a_name_that_dns_can_say_or_not_at_all(environment, labels, image) -> None:
    said = [f"{key}={value}" for key, value in environment.items()]
    found, told = services(a_container(*said, labels=labels, image=image, ports=published(8000, "53/udp")), RULES)

    for one in found:
        assert DNS_NAME.fullmatch(one.name)
        assert all(tag.isprintable() and len(tag) <= 512 for tag in one.tags)
        assert one.id.isprintable()
        assert len(one.definition("box1")["Meta"]) <= 64
        assert one.meta["container-port"] in {"8000", "53"}
    assert all(line.isprintable() for line in told)
