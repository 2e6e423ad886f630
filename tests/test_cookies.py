import pytest
from builders import CLIENT, World, a_query, parsed
from dns.edns import CookieOption

from panteras_dns.cookies import Cookies

CLIENT_COOKIE = b"clientid"


def cookie_in(packet: bytes) -> bytes:
    """The cookie of an answer, client's and server's part."""
    (option,) = [option for option in parsed(packet).options if option.otype == 10]
    return option.to_wire()


def with_cookie(name: str, server: bytes = b"", **options) -> bytes:
    return a_query(name, use_edns=0, options=[CookieOption(CLIENT_COOKIE, server)], **options)


@pytest.mark.parametrize("name", ["web.service.consul", "www.example.com", "x.onion"])
def test_every_answer_to_a_cookie_carries_the_client_s_and_ours(name):
    world = World()
    world.ask(with_cookie(name))
    for server in (*world.consul, *world.upstream):
        if server.asked:
            world.answer(server, f"{name}. 60 A 10.0.0.1")

    cookie = cookie_in(world.sent[-1])

    assert cookie[:8] == CLIENT_COOKIE
    assert world.forwarder.cookies.valid(cookie, CLIENT[0], world.now)


def test_answers_from_cache_carry_each_client_s_own_cookie():
    world = World()
    world.ask(a_query("www.example.com"))
    world.answer(world.upstream[0], "www.example.com. 60 A 10.0.0.1")
    cookies = []
    for _ in range(3):
        world.now += 2
        cookies.append(cookie_in(world.ask(with_cookie("www.example.com"))))

    assert len(set(cookies)) == 3


def test_a_cookie_of_the_wrong_length_is_a_format_error():
    from dns.edns import GenericOption

    answer = parsed(World().ask(a_query(use_edns=0, options=[GenericOption(10, b"short")])))

    assert (answer.rcode(), answer.edns) == (1, 0)


def test_a_cookie_is_good_for_its_client_its_time_and_its_server_only():
    cookies, packet = Cookies(b"secret"), b"..." + CLIENT_COOKIE + bytes(16)
    cookie = cookies.stamp(packet, "10.0.0.1", 1000)[-24:]

    assert cookies.valid(cookie, "10.0.0.1", 1000 + 3600)
    assert not cookies.valid(cookie, "10.0.0.2", 1000)
    assert not cookies.valid(cookie, "10.0.0.1", 1000 + 3601)
    assert not cookies.valid(cookie, "10.0.0.1", 100)
    assert not cookies.valid(b"otherone" + cookie[8:], "10.0.0.1", 1000)
    assert not Cookies(b"other").valid(cookie, "10.0.0.1", 1000)
    assert not cookies.valid(CLIENT_COOKIE, "10.0.0.1", 1000)


def test_a_stranger_gets_no_cookie():
    world, refused = World(), []
    world.forwarder.handle([(with_cookie("www.example.com"), ("192.0.2.9", 1))], 0, refused.append, world.now)

    ((packet, _),) = refused
    assert parsed(packet).rcode() == 5
    assert [option.otype for option in parsed(packet).options] == [15]


def test_a_signed_reply_goes_out_as_it_came():
    import dns.message
    import dns.tsigkeyring

    message = dns.message.make_query("www.example.com", "A", use_edns=0, options=[CookieOption(CLIENT_COOKIE, b"")])
    message.use_tsig(dns.tsigkeyring.from_text({"key.": "c2VjcmV0c2VjcmV0"}))
    world = World()
    world.ask(message.to_wire())
    asked = world.upstream[0].asked[-1]
    sealed = asked[:2] + bytes([asked[2] | 0x80]) + asked[3:]

    assert world.deliver(world.upstream[0], sealed) == message.to_wire()[:2] + sealed[2:]
