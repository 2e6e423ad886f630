"""Holds this server and its peers against the table and writes docs/conformance.md and its chart.

python -m tests.conformance.report            all servers
python -m tests.conformance.report panteras   some, the others as they were found the last time
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.chart import drawing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "conformance.md"
CHART = ROOT / "docs" / "conformance.svg"
SERVERS = ("panteras", "unbound", "dnsmasq", "dnsdist")
TITLES = {"panteras": "this server"}

Found = dict[str, dict[str, dict[str, str]]]  # row -> transport -> what was broken, or could not be shown

HEAD = """\
# Conformance

What a trustworthy forwarder does, check by check, and which server does it. `make conformance` runs every check again
and writes this page; `pytest tests/conformance` runs them against this server as part of the suite.

Each check is a row of a table in `tests/conformance/rows/`: a sentence, where it is written, what is sent and what must
come back. They run over UDP and TCP against the whole program on loopback, between scripted upstreams and a scripted
Consul; answers are read twice, by hand and by dnspython.

✓ it does so · ✗ it does not, and what came back instead · ○ it can't be shown with this server. Where the transports
differ, the cell says which. A ✗ is a fact about a configuration, not a verdict: some of these servers were never meant
to do what the row asks, and many rows are about Consul.

{totals}

![Checks of conformance, server by server](conformance.svg)

The peers are Debian's packages, started as forwarders with the same routes, each with what its own manual offers for
these duties (`tests/conformance/peers.py` has the whole of it): unbound with `serve-expired`, `ede`, `deny-any`,
`use-caps-for-id` and no cache for Consul; dnsmasq with `bogus-priv`, `proxy-dnssec` and `dns-loop-detect`, without
`use-stale-cache`, which would keep Consul's answers; dnsdist with a packet cache for all but Consul, stale entries, and
TC for ANY. DNSSEC validation is off.
"""


def run(server: str, file: Path) -> Found:
    """What comes back from one server."""
    command = [sys.executable, "-m", "pytest", str(HERE), "-n", "4", "--server", server, "--results", str(file)]
    done = subprocess.run(
        [*command, "-q", "--no-header", "--tb=no"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if not file.exists() or file.read_text() == "{}":
        sys.exit(f"{server}: the run came to nothing\n{done.stdout[:1000]}{done.stderr[-1000:]}")
    found: Found = json.loads(file.read_text())
    return found


def rows() -> list[Any]:
    """The table, read as the tests do."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "loopback")]
    from conformance.rows import ROWS

    return ROWS


def cell(found: dict[str, dict[str, str]] | None) -> str:
    """✓, ✗ with what came back, or ○."""
    if not found:
        return "○"
    broken = {over: told["broken"] for over, told in found.items() if told["broken"]}
    if not broken:
        return "○" if all(told["not shown"] for told in found.values()) else "✓"
    texts = {_short(text) for text in broken.values()}
    if len(broken) == len(found) and len(texts) == 1:
        return f"✗ {texts.pop()}"
    return "✗ " + "; ".join(f"{over}: {_short(text)}" for over, text in sorted(broken.items(), reverse=True))


def _short(text: str) -> str:
    text = re.sub(r"\s+", " ", text.partition(" (expected")[0])
    text = re.sub(r"an answer that dnspython can't read.*", "an answer that can't be read", text)
    return _plain(text if len(text) <= 90 else text[:87] + "...")


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def good(found: Found) -> int:
    return sum(cell(told) == "✓" for told in found.values())


def page(results: dict[str, Found]) -> str:
    """The whole page."""
    table = rows()
    servers = [server for server in SERVERS if server in results]
    versions = _versions(servers)
    names = [TITLES.get(server, server) for server in servers]
    totals = [f"| of {len(table)} checks | {' | '.join(names)} |", "| --- |" + " --- |" * len(servers)]
    totals.append("| ✓ | " + " | ".join(str(good(results[server])) for server in servers) + " |")
    totals.append("| version | " + " | ".join(versions[server] for server in servers) + " |")
    parts = [HEAD.format(totals="\n".join(totals))]
    for title in dict.fromkeys(row.table for row in table):
        parts.append(
            f"## {title}\n\n" + "\n".join(_lines(table, title, names, [results[one] for one in servers])) + "\n"
        )
    return "\n".join(parts)


def chart(counts: dict[str, int], checks: int) -> str:
    """The totals as bars, most first."""
    bars = sorted(((name, float(count)) for name, count in counts.items()), key=lambda bar: -bar[1])
    title = f"Checks of conformance, of {checks} (more is better)"
    return drawing("Checks of conformance, server by server", [(title, bars)], digits=0)


def _lines(table: Iterable[Any], title: str, names: list[str], found: list[Found]) -> Iterable[str]:
    yield f"| check | source | {' | '.join(names)} |"
    yield "| --- | --- |" + " --- |" * len(names)
    for row in table:
        if row.table == title:
            cells = " | ".join(cell(one.get(row.id)) for one in found)
            yield f"| {_plain(row.claim)} | {_plain(row.source)} | {cells} |"


def _versions(servers: Iterable[str]) -> dict[str, str]:
    from conformance.peers import PEERS

    return {server: PEERS[server].version() for server in servers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", choices=[*SERVERS, []], help="servers to run anew; all by default")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "build" / "conformance", help="a folder for what came back"
    )
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    results: dict[str, Found] = {}
    for server in SERVERS:
        file = options.results / f"{server}.json"
        if not options.servers or server in options.servers or not file.exists():
            file.unlink(missing_ok=True)
            print(f"{server} ...", flush=True)
            results[server] = run(server, file)
        else:
            results[server] = json.loads(file.read_text())
        print(f"{server}: {good(results[server])} of {len(results[server])} checks")
    PAGE.write_text(page(results))
    counts = {TITLES.get(server, server): good(found) for server, found in results.items()}
    CHART.write_text(chart(counts, len(rows())))
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
