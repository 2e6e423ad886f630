"""The front page over HTTP: who is shown what, and questions for news that stay open."""

import json

import pytest
from cargo import a_check, an_instance, services
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from twisted.web.test.requesthelper import DummyRequest

from panteras_dns.box.page import MOST_WAITING, WAIT, Page
from panteras_dns.box.site import Names

NAMES = Names("consul", "dc1", ("box1",))
OWN = "panteras.service.consul"
FAILING = a_check("critical", "it answers", "connection refused")


class Browser:
    """Asks a page without a network between."""

    def __init__(self, *shown) -> None:
        self.clock = Clock()
        self.page = Page(self.clock, lambda: NAMES)
        if shown:
            self.show(*shown)

    def show(self, *instances) -> None:
        self.page.show(services(*instances))

    def ask(self, path="/", host=OWN, method="GET", accept="*/*", since=None) -> DummyRequest:
        request = DummyRequest([])
        request.path, request.method = path.encode(), method.encode()
        request.requestHeaders.setRawHeaders("host", [host])
        request.requestHeaders.setRawHeaders("accept", [accept])
        if since is not None:
            request.addArg(b"since", since.encode())
        answer = self.page.render(request)
        if answer is not NOT_DONE_YET:
            request.write(answer)
            request.finish()
        return request

    def version(self) -> str:
        return str(json.loads(body(self.ask("/news")))["version"])


def body(request: DummyRequest) -> str:
    return b"".join(request.written).decode()


def status(request: DummyRequest) -> int:
    return request.responseCode or 200


def header(request: DummyRequest, name: str) -> str:
    (value,) = request.responseHeaders.getRawHeaders(name)
    return value


def version_in(request: DummyRequest) -> int | None:
    return json.loads(body(request))["version"] if request.finished else None


@pytest.mark.parametrize(
    "host",
    [
        OWN,
        "PANTERAS.service.consul.",
        "panteras.service.dc1.consul",
        "panteras.box1",
        "box1",
        "localhost",
        "10.0.0.5",
        "",
    ],
)
def test_the_gateway_s_own_names_show_the_services(host) -> None:
    answer = Browser(an_instance()).ask(host=host)

    assert status(answer) == 200
    assert header(answer, "content-type") == "text/html; charset=utf-8"
    assert '<a href="http://web.service.consul/" rel="noopener">web</a>' in body(answer)


def test_before_consul_was_asked_the_page_says_so() -> None:
    assert "What is shown may be old: Consul was not asked yet" in body(Browser().ask())


def test_a_trouble_is_shown_until_it_is_over() -> None:
    browser = Browser(an_instance())
    browser.page.tell("no answer within 5 s")
    told = body(browser.ask())
    browser.page.tell("")

    assert "What is shown may be old: no answer within 5 s" in told
    assert "may be old" not in body(browser.ask())


def test_hostile_names_and_outputs_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    browser = Browser(an_instance(evil, checks=[a_check("critical", evil, evil)]))
    why = browser.ask(host="<script>.service.consul", accept="text/html")

    assert evil not in body(browser.ask())
    assert body(browser.ask()).count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
    assert (status(why), "<script>" in body(why)) == (404, False)


def test_an_unknown_name_is_not_found_with_one_like_it() -> None:
    answer = Browser(an_instance("python1")).ask(host="pyhton1.service.consul")

    assert status(answer) == 404
    assert header(answer, "content-type") == "text/plain; charset=utf-8"
    assert body(answer) == "Consul knows no service pyhton1. Did you mean python1.service.consul?\n"


def test_a_browser_gets_the_same_as_a_page_with_links() -> None:
    answer = Browser(an_instance("python1")).ask(host="pyhton1.service.consul", accept="text/html,*/*;q=0.8")

    assert status(answer) == 404
    assert header(answer, "content-type") == "text/html; charset=utf-8"
    assert '<a href="http://python1.service.consul/">python1.service.consul</a>' in body(answer)


def test_a_service_that_fails_is_unavailable_with_what_its_check_said() -> None:
    answer = Browser(an_instance(id="a", checks=[FAILING])).ask("/any/where", host="web.service.consul")

    assert status(answer) == 503
    assert body(answer) == "web: 1 registered, 0 usable.\na: it answers is critical: connection refused\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_sent_to_it(method) -> None:
    answer = Browser(an_instance()).ask(method=method)

    assert (status(answer), body(answer)) == (405, "expected GET\n")


