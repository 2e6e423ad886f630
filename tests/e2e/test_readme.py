"""The README's first screen, run as it stands there."""

import os
import re
import signal
import subprocess
from pathlib import Path

from lab.patience import eventually

ROOT = Path(__file__).parents[2]


def section(title: str) -> list[str]:
    """The commands of the console blocks under a heading of the README."""
    text = (ROOT / "README.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"^\$ (.*)", "".join(blocks), re.MULTILINE)


def run(line: str) -> str:
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_and_everything_it_says_to_try(tmp_path: Path) -> None:
    demo, *tries, test = section("Try it")
    assert (demo, test) == ("make demo", "make test")
    log = tmp_path / "demo"
    with log.open("wb") as out:
        process = subprocess.Popen(demo.split(), cwd=ROOT, stdout=out, stderr=out, process_group=0)
    try:
        eventually(lambda: "stop with Ctrl-C" in log.read_text(), "the demo", within=60)
        answers = [run(line) for line in tries]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)

    assert len(answers) == 3
    assert all("10.0.1.5" in answer or "31003" in answer for answer in answers)
    assert "Traceback" not in log.read_text()
