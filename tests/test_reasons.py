"""Reasons are there for the next answer, stay fresh while they are asked for, and are forgotten after that."""

import pytest

from panteras_dns.reasons import OLD, Reasons

WEB, API = b"\3web\7service\6consul\0", b"\3api\7service\6consul\0"


@pytest.fixture
def reasons() -> Reasons:
    made = Reasons(most=3)
    made.noticed = lambda: None
    return made


def test_what_is_not_known_is_wanted_once(reasons) -> None:
    noticed = []
    reasons.noticed = lambda: noticed.append(list(reasons.wanted))

    assert [reasons.why(WEB), reasons.why(WEB), reasons.why(API)] == ["", "", ""]
    assert noticed == [[WEB], [WEB, API]]


def test_where_nobody_finds_out_nothing_is_wanted() -> None:
    reasons = Reasons()

    assert reasons.why(WEB) == ""
    assert not reasons.wanted


def test_what_was_told_is_the_reason_until_another_is(reasons) -> None:
    assert reasons.tell(WEB, "PAN202 no such service")
    assert not reasons.tell(WEB, "PAN202 no such service")
    assert reasons.why(WEB) == "PAN202 no such service"
    assert reasons.tell(WEB, "PAN201 none passes")
    assert reasons.why(WEB) == "PAN201 none passes"
    assert not reasons.wanted


def test_what_is_asked_for_is_found_out_anew_in_the_next_round(reasons) -> None:
    reasons.tell(WEB, "PAN202 no such service")
    reasons.age()
    assert list(reasons.wanted) == [WEB]
    reasons.wanted.clear()
    reasons.age()
    assert not reasons.wanted
    reasons.why(WEB)
    reasons.age()
    assert list(reasons.wanted) == [WEB]


def test_a_reason_outlives_a_pause_and_not_its_time(reasons) -> None:
    reasons.tell(WEB, "PAN202 no such service")
    for _ in range(OLD):
        reasons.age()
    assert reasons.why(WEB) == "PAN202 no such service"
    reasons.age()
    assert reasons.why(WEB) == "", "nobody found it out anew"
    assert not reasons.tell(WEB, "PAN202 no such service"), "the log has it already"


def test_what_nobody_can_find_out_any_more_is_forgotten(reasons) -> None:
    reasons.tell(WEB, "PAN202 no such service")
    reasons.forget()

    assert reasons.why(WEB) == ""


def test_floods_of_names_are_bounded(reasons) -> None:
    for number in range(100):
        reasons.why(b"%d" % number)
        reasons.tell(b"told %d" % number, "PAN202")

    assert len(reasons.wanted) == 3
    assert [reasons.why(b"told %d" % number) for number in (96, 97, 98, 99)] == ["", "PAN202", "PAN202", "PAN202"]
