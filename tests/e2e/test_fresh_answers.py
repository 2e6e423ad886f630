"""What the gateway says is what Consul holds for true at that moment, and nothing else."""

from collections.abc import Callable

from lab import addresses, dig
from lab.consul import Consul, reached_by_tcp
from lab.gateway import Gateway
from lab.instance import PORT, Instance
from lab.namespace import Namespace
from lab.resolver import CROWD, WWW_ADDRESS, Resolver

NAME = "python1.service.consul"
ONE, OTHER = addresses.PYTHON1
LONGEST_FAILURE = 2.5


def test_all_registered_instances_are_in_the_answer(host: Namespace, consul: Consul, gateway: Gateway) -> None:
    consul.register("python1", ONE, OTHER, port=PORT)

    reply = dig.ask(host, "127.0.0.1", NAME)

    assert (reply.status, reply.addresses) == ("NOERROR", {ONE, OTHER})
    assert {record.ttl for record in reply.answer} == {0}
    assert "ra" in reply.flags


def test_srv_answers_carry_ports_and_the_addresses_of_their_targets(
    host: Namespace, consul: Consul, gateway: Gateway
) -> None:
    consul.register("python1", ONE, OTHER, port=PORT)

    reply = dig.ask(host, "127.0.0.1", NAME, "SRV")

    targets = {data.split()[3] for data in reply.of("SRV")}
    found = {record.name: record.data for record in reply.additional if record.kind == "A"}
    assert {data.split()[2] for data in reply.of("SRV")} == {str(PORT)}
    assert {found[target] for target in targets} == {ONE, OTHER}


def test_a_killed_instance_is_gone_from_the_very_next_answer(
    host: Namespace, consul: Consul, python1: list[Instance], gateway: Gateway
) -> None:
    for instance in python1:
        consul.register("python1", instance.address, port=PORT, check=reached_by_tcp(instance.address, PORT))
    consul.wait_for_passing("python1", ONE, OTHER)
    assert dig.ask(host, "127.0.0.1", NAME).addresses == {ONE, OTHER}

    python1[0].stop()
    consul.wait_for_passing("python1", OTHER)

    assert dig.ask(host, "127.0.0.1", NAME).addresses == {OTHER}
    assert len(dig.ask(host, "127.0.0.1", NAME, "SRV").of("SRV")) == 1


def test_a_deregistered_instance_is_gone_from_the_very_next_answer(
    host: Namespace, consul: Consul, gateway: Gateway
) -> None:
    consul.register("python1", ONE, OTHER)
    assert dig.ask(host, "127.0.0.1", NAME).addresses == {ONE, OTHER}

    consul.deregister("python1", ONE)

    assert dig.ask(host, "127.0.0.1", NAME).addresses == {OTHER}


def test_a_name_that_did_not_exist_exists_as_soon_as_it_is_registered(
    host: Namespace, consul: Consul, gateway: Gateway
) -> None:
    assert dig.ask(host, "127.0.0.1", NAME).status == "NXDOMAIN"

    consul.register("python1", ONE)

    assert dig.ask(host, "127.0.0.1", NAME).addresses == {ONE}


def test_a_stopped_consul_is_a_failure_and_not_a_missing_name(
    host: Namespace, consul: Consul, gateway: Gateway
) -> None:
    consul.register("python1", ONE)
    assert dig.ask(host, "127.0.0.1", NAME).status == "NOERROR"

    consul.stop()
    replies = [dig.ask(host, "127.0.0.1", NAME) for _ in range(3)]

    assert {(reply.status, reply.answer) for reply in replies} == {("SERVFAIL", ())}
    assert max(reply.seconds for reply in replies) < LONGEST_FAILURE


def test_a_silent_consul_is_a_failure_and_not_a_missing_name(host: Namespace, consul: Consul, gateway: Gateway) -> None:
    consul.register("python1", ONE)

    consul.freeze()
    reply = dig.ask(host, "127.0.0.1", NAME)

    assert (reply.status, reply.answer) == ("SERVFAIL", ())
    assert reply.seconds < LONGEST_FAILURE


def test_nothing_of_a_failure_is_remembered_when_consul_is_back(
    host: Namespace, consul: Consul, gateway: Gateway
) -> None:
    consul.register("python1", ONE)
    consul.stop()
    for _ in range(5):  # enough to have its agent marked as down
        assert dig.ask(host, "127.0.0.1", NAME).status == "SERVFAIL"

    consul.start()
    consul.register("python1", OTHER)
    first = dig.ask(host, "127.0.0.1", NAME)

    assert (first.status, first.addresses) == ("NOERROR", {OTHER})


def test_nothing_of_a_silence_is_remembered_when_consul_speaks_again(
    host: Namespace, consul: Consul, gateway: Gateway
) -> None:
    consul.register("python1", ONE)
    consul.freeze()
    for _ in range(2):
        assert dig.ask(host, "127.0.0.1", NAME).status == "SERVFAIL"

    consul.thaw()
    first = dig.ask(host, "127.0.0.1", NAME)

    assert (first.status, first.addresses) == ("NOERROR", {ONE})


def test_consul_names_never_leave_the_host(
    host: Namespace, consul: Consul, resolver: Resolver, gateway: Gateway
) -> None:
    consul.stop()

    for name in (NAME, "PYTHON1.Service.CONSUL", "consul", "nothing.service.consul"):
        dig.ask(host, "127.0.0.1", name)
    dig.ask(host, "127.0.0.1", "not-consul")

    assert resolver.asked_for("not-consul")
    assert [line for line in resolver.asked_for("consul") if "not-consul" not in line] == []


def test_other_names_come_from_the_resolver_of_the_host(host: Namespace, gateway: Gateway) -> None:
    reply = dig.ask(host, "127.0.0.1", "www.example")
    missing = dig.ask(host, "127.0.0.1", "missing.example")

    assert (reply.status, reply.addresses) == ("NOERROR", {WWW_ADDRESS})
    assert (missing.status, [record.kind for record in missing.authority]) == ("NXDOMAIN", ["SOA"])
    assert "ra" in reply.flags


def test_other_names_are_remembered_while_their_resolver_is_down(
    host: Namespace, resolver: Resolver, gateway: Gateway
) -> None:
    assert dig.ask(host, "127.0.0.1", "www.example").addresses == {WWW_ADDRESS}

    resolver.stop()

    assert dig.ask(host, "127.0.0.1", "www.example").addresses == {WWW_ADDRESS}


def test_an_answer_too_large_for_the_resolvers_udp_is_fetched_over_tcp(host: Namespace, gateway: Gateway) -> None:
    reply = dig.ask(host, "127.0.0.1", "crowd.example", "A", "+tcp")

    assert len(reply.addresses) == CROWD


def test_an_agent_of_ones_choice_is_asked(
    host: Namespace, consul: Consul, resolver: Resolver, serve: Callable[..., Gateway]
) -> None:
    consul.register("python1", ONE)
    serve("--listen", "127.0.0.1:5301", "--consul", "127.0.0.1:8600", "--upstream", addresses.RESOLVER)

    assert dig.ask(host, "127.0.0.1", NAME, port=5301).addresses == {ONE}
    assert dig.ask(host, "127.0.0.1", "www.example", port=5301).addresses == {WWW_ADDRESS}
