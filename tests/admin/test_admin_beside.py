"""What is shown beside the workers' numbers, also when nobody knows it."""

import json
import time

import pytest
from builders import a_consul
from twisted.internet.task import Clock

from panteras_dns.admin.beside import AGAIN, Beside, people
from panteras_dns.admin.status import Around

FINE = {"/v1/catalog/services": {"web": []}, "/v1/health/state/any": []}


def test_services_that_are_not_known_any_more_are_not_shown_as_before():
    reactor, around, consul = Clock(), Around("host", "1", 0.0), a_consul(FINE)
    beside = Beside(reactor, consul, "", around)
    beside.look(0.0)
    assert [one["name"] for one in around.services.value] == ["web"]

    consul._api.said = {**FINE, "/v1/catalog/services": {"web": 5}}
    reactor.advance(AGAIN)
    beside.look(0.0)

    assert around.services.value is None
    assert "not what Consul would say" in around.services.problem


def test_a_bug_is_a_reason_as_any_other():
    reactor, around, consul = Clock(), Around("host", "1", 0.0), a_consul(FINE)
    beside = Beside(reactor, consul, "", around)
    beside.look(0.0)

    consul._api.said = {}  # a path that was not thought of
    reactor.advance(AGAIN)
    known = beside.look(0.0)

    assert known.called
    assert around.services.value is None
    assert "KeyError" in around.services.problem


@pytest.mark.parametrize("text", ["[" * 200_000, "[]", "5", '{"at": 1' + "0" * 400 + "}", "\xff", ""])
def test_a_file_that_the_doors_did_not_write_is_told_as_such(tmp_path, text):
    path = tmp_path / "people.json"
    path.write_text(text)

    sessions, ending = people(str(path), time.time())

    assert sessions.value is ending.value is None
    assert sessions.problem == f"{path}: not what `panteras access tell` writes"


def test_people_are_told(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"at": 100.0, "sessions": [], "ending": [], "silent": []}))

    assert people(str(path), 110.0)[0].value == []
