"""The reference of the configuration, written from the code: `python -m panteras_dns.reference`."""

from dataclasses import MISSING, Field, fields
from typing import Any

from panteras_dns.config import TABLES
from panteras_dns.endpoint import Endpoint


def reference() -> str:
    """Markdown: a section for each table of the configuration, a row for each key."""
    sections = []
    for name, (kind, many) in TABLES.items():
        title = f"[[{name}]]" if many else f"[{name}]"
        about = (kind.__doc__ or "").partition(": ")[2]
        rows = "\n".join(_row(item) for item in fields(kind))
        sections.append(
            f"## `{title}`\n\n{about[:1].upper()}{about[1:]}\n\n| key | default | |\n| --- | --- | --- |\n{rows}\n"
        )
    return "\n".join(sections)


def _row(item: "Field[Any]") -> str:
    return f"| `{item.name}` | {_default(item)} | {item.metadata['about']} |"


def _default(item: "Field[Any]") -> str:
    value = item.default
    if value is MISSING:
        return "*required*"
    if value is None:
        return "by kind"
    if isinstance(value, Endpoint):
        return f'`"{value}"`'
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


if __name__ == "__main__":
    print(reference(), end="")
