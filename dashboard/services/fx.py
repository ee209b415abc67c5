"""Exchange rates as the European Central Bank publishes them, and amounts of a day in another currency.

A rate says how many units of a currency a euro was worth. Of a day without one the last before it counts,
for so long; an older one is refused rather than guessed with.
"""

import csv
import datetime as dt
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Rejected

SOURCE = "European Central Bank"
OLDEST = dt.timedelta(days=7)
"""A rate that is older than this on the day in question is none."""
EURO = "EUR"
_CHUNK = 20_000
_ABSENT = {"", "N/A"}


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of a currency a euro was worth on a day."""

    day: dt.date
    currency: str
    per_eur: Decimal


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file of rates brought in."""

    rates: int
    """New ones, and those that differ from what was known."""
    known: int
    currencies: int
    first: dt.date
    last: dt.date


class NoRate(Rejected):
    """A currency has no rate that is young enough on a day."""

    def __init__(self, currency: str, day: dt.date) -> None:
        super().__init__(
            f"There is no exchange rate of {currency} for {day.isoformat()}, nor {OLDEST.days} days before."
        )


def read(file: Path) -> Iterator[Rate]:
    """The rates of the bank's history: a CSV (or CSV.gz) of a column `Date` and one for each currency.

    Raises Rejected, with its line, for what is no date or no rate.
    """
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        rows = csv.reader(lines)
        header = [name.strip() for name in next(rows, [])]
        if not header or header[0] != "Date":
            raise Rejected(f"{file.name} has no column Date.")
        for row in rows:
            yield from _of_row(header, row, f"{file.name}, line {rows.line_num}")


def store(session: Session, rates: Iterator[Rate]) -> Imported:
    """Keep rates; one that is known is replaced where it differs. Raises Rejected where there are none."""
    changed = seen = 0
    currencies: set[str] = set()
    days: list[dt.date] = []
    for chunk in _chunks(rates):
        seen += len(chunk)
        currencies |= {rate.currency for rate in chunk}
        days += (min(rate.day for rate in chunk), max(rate.day for rate in chunk))
        columns = {
            "days": [rate.day for rate in chunk],
            "currencies": [rate.currency for rate in chunk],
            "rates": [rate.per_eur for rate in chunk],
        }
        changed += len(session.execute(_STORE, columns).all())
    if not seen:
        raise Rejected("There are no rates in this file.")
    return Imported(changed, seen - changed, len(currencies), min(days), max(days))


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of some days, as they are to be used."""

    of: Mapping[tuple[str, dt.date], tuple[Decimal, dt.date]]
    """By currency and day: the rate, and the day it is of."""

    def convert(self, amount: int, *, currency: str, into: str, day: dt.date) -> Fraction:
        """Minor units of one currency as minor units of another at a day's rate, exactly.

        Round a figure once, when all of it is added up. Raises NoRate.
        """
        if currency == into:
            return Fraction(amount)
        units = Fraction(amount, money.from_whole(1, currency))
        euros = units / self._per_eur(currency, day)
        return euros * self._per_eur(into, day) * money.from_whole(1, into)

    def newest(self) -> dt.date | None:
        """The day of the youngest rate among them."""
        return max((day for _rate, day in self.of.values()), default=None)

    def _per_eur(self, currency: str, day: dt.date) -> Fraction:
        if currency == EURO:
            return Fraction(1)
        found = self.of.get((currency, day))
        if found is None:
            raise NoRate(currency, day)
        return Fraction(found[0])


def rates_of(session: Session, currencies: Sequence[str], days: Sequence[dt.date]) -> Rates:
    """The last rate on or before each of the days, where it is not too old."""
    named = {"currencies": list(currencies), "days": list(days), "oldest": OLDEST}
    rows = session.execute(_LAST, named)
    return Rates({(row.currency, row.wanted): (row.per_eur, row.day) for row in rows})


_STORE = text("""
INSERT INTO fx_rates AS r (currency, day, per_eur)
SELECT * FROM unnest(CAST(:currencies AS text[]), CAST(:days AS date[]), CAST(:rates AS numeric[]))
ON CONFLICT (currency, day) DO UPDATE SET per_eur = excluded.per_eur WHERE r.per_eur <> excluded.per_eur
RETURNING 1
""")
_LAST = text("""
SELECT c.currency, d.day AS wanted, r.per_eur, r.day
FROM unnest(CAST(:currencies AS text[])) AS c(currency)
CROSS JOIN unnest(CAST(:days AS date[])) AS d(day)
CROSS JOIN LATERAL (
  SELECT per_eur, day FROM fx_rates
  WHERE currency = c.currency AND day <= d.day AND day >= d.day - CAST(:oldest AS interval)
  ORDER BY day DESC LIMIT 1
) AS r
""")


def _of_row(header: Sequence[str], row: Sequence[str], place: str) -> Iterator[Rate]:
    try:
        day = dt.date.fromisoformat(row[0])
    except (IndexError, ValueError):
        raise Rejected(f"{place}: this begins with no date.") from None
    for currency, cell in zip(header[1:], row[1:], strict=False):
        if not currency or cell.strip() in _ABSENT:
            continue
        try:
            rate = Decimal(cell.strip())
        except InvalidOperation:
            raise Rejected(f"{place}: {cell!r} is no rate of {currency}.") from None
        if not rate.is_finite() or rate <= 0:
            raise Rejected(f"{place}: {cell!r} is no rate of {currency}.")
        yield Rate(day, currency, rate)


def _chunks(rates: Iterator[Rate]) -> Iterator[list[Rate]]:
    chunk: list[Rate] = []
    for rate in rates:
        chunk.append(rate)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
