"""What the players of each agent moved, and what each member of staff did over a period."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.queries import rollups
from dashboard.queries.rollups import BucketSum, Part, Scope
from dashboard.services import figures
from dashboard.services.figures import Figures
from dashboard.services.periods import Period

NOBODY = 0


@dataclass(frozen=True, slots=True)
class Acts:
    """What somebody did in one currency over a period. Minor units."""

    adjustments: int = 0
    """How many."""
    credited: int = 0
    """By these, real and bonus."""
    debited: int = 0
    """Not negative."""
    refused: int = 0
    """How many of their changes were refused, of any type."""
    acknowledged: int = 0
    """How many of the alerts that were raised in the period they have seen to."""
    median: dt.timedelta | None = None
    """From raised to acknowledged; None without any. So is `p90`."""
    p90: dt.timedelta | None = None


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent: the players of whom they were in charge, and what they did themselves."""

    login_id: int
    """0: nobody."""
    name: str
    figures: Figures
    """Of their players, by who was in charge as of each entry."""
    before: Figures
    """Of the period before."""
    acts: Acts

    @property
    def revenue_percent(self) -> float | None:
        """By how much net gaming revenue has changed."""
        return figures.change_percent(self.figures.revenue, self.before.revenue)


def read(session: Session, scope: Scope, period: Period, *, names: Mapping[int, str]) -> list[AgentRow]:
    """Everybody with a figure of that period or the one before, those with the largest stakes first.

    Five statements. `names` are the operator's people by login id.
    """
    rows = rollups.sums(session, scope, (period.before, period.span), period.unit, by=Part.AGENT)
    moved = {bucket: _by_part(list(sums)) for bucket, sums in groupby(rows, lambda row: row.bucket)}
    now, before = moved.get(1, {}), moved.get(0, {})
    acts = _acts(session, scope, period, list(names))
    found = [
        AgentRow(
            login_id,
            names.get(login_id, "Nobody in charge" if login_id == NOBODY else f"Login {login_id}"),
            now.get(login_id, Figures()),
            before.get(login_id, Figures()),
            acts.get(login_id, Acts()),
        )
        for login_id in {*now, *before, *acts}
    ]
    return sorted(found, key=lambda row: (-row.figures.stakes, -row.figures.entries, row.name, row.login_id))


def _by_part(rows: list[BucketSum]) -> dict[int, Figures]:
    in_order = sorted(rows, key=lambda row: int(row.part))
    return {int(part): figures.of(sums) for part, sums in groupby(in_order, lambda row: row.part)}


def _acts(session: Session, scope: Scope, period: Period, people: Sequence[int]) -> dict[int, Acts]:
    named = {
        "operator": scope.operator_id,
        "currency": scope.currency,
        "start": period.span.start,
        "end": period.span.end,
        "people": list(people),
    }
    adjusted, refused, seen = (
        {row[0]: tuple(row[1:]) for row in session.execute(statement, named)}
        for statement in (_ADJUSTED, _REFUSED, _SEEN)
    )
    return {
        login_id: Acts(
            *adjusted.get(login_id, (0, 0, 0)),
            *refused.get(login_id, (0,)),
            *seen.get(login_id, (0, None, None)),
        )
        for login_id in {*adjusted, *refused, *seen}
    }


_ADJUSTED = text("""
SELECT p.id AS login_id, count(*), CAST(sum(greatest(e.real_delta + e.bonus_delta, 0)) AS bigint),
       CAST(-sum(least(e.real_delta + e.bonus_delta, 0)) AS bigint)
FROM unnest(CAST(:people AS bigint[])) AS p(id)
JOIN wallet_entries e ON e.performed_by = 'staff:' || p.id AND e.performed_by <> 'system'
 AND e.created_at >= :start AND e.created_at < :end
WHERE e.operator_id = :operator AND e.currency = :currency AND e.change_type = 'adjustment'
GROUP BY p.id
""")
_REFUSED = text("""
SELECT p.id AS login_id, count(*)
FROM refusals r
JOIN unnest(CAST(:people AS bigint[])) AS p(id) ON r.performed_by = 'staff:' || p.id
WHERE r.operator_id = :operator AND r.currency = :currency
  AND r.refused_at >= :start AND r.refused_at < :end
GROUP BY p.id
""")
# percentile_cont of intervals: the figure lies between the two nearest where there is none in the middle.
_SEEN = text("""
SELECT acknowledged_by AS login_id, count(*),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY acknowledged_at - raised_at),
       percentile_cont(0.9) WITHIN GROUP (ORDER BY acknowledged_at - raised_at)
FROM alerts
WHERE operator_id = :operator AND currency = :currency AND raised_at >= :start AND raised_at < :end
  AND acknowledged_by = ANY (:people)
GROUP BY acknowledged_by
""")
