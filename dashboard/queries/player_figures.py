"""One player's balance over a period: where it was, what moved it, and what its risk is made of.

A journal is one range of the primary key. Up to so many entries the course of the balance is that of the
entries, exactly; beyond that a day counts as what it ended with, from the rollup and what is younger.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.clock import Span
from dashboard.queries.rollups import BucketSum
from dashboard.services import figures, trends
from dashboard.services.figures import Figures
from dashboard.services.periods import Period
from dashboard.services.trends import Course, Point, Risk, Trend, Volatility

EXACT_MOST = 20_000
"""So many entries, of the period and the one before, are read one by one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose balance, and by whose calendar."""

    operator_id: int
    timezone: str
    player_id: int
    currency: str


@dataclass(frozen=True, slots=True)
class Stand:
    """What a balance was from a moment on, and within it, where it stands for a day. Minor units."""

    at: dt.datetime
    real: int
    bonus: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class BucketCourse:
    """A bucket of a balance's course. Minor units; real money but `bonus`."""

    closing: int
    low: int
    high: int
    bonus: int
    """At its end."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What else a player's risk is made of."""

    warning_threshold: int | None
    """Of the VIP rule for the player's level; None where there is no rule. So is the next."""
    critical_threshold: int | None
    open_alerts: int
    """Not resolved, in this currency."""
    critical_alerts: int
    """Of these, critical."""
    anomalies: int
    """Found in the period; without those that people said were none."""


@dataclass(frozen=True, slots=True)
class PlayerFigures:
    """One balance over a period, and over the one before."""

    period: Period
    buckets: tuple[Figures, ...]
    """What the entries of each bucket come to."""
    by_type: tuple[tuple[BucketSum, ...], ...]
    before: Figures
    """What those of the period before come to."""
    course: Course
    course_before: Course
    courses: tuple[BucketCourse, ...]
    """Of each bucket."""
    below_warning: float
    """For which part of the time since its first entry the balance was below that threshold; so the next."""
    below_critical: float
    signs: Signs
    is_by_day: bool
    """Whether there were so many entries that a day counts as what it ended with."""

    @property
    def whole(self) -> Figures:
        """What the entries of the period come to."""
        return sum(self.buckets, Figures())

    @property
    def closings(self) -> list[int]:
        """Real money at the end of each bucket."""
        return [bucket.closing for bucket in self.courses]

    @property
    def trend(self) -> Trend:
        """Of the buckets' closing balances."""
        return trends.trend(self.closings)

    @property
    def volatility(self) -> Volatility:
        """Of the buckets' closing balances."""
        return trends.volatility(self.course.opening, self.closings)

    @property
    def risk(self) -> Risk:
        """With every part that it has."""
        return trends.risk(
            self.course,
            self.volatility,
            below_warning=self.below_warning,
            below_critical=self.below_critical,
            open_alerts=self.signs.open_alerts,
            critical_alerts=self.signs.critical_alerts,
            anomalies=self.signs.anomalies,
        )


def list_currencies(session: Session, *, operator_id: int, player_id: int, home: str) -> list[str]:
    """In which currencies the player has a balance, the operator's own first, which is always there."""
    named = {"operator": operator_id, "player": player_id}
    found = list(session.scalars(_CURRENCIES, named))
    return [home, *(code for code in found if code != home)]


def read(session: Session, scope: Scope, period: Period, *, now: dt.datetime) -> PlayerFigures:
    """The figures of one balance. Four statements, whatever the period."""
    whole = Span(period.before.start, period.span.end)
    sums = _sums(session, scope, (period.before, *period.buckets))
    known = _opening(session, scope, whole.start)
    opening = known or Stand(whole.start, 0, 0, 0, 0)
    is_by_day = sum(row.entries for row in sums) > EXACT_MOST
    stands = _days(session, scope, whole) if is_by_day else _entries(session, scope, whole)
    signs = _signs(session, scope, period.span)
    by_bucket = {bucket: tuple(rows) for bucket, rows in groupby(sums, lambda row: row.bucket)}
    by_type = tuple(by_bucket.get(at, ()) for at in range(1, len(period.buckets) + 1))
    earlier = [stand for stand in stands if stand.at < period.span.start]
    within = stands[len(earlier) :]
    began = earlier[-1] if earlier else opening
    # What is to come has not stood anywhere yet.
    past = Span(period.span.start, max(period.span.start, min(period.span.end, now)))
    points = [Point(stand.at, stand.real) for stand in within]
    # Before its first entry a balance was not low: it was not there.
    is_there_before = known or earlier
    first = past.start if is_there_before else min(within[0].at if within else past.end, past.end)

    def below(threshold: int | None) -> float:
        held = Span(first, past.end)
        return 0.0 if threshold is None else trends.share_below(began.real, points, held, threshold)

    return PlayerFigures(
        period=period,
        buckets=tuple(figures.of(rows) for rows in by_type),
        by_type=by_type,
        before=figures.of(by_bucket.get(0, ())),
        course=_course(began, within, past),
        course_before=_course(opening, earlier, period.before),
        courses=tuple(_courses(began, within, period.buckets)),
        below_warning=below(signs.warning_threshold),
        below_critical=below(signs.critical_threshold),
        signs=signs,
        is_by_day=is_by_day,
    )


def _course(began: Stand, stands: Sequence[Stand], span: Span) -> Course:
    found = trends.course(began.real, [Point(stand.at, stand.real) for stand in stands], span)
    lows, highs = [stand.low for stand in stands], [stand.high for stand in stands]
    return replace(found, low=min([found.low, *lows]), high=max([found.high, *highs]))


