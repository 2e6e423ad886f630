"""Every metric has a help, and its place in the manual."""

from pathlib import Path

from admin_builders import told
from builders import World, a_query
from prometheus_client.parser import text_string_to_metric_families

from panteras_dns.admin.exposition import HELP, Exposition
from panteras_dns.admin.snapshot import Seat, snapshot
from panteras_dns.admin.sums import Sums
from panteras_dns.upstream import Health

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()


def exposed() -> str:
    world = World()
    world.ask(a_query("web.service.consul"))
    health = Health("10.0.0.1:53")
    health.answer(0.5)
    health.latency[12] += 1  # half a second
    sums = Sums(1)
    seen = snapshot(Seat(world.forwarder, world.cache, [health]), {}, 0.0)
    sums.take(0, told(**seen), 100.0)
    return Exposition(sums).text("")[0].decode()


def test_the_manual_tells_of_every_metric_and_of_no_other():
    told_of = {line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `panteras_")}

    assert told_of == {*HELP, "panteras_upstream_seconds", "panteras_workers"}


def test_a_histogram_s_buckets_add_up():
    (family,) = [one for one in text_string_to_metric_families(exposed()) if one.name == "panteras_upstream_seconds"]

    buckets = {one.labels["le"]: one.value for one in family.samples if one.name.endswith("_bucket")}
    rest = {one.name: one.value for one in family.samples if not one.name.endswith("_bucket")}
    assert (buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (0, 1, 1)
    assert rest == {"panteras_upstream_seconds_count": 1, "panteras_upstream_seconds_sum": 0.5}
