"""An operator's figures over a period: by bucket, in all, and beside the period before."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from itertools import groupby

from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.clock import Span
from dashboard.queries import rollups
from dashboard.queries.rollups import BucketSum, CurrencySum, Opening, Scope
from dashboard.services import figures, fx
from dashboard.services.figures import Figures
from dashboard.services.fx import Rates
from dashboard.services.periods import Period, Unit

_FINE = 10**9
"""What is converted is summed in so small parts of a minor unit, and rounded once, at the end."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What a scope's entries come to over a period. Minor units of its currency."""

    period: Period
    buckets: tuple[Figures, ...]
    """Of each bucket of the period, in its order."""
    by_type: tuple[tuple[BucketSum, ...], ...]
    """The sums behind them."""
    before: Figures
    """Of the period before, which is as long."""
    whole: Figures
    """Of the whole period."""
    opening_real: int
    """What all balances held when the period began."""
    real_closings: list[int]
    """What all balances held of real money at the end of each bucket."""
    bonus_closings: list[int]
    """As `real_closings`, of bonus money."""
    rates_of: dt.date | None = None
    """The day of the newest exchange rate by which other currencies were converted; None: none was."""


def read(session: Session, scope: Scope, period: Period) -> Overview:
    """The overview of a scope. Four statements, whatever the period."""
    rows = rollups.sums(session, scope, (period.before, *period.buckets), period.unit)
    by_bucket = {bucket: tuple(sums) for bucket, sums in groupby(rows, lambda row: row.bucket)}
    by_type = tuple(by_bucket.get(at, ()) for at in range(1, len(period.buckets) + 1))
    buckets = tuple(figures.of(sums) for sums in by_type)
    opening = rollups.opening(session, scope, period.span.start)
    return Overview(
        period=period,
        buckets=buckets,
        by_type=by_type,
        before=figures.of(by_bucket.get(0, ())),
        whole=sum(buckets, Figures()),
        opening_real=opening.real,
        real_closings=figures.closings(opening.real, [bucket.real for bucket in buckets]),
        bonus_closings=figures.closings(opening.bonus, [bucket.bonus for bucket in buckets]),
    )


def read_converted(session: Session, scope: Scope, period: Period, *, now: dt.datetime) -> Overview:
    """The same of all currencies, in that of the scope: what moved at the rate of its day, what stood at the
    rate of the day on which the bucket ended. Five statements. Raises NoRate.
    """
    span = Span(period.before.start, period.span.end)
    rows = rollups.sums_by_currency(session, scope, span, period.unit)
    opened = rollups.openings(session, scope, period.span.start)
    days = _days(period, scope.timezone, now)
    currencies = sorted({*opened, *(row.currency for row in rows)} - {scope.currency})
    rates = fx.rates_of(session, [*currencies, scope.currency], days) if currencies else fx.Rates({})
    converter = _Converter(rates, scope, now)
    fine = _in_buckets(rows, period, converter)
    by_type = tuple(tuple(fine.get(at, ())) for at in range(1, len(period.buckets) + 1))
    fine_buckets = [figures.of(sums) for sums in by_type]
    stood = _stood(opened, rows, period, converter)
    return Overview(
        period=period,
        buckets=tuple(map(_rounded, fine_buckets)),
        by_type=tuple(tuple(map(_rounded_sum, sums)) for sums in by_type),
        before=_rounded(figures.of(fine.get(0, ()))),
        whole=_rounded(sum(fine_buckets, Figures())),
        opening_real=stood[0].real,
        real_closings=[each.real for each in stood[1:]],
        bonus_closings=[each.bonus for each in stood[1:]],
        rates_of=rates.newest(),
    )


