"""A server that leads back to us is cut off, and nobody else can cut one off."""

from builders import FakeServer, World, a_query, rcode_of, reason_in

from panteras_dns.loops import Loops
from panteras_dns.names import wire_name
from panteras_dns.upstream import Group

SECRET = b"secret"


def test_a_question_of_ours_is_known_again_whatever_its_case():
    back: list[str] = []
    loops = Loops(SECRET, back.append)
    query = loops.question("10.0.0.1:53", ".")

    assert loops.is_probe(query.name)
    assert back == ["10.0.0.1:53"]


def test_workers_of_one_secret_know_each_other_s():
    back: list[str] = []
    one, two = Loops(SECRET), Loops(SECRET, back.append)
    two.question("10.0.0.1:53", ".")

    assert two.is_probe(one.question("10.0.0.1:53", "consul").name)
    assert back == ["10.0.0.1:53"]


def test_nobody_can_make_one_up():
    back: list[str] = []
    loops = Loops(SECRET, back.append)
    loops.question("10.0.0.1:53", ".")

    for name in (
        "0123456789abcdef.0123456789abcdef.panteras-loop-probe",
        "panteras-loop-probe",
        "a.panteras-loop-probe.x",
    ):
        assert loops.is_probe(wire_name(name))
    assert loops.is_probe(Loops(b"other").question("10.0.0.1:53", ".").name)
    assert back == []


def test_other_names_are_no_probes():
    assert not Loops(SECRET).is_probe(wire_name("www.example.com"))


def test_a_server_that_leads_back_is_not_asked():
    looping, other = FakeServer("10.0.0.1:53"), FakeServer("10.0.0.2:53")
    looping.health.cut = True

    group = Group([looping, other])

    assert group.first is other
    assert group.choose([other]) is other
    assert Group([looping]).choose() is None


def test_a_client_hears_that_every_server_leads_back():
    world = World()
    world.upstream[0].health.cut = True
    world.tables.routes.match(b"\0").group.refresh()

    answer = world.ask(a_query(use_edns=0))

    assert rcode_of(answer) == "SERVFAIL"
    assert "leads back here" in reason_in(answer)[1]


def test_a_probe_that_arrives_is_answered_and_goes_nowhere():
    world = World()
    query = Loops(SECRET).question("x", ".")

    answer = world.ask(b"\0\1\1\0\0\1\0\0\0\0\0\0" + query.question)

    assert rcode_of(answer) == "NXDOMAIN"
    assert world.upstream[0].asked == []
