"""What came of an import: counts, refusals, and whether recorded balances follow from one another."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby

from dashboard import money
from dashboard.services.imports.mapping import Mapping
from dashboard.services.imports.rows import Refused, Row

_SHOWN = 20
"""So many lines of each list stand in the text; `--json` has them all."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row whose recorded balance does not follow from the one recorded before. Minor units."""

    line: int
    account: str
    expected_minor: int
    recorded_minor: int
    difference_minor: int


@dataclass(slots=True)
class Report:
    """The outcome of an import, or of its dry run. Amounts in minor units."""

    currency: str
    rows_read: int
    rows_written: int
    """In a dry run: that would be written."""
    rows_known: int
    """Written by an earlier run."""
    accounts: int
    closing_minor: int
    """What the rows of this file sum up to in our journals."""
    closing_recorded_minor: int | None
    """The sum of every account's last recorded balance; None where the source records none."""
    refused: list[Refused] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    dry_run: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether nothing was refused and everything reconciles."""
        return not self.refused and not self.differences

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "rows_read": self.rows_read,
            "rows_written": self.rows_written,
            "rows_refused": len(self.refused),
            "accounts": self.accounts,
            "unreconciled": len(self.differences),
            "closing_minor": self.closing_minor,
            "closing_recorded_minor": self.closing_recorded_minor,
            "refused": [asdict(refused) for refused in self.refused],
            "differences": [asdict(difference) for difference in self.differences],
        }

    def as_text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Rows read          {self.rows_read:>12,}"
        yield f"{'Would be written' if self.dry_run else 'Rows written':<18} {self.rows_written:>12,}"
        yield f"Already there      {self.rows_known:>12,}"
        yield f"Rows refused       {len(self.refused):>12,}"
        yield f"Accounts           {self.accounts:>12,}"
        yield f"Unreconciled       {len(self.differences):>12,}"
        yield f"Closing sum, ours  {money.show(self.closing_minor, self.currency):>18} {self.currency}"
        if self.closing_recorded_minor is not None:
            recorded = money.show(self.closing_recorded_minor, self.currency)
            yield f"Recorded           {recorded:>18} {self.currency}"
        for refused in self.refused[:_SHOWN]:
            yield f"Refused, line {refused.line}: {refused.reason}"
        yield from _more(len(self.refused))
        for off in self.differences[:_SHOWN]:
            yield f"Unreconciled, line {off.line}, account {off.account}: {self._told(off)}"
        yield from _more(len(self.differences))

    def _told(self, off: Difference) -> str:
        figures = (off.expected_minor, off.recorded_minor, off.difference_minor)
        expected, recorded, difference = (money.show(figure, self.currency) for figure in figures)
        return f"{expected} expected, {recorded} recorded, {difference} off"


def reconcile(rows: list[Row], mapping: Mapping) -> list[Difference]:
    """Every row whose recorded balance is not the recorded one before ± its amount, within the tolerance.

    Rows must be in order. A row without a recorded balance lends the next one what it should have been.
    """
    differences: list[Difference] = []
    for account, journal in groupby(rows, key=lambda row: row.external_id):
        before = 0 if mapping.reconcile.first == "zero" else None
        for row in journal:
            expected = None if before is None else before + row.amount
            before = expected if row.recorded is None else row.recorded
            if row.recorded is None or expected is None:
                continue
            off = row.recorded - expected
            if abs(off) > mapping.tolerance_minor:
                differences.append(Difference(row.line, account, expected, row.recorded, off))
    return sorted(differences, key=lambda difference: difference.line)


def closing_recorded(rows: list[Row]) -> int | None:
    """The sum of the last recorded balance of every account; None where none is recorded."""
    last = {row.external_id: row.recorded for row in rows if row.recorded is not None}
    return sum(last.values()) if last else None


def _more(count: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"… and {count - _SHOWN:,} more: --json lists them all."
