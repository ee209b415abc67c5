"""What is due at the tables: which step comes next where the worker plays, and where time alone decides.

It only looks; the steps themselves are `rounds`' and `settlement`'s, each a guarded update, so that two
workers that see the same step due do it once.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session


class Step(StrEnum):
    """What comes next for a game or its round."""

    OPEN = "open"
    """A running game whose pause is over: its next round."""
    OPEN_BETTING = "open_betting"
    """A scheduled round of a running game."""
    LOCK = "lock"
    """Betting is over by the database's clock, or somebody has announced that it is."""
    DEAL = "deal"
    NEXT_STAGE = "next_stage"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Due:
    """A step that can be done now."""

    step: Step
    game_id: int
    round_id: int | None
    """None for a round that is still to be opened."""


# The worker plays what runs by itself, and ends what it has opened before the game was stopped. Bets are
# closed at every table.
_DUE = text("""
WITH live AS (
  SELECT r.id, r.game_id, r.state, r.winner,
         r.dealing = 'automatic' AND (g.is_running OR r.opened_by = 'system') AS plays,
         r.betting_ends_at <= clock_timestamp()
           OR EXISTS (SELECT FROM round_closings c WHERE c.round_id = r.id AND c.stage = r.stage) AS is_over
  FROM rounds r JOIN games g ON g.id = r.game_id
  WHERE r.state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling')
), due AS (
  SELECT game_id, id AS round_id,
         CASE WHEN state = 'betting' AND is_over THEN 'lock'
              WHEN NOT plays THEN NULL
              WHEN state = 'scheduled' THEN 'open_betting'
              WHEN state = 'locked' THEN 'deal'
              WHEN state = 'dealing' AND winner IS NULL THEN 'next_stage'
              WHEN state = 'dealing' THEN 'settle' END AS step
  FROM live
  UNION ALL
  SELECT g.id, NULL, 'open'
  FROM games g
  WHERE g.is_running AND NOT EXISTS (SELECT FROM live l WHERE l.game_id = g.id)
    AND NOT EXISTS (
      SELECT FROM (SELECT ended_at FROM rounds WHERE game_id = g.id ORDER BY id DESC LIMIT 1) AS last
      WHERE last.ended_at > CAST(:now AS timestamptz) - make_interval(secs => g.pause_seconds)
    )
)
SELECT step, game_id, round_id FROM due WHERE step IS NOT NULL ORDER BY game_id
""")


_BUSY = text("""
SELECT EXISTS (SELECT FROM games WHERE is_running) OR EXISTS (
  SELECT FROM rounds
  WHERE state IN ('scheduled', 'betting', 'locked', 'dealing', 'settling')
    AND (state = 'betting' OR opened_by = 'system'))
""")


def is_busy(session: Session) -> bool:
    """Whether any step can come due without somebody doing something first."""
    return bool(session.scalar(_BUSY))


def due(session: Session, *, now: dt.datetime) -> list[Due]:
    """Every step that can be done now, at most one for each game."""
    return [Due(Step(row.step), row.game_id, row.round_id) for row in session.execute(_DUE, {"now": now})]
