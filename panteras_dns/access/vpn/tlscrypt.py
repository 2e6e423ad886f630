"""Keys of tls-crypt-v2 as OpenVPN has them (its doc/tls-crypt-v2.txt): the server's, and each client's own, wrapped.

Without such a key a stranger gets no answer at all. Ours rather than `openvpn --genkey`: whoever grants may have no
OpenVPN, and a hundred clients need no hundred processes.
"""

import base64
import hashlib
import hmac
import secrets
import textwrap

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_SERVER = "OpenVPN tls-crypt-v2 server key"
_CLIENT = "OpenVPN tls-crypt-v2 client key"
_KEY = 128  # bytes of a key: 64 for the cipher, 64 for the HMAC; 32 of each are used
_BOTH = 2 * _KEY  # of a client's key: one for each direction
_TAG = 32
_SHORTEST = _BOTH + _TAG + _BOTH + 1 + 2  # of a client's key: itself, and once more wrapped, with its length
_USER = b"\0"  # the kind of our metadata
_MOST_METADATA = 735 - 1  # bytes; what OpenVPN takes in all, less the kind


class Malformed(ValueError):
    """Not a key of this kind."""


def new_server_key() -> str:
    """A server's key, as its file has it."""
    return _pem(_SERVER, secrets.token_bytes(_KEY))


def new_client_key(server_key: str, metadata: str) -> str:
    """A client's key, as its file has it, wrapped under *server_key*. *metadata*: what the server may read of it."""
    wrapping, told = _server(server_key), metadata.encode()
    if len(told) > _MOST_METADATA:
        raise Malformed(f"metadata of {len(told)} bytes, expected at most {_MOST_METADATA}")
    key = secrets.token_bytes(_BOTH)
    return _pem(_CLIENT, key + _wrapped(wrapping, key + _USER + told))


def metadata(server_key: str, client_key: str) -> str:
    """What a client's key says of itself; Malformed when *server_key* did not wrap it."""
    wrapping, whole = _server(server_key), _bytes(_CLIENT, client_key)
    if len(whole) < _SHORTEST:
        raise Malformed(f"a client's key of {len(whole)} bytes, expected {_SHORTEST} or more")
    key, tag, sealed = whole[:_BOTH], whole[_BOTH : _BOTH + _TAG], whole[_BOTH + _TAG : -2]
    plain = _crypt(wrapping, tag, sealed)
    if plain[:_BOTH] != key or whole[_BOTH:] != _wrapped(wrapping, plain):
        raise Malformed("a client's key of another server")
    return plain[_BOTH + 1 :].decode("utf-8", "replace")


def _server(pem: str) -> bytes:
    found = _bytes(_SERVER, pem)
    if len(found) != _KEY:
        raise Malformed(f"a server's key of {len(found)} bytes, expected {_KEY}")
    return found


def _wrapped(wrapping: bytes, plain: bytes) -> bytes:
    length = (_TAG + len(plain) + 2).to_bytes(2)
    tag = hmac.digest(wrapping[64:96], length + plain, hashlib.sha256)
    return tag + _crypt(wrapping, tag, plain) + length


def _crypt(wrapping: bytes, tag: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES256(wrapping[:32]), modes.CTR(tag[:16])).encryptor().update(data)


def _pem(name: str, data: bytes) -> str:
    lines = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----\n"


def _bytes(name: str, pem: str) -> bytes:
    inner = pem.strip().removeprefix(f"-----BEGIN {name}-----").removesuffix(f"-----END {name}-----")
    if len(inner) == len(pem.strip()):
        raise Malformed(f"no '{name}'")
    try:
        return base64.b64decode("".join(inner.split()), validate=True)
    except ValueError as problem:
        raise Malformed(f"no '{name}': {problem}") from None
