"""The story of one query, told with fake servers and a clock that stands still."""

import pytest
from builders import FakeServer, World, a_query, a_reply, addresses_in, parsed, rcode_of, reason_in
from dns import flags

from panteras_dns.names import wire_name
from panteras_dns.policy import Policy
from panteras_dns.reasons import Reasons

SOA = "example.com. 900 SOA ns.example.com. root.example.com. 1 2 3 4 300"
WWW = "www.example.com. 60 A 192.0.2.1"
WEB = "web.service.consul. 0 A 10.0.0.1"


def test_consul_is_asked_every_time():
    world = World()
    consul = world.consul[0]

    for number in range(3):
        assert world.ask(a_query("web.service.consul", id=number)) is None
        assert addresses_in(world.answer(consul, f"web.service.consul. 0 A 10.0.0.{number}")) == [f"10.0.0.{number}"]

    assert len(consul.asked) == 3


def test_an_answer_carries_the_id_of_its_query():
    world = World()
    for number in (0, 65535):
        world.ask(a_query("web.service.consul", id=number))

        assert parsed(world.answer(world.consul[0], WEB)).id == number


def test_what_was_finished_once_is_finished_the_same_the_second_time():
    world = World()
    answers = []
    for _ in range(2):
        world.ask(a_query("web.service.consul"))
        answers.append(world.answer(world.consul[0], WEB))

    assert answers[0] == answers[1]
    assert world.forwarder.udp.plan(a_query("web.service.consul")[2:]).finished


def test_other_names_are_asked_once_and_then_come_from_cache_with_aged_ttl():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)

    world.now += 10.2
    answer = world.ask(a_query(id=9))

    assert answer is not None
    assert parsed(answer).answer[0].ttl == 50
    assert len(world.upstream[0].asked) == 1


def test_every_query_within_a_second_gets_the_same_bytes_and_the_next_second_others():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)

    ttls = []
    for step in (0.1, 0.1, 1.0, 0.1):
        world.now += step
        ttls.append(parsed(world.ask(a_query())).answer[0].ttl)

    assert ttls == [60, 60, 59, 59]


def test_identical_questions_in_flight_are_asked_once():
    world = World()
    for number in range(5):
        world.ask(a_query("WWW.example.com" if number % 2 else "www.example.com", id=number))

    world.answer(world.upstream[0], WWW)

    assert len(world.upstream[0].asked) == 1
    assert sorted(parsed(answer).id for answer in world.sent) == [0, 1, 2, 3, 4]
    assert world.forwarder.joined == 4


def test_no_more_than_a_few_hundred_wait_for_one_answer():
    world = World()
    for number in range(300):
        world.ask(a_query(id=number, use_edns=0))

    assert {rcode_of(answer) for answer in world.sent} == {"SERVFAIL"}
    assert len(world.sent) == 100


def test_what_is_no_answer_to_the_question_is_ignored_and_the_wait_goes_on():
    world = World()
    world.ask(a_query())
    upstream = world.upstream[0]
    asked = upstream.asked[-1]
    good = a_reply(asked, WWW)
    bad = [
        bytes([asked[0] ^ 1]) + good[1:],
        asked[:2] + a_reply(a_query("evil.example.com"), "evil.example.com. 60 A 6.6.6.6")[2:],
        asked[:2] + a_reply(a_query(kind="TXT"))[2:],
        asked,
        good[:12],
        good[:5],
        good[:-3],
        good[:6] + b"\xff\xff" + good[8:],
        good[:2] + bytes([good[2] | 0x28]) + good[3:],
        good[:4] + b"\0\0" + good[6:],
        b"",
    ]

    for packet in bad:
        assert world.deliver(upstream, packet) is None

    assert addresses_in(world.deliver(upstream, good)) == ["192.0.2.1"]
    assert upstream.health.strays == len(bad)
    assert upstream.health.down_since is None


