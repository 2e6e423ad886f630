"""Forged answers, as far as they can be shown on loopback (protocol checklist, part 2)."""

import secrets
import time

from conformance.catalogue import consul
from conformance.message import UDP, ask, edns, wire
from conformance.mischief import BAD, GOOD, SHAPES
from conformance.stage import address, say
from conformance.table import Broken, Table, data, meets, rcode, within
from conformance.zone import PLAIN_A, own_opt

TABLE = Table("Forged answers")
NOERROR, FORMERR = rcode("NOERROR"), rcode("FORMERR")

TITLES = {
    "empty": "nothing",
    "onebyte": "one octet",
    "idonly": "an id",
    "headeronly": "a header",
    "cut": "an answer cut short",
    "wrongid": "a wrong id",
    "idoffbyone": "an id off by one",
    "noquestion": "no question",
    "othername": "another name",
    "othertype": "another type",
    "otherclass": "another class",
    "twoquestions": "two questions",
    "aquery": "QR clear",
    "itsownquery": "the query itself",
    "opcode": "another opcode",
    "falsecounts": "65,535 answers that are not there",
    "rdlength": "data longer than the message",
    "loop": "a pointer to itself",
    "forward": "a pointer past the end",
    "label": "an unknown kind of label",
    "chain": "900 chained pointers and 3,000 records",
    "longname": "a name over 255 octets once expanded",
    "twoopts": "two OPTs",
    "badopt": "an option longer than its OPT",
    "formerr": "FORMERR without a question",
    "port": "an answer from another port",
}
for shape in SHAPES:
    source = {
        "port": "RFC 5452 9.1",
        "chain": "CVE-2026-42304",
        "longname": "CVE-2026-52682",
        "idoffbyone": "CVE-2026-33602",
    }
    TABLE.row(
        f"a bad datagram ahead of the good one is waited out: {TITLES[shape]}",
        source.get(shape, "TuDoor, CVE-2023-28452"),
        edns("{}." + f"{shape}.forged.example"),
        NOERROR,
        data(GOOD),
        over=(UDP,),
    )


@TABLE.story(
    "a thousand forged answers are no answer, and make it ask over TCP",
    "RFC 5452 9.3, CVE-2020-25705",
    over=(UDP,),
)
def _(case):
    with_fresh_ports(case)
    meets(case.ask(ask("{}.spoofed.example"), patience=5), NOERROR, data(PLAIN_A))


@TABLE.story("forged answers do not make a server count as down", "CVE-2023-26437", over=(UDP,))
def _(case):
    for number in range(5):
        meets(case.ask(ask(f"{case.label}{number}.wrongid.forged.example")), NOERROR, data(GOOD), within(0.5))


@TABLE.story("an answer at the port of another question is none", "DNSpooq CVE-2020-25684", over=(UDP,))
def _(case):
    with_fresh_ports(case)
    crossing(case)


@TABLE.story("an answer with the id of another question is none", "RFC 5452 9.1", over=(UDP,))
def _(case):
    crossing(case, "id")


def with_fresh_ports(case):
    """Servers on loopback, where nobody else can forge, share ports by default; here they are as any other's."""
    if case.peer.own:
        case.restart(extra={"route": {".": {"ports": "fresh"}}})


def crossing(case, how=""):
    with case.udp() as sock:
        sock.send(case.packet(ask(f"victim{how}{{}}.crossed.example"), 1))
        time.sleep(0.05)
        sock.send(case.packet(ask(f"other{how}{{}}.crossed.example"), 2))
        found = {}
        while len(found) < 2:
            packet = sock.recv(4096)
            found[packet[:2]] = packet
    if bytes(map(int, BAD.split("."))) in b"".join(found.values()):
        raise Broken("the forged address was taken")


@TABLE.story("a question with the same CRC32 is another question", "DNSpooq CVE-2020-25685", over=(UDP,))
def _(case):
    # Both questions, with type A and class IN, have one CRC32.
    def script(heard):
        other = wire("uejgtcuo.crc1.example") + heard.question[-4:]
        return [say(heard, [address(BAD)], question=other), say(heard, [address(GOOD)], (), own_opt(heard))]

    case.restart(routes={"crc1.example": (case.play(script).port,)})
    meets(case.ask(ask("iiwucoup.crc1.example")), NOERROR, data(GOOD))


def burst(case, questions, patience=3.0):
    """All questions at once over one socket; how many answers, and the last of them."""
    with case.udp() as sock:
        for number, question in enumerate(questions):
            sock.send(case.packet(question, number))
        got = 0
        sock.settimeout(patience)
        try:
            while got < len(questions):
                sock.recv(65535)
                got += 1
                sock.settimeout(1.0)
        except TimeoutError:
            pass
    return got


