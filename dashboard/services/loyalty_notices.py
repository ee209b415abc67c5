"""Notices before points expire and before a tier ends: to staff as an alert, to other systems as an event.

Each is given once. A day counts as the operator's own: after days without a worker the nearest notice that
is still due is given, and those that it stands for are not.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.models.alert import AlertType, Severity
from dashboard.services import alerts, loyalty_expiry, member_tiers, outgoing_events
from dashboard.services.alerts import Hit, Outcome, Placed
from dashboard.services.outgoing_events import Event

POINTS_DAYS = [30, 7, 1]
"""So many days before points expire."""
TIER_DAYS = 30
"""So many days before a tier ends."""


def give(session: Session, *, now: dt.datetime, limit: int) -> list[tuple[int, int]]:
    """Give at most `limit` notices of points and as many of tiers that are due; operator and player of each.

    For a job, again until it returns nothing: of each member one notice of points at a time, the soonest
    last. Of two at once each notice is given by one.
    """
    days = loyalty_expiry.today_of(session, now)
    named = {
        "operators": list(days),
        "todays": list(days.values()),
        "points_days": POINTS_DAYS,
        "tier_days": TIER_DAYS,
        "limit": limit,
    }
    of_points = _note(session, "points", session.execute(_POINTS_DUE, named).all(), now)
    of_tiers = _note(session, "tier", session.execute(_TIERS_DUE, named).all(), now)
    missing = _missing(session, of_tiers)
    raised = [_points_alert(row, now) for row in of_points]
    # A tier that will be renewed is nothing that staff must look at.
    kept = {row.player_id for row in of_tiers if row.is_active and missing[row.player_id] <= 0}
    raised_of_tiers = [
        _tier_alert(row, missing[row.player_id], now) for row in of_tiers if row.player_id not in kept
    ]
    alerts.apply(session, raised)
    alerts.apply(session, raised_of_tiers)
    events = [_points_event(row) for row in of_points]
    events += [_tier_event(row, missing[row.player_id], renews=row.player_id in kept) for row in of_tiers]
    outgoing_events.tell(session, events, now=now)
    return [(row.operator_id, row.player_id) for row in (*of_points, *of_tiers)]


# Of a last day the nearest notice that is not past, unless its points came after the day of that notice.
_POINTS_DUE = text("""
SELECT DISTINCT ON (due.player_id)
  o.operator_id, due.player_id, p.external_id, r.currency, due.ends_on, nearest.days, due.points,
  due.ends_on - o.today AS days_left
FROM unnest(CAST(:operators AS bigint[]), CAST(:todays AS date[])) AS o(operator_id, today)
JOIN operators r ON r.id = o.operator_id
CROSS JOIN LATERAL (
  SELECT b.player_id, b.expires_on AS ends_on, sum(b.remaining)::bigint AS points,
         min(b.loaded_on) AS loaded_on
  FROM points_batches b
  WHERE b.operator_id = o.operator_id AND b.remaining > 0
    AND b.expires_on >= o.today
    AND b.expires_on <= o.today + (SELECT max(d) FROM unnest(CAST(:points_days AS int[])) AS d)
  GROUP BY b.player_id, b.expires_on
) AS due
CROSS JOIN LATERAL (
  SELECT min(d) AS days FROM unnest(CAST(:points_days AS int[])) AS d WHERE d >= due.ends_on - o.today
) AS nearest
JOIN players p ON p.id = due.player_id
WHERE due.loaded_on <= due.ends_on - nearest.days
  AND NOT EXISTS (
    SELECT FROM loyalty_notices n
    WHERE n.player_id = due.player_id AND n.subject = 'points' AND n.ends_on = due.ends_on
      AND n.days = nearest.days
  )
ORDER BY due.player_id, due.ends_on DESC LIMIT :limit
""")
_TIERS_DUE = text("""
SELECT w.operator_id, w.player_id, p.external_id, r.currency, r.timezone, w.tier_valid_until AS ends_on,
       CAST(:tier_days AS int) AS days, w.tier_valid_until - o.today AS days_left, t.code, t.name,
       t.minimum_payment, t.is_active
