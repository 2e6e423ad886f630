"""What the front page shows, and why a name leads nowhere."""

import re

import pytest
from cargo import TEXT, a_check, an_instance, services
from hypothesis import given, settings
from hypothesis import strategies as st

from panteras_dns.box import front
from panteras_dns.box.front import Entry, Reason
from panteras_dns.box.site import Names, Site, site

NAMES = Names("consul", "dc1", ("box1.example.com",))
FAILING = a_check("critical", "it answers", "connection refused")


def entries(*instances):
    known = services(*instances)
    return front.entries(known, site(known, NAMES), NAMES)


def reason(host, *instances):
    known = services(*instances)
    return front.reason(host, known, site(known, NAMES), NAMES)


def test_a_service_is_shown_with_its_instances_in_order_and_all_their_tags() -> None:
    one = an_instance(id="a", node="box1", tags=["http", "v1"])
    two = an_instance(id="b", node="box2", tags=["http", "v2"], checks=[FAILING])

    assert entries(two, one) == [Entry("web", "http://web.service.consul/", 1, [one, two], ["http", "v1", "v2"])]


@pytest.mark.parametrize(
    ("checks", "health"),
    [
        ([[], []], "passing"),
        ([[a_check("warning")], []], "passing"),
        ([[FAILING], []], "warning"),
        ([[FAILING], [FAILING]], "critical"),
    ],
)
def test_the_health_of_a_service_is_that_of_its_instances(checks, health) -> None:
    (found,) = entries(*(an_instance(id=str(at), checks=one) for at, one in enumerate(checks)))

    assert found.health == health


def test_the_gateway_is_last_and_consul_is_not_shown() -> None:
    names = [one.name for one in entries(*map(an_instance, ["zoo", "panteras", "consul", "app"]))]

    assert names == ["app", "zoo", "panteras"]


@pytest.mark.parametrize(
    ("instance", "link"),
    [
        (an_instance("Web"), "http://web.service.consul/"),
        (an_instance("panteras", port=31234), "http://panteras.service.consul/"),
        (an_instance("db", port=5432), ""),
        (an_instance("db", tags=["balancer=off"]), ""),
        (an_instance("a b"), ""),
        (an_instance('"><script>'), ""),
        (an_instance("javascript:alert(1)"), ""),
    ],
)
def test_only_what_the_balancer_opens_is_a_link(instance, link) -> None:
    assert [one.link for one in entries(instance)] == [link]


def test_a_service_without_instances_is_not_shown() -> None:
    assert front.entries({"web": []}, Site({}, {}), NAMES) == []


@pytest.mark.parametrize(
    "host", ["web.service.consul", "web.service.dc1.consul", "web.box1.example.com", "v1.web.service.consul"]
)
def test_a_service_whose_instances_fail_says_what_their_checks_said(host) -> None:
    failing = an_instance(id="a", tags=["v1"], checks=[a_check("passing"), FAILING, a_check("critical", "", "")])

    assert reason(host, failing) == Reason(
        503,
        "web: 1 registered, 0 usable.",
        ("a: it answers is critical: connection refused", "a: check is critical: no output"),
    )


def test_of_long_outputs_and_many_checks_the_beginning_is_told() -> None:
    failing = [an_instance(id=f"{at:02}", checks=[a_check("critical", "c", "x" * 9999)]) for at in range(30)]

    assert reason("web.service.consul", *failing).details == tuple(
        f"{at:02}: c is critical: {'x' * 300}" for at in range(20)
    )


def test_a_service_that_is_not_there_is_told_with_names_like_it() -> None:
    known = map(an_instance, ["python1", "python2", "database"])

    assert reason("pyhton1.service.consul", *known) == Reason(
        404,
        "Consul knows no service pyhton1.",
        (),
        ("python1.service.consul", "python2.service.consul"),
    )
    assert reason("pyhton1.service.consul").similar == ()


def test_a_service_that_is_no_web_service_is_told_with_its_port() -> None:
    found = reason("db.service.consul", an_instance("db", port=5432), an_instance("db", id="b", port=5433))

    assert (found.status, found.text) == (
        404,
        "db is there, at port 5432, 5433, and the balancer takes it for no web service.",
    )


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("www.example.com", "No service has the name www.example.com."),
        ("service.consul", "No service has the name service.consul."),
        ("xservice.consul", "No service has the name xservice.consul."),
        ("", "No service has the name that was asked for."),
    ],
)
def test_a_name_that_is_no_service_s_is_told(host, text) -> None:
    found = reason(host, an_instance())

    assert (found.status, found.text) == (404, text)


