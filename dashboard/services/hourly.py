"""Odd hours: what all players of an operator did in an hour, beside that hour of the weeks before.

This is how a payment provider that fails shows, or a payout run that went wrong, which no single entry tells.
An hour is judged once it is over and counted, and so is one in which nothing came at all.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Conflict, Forbidden, NotFound
from dashboard.models import Login, SeriesAlert
from dashboard.models.anomaly import SeriesName
from dashboard.services import seasonal, staff_log
from dashboard.services.actors import Actor
from dashboard.services.seasonal import Verdict

HOUR = dt.timedelta(hours=1)
SETTLED = dt.timedelta(minutes=2)
"""An hour is judged when it has been over for so long, and its entries are counted."""
CAUGHT_UP = dt.timedelta(hours=48)
"""So far back a worker judges that has just begun."""
_SPAN = dt.timedelta(weeks=seasonal.WEEKS, hours=2)
"""Two hours more than the weeks: a zone's clocks may have moved between."""

_COUNTED = text("""
SELECT o.id, o.timezone, p.passed_at FROM operators o
JOIN rollup_passes p ON p.operator_id = o.id AND p.timezone = o.timezone
WHERE p.passed_at IS NOT NULL ORDER BY o.id
""")
_TOTALS = text("""
SELECT hour, currency, CAST(sum(entries) AS bigint) AS entries,
       CAST(coalesce(sum(real) FILTER (WHERE change_type = 'deposit'), 0) AS bigint) AS deposits,
       CAST(-coalesce(sum(real) FILTER (WHERE change_type = 'withdrawal'), 0) AS bigint) AS withdrawals,
       CAST(-coalesce(sum(real + bonus) FILTER (WHERE change_type IN ('wager', 'refund')), 0) AS bigint)
         AS stakes,
       CAST(coalesce(sum(real + bonus) FILTER (WHERE change_type = 'settlement'), 0) AS bigint) AS payouts
FROM hourly_totals
WHERE operator_id = :operator AND hour >= :since AND hour < :until
GROUP BY hour, currency ORDER BY hour, currency
""")
_MONEY = (SeriesName.DEPOSITS, SeriesName.WITHDRAWALS, SeriesName.STAKES, SeriesName.PAYOUTS)


class Counted(NamedTuple):
    """An operator, and until when its hours are counted."""

    operator_id: int
    timezone: str
    passed_at: dt.datetime


class Name(NamedTuple):
    """A series: what is added up, and in which currency; an empty one for what is counted over all."""

    series: SeriesName
    currency: str


@dataclass(slots=True)
class Series:
    """The hours of one total; after the first that brought anything, one without a value brought nothing."""

    values: dict[dt.datetime, int] = field(default_factory=dict)

    @property
    def begins(self) -> dt.datetime:
        """The first hour that brought anything."""
        return min(self.values)

    def rare(self, until: dt.datetime, zone: str) -> float:
        """How far above what their hour of the week brings few hours before were: `seasonal.rare_excess`."""
        alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for hour in hours(self.begins, until):
            wall = clock.local(hour, zone)
            alike[wall.weekday(), wall.hour].append(self.values.get(hour, 0))
        return seasonal.rare_excess(value - median(of) for of in alike.values() for value in of)

    def judge(self, hour: dt.datetime, zone: str, *, rare: float = 0.0) -> Verdict | None:
        """One hour beside its like; None where it cannot be said yet."""
        begins = self.begins
        before = [self.values.get(at, 0) for at in seasonal.same_hours(hour, zone) if at >= begins]
        least = seasonal.TYPICAL_SHARE * seasonal.typical(
            value for at, value in self.values.items() if at < hour
        )
        return seasonal.judge(before, self.values.get(hour, 0), least=least, rare=rare)


def counted(session: Session) -> list[Counted]:
    """Operators whose entries are counted, by their present calendar."""
    return [Counted(*row) for row in session.execute(_COUNTED)]


