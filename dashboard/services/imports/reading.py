"""A CSV file as lines with their numbers: nothing is judged here but whether it can be read at all."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.errors import Rejected
from dashboard.services.imports.mapping import Mapping as JournalMapping

if TYPE_CHECKING:
    from _csv import Reader  # csv itself does not name it

_GZIP_MAGIC = b"\x1f\x8b"


class Unreadable(Rejected):
    """The file cannot be read as it should be."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file and the line on which it begins; the header is line 1."""

    number: int
    cells: Mapping[str, str] | None
    """None: it has not as many cells as the header."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read."""

    name: str
    digest: str
    """First 16 hexadecimal digits of the SHA-256 of the content, unpacked: a .csv and its .csv.gz are one."""
    columns: list[str]
    lines: list[Line]


def read(path: Path, mapping: JournalMapping) -> Source:
    """Read a journal as its mapping says. Raises as `read_table` does."""
    return read_table(
        path, columns=mapping.columns_named(), encoding=mapping.encoding, delimiter=mapping.delimiter
    )


def read_table(
    path: Path, *, columns: Sequence[str] = (), encoding: str = "utf-8", delimiter: str = ","
) -> Source:
    """Read a whole file. Raises Unreadable: not there, not that encoding, or one of `columns` is missing."""
    content = _content(path)
    try:
        text = content.decode("utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding)
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{path}, line {number}: this is not {encoding}.") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        _require(columns, header, path)
        lines = list(_lines(reader, header))
    except csv.Error as error:
        raise Unreadable(f"{path}, line {reader.line_num}: {error}.") from None
    return Source(path.name, hashlib.sha256(content).hexdigest()[:16], header, lines)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise Unreadable(f"{path} is damaged: it begins as gzip and cannot be unpacked.") from None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None


def _require(wanted: Sequence[str], header: list[str], path: Path) -> None:
    missing = [name for name in wanted if name not in header]
    if missing:
        named = ", ".join(f"“{name}”" for name in missing)
        raise Unreadable(f"{path}, line 1: no column {named}. The columns are: {', '.join(header)}.")
    if len(set(header)) != len(header):
        raise Unreadable(f"{path}, line 1: two columns have the same name.")


def _lines(reader: "Reader", header: list[str]) -> Iterator[Line]:
    number = reader.line_num + 1
    for cells in reader:
        if cells:
            whole = len(cells) == len(header)
            yield Line(number, dict(zip(header, cells, strict=True)) if whole else None)
        number = reader.line_num + 1
