"""The dashboard in a real browser, during a real load: clicked, typed into, in both themes, on a phone."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import addresses
from lab.browser import Hands, shows, text, visit
from lab.consul import Consul
from lab.dig import ask
from lab.gateway import Gateway
from lab.instance import PORT, Instance
from lab.namespace import Namespace
from lab.patience import eventually
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

ONE, TWO = addresses.PYTHON1
PAGE = "http://127.0.0.1:9153/"
HOSTILE = "<script>document.title='owned'</script>.service.consul"
ROOT = Path(__file__).parents[2]
PICTURES = Path(os.environ.get("PANTERAS_PICTURES", tempfile.gettempdir()))  # of the manual


@pytest.fixture
def load(laptop: Namespace, consul: Consul, python1: list[Instance], gateway: Gateway) -> Iterator[None]:
    """Clients that ask all the time: names that work, one without a passing instance, one that means harm."""
    consul.register("python1", ONE, TWO, port=PORT)
    consul.register("web", ONE, check={"Name": "db", "TTL": "1h", "Status": "critical"})
    names = ("python1.service.consul", "web.service.consul", "www.example.com", HOSTILE)
    words = [word for name in names for word in (name, "A")]
    script = (
        f'while :; do {" ".join(laptop.prefix)} dig +tries=1 +time=1 @{addresses.HOST} "$@" >/dev/null; sleep 0.2; done'
    )
    asking = subprocess.Popen(["sh", "-c", script, "sh", *words], start_new_session=True)
    yield
    os.killpg(asking.pid, signal.SIGKILL)
    asking.wait(5)


@pytest.fixture
def browser(host: Namespace, load: None) -> Iterator[Hands]:
    yield from visit(host, PAGE)


def click(browser: Hands, where: str, what: str) -> None:
    """What is shown may be replaced each second: one step, in the page itself."""
    script = (
        "[...document.querySelectorAll(arguments[0])].find((one) => one.textContent.includes(arguments[1])).click()"
    )
    browser.do(lambda driver: driver.execute_script(script, where, what))


def press(browser: Hands, *keys: str) -> None:
    browser.do(lambda driver: [driver.switch_to.active_element.send_keys(key) for key in keys])


def test_from_a_name_that_fails_to_its_reason_and_back(browser: Hands) -> None:
    shows(browser, "#verdict", "PAN201 web.service.consul web is registered, no instance passes")
    shows(browser, "#services", "web.service.consul 0/1 DOWN")
    shows(browser, "#path", "127.0.0.1:8600")
    shows(browser, "#queries", "consul")
    shows(browser, "#names", "python1.service.consul")
    shows(browser, "#clients", addresses.LAPTOP)
    shows(browser, "#rows tbody", "NXDOMAIN PAN201 web is registered")
    eventually(
        lambda: browser.do(lambda driver: driver.find_elements(By.CSS_SELECTOR, "#queries svg polyline")), "a chart"
    )

    click(browser, "#failed .list button", "web.service.consul")
    shows(browser, "#explanation .told", "FAIL PAN201 web is registered, no instance passes")
    assert "0 of 1 passing" in text(browser, "#explanation ol")
    assert browser.do(lambda driver: driver.current_url) == f"{PAGE}#web.service.consul"
    browser.do(lambda driver: driver.save_screenshot(str(PICTURES / "explanation.png")))

    press(browser, Keys.ESCAPE)
    assert not browser.do(lambda driver: driver.find_element(By.ID, "explanation").is_displayed())
    time.sleep(12)  # the charts have points by then
    browser.do(lambda driver: driver.save_screenshot(str(PICTURES / "dashboard.png")))
    assert browser.complaints() == []


def test_a_name_that_means_harm_is_text(browser: Hands) -> None:
    shows(browser, "#names", HOSTILE)
    shows(browser, "#rows tbody", HOSTILE)

    click(browser, "#names button", "<script>")
    shows(browser, "#explanation .told", "PAN202")

    assert browser.do(lambda driver: driver.title).startswith("! panteras ")
    assert browser.do(lambda driver: driver.execute_script("return document.scripts.length")) == 1
    assert browser.complaints() == []


def test_hands_that_stay_on_the_keyboard(browser: Hands) -> None:
    shows(browser, "#rows tbody", "web.service.consul")

    press(browser, "p")
    shows(browser, "#live", "paused")
    press(browser, "j", "j", "k")
    assert browser.do(lambda driver: driver.switch_to.active_element.tag_name) == "tr"
    press(browser, Keys.ENTER)
    shows(browser, "#explanation .told", "FAIL")
    press(browser, Keys.ESCAPE)
    press(browser, "p")
    shows(browser, "#live", "live")

    press(browser, "/")
    press(browser, "python1.service.consul" + Keys.ENTER)
    shows(browser, "#explanation .told", "ok ")
    assert ONE in text(browser, "#explanation .told")
    press(browser, Keys.ESCAPE)
    browser.do(lambda driver: driver.execute_script("document.activeElement.blur()"))
    press(browser, "?")
    shows(browser, "#keys", "pause, go on")


def test_a_link_leads_to_an_explanation(host: Namespace, browser: Hands) -> None:
    browser.do(lambda driver: driver.get("about:blank"))
    browser.do(lambda driver: driver.get(f"{PAGE}#web.service.consul"))

    shows(browser, "#explanation .told", "PAN201")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(browser: Hands, theme: str) -> None:
    browser.wear(theme)
    browser.shrink(390, 844)
    shows(browser, "#verdict", "PAN201")
    shows(browser, "#rows tbody", "web.service.consul")

    script = "return [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]"
    width, back = browser.do(lambda driver: driver.execute_script(script))
    click(browser, "#failed .list button", "web.service.consul")
    shows(browser, "#explanation .told", "PAN201")
    press(browser, Keys.ESCAPE)
    browser.do(lambda driver: driver.save_screenshot(str(PICTURES / f"phone-{theme}.png")))

    assert width <= 390
    assert (sum(map(int, back[4:-1].split(","))) > 400) is (theme == "light")


def test_a_gateway_that_is_gone_is_told_and_comes_back(browser: Hands, gateway: Gateway, host: Namespace) -> None:
    shows(browser, "#live", "live")
    status = _get(host, "/status")
    worker = status["gateway"]["workers"][0]["pid"]
    (admin,) = [one.pid for one in psutil.Process(gateway.pid).children() if one.pid != worker]

    os.kill(admin, signal.SIGSTOP)
    shows(browser, "#live", "retrying")
    assert ask(host, "127.0.0.1", "python1.service.consul").answer, "names go on"
    os.kill(admin, signal.SIGKILL)
    shows(browser, "#live", "live")


def test_the_page_asks_this_host_alone(browser: Hands) -> None:
    shows(browser, "#verdict", "PAN201")

    script = "return performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)"
    origins = set(browser.do(lambda driver: driver.execute_script(script)))

    assert origins == {PAGE.rstrip("/")}


def _get(host: Namespace, path: str) -> Any:
    return json.loads(host.run("curl", "--silent", "--fail", f"http://127.0.0.1:9153{path}"))


def test_prometheus_reads_the_metrics(host: Namespace, load: None, scratch: Path) -> None:
    eventually(lambda: _get(host, "/status")["queries"]["total"] > 10, "some queries")
    metrics = host.run("curl", "--silent", "--fail", f"{PAGE}metrics")

    told = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True, check=False)

    assert (told.returncode, told.stderr) == (0, "")


def test_the_rules_and_the_board_ask_for_what_there_is(host: Namespace, load: None, scratch: Path) -> None:
    monitoring = ROOT / "docs/monitoring"
    for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        subprocess.run(["promtool", *words], cwd=monitoring, check=True, capture_output=True)
    board = json.loads((monitoring / "grafana.json").read_text())
    asked = [one["expr"].replace("$instance", "h") for panel in board["panels"] for one in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = scratch / "board.yml"
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))  # JSON is YAML
    subprocess.run(["promtool", "check", "rules", str(file)], check=True, capture_output=True)
    metrics = host.run("curl", "--silent", "--fail", f"{PAGE}metrics")

    there = {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")}
    named = set(re.findall(r"panteras_[a-z_]+", " ".join(asked) + (monitoring / "alerts.yml").read_text()))
    assert {name.removesuffix("_bucket") for name in named} <= there


def test_another_name_for_this_host_is_refused(host: Namespace, gateway: Gateway) -> None:
    head = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}")

    assert host.run(*head, f"{PAGE}status", "--header", "Host: rebound.example.com:9153") == "421"
