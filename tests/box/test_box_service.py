"""How Consul's agent is told of an instance, and how it is seen whether it knows it already."""

import pytest
from cargo import TEXT
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.box.service import (
    DIGEST,
    Service,
    clean_meta,
    clean_tags,
    dns_label,
    same,
    suggestion,
)

WEB = Service("box1:web1:80", "web", "10.0.0.5", 32768, ("http", "v1"), {"owner": "alice"})
HTTP = {"HTTP": "http://10.0.0.5:32768/", "Interval": "10s"}


def but(**other) -> Service:
    fields = {one: getattr(WEB, one) for one in ("id", "name", "address", "port", "tags", "meta", "check", "health")}
    return Service(**fields | other)


def known(definition) -> dict:
    """The agent's own record of it: it tells no check."""
    return {"Service": definition["Name"]} | {key: definition[key] for key in ("ID", "Address", "Port", "Tags", "Meta")}


def test_a_definition_says_whose_it_is_and_holds_all_that_the_service_says() -> None:
    definition = WEB.definition("box1")

    assert definition == {
        "ID": "box1:web1:80",
        "Name": "web",
        "Address": "10.0.0.5",
        "Port": 32768,
        "Tags": ["http", "v1"],
        "Meta": {"owner": "alice", "registrator": "box1", DIGEST: definition["Meta"][DIGEST]},
    }


def test_a_check_gets_an_id_of_its_service() -> None:
    assert but(check=HTTP).definition("box1")["Check"] == {"CheckID": "service:box1:web1:80", **HTTP}


@pytest.mark.parametrize(
    ("word", "status"), [("starting", "critical"), ("healthy", "passing"), ("unhealthy", "critical")]
)
def test_a_healthcheck_is_a_check_that_begins_as_docker_has_it(word, status) -> None:
    assert but(health=word).state == status
    assert but(health=word).definition("box1")["Check"] == {
        "CheckID": "service:box1:web1:80", "Name": "Docker's HEALTHCHECK", "TTL": "87600h", "Status": status,
    }  # fmt: skip


@pytest.mark.parametrize("word", ["", "none", "odd"])
def test_without_a_healthcheck_there_is_no_check(word) -> None:
    assert but(health=word).state == ""
    assert "Check" not in but(health=word).definition("box1")


def test_what_consul_checks_by_itself_goes_before_a_healthcheck() -> None:
    both = but(check={"TTL": "30s"}, health="healthy")

    assert both.state == ""
    assert both.definition("box1")["Check"] == {"CheckID": "service:box1:web1:80", "TTL": "30s"}


def test_an_agent_that_was_told_needs_not_be_told_again() -> None:
    definition = but(check=HTTP).definition("box1")

    assert same(known(definition), definition)


@pytest.mark.parametrize(
    "other",
    [
        but(name="shop"),
        but(address="10.0.0.6"),
        but(port=32769),
        but(tags=("v1", "http")),
        but(meta={"owner": "bob"}),
        but(meta={}),
        but(check=HTTP),
        but(health="healthy"),
    ],
    ids=["name", "address", "port", "tags", "meta", "less meta", "check", "healthcheck"],
)
def test_an_agent_that_knows_something_else_is_told(other) -> None:
    assert not same(known(other.definition("box1")), WEB.definition("box1"))


def test_the_digest_leaves_out_whatever_comes_and_goes_by_itself() -> None:
    definition = but(health="starting").definition("box1")

    assert same(known(definition), but(health="healthy").definition("box1"))
    assert same(known(definition), but(health="starting").definition("box1"))


def test_a_record_of_somebody_else_or_of_an_older_program_is_another() -> None:
    record = known(WEB.definition("box1"))

    assert not same(record | {"Meta": None}, WEB.definition("box1"))
    assert not same(record | {"Meta": {"owner": "alice"}}, WEB.definition("box1"))
    assert not same(record | {"Port": 1}, WEB.definition("box1"))


def test_parts_that_an_agent_refuses_can_be_left_out() -> None:
    whole = but(check=HTTP, health="healthy")

    assert whole.without() == whole
    assert whole.without("meta") == but(meta={}, check=HTTP, health="healthy")
    assert whole.without("check") == WEB
    assert whole.without("check", "meta") == but(meta={})


@pytest.mark.parametrize("name", ["a", "web", "Web-2", "_web", "web_", "1", "x" * 63])
def test_names_that_dns_can_say(name) -> None:
    assert dns_label(name)


@pytest.mark.parametrize(
    "name", ["", "-", "-web", "web-", "a.b", "a b", "web\n", "\nweb", "käse", "x" * 64, "a;b", "{{a}}", "${A}", "*"]
)
def test_names_that_dns_can_not_say(name) -> None:
    assert not dns_label(name)


@given(TEXT)
def test_a_suggestion_can_be_said_whatever_it_is_like(text) -> None:
    assert dns_label(suggestion(text))


def test_pairs_that_consul_takes_are_kept_in_order() -> None:
    pairs = {"b": "x" * 512, "A_1-2": "", "k" * 128: "line\nbreak", "a": "{{ x }}"}

    assert clean_meta(pairs) == (pairs, [])
    assert list(clean_meta(pairs)[0]) == sorted(pairs)


def test_each_pair_that_consul_refuses_is_told_with_the_reason() -> None:
    pairs = {"registrator": "x", "consul-a": "x", "a b": "x", "long": "x" * 513, "good": "x"}

    assert clean_meta(pairs) == (
        {"good": "x"},
        [
            "Meta 'a b': left out: a key has letters, digits, - and _, at most 128",
            "Meta 'consul-a': reserved, left out",
            "Meta 'long': left out: its value has 513 bytes, at most 512 go",
            "Meta 'registrator': reserved, left out",
        ],
    )


def test_sixty_one_pairs_go_beside_our_own() -> None:
    kept, told = clean_meta({f"k{at:02}": "x" for at in range(65)})

    assert list(kept) == [f"k{at:02}" for at in range(61)]
    assert told == [f"Meta 'k{at}': left out: at most 61 pairs go" for at in range(61, 65)]


def test_tags_are_kept_once_and_in_order() -> None:
    assert clean_tags(["b", "a", "b", "x" * 512]) == (("b", "a", "x" * 512), [])


@given(st.lists(TEXT, max_size=5))
def test_any_text_is_a_tag_or_told(texts) -> None:
    kept, told = clean_tags(texts)

    assert len(set(texts)) - len(kept) <= len(told)
    assert all(tag.isprintable() for tag in kept)
    assert all(line.isprintable() for line in told)


@given(st.dictionaries(TEXT, TEXT, max_size=5))
def test_any_pair_is_one_that_consul_takes_or_told(pairs) -> None:
    kept, told = clean_meta(pairs)

    assert len(kept) + len(told) == len(pairs)
    assert kept.items() <= pairs.items()
    assert all(line.isprintable() for line in told)
