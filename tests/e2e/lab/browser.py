"""A browser on a laptop: headless Chromium, which speaks to nobody but the page."""

from pathlib import Path

from lab.namespace import Namespace

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