def over(passed_at: dt.datetime) -> dt.datetime:
    """The end of the last hour that is over and counted by then."""
    return (passed_at - SETTLED).astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def read(session: Session, *, operator_id: int, since: dt.datetime, until: dt.datetime) -> dict[Name, Series]:
    """The totals of all hours of [since, until), by series; those that brought nothing are left out."""
    found: defaultdict[Name, Series] = defaultdict(Series)
    named = {"operator": operator_id, "since": since, "until": until}
    for row in session.execute(_TOTALS, named):
        for name in _MONEY:
            if amount := getattr(row, name):
                found[Name(name, row.currency)].values[row.hour] = amount
        counts = found[Name(SeriesName.ENTRIES, "")].values
        counts[row.hour] = counts.get(row.hour, 0) + row.entries
    return dict(found)


def watch(
    session: Session, of: Counted, *, since: dt.datetime, until: dt.datetime, now: dt.datetime
) -> list[SeriesName]:
    """Judge the hours of [since, until), whole hours that are counted, and keep what is odd, once.

    Of which series there are new alerts.
    """
    series = read(session, operator_id=of.operator_id, since=since - _SPAN, until=until)
    found = [
        {
            "operator_id": of.operator_id,
            "series": name.series,
            "currency": name.currency,
            "hour": hour,
            "value": round(verdict.value),
            "expected": round(verdict.expected),
            "deviation": round(verdict.deviation),
            "raised_at": now,
        }
        for name, hour, verdict in odd(series, hours(since, until), of.timezone)
    ]
    if not found:
        return []
    new = insert(SeriesAlert).values(found).on_conflict_do_nothing().returning(SeriesAlert.series)
    return [SeriesName(series) for series in session.scalars(new)]


def odd(
    series: Mapping[Name, Series], judged: Iterable[dt.datetime], zone: str
) -> list[tuple[Name, dt.datetime, Verdict]]:
    """Every hour of every series that is odd; `judged` in the order of time."""
    wanted: Sequence[dt.datetime] = list(judged)
    found = []
    for name, one in sorted(series.items()):
        rare = one.rare(wanted[0], zone) if wanted else 0.0
        for hour in wanted:
            verdict = one.judge(hour, zone, rare=rare)
            if verdict is not None and verdict.is_odd:
                found.append((name, hour, verdict))
    return found


def hours(since: dt.datetime, until: dt.datetime) -> list[dt.datetime]:
    """The beginnings of the hours between two whole ones."""
    return [since + at * HOUR for at in range(max(0, (until - since) // HOUR))]


def see(session: Session, *, alert_id: int, note: str, actor: Actor, now: dt.datetime) -> None:
    """Say that one has looked into an odd hour, and what it was.

    Locks the alert. Raises NotFound, Forbidden, and Conflict where somebody else was first.
    """
    if not actor.may("anomalies:mark"):
        raise Forbidden("You may not mark odd hours.")
    wanted: Any = (
        select(SeriesAlert.seen_by, SeriesAlert.series, SeriesAlert.currency, SeriesAlert.hour, Login.name)
        .outerjoin(Login, Login.id == SeriesAlert.seen_by)
        .where(SeriesAlert.id == alert_id, SeriesAlert.operator_id == actor.operator_id)
        .with_for_update(of=SeriesAlert)
    )
    known = session.execute(wanted).one_or_none()
    if known is None:
        raise NotFound("There is no such hour.")
    if known.seen_by not in {None, actor.id}:
        raise Conflict(f"{known.name} has looked into it already.")
    changed = update(SeriesAlert).filter_by(id=alert_id)
    session.execute(changed.values(seen_by=actor.id, seen_at=now, note=note or None))
    details = {
        "series": known.series,
        "currency": known.currency or None,
        "hour": known.hour.isoformat(),
        "note": note or None,
    }
    staff_log.record(session, actor, "odd_hour.seen", details=details, now=now)
