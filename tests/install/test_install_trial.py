"""A gateway that is asked directly, and programs of this host that ask whom they ask."""

import subprocess
from typing import ClassVar

import pytest
from builders import a_reply
from program import a_record

from panteras_dns.doctor.finding import Unseen
from panteras_dns.doctor.host import Host
from panteras_dns.endpoint import Endpoint
from panteras_dns.install.trial import Trial, known, resolve
from panteras_dns.install.trouble import Trouble


def no_such_name(query: bytes, _: str) -> bytes:
    return a_reply(query, rcode=3)


def failed(query: bytes, _: str) -> bytes:
    return a_reply(query, rcode=2)


def trial_of(running, **given) -> Trial:
    return Trial(server=Endpoint("127.0.0.1", running.port), tries=1, **given)


def started(gateway, responder, consul, upstream):
    options = ("--consul", str(responder(consul)), "--upstream", str(responder(upstream)))
    return gateway("--listen", "127.0.0.1:0", *options).ready()


def test_a_gateway_with_answers_from_consul_and_from_upstream_is_fine(served) -> None:
    trial_of(served[0]).gateway()


def test_consul_that_has_no_such_name_answers_all_the_same(gateway, responder) -> None:
    trial_of(started(gateway, responder, no_such_name, no_such_name)).gateway()


@pytest.mark.parametrize(
    ("consul", "upstream", "said"),
    [
        (failed, no_such_name, "no answer from Consul over UDP: panteras explain consul.service.consul"),
        (no_such_name, failed, "no answer from its upstream servers over UDP"),
    ],
)
def test_who_does_not_answer_the_gateway_is_named(gateway, responder, consul, upstream, said) -> None:
    with pytest.raises(Trouble, match=said):
        trial_of(started(gateway, responder, consul, upstream)).gateway()


def test_another_server_is_no_gateway(responder) -> None:
    with pytest.raises(Trouble, match=r"no gateway answers at 127\.0\.0\.1:"):
        trial_of(responder(a_record("192.0.2.1"))).gateway()


def test_programs_of_this_host_have_to_find_what_the_gateway_knows(served) -> None:
    with pytest.raises(Trouble, match=r"programs of this host do not find consul\.service\.consul"):
        trial_of(served[0]).host()


def test_programs_of_this_host_have_to_find_what_they_found_before(gateway, responder) -> None:
    running = started(gateway, responder, no_such_name, no_such_name)
    trial_of(running, names=("localhost",)).host()

    with pytest.raises(Trouble, match=r"could look up a\.\.b before, and can't any more"):
        trial_of(running, names=("localhost", "a..b")).host()


def test_a_fresh_process_looks_up() -> None:
    found = resolve(["localhost", "a..b"])

    assert {"127.0.0.1", "::1"} & set(found["localhost"])
    assert found["a..b"] == []


def test_a_name_that_is_asked_for_must_be_there_before() -> None:
    assert "localhost" in known(["localhost"], others=())
    with pytest.raises(Trouble, match=r"--name a\.\.b: this host can't look it up now") as raised:
        known(["a..b"], others=())
    assert raised.value.status == 2


class Looked(Host):
    """*reached*: by container, whether it gets through, or why that can't be seen."""

    reached: ClassVar[dict[int, object]] = {}

    def command(self, *words):
        told = {"ps": "0123456789ab\n", "inspect": "".join(f"{pid}\t/c{pid}\tn{pid}\t/\t0\n" for pid in self.reached)}
        return told.get(words[1])

    def ask_inside(self, pid, server):
        found = self.reached[pid]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize(
    ("reached", "lost"),
    [
        ({}, ""),
        ({1: True}, ""),
        ({1: True, 2: False}, "c2"),
        ({1: None}, "c1"),
        ({1: Unseen("nsenter: cannot open /proc/1/ns/net")}, ""),
        ({1: subprocess.TimeoutExpired("nsenter", 20), 2: None}, "c2"),
    ],
)
def test_containers_have_to_reach_it_where_they_will_ask(monkeypatch, reached, lost) -> None:
    monkeypatch.setattr(Looked, "reached", reached)
    Trial(machine=Looked(), tries=1).containers()  # without a bridge nobody asks
    trial = Trial(machine=Looked(), bridge="172.17.0.1", tries=1)
    if not lost:
        trial.containers()
        return
    with pytest.raises(Trouble, match=f"the container {lost} does not reach the gateway at 172.17.0.1"):
        trial.containers()
