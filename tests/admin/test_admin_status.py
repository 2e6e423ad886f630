"""The status says the worst first, and does not cry over nothing."""

from admin_builders import a_failure, told

from panteras_dns.admin.status import Around, Known, status
from panteras_dns.admin.sums import Sums
from panteras_dns.admin.top import lines, sparkline

NOW = 1000.0


def shown(services: Known | None = None, **given):
    sums = Sums(1)
    sums.take(0, told(begun=NOW - 60, **given), NOW)
    return status(sums, Around("host7", "1", 900.0, services or Known()), NOW)


def verdict(**given) -> tuple[str, str, str]:
    found = shown(**given)["verdict"]
    return found["state"], found["code"], found["text"]


def failures(count: int, **given) -> dict:
    return {"failed": count, "failures": [a_failure(at=NOW - number, **given) for number in range(count)]}


def test_all_is_well():
    state, code, text = verdict(queries=100)

    assert (state, code) == ("ok", "")
    assert text == "all is well: 100 queries, none of the last 15 minutes failed"


def test_failures_are_told_by_their_cause_since_when_and_how_many():
    found = shown(queries=100, **failures(6))

    assert found["verdict"]["text"] == "web.service.consul web is registered, no instance passes (6 failed)"
    assert (found["verdict"]["code"], found["verdict"]["state"]) == ("PAN201", "FAIL")
    assert found["failed"]["causes"][0]["count"] == 6
    assert (found["failed"]["count"], found["failed"]["of"]) == (6, 100)


def test_a_few_failures_among_many_queries_are_no_problem():
    assert verdict(queries=100, **failures(4))[0] == "ok"
    assert verdict(queries=100_000, **failures(50))[0] == "ok"


def test_names_that_nobody_has_are_counted_apart():
    found = shown(queries=100, **failures(50, reason="PAN202 no such service"))

    assert found["verdict"]["state"] == "ok"
    assert (found["failed"]["count"], found["failed"]["no_such_name"]) == (0, 50)


def test_failures_of_an_hour_ago_are_over():
    assert verdict(queries=100, failed=9, failures=[a_failure(at=NOW - 3600) for _ in range(9)])[0] == "ok"


def test_a_server_that_is_down_goes_before_all_else():
    server = {"server": "10.0.0.1:53", "usable": False, "reason": "did not answer", "since": 950.0}
    numbers = {"waited": 0.0, "lost": 3, "buckets": []}

    found = shown(queries=10, upstreams=[{**server, **numbers}], **failures(6))

    assert found["verdict"]["text"] == "10.0.0.1:53 did not answer"
    assert (found["verdict"]["since"], found["verdict"]["problems"]) == (950.0, 2)


def test_a_service_without_a_passing_instance_is_a_problem_and_one_without_checks_is_none():
    services = Known(
        [
            {"name": "api", "instances": 2, "passing": 2},
            {"name": "consul", "instances": 0, "passing": 0},
            {"name": "web", "instances": 2, "passing": 0},
        ]
    )

    found = shown(services=services)

    assert found["verdict"]["text"] == "web has no passing instance"
    assert [one["name"] for one in found["services"]["list"]] == ["web", "api", "consul"]
    assert (found["services"]["known"], found["services"]["down"]) == (3, 1)


def test_what_is_not_known_is_told_with_its_reason():
    found = shown(services=Known(None, "http://127.0.0.1:8500: refused"))

    assert (found["services"]["known"], found["services"]["problem"]) == (None, "http://127.0.0.1:8500: refused")


def test_a_worker_that_fell_silent_is_a_problem():
    sums = Sums(2)
    sums.take(0, told(), NOW - 60)
    sums.take(1, told(pid=2), NOW)

    found = status(sums, Around(), NOW)

    assert found["verdict"]["text"] == "worker 0 does not answer the admin"
    assert [one["answers"] for one in found["gateway"]["workers"]] == [False, True]


def test_the_terminal_shows_the_verdict_second_and_keeps_within_its_window():
    found = shown(queries=100, **failures(6, name="evil\x1b[2J.service.consul"))

    printed = lines(found, 60, 8)

    assert printed[0][1].startswith("panteras host7")
    assert printed[1][0] == "FAIL"
    assert printed[1][1].startswith("! 1 problem since ")
    assert len(printed) == 8
    assert all(len(text) <= 60 and text.isprintable() for _, text in printed)


def test_a_sparkline_has_a_character_a_value():
    assert sparkline([0, 1, 2, 4, 8]) == " ▁▂▄█"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""
