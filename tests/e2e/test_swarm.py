"""examples/swarm on a swarm of two nodes: the commands of its README, as they stand there."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab.cluster import Agent, Lan
from lab.docker import Docker
from lab.manual import commands
from lab.namespace import Namespace
from lab.patience import eventually

PAGE, STACK = "examples/swarm/README.md", "examples/swarm/stack.yaml"
ROOT = Path(__file__).parents[2]
NODES = {"swarm1": "10.79.0.1", "swarm2": "10.79.0.2"}
FIRST = NODES["swarm1"]
IMAGES = ("panteras-dns", "panteras-box", "panteras-example")
LONGEST_START = 60.0


@dataclass
class Swarm:
    machines: dict[str, Namespace]
    engines: dict[str, Docker]
    agent: Agent
    stack: Path

    def shell(self, line: str) -> str:
        """A line of the README on the first node, with images that are there: no registry is needed."""
        words = shlex.split(line.replace("10.0.0.5", FIRST).replace(STACK, str(self.stack)))
        machine, engine = self.machines["swarm1"], self.engines["swarm1"]
        if "docker" not in words:
            return machine.run(*words)
        if "deploy" in words:
            words.insert(-1, "--resolve-image=never")
        return engine.run(*words[words.index("docker") + 1 :])

    def attempt(self, line: str) -> str:
        """The same; "" while it fails."""
        try:
            return self.shell(line)
        except AssertionError:
            return ""


@pytest.fixture(scope="module")
def swarm(_engine: Docker, gateway_image: str, box_image: str, example_image: str, scratch: Path) -> Iterator[Swarm]:
    """Two docker hosts with a Consul agent each, in one swarm, with the images on both."""
    _engine.run("tag", gateway_image, "panteras-dns")
    cargo = scratch / "swarm-images.tar"
    _engine.run("save", "--output", str(cargo), *IMAGES)
    lan = Lan("swarmlan")
    engines: dict[str, Docker] = {}
    agents: list[Agent] = []
    try:
        machines = {role: lan.machine(role, ip) for role, ip in NODES.items()}
        agents.append(Agent(machines["swarm1"], scratch, "stand-alone", IP=FIRST))
        agents.append(Agent(machines["swarm2"], scratch, "worker", IP=NODES["swarm2"], CONSUL_HOSTS=FIRST))
        for role, machine in machines.items():
            root = scratch / role
            root.mkdir()
            engines[role] = Docker(root, hostname=role)
            engines[role].start(machine.path)
            engines[role].run("load", "--input", str(cargo), within=120)
        cargo.unlink()
        engines["swarm1"].run("swarm", "init", "--advertise-addr", FIRST)
        token = engines["swarm1"].run("swarm", "join-token", "--quiet", "worker")
        engines["swarm2"].run("swarm", "join", "--token", token, "--advertise-addr", NODES["swarm2"], f"{FIRST}:2377")
        eventually(agents[1].leader, "a leader", within=40)
        stack = scratch / "stack.yaml"
        # The engines of the lab have sockets of their own.
        text = (ROOT / STACK).read_text().replace("- /var/run/", f"- {scratch}/{{{{.Node.Hostname}}}}/", 1)
        stack.write_text(text)
        yield Swarm(machines, engines, agents[0], stack)
    finally:
        for engine in engines.values():
            print(engine.attempt("swarm", "leave", "--force"))
            engine.stop()
            engine.remove()
        for agent in agents:
            agent.stop()
        lan.delete()


def test_the_stack_of_the_readme(swarm: Swarm) -> None:
    start, services = commands(PAGE, "Start")
    dig, curl, scale = commands(PAGE, "Expect")
    sample, rest, volume = commands(PAGE, "Remove")
    swarm.shell(start.replace("REGISTRY=registry.example.com/ ", ""))
    try:
        eventually(lambda: swarm.attempt(dig).count("\n") == 2, "two instances", within=LONGEST_START, every=0.5)
        opened = curl.replace("curl", "curl --silent --fail")
        eventually(lambda: len({swarm.attempt(opened) for _ in range(10)} - {""}) == 2, "pages of both", within=30)
        other = opened.replace("10.0.0.5", NODES["swarm2"])
        eventually(lambda: swarm.attempt(other), "the page of the other node", within=20)
        eventually(lambda: swarm.shell(services).count("2/2") == 5, "five services on both nodes", within=20)

        assert swarm.shell(services).count("global") == 4

        swarm.shell(scale)
        eventually(lambda: swarm.attempt(dig).count("\n") == 4, "four instances", within=LONGEST_START, every=0.5)
        targets = {line.split()[3] for line in swarm.shell(dig).splitlines()}
        assert len(targets) == 2, "on both nodes"
    finally:
        for engine in swarm.engines.values():
            for part in ("registrator", "balancer", "haproxy"):
                for one in engine.run("ps", "--all", "--quiet", "--filter", f"name=panteras_{part}").split():
                    print(engine.attempt("logs", one))
        swarm.shell(sample)
        eventually(lambda: not swarm.agent.ask("catalog/service/python1"), "nothing of it in Consul", within=30)
        swarm.shell(rest)
    eventually(lambda: not swarm.engines["swarm1"].run("ps", "--all", "--quiet"), "no container", within=30)
    eventually(lambda: swarm.engines["swarm1"].attempt(*shlex.split(volume)[1:]) == "panteras_balancer\n", "gone")
