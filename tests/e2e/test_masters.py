"""Many machines: three Consul servers of which one is killed, workers, and a second datacenter."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.cluster import Agent, Lan
from lab.dig import ask
from lab.gateway import Gateway
from lab.namespace import Namespace
from lab.patience import eventually

MASTERS = {"master1": "10.79.0.1", "master2": "10.79.0.2", "master3": "10.79.0.3"}
WORKER, ELSEWHERE = "10.79.0.9", "10.79.0.17"
SERVERS = ",".join(MASTERS.values())


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    made = Lan("lan")
    yield made
    made.delete()


@pytest.fixture(scope="module")
def machines(lan: Lan) -> dict[str, Namespace]:
    return {role: lan.machine(role, ip) for role, ip in {**MASTERS, "worker": WORKER}.items()}


@pytest.fixture(scope="module")
def agents(machines: dict[str, Namespace], scratch: Path) -> Iterator[dict[str, Agent]]:
    """Three masters and a worker of dc1."""
    said = {"CONSUL_HOSTS": SERVERS}
    made: dict[str, Agent] = {}
    try:
        for role, ip in MASTERS.items():
            made[role] = Agent(machines[role], scratch, "master", IP=ip, **said)
        made["worker"] = Agent(machines["worker"], scratch, "worker", IP=WORKER, **said)
        eventually(made["worker"].leader, "a leader", within=40)
        eventually(lambda: len(made["worker"].ask("status/peers")) == len(MASTERS), "three servers", within=20)
        yield made
    finally:
        for agent in made.values():
            agent.stop()


@pytest.fixture(scope="module")
def gateways(machines: dict[str, Namespace], agents: dict[str, Agent], scratch: Path) -> Iterator[dict[str, Gateway]]:
    """The DNS of each machine."""
    made = {role: Gateway(machine, scratch / f"dns-{role}.log") for role, machine in machines.items()}
    yield made
    for gateway in made.values():
        gateway.stop()
        gateway.verify_log()


def test_names_resolve_while_one_of_three_servers_is_killed_and_new_ones_appear(
    machines: dict[str, Namespace], agents: dict[str, Agent], gateways: dict[str, Gateway], scratch: Path
) -> None:
    worker, agent = machines["worker"], agents["worker"]
    agent.register({"Name": "before", "Address": WORKER, "Port": 80})
    for role, machine in machines.items():
        eventually(
            lambda m=machine: ask(m, "127.0.0.1", "before.service.consul").addresses == {WORKER}, f"before, {role}"
        )

    leads = next(role for role, ip in MASTERS.items() if ip == agent.leader())
    agents[leads].signal(signal.SIGKILL)
    agents[leads].wait(within=10)
    answers = [ask(worker, "127.0.0.1", "before.service.consul") for _ in range(100)]
    eventually(lambda: agent.leader() not in {"", MASTERS[leads]}, "another leader", within=30)
    agent.register({"Name": "after", "Address": WORKER, "Port": 81})
    left = [role for role in machines if role != leads]
    for role in left:
        machine = machines[role]
        eventually(
            lambda m=machine: ask(m, "127.0.0.1", "after.service.consul").addresses == {WORKER}, f"after, {role}"
        )

    assert {answer.status for answer in answers} == {"NOERROR"}
    assert all(answer.addresses == {WORKER} for answer in answers)

    agents[leads] = Agent(machines[leads], scratch, "master", IP=MASTERS[leads], CONSUL_HOSTS=SERVERS)
    back = machines[leads]
    eventually(lambda: ask(back, "127.0.0.1", "after.service.consul").addresses == {WORKER}, "it is back", within=30)


def test_the_names_of_another_datacenter_resolve_over_wan(
    lan: Lan, machines: dict[str, Namespace], agents: dict[str, Agent], gateways: dict[str, Gateway], scratch: Path
) -> None:
    far = lan.machine("far", ELSEWHERE)
    agent = Agent(far, scratch, "stand-alone", IP=ELSEWHERE, DC="dc2", WAN_HOSTS=SERVERS)
    try:
        eventually(lambda: agent.leader() == ELSEWHERE, "a leader of dc2", within=40)
        agent.register({"Name": "distant", "Address": ELSEWHERE, "Port": 80})
        name = "distant.service.dc2.consul"
        worker = machines["worker"]
        eventually(lambda: ask(worker, "127.0.0.1", name).addresses == {ELSEWHERE}, name, within=40, every=0.5)
    finally:
        agent.stop()