def test_records_beside_the_question_are_never_answers_to_another():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW, extra=("x.service.consul. 600 A 6.6.6.6", "mail.example.com. 600 A 6.6.6.6"))

    assert world.ask(a_query("mail.example.com")) is None
    assert world.ask(a_query("x.service.consul")) is None


def test_a_silent_server_costs_one_time_out_and_the_next_is_asked():
    world = World(upstream=[FakeServer("10.0.0.1:53"), FakeServer("10.0.0.2:53")])
    first, second = world.upstream
    world.ask(a_query())

    assert world.time_out(first) is None
    assert addresses_in(world.answer(second, WWW)) == ["192.0.2.1"]

    world.ask(a_query("other.example.com"))
    assert (len(first.asked), len(second.asked)) == (1, 2)


def test_a_silent_consul_is_asked_twice_and_then_the_client_is_told():
    world = World()
    world.ask(a_query("web.service.consul", use_edns=0))

    assert world.time_out(world.consul[0]) is None
    answer = world.time_out(world.consul[0])

    assert rcode_of(answer) == "SERVFAIL"
    assert reason_in(answer) == (22, "PAN301 127.0.0.1:8600 did not answer in time")


def test_consul_s_failure_is_not_remembered():
    world = World()
    world.ask(a_query("web.service.consul"))
    world.time_out(world.consul[0], "refused the question")
    assert rcode_of(world.time_out(world.consul[0], "refused the question")) == "SERVFAIL"

    assert world.ask(a_query("web.service.consul")) is None
    assert addresses_in(world.answer(world.consul[0], WEB)) == ["10.0.0.1"]


LONG = ".".join(["x" * 60] * 3) + ".web.service.consul"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("web.service.consul", {"use_edns": 0}, (0, "PAN202 no such service")),
        ("web.service.consul", {}, None),
        (LONG, {"use_edns": 0, "payload": 4096}, (0, "PAN202 no such service")),
    ],
)
def test_what_is_known_of_a_missing_name_goes_out_with_the_answer(name, options, told):
    reasons = Reasons()
    reasons.tell(wire_name(name), "PAN202 no such service")
    world = World(reasons=reasons)
    world.ask(a_query(name, **options))

    assert reason_in(world.answer(world.consul[0], rcode=3)) == told


def test_no_reason_makes_an_answer_too_large_for_its_client():
    reasons = Reasons()
    reasons.tell(wire_name(LONG), "x" * 150)
    world = World(reasons=reasons)
    world.ask(a_query(LONG, use_edns=0, payload=512))
    answer = world.answer(world.consul[0], rcode=3)

    assert len(answer) <= 512 and not parsed(answer).flags & flags.TC


def test_consul_s_nxdomain_is_not_remembered():
    world = World()
    world.ask(a_query("web.service.consul"))
    assert rcode_of(world.answer(world.consul[0], rcode=3)) == "NXDOMAIN"

    assert world.ask(a_query("web.service.consul")) is None


def test_a_general_failure_is_remembered_for_a_second():
    world = World()
    world.ask(a_query())
    while world.upstream[0].pending:
        world.time_out(world.upstream[0])

    assert rcode_of(world.ask(a_query())) == "SERVFAIL"
    asked = len(world.upstream[0].asked)
    world.now += 1.1
    assert world.ask(a_query()) is None
    assert (asked, len(world.upstream[0].asked)) == (3, 4)


def test_a_stale_answer_beats_none():
    world = World()
    world.ask(a_query(use_edns=0))
    world.answer(world.upstream[0], WWW)
    world.now += 100
    world.ask(a_query(use_edns=0))
    while world.upstream[0].pending:
        answer = world.time_out(world.upstream[0])

    assert addresses_in(answer) == ["192.0.2.1"]
    assert parsed(answer).answer[0].ttl == 30
    assert reason_in(answer)[0] == 3
    assert world.forwarder.rescue.stale_served == 1


