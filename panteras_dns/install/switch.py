"""The dead man's switch: units of systemd that take an installation back which nobody confirmed. Pure.

The timer does it when the time is over, whatever became of us; the service does it at the next boot as well.
"""

from panteras_dns.install.units import PLACE

SERVICE = "panteras-install-revert.service"
TIMER = "panteras-install-revert.timer"
WANTS = f"{PLACE}/multi-user.target.wants/{SERVICE}"

_SERVICE = """\
[Unit]
Description=Take back an installation of PanteraS that nobody confirmed
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={program} install revert
# Killed in the middle, it begins again; 1: a file is somebody else's by now.
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=1 2

[Install]
WantedBy=multi-user.target
"""

_TIMER = """\
[Unit]
Description=The end of the time to confirm an installation of PanteraS

[Timer]
OnActiveSec={seconds}
AccuracySec=1
Unit={service}
"""


def service(program: str) -> str:
    return _SERVICE.format(program=program)


def timer(seconds: int) -> str:
    return _TIMER.format(seconds=seconds, service=SERVICE)
