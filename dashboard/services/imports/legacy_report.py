"""What came of moving in from the old tables, or of taking that back: counts, sums, refusals."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from dashboard import money

_SHOWN = 20
"""So many lines of each list stand in the text; `--json` has them all."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that does not move in, and why."""

    table: str
    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Two figures of the old tables that should be the same. Minor units."""

    file: str
    line: int
    account: str
    currency: str
    what: str
    """The recorded figure: `total_balance`, or the `bonus of grants` where they do not explain the bonus."""
    ours_minor: int
    recorded_minor: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something that moved in otherwise than it stood there."""

    file: str
    line: int
    account: str
    text: str


@dataclass(slots=True)
class Sums:
    """One currency, both sides, in minor units."""

    currency: str
    recorded_real_minor: int
    recorded_bonus_minor: int
    """What all readable old balances add up to."""
    refused_real_minor: int
    refused_bonus_minor: int
    """What of it belongs to players who do not move in."""
    ours_real_minor: int
    ours_bonus_minor: int
    """What the openings add up to, as read from our journals; in a dry run, what they would."""
    grants_minor: int
    """What remains of the active grants together."""

    @property
    def is_fine(self) -> bool:
        """Whether everything that is recorded is either ours now or refused."""
        return (
            self.recorded_real_minor == self.ours_real_minor + self.refused_real_minor
            and self.recorded_bonus_minor == self.ours_bonus_minor + self.refused_bonus_minor
            and self.grants_minor == self.ours_bonus_minor
        )


@dataclass(slots=True)
class TableCount:
    """The rows of one old table."""

    file: str
    rows_read: int
    rows_written: int
    rows_known: int
    rows_refused: int
    ignored_columns: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """The outcome of moving in, or of its dry run."""

    tables: list[TableCount]
    players: int
    """Moved in by this run; in a dry run: that would."""
    openings: int
    grants: int
    sums: list[Sums]
    refused: list[RefusedRow]
    differences: list[Difference]
    notes: list[Note]
    ignored_files: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether nothing was refused, and both sides are the same everywhere."""
        return not self.refused and not self.differences and all(sums.is_fine for sums in self.sums)

    def total(self, count: str) -> int:
        """One of the counts, over all tables."""
        return sum(int(getattr(table, count)) for table in self.tables)

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            **{name: self.total(name) for name in _COUNTS},
            "accounts": self.players,
            "openings": self.openings,
            "grants": self.grants,
            "unreconciled": len(self.differences),
            "sums": [{**asdict(sums), "fine": sums.is_fine} for sums in self.sums],
            "tables": [asdict(table) for table in self.tables],
            "ignored_files": list(self.ignored_files),
            "refused": [asdict(row) for row in self.refused],
            "differences": [
                {**asdict(off), "difference_minor": off.recorded_minor - off.ours_minor}
                for off in self.differences
            ],
            "notes": [asdict(note) for note in self.notes],
            "dry_run": self.dry_run,
        }

    def as_text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{'':<24}{'read':>10}{'written':>10}{'there':>10}{'refused':>10}"
        for table in self.tables:
            yield _row(table.file, *(getattr(table, name) for name in _COUNTS))
        yield _row("Would move in" if self.dry_run else "Together", *(self.total(name) for name in _COUNTS))
        yield f"Players {self.players:,}, openings {self.openings:,}, grants {self.grants:,}"
        for sums in self.sums:
            yield from _told(sums)
        for table in self.tables:
            if table.ignored_columns:
                yield f"{table.file}: columns that are not taken over: {', '.join(table.ignored_columns)}"
        if self.ignored_files:
            yield f"Files that are none of the old tables: {', '.join(self.ignored_files)}"
        yield from _first([f"Refused, {row.file} line {row.line}: {row.reason}" for row in self.refused])
        yield from _first([_off(off) for off in self.differences])
        yield from _first([f"{n.file} line {n.line}, player {n.account}: {n.text}" for n in self.notes])


_COUNTS = ("rows_read", "rows_written", "rows_known", "rows_refused")


@dataclass(frozen=True, slots=True)
class TouchedPlayer:
    """A player who cannot be taken back, and what has moved since."""

    player_id: int
    external_id: str
    what: tuple[str, ...]


@dataclass(slots=True)
class Undone:
    """The outcome of taking back, or of its dry run."""

    players: int
    removed: dict[str, int] = field(default_factory=dict)
    """Rows by table."""
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {"undone": not self.dry_run, "accounts": self.players, "removed": self.removed}

    def as_text(self) -> str:
        """For people."""
        said = "would be taken back" if self.dry_run else "taken back"
        rows = ", ".join(f"{count:,} {table}" for table, count in self.removed.items())
        return f"{self.players:,} players {said}: {rows}."


def _row(name: str, *counts: int) -> str:
    return f"{name:<24}" + "".join(f"{count:>10,}" for count in counts)


def _told(sums: Sums) -> Iterator[str]:
    figures = (
        ("recorded in the old tables", sums.recorded_real_minor, sums.recorded_bonus_minor),
        ("of players who stay behind", sums.refused_real_minor, sums.refused_bonus_minor),
        ("in our journals", sums.ours_real_minor, sums.ours_bonus_minor),
    )
    for what, real, bonus in figures:
        shown = f"{money.show(real, sums.currency):>20} real {money.show(bonus, sums.currency):>18} bonus"
        yield f"{sums.currency} {what:<28}{shown}"
    remaining = money.show(sums.grants_minor, sums.currency)
    yield f"{sums.currency} {'what remains of grants':<28}{'':>25} {remaining:>18}"


def _off(off: Difference) -> str:
    figures = (off.ours_minor, off.recorded_minor, off.recorded_minor - off.ours_minor)
    ours, recorded, difference = (money.show(figure, off.currency) for figure in figures)
    return (
        f"Differs, {off.file} line {off.line}, player {off.account}, {off.what}:"
        f" {ours} by our sum, {recorded} recorded, {difference} {off.currency} off"
    )


def _first(lines: list[str]) -> Iterator[str]:
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"… and {len(lines) - _SHOWN:,} more: --json lists them all."
