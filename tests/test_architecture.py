"""Who may import whom. The table is the architecture; a new module has to find its place in it."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "panteras_dns"

# Pure modules work on bytes, numbers and `now`: no sockets, no clock, no reactor, no logging.
PURE = [
    "wire",
    "names",
    "answer",
    "endpoint",
    "remote",
    "padding",
    "routes",
    "records",
    "policy",
    "cache",
    "cookies",
    "detours",
    "flights",
    "insurance",
    "loops",
    "upstream",
    "repair",
    "plan",
    "planner",
    "tally",
    "reasons",
    "finish",
    "forwarder",
    "failures",
    "rescue",
    "metrics",
    "admin.exposition",
    "admin.guard",
    "admin.snapshot",
    "admin.status",
    "admin.sums",
    "admin.top",
    "querylog.dnstap",
    "querylog.lines",
    "options",
    "config",
    "box.service",
    "box.checks",
    "box.container",
    "instance",
    "box.site",
    "box.steps",
    "box.layout",
    "box.front",
    "box.compose",
    "doctor.finding",
    "doctor.consul",
    "doctor.iptables",
    "install.change",
    "install.configuration",
    "install.switch",
    "install.units",
    "explain.asked",
    "explain.verdict",
    "explain.explanation",
    "explain.client",
    "explain.replay",
    "rehearse.changes",
    "access.names",
    "access.ssh.wire",
    "access.ssh.krl",
    "access.ssh.publickey",
    "access.ssh.certificate",
    "access.ssh.order",
    "access.vpn.openings",
    "access.vpn.settings",
    "access.vpn.template",
    "access.vpn.tlscrypt",
    "access.vpn.x509",
]
NETWORK_AND_CLOCK = {"twisted", "zope", "time", "socket", "select", "logging", "threading", "asyncio", "psutil"}
EXCEPTIONS = {
    "endpoint": {"socket"},  # the numbers of the address families
    "box.compose": {"socket"},  # the name of this host
}

TRANSPORT_BASE = {"batch", "endpoint", "flights", "forwarder", "querylog.tap", "upstream", "wire"}
MAY_IMPORT = {
    "wire": set(),
    "names": set(),
    "endpoint": set(),
    "remote": {"endpoint"},
    "padding": {"wire"},
    "batch": set(),
    "upstream": set(),
    "policy": set(),
    "answer": {"wire"},
    "cookies": {"wire"},
    "insurance": {"wire"},
    "detours": {"answer", "plan", "planner", "wire"},
    "loops": {"names", "wire"},
    "flights": {"plan", "upstream", "wire"},
    "routes": {"names", "upstream"},
    "options": {"endpoint", "names", "remote"},
    "config": {"endpoint", "options", "remote", "upstream"},
    "records": {"answer", "names", "wire"},
    "repair": {"answer", "names", "routes", "wire"},
    "cache": {"answer", "wire"},
    "tally": set(),
    "meter": set(),
    "plan": {"insurance", "routes", "upstream", "wire"},
    "planner": {
        "answer",
        "cache",
        "loops",
        "plan",
        "reasons",
        "records",
        "repair",
        "routes",
        "tally",
        "wire",
    },
    "finish": {"answer", "cache", "plan", "planner", "routes", "wire"},
    "forwarder": {
        "answer",
        "cache",
        "cookies",
        "detours",
        "failures",
        "finish",
        "flights",
        "plan",
        "planner",
        "policy",
        "rescue",
        "upstream",
        "wire",
    },
    "failures": {"plan", "planner", "wire"},
    "rescue": {"cache", "finish", "flights", "insurance", "plan", "planner", "wire"},
    "admin.snapshot": {"cache", "failures", "forwarder", "metrics", "names", "querylog.tap", "upstream", "wire"},
    "admin.channel": {"host.channel"},
    "host.channel": set(),
    "admin.sums": {"metrics"},
    "admin.status": {"admin.sums"},
    "admin.exposition": {"admin.sums", "upstream"},
    "admin.guard": set(),
    "admin.stream": set(),
    "admin.site": {"admin.guard", "explain.explanation"},
    "admin.beside": {"admin.status", "consul", "rest"},
    "admin.desk": {
        "admin.exposition",
        "admin.site",
        "admin.status",
        "admin.stream",
        "admin.sums",
        "explain.explain",
        "names",
    },
    # The query log: the workers' end is bytes, all the rest is another process.
    "querylog.tap": set(),
    "querylog.pairing": {"failures", "querylog.tap", "wire"},
    "querylog.lines": {"names", "querylog.pairing", "wire"},
    "querylog.dnstap": {"querylog.pairing"},
    "querylog.output": {"querylog.dnstap"},
    "querylog.containers": {"rest"},
    "querylog.serve": {
        "config",
        "host.channel",
        "host.workers",
        "options",
        "querylog.containers",
        "querylog.dnstap",
        "querylog.lines",
        "querylog.output",
        "querylog.pairing",
        "querylog.tap",
    },
    "admin.top": {"explain.explanation"},
    "admin.client": {"endpoint"},
    "admin.commands": {"admin.client", "admin.top", "arguments", "config", "endpoint"},
    "admin.serve": {
        "admin.beside",
        "admin.channel",
        "admin.desk",
        "admin.site",
        "admin.status",
        "admin.sums",
        "build",
        "config",
        "consul",
        "endpoint",
        "explain.explain",
        "host.workers",
        "options",
    },
    "metrics": {"cache", "forwarder", "upstream"},
    "reference": {"config", "endpoint"},
    "synopsis": {"cli"},
    "demo": {"names", "records", "wire"},
    "build": {
        "endpoint",
        "answer",
        "cache",
        "config",
        "names",
        "options",
        "plan",
        "policy",
        "records",
        "repair",
        "routes",
        "wire",
    },
    "query": {"endpoint", "names", "plan", "wire"},
    "transport.turns": set(),
    "transport.ports": TRANSPORT_BASE | {"transport.turns"},
    "transport.line": {"flights", "transport.ports", "wire"},
    "transport.server": TRANSPORT_BASE | {"plan", "transport.line", "transport.ports"},
    "transport.trust": {"transport.ports"},
    "transport.secure": {"flights", "padding", "plan", "remote", "transport.ports", "transport.trust", "upstream"},
    "transport.tls": {"transport.secure", "wire"},
    "transport.https": {"answer", "remote", "transport.secure", "wire"},
    "transport.exchange": {
        "answer",
        "loops",
        "options",
        "plan",
        "remote",
        "transport.https",
        "transport.ports",
        "transport.secure",
        "transport.server",
        "transport.tls",
        "upstream",
        "wire",
    },
    "transport.doors": {"endpoint", "host.sockets", "transport.listeners", "transport.ports"},
    "host.handover": {"endpoint", "host.sockets", "options"},
    "transport.successor": {"host.handover"},
    "transport.watcher": {"host.interfaces"},
    "transport.listeners": TRANSPORT_BASE | {"transport.turns"},
    "host.interfaces": set(),
    "host.journal": set(),
    "host.resolv": set(),
    "host.starting": {"host.interfaces"},
    "host.process": {"options"},
    "host.workers": {"host.process"},
    "host.sockets": {"endpoint", "host.interfaces", "options"},
    # The doors. They hold secrets: nothing of the DNS side, and nothing of it may import them.
    "access.trouble": set(),
    "access.ssh.wire": set(),
    "access.names": {"access.trouble"},
    "access.ssh.krl": {"access.ssh.wire"},
    "access.ssh.publickey": {"access.trouble", "access.ssh.wire"},
    "access.ssh.certificate": {"access.ssh.publickey", "access.ssh.wire"},
    "access.ssh.order": set(),
    "access.settings": {"access.trouble"},
    "access.lookup": set(),
    "access.vault": {"access.trouble"},
    "access.index": {"access.trouble"},
    "access.ssh.sessions": {"access.trouble"},
    "access.report": {"access.door", "access.identities", "access.index"},
    "access.door": {"access.index", "access.ssh.publickey", "access.trouble"},
    "access.docker_host": {"access.trouble"},
    "access.ssh.ca": {"access.ssh.certificate", "access.ssh.publickey", "access.trouble"},
    "access.ssh.door": {
        "access.door",
        "access.index",
        "access.settings",
        "access.ssh.ca",
        "access.ssh.certificate",
        "access.ssh.krl",
        "access.ssh.publickey",
        "access.ssh.sessions",
        "access.vault",
    },
    "access.identities": {
        "access.door",
        "access.index",
        "access.names",
        "access.report",
        "access.ssh.publickey",
        "access.trouble",
        "access.vault",
    },
    "access.kit": {
        "access.door",
        "access.index",
        "access.report",
        "access.settings",
        "access.trouble",
    },
    "access.ssh.check": {"access.ssh.certificate", "access.ssh.publickey", "access.trouble", "access.ssh.wire"},
    "access.ssh.sshd": {"access.trouble"},
    # The gate runs at every login, with no secret in reach.
    "access.reach": {"access.lookup", "access.names", "access.settings"},
    "access.ssh.carriage": set(),
    "access.ssh.tunnel": {"access.lookup", "access.ssh.carriage", "access.ssh.order", "access.reach"},
    "access.ssh.audit": {"access.ssh.certificate", "access.trouble"},
    "access.ssh.gate": {
        "access.ssh.audit",
        "access.ssh.certificate",
        "access.ssh.krl",
        "access.lookup",
        "access.ssh.order",
        "access.reach",
        "access.ssh.sessions",
        "access.settings",
        "access.trouble",
        "access.ssh.tunnel",
        "access.ssh.wire",
    },
    "access.ssh.keeper": {
        "access.ssh.ca",
        "access.ssh.gate",
        "access.ssh.krl",
        "access.lookup",
        "access.ssh.sessions",
        "access.settings",
        "access.ssh.sshd",
        "access.trouble",
        "access.vault",
        "access.ssh.wire",
    },
    # The VPN: the hook is OpenVPN's child and knows nothing; what runs the door can't reach what issues.
    "access.vpn.hook": set(),
    "access.vpn.template": set(),
    "access.vpn.tlscrypt": set(),
    "access.vpn.programs": {"access.trouble"},
    "access.vpn.roster": {"access.trouble"},
    "access.vpn.management": {"access.trouble"},
    "access.vpn.x509": {"access.trouble"},
    "access.vpn.settings": {"access.settings", "access.trouble"},
    "access.vpn.openings": {"access.lookup", "access.names", "access.reach", "access.settings"},
    "access.vpn.firewall": {
        "access.settings",
        "access.trouble",
        "access.vpn.openings",
        "access.vpn.programs",
        "access.vpn.settings",
    },
    "access.vpn.guests": {
        "access.lookup",
        "access.report",
        "access.trouble",
        "access.vpn.firewall",
        "access.vpn.openings",
        "access.vpn.roster",
        "access.vpn.x509",
    },
    "access.vpn.relay": {"access.lookup", "access.trouble", "access.vpn.guests"},
    "access.vpn.server": {
        "access.settings",
        "access.trouble",
        "access.vpn.programs",
        "access.vpn.settings",
        "access.vpn.template",
    },
    "access.vpn.profile": {
        "access.door",
        "access.index",
        "access.report",
        "access.vpn.settings",
        "access.vpn.template",
    },
    "access.vpn.door": {
        "access.door",
        "access.index",
        "access.report",
        "access.trouble",
        "access.vault",
        "access.vpn.management",
        "access.vpn.roster",
        "access.vpn.settings",
        "access.vpn.tlscrypt",
        "access.vpn.x509",
    },
    "access.vpn.preflight": {
        "access.lookup",
        "access.settings",
        "access.trouble",
        "access.vault",
        "access.vpn.firewall",
        "access.vpn.programs",
        "access.vpn.settings",
        "access.vpn.x509",
    },
    "access.vpn.keeper": {
        "access.lookup",
        "access.report",
        "access.trouble",
        "access.vault",
        "access.vpn.firewall",
        "access.vpn.guests",
        "access.vpn.hook",
        "access.vpn.management",
        "access.vpn.openings",
        "access.vpn.preflight",
        "access.vpn.programs",
        "access.vpn.relay",
        "access.vpn.roster",
        "access.vpn.server",
        "access.vpn.settings",
        "access.vpn.x509",
    },
    "access.doors": {
        "access.door",
        "access.identities",
        "access.settings",
        "access.ssh.door",
        "access.trouble",
        "access.vault",
        "access.vpn.door",
        "access.vpn.settings",
    },
    "access.commandline": {
        "access.docker_host",
        "access.door",
        "access.identities",
        "access.names",
        "access.settings",
        "access.trouble",
        "access.vault",
    },
    "access.doorway": {
        "access.ssh.check",
        "access.commandline",
        "access.ssh.keeper",
        "access.kit",
        "access.report",
        "access.settings",
        "access.ssh.sshd",
        "access.trouble",
        "access.vault",
        "access.vpn.keeper",
        "access.vpn.preflight",
        "access.vpn.server",
        "access.vpn.settings",
    },
    "access.tell": {"access.trouble", "access.vault"},
    "access.commands": {
        "access.commandline",
        "access.doorway",
        "access.docker_host",
        "access.door",
        "access.kit",
        "access.names",
        "access.report",
        "access.doors",
        "access.ssh.sshd",
        "access.settings",
        "access.tell",
        "access.trouble",
        "access.vault",
        "access.vpn.profile",
        "access.vpn.settings",
    },
    # The box: other processes, with Docker's socket and HAProxy in their hands. It knows Consul by its HTTP API alone.
    "rest": {"endpoint"},
    "consul": {"endpoint", "rest"},
    "once": {"consul", "rest"},
    "reasons": set(),
    "arguments": {"endpoint", "options"},
    "box.service": {"instance"},
    "box.checks": set(),
    "box.container": {"box.checks", "box.service", "instance"},
    "box.told": set(),
    "box.tasks": set(),
    "box.daemon": {"host.journal", "host.process"},
    "box.options": set(),
    "box.engine": {"rest"},
    "box.book": {"box.service", "consul"},
    "box.registrator": {
        "box.book",
        "box.container",
        "box.engine",
        "box.service",
        "box.tasks",
        "box.told",
        "consul",
        "rest",
    },
    "box.registering": {
        "box.book",
        "box.container",
        "box.daemon",
        "box.engine",
        "once",
        "box.registrator",
        "box.service",
        "consul",
    },
    "instance": set(),
    "box.site": {"instance"},
    "box.steps": {"box.site"},
    "box.layout": {"box.site", "box.steps"},
    "box.catalogue": {"instance", "box.tasks", "box.told", "consul", "rest"},
    "box.haproxy": {"box.steps"},
    "box.runner": {"box.haproxy"},
    "knock": set(),
    "box.saved": {"box.haproxy", "box.layout", "box.site"},
    "box.balancer": {
        "box.catalogue",
        "box.daemon",
        "box.saved",
        "box.haproxy",
        "knock",
        "box.layout",
        "box.site",
        "box.steps",
        "box.tasks",
        "box.told",
    },
    "box.front": {"instance", "box.site"},
    "box.page": {"box.front", "box.site"},
    "box.frontdoor": {"box.layout", "box.site", "box.told", "consul", "rest"},
    "box.balancing": {
        "box.balancer",
        "box.catalogue",
        "box.daemon",
        "box.frontdoor",
        "box.haproxy",
        "box.layout",
        "once",
        "box.page",
        "box.runner",
        "box.site",
        "consul",
        "endpoint",
        "host.interfaces",
    },
    "box.compose": set(),
    "box.commands": {"arguments", "box.compose", "box.balancing", "once", "box.options", "box.registering"},
    # Explanations: of what others have, never in the way of an answer.
    "explain.asked": set(),
    "explain.verdict": {"explain.asked", "instance"},
    "explain.explanation": {"explain.verdict"},
    "explain.client": {"explain.explanation"},
    "explain.replay": {"explain.explanation", "explain.verdict"},
    "explain.catalogue": {"consul", "explain.asked", "explain.verdict", "instance", "rest"},
    "explain.page": {"rest"},
    "explain.hereabouts": {
        "endpoint",
        "explain.verdict",
        "host.interfaces",
        "host.resolv",
        "host.starting",
        "query",
    },
    "explain.explain": {
        "consul",
        "endpoint",
        "explain.asked",
        "explain.catalogue",
        "explain.explanation",
        "explain.hereabouts",
        "explain.page",
        "explain.verdict",
        "host.resolv",
        "instance",
        "knock",
        "query",
        "rest",
    },
    "explain.background": {
        "consul",
        "explain.asked",
        "explain.catalogue",
        "explain.explanation",
        "explain.verdict",
        "names",
        "reasons",
    },
    "explain.commands": {
        "admin.client",
        "arguments",
        "build",
        "config",
        "consul",
        "explain.client",
        "explain.explain",
        "explain.replay",
        "host.interfaces",
        "once",
        "options",
    },
    # The doctor: looks at the host, changes nothing.
    "doctor.finding": {"explain.explanation"},
    "doctor.host": {
        "config",
        "doctor.finding",
        "endpoint",
        "host.interfaces",
        "host.starting",
        "options",
        "query",
    },
    "doctor.resolver": {"doctor.finding", "doctor.host", "endpoint", "host.resolv"},
    "doctor.containers": {"doctor.finding", "doctor.host", "doctor.resolver", "endpoint", "host.resolv"},
    "doctor.consul": {"doctor.finding", "endpoint", "explain.verdict"},
    "doctor.inside": {"doctor.containers", "doctor.finding", "doctor.host", "doctor.resolver", "host.resolv"},
    "doctor.iptables": set(),
    "doctor.firewall": {"doctor.containers", "doctor.finding", "doctor.host", "doctor.inside", "doctor.iptables"},
    "doctor.machine": {"doctor.finding", "doctor.host"},
    "doctor.examine": {
        "consul",
        "doctor",
        "doctor.consul",
        "doctor.containers",
        "doctor.finding",
        "doctor.firewall",
        "doctor.host",
        "doctor.inside",
        "doctor.machine",
        "doctor.resolver",
        "rest",
    },
    "doctor.commands": {"arguments", "config", "consul", "doctor.examine", "doctor.host", "meter", "once", "options"},
    # The installation: changes the host, and takes it back. What is pure says what; few modules write.
    "install.trouble": set(),
    "install.change": set(),
    "install.units": set(),
    "install.switch": {"install.units"},
    "install.configuration": {"config", "install.trouble", "options"},
    "install.files": {"install.change", "install.trouble"},
    "install.system": {"host.interfaces", "install.trouble"},
    "install.owner": {"host.resolv", "install.system", "install.trouble"},
    "install.journal": {"install.change", "install.files", "install.system", "install.trouble"},
    "install.plan": {
        "host.resolv",
        "install",
        "install.change",
        "install.configuration",
        "install.files",
        "install.journal",
        "install.owner",
        "install.switch",
        "install.system",
        "install.trouble",
        "install.units",
    },
    "install.trial": {
        "doctor.finding",
        "doctor.host",
        "doctor.inside",
        "endpoint",
        "install.system",
        "install.trouble",
        "query",
    },
    "install.undo": {
        "host.resolv",
        "install.change",
        "install.files",
        "install.journal",
        "install.owner",
        "install.system",
        "install.trouble",
    },
    "install.apply": {
        "install.change",
        "install.files",
        "install.journal",
        "install.system",
        "install.trouble",
        "install.undo",
    },
    "install.work": {
        "install.apply",
        "install.change",
        "install.configuration",
        "install.files",
        "install.journal",
        "install.plan",
        "install.system",
        "install.trial",
        "install.trouble",
        "install.undo",
    },
    "install.commands": {"arguments", "install", "install.plan", "install.system", "install.trouble", "install.work"},
    "world": {"config", "endpoint", "host", "host.interfaces", "host.resolv", "host.sockets", "options"},
    "rehearse.changes": {"query"},
    "rehearse.stage": {"app", "config", "endpoint", "host.sockets", "query", "rehearse.changes"},
    "rehearse.commands": {
        "admin.client",
        "arguments",
        "config",
        "endpoint",
        "explain.explanation",
        "meter",
        "once",
        "options",
        "rehearse.changes",
        "rehearse.stage",
    },
    # Where everything meets.
    "app": None,
    "serve": None,
    "cli": {"arguments", "build", "config", "endpoint", "options", "query", "serve"},
    "__main__": {"cli"},
}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            found[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = path
    return found


@cache
def imports(path: Path) -> set[str]:
    """Every module that is imported anywhere in a file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            ours = {name for name in inner if name.removeprefix("panteras_dns.") in modules()}
            found |= ours or {node.module}
    return found


