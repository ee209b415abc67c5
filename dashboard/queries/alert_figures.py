"""What the alerts of some days come to: how many by day and type, and how long they waited to be seen."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.clock import Span
from dashboard.models.alert import AlertType


@dataclass(frozen=True, slots=True)
class TypeFigures:
    """The alerts of one type that were raised on the days asked for."""

    type: AlertType
    raised: list[int]
    """By day, in the order of the days."""
    acknowledged: int
    median: dt.timedelta | None
    """From raised to acknowledged, over those acknowledged; None where none was. So is `p90`."""
    p90: dt.timedelta | None
    came_back: int
    """Resolved by themselves."""
    by_hand: int

    @property
    def total(self) -> int:
        """How many were raised in all."""
        return sum(self.raised)


_RAISED = text("""
SELECT d.n, a.type, count(*) AS raised
FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) WITH ORDINALITY AS d(start, stop, n)
JOIN alerts a ON a.operator_id = :operator AND a.raised_at >= d.start AND a.raised_at < d.stop
GROUP BY d.n, a.type
""")

# percentile_cont of intervals: the figure lies between the two nearest where there is none in the middle.
_ANSWERED = text("""
SELECT type, count(acknowledged_at) AS acknowledged,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY acknowledged_at - raised_at) AS median,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY acknowledged_at - raised_at) AS p90,
       count(*) FILTER (WHERE resolved_by = 'system') AS came_back,
       count(*) FILTER (WHERE resolved_by <> 'system') AS by_hand
FROM alerts
WHERE operator_id = :operator AND raised_at >= :start AND raised_at < :stop
GROUP BY type
""")


def by_type(session: Session, *, operator_id: int, days: Sequence[Span]) -> list[TypeFigures]:
    """One for each type, in the order of the types, without alerts too; the days follow each other."""
    spans = {"starts": [day.start for day in days], "ends": [day.end for day in days]}
    raised = {
        (row.type, row.n): row.raised for row in session.execute(_RAISED, {"operator": operator_id, **spans})
    }
    whole = {"operator": operator_id, "start": days[0].start, "stop": days[-1].end}
    answered = {row.type: row for row in session.execute(_ANSWERED, whole)}
    return [
        TypeFigures(
            kind,
            [raised.get((kind, number), 0) for number in range(1, len(days) + 1)],
            *(answered[kind][1:] if kind in answered else (0, None, None, 0, 0)),
        )
        for kind in AlertType
    ]
