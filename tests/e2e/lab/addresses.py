"""Who lives where in the lab; the host's services have addresses of their own, as containers do."""

HOST = "10.77.1.1"
HOST_6 = "fd77:1::1"
LAPTOP = "10.77.1.2"
LAPTOP_6 = "fd77:1::2"
HOST_OUTSIDE = "198.51.100.1"
RESOLVER = "198.51.100.53"
PYTHON1 = ("10.77.9.11", "10.77.9.12")
SERVICES = "10.77.9.0/24"
DOCKER0 = "172.17.0.1"
VISITED_HOST = "10.77.2.1"  # how a laptop sees the host that reaches its SSH port alone
VISITOR = "10.77.2.2"
ROAMED_HOST = "10.77.3.1"  # how a laptop sees the host that reaches the ports of its VPN alone
ROAMER = "10.77.3.2"
VPN_HOST = "10.77.5.1"  # a host with nothing but the VPN door on it, between a laptop and the docker host
VPN_HOST_6 = "fd77:5::1"
VPN_HOST_INSIDE = "10.77.4.2"
VPN_HOST_INSIDE_6 = "fd77:4::2"
HOST_INSIDE = "10.77.4.1"
HOST_INSIDE_6 = "fd77:4::1"
VPN_POOL = "10.99.0.0/23"
VPN_DNS = "10.99.0.1"  # of clients that came by UDP
VPN_DNS_TCP = "10.99.1.1"
PYTHON1_6 = "fd77:9::11"
SERVICES_6 = "fd77:9::/64"
