"""The old tables as CSV files in a folder: which file is which table, and its rows by canonical column names.

Names are taken as they come: `vipInfos.csv` and `vip_infos.csv.gz` are one table, `totalXp` and `total_xp`
one column. docs/moving-in.md lists every table and column.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.services.imports import reading
from dashboard.services.imports.reading import Unreadable

# What exports and the two seeds call the same column.
_ALIASES: Mapping[str, str] = {
    "user_id": "player_id",
    "currency_id": "currency",
    "current_rankid": "current_rank_id",
    "frozen": "is_frozen",
    "abbr": "code",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known about an old table. Column names are canonical."""

    files: tuple[str, ...]
    """What its file may be called, without underscores and ending."""
    needs: tuple[str, ...]
    homes: tuple[str, ...]
    """Columns that have a place of their own in the new structure."""
    kept: tuple[str, ...] = ()
    """Columns that have none, kept as they are with the old row."""
    aliases: Mapping[str, str] = field(default_factory=lambda: _ALIASES)
    """What exports call some of these columns."""

    @property
    def known(self) -> frozenset[str]:
        """Every column that is read; others are left where they are, and named in the report."""
        return frozenset({*self.homes, *self.kept})


_COUNTS = (
    *("count_balance", "count_tournaments", "count_happyhours", "count_refunds", "count_progress"),
    *("count_daily_entries", "count_invite", "count_welcomebonus", "count_smsbonus", "count_wheelfortune"),
)
MOVED: Mapping[str, Shape] = {
    "users": Shape(
        ("users", "players"),
        ("id",),
        ("id", "name", "username", "email", "country", "balance", "currency", "created_at"),
    ),
    "wallets": Shape(
        ("wallets",),
        ("id", "player_id"),
        ("id", "player_id", "balance", "currency", "is_frozen"),
        ("payment_method", "operator_id", "version", "created_at", "updated_at"),
    ),
    "balances": Shape(
        ("balances",),
        ("id", "player_id", "amount"),
        ("id", "player_id", "currency", "amount", "bonus", "pending"),
        (
            *("wallet_id", "turnover", "withdrawable", "real_balance", "bonus_balance", "total_balance"),
            *("total_real_balance", "total_bonus_balance", "total_real_losses", "total_bonus_losses"),
            *("last_update_transaction_id", "bonuses", "created_at", "updated_at", *_COUNTS),
        ),
    ),
    "vip_infos": Shape(
        ("vipinfos", "vipinfo"),
        ("player_id",),
        ("player_id", "xp", "total_xp"),
        ("id", "level", "current_rank_id", "created_at", "updated_at"),
    ),
    "player_bonuses": Shape(
        ("playerbonuses",),
        ("id", "player_id", "amount", "status"),
        (
            *("id", "player_id", "currency", "amount", "process_amount", "goal_amount"),
            *("created_at", "updated_at", "expires_at"),
        ),
        ("bonus_id", "status"),
    ),
}
"""The tables whose rows move in."""
LOOKED_UP: Mapping[str, Shape] = {
    "vip_ranks": Shape(("vipranks",), ("id", "name"), ("id", "name")),
    "bonuses": Shape(("bonuses",), ("id",), ("id", "name", "type")),
    "currencies": Shape(("currencies",), ("id", "code"), ("id", "code")),
}
"""Tables that others refer to; nothing of them moves in by itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an old table, its cells by canonical column, without blanks around them."""

    table: str
    line: int
    cells: Mapping[str, str]
    shape: Shape = field(repr=False)

    def __getitem__(self, column: str) -> str:
        """The cell; empty where the file has no such column."""
        return self.cells.get(column, "")

    @property
    def player_id(self) -> str:
        """The old id of the player that it is about."""
        return self["id"] if self.table == "users" else self["player_id"]

    @property
    def old_id(self) -> str:
        """Its own id in its table; a table without one has one row for each player."""
        return self["id"] or self.player_id

    def digest(self) -> bytes:
        """SHA-256 over its cells, whatever their order in the file."""
        return hashlib.sha256(json.dumps(dict(sorted(self.cells.items()))).encode()).digest()

    def kept(self) -> dict[str, str]:
        """The columns without another home that hold something."""
        return {column: self[column] for column in self.shape.kept if self[column]}


@dataclass(frozen=True, slots=True)
class Table:
    """An old table that was read."""

    name: str
    file: str
    digest: str
    rows: list[Row]
    ignored: tuple[str, ...]
    """Columns that are not known: nothing of them is taken over."""


