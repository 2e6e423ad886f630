"""examples/nomad, examples/marathon: containers started as the job files say get their names, and two instances answer."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from lab import addresses
from lab.box import Program
from lab.consul import Consul
from lab.docker import Docker
from lab.gateway import Gateway
from lab.jobs import Job, marathon, nomad, nomad_commands
from lab.namespace import Namespace
from lab.patience import eventually

from panteras_dns.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
JOBS = [
    marathon(EXAMPLES / "marathon/deploy1.json"),
    marathon(EXAMPLES / "marathon/deploy2.json"),
    nomad(EXAMPLES / "nomad/python.nomad.hcl"),
]


@pytest.fixture
def registrator(host: Namespace, consul: Consul, docker: Docker, scratch: Path) -> Iterator[Program]:
    words = ("registrator", "--docker", docker.place, "--ip", addresses.HOST)
    made = Program(host, scratch / "jobs-registrator.log", *words)
    yield made
    made.stop()
    made.verify_log()
    consul.forget_all()


@pytest.mark.parametrize("job", JOBS, ids=["deploy1", "deploy2", "nomad"])
def test_a_job_gets_its_name_and_its_instances_answer(
    job: Job, registrator: Program, docker: Docker, example_image: str, host: Namespace, laptop: Namespace,
    gateway: Gateway,
) -> None:  # fmt: skip
    for number in range(job.instances):
        docker.run(*job.docker_run(number))

    asked = ("dig", f"@{addresses.HOST}", "+short", "+tcp", f"{job.name}.service.consul", "SRV")
    found = eventually(lambda: len(told := laptop.run(*asked).splitlines()) == 2 and told, "two instances")
    ports = {line.split()[2] for line in found}  # type: ignore[union-attr]
    curl = ("curl", "--silent", "--fail", "--retry", "5", "--retry-connrefused")
    pages = {laptop.run(*curl, f"http://{addresses.HOST}:{port}/") for port in ports}

    assert job.instances == len(pages) == 2
    assert all(page.startswith(f"{job.name} ") for page in pages)


@pytest.mark.parametrize("name", ["dns", "registrator", "balancer"])
def test_the_commands_of_nomad_s_system_jobs_are_ours(name: str) -> None:
    found = nomad_commands(EXAMPLES / f"nomad/{name}.nomad.hcl")
    (ours,) = [words[1:] for words in found if words[0] == "panteras"]
    command = main.get_command(click.Context(main), ours[0])
    assert command is not None
    words = [word.replace("${node.unique.name}", "client1") for word in ours[1:]]

    assert command.make_context(ours[0], [*words]).params
    for shell, option, script, file in (words for words in found if words[0] != "panteras"):
        assert (shell, option) == ("sh", "-c") and "exec haproxy -W" in script
        assert file == f"{words[words.index('--run-dir') + 1]}/haproxy.cfg"
