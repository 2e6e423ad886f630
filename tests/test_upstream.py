from builders import FakeServer

from panteras_dns.upstream import FASTEST, RACE, Group, Health, Lanes


def marked(server: FakeServer, since: float = 1.0) -> FakeServer:
    server.health.failure("did not answer in time", since)
    return server


def test_a_failure_marks_a_server_and_any_answer_clears_it():
    told = []
    health = Health("10.0.0.1:53")
    health.changed = lambda health: told.append(health.down_since)

    health.failure("did not answer in time", 5)
    health.failure("did not answer in time", 6)
    health.answer(0.01)

    assert told == [5, None]


def test_only_a_marked_server_is_probed_and_ever_more_rarely():
    health = Health("10.0.0.1:53")
    assert not health.probe_due(0)

    health.failure("did not answer in time", 10)
    due = [now / 10 for now in range(100, 400) if health.probe_due(now / 10)]

    assert due == [10.0, 10.5, 11.5, 13.5, 17.5, 25.5, 33.5]


def test_servers_are_tried_in_their_order():
    first, second = FakeServer("a"), FakeServer("b")
    group = Group([first, second])

    assert group.first is first
    assert group.choose([first]) is second
    assert group.choose([first, second]) is first


def test_a_marked_server_is_passed_over():
    first, second = FakeServer("a"), FakeServer("b")
    group = Group([marked(first), second])

    assert group.first is second
    assert group.choose() is second


def test_when_all_are_marked_the_one_marked_longest_is_tried():
    first, second = marked(FakeServer("a"), 20), marked(FakeServer("b"), 10)

    group = Group([first, second])

    assert group.first is None
    assert group.choose() is second


def test_without_servers_there_is_nobody_to_ask():
    assert Group([]).choose() is None


def test_the_fastest_is_preferred_but_the_other_is_not_forgotten():
    slow, fast = FakeServer("slow"), FakeServer("fast")
    slow.health.rtt, fast.health.rtt = 0.1, 0.01
    group = Group([slow, fast], FASTEST)

    chosen = [group.choose() for _ in range(2000)]

    assert group.first is None
    assert 0 < chosen.count(slow) < 200


def test_a_race_is_run_by_those_that_live():
    one, two, three = FakeServer("a"), marked(FakeServer("b")), FakeServer("c")

    assert Group([one, two, three], RACE).racers() == [one, three]


def test_each_datacenter_has_a_lane_and_the_rest_share_one():
    lanes = Lanes(lambda label: Group([FakeServer(label.decode())]), most=2)

    groups = [lanes.group(label) for label in (b"\3dc1", b"\3dc2", b"\3dc3", b"\3dc4", b"\3dc1")]

    assert groups[0] is groups[4]
    assert groups[2] is groups[3]
    assert len({id(group) for group in groups}) == 3
