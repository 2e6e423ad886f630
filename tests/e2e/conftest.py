"""The lab's parts as fixtures. They are real, and what is slow to start lives for the whole session.

Needs root and the packages of `.ci/install`. Nothing may be skipped here: a missing part is a failure.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import addresses, base_image
from lab.consul import Consul
from lab.docker import Docker
from lab.door import PORT
from lab.gateway import Gateway
from lab.instance import Instance
from lab.namespace import Namespace, join
from lab.patience import eventually
from lab.resolver import Resolver

TOOLS = (
    *("ip", "ss", "nsenter", "iptables", "getent", "dig", "kdig", "dnsperf"),
    *("ssh", "sftp", "scp", "curl", "chromium", "chromedriver", "promtool", "dnsmasq"),
    *("openvpn", "nft", "conntrack", "faketime", "haproxy"),
    *("age", "consul", "nsd", "unbound", "containerd", "dockerd", "debootstrap", "tar"),
)
GATEWAY_IMAGE = "panteras-gateway:e2e"
DOOR_IMAGE = "panteras-sshd:e2e"
VPN_IMAGE = "panteras-openvpn:e2e"
BOX_IMAGE = "panteras-box:latest"
EXAMPLE_IMAGE = "panteras-example:latest"  # as compose.yaml calls it
REPOSITORY = Path(__file__).parents[2]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    return _without_skips(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    return _without_skips(report)


def _without_skips(
    report: pytest.TestReport | pytest.CollectReport,
) -> pytest.TestReport | pytest.CollectReport:
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped here: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def equipment() -> None:
    """Say at once, in one line, what is missing."""
    if os.geteuid() != 0:
        pytest.exit("the end-to-end tests make network namespaces: run them as root", returncode=2)
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.exit(f"the end-to-end tests need {', '.join(missing)}: run .ci/install", returncode=2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is told to end cleans up, too


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory on a disk, its path short enough for socket files; the gateway reads in it without root."""
    path = Path(tempfile.mkdtemp(prefix="panteras-e2e-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _part(role: str) -> Callable[[], Iterator[Namespace]]:
    def namespace() -> Iterator[Namespace]:
        made = Namespace(role)
        yield made
        made.delete()

    return namespace


bare_host = pytest.fixture(scope="session")(_part("host"))
laptop = pytest.fixture(scope="session")(_part("laptop"))
internet = pytest.fixture(scope="session")(_part("internet"))


@pytest.fixture(scope="session")
def host(bare_host: Namespace, laptop: Namespace, internet: Namespace) -> Namespace:
    """The docker host, with wires to the laptop and to the internet."""
    host = bare_host
    join(
        host,
        laptop,
        [f"{addresses.HOST}/24", f"{addresses.HOST_6}/64"],
        [f"{addresses.LAPTOP}/24", f"{addresses.LAPTOP_6}/64"],
    )
    join(host, internet, [f"{addresses.HOST_OUTSIDE}/24"], [f"{addresses.RESOLVER}/24"])
    for address in addresses.PYTHON1:
        host.add_address(f"{address}/32")
    laptop.add_route("default", addresses.HOST)
    laptop.use_resolvers(addresses.HOST)
    host.use_resolvers(addresses.RESOLVER)
    return host


@pytest.fixture(scope="session")
def _resolver(host: Namespace, internet: Namespace, scratch: Path) -> Iterator[Resolver]:
    resolver = Resolver(internet, addresses.RESOLVER, scratch)
    try:
        resolver.start()
        yield resolver
    finally:
        resolver.stop()


@pytest.fixture
def resolver(_resolver: Resolver) -> Iterator[Resolver]:
    """The resolver of /etc/resolv.conf of the host; a test may stop it."""
    yield _resolver
    if not _resolver.running:
        _resolver.start()


@pytest.fixture(scope="session")
def _consul(host: Namespace, scratch: Path) -> Iterator[Consul]:
    consul = Consul(host, scratch)
    try:
        consul.start()
        yield consul
    finally:
        consul.stop()


@pytest.fixture
def consul(_consul: Consul) -> Iterator[Consul]:
    """The agent of the host, without any service; a test may stop or freeze it."""
    yield _consul
    _consul.thaw()
    if _consul.running:
        _consul.forget_all()
    else:
        _consul.start()


@pytest.fixture
def python1(host: Namespace, consul: Consul, scratch: Path) -> Iterator[list[Instance]]:
    """Two running instances of the service python1, not registered yet."""
    instances: list[Instance] = []
    try:
        for address in addresses.PYTHON1:
            instances.append(Instance(host, address, scratch))
        yield instances
    finally:
        for instance in instances:
            instance.stop()


@pytest.fixture
def serve(host: Namespace, scratch: Path) -> Iterator[Callable[..., Gateway]]:
    """Start `panteras serve` with options; at the end its log must be free of surprises."""
    started: list[Gateway] = []

    def start(*options: str) -> Gateway:
        gateway = Gateway(host, scratch / f"gateway-{len(started)}.log", *options)
        started.append(gateway)
        return gateway

    yield start
    for gateway in started:
        gateway.stop()
        print(f"--- {gateway.log}\n{gateway.output}{gateway.errors}")  # pytest shows it when the test failed
    for gateway in started:
        gateway.verify_log()


@pytest.fixture
def gateway(serve: Callable[..., Gateway], consul: Consul, resolver: Resolver) -> Gateway:
    """The gateway as it comes: no option, no configuration, every address of the host."""
    made = serve()
    eventually(lambda: "admin: http" in made.errors, "its admin, which is a process of its own")
    return made


@pytest.fixture(scope="session")
def _engine(host: Namespace, scratch: Path) -> Iterator[Docker]:
    root = scratch / "docker"
    root.mkdir()
    docker = Docker(root)
    try:
        docker.start(network=host.path)
        docker.load(base_image.make(root), base_image.NAME)
        yield docker
    finally:
        docker.stop()
        docker.remove()


@pytest.fixture
def docker(_engine: Docker) -> Iterator[Docker]:
    """The docker engine of the host, with the base image and without any container."""
    yield _engine
    _engine.remove_containers()


@pytest.fixture(scope="session")
def gateway_image(_engine: Docker) -> str:
    """The gateway's image, built from the repository as a user builds it."""
    _engine.build(GATEWAY_IMAGE, REPOSITORY / "Dockerfile.dns", REPOSITORY)
    return GATEWAY_IMAGE


@pytest.fixture(scope="session")
def door_image(_engine: Docker) -> str:
    """The image of the SSH door, built from the repository as a user builds it."""
    _engine.build(DOOR_IMAGE, REPOSITORY / "sshd/Dockerfile", REPOSITORY)
    return DOOR_IMAGE


@pytest.fixture(scope="session")
def vpn_image(_engine: Docker) -> str:
    """The image of the VPN door, built from the repository as a user builds it."""
    _engine.build(VPN_IMAGE, REPOSITORY / "openvpn/Dockerfile", REPOSITORY)
    return VPN_IMAGE


@pytest.fixture(scope="session")
def box_image(_engine: Docker) -> str:
    """The image of the registrator and the balancer, built from the repository as a user builds it."""
    _engine.build(BOX_IMAGE, REPOSITORY / "Dockerfile.box", REPOSITORY)
    return BOX_IMAGE


@pytest.fixture(scope="session")
def example_image(_engine: Docker) -> str:
    """The sample application."""
    _engine.build(EXAMPLE_IMAGE, REPOSITORY / "examples/python/Dockerfile", REPOSITORY / "examples/python")
    return EXAMPLE_IMAGE


@pytest.fixture(scope="session")
def roamer(host: Namespace) -> Iterator[Namespace]:
    """A laptop that reaches the ports of the host's VPN, and nothing else."""
    made = Namespace("roamer")
    join(host, made, [f"{addresses.ROAMED_HOST}/24"], [f"{addresses.ROAMER}/24"])
    made.add_route("default", addresses.ROAMED_HOST)
    passes = (("-p", "udp", "--dport", "1194", "-j", "ACCEPT"), ("-p", "tcp", "--dport", "443", "-j", "ACCEPT"))
    for rule in (*passes, ("-j", "DROP")):
        host.run("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "roamer", *rule)
    yield made
    made.delete()


@pytest.fixture(scope="session")
def vpn_host(host: Namespace) -> Iterator[Namespace]:
    """A host of the company without docker, wired to the docker host; it forwards, as a VPN's host must."""
    made = Namespace("vpnhost")
    join(
        host,
        made,
        [f"{addresses.HOST_INSIDE}/24", f"{addresses.HOST_INSIDE_6}/64"],
        [f"{addresses.VPN_HOST_INSIDE}/24", f"{addresses.VPN_HOST_INSIDE_6}/64"],
    )
    host.add_address(f"{addresses.PYTHON1_6}/128")
    made.add_route("default", addresses.HOST_INSIDE)
    made.add_route(addresses.SERVICES_6, addresses.HOST_INSIDE_6)
    made.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    yield made
    made.delete()


@pytest.fixture(scope="session")
def far_laptop(vpn_host: Namespace) -> Iterator[Namespace]:
    """A laptop that reaches that host, by IPv4 and IPv6."""
    made = Namespace("far")
    join(
        vpn_host,
        made,
        [f"{addresses.VPN_HOST}/24", f"{addresses.VPN_HOST_6}/64"],
        [f"{addresses.VPN_HOST.removesuffix('1')}2/24", f"{addresses.VPN_HOST_6.removesuffix('1')}2/64"],
    )
    yield made
    made.delete()


@pytest.fixture(scope="session")
def visitor(host: Namespace) -> Iterator[Namespace]:
    """A laptop that reaches one port of the host, and nothing else."""
    made = Namespace("visitor")
    join(host, made, [f"{addresses.VISITED_HOST}/24"], [f"{addresses.VISITOR}/24"])
    made.add_route("default", addresses.VISITED_HOST)
    made.use_resolvers(addresses.VISITED_HOST)
    for rule in (("-p", "tcp", "--dport", str(PORT), "-j", "ACCEPT"), ("-j", "DROP")):
        host.run("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "visitor", *rule)
    yield made
    made.delete()
