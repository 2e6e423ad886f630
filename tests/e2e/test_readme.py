"""The README's first screen, run as it stands there."""

import os
import signal
import subprocess
from pathlib import Path

from lab.manual import ROOT, commands
from lab.patience import eventually


def run(line: str) -> str:
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_and_everything_it_says_to_try(tmp_path: Path) -> None:
    demo, *tries, test = commands("README.md", "Try it")
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
