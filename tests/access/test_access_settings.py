"""door.toml: what is taken, and how what is not is told."""

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.access.settings import Settings, read, settings
from panteras_dns.access.trouble import Misuse

GOOD = 'networks = ["10.1.0.0/16"]\ndns = "10.1.0.1"\n'


def test_what_is_written_is_read():
    chosen = settings(["10.1.0.0/16", "fd00::/64"], "fd00::1", "dc1.example", "door")

    assert read(chosen.as_text().encode(), "door.toml") == chosen


def test_domain_and_account_have_defaults():
    expected = Settings((ipaddress.ip_network("10.1.0.0/16"),), ipaddress.ip_address("10.1.0.1"), "consul", "tunnel")

    assert read(GOOD.encode(), "door.toml") == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "door.toml: networks: none, expected those of the services"),
        ('networks = "10.1.0.0/16"', "door.toml: networks: expected a list"),
        ('networks = ["web"]\ndns = "10.1.0.1"', "door.toml: networks[0]: not a network: 'web', expected one like"),
        ('networks = ["10.1.0.1/16"]\ndns = "10.1.0.1"', "door.toml: networks[0]: not a network: '10.1.0.1/16'"),
        ('networks = [7]\ndns = "10.1.0.1"', "door.toml: networks[0]: not a network: 7"),
        ('networks = ["127.0.0.0/8"]\ndns = "10.1.0.1"', "door.toml: networks[0]: 127.0.0.0/8 can't be reached"),
        ('networks = ["169.254.0.0/16"]\ndns = "10.1.0.1"', "door.toml: networks[0]: 169.254.0.0/16 can't be reached"),
        ('networks = ["10.1.0.0/16"]', "door.toml: dns: not an address: None"),
        ('networks = ["10.1.0.0/16"]\ndns = "dns1"', "door.toml: dns: not an address: 'dns1'"),
        ('networks = ["10.1.0.0/16"]\ndns = "127.0.0.1"', "door.toml: dns: 127.0.0.1 is the container itself"),
        (GOOD + 'domain = "Con sul"', "door.toml: domain: 'Con sul', expected a name like 'consul'"),
        (GOOD + "domain = 7", "door.toml: domain: 7, expected"),
        (GOOD + 'account = "Root!"', "door.toml: account: 'Root!', expected an account like 'tunnel'"),
        (GOOD + 'port = 22', "door.toml: port: unknown key, expected one of account, dns, domain, networks"),
        (GOOD + "networks", "door.toml: not TOML: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_file_and_key(text, told):
    with pytest.raises(Misuse) as problem:
        read(text.encode(), "door.toml")

    assert str(problem.value).startswith(told)
    assert "\n" not in str(problem.value)


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: (GOOD + text).encode())))
def test_any_bytes_are_settings_or_misuse(data):
    with contextlib.suppress(Misuse):
        assert isinstance(read(data, "door.toml"), Settings)