def test_every_module_has_its_place():
    assert set(modules()) == set(MAY_IMPORT)


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_module_imports_only_what_it_may(name):
    ours = {
        found.removeprefix("panteras_dns.") for found in imports(modules()[name]) if found.startswith("panteras_dns.")
    }

    allowed = MAY_IMPORT[name]
    assert allowed is None or ours - {name} <= allowed


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_knows_no_network_and_no_clock(name):
    outside = {found.partition(".")[0] for found in imports(modules()[name])}

    assert outside & NETWORK_AND_CLOCK <= EXCEPTIONS.get(name, set())


def test_the_reactor_is_imported_in_one_place():
    guilty = [name for name, path in modules().items() if "internet import reactor" in path.read_text()]

    assert guilty == ["cli"]


def test_who_answers_dns_can_not_reach_the_secrets_of_the_doors():
    program = "import sys, panteras_dns.app, panteras_dns.serve, panteras_dns.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "panteras_dns.app" in loaded.split()
    elsewhere = ("panteras_dns.access", "panteras_dns.box", "paramiko", "sshuttle", "jinja2")
    assert not [name for name in loaded.split() if name.startswith(elsewhere)]
    outside = [name for name in MAY_IMPORT if name != "cli" and not name.startswith("access.")]
    assert not [name for name in outside if any("access" in found for found in imports(modules()[name]))]


def test_starting_costs_no_web_and_leaves_the_sockets_of_systemd():
    # Twisted's endpoints take LISTEN_FDS out of the environment when they are imported.
    program = "import sys, panteras_dns.app, panteras_dns.serve, panteras_dns.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert not {"twisted.internet.endpoints", "twisted.web", "twisted.web.client"} & set(loaded)


def test_no_module_is_called_after_nothing():
    assert not {"utils", "helpers", "common", "base", "core", "manager", "misc"} & {
        name.rpartition(".")[2] for name in modules()
    }


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_module_says_what_it_is_and_stays_small(name):
    tree = ast.parse(modules()[name].read_text())

    assert ast.get_docstring(tree)
    assert len(modules()[name].read_text().splitlines()) <= 350
    longest = [
        node.end_lineno - node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    ]
    assert max(longest, default=0) <= 45


def test_every_package_is_installed() -> None:
    named = set(tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])

    assert named == {".".join(one.parent.relative_to(PACKAGE.parent).parts) for one in PACKAGE.rglob("__init__.py")}
