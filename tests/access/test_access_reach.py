"""Which places an identity may enter."""

import ipaddress

import pytest

from panteras_dns.access.lookup import Unknown
from panteras_dns.access.reach import Denied, Reach

NETWORKS = [ipaddress.ip_network("10.1.0.0/16")]
DNS = "172.17.0.1"


class Catalogue:
    """What the DNS says, how often it was asked, and what time it is."""

    def __init__(self, **services: set[tuple[str, int]]) -> None:
        self.services = {name.replace("_", ".") + ".consul": places for name, places in services.items()}
        self.silent = False
        self.asked = 0
        self.now = 100.0

    def find(self, name: str) -> set[tuple[str, int]]:
        self.asked += 1
        if self.silent:
            raise Unknown(name)
        return self.services.get(name, set())

    def reach(self, *patterns: str) -> Reach:
        return Reach(NETWORKS, patterns, "consul", DNS, self.find, lambda: self.now)


def allowed(reach: Reach, address: str, port: int = 80) -> bool:
    try:
        reach.enter(address, port)
    except Denied:
        return False
    return True


def test_without_a_limit_the_networks_are_open_and_nothing_else():
    reach = Catalogue().reach()

    assert allowed(reach, "10.1.2.3")
    assert not allowed(reach, "10.2.0.1")
    assert not allowed(reach, "nonsense")


def test_the_nameserver_is_open_to_all_for_long_answers():
    assert allowed(Catalogue().reach("web"), DNS, 53)
    assert not allowed(Catalogue().reach("web"), DNS, 22)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1", "::ffff:10.1.0.5"],
)
def test_the_container_itself_is_never_entered(address):
    catalogue = Catalogue(web_service={(address, 80)})
    everywhere = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]

    assert not allowed(Reach(everywhere, ("web",), "consul", DNS, catalogue.find), address)
    assert not allowed(Reach(everywhere, (), "consul", DNS, catalogue.find), address)


def test_a_service_named_in_full_is_open_at_its_address_and_port():
    reach = Catalogue(web_service={("10.1.0.5", 8080)}).reach("web")

    assert reach.enter("10.1.0.5", 8080) == "web"
    assert not allowed(reach, "10.1.0.5", 22)
    assert not allowed(reach, "10.1.0.6", 8080)


def test_a_pattern_opens_what_was_resolved_and_nothing_else():
    catalogue = Catalogue(python1_service={("10.1.0.5", 80)}, secret_service={("10.1.0.6", 80)})
    reach = catalogue.reach("python*")
    before = allowed(reach, "10.1.0.5")

    reach.learn("python1.service.consul", {"10.1.0.5"})
    reach.learn("secret.service.consul", {"10.1.0.6"})

    assert not before
    assert reach.enter("10.1.0.5", 80) == "python1"
    assert not allowed(reach, "10.1.0.6")


@pytest.mark.parametrize(
    "name",
    ["blue.web.service.consul", "web.service.consul", "_web._tcp.service.consul", "web.service.dc2.consul"],
)
def test_a_service_is_known_by_each_of_its_names(name):
    catalogue = Catalogue(web_service={("10.1.0.5", 80)}, web_service_dc2={("10.1.0.5", 80)})
    reach = catalogue.reach("we*")

    reach.learn(name, {"10.1.0.5"})

    assert reach.enter("10.1.0.5", 80) == "web"


@pytest.mark.parametrize(
    "name",
    [
        "web.service.consul.evil.example",
        "web.node.consul",
        "web",
        "",
        "service.consul",
        "web.service._secret._tcp.consul",
    ],
)
def test_other_names_open_nothing(name):
    reach = Catalogue(web_service={("10.1.0.5", 80)}).reach("we*")

    reach.learn(name, {"10.1.0.5"})

    assert not allowed(reach, "10.1.0.5")


@pytest.mark.parametrize("kind", ["connect", "ingress", "virtual", "query", "node", "addr"])
def test_a_name_of_another_kind_opens_nothing_though_a_service_of_hers_is_in_it(kind):
    # Consul reads names from the right: web and service are no more than tags of secret here.
    name = f"web.service.secret.{kind}.consul"
    catalogue = Catalogue()
    catalogue.services[name] = {("10.1.0.6", 8080)}
    reach = catalogue.reach("we*")

    reach.learn(name, {"10.1.0.6"})

    assert not allowed(reach, "10.1.0.6", 8080)


