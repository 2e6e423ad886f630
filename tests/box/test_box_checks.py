"""SERVICE_CHECK_*: each kind as Consul's agent takes it, and what can't be meant left out with a reason."""

import json

import pytest
from cargo import ID, TEXT
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.box.checks import check


def made(address: str = "10.0.0.5", **said: str):
    return check({f"check_{key}": value for key, value in said.items()}, address, 32768, ID)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"http": "/health"}, {"HTTP": "http://10.0.0.5:32768/health"}),
        ({"http": "health?deep=1"}, {"HTTP": "http://10.0.0.5:32768/health?deep=1"}),
        ({"http": "/", "http_method": "head"}, {"HTTP": "http://10.0.0.5:32768/", "Method": "HEAD"}),
        ({"https": "/health"}, {"HTTP": "https://10.0.0.5:32768/health"}),
        (
            {"https": "/", "https_method": "POST", "tls_skip_verify": "true"},
            {"HTTP": "https://10.0.0.5:32768/", "Method": "POST", "TLSSkipVerify": True},
        ),
        ({"https": "/", "tls_skip_verify": "false"}, {"HTTP": "https://10.0.0.5:32768/"}),
        (
            {"cmd": "test -f /ready && echo $HOME"},
            {
                "DockerContainerID": ID,
                "Shell": "/bin/sh",
                "Args": ["/bin/sh", "-c", "test -f /ready && echo $HOME"],
            },
        ),
        (
            {"script": "nc -z $SERVICE_IP $SERVICE_PORT 'a b'"},
            {"Args": ["nc", "-z", "10.0.0.5", "32768", "a b"]},
        ),
        ({"tcp": "true"}, {"TCP": "10.0.0.5:32768"}),
        ({"grpc": "true"}, {"GRPC": "10.0.0.5:32768"}),
        (
            {"grpc": "shop.Cart", "grpc_use_tls": "1", "tls_skip_verify": "yes"},
            {"GRPC": "10.0.0.5:32768/shop.Cart", "GRPCUseTLS": True, "TLSSkipVerify": True},
        ),
    ],
)
def test_each_kind_is_as_consul_takes_it(said, expected) -> None:
    assert made(**said) == ({**expected, "Interval": "10s"}, [])


def test_a_ttl_has_no_interval_and_no_timeout() -> None:
    assert made(ttl="30s", interval="5s", timeout="1s") == ({"TTL": "30s"}, [])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"http": "/"}, {"HTTP": "http://[fd00::5]:32768/"}),
        ({"tcp": "1"}, {"TCP": "[fd00::5]:32768"}),
        ({"grpc": "on"}, {"GRPC": "[fd00::5]:32768"}),
        ({"script": "ping $SERVICE_IP $SERVICE_PORT"}, {"Args": ["ping", "fd00::5", "32768"]}),
    ],
)
def test_an_address_of_ipv6_stands_in_brackets_where_a_port_follows(said, expected) -> None:
    assert made("fd00::5", **said) == ({**expected, "Interval": "10s"}, [])


def test_how_often_how_long_and_what_then_go_along() -> None:
    assert made(tcp="1", interval="1m30s", timeout="500ms", deregister_after="1.5h", initial_status="passing") == (
        {
            "TCP": "10.0.0.5:32768",
            "Interval": "1m30s",
            "Timeout": "500ms",
            "DeregisterCriticalServiceAfter": "1.5h",
            "Status": "passing",
        },
        [],
    )


def test_the_first_kind_counts_in_the_order_of_registrator() -> None:
    order = ["http", "https", "cmd", "script", "ttl", "tcp", "grpc"]
    every = dict.fromkeys(order, "30s")

    for at, kind in enumerate(order):
        assert made(**{one: every[one] for one in reversed(order[at:])}) == made(**{kind: "30s"})


@pytest.mark.parametrize("said", [{}, {"interval": "5s", "timeout": "soon"}, {"http": ""}, {"dns": "x"}])
def test_without_a_kind_there_is_no_check(said) -> None:
    assert made(**said) == (None, [])


@pytest.mark.parametrize(
    ("key", "word"),
    [("interval", "Interval"), ("timeout", "Timeout"), ("deregister_after", "DeregisterCriticalServiceAfter")],
)
@pytest.mark.parametrize("wrong", ["soon", "10", "s", "-5s", "5 s", "5s\n", "5d", "{{ x }}", "1" * 5000])
def test_a_duration_that_is_none_is_left_out_and_told(key, word, wrong) -> None:
    found, told = made(tcp="1", **{key: wrong})

    assert found == {"TCP": "10.0.0.5:32768", "Interval": "10s"}
    assert told == [f"SERVICE_CHECK_{key.upper()}: {wrong[:40]!r}: expected a duration like 15s"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"ttl": "soon"}, "SERVICE_CHECK_TTL: left out: 'soon': expected a duration like 30s"),
        (
            {"http": "/", "http_method": "GET x"},
            "SERVICE_CHECK_HTTP: left out: SERVICE_CHECK_HTTP_METHOD 'GET X' is none",
        ),
        ({"script": "echo 'open"}, "SERVICE_CHECK_SCRIPT: left out: No closing quotation"),
        ({"http": "/\nHost: x"}, "SERVICE_CHECK_HTTP: left out: expected one line of at most 2048 characters"),
        ({"cmd": "x" * 2049}, "SERVICE_CHECK_CMD: left out: expected one line of at most 2048 characters"),
        ({"tcp": "\x00"}, "SERVICE_CHECK_TCP: left out: expected one line of at most 2048 characters"),
    ],
)
def test_a_check_that_can_not_be_meant_is_left_out_and_told(said, why) -> None:
    assert made(**said) == (None, [why])


def test_a_status_to_begin_with_is_one_of_three() -> None:
    assert made(tcp="1", initial_status="fine") == (
        {"TCP": "10.0.0.5:32768", "Interval": "10s"},
        ["SERVICE_CHECK_INITIAL_STATUS: 'fine': expected passing, warning or critical"],
    )


WORDS = "http https cmd script ttl tcp grpc interval timeout deregister_after initial_status http_method grpc_use_tls"
KEYS = st.sampled_from(WORDS.split()).map("check_".__add__)


@given(st.dictionaries(KEYS, TEXT))
def test_any_text_is_a_check_that_json_can_hold_or_none(said) -> None:
    found, told = check(said, "10.0.0.5", 32768, ID)

    assert found is None or json.loads(json.dumps(found)) == found
    assert all(line.isprintable() for line in told)
