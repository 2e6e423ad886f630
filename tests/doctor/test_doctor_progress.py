"""On a terminal the doctor says how far it is, on stderr; elsewhere it says nothing of it."""

import os
import pty
import subprocess
import sys

COMMAND = [sys.executable, "-m", "panteras_dns", "doctor", "--quick", "--json"]


def test_progress_is_for_terminals():
    ours, theirs = pty.openpty()
    done = subprocess.run(COMMAND, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=False)
    os.close(theirs)
    seen = os.read(ours, 65536).decode()
    os.close(ours)

    assert "looking [" in seen
    assert seen.endswith("\x1b[K"), "the line is gone in the end"
    assert done.stdout.startswith(b"{")


def test_a_program_that_reads_it_gets_none():
    done = subprocess.run(COMMAND, capture_output=True, timeout=60, check=False)

    assert done.stderr == b""
