"""Reasons are there for the next answer, stay fresh while they are asked for, and are forgotten after that."""

import pytest

from panteras_dns.reasons import Reasons

WEB, API = b"\3web\7service\6consul\0", b"\3api\7service\6consul\0"


@pytest.fixture
def reasons() -> Reasons:
    return Reasons(most=3)


def test_what_is_not_known_is_wanted_once(reasons) -> None:
    noticed = []
    reasons.noticed = lambda: noticed.append(list(reasons.wanted))

    assert [reasons.why(WEB), reasons.why(WEB), reasons.why(API)] == ["", "", ""]
    assert noticed == [[WEB], [WEB, API]]


def test_what_was_told_is_the_reason_until_another_is(reasons) -> None:
    assert reasons.tell(WEB, "PAN202 no such service")
    assert not reasons.tell(WEB, "PAN202 no such service")
    assert reasons.why(WEB) == "PAN202 no such service"
    assert reasons.tell(WEB, "PAN201 none passes")
    assert reasons.why(WEB) == "PAN201 none passes"
    assert not reasons.wanted


def test_what_is_still_asked_for_is_found_out_anew_and_the_rest_is_forgotten(reasons) -> None:
    reasons.tell(WEB, "PAN202 no such service")
    reasons.tell(API, "PAN202 no such service")
    reasons.why(WEB)
    reasons.age()

    assert list(reasons.wanted) == [WEB]
    assert reasons.why(WEB) == "PAN202 no such service"
    assert reasons.why(API) == ""
    reasons.age()
    reasons.age()
    assert reasons.why(WEB) == ""


def test_floods_of_names_are_bounded(reasons) -> None:
    for number in range(100):
        reasons.why(b"%d" % number)
        reasons.tell(b"told %d" % number, "PAN202")

    assert len(reasons.wanted) == 3
    assert [reasons.why(b"told %d" % number) for number in (96, 97, 98, 99)] == ["", "PAN202", "PAN202", "PAN202"]
