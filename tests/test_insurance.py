"""The last good answer, for the moments in which Consul fails."""

from dataclasses import replace

from builders import World, a_query, addresses_in, rcode_of, reason_in

from panteras_dns.insurance import Insurance
from panteras_dns.names import wire_name
from panteras_dns.routes import Routes

WEB = "web.service.consul. 0 A 10.0.0.{}"


def an_insured_world(seconds: float = 600) -> World:
    world = World()
    routes = {route.domains[0]: route for route in (world.tables.routes.match(n) for n in (wire_name("consul"), b"\0"))}
    own = wire_name("consul")
    routes[own] = replace(routes[own], insurance=seconds)
    world.tables.routes = Routes(routes)
    return world


def fails(world: World) -> bytes:
    """The answer when Consul stays silent."""
    world.ask(a_query("web.service.consul", use_edns=0))
    world.time_out(world.consul[0])
    answer = world.time_out(world.consul[0])
    assert answer is not None
    return answer


def succeed(world: World, *numbers: int) -> None:
    for number in numbers:
        world.ask(a_query("web.service.consul"))
        world.answer(world.consul[0], WEB.format(number))


def test_the_last_good_answer_serves_when_consul_fails():
    world = an_insured_world()
    succeed(world, 1, 2)

    answer = fails(world)

    assert addresses_in(answer) == ["10.0.0.2"]
    assert reason_in(answer)[0] == 3
    assert world.forwarder.rescue.insurance.claims == 1


def test_an_answer_that_came_by_the_fast_path_is_the_last_one_too():
    world = an_insured_world()
    succeed(world, 1, 2, 1)

    assert addresses_in(fails(world)) == ["10.0.0.1"]


def test_it_serves_for_servfail_too():
    world = an_insured_world()
    succeed(world, 1)
    world.ask(a_query("web.service.consul"))

    assert addresses_in(world.answer(world.consul[0], rcode=2)) == ["10.0.0.1"]


def test_it_never_speaks_over_a_no():
    world = an_insured_world()
    succeed(world, 1)
    world.ask(a_query("web.service.consul"))
    assert rcode_of(world.answer(world.consul[0], rcode=3)) == "NXDOMAIN"

    assert rcode_of(fails(world)) == "SERVFAIL"


def test_it_ends_after_its_time():
    world = an_insured_world(60)
    succeed(world, 1)
    world.now += 61

    assert rcode_of(fails(world)) == "SERVFAIL"


def test_without_it_a_failure_is_a_failure():
    world = an_insured_world(0)
    succeed(world, 1)

    assert rcode_of(fails(world)) == "SERVFAIL"


def test_it_is_bounded():
    insurance = Insurance(most=10)
    for number in range(100):
        insurance.keep(b"%d" % number, b"", number)

    assert len(insurance._kept) == 10


def test_the_same_good_answer_after_a_no_counts_again():
    world = an_insured_world()
    succeed(world, 1)
    world.ask(a_query("web.service.consul"))
    world.answer(world.consul[0], rcode=3)
    succeed(world, 1)

    assert addresses_in(fails(world)) == ["10.0.0.1"]