def test_a_head_has_the_length_and_no_body() -> None:
    browser = Browser(an_instance())
    whole, head = browser.ask(), browser.ask(method="HEAD")

    assert (status(head), body(head)) == (200, "")
    assert header(head, "content-length") == header(whole, "content-length") == str(len(body(whole).encode()))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"path": "/services.json"},
        {"path": "/panteras.css"},
        {"path": "/health"},
        {"path": "/news"},
        {"path": "/none"},
        {"method": "POST"},
        {"host": "x.service.consul"},
        {"host": "x.service.consul", "accept": "text/html"},
    ],
)
def test_every_answer_forbids_what_the_page_does_not_need(asked) -> None:
    answer = Browser(an_instance()).ask(**asked)

    policy = header(answer, "content-security-policy").split("; ")
    assert policy[:2] == ["default-src 'none'", "style-src 'self'"]
    assert {"script-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} < set(policy)
    assert header(answer, "x-content-type-options") == "nosniff"
    assert header(answer, "cache-control") == "no-store"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/panteras.css", "text/css"), ("/panteras.js", "text/javascript"), ("/panteras.svg", "image/svg+xml")],
)
@pytest.mark.parametrize("host", [OWN, "no.service.consul"])
def test_its_style_and_script_are_there_under_every_name(path, kind, host) -> None:
    answer = Browser().ask(path, host)

    assert (status(answer), header(answer, "content-type")) == (200, f"{kind}; charset=utf-8")
    assert body(answer)


@pytest.mark.parametrize("path", ["/none", "/panteras.css/", "/../panteras.css", "/front.html.j2", "//", "/news/"])
def test_there_are_no_other_pages(path) -> None:
    answer = Browser().ask(path)

    assert (status(answer), body(answer)) == (404, "no such page\n")


def test_health_is_asked_without_a_catalogue() -> None:
    assert body(Browser().ask("/health")) == "ok\n"


def test_the_services_are_there_as_json() -> None:
    browser = Browser(an_instance(id="a", tags=["v1"], checks=[FAILING]), an_instance("db", id="b", port=5432))
    browser.page.tell("")

    assert json.loads(body(browser.ask("/services.json"))) == {
        "problem": "",
        "services": [
            {
                "name": "db",
                "link": "",
                "health": "passing",
                "passing": 1,
                "tags": [],
                "instances": [{"id": "b", "node": "box1", "address": "10.0.0.5", "port": 5432, "status": "passing"}],
            },
            {
                "name": "web",
                "link": "http://web.service.consul/",
                "health": "critical",
                "passing": 0,
                "tags": ["v1"],
                "instances": [{"id": "a", "node": "box1", "address": "10.0.0.5", "port": 8000, "status": "critical"}],
            },
        ],
    }


def test_a_question_for_news_waits_until_there_are_some() -> None:
    browser = Browser(an_instance())
    version = browser.version()
    waiting = browser.ask("/news", since=version)
    before = waiting.finished
    browser.show(an_instance(port=8080))

    assert before == 0
    assert version_in(waiting) == int(version) + 1
    assert browser.clock.getDelayedCalls() == []


@pytest.mark.parametrize("since", [None, "", "0", "999", "x"])
def test_a_question_of_another_version_is_answered_at_once(since) -> None:
    browser = Browser(an_instance())

    assert version_in(browser.ask("/news", since=since)) == int(browser.version())


def test_without_news_a_question_is_answered_after_a_while() -> None:
    browser = Browser(an_instance())
    waiting = browser.ask("/news", since=browser.version())

    browser.clock.advance(WAIT - 0.1)
    before = waiting.finished
    browser.clock.advance(0.2)

    assert before == 0
    assert version_in(waiting) == int(browser.version())


def test_another_trouble_is_news_and_the_same_is_not() -> None:
    browser = Browser(an_instance())
    browser.page.tell("no leader")
    waiting = browser.ask("/news", since=browser.version())
    browser.page.tell("no leader")
    before = waiting.finished
    browser.page.tell("")

    assert (before, waiting.finished) == (0, 1)


def test_a_browser_that_went_away_is_forgotten() -> None:
    browser = Browser(an_instance())
    gone = browser.ask("/news", since=browser.version())
    gone.processingFailed(Failure(ConnectionDone()))
    browser.show(an_instance(port=8080))

    assert gone.written == []
    assert browser.clock.getDelayedCalls() == []


def test_so_many_questions_wait_and_then_the_oldest_is_answered() -> None:
    browser = Browser(an_instance())
    version = browser.version()
    asked = [browser.ask("/news", since=version) for _ in range(MOST_WAITING + 2)]

    assert [one.finished for one in asked] == [1, 1] + [0] * MOST_WAITING
    assert version_in(asked[0]) == int(version)
    assert len(browser.clock.getDelayedCalls()) == MOST_WAITING


def test_news_are_only_for_the_gateway_s_own_names() -> None:
    browser = Browser(an_instance(checks=[FAILING]))

    assert status(browser.ask("/news", host="web.service.consul", since=browser.version())) == 503


def test_a_post_to_a_service_without_a_usable_instance_is_told_why_too() -> None:
    browser = Browser(an_instance(checks=[FAILING]))

    assert status(browser.ask(host="web.service.consul", method="POST")) == 503


def test_the_page_says_what_it_allows_and_opens_by_an_ipv6_address() -> None:
    browser = Browser(an_instance())

    assert header(browser.ask(method="POST"), "Allow") == "GET, HEAD"
    assert status(browser.ask(host="[fd00::1]:80")) == 200
