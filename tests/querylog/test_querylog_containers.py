"""The engine's records of containers as names of clients."""

import pytest

from panteras_dns.querylog.containers import named


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ({"Names": ["/web-1"], "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}}}, {"172.17.0.2": "web-1"}),
        (
            {"Names": ["/web-1/db", "/db-1"], "NetworkSettings": {"Networks": {"a": {"IPAddress": "172.17.0.2"}}}},
            {"172.17.0.2": "db-1"},
        ),
        (
            {
                "Names": ["/web-1"],
                "NetworkSettings": {
                    "Networks": {
                        "a": {"IPAddress": "10.1.0.2", "GlobalIPv6Address": "fd00::2"},
                        "b": {"IPAddress": "10.2.0.2", "GlobalIPv6Address": ""},
                    }
                },
            },
            {"10.1.0.2": "web-1", "fd00::2": "web-1", "10.2.0.2": "web-1"},
        ),
        ({"Names": ["/web-1"], "NetworkSettings": {"Networks": {"host": {"IPAddress": ""}}}}, {}),
        ({"Names": None, "NetworkSettings": None}, {}),
    ],
    ids=["one network", "also linked", "two networks", "the host's network", "nothing"],
)  # fmt: skip
def test_each_address_of_a_container_leads_to_its_own_name(record, names):
    assert named([record]) == names
