"""The image `debian:bookworm-slim` without an image registry: made by debootstrap from this machine's mirror.

The tree is kept in the user's cache. What this machine trusts is added to each run's own copy: trust changes.
"""

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.namespace import command

NAME = "debian:bookworm-slim"
LONGEST_BOOTSTRAP = 600.0
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
OWN_AUTHORITIES = Path("/usr/local/share/ca-certificates")
LEFT_OUT = ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man")
EMPTIED = ("var/cache/apt", "var/lib/apt/lists", "var/log")
SETTINGS = {  # the public image keeps packages small in the same way
    "etc/dpkg/dpkg.cfg.d/docker": "".join(f"path-exclude /{path}/*\n" for path in LEFT_OUT),
    "etc/apt/apt.conf.d/docker-clean": """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
""",
}


def make(directory: Path) -> Path:
    """A tar file of the image's tree, in *directory*."""
    tree = directory / "base.tar"
    shutil.copyfile(_cached_tree(), tree)
    with tarfile.open(tree, "a") as tar:
        for path in _trusted_files():
            tar.add(path, str(path).lstrip("/"))
        if AUTHORITIES.exists():
            _add_text(tar, "etc/pip.conf", f"[global]\ncert = {AUTHORITIES}\n")
    return tree


def _cached_tree() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "panteras"
    tree = cache / f"bookworm-slim-{os.uname().machine}.tar"
    if not tree.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="panteras-base-") as scratch:
            root = Path(scratch) / "root"
            command("debootstrap", "--variant=minbase", "bookworm", str(root), _mirror(), within=LONGEST_BOOTSTRAP)
            _slim(root)
            partial = tree.with_suffix(f".{os.getpid()}")
            command("tar", "--numeric-owner", "-C", str(root), "-cf", str(partial), ".")
            partial.rename(tree)  # whole or not at all
    return tree


def _slim(root: Path) -> None:
    for name in (*LEFT_OUT, *EMPTIED):
        shutil.rmtree(root / name)
        (root / name).mkdir()
    for name in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"):
        (root / name).mkdir(parents=True)
    for name, text in SETTINGS.items():
        (root / name).write_text(text)
    (root / "etc/resolv.conf").unlink(missing_ok=True)  # this machine's


def _mirror() -> str:
    """Where this machine's own apt gets Debian itself from."""
    told = command("apt-get", "indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(SITE)", "Created-By: Packages")
    for line in told.splitlines():
        label, component, site = line.split("|")
        if (label, component) == ("Debian", "main"):
            return site
    raise AssertionError("apt of this machine knows no Debian mirror: run `apt-get update`")


def _trusted_files() -> Iterator[Path]:
    """So that packages can be fetched in a build wherever this machine can fetch them."""
    if AUTHORITIES.exists():
        yield AUTHORITIES
    if OWN_AUTHORITIES.is_dir():
        yield from sorted(OWN_AUTHORITIES.glob("*.crt"))


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
