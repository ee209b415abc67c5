"""What a month would have earned a partner by other terms, beside what it did.

All rows of a month are taken as if one contract had held for them: every row keeps its signed basis
whatever its policy, so that each policy can be asked of it. The formula is that of `partner_terms`, for
sets: half to even, and a correction as the difference to what its round had earned before.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.partner import LossPolicy

_FACTOR_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Amounts in minor units. Real figures: for the desk only."""

    statement_id: int | None
    """The month's statement, whose rows these are; None: all rows of the month but the rejected ones."""
    rows: int
    real_profit: int
    really: int
    """What the month brought the partner as it was agreed, a loss that was written off included."""
    would: Mapping[LossPolicy, int]
    """By policy, what it would have brought; below zero only where that is carried on."""
    summed: int
    """The rows added up with their sign, before the period policy raises a loss to zero."""

    @property
    def factor(self) -> Fraction | None:
        """How many times the period policy's earnings the seed's rule pays; None where that pays nothing."""
        period = self.would[LossPolicy.PERIOD]
        return Fraction(self.would[LossPolicy.PER_ROUND], period) if period else None

    @property
    def factor_text(self) -> str:
        """The factor with four decimals, or a dash."""
        if self.factor is None:
            return "–"
        whole, rest = divmod(round(self.factor * 10**_FACTOR_DECIMALS), 10**_FACTOR_DECIMALS)
        return f"{whole:,}.{rest:0{_FACTOR_DECIMALS}d}"


_STATEMENT = text("""
SELECT id, written_off FROM partner_statements
WHERE partner_id = :p AND currency = :c AND month = :month AND state <> 'declined'
""")
_OF_STATEMENT = "s.statement_id = :statement"
_OF_MONTH = """
s.partner_id = :p AND s.currency = :c AND s.state <> 'rejected' AND s.day >= :month AND s.day < :next_month
"""


def _rounded(exact: str) -> str:
    """Half to even, of an exact numeric.

    `round` takes halves away from zero; of a half the nearest even number is twice the rounded half of it.
    """
    return f"CASE WHEN abs({exact} % 1) = 0.5 THEN 2 * round({exact} * 0.5) ELSE round({exact}) END"


def _sums(rows: str) -> str:
    """Of these rows, each beside what the versions of its round before had come to when it was written.

    Materialized, or the planner writes each step out wherever the next one names it.
    """
    return f"""
WITH moved AS MATERIALIZED (
  SELECT s.earned AS really, g.real_profit AS profit,
         CASE WHEN g.settlement_version = 1 THEN 0 ELSE coalesce((
           SELECT sum(e.real_profit)
           FROM partner_game_earnings e JOIN partner_shown_earnings o ON o.id = e.id
           WHERE e.round_id = g.round_id AND e.partner_id = g.partner_id AND e.contract_id = g.contract_id
             AND e.currency = g.currency AND e.settlement_version < g.settlement_version
             AND NOT (o.state = 'rejected' AND o.decided_at <= g.settled_at)
         ), 0) END AS before
  FROM partner_shown_earnings s JOIN partner_game_earnings g ON g.id = s.id
  WHERE {rows}
), exact AS MATERIALIZED (
  SELECT really, profit, (before + profit) * CAST(:part AS numeric) AS now,
         before * CAST(:part AS numeric) AS earlier
  FROM moved
), earned AS MATERIALIZED (
  SELECT really, profit, {_rounded("now")} AS now,
         CASE WHEN earlier = 0 THEN 0 ELSE {_rounded("earlier")} END AS earlier
  FROM exact
)
SELECT count(*) AS rows, coalesce(sum(profit), 0) AS real_profit, coalesce(sum(really), 0) AS really,
       coalesce(sum(now - earlier), 0) AS summed,
       coalesce(sum(greatest(now, 0) - greatest(earlier, 0)), 0) AS per_round
FROM earned
"""


_SUMS_OF_STATEMENT, _SUMS_OF_MONTH = text(_sums(_OF_STATEMENT)), text(_sums(_OF_MONTH))


def compare(
    session: Session, *, partner_id: int, currency: str, month: dt.date, share_bp: int, rate_bp: int
) -> WhatIf:
    """What the month (its first day) would have earned by that share and rate, under each policy."""
    scope = {"p": partner_id, "c": currency, "month": month}
    statement = session.execute(_STATEMENT, scope).one_or_none()
    # As text: exact, and a numeric there.
    terms = {"part": str(Decimal(share_bp * rate_bp).scaleb(-8))}
    if statement is None:
        after = (month + dt.timedelta(days=32)).replace(day=1)
        found = session.execute(_SUMS_OF_MONTH, {**scope, **terms, "next_month": after}).one()
    else:
        found = session.execute(_SUMS_OF_STATEMENT, {**terms, "statement": statement.id}).one()
    summed = int(found.summed)
    return WhatIf(
        statement_id=statement.id if statement else None,
        rows=found.rows,
        real_profit=int(found.real_profit),
        really=int(found.really) + (statement.written_off if statement else 0),
        would={
            LossPolicy.PER_ROUND: int(found.per_round),
            LossPolicy.PERIOD: max(0, summed),
            LossPolicy.CARRY: summed,
        },
        summed=summed,
    )
