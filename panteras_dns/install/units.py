"""The gateway's units for systemd. Pure; `examples/systemd` has the same text.

systemd holds the loopback address: while the gateway starts again, this host's questions wait instead of failing.
"""

SERVICE = "panteras-dns.service"
SOCKET = "panteras-dns.socket"
PLACE = "/etc/systemd/system"
WANTS = {SERVICE: f"{PLACE}/multi-user.target.wants/{SERVICE}", SOCKET: f"{PLACE}/sockets.target.wants/{SOCKET}"}

_SERVICE = """\
[Unit]
Description=DNS of this docker host: Consul's names from Consul, all others from upstreams
# Not after docker.service, which may want names itself: addresses are followed as they come.
After=network.target
Before=nss-lookup.target
Wants=nss-lookup.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart={program} serve
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
# It binds its port, then goes on under an account of its own.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LimitNOFILE=65536
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""

_SOCKET = """\
[Unit]
Description=Port 53 of loopback, which stays open while the gateway starts again

[Socket]
ListenDatagram=127.0.0.1:53
ListenStream=127.0.0.1:53
# The gateway listens where it is configured to, too.
FileDescriptorName=beside
ReceiveBuffer=4M
Backlog=512

[Install]
WantedBy=sockets.target
"""


def service(program: str) -> str:
    return _SERVICE.format(program=program)


def socket() -> str:
    return _SOCKET
