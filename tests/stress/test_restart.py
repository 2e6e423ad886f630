"""A restart under load: the next process takes the sockets over, and no question is lost on the way."""

import re
import subprocess
import time

import pytest

RATE, SECONDS, RESTARTS = 5000, 8, 3
RECORDS = "".join(
    f'[[record]]\nname = "{name}"\ntype = "A"\ndata = "10.0.0.{number}"\n'
    for number, name in enumerate(["web.service.consul", "api.service.consul", "www.example.com"], 1)
)


@pytest.mark.parametrize("user", ["root", "nobody"])
@pytest.mark.parametrize("workers", [1, 2])
def test_no_question_of_thousands_a_second_is_lost_by_three_restarts(gateway, tmp_path, workers, user):
    (tmp_path / "upstream.toml").write_text(RECORDS)
    source = gateway("--listen", "127.0.0.1:0", "--config", str(tmp_path / "upstream.toml")).ready()
    handover = tmp_path / "handover"
    (tmp_path / "p.toml").write_text(f'[dns]\nworkers = {workers}\nhandover = "{handover}"\n')
    tmp_path.chmod(0o755)
    (tmp_path / "names").write_text("web.service.consul A\nwww.example.com A\napi.service.consul A\n")
    place = f"127.0.0.1:{source.port}"
    words = ("--listen", "127.0.0.1:0", "--config", str(tmp_path / "p.toml"), "--consul", place, "--upstream", place)
    running = gateway(*words, "--user", user).ready()
    load = ["dnsperf", "-s", "127.0.0.1", "-p", str(running.port), "-d", str(tmp_path / "names")]
    load += ["-Q", str(RATE), "-l", str(SECONDS), "-c", "20", "-t", "3"]

    with subprocess.Popen(load, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        for _ in range(RESTARTS):
            time.sleep(SECONDS / (RESTARTS + 2))
            following = gateway(*words, "--user", user).ready()
            assert following.port == running.port
            assert running.process.wait(5) == 0
            running = following
        assert client.stdout is not None
        told = client.stdout.read()

    sent, lost = (int(re.search(rf"Queries {what}: +(\d+)", told)[1]) for what in ("sent", "lost"))
    assert lost == 0, told
    assert sent > 0.5 * RATE * SECONDS, told
    assert re.search(r"NOERROR \d+ \(100\.00%\)", told), told
