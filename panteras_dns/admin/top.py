"""The status for a terminal, worst first: `panteras top`. Pure: a status, a width and a height in, lines out.

`bold`, `bad` and the like are names of styles; what they look like is the command's.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from panteras_dns.explain.explanation import many, printable

Line = tuple[str, str]  # style, text

_BARS = " ▁▂▃▄▅▆▇█"


def lines(told: Mapping[str, Any], width: int, height: int = 0) -> list[Line]:
    """At most *height* lines (0: all) of at most *width* characters."""
    found = [(style, _cut(printable(text), width)) for style, text in _all(told, width)]
    return found[:height] if height else found


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _all(told: Mapping[str, Any], width: int) -> Iterator[Line]:
    gateway, verdict, queries = told["gateway"], told["verdict"], told["queries"]
    yield "bold", f"panteras {gateway['host']}  {clock(told['at'])}  {many(len(gateway['workers']), 'worker')}"
    since = f" since {clock(verdict['since'])}" if verdict["since"] else ""
    word = "ok" if verdict["state"] == "ok" else f"! {many(verdict['problems'], 'problem')}"
    yield verdict["state"], f"{word}{since}: {verdict['code']} {verdict['text']}".replace(":  ", ": ")
    yield from (("FAIL", f"  {other}") for other in verdict["others"])
    chart = sparkline([rate for _, rate in queries["history"]][-max(width - 40, 10) :])
    yield "", f"QUERIES  {_number(queries['per_second'])} a second, {_number(queries['total'])} in all  {chart}"
    for route in queries["by_route"][:5]:
        yield (
            "soft",
            f"  {route['route']:<24} {_number(route['per_second']):>10} a second  {_number(route['total']):>12}",
        )
    yield from _failed(told["failed"])
    yield from _path(told["path"])
    yield from _services(told["services"])
    yield from _people(told["people"], told["ending"])
    cache = told["cache"]
    share = "-" if cache["hit_share"] is None else f"{cache['hit_share']:.0%}"
    yield "", f"CACHE    {share} of lookups hit, {_number(cache['entries'])} answers kept"
    asked = ", ".join(f"{one['name']} {_number(one['queries'])}" for one in told["names"][:5])
    yield "", f"MOST     {asked or '-'}"


def _failed(failed: Mapping[str, Any]) -> Iterator[Line]:
    yield "", f"FAILED   {_number(failed['count'])} of {_number(failed['of'])} in 15 min"
    for cause in failed["causes"][:5]:
        text = cause["text"].removeprefix(cause["code"]).strip()
        yield "FAIL", f"  {cause['count']:>6} {cause['code']} {cause['name']}: {text}"


def _path(path: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    yield "", f"PATH     {sum(not one['usable'] for one in path)} of {len(path)} servers down"
    for one in path[:8]:
        p95 = "-" if one["p95"] is None else f"{one['p95'] * 1000:.2g} ms"
        state = "ok" if one["usable"] else f"DOWN {one['reason']}"
        yield "" if one["usable"] else "FAIL", f"  {one['server']:<24} {p95:>8}  {one['lost']:>6} lost  {state}"


def _services(services: Mapping[str, Any]) -> Iterator[Line]:
    if services["known"] is None:
        yield "soft", f"SERVICES -: {services['problem']}"
        return
    yield "", f"SERVICES {services['known']}, {services['down']} down"
    for one in services["list"][:5]:
        if one["passing"] < one["instances"]:
            word = " DOWN" if not one["passing"] else ""
            yield "FAIL" if word else "warn", f"  {one['name']:<24} {one['passing']}/{one['instances']}{word}"


def _people(people: Mapping[str, Any], ending: Mapping[str, Any]) -> Iterator[Line]:
    if people["problem"]:
        yield "soft", f"PEOPLE   {len(people['list']) or '-'}: {people['problem']}"
    else:
        yield "", f"PEOPLE   {len(people['list'])} connected"
    for one in people["list"][:5]:
        yield "soft", f"  {one['id']:<24} {one['door']}"
    for one in ending["list"][:5]:
        yield "warn", f"  {one['what']} ends {day(one['not_after'])}"


def clock(seconds: float) -> str:
    """UTC, as the log has it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%SZ")


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def sparkline(values: Sequence[float]) -> str:
    """A character a value, the largest at full height."""
    most = max(values, default=0.0)
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] if most else _BARS[0] for value in values)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
