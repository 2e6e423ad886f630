"""What the gateway is told of servers: added behind what stands there, never in its place."""

import pytest

from panteras_dns.config import parse
from panteras_dns.install.configuration import completed, consul_domain, follows_resolv_conf, has_upstreams
from panteras_dns.install.trouble import Trouble

OWN = '# ours\n[dns]\nudp_size = 1400\n\n[[route]]\ndomains = ["corp.example"]\nservers = ["10.0.0.53"]\n'
CONSUL = '[[route]]\ndomains = ["intern"]\nservers = ["10.0.0.9:8600"]\nkind = "consul"\n'


def test_routes_are_written_behind_what_is_there() -> None:
    made = completed(OWN, ["10.0.0.9:8600"], ["9.9.9.9:53", "[2620:fe::fe]:53"])
    routes = [(route.domains, [str(one) for one in route.servers], route.kind) for route in parse(made).route]

    assert made.startswith(OWN)
    assert routes == [
        (("corp.example",), ["10.0.0.53:53"], "forward"),
        (("consul",), ["10.0.0.9:8600"], "consul"),
        ((".",), ["9.9.9.9:53", "[2620:fe::fe]:53"], "forward"),
    ]


def test_nothing_is_written_where_nothing_is_wanted_or_all_is_there() -> None:
    made = completed("", [], ["9.9.9.9:53"])

    assert completed(OWN, [], []) == OWN and completed("", [], []) == ""
    assert completed(made, [], ["9.9.9.9:53"]) == made


def test_a_route_that_is_there_is_not_changed() -> None:
    with pytest.raises(Trouble, match=r"the route for 'intern' has 10\.0\.0\.9:8600: change it there, and leave --con"):
        completed(CONSUL, ["10.0.0.1:8600"], [])


@pytest.mark.parametrize("text", ["[dns", "[dns]\nwhat = 1\n", "route = []\n"])
def test_a_file_that_the_gateway_would_not_read_is_refused(text) -> None:
    with pytest.raises(Trouble, match=r"panteras\.toml"):
        completed(text, [], ["9.9.9.9:53"])


@pytest.mark.parametrize(
    ("servers", "own", "follows"), [('["9.9.9.9"]', True, False), ('["resolv.conf"]', False, True), ("", False, False)]
)
def test_whose_servers_answer_for_other_names(servers, own, follows) -> None:
    config = parse(f'[[route]]\ndomains = ["."]\nservers = {servers}\n' if servers else "")

    assert (has_upstreams(config), follows_resolv_conf(config)) == (own, follows)


def test_consul_s_domain_is_the_one_of_its_route() -> None:
    assert (consul_domain(CONSUL), consul_domain("")) == ("intern", "consul")
