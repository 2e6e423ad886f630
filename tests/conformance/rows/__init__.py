"""The rows, subject by subject."""

from conformance.rows import (
    basics,
    bits,
    consul,
    cookies,
    extensions,
    failures,
    hostile,
    memory,
    outages,
    probes,
    proxies,
    special,
    spoofing,
    streams,
)
from conformance.table import Row, Table

TABLES: tuple[Table, ...] = (
    probes.TABLE,
    proxies.TABLE,
    basics.TABLE,
    bits.TABLE,
    *extensions.TABLES,
    cookies.TABLE,
    streams.TABLE,
    *memory.TABLES,
    failures.TABLE,
    special.TABLE,
    spoofing.TABLE,
    *hostile.TABLES,
    consul.TABLE,
    *outages.TABLES,
)
ROWS: list[Row] = [row for table in TABLES for row in table.rows]
