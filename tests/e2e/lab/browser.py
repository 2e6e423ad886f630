"""A browser on a laptop: headless Chromium, which speaks to nobody but the page."""

from pathlib import Path

from lab.namespace import Namespace

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--timeout=20000"),
)


def shown(laptop: Namespace, url: str, profile: Path) -> str:
    """The page at *url* as the browser has it. *profile*: a directory of its own, that need not be there yet."""
    return laptop.run("chromium", *_QUIET, f"--user-data-dir={profile}", "--dump-dom", url, within=60)
