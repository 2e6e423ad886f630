import pytest
from builders import a_query, a_reply
from dns import flags

from panteras_dns.cache import Bounds, Cache, cache_key
from panteras_dns.wire import NXDOMAIN, SERVFAIL, read_query, read_reply

QUERY = a_query("www.example.com")
SOA = "example.com. 900 SOA ns.example.com. root.example.com. 1 2 3 4 300"


def kept_for(reply: bytes, kind: int = 1, bounds: Bounds | None = None) -> float:
    """How long the cache keeps a reply, in seconds."""
    cache = Cache(10, bounds or Bounds())
    cache.put(b"key", read_reply(reply[2:]), kind, 0)
    entry = cache.get(b"key", 0)
    return entry.ends if entry else 0


def test_a_reply_is_kept_for_its_shortest_ttl():
    assert kept_for(a_reply(QUERY, "www.example.com. 60 CNAME a.example.com.", "a.example.com. 20 A 10.0.0.1")) == 20


def test_nxdomain_is_kept_for_the_lesser_of_soa_ttl_and_minimum():
    assert kept_for(a_reply(QUERY, rcode=NXDOMAIN, authority=(SOA,))) == 300


def test_a_name_without_the_type_is_kept_like_nxdomain():
    assert kept_for(a_reply(QUERY, authority=(SOA,))) == 300
    assert kept_for(a_reply(QUERY, "www.example.com. 60 CNAME a.example.com.", authority=(SOA,))) == 300


@pytest.mark.parametrize(
    "reply",
    [
        a_reply(QUERY, rcode=NXDOMAIN),
        a_reply(QUERY, rcode=SERVFAIL),
        a_reply(QUERY, "www.example.com. 0 A 10.0.0.1"),
        a_reply(QUERY, "www.example.com. 60 A 10.0.0.1", flags=flags.TC),
        a_reply(QUERY, "www.example.com. 2147483648 A 10.0.0.1").replace(b"\0\0\0\0\0\x04\x0a", b"\x80\0\0\0\0\4\x0a"),
    ],
    ids=["NXDOMAIN without SOA", "SERVFAIL", "TTL 0", "truncated", "TTL with the top bit set"],
)
def test_what_may_not_be_kept_is_not(reply):
    assert kept_for(reply) == 0


def test_ttl_bounds_hold():
    long = a_reply(QUERY, "www.example.com. 999999 A 10.0.0.1")
    short = a_reply(QUERY, "www.example.com. 1 A 10.0.0.1")

    assert kept_for(long) == 86_400
    assert kept_for(short, bounds=Bounds(min_ttl=5)) == 5
    assert kept_for(a_reply(QUERY, rcode=NXDOMAIN, authority=(SOA,)), bounds=Bounds(max_negative=60)) == 60


def a_stored_entry(now: float = 0.0) -> tuple[Cache, bytes]:
    cache = Cache(3)
    cache.put(b"key", read_reply(a_reply(QUERY, "www.example.com. 60 A 10.0.0.1")[2:]), 1, now)
    return cache, b"key"


def test_ttls_count_down():
    cache, key = a_stored_entry()
    entry = cache.get(key, 10.5)
    assert entry is not None

    aged = entry.aged(10.5)

    assert aged.body[aged.records[0].ttl : aged.records[0].ttl + 4] == b"\0\0\0\x32"


def test_an_entry_past_its_end_is_there_to_be_served_stale_and_then_gone():
    cache, key = a_stored_entry()

    assert cache.get(key, 61) is not None
    assert cache.get(key, 60 + 86_400) is None


def test_when_full_the_one_asked_for_least_recently_goes():
    cache = Cache(2)
    reply = read_reply(a_reply(QUERY, "www.example.com. 60 A 10.0.0.1")[2:])
    for key in (b"a", b"b"):
        cache.put(key, reply, 1, 0)
    cache.get(b"a", 1)

    cache.put(b"c", reply, 1, 2)

    assert [cache.get(key, 3) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    assert cache.evicted == 1


def test_only_popular_entries_deserve_a_refresh_and_only_near_their_end():
    cache, key = a_stored_entry()
    entry = cache.get(key, 0)
    assert entry is not None
    for second in (1, 2, 30):
        entry.aged(second)

    assert not entry.deserves_refresh(50)
    assert entry.deserves_refresh(55)


def test_failures_are_remembered_for_a_moment():
    cache = Cache(10)

    cache.fail(b"key", 100)

    assert cache.failed(b"key", 100.9)
    assert not cache.failed(b"key", 101)
    assert not cache.failed(b"key", 100.5)


def test_the_key_holds_everything_that_may_change_the_answer():
    queries = [
        a_query("www.example.com"),
        a_query("www.example.com", "AAAA"),
        a_query("web.example.com"),
        a_query("www.example.com", flags=0),
        a_query("www.example.com", flags=flags.RD | flags.CD),
        a_query("www.example.com", want_dnssec=True),
    ]

    assert len({cache_key(read_query(query[2:])) for query in queries}) == len(queries)


def test_the_key_can_not_be_split_by_what_does_not_change_the_answer():
    queries = [
        a_query("www.example.com"),
        a_query("WWW.example.com", id=7),
        a_query("www.example.com", use_edns=0, payload=4096),
        a_query("www.example.com", flags=flags.RD | flags.AD),
    ]

    assert len({cache_key(read_query(query[2:])) for query in queries}) == 1
