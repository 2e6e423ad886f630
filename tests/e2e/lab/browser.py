"""A browser on a laptop: headless Chromium, which speaks to nobody but the page."""

import ctypes
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from lab.namespace import Namespace
from lab.patience import eventually

_NETWORK = 0x40000000  # CLONE_NEWNET

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--timeout=20000"),
)


def photograph(laptop: Namespace, url: str, profile: Path, picture: Path, size: str = "1280,800") -> None:
    """Write what the browser shows at *url* to *picture*, a PNG file. *size*: of the window, in pixels."""
    options = (f"--user-data-dir={profile}", f"--screenshot={picture}", f"--window-size={size}", "--hide-scrollbars")
    laptop.run("chromium", *_QUIET, *options, url, within=60)


def shown(laptop: Namespace, url: str, profile: Path) -> str:
    """The page at *url* as the browser has it. *profile*: a directory of its own, that need not be there yet."""
    return laptop.run("chromium", *_QUIET, f"--user-data-dir={profile}", "--dump-dom", url, within=60)


class Hands:
    """A browser that is clicked and typed into, on a host: Selenium, chromedriver and Chromium run in its network."""

    def __init__(self, host: Namespace, width: int = 1280, height: int = 900) -> None:
        self._thread = ThreadPoolExecutor(1, initializer=_enter, initargs=(host.path,))
        self._driver = self._thread.submit(_chromium, width, height).result(60)

    def do(self, work: Callable[[webdriver.Chrome], Any]) -> Any:
        """What *work* makes of the browser."""
        return self._thread.submit(work, self._driver).result(60)

    def close(self) -> None:
        self._thread.submit(self._driver.quit).result(30)
        self._thread.shutdown()

    def wear(self, theme: str) -> None:
        """*theme*: light or dark, as the system of its user has it."""
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.do(lambda driver: driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media))

    def shrink(self, width: int, height: int) -> None:
        """Become a phone of that many pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self.do(lambda driver: driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size))

    def complaints(self) -> list[str]:
        """What the browser's console has had to say: errors, and what the page's policy forbade."""
        return [str(one["message"]) for one in self.do(lambda driver: driver.get_log("browser"))]


def visit(host: Namespace, url: str) -> Iterator[Hands]:
    """A browser on *host* that has opened *url*, until the test is over."""
    made = Hands(host)
    made.do(lambda driver: driver.get(url))
    yield made
    made.close()


def text(browser: Hands, where: str) -> str:
    return str(browser.do(lambda driver: driver.find_element(By.CSS_SELECTOR, where).text))


def shows(browser: Hands, where: str, what: str) -> None:
    eventually(lambda: what in text(browser, where), f"{what} in {where}", within=30)


def _enter(namespace: Path) -> None:
    """setns(2) for this thread, and so for all that it starts."""
    with namespace.open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _NETWORK):
            raise OSError(ctypes.get_errno(), f"can't enter {namespace}")


def _chromium(width: int, height: int) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in (*_QUIET[:-1], f"--window-size={width},{height}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