def test_an_instance_that_moved_is_followed_within_a_second():
    catalogue = Catalogue(web_service={("10.1.0.5", 80)})
    reach = catalogue.reach("web")
    assert allowed(reach, "10.1.0.5")

    catalogue.services["web.service.consul"] = {("10.1.0.6", 80)}
    catalogue.now += 1.0

    assert allowed(reach, "10.1.0.6")
    assert not allowed(reach, "10.1.0.5")


def test_many_connects_ask_once_a_second_also_when_nobody_answers():
    catalogue = Catalogue(web_service={("10.1.0.5", 80)})
    reach = catalogue.reach("web")
    for _ in range(50):
        allowed(reach, "10.1.0.5")
    catalogue.silent, catalogue.now = True, catalogue.now + 1
    for _ in range(50):
        allowed(reach, "10.1.0.9")

    assert catalogue.asked == 2


def test_a_silent_dns_closes_nothing_for_half_a_minute_and_then_all():
    catalogue = Catalogue(web_service={("10.1.0.5", 80)})
    reach = catalogue.reach("web")
    allowed(reach, "10.1.0.5")
    catalogue.silent = True

    catalogue.now += 29
    shortly = allowed(reach, "10.1.0.5")
    catalogue.now += 2

    assert shortly
    assert not allowed(reach, "10.1.0.5")


class SlowCatalogue(Catalogue):
    """A silent DNS: each look-up takes half a second until it is given up."""

    def find(self, name: str) -> set[tuple[str, int]]:
        if self.silent:
            self.now += 0.5
        return super().find(name)


def test_a_silent_dns_holds_the_tunnel_up_for_half_a_second_in_two_and_no_more():
    names = [f"s{number}" for number in range(64)]
    catalogue = SlowCatalogue()
    catalogue.silent = True
    reach = catalogue.reach(*names)
    began, busy = catalogue.now, 0.0

    while catalogue.now - began < 60:
        before = catalogue.now
        allowed(reach, "10.1.0.5")
        busy += catalogue.now - before
        catalogue.now += 0.01

    assert busy <= 60 * 0.25


def test_one_dead_datacenter_keeps_no_service_of_another_closed():
    catalogue = SlowCatalogue(web_service={("10.1.0.5", 80)})
    reach = catalogue.reach("web", "far")
    find = catalogue.find

    def one_is_silent(name: str) -> set[tuple[str, int]]:
        catalogue.silent = name.startswith("far.")
        return find(name)

    reach._find = one_is_silent
    allowed(reach, "10.1.0.9")  # the first time, the dead one may come first
    catalogue.now += 2.0
    for _ in range(60):
        assert allowed(reach, "10.1.0.5")
        allowed(reach, "10.1.0.9")  # asks for both
        catalogue.now += 0.5


def test_a_name_that_is_resolved_again_after_a_silence_opens_at_once():
    catalogue = Catalogue(python1_service={("10.1.0.5", 80)})
    catalogue.silent = True
    reach = catalogue.reach("python*")
    reach.learn("python1.service.consul", {"10.1.0.5"})
    during = allowed(reach, "10.1.0.5")
    catalogue.silent = False

    reach.learn("python1.service.consul", {"10.1.0.5"})

    assert (during, allowed(reach, "10.1.0.5")) == (False, True)


def test_many_names_cost_a_connect_half_a_second_at_most():
    catalogue = Catalogue()
    slow = catalogue.find

    def slowly(name: str) -> set[tuple[str, int]]:
        catalogue.now += 0.01
        return slow(name)

    reach = catalogue.reach("*")
    reach._find = slowly
    for number in range(2000):
        reach.learn(f"s{number}.service.consul", {"10.1.0.5"})
    before = catalogue.now

    allowed(reach, "10.1.0.9")

    assert catalogue.now - before <= 0.51
    assert (len(reach._watched), len(reach._names)) == (1024, 1)
