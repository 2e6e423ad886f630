"""The engine's records of containers as names of clients."""

import pytest
from builders import FakeApi, succeeded

from panteras_dns.querylog.containers import _names, named
from panteras_dns.rest import Unreachable


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


@pytest.mark.parametrize(
    "told",
    [
        [5, None],
        [{"Names": 5}],
        [{"NetworkSettings": [1]}],
        [{"NetworkSettings": {"Networks": {"a": 5}}}],
        {},
        "",
        "<html>Welcome</html>",
        None,
    ],
    ids=repr,
)
def test_what_is_no_list_of_containers_is_a_reason(told):
    with pytest.raises(Unreachable, match="the engine answered 200"):
        succeeded(_names(FakeApi({"/containers/json": told})))