def _courses(began: Stand, stands: Sequence[Stand], buckets: Sequence[Span]) -> Iterable[BucketCourse]:
    place, last = 0, began
    for bucket in buckets:
        low = high = last.real
        while place < len(stands) and stands[place].at < bucket.end:
            last = stands[place]
            low, high = min(low, last.low), max(high, last.high)
            place += 1
        yield BucketCourse(last.real, low, high, last.bonus)


def _in_order(stands: Iterable[Stand]) -> list[Stand]:
    """The journal's order is that of the sequence: none of them stands earlier than the one before."""
    found: list[Stand] = []
    for stand in stands:
        at = max(stand.at, found[-1].at) if found else stand.at
        found.append(stand if at == stand.at else replace(stand, at=at))
    return found


def _named(scope: Scope, span: Span) -> dict[str, object]:
    return {
        "operator": scope.operator_id,
        "player": scope.player_id,
        "currency": scope.currency,
        "timezone": scope.timezone,
        "start": span.start,
        "end": span.end,
    }


def _sums(session: Session, scope: Scope, buckets: Sequence[Span]) -> list[BucketSum]:
    named = _named(scope, Span(buckets[0].start, buckets[-1].end))
    rows = session.execute(_SUMS, {**named, "starts": [bucket.start for bucket in buckets]})
    return [BucketSum(*row) for row in rows]


def _opening(session: Session, scope: Scope, at: dt.datetime) -> Stand | None:
    row = session.execute(_LAST, _named(scope, Span(at, at))).one_or_none()
    return Stand(at, row.real_after, row.bonus_after, row.real_after, row.real_after) if row else None


def _entries(session: Session, scope: Scope, span: Span) -> list[Stand]:
    rows = session.execute(_ENTRIES, _named(scope, span))
    return _in_order(Stand(at, real, bonus, real, real) for at, real, bonus in rows)


def _days(session: Session, scope: Scope, span: Span) -> list[Stand]:
    """A day from its midnight on as what it ended with; then what is younger, entry by entry."""
    first, last = (clock.local(at, scope.timezone).date() for at in span)
    rows = session.execute(_DAYS, {**_named(scope, span), "first": first, "last": last})
    return _in_order(
        Stand(max(row.at or clock.between(row.day, row.day, scope.timezone).start, span.start), *row[2:6])
        for row in rows
    )


def _signs(session: Session, scope: Scope, span: Span) -> Signs:
    return Signs(*session.execute(_SIGNS, _named(scope, span)).one())


_CURRENCIES = text("""
SELECT currency FROM balances WHERE player_id = :player AND operator_id = :operator ORDER BY currency
""")
_SUMS = text("""
SELECT width_bucket(e.created_at, CAST(:starts AS timestamptz[])) - 1 AS bucket, e.change_type,
       e.contra_account, count(*), CAST(sum(e.real_delta) AS bigint), CAST(sum(e.bonus_delta) AS bigint),
       CAST(sum(greatest(e.real_delta + e.bonus_delta, 0)) AS bigint)
FROM wallet_entries e
WHERE e.player_id = :player AND e.currency = :currency AND e.operator_id = :operator
  AND e.created_at >= :start AND e.created_at < :end
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
_LAST = text("""
SELECT e.real_after, e.bonus_after FROM wallet_entries e
WHERE e.player_id = :player AND e.currency = :currency AND e.operator_id = :operator AND e.created_at < :start
ORDER BY e.sequence DESC LIMIT 1
""")
_ENTRIES = text("""
SELECT e.created_at, e.real_after, e.bonus_after FROM wallet_entries e
WHERE e.player_id = :player AND e.currency = :currency AND e.operator_id = :operator
  AND e.created_at >= :start AND e.created_at < :end
ORDER BY e.sequence
""")
_DAYS = text("""
WITH held AS (
  SELECT coalesce((
    SELECT m.sequence FROM rollup_marks m
    JOIN rollup_passes p ON p.operator_id = :operator AND p.timezone = :timezone
    WHERE m.player_id = :player AND m.currency = :currency
  ), 0) AS sequence
)
SELECT CAST(NULL AS timestamptz) AS at, d.day, d.closing, d.bonus_closing, d.low, d.high, 0 AS place
FROM daily_balances d, held
WHERE d.player_id = :player AND d.currency = :currency AND d.operator_id = :operator
  AND d.day >= :first AND d.day < :last AND held.sequence > 0
UNION ALL
SELECT e.created_at, NULL, e.real_after, e.bonus_after, e.real_after, e.real_after, e.sequence
FROM wallet_entries e, held
WHERE e.player_id = :player AND e.currency = :currency AND e.operator_id = :operator
  AND e.sequence > held.sequence
  AND e.created_at >= :start AND e.created_at < :end
ORDER BY place, day
""")
_SIGNS = text("""
SELECT
  (SELECT r.warning_threshold FROM wallets w
   JOIN vip_rules r ON r.operator_id = w.operator_id AND r.level = w.vip_level AND r.currency = :currency
   WHERE w.player_id = :player AND w.operator_id = :operator),
  (SELECT r.critical_threshold FROM wallets w
   JOIN vip_rules r ON r.operator_id = w.operator_id AND r.level = w.vip_level AND r.currency = :currency
   WHERE w.player_id = :player AND w.operator_id = :operator),
  a.alerts, a.critical,
  (SELECT count(*) FROM anomalies n
   WHERE n.player_id = :player AND n.currency = :currency AND n.operator_id = :operator
     AND n.happened_at >= :start AND n.happened_at < :end AND n.mark IS DISTINCT FROM 'wrong')
FROM (
  SELECT count(*) AS alerts, count(*) FILTER (WHERE severity = 'critical') AS critical FROM alerts
  WHERE player_id = :player AND currency = :currency AND operator_id = :operator AND state <> 'resolved'
) AS a
""")