def test_the_page_says_what_it_shows_and_how_to_get_there() -> None:
    gateways = [an_instance("panteras", one) for one in ("10.0.0.5", "10.0.0.5", "fd00::5")]
    html = front.page(entries(an_instance(tags=["v1"]), *gateways), NAMES, "", 7)

    assert '<body data-version="7">' in html
    assert '<a href="http://web.service.consul/" rel="noopener">web</a>' in html
    assert "<strong>1 of 1</strong> usable" in html
    assert "<pre>nameserver 10.0.0.5\nnameserver fd00::5\n</pre>" in html
    assert "may be old" not in html


def test_the_page_says_that_it_may_be_old_and_why() -> None:
    html = front.page([], NAMES, "no answer within 5 s", 1)

    assert "What is shown may be old: no answer within 5 s" in html
    assert "No service yet." in html


def test_the_page_shows_the_output_of_checks_that_fail() -> None:
    html = front.page(entries(an_instance(checks=[FAILING, a_check("passing", "p", "all is well")])), NAMES, "", 1)

    assert "it answers: connection refused" in html
    assert "all is well" not in html


EVIL = "<script>alert('x')</script>\"&"
SAFE = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;"


def test_every_text_of_somebody_else_is_escaped_on_the_page() -> None:
    evil = an_instance(EVIL, address=EVIL, id=EVIL, node=EVIL, tags=[EVIL], checks=[a_check("critical", EVIL, EVIL)])
    html = front.page(entries(evil), NAMES, EVIL, 1)

    assert EVIL not in html
    assert html.count(SAFE) == 7, "problem, name, tag, place, node, check and its output"
    assert html.count("<script") == 1, "our own"


def test_every_text_of_somebody_else_is_escaped_in_an_explanation() -> None:
    why = Reason(404, EVIL, (EVIL,), (EVIL,))
    html = front.explanation(EVIL, why, NAMES)

    assert "<script" not in html
    assert html.count(SAFE) == 6, "title, heading, text, detail, and a link twice"
    assert '<a href="http://panteras.service.consul/">All services</a>' in html


WORDS = st.sampled_from(["<script>", "</", "'", '"', ">", "&", "{{ 7*7 }}", "javascript:", "\n"])
ANYTHING = st.lists(WORDS | TEXT, max_size=5).map("".join)


@given(ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=25)  # a template is read anew each time
def test_whatever_a_service_says_the_page_has_no_element_and_no_link_of_its_own(name, tag, output) -> None:
    def elements(name: str, tag: str, output: str) -> list[str]:
        known = entries(an_instance(name, tags=[tag], checks=[a_check("warning", output, f"it says {output}")]))
        html = front.page(known, NAMES, output, 1)
        html = re.sub('<a href="http://[a-z0-9_-]+.service.consul/" rel="noopener">([^<]*)</a>', r"\1", html)
        return re.findall(r"<[a-z/!][^>]*>", html)

    assert elements(name, tag, f"no {output}") == elements("a b", "x", "y")


@given(ANYTHING)
def test_whatever_host_is_asked_for_there_is_a_reason(host) -> None:
    found = reason(host.lower(), an_instance(), an_instance("db", port=5432))

    assert found.status in {404, 503}
    assert found.text


def test_a_tag_that_no_instance_has_is_told_as_that() -> None:
    assert reason("v9.web.service.consul", an_instance(tags=["http"])) == Reason(
        404, "web has no instance with the tag v9."
    )


def test_a_further_name_with_nobody_behind_it_is_known_all_the_same() -> None:
    failing = an_instance(tags=["http", "urlprefix-www.example.com/api"], checks=[FAILING])

    known = services(failing)
    asked = front.reason("www.example.com", known, site(known, NAMES), NAMES, "/api/x")

    assert asked == Reason(503, "Nobody usable is behind www.example.com here.")
    assert reason("www.example.com", failing) == Reason(404, "No service has the name www.example.com.")


def test_a_name_outside_of_the_suffixes_gets_no_suggestion() -> None:
    assert reason("www.example.org", an_instance()) == Reason(404, "No service has the name www.example.org.")
