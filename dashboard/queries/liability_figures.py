"""What an operator owes: to players in money, bonuses and points, and to partners.

What stands now is what the accounts hold. What stood before is that, less what the journals say has moved
since: players' entries, entries of points, statements that became payable and payouts that were paid.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.clock import Span
from dashboard.queries import loyalty, rollups
from dashboard.queries.loyalty import Programme
from dashboard.queries.rollups import Scope
from dashboard.services.periods import Period


@dataclass(frozen=True, slots=True)
class Standing:
    """What is owed in one currency at a moment. Minor units, but points."""

    real: int
    """All real balances, what players have overdrawn taken off."""
    bonus: int
    points: int
    """Of all members; only where the currency is the operator's own."""
    points_worth: int
    """What they come to by the conversion that is in force now; 0 where they never become money."""
    partners: int
    """What approved statements made payable and nobody has paid yet."""

    @property
    def whole(self) -> int:
        """All of it."""
        return self.real + self.bonus + self.points_worth + self.partners


@dataclass(frozen=True, slots=True)
class Liability:
    """What stands now, and what stood at the end of each bucket of a period."""

    period: Period
    now: Standing
    pending: int
    """Of the real money now, what is locked for withdrawals and held debits."""
    overdrawn: int
    """By how much balances are below zero now; not negative."""
    reserved: int
    """Of what partners are owed now, what is in payouts that wait."""
    waiting: int
    """What partners have earned that nobody has approved; owed by no statement yet."""
    has_points: bool
    closings: tuple[Standing, ...]
    opening: Standing
    """When the period began."""


def read(session: Session, scope: Scope, period: Period, *, home: str, now: dt.datetime) -> Liability:
    """The liability of an operator in one currency. Five statements.

    Points are in the `home` currency alone.
    """
    has_points = scope.currency == home
    named = {
        "operator": scope.operator_id,
        "currency": scope.currency,
        "has_points": has_points,
        "starts": [*(bucket.start for bucket in period.buckets), period.span.end],
        "start": period.span.start,
    }
    held = session.execute(_NOW, named).one()
    programme = (
        Programme(held.conversion_points, held.conversion_amount, "", 0, "", 0) if has_points else None
    )
    real, bonus = _money(session, scope, period, now)
    points = _moved(session, _POINTS, named, len(period.buckets)) if has_points else _still(period)
    partners = _moved(session, _PARTNERS, named, len(period.buckets))
    series = zip(
        _back(held.real, real),
        _back(held.bonus, bonus),
        _back(held.points, points),
        _back(held.partners, partners),
        strict=True,
    )
    opening, *closings = [_standing(*stood, programme) for stood in series]
    return Liability(
        period=period,
        now=_standing(held.real, held.bonus, held.points, held.partners, programme),
        pending=held.pending,
        overdrawn=held.overdrawn,
        reserved=held.reserved,
        waiting=held.waiting,
        has_points=has_points,
        closings=tuple(closings),
        opening=opening,
    )


def _standing(real: int, bonus: int, points: int, partners: int, programme: Programme | None) -> Standing:
    worth = loyalty.worth(points, programme) if programme is not None else None
    return Standing(real, bonus, points, worth or 0, partners)


def _back(now: int, moved: Sequence[int]) -> list[int]:
    """What stood at the start, and at the end of each bucket, from what stands now.

    `moved` by bucket, and last what has moved after all of them.
    """
    stood = [now]
    for change in reversed(moved):
        stood.append(stood[-1] - change)
    return stood[:0:-1]


def _money(session: Session, scope: Scope, period: Period, now: dt.datetime) -> tuple[list[int], list[int]]:
    """By how much real and bonus balances moved in each bucket, and after all of them."""
    after = Span(period.span.end, max(period.span.end, clock.day(now, scope.timezone).end))
    real, bonus = ([0] * (len(period.buckets) + 1) for _ in range(2))
    for row in rollups.sums(session, scope, (*period.buckets, after), period.unit):
        real[row.bucket] += row.real
        bonus[row.bucket] += row.bonus
    return real, bonus


def _still(period: Period) -> list[int]:
    return [0] * (len(period.buckets) + 1)


def _moved(session: Session, statement: TextClause, named: dict[str, object], buckets: int) -> list[int]:
    moved = [0] * (buckets + 1)
    for row in session.execute(statement, named):
        moved[row.bucket] += row.moved
    return moved


_NOW = text("""
SELECT b.*, a.*, p.points, g.conversion_points, g.conversion_amount
FROM (
  SELECT CAST(coalesce(sum(real), 0) AS bigint) AS real, CAST(coalesce(sum(bonus), 0) AS bigint) AS bonus,
         CAST(coalesce(sum(pending), 0) AS bigint) AS pending,
         CAST(-coalesce(sum(least(real, 0)), 0) AS bigint) AS overdrawn
  FROM balances WHERE operator_id = :operator AND currency = :currency
) AS b
CROSS JOIN (
  SELECT CAST(coalesce(sum(approved - paid), 0) AS bigint) AS partners,
         CAST(coalesce(sum(reserved), 0) AS bigint) AS reserved,
         CAST(coalesce(sum(pending), 0) AS bigint) AS waiting
  FROM partner_accounts WHERE operator_id = :operator AND currency = :currency
) AS a
CROSS JOIN (
  SELECT CAST(coalesce(sum(balance), 0) AS bigint) AS points
  FROM loyalty_wallets WHERE operator_id = :operator AND :has_points
) AS p
LEFT JOIN loyalty_programmes g ON g.operator_id = :operator
""")
# Bucket n is what came after the last of them.
_POINTS = text("""
SELECT width_bucket(created_at, CAST(:starts AS timestamptz[])) - 1 AS bucket,
       CAST(sum(points) AS bigint) AS moved
FROM loyalty_entries WHERE operator_id = :operator AND created_at >= :start
GROUP BY 1
""")
_PARTNERS = text("""
SELECT width_bucket(at, CAST(:starts AS timestamptz[])) - 1 AS bucket, CAST(sum(amount) AS bigint) AS moved
FROM (
  SELECT decided_at AS at, payable AS amount FROM partner_statements
  WHERE operator_id = :operator AND currency = :currency AND state IN ('payable', 'paid')
    AND decided_at >= :start
  UNION ALL
  SELECT ended_at, -amount FROM partner_payouts
  WHERE operator_id = :operator AND currency = :currency AND state = 'paid' AND ended_at >= :start
) AS moved
GROUP BY 1
""")
