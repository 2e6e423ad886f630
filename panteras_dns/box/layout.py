"""HAProxy's configuration as text: a Jinja2 template, ours or the user's own, filled with a site. Pure but for
reading it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError

from panteras_dns.box.site import OWN, Backend, Server, Site
from panteras_dns.box.steps import CHECK

# Seconds that a worker before a reload may finish what it has: as long as a tunnel may be silent. It costs memory only.
LONGEST_WORKER = 3600
FRAME = "# frame: "  # on the last line: a digest of all but services and instances
_DUMMY = Site({"x": Backend("x", {"i-x": Server("i-x", "192.0.2.1", 80, 1)})}, {"x/": "x"})


class BadTemplate(Exception):
    """A template that can't be filled; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """*listen*, *statistics*: `ADDR:PORT` as HAProxy takes them. *user*: whom HAProxy becomes, "" to stay."""

    run: Path
    listen: tuple[str, ...]
    statistics: tuple[str, ...]
    user: str = ""
    template: Path | None = None

    @property
    def file(self) -> Path:
        return self.run / "haproxy.cfg"

    @property
    def routes(self) -> Path:
        return self.run / "routes.map"

    @property
    def frame(self) -> str:
        """Another one when the file differs by more than services and instances."""
        return hashlib.sha256(self._filled(_DUMMY).encode()).hexdigest()[:16]

    def configuration(self, site: Site) -> str:
        return f"{self._filled(site)}{FRAME}{self.frame}\n"

    def _filled(self, site: Site) -> str:
        environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
        environment.filters["pattern"] = _pattern
        where = str(self.template or "the template")
        try:
            text = environment.from_string(self._source()).render(
                run=self.run,
                routes=self.routes,
                listen=self.listen,
                statistics=self.statistics,
                user=self.user,
                own=OWN,
                check=CHECK,
                longest_worker=LONGEST_WORKER,
                backends=list(site.backends.values()),
                site=site,
            )
        except TemplateSyntaxError as problem:
            raise BadTemplate(f"{where}: line {problem.lineno}: {problem.message}") from None
        except (
            TemplateError,
            ArithmeticError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
            AttributeError,
        ) as problem:
            raise BadTemplate(f"{where}: {problem}") from None
        return text.rstrip() + "\n"

    def _source(self) -> str:
        if self.template is None:
            return files(__package__).joinpath("templates", "haproxy.cfg.j2").read_text(encoding="utf-8")
        try:
            return self.template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise BadTemplate(f"{self.template}: {getattr(problem, 'strerror', None) or 'not UTF-8'}") from None


def map_text(routes: Mapping[str, str]) -> str:
    return "".join(f"{key} {backend}\n" for key, backend in sorted(routes.items()))


def _pattern(text: str) -> str:
    """*text* itself as a regular expression."""
    return text.replace(".", "[.]")
