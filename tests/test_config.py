import pytest

from panteras_dns.build import static_records
from panteras_dns.config import Config, load, parse
from panteras_dns.endpoint import Endpoint, endpoint
from panteras_dns.options import ConfigError

EVERYTHING = """
[dns]
listen = ["127.0.0.1:5300", "[::1]:5300", "10.0.0.1"]
allow = ["local", "10.0.0.0/8"]
workers = 2
user = "nobody"
hosts = ["/etc/hosts"]

[[route]]
kind = "consul"
domains = ["consul", "dc2.example"]
servers = ["127.0.0.1:8600", "[::1]:8600"]
policy = "random"
timeout = 0.5
attempts = 4
ttl = "keep"

[[route]]
domains = ["."]
servers = ["resolv.conf", "9.9.9.9"]
policy = "race"

[[route]]
domains = ["Corp.Example."]
servers = ["10.0.0.53"]
cache = false

[cache]
size = 500
max_ttl = "1h"
stale = "2d"

[[record]]
name = "printer.corp.example"
type = "A"
data = "10.0.0.7"
"""


def errors_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        static_records(parse(text, "p.toml"))
    return caught.value.errors


def test_every_key_is_read():
    config = parse(EVERYTHING)

    assert config.dns.listen == (Endpoint("127.0.0.1", 5300), Endpoint("::1", 5300), Endpoint("10.0.0.1", 53))
    assert config.route[0].servers == (Endpoint("127.0.0.1", 8600), Endpoint("::1", 8600))
    assert config.route[1].servers == ("resolv.conf", Endpoint("9.9.9.9", 53))
    assert config.route[2].domains == ("corp.example",)
    assert [route.cached for route in config.route] == [False, True, False]
    assert (config.cache.max_ttl, config.cache.stale) == (3600, 172800)
    assert config.record[0].ttl == 60


def test_an_empty_file_means_the_defaults():
    config = parse("").with_defaults()

    assert [(route.domains, route.servers, route.cached) for route in config.route] == [
        (("consul",), (Endpoint("127.0.0.1", 8600),), False),
        ((".",), ("resolv.conf",), True),
    ]


def test_the_command_line_comes_before_the_file():
    agent, upstream = Endpoint("10.0.0.2", 8600), Endpoint("10.0.0.3", 53)

    config = parse(EVERYTHING).with_defaults((agent,), (upstream,))

    by_name = {route.name: route for route in config.route}
    assert by_name["consul"].servers == (agent,)
    assert by_name["consul"].ttl == "keep"
    assert by_name["."].servers == (upstream,)
    assert by_name["."].policy == "race"
    assert "corp.example" in by_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen = [", "p.toml: not TOML"),
        ("[dsn]\n", "p.toml: dsn: unknown key, did you mean dns?"),
        ("dns = 3", "p.toml: dns: expected a table, found 3"),
        ("route = 3", "p.toml: route: expected [[route]], a list of tables"),
        ("[dns]\nlissten = []", "p.toml: dns.lissten: unknown key, did you mean listen?"),
        ("[dns]\nlisten = ['dns1']", "p.toml: dns.listen[0]: not an address: 'dns1', expected one like 10.0.0.1:53"),
        ("[dns]\nlisten = ['1.2.3.4:99999']", "p.toml: dns.listen[0]: not a port: '99999', expected 0 to 65535"),
        ("[dns]\nlisten = '1.2.3.4'", "p.toml: dns.listen: expected a list, found '1.2.3.4'"),
        ("[dns]\nallow = ['10.0.0.1/8']", "p.toml: dns.allow[0]: not a network: '10.0.0.1/8'"),
        ("[dns]\nworkers = 0", "p.toml: dns.workers: expected a whole number from 1 to 256, found 0"),
        ("[dns]\nworkers = true", "p.toml: dns.workers: expected a whole number from 1 to 256, found True"),
        ("[dns]\nfence = 1", "p.toml: dns.fence: expected true or false, found 1"),
        ("[dns]\nuser = 1", "p.toml: dns.user: expected a text in quotes, found 1"),
        (
            "[querylog]\ndocker = '/run/docker.sock'",
            "p.toml: querylog.docker: '/run/docker.sock': expected http://HOST",
        ),
        ("[cache]\nmax_ttl = 'long'", 'p.toml: cache.max_ttl: expected seconds from 1 to 604800, or a text like "10m"'),
        ("[[route]]\ndomains = ['a']", "p.toml: route[0].servers: missing"),
        ("[[route]]\ndomains = []\nservers = ['1.1.1.1']", "p.toml: route[0].domains: expected at least one"),
        (
            "[[route]]\ndomains = ['a..b']\nservers = ['1.1.1.1']",
            "p.toml: route[0].domains[0]: not a domain name: 'a..b'",
        ),
        ("[[route]]\ndomains = ['a']\nservers = ['dns1']", "p.toml: route[0].servers[0]: not an address: 'dns1'"),
        (
            "[[route]]\ndomains = ['a']\nservers = ['*:53']",
            "p.toml: route[0].servers[0]: expected one address and a port",
        ),
        (
            "[[route]]\ndomains = ['a']\nservers = ['1.1.1.1']\npolicy = 'best'",
            "p.toml: route[0].policy: expected one of sequential, random, fastest, race, found 'best'",
        ),
        (
            "[[route]]\ndomains = ['a']\nservers = ['1.1.1.1']\nkind = 'consul'\ncache = true",
            "p.toml: route[0].cache: Consul's answers are never cached",
        ),
        (
            "[[route]]\ndomains = ['a', 'a']\nservers = ['1.1.1.1']",
            "p.toml: route[0].domains: 'a' already belongs to route[0]",
        ),
        ("[cache]\nmin_ttl = 100\nmax_ttl = 10", "p.toml: cache.min_ttl: 100 is more than cache.max_ttl, 10"),
        ("[[record]]\nname = 'a'\ntype = 'A'\ndata = 'b'", "record[0].data: not the data of a A record: 'b'"),
        ("[dns]\nhosts = ['/no/such/file']", "dns.hosts[0]: /no/such/file: No such file or directory"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text, expected):
    (error,) = errors_of(text)

    assert error.startswith(expected)


def test_every_error_is_told_at_once():
    assert len(errors_of("[dns]\nworkers = 0\nfence = 3\n[cache]\nsize = -1\n[x]\n")) == 4


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")

    for name, reason in (("absent.toml", "No such file or directory"), ("binary.toml", "not UTF-8 text")):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name)
        assert caught.value.errors == [f"{tmp_path / name}: {reason}"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 53),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("[::1]:5", "::1", 5),
        ("*", "*", 53),
        ("*:5", "*", 5),
    ],
)
def test_an_endpoint_is_read_as_people_write_it(text, host, port):
    assert endpoint(text) == Endpoint(host, port)


def test_an_endpoint_reads_what_it_writes():
    for text in ("10.0.0.1:53", "[::1]:8600", "*:53"):
        assert str(endpoint(text)) == text


def test_the_default_configuration_answers_for_consul():
    assert Config().with_defaults().route[0].kind == "consul"
