"""What becomes of a query, decided from its bytes."""

from builders import World, a_query, parsed, rcode_of, reason_in
from dns import flags
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.planner import Planner
from panteras_dns.records import compile_records, parse_record, special_names


def planner(limit=None, most=4096, **tables) -> Planner:
    return Planner(World(**tables).tables, limit, most)


def planned(packet: bytes, **tables):
    return planner(**tables).plan(packet[2:])


def answered(packet: bytes, **tables) -> bytes:
    plan = planned(packet, **tables)
    assert plan is not None
    assert plan.answer is not None
    return b"\0\1" + plan.answer


def test_a_consul_name_goes_to_consul_and_is_never_cached():
    plan = planned(a_query("python1.service.consul"))

    assert (plan.fate, plan.key) == ("consul", None)
    assert parsed(b"\0\1" + plan.packet).payload == 65467


def test_any_other_name_goes_upstream_and_may_be_cached():
    plan = planned(a_query("www.example.com"))

    assert plan.fate == "."
    assert plan.key is not None
    assert parsed(b"\0\1" + plan.packet).flags & flags.AD


def test_the_size_is_the_client_s_within_ours():
    sizes = [planned(a_query(use_edns=edns, payload=size)).limit for edns, size in ((-1, 0), (0, 800), (0, 4096))]

    assert sizes == [512, 800, 1232]
    assert planner(limit=65535).plan(a_query()[2:]).limit == 65535


def test_a_client_subnet_goes_to_consul_and_to_nobody_else():
    import dns.edns

    subnet = dns.edns.ECSOption("192.0.2.0", 24)
    for name, passed_on in (("web.query.consul", True), ("www.example.com", False)):
        sent = parsed(b"\0\1" + planned(a_query(name, use_edns=0, options=[subnet])).packet)
        assert bool(sent.options) is passed_on


def test_silence_for_replies_and_for_less_than_a_header():
    assert planned(a_query(flags=flags.QR)) is None
    assert planned(a_query()[:11]) is None


def test_the_wrong_kind_of_message_gets_the_right_kind_of_error():
    notify = bytearray(a_query())
    notify[2] |= 4 << 3

    assert rcode_of(answered(bytes(notify))) == "NOTIMP"
    assert rcode_of(answered(a_query() + b"x")) == "FORMERR"
    assert rcode_of(answered(a_query(use_edns=1))) == "BADVERS"
    assert rcode_of(answered(a_query(kind="AXFR"))) == "REFUSED"


def test_records_of_our_own_come_before_any_route():
    records = compile_records([parse_record("python1.service.consul", "A", "10.9.9.9", 5)])

    assert "10.9.9.9" in parsed(answered(a_query("python1.service.consul"), records=records)).to_text()


def test_special_names_are_answered_unless_a_route_has_them():
    assert rcode_of(answered(a_query("x.onion"), special=special_names())) == "NXDOMAIN"
    assert planned(a_query("x.service.consul"), special=special_names()).answer is None


def test_a_consul_name_with_a_search_suffix_does_not_leave():
    answer = answered(a_query("web.service.consul.corp.example", use_edns=0))

    assert rcode_of(answer) == "NXDOMAIN"
    assert "search suffix" in reason_in(answer)[1]
    assert planned(a_query("web.service.consul.corp.example"), fence=False).answer is None


def test_types_consul_never_has_are_answered_here():
    message = parsed(answered(a_query("web.service.consul", "HTTPS")))

    assert (message.rcode(), len(message.authority)) == (0, 1)


def test_a_signed_query_is_passed_on_as_it_came():
    import dns.message
    import dns.tsigkeyring

    message = dns.message.make_query("www.example.com", "A")
    message.use_tsig(dns.tsigkeyring.from_text({"key.": "c2VjcmV0c2VjcmV0"}))
    packet = message.to_wire()

    plan = planned(packet)

    assert plan.packet == packet[2:]
    assert plan.key is None


def test_the_same_bytes_have_the_same_plan():
    plans = planner()

    assert plans.plan(a_query(id=1)[2:]) is plans.plan(a_query(id=2)[2:])


def test_plans_are_forgotten_when_they_are_not_asked_for():
    plans = planner(most=10)
    plans.plan(a_query("often.example")[2:])

    for number in range(100):
        plans.plan(a_query(f"n{number}.example")[2:])
        often = plans.young.get(a_query("often.example")[2:]) or plans.plan(a_query("often.example")[2:])
        often.asked += 1

    assert len(plans.young) + len(plans._old) <= 20
    assert plans.tally().queries[".", 1] == 100


@given(st.binary(max_size=120))
def test_any_bytes_have_a_plan_or_deserve_silence(body):
    plan = planner().plan(body)

    assert (plan is None) == (len(body) < 10 or body[0] >= 0x80)
