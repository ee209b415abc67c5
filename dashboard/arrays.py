"""Lists on their way to PostgreSQL: whole at once, where psycopg looks at each of their items by a pattern.

What is posted in sets goes there as arrays, a hundred thousand items and more for a settlement.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.types.array import ListDumper

_BETWEEN = "\0"
"""Stands in no text that PostgreSQL takes."""


class WholeListDumper(ListDumper):
    """Writes lists of numbers, texts, bytes or instants, and their NULLs; psycopg itself any other."""

    def dump(self, obj: list[Any]) -> Any:
        """The array's text form."""
        kinds = set(map(type, obj))
        has_null = type(None) in kinds
        kinds.discard(type(None))
        if len(kinds) != 1 or self.delimiter != b",":
            return super().dump(obj)
        written = _WRITTEN.get(kinds.pop())
        if written is None:
            return super().dump(obj)
        if has_null:
            return f"{{{','.join('NULL' if item is None else written([item]) for item in obj)}}}".encode()
        return f"{{{written(obj)}}}".encode()


def register() -> None:
    """Let every connection made from now on write its lists so."""
    psycopg.adapters.register_dumper(list, WholeListDumper)


def _numbers(items: list[int]) -> str:
    return ",".join(map(str, items))


def _texts(items: list[str]) -> str:
    whole = _BETWEEN.join(items)
    if whole.count(_BETWEEN) != len(items) - 1:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return _quoted(whole.replace("\\", "\\\\").replace('"', '\\"'))


def _bytes(items: list[bytes]) -> str:
    return _quoted(_BETWEEN.join(f"\\\\x{item.hex()}" for item in items))


def _instants(items: list[dt.datetime]) -> str:
    return _quoted(_BETWEEN.join(map(str, items)))


def _quoted(whole: str) -> str:
    between = whole.replace(_BETWEEN, '","')
    return f'"{between}"'


_WRITTEN: dict[type, Callable[[list[Any]], str]] = {
    int: _numbers,
    str: _texts,
    bytes: _bytes,
    dt.datetime: _instants,
}
