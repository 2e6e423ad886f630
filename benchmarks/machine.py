"""The machine that the figures come from, and how much of it a hypervisor took away meanwhile."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self


def machine() -> str:
    """Processor, cores, system and Python, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return (
        f"{processor or platform.machine()}, {os.cpu_count()} cores; {system}, kernel {platform.release()}; "
        f"Python {platform.python_version()}"
    )


@dataclass(frozen=True)
class ProcessorTime:
    """Ticks of all cores since the start of the machine."""

    total: int
    stolen: int

    @classmethod
    def now(cls) -> Self:
        # The first eight of proc(5), the eighth is steal; the later ones are in the first two already.
        ticks = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
        return cls(sum(ticks), ticks[7])

    def stolen_since(self, earlier: "ProcessorTime") -> float:
        """The share, from 0 to 1, that went to other guests of the same host."""
        return (self.stolen - earlier.stolen) / max(1, self.total - earlier.total)
