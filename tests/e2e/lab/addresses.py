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