FROM unnest(CAST(:operators AS bigint[]), CAST(:todays AS date[])) AS o(operator_id, today)
JOIN operators r ON r.id = o.operator_id
JOIN loyalty_wallets w ON w.operator_id = o.operator_id AND w.tier_id IS NOT NULL
  AND w.tier_valid_until BETWEEN o.today AND o.today + CAST(:tier_days AS int)
JOIN loyalty_tiers t ON t.id = w.tier_id
JOIN players p ON p.id = w.player_id
WHERE NOT EXISTS (
  SELECT FROM loyalty_notices n
  WHERE n.player_id = w.player_id AND n.subject = 'tier' AND n.ends_on = w.tier_valid_until
    AND n.days = CAST(:tier_days AS int)
)
ORDER BY w.player_id LIMIT :limit
""")
# Whoever was first is waited for, and has given what it names.
_NOTE = text("""
INSERT INTO loyalty_notices (player_id, subject, ends_on, days, operator_id, noticed_at)
SELECT n.player_id, :subject, n.ends_on, n.days, n.operator_id, :now
FROM unnest(CAST(:players AS bigint[]), CAST(:ends AS date[]), CAST(:days AS smallint[]),
            CAST(:operators AS bigint[])) AS n(player_id, ends_on, days, operator_id)
ORDER BY n.player_id
ON CONFLICT DO NOTHING
RETURNING player_id
""")


def _note(session: Session, subject: str, due: Sequence[Row[Any]], now: dt.datetime) -> list[Row[Any]]:
    """Write down which notices are given; those that nobody else has given."""
    if not due:
        return []
    noted = session.scalars(
        _NOTE,
        {
            "subject": subject,
            "players": [row.player_id for row in due],
            "ends": [row.ends_on for row in due],
            "days": [row.days for row in due],
            "operators": [row.operator_id for row in due],
            "now": now,
        },
    )
    ours = set(noted)
    return [row for row in due if row.player_id in ours]


def _missing(session: Session, due: Sequence[Row[Any]]) -> dict[int, int]:
    """What each member has yet to pay to keep the tier, by what was paid in its last 12 months."""
    if not due:
        return {}
    spans = {row.player_id: member_tiers.qualifying_span(row.ends_on, row.timezone) for row in due}
    paid = member_tiers.paid_by(session, spans)
    return {row.player_id: max(0, row.minimum_payment - paid[row.player_id]) for row in due}


def _points_alert(row: Row[Any], now: dt.datetime) -> Placed:
    return _placed(row, Hit(AlertType.POINTS_EXPIRING, Severity.WARNING, row.points, row.days), now)


def _tier_alert(row: Row[Any], missing: int, now: dt.datetime) -> Placed:
    return _placed(row, Hit(AlertType.TIER_ENDING, Severity.WARNING, missing, row.days), now)


def _placed(row: Row[Any], hit: Hit, now: dt.datetime) -> Placed:
    return Placed(row.player_id, row.currency, row.operator_id, None, Outcome((hit,), ()), now)


def _points_event(row: Row[Any]) -> Event:
    payload = {
        "external_id": row.external_id,
        "points": row.points,
        "last_day": row.ends_on.isoformat(),
        "days": row.days,
        "days_left": row.days_left,
    }
    return Event(row.operator_id, row.player_id, "points.expiring", payload)


def _tier_event(row: Row[Any], missing: int, *, renews: bool) -> Event:
    payload = {
        "external_id": row.external_id,
        "tier": row.code,
        "tier_name": row.name,
        "last_day": row.ends_on.isoformat(),
        "days": row.days,
        "days_left": row.days_left,
        "currency": row.currency,
        "minimum": row.minimum_payment,
        "missing": missing,
        "renews": renews,
    }
    return Event(row.operator_id, row.player_id, "tier.ending", payload)