def test_a_stale_answer_is_given_to_those_who_have_waited_long_enough():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    world.now += 100
    world.ask(a_query(id=2))
    world.now += 1.7
    world.forwarder.impatient(world.now)
    assert len(world.sent) == 1

    world.now += 0.2
    world.forwarder.impatient(world.now)
    assert addresses_in(world.sent[-1]) == ["192.0.2.1"]

    world.answer(world.upstream[0], "www.example.com. 60 A 192.0.2.2")
    assert len(world.sent) == 2
    assert addresses_in(world.ask(a_query(id=3))) == ["192.0.2.2"]


def test_a_stale_answer_never_replaces_a_fresh_no():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    world.now += 100
    world.ask(a_query())

    assert rcode_of(world.answer(world.upstream[0], rcode=3, authority=(SOA,))) == "NXDOMAIN"


def test_popular_answers_are_fetched_again_before_their_end():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    for step in (1, 1, 1, 55):
        world.now += step
        assert world.ask(a_query()) is not None

    assert len(world.upstream[0].asked) == 2
    world.answer(world.upstream[0], "www.example.com. 60 A 192.0.2.9")
    world.now += 1.5
    assert addresses_in(world.ask(a_query())) == ["192.0.2.9"]
    assert world.forwarder.prefetched == 1


def test_servfail_of_one_server_sends_the_question_to_the_next():
    world = World(upstream=[FakeServer("a"), FakeServer("b")])
    world.ask(a_query())

    assert world.answer(world.upstream[0], rcode=2) is None
    assert addresses_in(world.answer(world.upstream[1], WWW)) == ["192.0.2.1"]


def test_servfail_of_the_only_server_is_the_answer():
    world = World()
    world.ask(a_query())

    assert rcode_of(world.answer(world.upstream[0], rcode=2)) == "SERVFAIL"
    assert world.upstream[0].health.down_since is None


def test_a_truncated_answer_is_fetched_again_over_tcp():
    world = World()
    world.ask(a_query())
    upstream = world.upstream[0]

    assert world.answer(upstream, flags=flags.TC) is None
    assert len(upstream.asked_tcp) == 1
    assert addresses_in(world.deliver(upstream, a_reply(upstream.asked_tcp[-1], WWW))) == ["192.0.2.1"]


def test_a_full_server_is_passed_over():
    world = World(upstream=[FakeServer("a", full=True), FakeServer("b")])
    world.ask(a_query())

    assert addresses_in(world.answer(world.upstream[1], WWW)) == ["192.0.2.1"]


def test_when_every_server_is_full_the_client_is_told_at_once():
    world = World(consul=[FakeServer("127.0.0.1:8600", full=True)])

    answer = world.ask(a_query("web.service.consul", use_edns=0))

    assert rcode_of(answer) == "SERVFAIL"
    assert "too many questions open" in reason_in(answer)[1]


def test_in_a_race_the_first_answer_counts():
    world = World(upstream=[FakeServer("a"), FakeServer("b")], policy="race")
    world.ask(a_query())

    assert addresses_in(world.answer(world.upstream[1], WWW)) == ["192.0.2.1"]
    assert world.answer(world.upstream[0], "www.example.com. 60 A 192.0.2.7") is None
    assert addresses_in(world.ask(a_query())) == ["192.0.2.1"]


def test_a_race_goes_on_when_one_falls():
    world = World(upstream=[FakeServer("a"), FakeServer("b")], policy="race")
    world.ask(a_query())

    assert world.time_out(world.upstream[0]) is None
    assert addresses_in(world.answer(world.upstream[1], WWW)) == ["192.0.2.1"]


def test_nothing_is_tried_for_longer_than_a_client_waits():
    world = World(upstream=[FakeServer(str(number)) for number in range(10)])
    world.ask(a_query())
    tries = 0
    while not world.sent:
        world.now += 0.9
        world.time_out(next(server for server in world.upstream if server.pending))
        tries += 1

    assert rcode_of(world.sent[0]) == "SERVFAIL"
    assert world.now - 1000 <= 4.5
    assert tries == 3