class _Converter:
    """Minor units into fine parts of another currency's, by the day."""

    def __init__(self, rates: Rates, scope: Scope, now: dt.datetime) -> None:
        self._rates, self._into, self._now = rates, scope.currency, now
        self.zone = scope.timezone
        self._factors: dict[tuple[str, dt.date], tuple[int, int]] = {}

    def fine(self, amount: int, currency: str, day: dt.date) -> int:
        """Raises NoRate, for what is not zero."""
        if not amount:
            return 0
        factor = self._factors.get((currency, day))
        if factor is None:
            exact = _FINE * self._rates.convert(1, currency=currency, into=self._into, day=day)
            factor = self._factors[currency, day] = (exact.numerator, exact.denominator)
        numerator, denominator = factor
        return (2 * amount * numerator + denominator) // (2 * denominator)

    def standing(self, stands: Mapping[str, Opening], at: dt.datetime) -> Opening:
        """What balances held at a moment, at the rate of the day that ends then, or of today."""
        day = clock.local(min(at - dt.timedelta(microseconds=1), self._now), self.zone).date()
        real = sum(self.fine(stand.real, currency, day) for currency, stand in stands.items())
        bonus = sum(self.fine(stand.bonus, currency, day) for currency, stand in stands.items())
        return Opening(_coarse(real), _coarse(bonus))


def _days(period: Period, zone: str, now: dt.datetime) -> list[dt.date]:
    """Every day on which something may have moved or stood."""
    first = clock.local(period.before.start, zone).date() - dt.timedelta(days=1)
    last = min(clock.local(period.span.end, zone).date(), clock.local(now, zone).date())
    return [first + dt.timedelta(days=at) for at in range(max(0, (last - first).days) + 1)]


def _in_buckets(
    rows: Iterable[CurrencySum], period: Period, converter: _Converter
) -> Mapping[int, list[BucketSum]]:
    """Sums in fine parts, by bucket: 0 is the period before."""
    found: dict[int, list[BucketSum]] = {}
    place = _Places(period, converter.zone)
    for row in rows:
        bucket, day = place(row.at)
        real = converter.fine(row.real, row.currency, day)
        bonus = converter.fine(row.bonus, row.currency, day)
        raised = converter.fine(row.credits, row.currency, day)
        found.setdefault(bucket, []).append(
            BucketSum(bucket, row.change_type, row.contra_account, row.entries, real, bonus, raised)
        )
    return found


class _Places:
    """Which bucket an hour or a day is in, and which day it is."""

    def __init__(self, period: Period, zone: str) -> None:
        self._zone, self._by_hour = zone, period.unit == Unit.HOUR
        starts = [period.before.start, *(bucket.start for bucket in period.buckets)]
        walls = [clock.local(start, zone).replace(tzinfo=None) for start in starts]
        self._starts: Sequence[dt.datetime] = starts if self._by_hour else walls

    def __call__(self, at: dt.datetime) -> tuple[int, dt.date]:
        day = clock.local(at, self._zone).date() if self._by_hour else at.date()
        return bisect_right(self._starts, at) - 1, day


def _stood(
    opened: Mapping[str, Opening],
    rows: Sequence[CurrencySum],
    period: Period,
    converter: _Converter,
) -> list[Opening]:
    """What all balances held when the period began, and at the end of each bucket."""
    place = _Places(period, converter.zone)
    moved: dict[tuple[str, int], Opening] = {}
    for row in rows:
        key = (row.currency, place(row.at)[0])
        known = moved.get(key, Opening(0, 0))
        moved[key] = Opening(known.real + row.real, known.bonus + row.bonus)
    currencies = sorted({*opened, *(row.currency for row in rows)})
    stands = {currency: opened.get(currency, Opening(0, 0)) for currency in currencies}
    found = [converter.standing(stands, period.span.start)]
    for number, bucket in enumerate(period.buckets, start=1):
        for currency in currencies:
            change = moved.get((currency, number), Opening(0, 0))
            stand = stands[currency]
            stands[currency] = Opening(stand.real + change.real, stand.bonus + change.bonus)
        found.append(converter.standing(stands, bucket.end))
    return found


def _coarse(fine: int) -> int:
    return money.rounded(Fraction(fine, _FINE))


def _rounded(fine: Figures) -> Figures:
    named = Figures(*map(_coarse, astuple(fine)))
    return replace(named, entries=fine.entries)


def _rounded_sum(fine: BucketSum) -> BucketSum:
    return replace(fine, real=_coarse(fine.real), bonus=_coarse(fine.bonus), credits=_coarse(fine.credits))
