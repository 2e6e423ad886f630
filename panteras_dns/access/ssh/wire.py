"""Strings and numbers as SSH writes them (RFC 4251 5): what keys, certificates and revocation lists are made of."""

import struct


class Malformed(ValueError):
    """Bytes that can't be read."""


def string(data: bytes) -> bytes:
    """*data* behind its length."""
    return struct.pack("!I", len(data)) + data


def uint64(number: int) -> bytes:
    return struct.pack("!Q", number)


class Reader:
    """Reads *data* from the front; Malformed when it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether something is left."""
        return self._at < len(self._data)

    @property
    def past(self) -> bytes:
        """What was read."""
        return self._data[: self._at]

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise Malformed(f"ends at byte {len(self._data)}, expected {size} bytes from {self._at}")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self.take(4))

    def uint64(self) -> int:
        return int.from_bytes(self.take(8))

    def string(self) -> bytes:
        return self.take(self.uint32())
