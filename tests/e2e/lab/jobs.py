"""What an orchestrator makes of a job file: the `docker run` of each instance."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2


@dataclass(frozen=True)
class Job:
    """The sample in a job file; *image* as the file has it, without registry and release."""

    name: str
    instances: int
    port: int
    environment: Mapping[str, str]
    image: str

    def docker_run(self, number: int) -> Sequence[str]:
        said = [word for key, value in self.environment.items() for word in ("--env", f"{key}={value}")]
        return ["run", "--detach", "--name", f"{self.name}-{number}", "--publish", str(self.port), *said, self.image]


def marathon(file: Path) -> Job:
    app = json.loads(file.read_text())
    container = app["container"]
    (mapping,) = container["portMappings"]
    assert mapping["hostPort"] == 0, "any port of the host"
    return Job(
        app["id"].strip("/"),
        app["instances"],
        mapping["containerPort"],
        app["env"],
        _image(container["docker"]["image"]),
    )


def nomad(file: Path) -> Job:
    ((name, job),) = read(file)["job"][0].items()
    assert job["type"] == "service"
    ((_, group),) = _blocks(job["group"][0])
    ((_, task),) = _blocks(group["task"][0])
    ((label, port),) = _blocks(group["network"][0]["port"][0])
    config, environment = task["config"][0], task["env"][0]
    assert config["ports"] == [label]
    said = {key: value for key, value in environment.items() if key != "__is_block__"}
    return Job(name, group["count"], port["to"], said, _image(config["image"]))


def nomad_commands(file: Path) -> list[Sequence[str]]:
    """What the tasks of a system job run."""
    ((_, job),) = read(file)["job"][0].items()
    assert job["type"] == "system"
    ((_, group),) = _blocks(job["group"][0])
    tasks = [task for block in group["task"] for _, task in _blocks(block)]
    return [[*task["config"][0].get("entrypoint", ["panteras"]), *task["config"][0]["args"]] for task in tasks]


def read(file: Path) -> Any:
    """HCL as JSON has it; the reader leaves the quotes on strings."""
    with file.open() as text:
        return _unquoted(hcl2.load(text))


def _unquoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_unquoted(one) for one in value]
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


def _blocks(labelled: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    return [(label, block) for label, block in labelled.items() if label != "__is_block__"]


def _image(text: str) -> str:
    found = re.search(r"panteras-[a-z]+", text)
    assert found
    return found.group()
