"""The units, which are the ones of the example."""

from pathlib import Path

from panteras_dns.install import switch, units

EXAMPLE = Path(__file__).parents[2] / "examples" / "systemd"


def test_the_example_has_the_same_units() -> None:
    assert (EXAMPLE / units.SERVICE).read_text() == units.service("/opt/panteras/bin/panteras")
    assert (EXAMPLE / units.SOCKET).read_text() == units.socket()


def test_the_switch_takes_back_after_so_many_seconds_and_begins_again_when_killed() -> None:
    service = switch.service("/opt/panteras/bin/panteras")

    assert "OnActiveSec=90\n" in switch.timer(90) and f"Unit={switch.SERVICE}\n" in switch.timer(90)
    assert "ExecStart=/opt/panteras/bin/panteras install revert\n" in service
    assert "Restart=on-failure\n" in service and "StartLimitIntervalSec=0\n" in service
