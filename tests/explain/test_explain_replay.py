"""A failure that was kept, told as it was, with the command that asks how it is now."""

import pytest

from panteras_dns.explain.replay import replayed

ROW = {
    "at": 0.0,
    "name": "web.service.consul.",
    "type": "A",
    "client": "10.0.0.7",
    "route": "consul",
    "rcode": "NXDOMAIN",
    "reason": "PAN201 nobody passes",
}


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        ({}, ("panteras explain web.service.consul.",)),
        ({"type": "SRV"}, ("panteras explain web.service.consul. --type SRV",)),
        ({"type": "TYPE65"}, ("panteras explain web.service.consul. --type TYPE65",)),
        ({"name": "$(reboot).consul."}, ()),
    ],
)
def test_the_command_asks_the_same_question(row, fix):
    assert replayed({**ROW, **row}).verdict.fix == fix