def test_a_stranger_is_refused_before_the_cache_is_looked_at():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    refused = []

    world.forwarder.handle([(a_query(use_edns=0), ("192.0.2.9", 1))], 0, refused.append, world.now)
    world.forwarder.handle([(b"\0\1\1\0junk", ("192.0.2.9", 1))], 0, refused.append, world.now)

    assert [rcode_of(packet) for packet, _ in refused] == ["REFUSED"]
    assert reason_in(refused[0][0])[0] == 18


def test_new_tables_leave_questions_in_flight_alone():
    world = World()
    world.ask(a_query("web.service.consul"))

    world.forwarder.load(World().tables, world.forwarder.policy)

    assert addresses_in(world.answer(world.consul[0], WEB)) == ["10.0.0.1"]


@pytest.mark.parametrize("name", ["python1.service.consul", "www.example.com"])
def test_a_message_over_tcp_may_be_as_large_as_it_likes(name):
    world = World()
    answers = []
    world.forwarder.handle_message(a_query(name), "connection", "127.0.0.1", answers.append, world.now)
    server = world.consul[0] if "consul" in name else world.upstream[0]

    packet = a_reply(
        (server.asked or server.asked_tcp)[-1], *[f"{name}. 0 A 10.0.{n // 250}.{n % 250}" for n in range(500)]
    )
    world.forwarder.answered([packet], server.pending, server, world.now)

    assert len(addresses_in(answers[0][0])) == 500


def test_an_answer_that_is_cut_even_over_tcp_is_passed_on_as_it_is():
    world = World()
    world.ask(a_query())
    upstream = world.upstream[0]
    world.answer(upstream, flags=flags.TC)

    answer = world.deliver(upstream, a_reply(upstream.asked_tcp[-1], flags=flags.TC))

    assert parsed(answer).flags & flags.TC
    assert len(upstream.asked_tcp) == 1


def test_strangers_in_numbers_are_not_told_each_time():
    world, refused = World(), []
    world.forwarder.policy = Policy(tuple, failures=10)

    for number in range(100):
        world.forwarder.handle([(a_query(id=number), ("192.0.2.9", 1))], 0, refused.append, world.now)

    assert 0 < len(refused) < 30


def test_a_refresh_that_fails_is_tried_again():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], "www.example.com. 100 A 192.0.2.1")
    for step in (1, 1, 1, 90):
        world.now += step
        world.ask(a_query())
    while world.upstream[0].pending:
        world.time_out(world.upstream[0])
    asked = len(world.upstream[0].asked)

    world.now += 2
    assert addresses_in(world.ask(a_query())) == ["192.0.2.1"]

    assert len(world.upstream[0].asked) == asked + 1


def test_a_question_of_type_0_says_nothing_about_others():
    world = World()
    world.ask(a_query(kind="TYPE0"))
    world.answer(world.upstream[0], authority=(SOA,))

    assert world.ask(a_query()) is None
    assert addresses_in(world.answer(world.upstream[0], WWW)) == ["192.0.2.1"]


def test_a_name_that_is_gone_is_gone_though_it_was_there():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    world.now += 61
    world.ask(a_query())
    world.answer(world.upstream[0], rcode=3, authority=(SOA,))

    assert rcode_of(world.ask(a_query())) == "NXDOMAIN"
    world.now += 400
    world.ask(a_query())
    assert addresses_in(world.answer(world.upstream[0], WWW)) == ["192.0.2.1"]
    assert addresses_in(world.ask(a_query())) == ["192.0.2.1"]


def test_a_stale_answer_may_bring_the_next_question():
    world = World()
    world.ask(a_query())
    world.answer(world.upstream[0], WWW)
    world.now += 100
    asked = []

    def reply(answer):
        asked.append(answer)
        world.ask(a_query("next.example.com"))

    world.forwarder.handle([(a_query(), ("127.0.0.1", 1))], 0, reply, world.now)
    world.now += 2
    world.forwarder.impatient(world.now)

    assert len(asked) == 1
