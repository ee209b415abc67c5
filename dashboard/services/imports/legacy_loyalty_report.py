"""What came of moving in from the old tables of loyalty: counts, refusals, and how the points became ours."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from dashboard.services.imports.legacy_report import Note, RefusedRow, TableCount

_SHOWN = 20
"""So many lines of each list stand in the text; `--json` has them all."""
_COUNTS = ("rows_read", "rows_written", "rows_known", "rows_refused")


@dataclass(frozen=True, slots=True)
class Figures:
    """The points of one patient, or of several: the old balance, and each cause why ours is another."""

    loaded: int = 0
    redeemed: int = 0
    inactive: int = 0
    deleted: int = 0
    """Net: loads less redemptions that were deleted there."""
    expired: int = 0
    short: int = 0
    """Redeemed there where there were no points."""
    balance: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def old_balance(self) -> int:
        """Loads less redemptions."""
        return self.loaded - self.redeemed

    @property
    def unexplained(self) -> int:
        """What of the difference no cause explains: 0."""
        explained = self.old_balance - self.inactive - self.deleted - self.expired + self.short
        return self.balance - explained

    def as_json(self) -> dict[str, int]:
        """For machines."""
        return {**asdict(self), "old_balance": self.old_balance, "unexplained": self.unexplained}


@dataclass(frozen=True, slots=True)
class Short:
    """A redemption that was larger than what was there. Points."""

    file: str
    line: int
    account: str
    asked: int
    there: int


@dataclass(slots=True)
class Report:
    """The outcome of moving in, or of its dry run."""

    tables: list[TableCount]
    patients: int
    """Moved in by this run; in a dry run: that would."""
    known: int
    """Moved in by an earlier run."""
    figures: Figures
    """Of all who moved in, now or earlier."""
    cards: int
    tiers_made: list[str]
    refused: list[RefusedRow]
    short: list[Short]
    notes: list[Note]
    ignored_files: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether nothing was refused, and every redemption had its points."""
        return not self.refused and not self.short and not self.figures.unexplained

    def total(self, count: str) -> int:
        """One of the counts, over all tables."""
        return sum(int(getattr(table, count)) for table in self.tables)

    def as_json(self, *, most: int | None = None) -> dict[str, object]:
        """For machines; of each list at most so many."""
        return {
            **{name: self.total(name) for name in _COUNTS},
            "patients": self.patients,
            "known": self.known,
            "figures": self.figures.as_json(),
            "cards": self.cards,
            "tiers_made": self.tiers_made,
            "tables": [asdict(table) for table in self.tables],
            "ignored_files": list(self.ignored_files),
            "refused": [asdict(row) for row in self.refused[:most]],
            "short": [asdict(one) for one in self.short[:most]],
            "short_count": len(self.short),
            "notes": [asdict(note) for note in self.notes[:most]],
            "notes_count": len(self.notes),
            "dry_run": self.dry_run,
        }

    def as_text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{'':<30}{'read':>10}{'written':>10}{'there':>10}{'refused':>10}"
        for table in self.tables:
            yield _row(table.file, *(getattr(table, name) for name in _COUNTS))
        yield _row("Would move in" if self.dry_run else "Together", *(self.total(name) for name in _COUNTS))
        yield f"Patients {self.patients:,}, cards {self.cards:,}; there already: patients {self.known:,}"
        if self.tiers_made:
            yield f"Tiers {'that would be made' if self.dry_run else 'made'}: {', '.join(self.tiers_made)}"
        yield from told(self.figures)
        for table in self.tables:
            if table.ignored_columns:
                yield f"{table.file}: columns that are not taken over: {', '.join(table.ignored_columns)}"
        if self.ignored_files:
            yield f"Files that are none of the old tables: {', '.join(self.ignored_files)}"
        yield from _first([f"Refused, {row.file} line {row.line}: {row.reason}" for row in self.refused])
        yield from _first([_short(one) for one in self.short])
        yield from _first([f"{n.file} line {n.line}, patient {n.account}: {n.text}" for n in self.notes])


def told(figures: Figures) -> Iterator[str]:
    """How the old balance became ours, line by line."""
    yield _line("Old balance, loads less redemptions", figures.old_balance)
    for what, points in (
        ("not active there", -figures.inactive),
        ("deleted there", -figures.deleted),
        ("expired before moving in", -figures.expired),
        ("redeemed without points", figures.short),
        ("unexplained", figures.unexplained),
    ):
        if points:
            yield _line(f"  {what}", points)
    yield _line("Points here", figures.balance)


def _line(what: str, points: int) -> str:
    return f"{what:<40}{points:>18,}"


def _row(name: str, *counts: int) -> str:
    return f"{name:<30}" + "".join(f"{count:>10,}" for count in counts)


def _short(one: Short) -> str:
    return (
        f"Redeemed more than there was, {one.file} line {one.line}, patient {one.account}:"
        f" {one.asked:,} points asked for, {one.there:,} there"
    )


def _first(lines: list[str]) -> Iterator[str]:
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"… and {len(lines) - _SHOWN:,} more: --json lists them all."
