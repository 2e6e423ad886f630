"""Asks a running gateway's admin, over HTTP."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode

from panteras_dns.endpoint import Endpoint

_PATIENCE = 10.0  # seconds: an explanation takes a few


class NoAdmin(Exception):
    """Nobody answers there, or not as an admin would; the text says so."""


def ask(at: Endpoint, path: str, **arguments: str) -> Any:
    """The JSON under *path*."""
    connection = http.client.HTTPConnection(at.host, at.port, timeout=_PATIENCE)
    given = {name: value for name, value in arguments.items() if value}
    try:
        connection.request("GET", f"{path}?{urlencode(given)}" if given else path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise NoAdmin(f"{at}{path}: {answer.status} {body.decode('utf-8', 'replace').strip()[:200]}")
        return json.loads(body)
    except (OSError, http.client.HTTPException) as problem:
        hint = "is `panteras serve` running, and its admin not off?"
        raise NoAdmin(f"no admin answers at {at}: {getattr(problem, 'strerror', None) or problem}; {hint}") from None
    except ValueError:
        raise NoAdmin(f"{at}{path}: not what an admin would say") from None
    finally:
        connection.close()
