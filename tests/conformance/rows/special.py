"""RFC 6761 and its kin: names that are answered here, and never asked of an upstream."""

from conformance.message import UDP, ask
from conformance.table import SOA, Broken, Table, data, meets, rcode, records
from conformance.zone import plain

TABLE = Table("RFC 6761 and its kin: special names")
NOERROR, NXDOMAIN = rcode("NOERROR"), rcode("NXDOMAIN")


def here(claim, source, name, kind, *expected):
    """The name is answered as expected, and no upstream hears of it. `{}` stands for labels of the case's own."""

    @TABLE.story(claim, source, over=(UDP,))
    def _(case):
        own = filled(name, case.label)
        before = len(case.upstream.about(own))
        meets(case.ask(ask(own, kind)), *expected)
        if len(case.upstream.about(own)) != before:
            raise Broken("an upstream was asked")


def filled(name, label):
    """The name, or a whole address below it if it is a reverse zone."""
    digits = [str(int(letter, 16)) for letter in label[1:]]
    if name.endswith(".in-addr.arpa"):
        missing = 4 - (name.count(".") - 2)
        return name.replace("{}", ".".join(digits[:missing]))
    if name.endswith(".ip6.arpa"):
        missing = 32 - (name.count(".") - 2)
        return name.replace("{}", ".".join(letter for letter in (label[1:] * 4)[:missing]))
    return name.replace("{}", label)


here("localhost has 127.0.0.1", "RFC 6761 6.3", "localhost", "A", NOERROR, data("127.0.0.1"))
here("localhost has ::1", "RFC 6761 6.3", "localhost", "AAAA", NOERROR, data("::1"))
here("localhost has nothing else", "RFC 6761 6.3", "localhost", "TXT", NOERROR, records(0))
here("names below localhost are localhost", "RFC 6761 6.3", "{}.localhost", "A", NOERROR, data("127.0.0.1"))
here("names below localhost are localhost, IPv6 too", "RFC 6761 6.3", "{}.localhost", "AAAA", NOERROR, data("::1"))
here(
    "127.0.0.1 is localhost", "RFC 6761 6.3, RFC 6303 4.1", "1.0.0.127.in-addr.arpa", "PTR", NOERROR, data("localhost.")
)
here("::1 is localhost", "RFC 6303 4.3", "1" + ".0" * 31 + ".ip6.arpa", "PTR", NOERROR, data("localhost."))

for name, source in {
    "invalid": "RFC 6761 6.4",
    "test": "RFC 6761 6.2",
    "onion": "RFC 7686 2",
    "alt": "RFC 9476 2",
    "local": "RFC 6762 22.1",
    "internal": "ICANN resolution 2024.07.29.06",
    "home.arpa": "RFC 8375 4",
}.items():
    here(f"{name} is nowhere", source, "{}." + name, "A", NXDOMAIN, SOA)
for name in ("254.169.in-addr.arpa", "8.e.f.ip6.arpa", "9.e.f.ip6.arpa", "a.e.f.ip6.arpa", "b.e.f.ip6.arpa"):
    here(f"{name} is nowhere", "RFC 6762 22.1, RFC 6303 4.5", "{}." + name, "PTR", NXDOMAIN)

REVERSE = {
    "RFC 6303 4.1": [
        "10.in-addr.arpa",
        "168.192.in-addr.arpa",
        *(f"{number}.172.in-addr.arpa" for number in range(16, 32)),
    ],
    "RFC 6303 4.2": [
        "0.in-addr.arpa",
        "127.in-addr.arpa",
        "2.0.192.in-addr.arpa",
        "100.51.198.in-addr.arpa",
        "113.0.203.in-addr.arpa",
    ],
    "RFC 6303 4.4": ["d.f.ip6.arpa"],
    "RFC 6303 4.6": ["8.b.d.0.1.0.0.2.ip6.arpa"],
    "RFC 7793 4": ["64.100.in-addr.arpa", "100.100.in-addr.arpa", "127.100.in-addr.arpa"],
}
for source, names in REVERSE.items():
    for name in names:
        here(f"{name} is nowhere", source, "{}." + name, "PTR", NXDOMAIN)
here(
    "255.255.255.255 is nowhere",
    "RFC 6303 4.2",
    "255.255.255.255.in-addr.arpa",
    "PTR",
    rcode("NXDOMAIN", "NOERROR"),
    records(0),
)
here(
    ":: is nowhere",
    "RFC 6303 4.3",
    "0" + ".0" * 31 + ".ip6.arpa",
    "PTR",
    rcode("NXDOMAIN", "NOERROR"),
    records(0),
)
for name in ("10.in-addr.arpa", "168.192.in-addr.arpa"):
    here(
        f"{name} itself exists: it has a SOA",
        "RFC 6303 3",
        name,
        "SOA",
        NOERROR,
        records(1),
    )
here(
    "resolver.arpa: _dns has no SVCB of somebody else",
    "RFC 9462 4",
    "_dns.resolver.arpa",
    64,
    NOERROR,
    records(0),
)
here(
    "resolver.arpa: other names have no data",
    "RFC 9462 4",
    "{}.resolver.arpa",
    "A",
    NOERROR,
    records(0),
)


def elsewhere(claim, source, name, kind="A"):
    @TABLE.story(claim, source, over=(UDP,))
    def _(case):
        own = filled(name, case.label)
        before = len(case.upstream.about(own))
        meets(case.ask(ask(own, kind)), NOERROR)
        if len(case.upstream.about(own)) == before:
            raise Broken("the upstream was not asked")


elsewhere("example is an ordinary name", "RFC 6761 6.5", "{}.example")
elsewhere("example.com is an ordinary name", "RFC 6761 6.5", "{}.example.com")
elsewhere(
    "ipv4only.arpa goes to who may know a NAT64",
    "RFC 8880 7.1",
    "ipv4only.arpa",
)
elsewhere("a name that only ends in the letters is an ordinary name: notlocalhost", "RFC 6761 6.3", "{}.notlocalhost")
elsewhere("public addresses' reverse names are ordinary: 172.15", "RFC 6303 4.1", "{}.15.172.in-addr.arpa", "PTR")
elsewhere("public addresses' reverse names are ordinary: 172.32", "RFC 6303 4.1", "{}.32.172.in-addr.arpa", "PTR")
elsewhere("public addresses' reverse names are ordinary: 100.63", "RFC 7793 4", "{}.63.100.in-addr.arpa", "PTR")


@TABLE.story("a route for a special name comes first", "RFC 6761 6.2, RFC 6303 4", over=(UDP,))
def _(case):
    own = case.play(plain)
    case.restart(routes={"test": (own.port,), "10.in-addr.arpa": (own.port,)})
    meets(case.ask(ask("{}.test")), NOERROR, records(1))
    if case.ask(ask("4.3.2.10.in-addr.arpa", "PTR")) is None or not own.about("4.3.2.10"):
        raise Broken("the route's server was not asked")
