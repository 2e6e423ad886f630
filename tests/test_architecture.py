"""Who may import whom. The table is the architecture; a new module has to find its place in it."""

import ast
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
    "finish",
    "forwarder",
    "options",
    "config",
]
NETWORK_AND_CLOCK = {"twisted", "zope", "time", "socket", "select", "logging", "threading", "asyncio", "psutil"}
EXCEPTIONS = {"endpoint": {"socket"}}  # the numbers of the address families

TRANSPORT_BASE = {"batch", "endpoint", "flights", "forwarder", "upstream", "wire"}
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
    "detours": {"answer", "plan", "wire"},
    "loops": {"names", "wire"},
    "flights": {"plan", "upstream", "wire"},
    "routes": {"names", "upstream"},
    "options": {"endpoint", "names", "remote"},
    "config": {"endpoint", "options", "remote", "upstream"},
    "records": {"answer", "names", "wire"},
    "repair": {"answer", "names", "routes", "wire"},
    "cache": {"answer", "wire"},
    "plan": {"answer", "cache", "insurance", "loops", "records", "repair", "routes", "upstream", "wire"},
    "finish": {"answer", "cache", "plan", "routes", "wire"},
    "forwarder": {
        "answer",
        "cache",
        "cookies",
        "detours",
        "finish",
        "flights",
        "insurance",
        "loops",
        "plan",
        "policy",
        "upstream",
        "wire",
    },
    "reference": {"config"},
    "demo": {"names", "records", "wire"},
    "build": {"answer", "cache", "config", "names", "options", "plan", "policy", "records", "repair", "routes", "wire"},
    "query": {"endpoint", "names", "plan", "wire"},
    "transport.turns": set(),
    "transport.ports": TRANSPORT_BASE | {"transport.turns"},
    "transport.line": {"flights", "transport.ports", "wire"},
    "transport.server": TRANSPORT_BASE | {"plan", "transport.line", "transport.ports"},
    "transport.trust": set(),
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
    "host.process": {"options"},
    "host.workers": {"host.process"},
    "host.sockets": {"endpoint", "host.interfaces", "options"},
    # Where everything meets.
    "app": None,
    "serve": None,
    "cli": {"build", "config", "endpoint", "options", "query", "serve"},
    "__main__": {"cli"},
}


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            found[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = path
    return found


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
