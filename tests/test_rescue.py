"""Answers for the moments in which the servers fail: which of them is given (forwarder and insurance have the rest)."""

from builders import World, a_query, parsed, rcode_of

from panteras_dns.wire import SERVFAIL

WWW = "www.example.com. 60 A 192.0.2.1"


def fail(world: World) -> bytes | None:
    return world.answer(world.upstream[0], rcode=SERVFAIL)


def test_an_answer_past_its_end_is_given_when_the_servers_fail_and_counted():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    world.now += 100
    world.ask(a_query())

    answer = fail(world)

    assert answer is not None
    assert (rcode_of(answer), parsed(answer).answer[0].ttl) == ("NOERROR", 30)
    assert world.forwarder.rescue.stale_served == 1


def test_without_one_the_failure_is_told():
    world = World()
    world.ask(a_query())

    answer = fail(world)

    assert answer is not None
    assert rcode_of(answer) == "SERVFAIL"
    assert world.forwarder.rescue.stale_served == 0
