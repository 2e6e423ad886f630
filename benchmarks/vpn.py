"""What the VPN door gives: throughput beside OpenVPN with usual defaults, a start, certificates beside easy-rsa.

`python -m benchmarks.vpn --write docs/vpn-door.md` puts the figures into the manual. As root; needs the packages of
`.ci/install`, and easy-rsa.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import number, publish, verdicts
from benchmarks.machine import ProcessorTime, machine
from benchmarks.report import table
from benchmarks.rounds import Results
from benchmarks.targets import Target
from benchmarks.trouble import Trouble
from benchmarks.vpn_stage import DOOR, PLAIN, SERVICE, STREAMS, Stage, panteras

MARK = "<!-- figures: make bench-vpn -->\n"
MANY = 100
EASY_RSA = Path("/usr/share/easy-rsa/easyrsa")
LONGEST = 300  # seconds for one measurement
STARTS = 3
TRIES = 5
SETTLED = 20  # seconds after a handshake, in which OpenVPN looks after TLS with every packet
FIGURES = {
    "down1": "1 stream, Mbit/s",
    "down10": "10 streams, Mbit/s",
    "up1": "1 up, Mbit/s",
    "up10": "10 up, Mbit/s",
}
TARGETS = [
    *(
        Target(
            f"time for the bytes of {FIGURES[figure].partition(',')[0]}, of the defaults'",
            "tunnel",
            DOOR,
            slow,
            1.0,
            PLAIN,
        )
        for figure, slow in (
            ("down1", "slow down1"),
            ("down10", "slow down10"),
            ("up1", "slow up1"),
            ("up10", "slow up10"),
        )
    ),
    Target("start to first packet, s", "start", DOOR, "seconds", 3.0),
    Target(f"{MANY} clients issued, of easy-rsa's time", "issue", "panteras", "seconds", 1 / 20, "easy-rsa"),
]
PAGE = """\
## Measured

{tunnel}

{issue}

{targets}

* Network namespaces on one machine: a laptop and a gateway for each way in, a host with the services. Both servers
  and both clients are OpenVPN {version}, with AES-256-GCM; each way is measured alone, in {rounds} rounds of changing
  order; the figures are medians, and ratios are taken within a round. Streams: iperf3, {seconds} s.
* Start: from nothing on either side to an answer through the tunnel, with all looks at the host before; median of
  {starts}.
* Issued: wall time of `panteras access grant --file`, and of easy-rsa 3 with EC keys, a `build-client-full` each as
  it is done there; both without a passphrase, ours with a key of tls-crypt-v2 for each.
* {machine}. While it ran, the host took {stolen:.1%} of the processor time for other guests.
"""


def measure(rounds: int, seconds: int) -> Results:
    """Both ways in, round after round; starts; certificates."""
    results, began = Results(), ProcessorTime.now()
    with tempfile.TemporaryDirectory(prefix="panteras-vpn-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # OpenVPN looks for the revoked when it is no longer root
        with Stage(folder) as stage:
            stage.set()
            for _ in range(STARTS):
                results.add("start", DOOR, {"seconds": stage.start_to_first_packet()})
                stage.close_door()
            stage.start_to_first_packet()
            stage.open_plain()
            time.sleep(SETTLED)
            for turn in range(-1, rounds):  # the first warms up
                for way in (DOOR, PLAIN) if turn % 2 else (PLAIN, DOOR):
                    figures = _tunnel(stage, way, seconds if turn >= 0 else 1)
                    if turn >= 0:
                        results.add("tunnel", way, figures)
                    shown = "  ".join(f"{key} {figures[key]:.4g}" for key in FIGURES)
                    print(f"{turn + 1}/{rounds} {way:22} {shown}", file=sys.stderr, flush=True)
        _issue(folder, results)
    results.stolen = ProcessorTime.now().stolen_since(began)
    return results


def _tunnel(stage: Stage, way: str, seconds: int) -> dict[str, float]:
    found = {}
    for figure, options in (("down1", ("-R",)), ("down10", ("-R", "-P", "10")), ("up1", ()), ("up10", ("-P", "10"))):
        words = ["iperf3", "--client", SERVICE, "--port", str(STREAMS), "--time", str(seconds), "--json", *options]
        found[figure] = _stream(stage, way, words)
        found[f"slow {figure}"] = 1 / found[figure]
    return found


def _stream(stage: Stage, way: str, words: Sequence[str]) -> float:
    """Mbit/s that arrived; the server may still be busy with the end of the last one."""
    for _ in range(TRIES):
        told = json.loads(stage.laptops[way].run(*words, within=LONGEST))
        if "sum_received" in told["end"]:
            return float(told["end"]["sum_received"]["bits_per_second"]) / 1e6
        time.sleep(0.5)
    raise Trouble(f"{way}: {' '.join(words)}: {told.get('error')}")


def _issue(folder: Path, results: Results) -> None:
    """A certificate for each of many clients."""
    people = folder / "people"
    people.write_text("".join(f"client{number}\n" for number in range(MANY)))
    state = ("--state", str(folder / "issue"))
    _run(panteras("access", "init", "--network", "10.77.9.0/24", "--dns", "10.77.9.1", *state), folder)
    words = panteras("access", "grant", "--door", "vpn", "--file", str(people), *state)
    results.add("issue", "panteras", {"seconds": _run(words, folder)})
    pki = {**os.environ, "EASYRSA_PKI": str(folder / "pki"), "EASYRSA_BATCH": "1", "EASYRSA_ALGO": "ec"}
    pki |= {"EASYRSA_CURVE": "prime256v1"}
    for begin in (["init-pki"], ["build-ca", "nopass"]):
        _run([str(EASY_RSA), *begin], folder, pki)
    took = sum(_run([str(EASY_RSA), "build-client-full", f"client{n}", "nopass"], folder, pki) for n in range(MANY))
    results.add("issue", "easy-rsa", {"seconds": took})


def _run(words: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if done.returncode:
        raise Trouble(f"{' '.join(words)}: {done.stderr.strip()[-300:]}")
    return time.perf_counter() - began


def page(results: Results, rounds: int, seconds: int) -> str:
    """The figures, as they stand in the manual."""
    version = subprocess.run(["openvpn", "--version"], capture_output=True, text=True, check=False).stdout.split()[1]
    ways = [[way, *(number(results.median("tunnel", way, key)) for key in FIGURES)] for way in (DOOR, PLAIN)]
    issued = [[who, number(results.median("issue", who, "seconds"))] for who in ("panteras", "easy-rsa")]
    return PAGE.format(
        tunnel=table(["way in", *FIGURES.values()], ways),
        issue=table([f"{MANY} clients issued by", "s"], issued),
        targets=verdicts(TARGETS, results),
        version=version,
        rounds=rounds,
        seconds=seconds,
        starts=STARTS,
        machine=re.sub(r"[ \t]+", " ", machine()),
        stolen=results.stolen,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vpn", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=int, default=4, metavar="N", help="of each stream")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures into the page of the manual")
    options = parser.parse_args(arguments)
    chosen = (options.rounds, options.seconds)
    needed = {"ip": "iproute2", "iperf3": "iperf3", "openvpn": "openvpn", str(EASY_RSA): "easy-rsa"}
    return publish(needed, lambda: page(measure(*chosen), *chosen), options.write, MARK)


if __name__ == "__main__":
    sys.exit(main())
