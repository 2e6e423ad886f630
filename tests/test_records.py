import pytest
from builders import a_query, parsed

from panteras_dns.answer import dress
from panteras_dns.demo import catalogue
from panteras_dns.names import wire_name
from panteras_dns.records import Records, compile_records, parse_hosts, parse_record, special_names
from panteras_dns.wire import read_query

OFFICE = compile_records(
    [
        parse_record("printer.corp.example", "A", "10.0.0.7", 60),
        parse_record("printer.corp.example", "A", "10.0.0.8", 60),
        parse_record("lp.corp.example", "CNAME", "printer.corp.example", 60),
        parse_record("_ipp._tcp.corp.example", "SRV", "1 1 631 printer.corp.example", 60),
        parse_record("txt.corp.example", "TXT", '"two words" three', 60),
    ]
)


def found(records: Records, name: str, kind: str = "A"):
    """The message a client would get, or None."""
    query = read_query(a_query(name, kind)[2:])
    reply = records.find(query)
    return parsed(b"\0\1" + dress(query, reply, 1232)) if reply else None


def texts(message) -> list[str]:
    return [f"{rrset.name} {data}" for rrset in message.answer for data in rrset]


def test_a_record_answers_in_the_client_s_spelling():
    assert texts(found(OFFICE, "Printer.CORP.example")) == [
        "Printer.CORP.example. 10.0.0.7",
        "Printer.CORP.example. 10.0.0.8",
    ]


def test_an_alias_brings_what_it_points_at():
    assert texts(found(OFFICE, "lp.corp.example")) == [
        "lp.corp.example. printer.corp.example.",
        "printer.corp.example. 10.0.0.7",
        "printer.corp.example. 10.0.0.8",
    ]


def test_srv_brings_the_addresses_of_its_targets():
    message = found(OFFICE, "_ipp._tcp.corp.example", "SRV")

    assert texts(message) == ["_ipp._tcp.corp.example. 1 1 631 printer.corp.example."]
    assert [str(data) for rrset in message.additional for data in rrset] == ["10.0.0.7", "10.0.0.8"]


def test_another_type_of_a_known_name_is_an_empty_answer_with_soa():
    message = found(OFFICE, "printer.corp.example", "AAAA")

    assert (message.rcode(), message.answer, len(message.authority)) == (0, [], 1)


def test_names_beside_are_somebody_else_s():
    assert found(OFFICE, "corp.example") is None
    assert found(OFFICE, "scanner.corp.example") is None


@pytest.mark.parametrize(
    ("kind", "data"),
    [("A", "10.0.0"), ("A", "10.0.0.1\nx 1 IN A 10.0.0.2"), ("NONSENSE", "1"), ("SRV", "1 1 x"), ("AAAA", "10.0.0.1")],
)
def test_data_that_does_not_fit_its_type_is_refused(kind, data):
    with pytest.raises(ValueError, match="not the data of"):
        parse_record("a.example", kind, data, 60)


def test_data_of_any_type_may_be_given_in_hexadecimal():
    assert parse_record("a.example", "TYPE20025", r"\# 4 deadbeef", 60).data == b"\xde\xad\xbe\xef"


def test_a_hosts_file_gives_names_and_their_reverse():
    records = compile_records(parse_hosts("10.0.0.5 db db.corp # the old one\n::1 six\nnonsense here\n\n"))

    assert texts(found(records, "db.corp")) == ["db.corp. 10.0.0.5"]
    assert texts(found(records, "six", "AAAA")) == ["six. ::1"]
    assert texts(found(records, "5.0.0.10.in-addr.arpa", "PTR")) == ["5.0.0.10.in-addr.arpa. db."]


def test_names_in_a_closed_zone_exist_or_do_not():
    zone = compile_records([parse_record("a.b.zone", "A", "10.0.0.1", 0)], {wire_name("zone"): 7})

    assert found(zone, "x.zone").rcode() == 3
    assert found(zone, "b.zone").rcode() == 0
    assert found(zone, "a.b.zone").rcode() == 0
    assert found(zone, "x.zone").authority[0].ttl == 7


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "texts_"),
    [
        ("localhost", "A", 0, ["localhost. 127.0.0.1"]),
        ("db.localhost", "AAAA", 0, ["db.localhost. ::1"]),
        ("localhost", "MX", 0, []),
        ("x.onion", "A", 3, []),
        ("onion", "A", 3, []),
        ("printer.local", "A", 3, []),
        ("x.invalid", "A", 3, []),
        ("x.test", "A", 3, []),
        ("x.alt", "A", 3, []),
        ("x.internal", "A", 3, []),
        ("1.0.0.127.in-addr.arpa", "PTR", 0, ["1.0.0.127.in-addr.arpa. localhost."]),
        ("5.0.0.10.in-addr.arpa", "PTR", 3, []),
        ("5.0.20.172.in-addr.arpa", "PTR", 3, []),
    ],
)
def test_special_names_are_answered_here(name, kind, rcode, texts_):
    message = found(special_names(), name, kind)

    assert (message.rcode(), texts(message)) == (rcode, texts_)


@pytest.mark.parametrize("name", ["example.com", "example", "5.0.32.172.in-addr.arpa", "mylocal", "localhost.example"])
def test_ordinary_names_are_not_special(name):
    assert found(special_names(), name) is None


def test_the_sample_catalogue_has_consul_s_shapes():
    srv = found(catalogue(), "python1.service.consul", "SRV")

    assert texts(found(catalogue(), "python1.service.consul")) == [
        "python1.service.consul. 10.0.1.5",
        "python1.service.consul. 10.0.1.9",
    ]
    assert texts(srv)[0] == "python1.service.consul. 1 1 31001 0a000105.addr.dc1.consul."
    assert srv.answer[0].ttl == 0
    assert [str(data) for rrset in srv.additional for data in rrset] == ["10.0.1.5", "10.0.1.9"]
    assert found(catalogue(), "python3.service.consul").rcode() == 3
    assert found(catalogue(), "service.consul").rcode() == 0
    assert found(catalogue(), "python1.service.consul", "AAAA").rcode() == 0
