"""What the workers tell is added up, whatever becomes of them."""

from admin_builders import a_failure, told

from panteras_dns.admin.sums import MOST_FAILURES, Sums, percentile

QUERIES = ("panteras_queries_total", (("route", "consul"),))


def test_workers_are_added_up():
    sums = Sums(2)
    sums.take(0, told(queries=10), 100.0)
    sums.take(1, told(queries=5, pid=2), 100.0)
    sums.take(0, told(queries=12), 101.0)

    assert sums.samples()[QUERIES] == 17


def test_what_a_worker_counted_stays_counted_when_another_takes_its_place():
    sums = Sums(1)
    sums.take(0, told(queries=10), 100.0)
    sums.take(0, told(queries=3, pid=2), 101.0)

    assert sums.samples()[QUERIES] == 13


def test_a_reload_that_counts_from_zero_takes_nothing_away():
    sums = Sums(1)
    for queries in (10, 2, 4):
        sums.take(0, told(queries=queries), 100.0)

    assert sums.samples()[QUERIES] == 14


def test_a_server_that_one_worker_finds_down_is_down():
    sums = Sums(2)
    well = {"server": "10.0.0.1:53", "usable": True, "reason": "", "since": None}
    ill = {**well, "usable": False, "reason": "did not answer", "since": 90.0}
    numbers = {"waited": 1.5, "lost": 2, "buckets": [[0.001, 3], [0.002, 1]]}
    sums.take(0, told(upstreams=[{**well, **numbers}]), 100.0)
    sums.take(1, told(upstreams=[{**ill, **numbers}], pid=2), 100.0)

    assert sums.upstreams() == {
        "10.0.0.1:53": {**ill, "waited": 3.0, "lost": 4, "buckets": [[0.001, 6], [0.002, 2]]},
    }


def test_rates_are_between_two_points_of_ten_seconds():
    sums = Sums(1)
    for at, queries in ((100.0, 0), (105.0, 70), (110.0, 100), (120.0, 400)):
        sums.take(0, told(queries=queries), at)

    assert sums.rates("panteras_queries_total", "route") == {"consul": [(110.0, 10.0), (120.0, 30.0)]}


def test_only_what_is_new_is_asked_for_and_rows_are_numbered():
    sums = Sums(1)
    query = {"at": 99.5, "client": "c", "name": "n", "type": "A", "route": "."}
    sums.take(0, told(failed=1, failures=[a_failure()], rows=[query], latest=7.5), 100.0)
    asked = sums.question(0, named=True)
    sums.take(0, told(failed=2, failures=[a_failure(name="b")]), 101.0)

    assert asked == {"failures": 1, "queries": 7.5, "named": True}
    assert [(row["number"], row["name"]) for row in sums.failures] == [(1, "web.service.consul"), (3, "b")]


def test_a_failure_that_is_told_twice_is_kept_once():
    sums = Sums(1)
    for _ in range(2):
        sums.take(0, told(failed=1, failures=[a_failure()]), 100.0)

    assert len(sums.failures) == 1


def test_failures_are_bounded():
    sums = Sums(1)
    for number in range(MOST_FAILURES + 10):
        sums.take(0, told(failed=number + 1, failures=[a_failure(at=number)]), 100.0)

    assert len(sums.failures) == MOST_FAILURES
    assert sums.failures[0]["at"] == 10


def test_the_95th_percentile_is_the_bound_of_its_bucket():
    assert percentile([[0.001, 94], [0.002, 2], [0.004, 4]], 0.95) == 0.002
    assert percentile([], 0.95) is None
