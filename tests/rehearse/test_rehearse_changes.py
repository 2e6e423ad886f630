"""What counts as another answer, and how a change is shown."""

import pytest

from panteras_dns.query import Found
from panteras_dns.rehearse.changes import change, differs, questions


def found(*records: str, rcode: str = "NOERROR", route: str = "corp") -> Found:
    lines = [f"web.example. {60 + number} IN {record}" for number, record in enumerate(records)]
    return Found("web.example.", "A", rcode, lines, "", route, "10.0.0.1:53", "127.0.0.1:53", 1.0)


def test_neither_order_nor_ttl_nor_route_is_another_answer():
    assert not differs([found("A 10.0.0.1", "A 10.0.0.2")], [found("A 10.0.0.2", "A 10.0.0.1", route=".")])


def test_servers_that_answer_in_turns_do_not_differ_when_the_turns_meet():
    one, two = found("A 10.0.0.1"), found("A 10.0.0.2")

    assert differs([one], [two])
    assert not differs([one, two], [two, two])


@pytest.mark.parametrize(
    "other", [None, found(rcode="NXDOMAIN"), found(), found("A 10.0.0.9"), found("CNAME b.example.")]
)
def test_what_a_client_would_notice_does(other):
    assert differs([found("A 10.0.0.1")], [other])


def test_a_change_says_what_and_by_which_route():
    many = found(*(f"A 10.0.0.{number}" for number in range(6)))
    one = change(("web.example", "A"), many, found(rcode="NXDOMAIN", route="."))

    assert one.before == "10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 2 more (corp)"
    assert one.after == "NXDOMAIN (.)"
    assert change(("web.example", "A"), None, found(route="")).before == "no answer"
    assert change(("web.example", "A"), None, found(route="")).after == "no record"


def test_a_list_of_questions():
    assert list(questions(["web.example", "", "# none", "a.example srv # one"])) == [
        ("web.example", "A"),
        ("a.example", "SRV"),
    ]
    with pytest.raises(ValueError, match="line 2: expected a name and a type"):
        list(questions(["a", "a b c"]))
