"""The programs that the VPN door runs, and the package that has each."""

import shutil
import sys
from pathlib import Path

from panteras_dns.access.trouble import Trouble

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/sbin"
_PACKAGES = {"openvpn": "openvpn", "nft": "nftables", "conntrack": "conntrack"}


def tool(name: str) -> str:
    """Its full path."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Trouble(f"{name}: not found; run: apt-get install {_PACKAGES[name]}; or use the container in openvpn/")
    return found


def python() -> str:
    """An interpreter that every account may run: a hook runs as OpenVPN's. It needs no package of ours."""
    for path in (Path(sys.executable), Path("/usr/bin/python3")):
        if path.exists() and all(one.stat().st_mode & 0o001 for one in (path, path.resolve(), *path.resolve().parents)):
            return str(path)
    raise Trouble(
        f"{sys.executable}: other accounts can't run it, as OpenVPN's hooks have to; run: apt-get install python3"
    )