@dataclass(frozen=True, slots=True)
class Tables:
    """All old tables of a folder."""

    folder: str
    by_name: Mapping[str, Table]
    ignored: tuple[str, ...]
    """CSV files that are none of the tables."""
    moving: tuple[str, ...]
    """The tables whose rows move in."""

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of a SHA-256 over all files."""
        named = "".join(f"{name}:{table.digest};" for name, table in sorted(self.by_name.items()))
        return hashlib.sha256(named.encode()).hexdigest()[:16]

    def rows(self, name: str) -> list[Row]:
        """The rows of a table; none where it is missing."""
        return self.by_name[name].rows if name in self.by_name else []

    def file(self, name: str) -> str:
        """The file of a table that is there."""
        return self.by_name[name].file

    def moved(self) -> Iterator[Row]:
        """Every row that is to move in."""
        for name in self.moving:
            yield from self.rows(name)

    def player_ids(self) -> list[str]:
        """Every old player that any row is about, in the order of the files."""
        return list(dict.fromkeys(row.player_id for row in self.moved() if row.player_id))


def read(folder: Path) -> Tables:
    """Read the old tables of wallets and bonuses that lie in the folder. Raises as `read_shapes` does."""
    return read_shapes(folder, MOVED, LOOKED_UP)


def read_shapes(folder: Path, moved: Mapping[str, Shape], looked_up: Mapping[str, Shape]) -> Tables:
    """Read every table in the folder that has one of the shapes; rows of `moved` are to move in.

    Raises Unreadable: none is there, one is there twice, one has not the columns that it must have, or its
    rows are several operators'.
    """
    shapes = {**moved, **looked_up}
    names = {file: name for name, shape in shapes.items() for file in shape.files}
    found: dict[str, Table] = {}
    ignored: list[str] = []
    for path in sorted(folder.iterdir()):
        stem = re.fullmatch(r"(.+?)\.csv(?:\.gz)?", path.name, re.IGNORECASE)
        if stem is None:
            continue
        name = names.get(stem[1].replace("_", "").lower())
        if name is None:
            ignored.append(path.name)
        elif name in found:
            raise Unreadable(f"{folder}: {found[name].file} and {path.name} are the same table.")
        else:
            found[name] = _table(path, name, shapes[name])
    if not found.keys() & moved.keys():
        wanted = ", ".join(f"{shape.files[0]}.csv" for shape in moved.values())
        raise Unreadable(f"{folder} holds none of the old tables: {wanted}.")
    for table in found.values():
        _refuse_several_operators(table)
    return Tables(folder.resolve().name, found, tuple(ignored), tuple(moved))


def _table(path: Path, name: str, shape: Shape) -> Table:
    source = reading.read_table(path)
    columns = {column: _canonical(column, shape) for column in source.columns}
    by_canonical = {canonical: column for column, canonical in columns.items()}
    if len(by_canonical) != len(columns):
        raise Unreadable(f"{path}, line 1: two columns have the same name.")
    missing = [column for column in shape.needs if column not in by_canonical]
    if missing:
        raise Unreadable(
            f"{path}, line 1: no column {', '.join(missing)}. The columns are: {', '.join(source.columns)}."
        )
    taken = {column: canonical for column, canonical in columns.items() if canonical in shape.known}
    rows = [
        Row(name, line.number, {taken[column]: line.cells[column].strip() for column in taken}, shape)
        for line in source.lines
        if line.cells is not None
    ]
    broken = [str(line.number) for line in source.lines if line.cells is None]
    if broken:
        # Nobody can tell whose rows these are, so that nobody could be held back for them.
        lines = ", ".join(broken[:5]) + (" …" if len(broken) > 5 else "")
        raise Unreadable(f"{path}, line {lines}: not as many cells as in the header.")
    ignored = tuple(column for column in source.columns if column not in taken)
    return Table(name, path.name, source.digest, rows, ignored)


def _canonical(column: str, shape: Shape) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip()).lower()
    return shape.aliases.get(snake, snake)


def _refuse_several_operators(table: Table) -> None:
    """One run moves in to one operator: rows of several old ones must not end up in it together."""
    operators = sorted({row["operator_id"] for row in table.rows if row["operator_id"]})
    if len(operators) > 1:
        raise Unreadable(
            f"{table.file} holds {table.name.replace('_', ' ')} of several operators"
            f" ({', '.join(operators[:5])}): put each operator's rows into a folder of their own."
        )