@TABLE.story("50 who ask the same at the same time are one question", "DNSpooq CVE-2020-25686, RFC 5452 5", over=(UDP,))
def _(case):
    got = burst(case, [ask("{}.300ms.slow.example")] * 50)
    count = len(case.heard("slow.example"))
    if got != 50 or count != 1:
        raise Broken(f"{got} answers, {count} questions to the upstream")


@TABLE.story(
    "other cookies, subnets, sizes, spellings do not part those who ask the same",
    "CVE-2025-5994, CVE-2025-30192",
    over=(UDP,),
)
def _(case):
    def variant(number):
        options = (
            (10, secrets.token_bytes(8)),
            (8, b"\0\1\x18\0" + secrets.token_bytes(3)),
            (12, b"\0" * number),
            (65001, secrets.token_bytes(4)),
        )
        name = "{}.300MS.slow.example" if number % 2 else "{}.300ms.SLOW.example"
        return edns(name, size=1232 + number, options=options)

    got = burst(case, [variant(number) for number in range(40)])
    count = len(case.heard("slow.example"))
    if got != 40 or count > 1:
        raise Broken(f"{got} answers, {count} questions to the upstream")


@TABLE.story(
    "identical questions for a Consul name are one question, where that is wanted",
    "RFC 5452 5, consul#4713",
    over=(UDP,),
)
def _(case):
    stage = case.stage("consul")
    if case.peer.own:  # by default each is asked, so that no answer is older than its question
        stage = case.play(consul)
        case.restart(routes={"consul": (stage.port,)}, extra={"route": {"consul": {"join": True}}})
    got = burst(case, [ask("{}.slow.service.consul")] * 50)
    count = len(stage.about(case.label))
    if got != 50 or count > 2:
        raise Broken(f"{got} answers, {count} questions to Consul")


@TABLE.story("the spelling of questions to a general upstream varies (0x20)", "draft-vixie-dnsext-dns0x20", over=(UDP,))
def _(case):
    for number in range(8):
        meets(case.ask(ask(f"{case.label}abcdefghijklmnop{number}.plain.example")), NOERROR)
    spelled = {b".".join(heard.labels)[-20:] for heard in case.heard()}
    if len(spelled) < 4:
        raise Broken(f"{len(spelled)} spellings in 8 questions")


@TABLE.story(
    "an upstream that does not keep the spelling is asked all the same", "draft-vixie-dnsext-dns0x20", over=(UDP,)
)
def _(case):
    for number in range(3):
        meets(case.ask(ask(f"{case.label}{number}.lower.example"), patience=4), NOERROR, data(PLAIN_A), within(2.5))


@TABLE.story("questions to Consul keep their spelling", "consul-dns", over=(UDP,))
def _(case):
    meets(case.ask(ask("{}.web.service.consul")), NOERROR)
    names = {b".".join(heard.labels) for heard in case.heard("consul")}
    if any(name != name.lower() for name in names):
        raise Broken(str(names))


for route, name in (("corp.example", "{}.corp.example"), (".", "{}.poison.example")):

    @TABLE.story(
        f"records of other names in an answer change nothing for them (route {route})",
        "MaginotDNS CVE-2021-25220",
        over=(UDP,),
    )
    def _(case, name=name):
        meets(case.ask(ask(name)), NOERROR)
        for victim in ("www.plain.example", "victim.plain.example", "web.service.consul", "{}.plain.example"):
            answer = meets(case.ask(ask(victim)), NOERROR)
            if BAD in answer.data():
                raise Broken(f"{victim} has {BAD}")


@TABLE.story(
    "records from outside a route's domains are not passed on to clients",
    "MaginotDNS, RFC 2181 5.4.1",
    over=(UDP,),
)
def _(case):
    message = meets(case.ask(edns("{}.corp.example")), NOERROR).message
    foreign = [str(found.name) for found in (*message.authority, *message.additional) if "corp" not in str(found.name)]
    if foreign:
        raise Broken(f"records of {', '.join(foreign[:3])}")


@TABLE.story("ports and ids towards an upstream do not repeat a pattern", "RFC 5452 9.2", over=(UDP,))
def _(case):
    for number in range(60):
        case.must(ask(f"{case.label}{number}.plain.example"))
    heard = [one for one in case.heard() if one.transport == UDP]
    ids = [int.from_bytes(one.packet[:2], "big") for one in heard]
    if len(set(ids)) < 55 or not any(one > 50_000 for one in ids) or not any(one < 15_000 for one in ids):
        raise Broken(f"{len(set(ids))} ids in {len(ids)} questions, from {min(ids)} to {max(ids)}")
