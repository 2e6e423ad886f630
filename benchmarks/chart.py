"""Figures as bars, in SVG made by hand: it needs no library, and follows light and dark."""

from collections.abc import Iterable, Iterator
from html import escape

from benchmarks.rounds import Results
from benchmarks.scenarios import SCENARIOS

WIDTH = 720
LABEL, VALUE = 150, 70  # room to the left and right of the bars
ROW, BAR, HEAD = 26, 16, 44
OURS = ("panteras", "this server")

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.card { fill: #ffffff; stroke: #d0d7de }
.bar { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .card { fill: #0d1117; stroke: #30363d }
  .bar { fill: #6e7681 }
  .ours { fill: #4493f8 }
}"""


def chart(results: Results) -> str:
    """One group of bars for forwarding and one for the cache, shortest first, on a scale of its own."""
    titles = {name: f"{SCENARIOS[name].title}: CPU per query, µs (less is better)" for name in ("forward", "cached")}
    groups = [(title, _bars(results, name)) for name, title in titles.items()]
    return drawing("CPU time per query, server by server", groups)


def drawing(title: str, groups: Iterable[tuple[str, list[tuple[str, float]]]], digits: int = 1) -> str:
    """The whole picture. A group is its title, and its bars from top to bottom."""
    body: list[str] = []
    top = 12
    for name, bars in groups:
        if bars:
            body += _group(name, bars, top, digits)
            top += HEAD + ROW * len(bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{top - 1}" rx="8"/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bars(results: Results, scenario: str) -> list[tuple[str, float]]:
    values = ((peer, results.median(scenario, peer, "cpu")) for peer in results.peers(scenario))
    return sorted(((peer, value) for peer, value in values if value is not None), key=lambda bar: bar[1])


def _group(title: str, bars: list[tuple[str, float]], top: int, digits: int) -> Iterator[str]:
    yield f'<text class="title" x="16" y="{top + 18}">{escape(title)}</text>'
    scale = (WIDTH - LABEL - VALUE) / max(value for _, value in bars)
    for row, (peer, value) in enumerate(bars):
        y, width = top + 32 + ROW * row, value * scale
        kind = "bar ours" if peer.startswith(OURS) else "bar"
        yield f'<text x="{LABEL - 10}" y="{y + 13}" text-anchor="end">{escape(peer)}</text>'
        yield f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>'
        yield f'<text x="{LABEL + width + 8:.1f}" y="{y + 13}">{value:.{digits}f}</text>'
