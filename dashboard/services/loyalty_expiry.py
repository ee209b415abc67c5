"""What time does to members without anybody asking: points that were not used lapse, tiers that have ended
are renewed or lost.

In sets, over all operators, each by its own calendar. An act of a member does the same to that member first
(`points.settle_day`), under the same key: each batch lapses once, whoever comes first.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.points import PointsKind
from dashboard.services import points, points_journal, points_reckoning, points_standing
from dashboard.services.actors import SYSTEM
from dashboard.services.points_journal import Moving, Posting


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A member some of whose points have lapsed, and of how many batches."""

    operator_id: int
    player_id: int
    batches: int


def expire_due(session: Session, *, now: dt.datetime, limit: int) -> list[Lapsed]:
    """Let unused points lapse whose last day is over, the soonest first; of `limit` batches' members.

    Of each member the batches of one day: for a job, again until it returns nothing. What has lapsed stays
    so, and of two at once each batch is taken by one. Locks the wallets, by player.
    """
    days = today_of(session, now)
    named = {"operators": list(days), "todays": list(days.values())}
    players = list(session.scalars(_DUE, {**named, "limit": limit}))
    if not players:
        return []
    locked = session.execute(_LOCK, {"players": players}).all()
    # Under the locks: whoever was here first has taken some of them.
    operator_of = {row.player_id: row.operator_id for row in locked}
    rows = session.execute(
        _EXPIRE,
        {
            "players": list(operator_of),
            "todays": [days[operator_id] for operator_id in operator_of.values()],
            "now": now,
        },
    ).all()
    if any(row.points != row.lapsed for row in rows):
        raise RuntimeError("what lapsed is not what the entries say")
    return [Lapsed(operator_of[row.player_id], row.player_id, row.batches) for row in rows]


def review_due(session: Session, *, now: dt.datetime, limit: int) -> list[tuple[int, int]]:
    """Renew or take away tiers whose last day is over, of at most `limit` members.

    For a job, again until it returns nothing. Brings each of these members to today, as an act would; the
    operator and the player of each.
    """
    days = today_of(session, now)
    named = {"operators": list(days), "todays": list(days.values())}
    due = session.execute(_ENDED, {**named, "limit": limit}).all()
    reviewed = []
    for row in sorted(due, key=lambda row: int(row.player_id)):
        member = points_standing.lock(session, player_id=row.player_id, actor=SYSTEM, now=now)
        entries, _ = points.settle_day(session, member, now)
        if entries:
            reviewed.append((member.operator_id, member.player_id))
    return reviewed


def today_of(session: Session, now: dt.datetime) -> Mapping[int, dt.date]:
    """The day that it is for each operator."""
    return {row.id: clock.local(now, row.timezone).date() for row in session.execute(_OPERATORS)}


_OPERATORS = text("SELECT id, timezone FROM operators ORDER BY id")
# Each operator's by itself, along its index: it ends at `limit` however much is due.
_DUE = text("""
SELECT DISTINCT player_id FROM (
  SELECT b.player_id
  FROM unnest(CAST(:operators AS bigint[]), CAST(:todays AS date[])) AS o(operator_id, today)
  CROSS JOIN LATERAL (
    SELECT player_id FROM points_batches
    WHERE operator_id = o.operator_id AND expires_on < o.today AND remaining > 0
    ORDER BY expires_on, player_id, number LIMIT :limit
  ) AS b
  LIMIT :limit
) AS due
ORDER BY player_id
""")
_LOCK = text("""
SELECT player_id, operator_id FROM loyalty_wallets WHERE player_id = ANY(:players)
ORDER BY player_id FOR UPDATE
""")
_ENDED = text("""
SELECT w.player_id
FROM unnest(CAST(:operators AS bigint[]), CAST(:todays AS date[])) AS o(operator_id, today)
CROSS JOIN LATERAL (
  SELECT player_id FROM loyalty_wallets
  WHERE operator_id = o.operator_id AND tier_id IS NOT NULL AND tier_valid_until < o.today
  ORDER BY tier_valid_until LIMIT :limit
) AS w
LIMIT :limit
""")

_KEY = "'expiry:' || to_char(day.expires_on, 'YYYY-MM-DD')"
_NAMED = (
    "CASE due.batches WHEN 1 THEN 'Not used in time: batch ' ELSE 'Not used in time: batches ' END"
    " || due.numbers"
)
# What has been used of a batch, and hence the bonus points in what remains (`points_standing.Batch.part`).
_BONUS = "b.bonus_loaded - div(CAST(b.loaded - b.remaining AS numeric) * b.bonus_loaded, b.loaded)::bigint"
# Of each member the first day on which something lapsed; a later one is another entry.
_POSTING = f"""
SELECT {
    points_journal.listed(
        Posting,
        {
            "player_id": "n.player_id",
            "kind": f"'{PointsKind.EXPIRE}'",
            "base_points": "due.bonus_points - due.points",
            "bonus_points": "-due.bonus_points",
            "notes": f"CASE WHEN length({_NAMED}) <= {points_reckoning.REASON_MAX} THEN {_NAMED}"
            " ELSE format('Not used in time: %s batches', due.batches) END",
            "performed_by": f"'{SYSTEM.reference}'",
            "idempotency_key": _KEY,
            "fingerprint": f"sha256(convert_to({_KEY}, 'UTF8'))",
            "created_at": ":now",
            "expired": "due.points",
        },
    )
}, day.expires_on AS lapsed_on
FROM unnest(CAST(:players AS bigint[]), CAST(:todays AS date[])) AS n(player_id, today)
CROSS JOIN LATERAL (
  SELECT expires_on FROM points_batches
  WHERE player_id = n.player_id AND remaining > 0 AND expires_on < n.today ORDER BY expires_on LIMIT 1
) AS day
CROSS JOIN LATERAL (
  SELECT sum(b.remaining) AS points, sum({_BONUS}) AS bonus_points, count(*) AS batches,
         string_agg(b.number::text, ', ' ORDER BY b.number) AS numbers
  FROM points_batches b
  WHERE b.player_id = n.player_id AND b.remaining > 0 AND b.expires_on = day.expires_on
) AS due"""
_MAKING = f"""
SELECT {
    points_journal.listed(
        points_journal.Making,
        dict.fromkeys(
            ("player_id", "ordinal", "loaded_on", "expires_on", "base_loaded", "bonus_loaded"), "NULL"
        ),
    )
} WHERE false"""
_MOVING = f"""
SELECT {
    points_journal.listed(
        Moving,
        {
            "player_id": "p.player_id",
            "number": "due.number",
            "place": "due.place",
            "base_points": "due.remaining - due.bonus_points",
            "bonus_points": "due.bonus_points",
            "expired": "due.remaining",
        },
    )
}
FROM posting p
CROSS JOIN LATERAL (
  SELECT b.number, b.remaining, {_BONUS} AS bonus_points, row_number() OVER (ORDER BY b.number) AS place
  FROM points_batches b
  WHERE b.player_id = p.player_id AND b.remaining > 0 AND b.expires_on = p.lapsed_on
) AS due"""
_EXPIRE = points_journal.statement(
    _POSTING,
    _MAKING,
    _MOVING,
    """
SELECT w.player_id, -(w.base_points + w.bonus_points) AS points, c.lapsed, coalesce(c.batches, 0) AS batches
FROM written w
LEFT JOIN (SELECT player_id, sum(expired) AS lapsed, count(*) AS batches FROM changed GROUP BY player_id) AS c
  ON c.player_id = w.player_id""",
)
