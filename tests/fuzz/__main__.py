"""`python -m tests.fuzz TARGET [options of libFuzzer]`, with atheris from PyPI installed.

  python -m tests.fuzz server -max_total_time=300

Seeds and what is found go to build/fuzz/TARGET. A crash is a bug: its bytes become a seed in corpus.py.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "loopback")]


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["panteras_dns"]):
        from fuzz.corpus import seeds
        from fuzz.targets import TARGETS
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"{(__doc__ or '').strip()}\n\ntargets: {', '.join(TARGETS)}")
    target = sys.argv[1]
    folder = ROOT / "build" / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    for title, data in seeds(target).items():
        (folder / re.sub(r"\W+", "-", title)).write_bytes(data)
    arguments = [sys.argv[0], str(folder), f"-artifact_prefix={folder}-", "-timeout=5", "-max_len=4096", *sys.argv[2:]]
    atheris.Setup(arguments, TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
